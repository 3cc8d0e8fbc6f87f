/**
 * Playlists of HTTP Live Streaming as any server writes them: RFC 8216bis section 4. Tolerant: unknown tags, missing
 * versions, CRLF, spaces and a byte order mark do not matter; what cannot be meant otherwise is taken as meant.
 * URIs stay as they are written (variables replaced); who fetched the playlist resolves them.
 * Leaves out: I-frame playlists, date ranges, session data, content steering, rendition reports. Delta updates are
 * told of (`skipped`), not put together: who does not ask for them does not get them.
 */
import { ProtocolError } from '../../util/errors.ts';
import {
  type Attributes,
  parseAttributes,
  parseDecimal,
  substitute,
  type Variables,
} from './attribute-list.ts';
import { MediaListReader } from './media-list-reader.ts';

const MAX_LINES = 1_000_000;
const MAX_VARIANTS = 500;
const MAX_RENDITIONS = 500;
const MAX_VARIABLES = 100;

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface SegmentKey {
  /** `AES-128`, `SAMPLE-AES` or what else is written; never `NONE`. */
  readonly method: string;
  readonly uri: string;
  /** 16 bytes; null = the media sequence number of the segment (section 5.2). */
  readonly iv: Buffer | null;
  /** `identity` when it is not told. */
  readonly format: string;
}

/** Initialization section. */
export interface SegmentMap {
  readonly uri: string;
  /** Null = the whole resource. */
  readonly range: ByteRange | null;
  readonly key: SegmentKey | null;
}

/** A part of a segment (low latency). */
export interface ReadPart {
  readonly uri: string;
  readonly range: ByteRange | null;
  readonly durationUs: number;
  readonly isIndependent: boolean;
  readonly isGap: boolean;
}

export interface ReadSegment {
  readonly uri: string;
  readonly range: ByteRange | null;
  /** Media sequence number. */
  readonly sequence: number;
  /** Discontinuities up to it, from the playlist's EXT-X-DISCONTINUITY-SEQUENCE on. */
  readonly discontinuitySequence: number;
  /** It does not go on from the segment before. */
  readonly isDiscontinuity: boolean;
  readonly durationUs: number;
  /** Of its first sample, microseconds since 1970; NaN = not told here. */
  readonly wallClockUs: number;
  readonly key: SegmentKey | null;
  readonly map: SegmentMap | null;
  readonly isGap: boolean;
  readonly parts: readonly ReadPart[];
}

export interface ReadMediaPlaylist {
  readonly kind: 'media';
  /** 1 when it is not told. */
  readonly version: number;
  readonly targetDurationUs: number;
  readonly mediaSequence: number;
  readonly segments: readonly ReadSegment[];
  /** No more will come. */
  readonly isEnded: boolean;
  /** `VOD`, `EVENT` or ''. */
  readonly type: string;
  readonly isIndependent: boolean;
  readonly isIFramesOnly: boolean;
  /** Where to begin, from the start or (negative) from the end; NaN = not told. */
  readonly startUs: number;
  /** Begin at that very time and not at its segment. */
  readonly isStartPrecise: boolean;
  /** How far from the end a player must stay; NaN = not told. */
  readonly holdBackUs: number;
  readonly partHoldBackUs: number;
  /** Longest part; NaN = there are none. */
  readonly partTargetUs: number;
  /** The server answers once there is something new. */
  readonly canBlockReload: boolean;
  /** The segment that is being made, without address, and its parts so far; null = there are none. */
  readonly open: ReadSegment | null;
  /** The part that comes next; null = none is promised. */
  readonly preloadHint: { readonly uri: string; readonly range: ByteRange | null } | null;
  /** Segments that a delta update left out. */
  readonly skipped: number;
}

export interface ReadVariant {
  readonly uri: string;
  /** Bits per second; 0 = not told. */
  readonly bandwidthBps: number;
  /** RFC 6381 names; empty = not told. */
  readonly codecs: readonly string[];
  /** Pixels; 0 = not told. */
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  /** Groups of renditions; '' = none. */
  readonly audio: string;
  readonly video: string;
}

export interface ReadRendition {
  /** `AUDIO`, `VIDEO`, `SUBTITLES`, `CLOSED-CAPTIONS`. */
  readonly type: string;
  readonly group: string;
  readonly name: string;
  readonly language: string;
  /** '' = it is in the variant itself. */
  readonly uri: string;
  readonly isDefault: boolean;
  readonly isAutoselect: boolean;
  readonly channels: number;
}

export interface ReadMasterPlaylist {
  readonly kind: 'master';
  readonly version: number;
  readonly variants: readonly ReadVariant[];
  readonly renditions: readonly ReadRendition[];
  /** For the playlists below it, which may import them. */
  readonly variables: Variables;
}

export interface PlaylistOrigin {
  /** Of the address that the playlist came from, for EXT-X-DEFINE:QUERYPARAM. */
  readonly query?: URLSearchParams;
  /** Of the master playlist, for EXT-X-DEFINE:IMPORT. */
  readonly variables?: Variables;
}

/** Whether a body begins as a playlist does. */
function looksLikePlaylist(text: string): boolean {
  return /^\uFEFF?\s*#EXTM3U/.test(text);
}

/** Throws ProtocolError for what is no playlist, or beyond bounds. The text itself must have been bounded before. */
export function readPlaylist(
  text: string,
  origin: PlaylistOrigin = {},
): ReadMasterPlaylist | ReadMediaPlaylist {
  if (!looksLikePlaylist(text)) throw new ProtocolError('hls.no-playlist', 'it does not begin with #EXTM3U');
  const variables = new Map<string, string>();
  const media = new MediaListReader(variables);
  const variants: ReadVariant[] = [];
  const renditions: ReadRendition[] = [];
  let isMaster = false;
  /** Of the EXT-X-STREAM-INF whose URI comes next. */
  let stream: Attributes | null = null;
  let version = 1;
  let lines = 0;
  let next = 0;
  while (next < text.length) {
    if (++lines > MAX_LINES) throw new ProtocolError('hls.too-long', `more than ${MAX_LINES} lines`);
    const newline = text.indexOf('\n', next);
    const line = text.slice(next, newline < 0 ? text.length : newline).trim();
    next = newline < 0 ? text.length : newline + 1;
    if (line === '') continue;
    if (!line.startsWith('#')) {
      const uri = substitute(line, variables);
      if (stream !== null) {
        if (variants.length < MAX_VARIANTS) variants.push(makeVariant(uri, stream));
        stream = null;
      } else media.uri(uri);
      continue;
    }
    if (!line.startsWith('#EXT')) continue;
    const colon = line.indexOf(':');
    const tag = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).trim();
    switch (tag) {
      case '#EXT-X-VERSION':
        version = Math.max(1, Math.floor(parseDecimal(value)) || 1);
        break;
      case '#EXT-X-DEFINE':
        define(parseAttributes(value, variables), variables, origin);
        break;
      case '#EXT-X-STREAM-INF':
        isMaster = true;
        stream = parseAttributes(value, variables);
        break;
      case '#EXT-X-MEDIA':
        isMaster = true;
        if (renditions.length < MAX_RENDITIONS)
          renditions.push(makeRendition(parseAttributes(value, variables)));
        break;
      default:
        media.tag(tag, value);
    }
  }
  if (!isMaster) return media.finish(version);
  return { kind: 'master', version, variants, renditions, variables };
}

/** Section 4.4.2.3. */
function define(attributes: Attributes, variables: Map<string, string>, origin: PlaylistOrigin): void {
  if (variables.size >= MAX_VARIABLES) throw new ProtocolError('hls.too-many-variables', MAX_VARIABLES);
  const name = attributes.get('NAME');
  const imported = attributes.get('IMPORT');
  const parameter = attributes.get('QUERYPARAM');
  if (name !== undefined) variables.set(name, attributes.get('VALUE') ?? '');
  else if (imported !== undefined) {
    const value = origin.variables?.get(imported);
    if (value === undefined) throw new ProtocolError('hls.unknown-variable', imported);
    variables.set(imported, value);
  } else if (parameter !== undefined) {
    const value = origin.query?.get(parameter) ?? null;
    if (value === null) throw new ProtocolError('hls.unknown-variable', parameter);
    variables.set(parameter, value);
  }
}

function makeVariant(uri: string, attributes: Attributes): ReadVariant {
  const resolution = /^(\d{1,5})x(\d{1,5})$/i.exec(attributes.get('RESOLUTION') ?? '');
  const codecs = (attributes.get('CODECS') ?? '').split(',').map((codec) => codec.trim());
  return {
    uri,
    bandwidthBps: parseDecimal(attributes.get('BANDWIDTH')) || 0,
    codecs: codecs.filter((codec) => codec !== ''),
    width: Number(resolution?.[1] ?? 0),
    height: Number(resolution?.[2] ?? 0),
    frameRate: parseDecimal(attributes.get('FRAME-RATE')) || 0,
    audio: attributes.get('AUDIO') ?? '',
    video: attributes.get('VIDEO') ?? '',
  };
}

function makeRendition(attributes: Attributes): ReadRendition {
  const isDefault = attributes.get('DEFAULT') === 'YES';
  return {
    type: attributes.get('TYPE') ?? '',
    group: attributes.get('GROUP-ID') ?? '',
    name: attributes.get('NAME') ?? '',
    language: attributes.get('LANGUAGE') ?? '',
    uri: attributes.get('URI') ?? '',
    isDefault,
    isAutoselect: isDefault || attributes.get('AUTOSELECT') === 'YES',
    channels: Math.floor(parseDecimal(attributes.get('CHANNELS'))) || 0,
  };
}
