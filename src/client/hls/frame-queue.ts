/** Frames of one playlist that wait to be handed out, and who waits for room. */
import type { SegmentFrame } from './segment-demuxer.ts';

export class FrameQueue {
  /** No more frames will come. */
  isOver = false;
  /** Nothing comes before the other playlist has gone on; nobody has to wait for frames of this one. */
  isBlocked = false;
  bytes = 0;
  /** Media that is listed and not here yet, microseconds. */
  listedUs = 0;
  private frames: SegmentFrame[] = [];
  private head = 0;
  private waiting: (() => void) | null = null;
  private readonly maxUs: number;
  private readonly maxBytes: number;

  constructor(maxUs: number, maxBytes: number) {
    this.maxUs = maxUs;
    this.maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.head === this.frames.length;
  }

  /** The frame that comes next; null = there is none. */
  peek(): SegmentFrame | null {
    return this.frames[this.head] ?? null;
  }

  /** Media that waits, microseconds. */
  get spanUs(): number {
    const first = this.frames[this.head];
    return first === undefined ? 0 : this.frames[this.frames.length - 1]!.dts - first.dts;
  }

  push(frames: readonly SegmentFrame[]): void {
    for (const frame of frames) {
      this.frames.push(frame);
      this.bytes += frame.payload.length;
    }
  }

  shift(): SegmentFrame | null {
    const frame = this.frames[this.head];
    if (frame === undefined) return null;
    this.head++;
    this.bytes -= frame.payload.length;
    if (this.head === this.frames.length || this.head >= 4096) {
      this.frames = this.frames.slice(this.head);
      this.head = 0;
    }
    if (this.waiting !== null && this.hasRoom) {
      const { waiting } = this;
      this.waiting = null;
      waiting();
    }
    return frame;
  }

  private get hasRoom(): boolean {
    return this.isEmpty || (this.spanUs < this.maxUs && this.bytes < this.maxBytes);
  }

  /** Resolves when another segment may come. */
  async room(): Promise<void> {
    if (this.hasRoom) return;
    await new Promise<void>((resolve) => {
      this.waiting = resolve;
    });
  }
}
