/**
 * A window of the archive as segments in time order. Segments lie on the wall clock and are named by their span and
 * their place in it, so that the same segment has the same address and the same bytes in every window.
 *
 * Segments of lists are taken as the index knows them, without opening them; only at the edges, and where something
 * changes, a file is looked into.
 */
import { type CodecConfig, isSameConfig } from '../../codec/codec-config.ts';
import type { Track } from '../../media/track.ts';
import type { FilePoint } from '../../media-file/media-file.ts';
import { planSegments } from '../../media-file/vod-plan.ts';
import { type Container, carriedTracks, containerFor } from '../../media-file/vod-segment.ts';
import { RejectedError } from '../../util/errors.ts';
import type { SpanCut, SpanFacts, SpanReader } from './span-reader.ts';
import type { ChosenSpan, RecordedSpan } from './window-spans.ts';

const TARGET_US = 6_000_000;
/** Of a playlist; a day of six-second segments has 14,400. */
const MAX_SEGMENTS = 60_000;
/** Files that go on from one another meet this exactly; the last frame of sound may reach into the next one. */
const MAX_JOINT_MS = 50;
const ROUNDING_MS = 2;
/** A file this short that lacks a track of the one before it was ended before the track's first frame came. */
const STUB_MS = 250;

const NO_SBR = Buffer.from([0x56, 0xe5, 0x00]);

export interface WindowSegment extends SpanCut {
  /** Wall clock of the first picture, milliseconds since 1970. */
  readonly startMs: number;
  readonly endMs: number;
  readonly discontinuity: boolean;
  /** What the span carries; in the container of the window. */
  readonly tracks: readonly Track[];
  /** First span with these tracks: its initialization section is that of all of them. */
  readonly mapSpan: RecordedSpan;
  /** Its end may be another one when it is asked for again. */
  readonly isTail: boolean;
}

export interface WindowTimeline {
  readonly container: Container;
  /** Never empty. */
  readonly segments: readonly WindowSegment[];
}

interface Piece extends SpanCut {
  readonly startMs: number;
  readonly endMs: number;
  readonly isFirst: boolean;
  readonly allTracks: readonly Track[];
  readonly isTail: boolean;
}

/**
 * Throws RejectedError when there is nothing that can be played. Files that are gone or broken are left out.
 * `container`: null = MPEG-TS where all codecs allow it.
 */
export async function planWindow(
  reader: SpanReader,
  chosen: readonly ChosenSpan[],
  window: { readonly startMs: number; readonly endMs: number },
  container: Container | null,
): Promise<WindowTimeline> {
  const pieces: Piece[] = [];
  let failure: unknown = null;
  let known: readonly Track[] | null = null;
  for (const [index, one] of chosen.entries()) {
    const { span } = one;
    const isEdge = index === 0 || index === chosen.length - 1 || one.isInnerStart || one.isInnerEnd;
    if (span.isSegment && !isEdge && !span.discontinuity && !span.open && known !== null) {
      const { startMs, endMs } = span;
      const whole = { span, fromUs: 0, toUs: Number.NaN, isFirst: true, isTail: false };
      pieces.push({ ...whole, startMs, endMs, allTracks: known });
    } else {
      try {
        const facts = await reader.facts(span);
        if (known !== null && isStub(facts, known)) continue;
        known = facts.tracks;
        pieces.push(...cutSpan(one, facts, window));
      } catch (error) {
        if (!(error instanceof RejectedError)) throw error;
        failure = error;
        known = null;
      }
    }
    if (pieces.length > MAX_SEGMENTS)
      throw new RejectedError(
        'limit',
        `This window has more than ${MAX_SEGMENTS} segments; ask for a shorter one.`,
      );
  }
  const format = container ?? (pieces.every((one) => containerFor(one.allTracks) === 'ts') ? 'ts' : 'mp4');
  const segments = link(pieces, format);
  if (segments.length > 0) return { container: format, segments };
  throw failure ?? new RejectedError('not-found', 'Nothing that can be played was recorded in that time.');
}

/** Such a file would cost a break in the picture, and a clip, for a frame or two. */
function isStub({ tracks, startUs, endUs }: SpanFacts, before: readonly Track[]): boolean {
  const isPart = tracks.every((track) =>
    before.some(({ config }) => isSameDescription(config, track.config)),
  );
  return isPart && tracks.length < before.length && endUs - startUs < STUB_MS * 1000;
}

/** The segments of a span, which are the same in every window but for the first and the last. */
function cutSpan(
  one: ChosenSpan,
  facts: SpanFacts,
  window: { readonly startMs: number; readonly endMs: number },
): Piece[] {
  const { span } = one;
  const { points, startUs, endUs, zeroWallUs, tracks } = facts;
  const timeAt = (point: number) => (point === 0 ? startUs : (points[point]?.timeUs ?? endUs));
  const wallMs = (us: number) => (zeroWallUs + us) / 1000;
  const first = one.isInnerStart
    ? pointFrom(points, zeroWallUs, one.fromMs)
    : pointUpTo(points, zeroWallUs, window.startMs);
  const last = one.isInnerEnd
    ? pointUpTo(points, zeroWallUs, one.toMs)
    : pointFrom(points, zeroWallUs, window.endMs);
  const pieces: Piece[] = [];
  const own = points.map(({ timeUs, position }) => ({ timeUs: timeUs - startUs, position }));
  for (const planned of planSegments(own, endUs - startUs, TARGET_US)) {
    const fromPoint = Math.max(planned.fromPoint, first);
    const toPoint = Math.min(planned.toPoint, last);
    if (fromPoint >= toPoint) continue;
    const isEnd = toPoint === points.length;
    const isTail = isEnd && span.open;
    pieces.push({
      span,
      fromUs: timeAt(fromPoint),
      toUs: isEnd && !isTail ? Number.NaN : timeAt(toPoint),
      startMs: wallMs(timeAt(fromPoint)),
      endMs: wallMs(timeAt(toPoint)),
      isFirst: pieces.length === 0,
      allTracks: tracks,
      isTail,
    });
  }
  return pieces;
}

/** The last access point at or before a time; the first when there is none. */
function pointUpTo(points: readonly FilePoint[], zeroWallUs: number, ms: number): number {
  const behind = points.findIndex(({ timeUs }) => (zeroWallUs + timeUs) / 1000 > ms + ROUNDING_MS);
  return behind < 0 ? points.length - 1 : Math.max(0, behind - 1);
}

/** The first access point at or behind a time; their count when there is none. */
function pointFrom(points: readonly FilePoint[], zeroWallUs: number, ms: number): number {
  const found = points.findIndex(({ timeUs }) => (zeroWallUs + timeUs) / 1000 >= ms - ROUNDING_MS);
  return found < 0 ? points.length : found;
}

function link(pieces: readonly Piece[], container: Container): WindowSegment[] {
  const segments: WindowSegment[] = [];
  const maps: { readonly tracks: readonly Track[]; readonly span: RecordedSpan }[] = [];
  let seen: readonly Track[] | null = null;
  let map: (typeof maps)[number] | undefined;
  for (const { allTracks, isFirst, ...piece } of pieces) {
    if (allTracks !== seen) {
      const tracks = carriedTracks(allTracks, container);
      map = maps.find((one) => isSameTracks(one.tracks, tracks));
      if (map === undefined && tracks.length > 0) {
        map = { tracks, span: piece.span };
        maps.push(map);
      }
      seen = map === undefined ? null : allTracks;
    }
    if (map === undefined) continue;
    const before = segments.at(-1);
    const holeMs = before === undefined ? 0 : piece.startMs - before.endMs;
    const goesOn = before?.mapSpan === map.span && Math.abs(holeMs) <= MAX_JOINT_MS;
    const jumps = isFirst && piece.span.isSegment && piece.span.discontinuity;
    const discontinuity =
      before !== undefined && isFirst && (!goesOn || (jumps && Math.abs(holeMs) > ROUNDING_MS));
    segments.push({ ...piece, discontinuity, tracks: map.tracks, mapSpan: map.span });
  }
  return segments;
}

/** Without their numbers in the files. */
export function isSameTracks(a: readonly Track[], b: readonly Track[]): boolean {
  return (
    a.length === b.length && a.every((track, index) => isSameDescription(track.config, b[index]!.config))
  );
}

/** Whether one description serves for both, wherever the formats took it from. */
export function isSameDescription(a: CodecConfig, b: CodecConfig): boolean {
  if (isSameConfig(a, b)) return true;
  if (a.codec !== b.codec || a.width !== b.width || a.height !== b.height) return false;
  if (a.record.length === 0)
    return b.record.length === 0 && a.sampleRate === b.sampleRate && a.channels === b.channels;
  return plainRecord(a).equals(plainRecord(b));
}

/** AudioSpecificConfig goes without the end that says "no SBR" (ISO/IEC 14496-3 1.6.6.1): ADTS cannot say it. */
function plainRecord({ codec, record }: CodecConfig): Buffer {
  const bytes = Buffer.from(record.buffer, record.byteOffset, record.length);
  const hasEnd = codec === 'aac' && bytes.subarray(-NO_SBR.length).equals(NO_SBR);
  return hasEnd ? bytes.subarray(0, -NO_SBR.length) : bytes;
}
