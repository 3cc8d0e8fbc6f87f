/** What the checkers of HLS playlists read, and the forms of attributes: RFC 8216bis 4.2 and 4.4. */

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface ListedPart {
  readonly uri: string;
  readonly seconds: number;
  readonly independent: boolean;
  readonly gap: boolean;
  readonly byteRange: ByteRange | null;
}

export interface ListedSegment {
  readonly uri: string;
  readonly seconds: number;
  readonly sequence: number;
  readonly discontinuity: boolean;
  /** Milliseconds since 1970; NaN = none. */
  readonly dateTime: number;
  readonly byteRange: ByteRange | null;
  /** URI of the initialization section that holds here; '' = none, null = stands in what was skipped. */
  readonly map: string | null;
  /** Attributes of the key that holds here; '' = not encrypted, null = stands in what was skipped. */
  readonly key: string | null;
  readonly gap: boolean;
  readonly parts: readonly ListedPart[];
}

interface RenditionReport {
  readonly uri: string;
  /** -1 = not said. */
  readonly lastMsn: number;
  readonly lastPart: number;
}

export type Attributes = ReadonlyMap<string, string>;

export interface CheckedPlaylist {
  readonly violations: string[];
  readonly isMaster: boolean;
  readonly segments: ListedSegment[];
  /** Parts of the segment that is not complete yet. */
  openParts: ListedPart[];
  /** URIs of the variants of a master playlist. */
  readonly variants: { readonly uri: string; readonly attributes: Attributes }[];
  /** Attributes of every EXT-X-MEDIA of a master playlist. */
  readonly renditions: Attributes[];
  readonly reports: RenditionReport[];
  /** URI by TYPE. */
  readonly hints: Map<string, string>;
  serverControl: Attributes;
  version: number;
  /** '' = may lose segments and gain them. */
  type: string;
  targetDuration: number;
  /** Seconds; 0 = no parts. */
  partTarget: number;
  mediaSequence: number;
  discontinuitySequence: number;
  /** Segments that EXT-X-SKIP stands for. */
  skipped: number;
  ended: boolean;
  /** EXT-X-INDEPENDENT-SEGMENTS. */
  independent: boolean;
}

export function emptyPlaylist(isMaster: boolean): CheckedPlaylist {
  return {
    violations: [],
    isMaster,
    segments: [],
    openParts: [],
    variants: [],
    renditions: [],
    reports: [],
    hints: new Map(),
    serverControl: new Map(),
    version: 1,
    type: '',
    targetDuration: -1,
    partTarget: 0,
    mediaSequence: 0,
    discontinuitySequence: 0,
    skipped: 0,
    ended: false,
    independent: false,
  };
}

export const INTEGER = /^\d{1,20}$/;
export const POSITIVE = /^[1-9]\d{0,19}$/;
export const DECIMAL = /^\d+(\.\d+)?$/;
export const SIGNED = /^-?\d+(\.\d+)?$/;
export const STRING = /^"[^"\r\n]*"$/;
export const YES = /^YES$/;
export const YES_NO = /^(YES|NO)$/;
export const HEX_128 = /^0[xX][0-9A-Fa-f]{32}$/;
export const RANGE = /^"\d+@\d+"$/;

/** Form by name; a leading `!` means that the attribute must be there. */
export type AttributeForms = Readonly<Record<string, RegExp>>;

/** Reads an attribute list and holds it against the forms. */
export function readAttributes(
  tag: string,
  value: string,
  forms: AttributeForms,
  report: (text: string) => void,
): Map<string, string> {
  const attributes = new Map<string, string>();
  const pattern = /([A-Z0-9-]+)=("[^"\r\n]*"|[^",\s]+)(,(?=.)|$)/y;
  while (pattern.lastIndex < value.length) {
    const match = pattern.exec(value);
    if (match === null) {
      report(`attribute list '${value}'`);
      break;
    }
    if (attributes.has(match[1]!)) report(`attribute ${match[1]} twice`);
    attributes.set(match[1]!, match[2]!);
  }
  for (const [name, found] of attributes) {
    const form = forms[name] ?? forms[`!${name}`];
    if (form === undefined) {
      if (!name.startsWith('X-')) report(`attribute ${name} does not belong to ${tag}`);
    } else if (!form.test(found)) report(`attribute ${name} is '${found}'`);
  }
  for (const name of Object.keys(forms)) {
    if (name.startsWith('!') && !attributes.has(name.slice(1)))
      report(`attribute ${name.slice(1)} is 'undefined' in ${tag}`);
  }
  return attributes;
}

/** Without its quotes; '' when it is not there. */
export function unquoted(attributes: Attributes, name: string): string {
  return (attributes.get(name) ?? '').replace(/^"|"$/g, '');
}

/** NaN when it is not there. */
export function numberOf(attributes: Attributes, name: string): number {
  const value = attributes.get(name);
  return value === undefined ? Number.NaN : Number(value);
}
