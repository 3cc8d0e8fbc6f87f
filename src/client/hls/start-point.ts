/** Which segment a player begins with: RFC 8216bis sections 4.4.2.2 (EXT-X-START) and 6.3.3 (distance from the end). */
import type { ReadMediaPlaylist } from '../../wire/hls/playlist-reader.ts';
import { type Cursor, firstSequence, isLowLatency } from './hls-piece.ts';

/** Target durations between the end of a live list and what is played first. */
const HOLD_BACK_TARGETS = 3;

/** How far behind the end of a live list to begin, microseconds. */
export function holdBackOf(list: ReadMediaPlaylist): number {
  const { holdBackUs, partHoldBackUs, partTargetUs, targetDurationUs } = list;
  if (isLowLatency(list)) return partHoldBackUs > 0 ? partHoldBackUs : partTargetUs * HOLD_BACK_TARGETS;
  return holdBackUs > 0 ? holdBackUs : targetDurationUs * HOLD_BACK_TARGETS;
}

/** Where to begin. In a low-latency list that is an independent part, or the segment before it. */
export function firstCursor(list: ReadMediaPlaylist): Cursor {
  const { open } = list;
  if (open !== null && open.key === null && isLowLatency(list) && Number.isNaN(list.startUs)) {
    let behindUs = 0;
    for (let part = open.parts.length - 1; part >= 0; part--) {
      const { durationUs, isIndependent, isGap } = open.parts[part]!;
      behindUs += durationUs;
      if (isIndependent && !isGap && behindUs >= holdBackOf(list)) return { sequence: open.sequence, part };
    }
  }
  return { sequence: firstSequence(list) + firstIndex(list), part: 0 };
}

/** Index of the segment; 0 for an empty list. */
function firstIndex(list: ReadMediaPlaylist): number {
  const { segments, startUs, isEnded, open } = list;
  const totalUs = segments.reduce((sum, { durationUs }) => sum + durationUs, 0);
  const openUs = open === null || !isLowLatency(list) ? 0 : open.durationUs;
  let beginUs = isEnded ? 0 : totalUs + openUs - holdBackOf(list);
  if (!Number.isNaN(startUs)) {
    const told = startUs < 0 ? totalUs + startUs : startUs;
    // At the end of a live list there is nothing to wait with.
    beginUs = isEnded ? told : Math.min(told, totalUs - list.targetDurationUs);
  }
  let found = 0;
  let atUs = 0;
  for (let index = 0; index < segments.length && atUs <= beginUs; index++) {
    found = index;
    atUs += segments[index]!.durationUs;
  }
  return found;
}
