/**
 * Hands frames of one or two playlists out, merged by time. On demand: as fast as they are taken. Live: at the pace of
 * their times, so that a segment does not come as a burst; what is behind is caught up slowly, and after a hole the pace
 * begins anew with a little in reserve.
 */
import { Frame } from '../../media/frame.ts';
import type { Track } from '../../media/track.ts';
import type { PullHandlers, PullOptions } from '../pull.ts';
import type { FrameQueue } from './frame-queue.ts';
import type { SegmentFrame } from './segment-demuxer.ts';

/** Frames that are due within this time go together. */
const EARLY_US = 2000;
/** A timer is never set for longer, so that what comes in the meantime counts. */
const MAX_WAIT_MS = 250;
/** Later than this is a hole. */
const LATE_US = 500_000;
/** How much faster than its times a stream may go that has fallen behind. */
const CATCH_UP = 0.05;
/** Kept back where less than this many pieces is at hand: the next one may take the time of one to be listed. */
const THIN_PIECES = 1.5;
const MAX_RESERVE_US = 6_000_000;

export interface DeliveryOptions {
  readonly isLive: boolean;
  /** Media that may wait before the pace is raised, microseconds. */
  readonly backlogUs: number;
  /** Longest segment, or part where it comes in parts, microseconds. */
  readonly pieceUs: number;
  /** What is over the backlog goes out at once, rather than a little faster than its times. */
  readonly catchesUpAtOnce: boolean;
}

export class HlsDelivery {
  private readonly queues: readonly FrameQueue[];
  private readonly handlers: PullHandlers;
  private readonly pullOptions: PullOptions;
  private readonly options: DeliveryOptions;
  /** Tracks of each queue as they were told. */
  private readonly told: (readonly Track[])[];
  private readonly onDrained: () => void;
  private timer: { cancel(): void } | null = null;
  private isPaused = false;
  private isClosed = false;
  private isRunning = false;
  private hasBegun = false;
  /** When a frame of time 0 is due; NaN = the pace is not set. */
  private anchorUs = Number.NaN;
  private firstFrameUs = Number.NaN;
  private lastTickUs = Number.NaN;

  /** `onDrained` is called when all queues are over and empty. */
  constructor(
    queues: readonly FrameQueue[],
    handlers: PullHandlers,
    pullOptions: PullOptions,
    options: DeliveryOptions,
    onDrained: () => void,
  ) {
    this.queues = queues;
    this.handlers = handlers;
    this.pullOptions = pullOptions;
    this.options = options;
    this.told = queues.map(() => []);
    this.onDrained = onDrained;
  }

  /** Something has changed in a queue. */
  wake(): void {
    if (this.isPaused || this.isClosed || this.isRunning) return;
    this.timer?.cancel();
    this.timer = null;
    this.isRunning = true;
    const waitMs = this.run();
    this.isRunning = false;
    if (this.isPaused || this.isClosed) return;
    if (this.queues.every((queue) => queue.isOver && queue.isEmpty)) {
      this.onDrained();
      return;
    }
    if (waitMs > 0)
      this.timer = this.pullOptions.after(waitMs, () => {
        this.timer = null;
        this.wake();
      });
  }

  pause(): void {
    this.isPaused = true;
    this.timer?.cancel();
    this.timer = null;
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.wake();
  }

  close(): void {
    this.isClosed = true;
    this.timer?.cancel();
    this.timer = null;
  }

  /** Gives out what may go. Returns how long to wait for the next, milliseconds; 0 = until `wake`. */
  private run(): number {
    const now = this.pullOptions.nowUs();
    if (!this.hasBegun) {
      if (!this.mayBegin(now)) return this.options.isLive ? MAX_WAIT_MS : 0;
      this.hasBegun = true;
      this.tellFirstTracks();
    }
    if (this.options.isLive) this.pace(now);
    while (!this.isPaused && !this.isClosed) {
      const index = this.next();
      if (index < 0) return 0;
      const queue = this.queues[index]!;
      if (this.options.isLive) {
        const dueUs = this.anchorUs + queue.peek()!.dts;
        if (dueUs > now + EARLY_US)
          return Math.min(MAX_WAIT_MS, Math.max(1, Math.ceil((dueUs - now) / 1000)));
      }
      this.give(index, queue.shift()!);
    }
    return 0;
  }

  /** All playlists have something, so that their tracks are told together; a live one does not wait for ever. */
  private mayBegin(now: number): boolean {
    if (this.queues.every((queue) => queue.isEmpty)) return false;
    if (Number.isNaN(this.firstFrameUs)) this.firstFrameUs = now;
    return (
      this.queues.every((queue) => !queue.isEmpty || queue.isOver) ||
      (this.options.isLive && now - this.firstFrameUs > this.pullOptions.connectMs * 1000)
    );
  }

  /** Index of the queue whose frame comes next; -1 = none may. */
  private next(): number {
    let found = -1;
    let earliest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < this.queues.length; i++) {
      const queue = this.queues[i]!;
      const frame = queue.peek();
      if (frame === null) {
        // What is missing might belong in front.
        if (!this.options.isLive && !queue.isOver && !queue.isBlocked) return -1;
      } else if (frame.dts < earliest) {
        earliest = frame.dts;
        found = i;
      }
    }
    return found;
  }

  private pace(now: number): void {
    // The pictures set the pace; sound that comes late goes out at once.
    const leading = this.queues.find((queue) => !queue.isEmpty);
    const head = leading?.peek();
    const elapsedUs = Number.isNaN(this.lastTickUs) ? 0 : now - this.lastTickUs;
    this.lastTickUs = now;
    if (leading === undefined || head === null || head === undefined) return;
    const { backlogUs, pieceUs, catchesUpAtOnce } = this.options;
    const isThin = !leading.isOver && leading.spanUs + leading.listedUs < pieceUs * THIN_PIECES;
    const reserveUs = isThin ? Math.min(pieceUs, MAX_RESERVE_US) : 0;
    if (Number.isNaN(this.anchorUs)) {
      const earliest = Math.min(...this.queues.map((queue) => queue.peek()?.dts ?? Number.POSITIVE_INFINITY));
      this.anchorUs = now - earliest + reserveUs;
    } else if (now - (this.anchorUs + head.dts) > LATE_US) {
      this.anchorUs = now - head.dts + reserveUs;
    } else if (leading.spanUs > backlogUs)
      this.anchorUs -= catchesUpAtOnce ? leading.spanUs - backlogUs : Math.round(elapsedUs * CATCH_UP);
  }

  private tellFirstTracks(): void {
    for (const [index, queue] of this.queues.entries()) this.told[index] = queue.peek()?.tracks ?? [];
    this.handlers.onTracks(this.told.flat());
  }

  private give(index: number, frame: SegmentFrame): void {
    const { tracks } = frame;
    if (tracks !== null && tracks !== this.told[index]) {
      this.told[index] = tracks;
      this.handlers.onTracks(this.told.flat());
    }
    const { trackId, flags, dts, pts, duration, payload, config, captureTime } = frame;
    const now = this.pullOptions.nowUs();
    this.handlers.onFrame(new Frame(trackId, flags, dts, pts, duration, payload, config, now, captureTime));
  }
}
