/**
 * What is fetched of a media playlist, one after the other: whole segments, and in low-latency lists the parts of the
 * segment that is being made (RFC 8216bis sections 4.4.4.9 and 6.3.3). Parts of encrypted segments are waited for until
 * the segment is whole.
 */
import type { ByteRange, ReadMediaPlaylist, ReadSegment } from '../../wire/hls/playlist-reader.ts';

/** Where a pull is in a list: the segment that comes next, or a part of it. */
export interface Cursor {
  /** Media sequence number. */
  readonly sequence: number;
  /** Parts of it that were taken. */
  readonly part: number;
}

export interface Piece {
  /** It is this segment, or a part of it. */
  readonly segment: ReadSegment;
  readonly uri: string;
  readonly range: ByteRange | null;
  readonly durationUs: number;
  /** Of its first sample, microseconds since 1970; NaN = not told. */
  readonly wallClockUs: number;
  readonly isGap: boolean;
  readonly next: Cursor;
}

/** Number of the first segment that is in the list. */
export function firstSequence({ mediaSequence, skipped }: ReadMediaPlaylist): number {
  return mediaSequence + skipped;
}

/** Number of the segment behind those that are whole. */
export function openSequence(list: ReadMediaPlaylist): number {
  return firstSequence(list) + list.segments.length;
}

/** Whether parts of its latest segments can be had. */
export function isLowLatency({ partTargetUs, canBlockReload, isEnded }: ReadMediaPlaylist): boolean {
  return partTargetUs > 0 && canBlockReload && !isEnded;
}

/** What is at the cursor; null = it is not listed yet. */
export function pieceAt(list: ReadMediaPlaylist, { sequence, part }: Cursor): Piece | null {
  const segment = list.segments[sequence - firstSequence(list)];
  if (segment === undefined) {
    const { open } = list;
    const mayTake = open !== null && sequence === open.sequence && open.key === null && isLowLatency(list);
    return mayTake && part < open.parts.length ? partOf(open, part) : null;
  }
  if (part === 0) return { ...segment, segment, next: { sequence: sequence + 1, part: 0 } };
  // It has become whole meanwhile. Parts that are not listed any more are lost.
  if (part < segment.parts.length) return partOf(segment, part);
  return pieceAt(list, { sequence: sequence + 1, part: 0 });
}

function partOf(segment: ReadSegment, index: number): Piece {
  const { uri, range, durationUs, isGap } = segment.parts[index]!; // the callers made sure
  let wallClockUs = segment.wallClockUs;
  for (let i = 0; i < index; i++) wallClockUs += segment.parts[i]!.durationUs;
  const next = { sequence: segment.sequence, part: index + 1 };
  return { segment, uri, range, durationUs, wallClockUs, isGap, next };
}

/** Media in the list from the cursor on, as far as it matters, microseconds. */
export function listedFrom(list: ReadMediaPlaylist, from: Cursor, enoughUs: number): number {
  let us = 0;
  let piece = pieceAt(list, from);
  while (piece !== null && us < enoughUs) {
    us += piece.durationUs;
    piece = pieceAt(list, piece.next);
  }
  return us;
}
