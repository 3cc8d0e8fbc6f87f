/**
 * Between a source and a publication: what is live goes through as it comes. A source that is far ahead of the clock (a
 * file) is held up, and what it has sent already waits here until it is due. Bounded by frames and bytes.
 */
import type { Frame } from '../../media/frame.ts';
import type { Track } from '../../media/track.ts';

const MAX_FRAMES = 8000;
const MAX_BYTES = 32 * 1024 * 1024;
/** A longer step of the source's clock is a jump, which takes no time. */
const MAX_STEP_US = 1_000_000;
/** Later than this a source is not late any more but has paused, and goes on from there. */
const MAX_LATE_US = 500_000;

interface Waiting {
  readonly frame: Frame;
  /** Told before the frame; null = as before. */
  readonly tracks: readonly Track[] | null;
  readonly dueUs: number;
}

export interface PacerOptions {
  /** How far ahead of the clock frames may go out, microseconds. */
  readonly leadUs: number;
  readonly nowUs: () => number;
  readonly after: (delayMs: number, run: () => void) => { cancel(): void };
  readonly write: (frame: Frame, tracks: readonly Track[] | null) => void;
  /** Asks the source to wait, or to go on. */
  readonly hold: (held: boolean) => void;
}

export class PullPacer {
  private readonly options: PacerOptions;
  private waiting: Waiting[] = [];
  private bytes = 0;
  private isHeld = false;
  private timer: { cancel(): void } | null = null;
  private onDrained: (() => void) | null = null;
  /** Media time by the steps of the source's clock, and the clock time at which 0 of it was due. */
  private mediaUs = 0;
  private startUs = Number.NaN;
  private latestUs = 0;
  private isClosed: boolean = false;

  constructor(options: PacerOptions) {
    this.options = options;
  }

  push(frame: Frame, tracks: readonly Track[] | null): void {
    const { nowUs, leadUs, write } = this.options;
    const now = nowUs();
    const dueUs = this.dueOf(frame, now);
    if (this.waiting.length === 0 && dueUs <= now + leadUs) {
      write(frame, tracks);
      return;
    }
    this.waiting.push({ frame, tracks, dueUs });
    this.bytes += frame.payload.length;
    // It does not wait though it was asked to: its own pace must do.
    if (this.waiting.length > MAX_FRAMES || this.bytes > MAX_BYTES) this.release(Number.POSITIVE_INFINITY);
    this.adjust();
  }

  private dueOf(frame: Frame, now: number): number {
    if (Number.isNaN(this.startUs)) {
      this.startUs = now;
      this.latestUs = frame.dts;
    }
    const step = frame.dts - this.latestUs;
    if (step > 0 && step <= MAX_STEP_US) this.mediaUs += step;
    if (step > 0 || step < -MAX_STEP_US) this.latestUs = frame.dts;
    const dueUs = this.startUs + this.mediaUs;
    if (dueUs < now - MAX_LATE_US) this.startUs += now - dueUs;
    return Math.max(dueUs, now - MAX_LATE_US);
  }

  private adjust(): void {
    const { waiting, options } = this;
    const held = waiting.length > 0;
    if (held !== this.isHeld) {
      this.isHeld = held;
      options.hold(held);
    }
    if (waiting.length === 0 || this.timer !== null || this.isClosed) return;
    const delayMs = (waiting[0]!.dueUs - options.leadUs - options.nowUs()) / 1000;
    this.timer = options.after(Math.max(delayMs, 1), () => {
      this.timer = null;
      this.release(options.nowUs() + options.leadUs);
      this.adjust();
    });
  }

  private release(untilUs: number): void {
    let at = 0;
    while (at < this.waiting.length && this.waiting[at]!.dueUs <= untilUs && !this.isClosed) {
      const { frame, tracks } = this.waiting[at++]!;
      this.bytes -= frame.payload.length;
      this.options.write(frame, tracks);
    }
    this.waiting.splice(0, at);
    if (this.waiting.length > 0 || this.isClosed) return;
    const { onDrained } = this;
    this.onDrained = null;
    onDrained?.();
  }

  /** Calls back when nothing waits any more, at once where nothing does. */
  drain(done: () => void): void {
    if (this.waiting.length === 0) done();
    else this.onDrained = done;
  }

  close(): void {
    this.isClosed = true;
    this.timer?.cancel();
    this.waiting = [];
    this.onDrained = null;
  }
}
