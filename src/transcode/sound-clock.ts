/**
 * Where samples lie on the timeline of a stream: a counter of samples, held to the times of the frames that they come
 * from. Frames' times jitter and clocks are never quite equal: what is off by less than a bound is drawn back slowly, a
 * sample at a time, which nobody hears; what is off by more is a gap (filled with silence or jumped over) or sound that
 * lies over sound before it (dropped). Times of what comes out never go back.
 */

/** Sound that is further off than this is a gap or an overlap. */
export const GAP_US = 60_000;
/** A gap up to this is filled with silence, a longer one is jumped over. */
export const MOST_SILENCE_US = 1_000_000;
/** Time constant of the average distance. */
const AVERAGE_US = 2_000_000;
/** Distances up to this are left alone. */
const TOLERANCE_US = 1000;
/** From here on drawing back is four times as fast. */
const FAR_US = 10_000;
/** Of the samples, one in so many may be put in or taken out. */
const SAMPLES_PER_CHANGE = 1000;
const FAR_FACTOR = 4;
const MOST_CHANGES = 4;

export type Placing = 'follows' | 'gap' | 'jump' | 'overlap';

export class SoundClock {
  /** After 'gap': samples of silence that belong before the block. */
  silence = 0;
  /** After 'follows': samples by which the block has to become longer (shorter when negative). */
  stretch = 0;
  private readonly rate: number;
  private anchorUs = Number.NaN;
  private count = 0;
  private averageUs = 0;
  private changes = 0;

  /** `rate` of the samples in Hz. */
  constructor(rate: number) {
    this.rate = rate;
  }

  /** Time of the next sample, microseconds with a fraction; NaN before the first. */
  get nextUs(): number {
    return this.anchorUs + (this.count * 1_000_000) / this.rate;
  }

  /**
   * Where a block of `samples` that begins at `startUs` goes: behind what was, behind `silence` samples, to a new time of
   * its own (the first block too), or nowhere. Count it by `advance` after that.
   */
  place(startUs: number, samples: number): Placing {
    this.silence = 0;
    this.stretch = 0;
    const offUs = startUs - this.nextUs;
    if (Number.isNaN(offUs) || offUs > MOST_SILENCE_US) {
      this.anchorUs = startUs;
      this.count = 0;
      this.averageUs = 0;
      return 'jump';
    }
    if (offUs > GAP_US) {
      this.silence = Math.round((offUs * this.rate) / 1_000_000);
      this.averageUs = 0;
      return 'gap';
    }
    if (offUs < -GAP_US) return 'overlap';
    this.follow(offUs, samples);
    return 'follows';
  }

  /** Counts samples, after stretching and silence. */
  advance(samples: number): void {
    this.count += samples;
  }

  private follow(offUs: number, samples: number): void {
    const blockUs = (samples * 1_000_000) / this.rate;
    this.averageUs += (offUs - this.averageUs) * Math.min(1, blockUs / AVERAGE_US);
    const distance = Math.abs(this.averageUs);
    const factor = distance > FAR_US ? FAR_FACTOR : 1;
    this.changes = Math.min(MOST_CHANGES, this.changes + (samples * factor) / SAMPLES_PER_CHANGE);
    if (distance <= TOLERANCE_US || this.changes < 1) return;
    const most = Math.min(Math.floor(this.changes), factor);
    const wanted = Math.floor((distance * this.rate) / 1_000_000);
    const change = Math.min(most, wanted);
    this.changes -= change;
    this.stretch = this.averageUs > 0 ? change : -change;
    this.averageUs -= (this.stretch * 1_000_000) / this.rate;
  }
}
