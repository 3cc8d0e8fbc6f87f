/** What the MPD checker reads: ISO/IEC 23009-1. Times are seconds unless said otherwise; instants are milliseconds. */
import type { XmlElement } from '../../src/util/xml-document.ts';

export interface MpdSegment {
  /** `$Number$`. */
  readonly number: number;
  /** `$Time$`, ticks. */
  readonly time: number;
  /** Ticks. */
  readonly duration: number;
}

export interface MpdReferenceTime {
  readonly id: string;
  readonly wallClockMs: number;
  /** Ticks. */
  readonly presentationTime: number;
}

export interface MpdRepresentation {
  readonly id: string;
  readonly bandwidth: number;
  readonly codecs: string;
  readonly mimeType: string;
  readonly contentType: string;
  readonly adaptationSet: string;
  readonly timescale: number;
  /** Ticks. */
  readonly presentationTimeOffset: number;
  readonly initialization: string;
  readonly media: string;
  /** Every one that is listed; of a template with a constant duration none. */
  readonly segments: readonly MpdSegment[];
  /** Ticks; 0 = there is a timeline. */
  readonly constantDuration: number;
  readonly startNumber: number;
  /** How much earlier than complete a segment can be asked for; Infinity = INF. */
  readonly availabilityTimeOffset: number;
  readonly availabilityTimeComplete: boolean;
  readonly baseUrl: string;
  readonly referenceTimes: readonly MpdReferenceTime[];
}

export interface MpdPeriod {
  readonly id: string;
  readonly start: number;
  /** NaN = not said. */
  readonly duration: number;
  readonly representations: readonly MpdRepresentation[];
}

export interface CheckedMpd {
  readonly violations: string[];
  isDynamic: boolean;
  /** NaN = not said. */
  availabilityStartMs: number;
  publishMs: number;
  minimumUpdatePeriod: number;
  timeShiftBufferDepth: number;
  duration: number;
  /** Schemes of UTCTiming with their values. */
  utcTiming: { readonly scheme: string; readonly value: string }[];
  /** Milliseconds; NaN = not said. */
  latencyTarget: number;
  baseUrl: string;
  periods: MpdPeriod[];
}

export function attributeOf(element: XmlElement | undefined, name: string): string | undefined {
  return element?.attributes.find((one) => one.name === name)?.value;
}

export function childrenOf(element: XmlElement | undefined, name: string): XmlElement[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}

/** xs:duration without years and months, seconds; NaN when it is not there or not of this form. */
export function secondsOf(text: string | undefined): number {
  const match = /^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/.exec(text ?? '');
  if (match === null) return Number.NaN;
  const [, days = '0', hours = '0', minutes = '0', seconds = '0'] = match;
  return Number(days) * 86_400 + Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
}

const IDENTIFIER = /\$(?:(RepresentationID|Number|Time|Bandwidth|SubNumber)(%0(\d+)d)?)?\$/g;

/** Path of a segment, or of the initialization section when `segment` is left out (5.3.9.4.4). */
export function expandTemplate(
  template: string,
  representation: Pick<MpdRepresentation, 'id' | 'bandwidth'>,
  segment?: MpdSegment,
): string {
  return template.replace(IDENTIFIER, (whole, name?: string, format?: string, width?: string) => {
    if (name === undefined) return '$';
    const values: Record<string, string | number | undefined> = {
      RepresentationID: representation.id,
      Bandwidth: representation.bandwidth,
      Number: segment?.number,
      Time: segment?.time,
    };
    const value = values[name];
    if (value === undefined) return whole;
    return format === undefined ? String(value) : String(value).padStart(Number(width), '0');
  });
}

/** What is wrong with a template; `isInit`: it names no segment. */
export function checkTemplate(
  template: string,
  isInit: boolean,
  report: (text: string) => void,
): Set<string> {
  const found = new Set<string>();
  for (const match of template.matchAll(IDENTIFIER)) {
    if (match[1] === undefined) continue;
    found.add(match[1]);
    if (match[1] === 'RepresentationID' && match[2] !== undefined)
      report(`template '${template}' pads a name`);
  }
  if (template.replace(IDENTIFIER, '').includes('$')) report(`template '${template}' has a lonely $`);
  const names = found.has('Number') || found.has('Time');
  if (isInit && names) report(`initialization template '${template}' names a segment`);
  if (!isInit && !names) report(`media template '${template}' has neither $Number$ nor $Time$`);
  if (!isInit && found.has('Number') && found.has('Time'))
    report(`media template '${template}' has $Number$ and $Time$`);
  return found;
}
