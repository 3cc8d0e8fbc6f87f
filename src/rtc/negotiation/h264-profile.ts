/** Profiles of H.264 as profile-level-id tells them (RFC 6184 section 8.1, table 5), and which decoder takes which. */

export interface H264ProfileLevel {
  readonly profile: H264Profile;
  /** The first four digits of profile-level-id, lower case. */
  readonly profileDigits: string;
  /** The last two. */
  readonly levelDigits: string;
}

export type H264Profile =
  | 'Constrained Baseline'
  | 'Baseline'
  | 'Main'
  | 'Extended'
  | 'Constrained High'
  | 'High'
  | 'High 10'
  | 'High 4:2:2'
  | 'High 4:4:4 Predictive'
  | 'other';

/**
 * Decoders that take all of a profile as it comes here, the nearest first. Nobody makes the Baseline that Main would not
 * take; without B-frames, which WebRTC has none of, only interlacing parts High from Constrained High.
 */
const TAKEN_BY: Readonly<Record<H264Profile, readonly H264Profile[]>> = {
  'Constrained Baseline': [
    'Constrained Baseline',
    'Baseline',
    'Main',
    'Constrained High',
    'High',
    'High 10',
    'High 4:2:2',
    'High 4:4:4 Predictive',
    'Extended',
  ],
  Baseline: [
    'Baseline',
    'Constrained Baseline',
    'Main',
    'Constrained High',
    'High',
    'High 10',
    'High 4:2:2',
    'High 4:4:4 Predictive',
    'Extended',
  ],
  Main: ['Main', 'High', 'Constrained High', 'High 10', 'High 4:2:2', 'High 4:4:4 Predictive'],
  Extended: ['Extended'],
  'Constrained High': ['Constrained High', 'High', 'High 10', 'High 4:2:2', 'High 4:4:4 Predictive'],
  High: ['High', 'Constrained High', 'High 10', 'High 4:2:2', 'High 4:4:4 Predictive'],
  'High 10': ['High 10', 'High 4:2:2', 'High 4:4:4 Predictive'],
  'High 4:2:2': ['High 4:2:2', 'High 4:4:4 Predictive'],
  'High 4:4:4 Predictive': ['High 4:4:4 Predictive'],
  other: [],
};

/** What it means when it is missing (RFC 6184 section 8.1). */
const DEFAULT_ID = '42000a';

export function parseProfileLevelId(text: string | undefined): H264ProfileLevel {
  const id = /^[\da-f]{6}$/i.test(text ?? '') ? text!.toLowerCase() : DEFAULT_ID;
  const profile = profileOf(Number.parseInt(id.slice(0, 2), 16), Number.parseInt(id.slice(2, 4), 16));
  return { profile, profileDigits: id.slice(0, 4), levelDigits: id.slice(4) };
}

function profileOf(profileIdc: number, constraints: number): H264Profile {
  const set0 = (constraints & 0x80) !== 0;
  const set1 = (constraints & 0x40) !== 0;
  switch (profileIdc) {
    case 66:
      return set1 ? 'Constrained Baseline' : 'Baseline';
    case 77:
      return set0 ? 'Constrained Baseline' : 'Main';
    case 88:
      return set0 ? (set1 ? 'Constrained Baseline' : 'Baseline') : 'Extended';
    case 100:
      return (constraints & 0x0c) === 0x0c ? 'Constrained High' : 'High';
    case 110:
      return 'High 10';
    case 122:
      return 'High 4:2:2';
    case 244:
      return 'High 4:4:4 Predictive';
    default:
      return 'other';
  }
}

/** 0 = the same profile, more = a decoder that can more; -1 = it does not have to take the stream. */
export function h264Distance(stream: H264Profile, decoder: H264Profile): number {
  return TAKEN_BY[stream].indexOf(decoder);
}
