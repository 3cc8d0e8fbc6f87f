/** Which wall clock time belongs to a time of the stream, for playlists that name it. */

/** Share of a lag against the wall clock that is made up for at a segment: delays come and go, a drift stays. */
const WALL_SHARE = 16;
/** A wall clock that is further away than this was set; it is followed at once. */
const WALL_STEP_US = 10_000_000;

export class WallClock {
  /** Wall clock minus stream time. Frames come late but never early, so a smaller one is believed at once. */
  private offsetUs = Number.NaN;

  /** A frame with this time came at this wall clock time, microseconds since 1970. */
  observe(pts: number, wallUs: number): void {
    const offset = wallUs - pts;
    const drift = offset - this.offsetUs;
    const isLate = drift >= 0 && drift <= WALL_STEP_US;
    this.offsetUs = isLate ? this.offsetUs + Math.round(drift / WALL_SHARE) : offset;
  }

  /** The timeline jumped: what was learnt holds no more. */
  reset(): void {
    this.offsetUs = Number.NaN;
  }

  /** Microseconds since 1970; NaN before the first `observe`. */
  at(pts: number): number {
    return pts + this.offsetUs;
  }
}
