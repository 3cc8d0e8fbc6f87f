/** A player on one message stream of an RTMP session: subscription, status messages, pause. */
import type { Sink } from '../../media/sink.ts';
import type { StreamHub } from '../../media/stream-hub.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { Subscription } from '../../media/subscription.ts';
import { rtmpFormat } from '../../packaging/rtmp-feed.ts';

/** RTMP players expect to wait for a stream that is about to begin. */
const WAIT_FOR_STREAM_MS = 10_000;

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

  /** What the peer's codecs cannot take, in words. */
  leftOut(): string[] {
    return this.subscription.feed.encoder.leftOut().map((missing) => missing.reason);
  }

  pause(paused: boolean): void {
    this.subscription.pause(paused);
  }

  close(): void {
    this.subscription.close();
  }
}
