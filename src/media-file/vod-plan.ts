/**
 * Where a file is cut for HLS: at access points, as near behind the target duration as they allow. Pure, so that the
 * same file always gives the same segments, whoever asks, and after a restart.
 */
import type { FilePoint } from './media-file.ts';

/** A cut this little too early (one 40th of the target) is taken: times of files are rounded. */
const EARLY_SHARE = 40;
/** Of a file whose length is not known beyond its last access point. */
const SHORTEST_US = 40_000;

export interface PlannedSegment {
  readonly fromPoint: number;
  /** The access point behind it; the count of points when the segment goes on to the end of the file. */
  readonly toPoint: number;
  /** Times of the file, microseconds. */
  readonly startUs: number;
  readonly endUs: number;
}

/** Segments of the whole file in order; none when it has no access point. */
export function planSegments(
  points: readonly FilePoint[],
  durationUs: number,
  targetUs: number,
): PlannedSegment[] {
  const planned: PlannedSegment[] = [];
  const least = targetUs - targetUs / EARLY_SHARE;
  let from = 0;
  for (let at = 1; at <= points.length; at++) {
    // What comes before the first access point is part of the first segment.
    const startUs = from === 0 ? 0 : points[from]!.timeUs;
    if (at < points.length && points[at]!.timeUs - startUs < least) continue;
    const endUs = at < points.length ? points[at]!.timeUs : Math.max(durationUs, startUs + SHORTEST_US);
    planned.push({ fromPoint: from, toPoint: at, startUs, endUs });
    from = at;
  }
  return planned;
}

/** The last access point at or before a time; the first when there is none before. */
export function pointBefore(points: readonly FilePoint[], timeUs: number): number {
  let low = 0;
  let high = points.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (points[middle]!.timeUs <= timeUs) low = middle;
    else high = middle - 1;
  }
  return low;
}
