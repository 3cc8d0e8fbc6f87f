/**
 * What a player holds: a position in a feed's ring, its sink and counters. There is no queue per player.
 */
import type { Feed } from './feed.ts';
import type { Sink } from './sink.ts';

/** `gop`: from the last random access point, so that the picture comes at once; `live`: from the next one. */
export type StartRule = 'gop' | 'live';

export class Subscription {
  readonly feed: Feed;
  readonly sink: Sink;
  readonly start: StartRule;
  /** Next chunk to send; -1 while waiting for a random access point. */
  cursor = -1;
  /** A player that starts `live` ignores points before this position. */
  notBefore = 0;
  paused = false;
  closed = false;
  /** Monotonic microseconds since when the sink takes nothing; 0 = it takes. */
  blockedSinceUs = 0;
  bytesSent = 0;
  chunksDropped = 0;
  /** How often it was moved forward because it was too slow. */
  jumps = 0;
  private readonly onClose: (subscription: Subscription) => void;

  constructor(feed: Feed, sink: Sink, start: StartRule, onClose: (subscription: Subscription) => void) {
    this.feed = feed;
    this.sink = sink;
    this.start = start;
    this.notBefore = start === 'live' ? feed.chunks.head : 0;
    this.onClose = onClose;
  }

  /** The player left. Idempotent; the sink is not told. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.onClose(this);
  }

  /** We end it: the sink is told why. Idempotent. */
  end(reason: string): void {
    if (this.closed) return;
    this.close();
    this.sink.end(reason);
  }

  /** A paused player gets nothing and goes on at the newest random access point. */
  pause(paused: boolean): void {
    this.paused = paused;
    if (!paused) {
      this.cursor = -1;
      this.notBefore = 0;
    }
  }

  /** Microseconds of media between this player and the newest chunk. */
  get lagUs(): number {
    const { chunks } = this.feed;
    if (this.cursor < 0 || this.cursor >= chunks.head || chunks.size === 0) return 0;
    return chunks.at(chunks.head - 1).dts - chunks.at(Math.max(this.cursor, chunks.tail)).dts;
  }
}
