/** A player on one message stream of an RTMP session: subscription, status messages, pause. */
import type { Sink } from '../../media/sink.ts';
import type { StreamHub } from '../../media/stream-hub.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { Subscription } from '../../media/subscription.ts';
import { rtmpFormat } from '../../packaging/rtmp-feed.ts';

/** RTMP players expect to wait for a stream that is about to begin. */
const WAIT_FOR_STREAM_MS = 10_000;
const NOTHING: readonly string[] = [];

export interface RtmpPlayOptions {
  readonly hub: StreamHub;
  readonly key: StreamKey;
  readonly sink: Sink;
  readonly chunkSize: number;
  readonly messageStreamId: number;
  readonly fourCcs: ReadonlySet<string> | null;
  readonly multitrack: boolean;
}

export class RtmpPlay {
  readonly subscription: Subscription;
  private readonly toldLeftOut = new Set<string>();

  /** Throws RejectedError. */
  constructor(options: RtmpPlayOptions) {
    const format = rtmpFormat({
      chunkSize: options.chunkSize,
      messageStreamId: options.messageStreamId,
      fourCcs: options.fourCcs,
      multitrack: options.multitrack,
    });
    this.subscription = options.hub.subscribe(options.key, format, options.sink, 'gop', WAIT_FOR_STREAM_MS);
  }

  /** Whether the stream ever had anything to send. */
  hasStarted(): boolean {
    return this.subscription.feed.chunks.head > 0;
  }

  /** What the peer's codecs cannot take, in words; every sentence once. */
  newlyLeftOut(): readonly string[] {
    const missing = this.subscription.feed.encoder.leftOut();
    if (missing.length === this.toldLeftOut.size) return NOTHING;
    const reasons: string[] = [];
    for (const { reason } of missing) {
      if (this.toldLeftOut.has(reason)) continue;
      this.toldLeftOut.add(reason);
      reasons.push(reason);
    }
    return reasons;
  }

  pause(paused: boolean): void {
    this.subscription.pause(paused);
  }

  close(): void {
    this.subscription.close();
  }
}
