/**
 * Clocks of a transport stream: stream time to 90 kHz, and when which program clock reference is due.
 * ISO/IEC 13818-1 2.4.2.2 and 2.7.2 (a reference at least every 100 ms; we aim at 40 ms, as DVB asks for).
 */
import { MODULUS_33 } from '../../util/serial-number.ts';

/** Stream time 0 on the 90 kHz clock: one second, so that neither an early PTS nor the clock is negative. */
const TIME_BASE_TICKS = 90_000;
/**
 * How far the clock is behind the DTS of what is sent with it: the time that a decoder has for the bytes of a frame
 * to arrive, and what publishers may interleave audio and video apart. Below the second that 2.4.2.6 allows.
 */
const CLOCK_LAG_TICKS = 45_000;
/** A packet of another PID first brings the clock along when the last one is this old (40 ms). */
const DUE_TICKS = 3_600;
/** Longest step between two references that is left as it is (90 ms). */
const MAX_STEP_TICKS = 8_100;
/** Packets that fill one gap at most; a longer gap is a pause of the publisher, which no packet can hide. */
const MAX_FILL = 16;

/** 90 kHz ticks, not yet wrapped, of integer microseconds on the stream's timeline; rounded to the nearest. */
export function ticksFromUs(us: number): number {
  return Math.round((us * 9) / 100) + TIME_BASE_TICKS;
}

/** The 33 bits that go to the wire. */
export function wrapTicks(ticks: number): number {
  const wrapped = ticks % MODULUS_33;
  return wrapped < 0 ? wrapped + MODULUS_33 : wrapped;
}

/**
 * The program clock: always grows, and is never further apart than it may be. Ask `plan` first, then take as many
 * references as it says with `next`.
 */
export class ProgramClock {
  /** Ticks of the last reference, not wrapped; -1 = none yet. */
  private last: number;
  private step: number;
  private left: number;
  private goal: number;

  constructor() {
    this.last = -1;
    this.step = 0;
    this.left = 0;
    this.goal = 0;
  }

  /** The next reference follows a gap in the timeline: it is not to be filled. */
  restart(): void {
    this.last = -1;
  }

  /**
   * How many references the bytes of a frame that is decoded at `dtsTicks` bring along. `isOnClockPid`: the frame's
   * own first packet takes the last of them, so there is at least one.
   */
  plan(dtsTicks: number, isOnClockPid: boolean): number {
    this.goal = dtsTicks - CLOCK_LAG_TICKS;
    const gap = this.goal - this.last;
    if (this.last < 0) this.left = 1;
    else if (!isOnClockPid && gap < DUE_TICKS) this.left = 0;
    else this.left = Math.min(Math.max(Math.ceil(gap / MAX_STEP_TICKS), 1), MAX_FILL);
    this.step = Math.max(gap, 0) / Math.max(this.left, 1);
    return this.left;
  }

  /** The next planned reference: 33 bits. */
  next(): number {
    this.left--;
    const planned = this.last < 0 ? this.goal : Math.round(this.goal - this.step * this.left);
    this.last = Math.max(planned, this.last + 1);
    return wrapTicks(this.last);
  }
}
