/**
 * From a publisher's clock to the stream's: integer microseconds, never going back within a track, going on over a
 * republish. One Timeline lives as long as the stream; `begin` is called for each publisher.
 *
 * Modes: `full` repairs jumps (a jump of more than a second against the time that really passed, or backwards,
 * re-anchors by arrival and marks a discontinuity) and re-spaces audio whose times were rounded to milliseconds;
 * `zero` only moves the start to 0; `off` keeps the publisher's own differences. With `absolute` (ATC) the
 * publisher's own start is kept as well, so that two servers that get the same feed stamp it alike.
 */

export type JitterMode = 'full' | 'zero' | 'off';

const WRAP_US = 0x1_0000_0000 * 1000;
const HALF_WRAP_US = WRAP_US / 2;
const JUMP_US = 1_000_000;
/** What separates the last frame of one publisher from the first of the next, at least. */
const REPUBLISH_STEP_US = 40_000;
const MAX_TRACKS = 64;

export class Timeline {
  private readonly mode: JitterMode;
  private readonly absolute: boolean;
  /** Added to the unwrapped publisher time. */
  private offsetUs = 0;
  private anchored = false;
  private lastRawUs = 0;
  private wrapsUs = 0;
  private lastArrivalUs = 0;
  /** Latest stream time given out, over all tracks. */
  lastUs = 0;
  private started = false;
  /** The publisher that begins sends what the one before it sent, so a short gap is no jump. */
  private continues = false;
  private readonly trackLastUs = new Float64Array(MAX_TRACKS);
  private readonly trackStarted = new Uint8Array(MAX_TRACKS);
  private readonly audioExpectedUs = new Float64Array(MAX_TRACKS);
  /** Set by `map` when the frame just mapped follows a jump; read it right after. */
  jumped = false;

  constructor(mode: JitterMode, absolute: boolean) {
    this.mode = mode;
    this.absolute = absolute;
  }

  /**
   * A publisher begins (for the first time, or again). `continues`: it takes over with the same tracks, so that players
   * need not be told unless there is a gap.
   */
  begin(continues = false): void {
    this.continues = continues;
    this.anchored = false;
    this.wrapsUs = 0;
    this.audioExpectedUs.fill(-1);
  }

  /**
   * Stream time of a frame. `rawMs` is the publisher's 32-bit millisecond clock (fractions allowed),
   * `audioDurationUs` the frame's exact duration for audio that may be re-spaced, else 0.
   */
  map(trackId: number, rawMs: number, arrivalUs: number, audioDurationUs: number): number {
    const track = trackId % MAX_TRACKS;
    const rawUs = this.unwrap(rawMs * 1000);
    this.jumped = false;
    if (!this.anchored) this.anchor(rawUs, arrivalUs);
    else if (this.mode === 'full' && this.isJump(rawUs, arrivalUs)) this.reanchor(rawUs, arrivalUs);
    // Audio that is a little older than the first video frame belongs to its start.
    let us = Math.max(0, Math.round(rawUs + this.offsetUs));
    if (audioDurationUs > 0 && this.mode === 'full') us = this.respace(track, us, audioDurationUs);
    if (this.trackStarted[track] === 1 && us < this.trackLastUs[track]!) us = this.trackLastUs[track]!;
    this.trackStarted[track] = 1;
    this.trackLastUs[track] = us;
    if (!this.started || us > this.lastUs) this.lastUs = us;
    this.started = true;
    this.lastRawUs = rawUs;
    this.lastArrivalUs = arrivalUs;
    return us;
  }

  /** 32-bit clock to a steady one: the half nearer to the previous value is meant. */
  private unwrap(rawUs: number): number {
    if (!this.anchored) return rawUs;
    let us = rawUs + this.wrapsUs;
    if (us - this.lastRawUs < -HALF_WRAP_US) {
      us += WRAP_US;
      this.wrapsUs += WRAP_US;
    } else if (us - this.lastRawUs > HALF_WRAP_US && this.wrapsUs > 0) {
      // A late frame from before the wrap.
      us -= WRAP_US;
    }
    return us;
  }

  private anchor(rawUs: number, arrivalUs: number): void {
    this.anchored = true;
    if (this.started) {
      const passedUs = Math.max(arrivalUs - this.lastArrivalUs, REPUBLISH_STEP_US);
      this.offsetUs = this.lastUs + passedUs - rawUs;
      this.jumped = !this.continues || passedUs > JUMP_US;
    } else {
      this.offsetUs = this.absolute || this.mode === 'off' ? 0 : -rawUs;
    }
    this.lastRawUs = rawUs;
  }

  private isJump(rawUs: number, arrivalUs: number): boolean {
    const step = rawUs - this.lastRawUs;
    if (step < -JUMP_US) return true;
    return step > JUMP_US && step - (arrivalUs - this.lastArrivalUs) > JUMP_US;
  }

  private reanchor(rawUs: number, arrivalUs: number): void {
    const passedUs = Math.min(Math.max(arrivalUs - this.lastArrivalUs, REPUBLISH_STEP_US), JUMP_US);
    this.offsetUs = this.lastUs + passedUs - rawUs;
    this.jumped = true;
    this.audioExpectedUs.fill(-1);
  }

  /** Audio stamped in whole milliseconds gets its exact spacing back while it stays near what was stamped. */
  private respace(track: number, us: number, durationUs: number): number {
    const expected = this.audioExpectedUs[track]!;
    const near = expected >= 0 && Math.abs(expected - us) < durationUs / 2;
    const spaced = near ? expected : us;
    this.audioExpectedUs[track] = spaced + durationUs;
    return Math.round(spaced);
  }
}
