/** A pull as a supply of frames: what comes waits in a bounded buffer, and a full buffer holds the source up. */
import type { Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import type { FrameSupply, SupplyPart } from '../media-file/frame-supply.ts';
import { openPull, type Pull, type PullEnd, type PullHandlers, type PullOptions } from './pull.ts';

const MAX_BUFFERED_BYTES = 8 * 1024 * 1024;
const MAX_BUFFERED_FRAMES = 4000;

/** Why a pull gave nothing, or nothing more. The message is a sentence that begins in lower case. */
export class PullError extends Error {
  readonly kind: 'failed' | 'broken';

  constructor(kind: 'failed' | 'broken', reason: string) {
    super(reason);
    this.name = 'PullError';
    this.kind = kind;
  }
}

export class PullSupply implements FrameSupply, PullHandlers {
  /** onMetaData of the source, null when there was none. */
  metadata: unknown = null;
  private readonly pull: Pull;
  private tracks: readonly Track[] | null = null;
  private parts: { tracks: readonly Track[] | null; frames: Frame[] }[] = [];
  private bytes = 0;
  private frames = 0;
  private isHeldUp = false;
  private ended: PullEnd | null = null;
  private isClosed = false;
  private wake: (() => void) | null = null;

  /** Throws RejectedError for an address that cannot be pulled. */
  constructor(url: string, options: PullOptions) {
    this.pull = openPull(url, this, options);
  }

  get bytesReceived(): number {
    return this.pull.bytesReceived;
  }

  onTracks(tracks: readonly Track[]): void {
    this.tracks = tracks;
  }

  onMetadata(values: unknown): void {
    this.metadata = values;
  }

  onFrame(frame: Frame): void {
    const last = this.parts.at(-1);
    if (last === undefined || this.tracks !== null) this.parts.push({ tracks: this.tracks, frames: [frame] });
    else last.frames.push(frame);
    this.tracks = null;
    this.bytes += frame.payload.length;
    this.frames++;
    if (!this.isHeldUp && (this.bytes > MAX_BUFFERED_BYTES || this.frames > MAX_BUFFERED_FRAMES)) {
      this.isHeldUp = true;
      this.pull.pause();
    }
    this.wakeReader();
  }

  onEnd(end: PullEnd): void {
    this.ended = end;
    this.wakeReader();
  }

  private wakeReader(): void {
    const { wake } = this;
    this.wake = null;
    wake?.();
  }

  async read(): Promise<SupplyPart | null> {
    for (;;) {
      if (this.isClosed) return null;
      const part = this.parts.shift();
      if (part !== undefined) {
        for (const frame of part.frames) this.bytes -= frame.payload.length;
        this.frames -= part.frames.length;
        if (this.isHeldUp && this.parts.length === 0) {
          this.isHeldUp = false;
          if (this.ended === null) this.pull.resume();
        }
        return part;
      }
      if (this.ended !== null) {
        const { kind, reason } = this.ended;
        if (kind === 'over') return null;
        throw new PullError(kind, reason);
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.pull.close();
    this.wakeReader();
  }
}
