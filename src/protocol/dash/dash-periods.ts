/**
 * The Periods of a presentation: every stretch of a stream without a discontinuity is one. What was decided about a
 * Period holds for its life, since players keep it: its id, where it begins on the time line of availability, and
 * which time of the stream that is.
 */
import type { CmafTrack } from '../../packaging/cmaf-track.ts';
import type { Segment } from '../../packaging/segment.ts';

/** When the stream's clock has gone away from ours by this much, a new Period sets it right. */
const MAX_DRIFT_US = 2_000_000;
/** So much at a time, when that means that the end of a Period is not shown. */
const MAX_CUT_US = 1_000_000;

export interface Period {
  readonly id: string;
  /** From the availability start time on, microseconds. */
  readonly startUs: number;
  /** Stream time that it begins with, microseconds. */
  readonly fromPts: number;
  /** Wall clock minus stream time. */
  readonly offsetUs: number;
  /** NaN until the next one begins. */
  durationUs: number;
  /** Highest bit rate that a track had, by its name, so that it does not go up and down. */
  readonly bandwidths: Map<string, number>;
}

export class DashPeriods {
  /** Microseconds since 1970; constant once there is a Period. */
  availabilityStartUs = Number.NaN;
  list: Period[] = [];
  private lastFromPts = Number.NEGATIVE_INFINITY;
  private lastEndPts = Number.NaN;
  private count = 0;

  /** Takes note of the segments of the leading track. `wallAt`: wall clock by arrival at a stream time. */
  follow(leader: CmafTrack, wallAt: (pts: number) => number): void {
    const { open } = leader.store;
    for (const segment of leader.store.all()) this.take(segment, wallAt);
    if (open !== null) this.take(open, wallAt);
  }

  private take(segment: Segment, wallAt: (pts: number) => number): void {
    if (segment.startPts > this.lastFromPts) {
      this.lastFromPts = segment.startPts;
      const last = this.list.at(-1);
      const offsetUs = wallAt(segment.startPts) - segment.startPts;
      const hasDrifted = last !== undefined && Math.abs(offsetUs - last.offsetUs) > MAX_DRIFT_US;
      if (last === undefined || segment.discontinuity || hasDrifted) this.begin(segment, offsetUs, last);
    }
    this.lastEndPts = segment.endPts;
  }

  private begin({ startPts }: Segment, clockUs: number, last: Period | undefined): void {
    if (last === undefined) {
      // Dates in the text have milliseconds.
      this.availabilityStartUs = Math.floor((startPts + clockUs) / 1000) * 1000;
    }
    let startUs = startPts + clockUs - this.availabilityStartUs;
    if (last !== undefined) {
      // A clock that was slow costs what it was late by, a little at a time: the old Period ends where the new begins.
      const contentUs = Math.max(1000, this.lastEndPts - last.fromPts);
      startUs = Math.max(startUs, last.startUs + contentUs - Math.min(MAX_CUT_US, contentUs / 2));
      last.durationUs = Math.min(contentUs, Math.round(startUs) - last.startUs);
    }
    startUs = Math.round(startUs);
    this.list.push({
      id: String(this.count++),
      startUs,
      fromPts: startPts,
      offsetUs: startUs + this.availabilityStartUs - startPts,
      durationUs: Number.NaN,
      bandwidths: new Map(),
    });
  }

  /** Forgets Periods that ended before this stream time. */
  forget(pts: number): void {
    while (this.list.length > 1 && this.list[1]!.fromPts <= pts) this.list.shift();
  }
}
