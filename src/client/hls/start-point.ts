/** Which segment a player begins with: RFC 8216bis sections 4.4.2.2 (EXT-X-START) and 6.3.3 (distance from the end). */
import type { ReadMediaPlaylist } from '../../wire/hls/playlist-reader.ts';

/** Target durations between the end of a live list and what is played first. */
const HOLD_BACK_TARGETS = 3;

/** How far behind the end of a live list to begin, microseconds. */
export function holdBackOf({ holdBackUs, targetDurationUs }: ReadMediaPlaylist): number {
  return holdBackUs > 0 ? holdBackUs : targetDurationUs * HOLD_BACK_TARGETS;
}

/** Index of the segment; 0 for an empty list. */
export function firstIndex(list: ReadMediaPlaylist): number {
  const { segments, startUs, isEnded } = list;
  const totalUs = segments.reduce((sum, { durationUs }) => sum + durationUs, 0);
  let beginUs = isEnded ? 0 : totalUs - holdBackOf(list);
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
