/** Tags and URIs of a media playlist, line by line: RFC 8216bis sections 4.4.3 to 4.4.5. Used by playlist-reader.ts. */
import { ProtocolError } from '../../util/errors.ts';
import {
  type Attributes,
  parseAttributes,
  parseDecimal,
  parseInteger,
  type Variables,
} from './attribute-list.ts';
import type {
  ByteRange,
  ReadMediaPlaylist,
  ReadPart,
  ReadSegment,
  SegmentKey,
  SegmentMap,
} from './playlist-reader.ts';

/** Of a whole film in segments of one second several times over. */
const MAX_SEGMENTS = 100_000;
/** Of all segments together. */
const MAX_PARTS = 100_000;
const MAX_SECONDS = 1e9;
const IV_BYTES = 16;
const NO_PARTS: readonly ReadPart[] = [];

/** Its number is known at the end. */
interface SegmentDraft extends Omit<ReadSegment, 'sequence'> {
  sequence: number;
}

export class MediaListReader {
  private readonly variables: Variables;
  private readonly segments: SegmentDraft[] = [];
  private targetDurationUs = Number.NaN;
  private mediaSequence = 0;
  private discontinuitySequence = 0;
  private isEnded = false;
  private type = '';
  private isIndependent = false;
  private isIFramesOnly = false;
  private startUs = Number.NaN;
  private isStartPrecise = false;
  private holdBackUs = Number.NaN;
  private partHoldBackUs = Number.NaN;
  private partTargetUs = Number.NaN;
  private canBlockReload = false;
  private preloadHint: ReadMediaPlaylist['preloadHint'] = null;
  private skipped = 0;
  private partCount = 0;
  // What is told before the URI of a segment.
  private durationUs = Number.NaN;
  private rangeText = '';
  private isDiscontinuity = false;
  private wallClockUs = Number.NaN;
  private isGap = false;
  private parts: ReadPart[] = [];
  // What holds until it is told otherwise.
  private key: SegmentKey | null = null;
  private map: SegmentMap | null = null;
  private readonly ranges = new RangeReader();
  private readonly partRanges = new RangeReader();

  constructor(variables: Variables) {
    this.variables = variables;
  }

  tag(tag: string, value: string): void {
    switch (tag) {
      case '#EXTINF':
        this.durationUs = microseconds(value);
        break;
      case '#EXT-X-BYTERANGE':
        this.rangeText = value;
        break;
      case '#EXT-X-DISCONTINUITY':
        this.isDiscontinuity = true;
        this.discontinuitySequence++;
        break;
      case '#EXT-X-KEY':
        this.setKey(this.attributes(value));
        break;
      case '#EXT-X-MAP':
        this.setMap(this.attributes(value));
        break;
      case '#EXT-X-PROGRAM-DATE-TIME':
        this.wallClockUs = parseWallClock(value);
        break;
      case '#EXT-X-GAP':
        this.isGap = true;
        break;
      case '#EXT-X-PART':
        this.part(this.attributes(value));
        break;
      case '#EXT-X-TARGETDURATION':
        this.targetDurationUs = microseconds(value);
        break;
      case '#EXT-X-MEDIA-SEQUENCE':
        this.mediaSequence = parseInteger(value) || 0;
        break;
      case '#EXT-X-DISCONTINUITY-SEQUENCE':
        this.discontinuitySequence = parseInteger(value) || 0;
        break;
      case '#EXT-X-ENDLIST':
        this.isEnded = true;
        break;
      case '#EXT-X-PLAYLIST-TYPE':
        this.type = value;
        break;
      case '#EXT-X-INDEPENDENT-SEGMENTS':
        this.isIndependent = true;
        break;
      case '#EXT-X-I-FRAMES-ONLY':
        this.isIFramesOnly = true;
        break;
      case '#EXT-X-START':
        this.setStart(this.attributes(value));
        break;
      case '#EXT-X-SERVER-CONTROL': {
        const control = this.attributes(value);
        this.canBlockReload = control.get('CAN-BLOCK-RELOAD') === 'YES';
        this.holdBackUs = microseconds(control.get('HOLD-BACK'));
        this.partHoldBackUs = microseconds(control.get('PART-HOLD-BACK'));
        break;
      }
      case '#EXT-X-PART-INF':
        this.partTargetUs = microseconds(this.attributes(value).get('PART-TARGET'));
        break;
      case '#EXT-X-PRELOAD-HINT':
        this.setHint(this.attributes(value));
        break;
      case '#EXT-X-SKIP':
        this.skipped = parseInteger(this.attributes(value).get('SKIPPED-SEGMENTS')) || 0;
        break;
      default:
    }
  }

  /** A segment is complete with its URI. */
  uri(uri: string): void {
    // A name without EXTINF is an entry of a plain M3U list.
    if (Number.isNaN(this.durationUs)) throw new ProtocolError('hls.no-duration', 'a segment without EXTINF');
    if (this.segments.length >= MAX_SEGMENTS) throw new ProtocolError('hls.too-many-segments', MAX_SEGMENTS);
    this.segments.push({
      uri,
      range: this.rangeText === '' ? null : this.ranges.read(this.rangeText, uri),
      sequence: 0,
      discontinuitySequence: this.discontinuitySequence,
      isDiscontinuity: this.isDiscontinuity,
      durationUs: this.durationUs,
      wallClockUs: this.wallClockUs,
      key: this.key,
      map: this.map,
      isGap: this.isGap,
      parts: this.parts.length === 0 ? NO_PARTS : this.parts,
    });
    this.durationUs = Number.NaN;
    this.rangeText = '';
    this.isDiscontinuity = false;
    this.wallClockUs = Number.NaN;
    this.isGap = false;
    this.parts = [];
  }

  finish(version: number): ReadMediaPlaylist {
    const { segments } = this;
    // Some servers tell the number of the first one behind it.
    for (const [index, segment] of segments.entries())
      segment.sequence = this.mediaSequence + this.skipped + index;
    let targetDurationUs = this.targetDurationUs;
    // Required; some servers leave it out or write 0.
    if (!(targetDurationUs > 0))
      targetDurationUs = segments.reduce(
        (longest, { durationUs }) => Math.max(longest, durationUs),
        1_000_000,
      );
    return {
      kind: 'media',
      version,
      targetDurationUs,
      mediaSequence: this.mediaSequence,
      segments,
      isEnded: this.isEnded,
      type: this.type,
      isIndependent: this.isIndependent,
      isIFramesOnly: this.isIFramesOnly,
      startUs: this.startUs,
      isStartPrecise: this.isStartPrecise,
      holdBackUs: this.holdBackUs,
      partHoldBackUs: this.partHoldBackUs,
      partTargetUs: this.partTargetUs,
      canBlockReload: this.canBlockReload,
      open: this.openSegment(),
      preloadHint: this.preloadHint,
      skipped: this.skipped,
    };
  }

  private openSegment(): ReadSegment | null {
    const { parts } = this;
    if (parts.length === 0) return null;
    return {
      uri: '',
      range: null,
      sequence: this.mediaSequence + this.skipped + this.segments.length,
      discontinuitySequence: this.discontinuitySequence,
      isDiscontinuity: this.isDiscontinuity,
      durationUs: parts.reduce((sum, { durationUs }) => sum + durationUs, 0),
      wallClockUs: this.wallClockUs,
      key: this.key,
      map: this.map,
      isGap: this.isGap,
      parts,
    };
  }

  private attributes(value: string): Attributes {
    return parseAttributes(value, this.variables);
  }

  private setKey(attributes: Attributes): void {
    const method = attributes.get('METHOD') ?? 'NONE';
    const format = attributes.get('KEYFORMAT') ?? 'identity';
    if (method === 'NONE') {
      this.key = null;
      return;
    }
    const key = { method, uri: attributes.get('URI') ?? '', iv: parseIv(attributes.get('IV')), format };
    // Several keys in a row are the same key for several systems; the plain one is the one that we can use.
    const isOther = this.key !== null && this.key.format === 'identity' && format !== 'identity';
    if (!isOther) this.key = key;
  }

  private setMap(attributes: Attributes): void {
    const uri = attributes.get('URI');
    if (uri === undefined) throw new ProtocolError('hls.bad-map', 'EXT-X-MAP without URI');
    const text = attributes.get('BYTERANGE');
    // Media in the same resource may follow without an offset of its own.
    const range = text === undefined ? null : this.ranges.read(text.includes('@') ? text : `${text}@0`, uri);
    this.map = { uri, range, key: this.key };
  }

  private part(attributes: Attributes): void {
    const uri = attributes.get('URI');
    if (uri === undefined) return;
    if (++this.partCount > MAX_PARTS) throw new ProtocolError('hls.too-many-parts', MAX_PARTS);
    const text = attributes.get('BYTERANGE');
    const range = text === undefined ? null : this.partRanges.read(text, uri);
    this.parts.push({
      uri,
      range,
      durationUs: microseconds(attributes.get('DURATION')) || 0,
      isIndependent: attributes.get('INDEPENDENT') === 'YES',
      isGap: attributes.get('GAP') === 'YES',
    });
  }

  private setStart(attributes: Attributes): void {
    const seconds = Number.parseFloat(attributes.get('TIME-OFFSET') ?? '');
    if (!(Math.abs(seconds) < MAX_SECONDS)) return;
    this.startUs = Math.round(seconds * 1_000_000);
    this.isStartPrecise = attributes.get('PRECISE') === 'YES';
  }

  private setHint(attributes: Attributes): void {
    const uri = attributes.get('URI');
    if (attributes.get('TYPE') !== 'PART' || uri === undefined) return;
    const offset = parseInteger(attributes.get('BYTERANGE-START')) || 0;
    const length = parseInteger(attributes.get('BYTERANGE-LENGTH'));
    this.preloadHint = { uri, range: Number.isNaN(length) ? null : { offset, length } };
  }
}

/** `<length>[@<offset>]`; without offset it goes on behind the range before, of the same resource (4.4.4.2). */
class RangeReader {
  private uri = '';
  private end = 0;

  read(text: string, uri: string): ByteRange {
    const match = /^(\d{1,15})(?:@(\d{1,15}))?$/.exec(text.trim());
    if (match === null) throw new ProtocolError('hls.bad-range', text.slice(0, 40));
    const length = Number(match[1]);
    const follows = uri === this.uri ? this.end : 0;
    const offset = match[2] === undefined ? follows : Number(match[2]);
    this.uri = uri;
    this.end = offset + length;
    return { offset, length };
  }
}

/** Seconds as a decimal number; NaN when it is none. */
function microseconds(text: string | undefined): number {
  const seconds = parseDecimal(text);
  return seconds < MAX_SECONDS ? Math.round(seconds * 1_000_000) : Number.NaN;
}

/** Hexadecimal, shorter ones filled with zeros from the left; null when it is none. */
function parseIv(text: string | undefined): Buffer | null {
  const match = /^0x([0-9a-f]{1,32})$/i.exec(text ?? '');
  return match === null ? null : Buffer.from(match[1]!.padStart(IV_BYTES * 2, '0'), 'hex');
}

/** ISO 8601; some servers write the time zone without its colon. Without one it is taken for UTC. */
function parseWallClock(text: string): number {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?\s*(Z|[+-]\d\d(?::?\d\d)?)?$/i.exec(
    text.trim(),
  );
  if (match === null) return Number.NaN;
  const zone = match[3]?.toUpperCase() ?? 'Z';
  const minutes = zone.length > 3 ? zone.slice(-2) : '00';
  const ms = Date.parse(`${match[1]}${zone === 'Z' ? zone : `${zone.slice(0, 3)}:${minutes}`}`);
  // Microseconds beyond what Date keeps.
  return ms * 1000 + Math.round(Number(`0.${match[2] ?? 0}`) * 1_000_000);
}
