/**
 * Plays a supply of frames at the speed of its own times, a little ahead of the clock. It waits for an output that
 * takes nothing, and after a pause (of the supply, the output or the machine) it goes on from there instead of hurrying
 * through what was missed.
 */
import type { Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import type { FrameSupply } from './frame-supply.ts';

/** More than this behind is not made up for. */
const MAX_LATE_US = 3_000_000;
const WAIT_MS = 20;

export interface PlaybackOutput {
  setTracks(tracks: readonly Track[]): void;
  write(frame: Frame): void;
  /** False while nothing should be written. */
  writable(): boolean;
}

export interface PlaybackOptions {
  readonly supply: FrameSupply;
  readonly output: PlaybackOutput;
  readonly nowUs: () => number;
  /** How far ahead of the clock frames are written, microseconds: what coarse timers and slow disks may take. */
  readonly leadUs: number;
  /** What is written at once at the beginning, microseconds: a player sees a picture without waiting. */
  readonly burstUs?: number;
  /** 2 = twice as fast as the times say. */
  readonly speed?: number;
  readonly wait: (ms: number) => Promise<void>;
}

export class PacedPlayback {
  /** Media time that has been written, microseconds from the first frame. */
  positionUs = 0;
  private readonly options: PlaybackOptions;
  private readonly speed: number;
  /** Clock time at which the media time `anchorUs` is due. */
  private clockUs = 0;
  private anchorUs = Number.NaN;
  private firstUs = 0;
  private isClosed: boolean = false;

  constructor(options: PlaybackOptions) {
    this.options = options;
    this.speed = options.speed ?? 1;
  }

  /** Resolves at the end of the supply or after `close`; rejects as the supply does. */
  async run(): Promise<void> {
    const { supply, output, wait } = this.options;
    while (!this.isClosed) {
      const part = await supply.read();
      if (part === null || this.isClosed) break;
      if (part.tracks !== null) output.setTracks(part.tracks);
      let at = this.writeDue(part.frames, 0);
      while (at < part.frames.length) {
        await wait(WAIT_MS);
        if (this.isClosed) break;
        at = this.writeDue(part.frames, at);
      }
    }
    supply.close();
  }

  /** Writes what is due; returns the place of the first frame that is not. */
  private writeDue(frames: readonly Frame[], from: number): number {
    const { output, nowUs } = this.options;
    if (from >= frames.length || !output.writable()) return from;
    const now = nowUs();
    if (Number.isNaN(this.anchorUs)) this.begin(frames[from]!.dts, now);
    let due = this.dueUs(now);
    const lateUs = due - frames[from]!.dts;
    if (lateUs > MAX_LATE_US * Math.max(1, this.speed)) {
      this.anchorUs = frames[from]!.dts;
      this.clockUs = now;
      due = this.dueUs(now);
    }
    let at = from;
    while (at < frames.length && frames[at]!.dts <= due && output.writable()) {
      const frame = frames[at++]!; // below the length
      output.write(frame);
      if (frame.dts - this.firstUs > this.positionUs) this.positionUs = frame.dts - this.firstUs;
    }
    return at;
  }

  private begin(dts: number, now: number): void {
    this.firstUs = dts;
    this.anchorUs = dts;
    this.clockUs = now - (this.options.burstUs ?? 0) / this.speed;
  }

  private dueUs(now: number): number {
    return this.anchorUs + (now - this.clockUs) * this.speed + this.options.leadUs;
  }

  /** Nothing is written any more. May be called twice. */
  close(): void {
    this.isClosed = true;
    this.options.supply.close();
  }
}
