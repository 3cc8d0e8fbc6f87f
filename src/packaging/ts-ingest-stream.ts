/**
 * What a line of a program map means: stream type and descriptors to a codec (ISO/IEC 13818-1 table 2-34, ATSC A/53
 * and A/52, ETSI EN 300 468 for DVB's descriptors, ETSI TS 103 491 draft for Opus). Types that are not used have a name.
 */
import type { CodecId } from '../codec/codec-id.ts';
import type { TsStream } from '../wire/mpegts/psi-reader.ts';

const DESCRIPTOR_REGISTRATION = 0x05;
const DESCRIPTOR_LANGUAGE = 0x0a;
const DESCRIPTOR_METADATA = 0x26;
const DESCRIPTOR_AC3 = 0x6a;
const DESCRIPTOR_EAC3 = 0x7a;
const DESCRIPTOR_EXTENSION = 0x7f;
const EXTENSION_OPUS = 0x80;
/** Larger codes stand for dual mono and mappings that nobody uses. */
const MAX_OPUS_CHANNELS = 8;
const TYPE_PRIVATE_PES = 0x06;
const TYPE_LATM = 0x11;
const TYPE_METADATA_PES = 0x15;
/** Of an application format or a metadata format: a registered identifier follows (13818-1 2.6.60). */
const APPLICATION_REGISTERED = 0xffff;
const METADATA_REGISTERED = 0xff;

const CODECS_BY_TYPE: Readonly<Record<number, CodecId>> = {
  3: 'mp3',
  4: 'mp3',
  15: 'aac',
  17: 'aac',
  27: 'h264',
  36: 'h265',
  129: 'ac3',
  135: 'eac3',
};
const CODECS_BY_REGISTRATION: Readonly<Record<string, CodecId>> = {
  'AC-3': 'ac3',
  EAC3: 'eac3',
  Opus: 'opus',
  HEVC: 'h265',
};

/** For a sentence to a person. */
const NAMES: Readonly<Record<number, string>> = {
  1: 'MPEG-1 video',
  2: 'MPEG-2 video',
  5: 'private sections',
  6: 'private data',
  11: 'DSM-CC data',
  13: 'DSM-CC data',
  16: 'MPEG-4 part 2 video',
  21: 'timed metadata',
  32: 'a second view of H.264',
  33: 'JPEG 2000 video',
  51: 'H.266',
  66: 'AVS video',
  130: 'DTS or subtitles',
  131: 'TrueHD',
  134: 'SCTE-35 cue messages',
  207: 'encrypted AAC',
  210: 'AVS2 video',
  219: 'encrypted H.264',
  234: 'VC-1 video',
};

/** Formats by their registered identifier (SMPTE registration authority, AOM's AV1 in MPEG-2 TS, ID3 timed metadata). */
const NAMES_BY_IDENTIFIER: Readonly<Record<string, string>> = {
  AV01: 'AV1',
  VP09: 'VP9',
  KLVA: 'KLV metadata (SMPTE 336M)',
  'ID3 ': 'ID3 timed metadata',
  CUEI: 'SCTE-35 cue messages',
  BSSD: 'SMPTE 302M sound',
  'AC-4': 'AC-4',
  DTS1: 'DTS',
  DTS2: 'DTS',
  DTS3: 'DTS',
};
/** DVB's descriptors of what private data are (ETSI EN 300 468 table 12). */
const NAMES_BY_DESCRIPTOR: Readonly<Record<number, string>> = {
  86: 'teletext',
  89: 'DVB subtitles',
  111: 'application signalling',
  123: 'DTS',
};

export interface StreamMeaning {
  /** Null when the stream is not used. */
  readonly codec: CodecId | null;
  /** What it is, for a sentence. */
  readonly name: string;
  /** ISO 639-2, '' when it is not told. */
  readonly language: string;
  /** Opus: channel configuration code, which is the channel count up to 8; 0 = not told. */
  readonly channels: number;
  /** AAC is in LOAS frames (ISO/IEC 14496-3 1.7), not in ADTS. */
  readonly isLatm: boolean;
}

export function meaningOf({ streamType, descriptors }: TsStream): StreamMeaning {
  let codec: CodecId | null = CODECS_BY_TYPE[streamType] ?? null;
  let name = NAMES[streamType] ?? `stream type ${streamType}`;
  let language = '';
  let channels = 0;
  for (let at = 0; at + 2 <= descriptors.length; ) {
    const tag = descriptors[at]!;
    const start = at + 2;
    const end = Math.min(start + descriptors[at + 1]!, descriptors.length);
    at = start + descriptors[at + 1]!;
    if (tag === DESCRIPTOR_LANGUAGE && end - start >= 3) language = languageAt(descriptors, start);
    if (tag === DESCRIPTOR_METADATA && streamType === TYPE_METADATA_PES)
      name = NAMES_BY_IDENTIFIER[metadataIdentifier(descriptors, start, end)] ?? name;
    if (streamType !== TYPE_PRIVATE_PES) continue;
    if (tag === DESCRIPTOR_REGISTRATION && end - start >= 4) {
      const registration = identifierAt(descriptors, start);
      codec = CODECS_BY_REGISTRATION[registration] ?? codec;
      if (Object.hasOwn(NAMES_BY_IDENTIFIER, registration)) name = NAMES_BY_IDENTIFIER[registration]!;
      else if (/^[\x20-\x7e]{4}$/.test(registration)) name = `private data of type ${registration}`;
    } else if (Object.hasOwn(NAMES_BY_DESCRIPTOR, tag)) name = NAMES_BY_DESCRIPTOR[tag]!;
    else if (tag === DESCRIPTOR_AC3) codec = 'ac3';
    else if (tag === DESCRIPTOR_EAC3) codec = 'eac3';
    else if (tag === DESCRIPTOR_EXTENSION && end - start >= 2 && descriptors[start] === EXTENSION_OPUS) {
      channels = descriptors[start + 1]!;
      if (channels > MAX_OPUS_CHANNELS) {
        codec = null;
        name = `Opus with the channel configuration ${channels}`;
      }
    }
  }
  return { codec, name, language, channels, isLatm: streamType === TYPE_LATM };
}

function identifierAt(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4));
}

/** What a metadata descriptor says its metadata are; '' when it names no registered format. */
function metadataIdentifier(bytes: Uint8Array, start: number, end: number): string {
  let at = start + 2;
  if (end - start >= 2 && ((bytes[start]! << 8) | bytes[start + 1]!) === APPLICATION_REGISTERED) at += 4;
  return at + 5 <= end && bytes[at] === METADATA_REGISTERED ? identifierAt(bytes, at + 1) : '';
}

function languageAt(bytes: Uint8Array, at: number): string {
  const language = String.fromCharCode(...bytes.subarray(at, at + 3)).toLowerCase();
  return /^[a-z]{3}$/.test(language) && language !== 'und' ? language : '';
}
