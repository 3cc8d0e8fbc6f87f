/** A player on one message stream of an RTMP session: subscription, status messages, pause. */
import type { Sink } from '../../media/sink.ts';
import type { StreamHub } from '../../media/stream-hub.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { Subscription } from '../../media/subscription.ts';
import { rtmpFormat } from '../../packaging/rtmp-feed.ts';
import { STATUS } from '../../wire/rtmp/command.ts';

const NOTHING: readonly string[] = [];

export interface RtmpPlayOptions {
  readonly hub: StreamHub;
  readonly key: StreamKey;
  readonly sink: Sink;
  /** For a stream that nobody publishes; 0 refuses at once. */
  readonly waitMs: number;
  readonly chunkSize: number;
  readonly messageStreamId: number;
  readonly fourCcs: ReadonlySet<string> | null;
  readonly multitrack: boolean;
  readonly onStatus: (code: string, description: string) => void;
}

/** What plays on a message stream: a live stream, or a file (rtmp-vod.ts). */
export interface RtmpPlayer {
  bytesSent(): number;
  dropped(): number;
  /** All was sent; only a seek brings more. */
  isOver(): boolean;
  /** Whether there ever was anything to send. */
  hasStarted(): boolean;
  /** What the peer's codecs cannot take, in words; every sentence once. */
  newlyLeftOut(): readonly string[];
  /** Also tells the peer that it is done. */
  pause(paused: boolean): void;
  seek(ms: number): void;
  close(): void;
}

export class RtmpPlay implements RtmpPlayer {
  private readonly subscription: Subscription;
  private readonly onStatus: RtmpPlayOptions['onStatus'];
  private readonly toldLeftOut = new Set<string>();

  /** Throws RejectedError. */
  constructor(options: RtmpPlayOptions) {
    this.onStatus = options.onStatus;
    const format = rtmpFormat({
      chunkSize: options.chunkSize,
      messageStreamId: options.messageStreamId,
      fourCcs: options.fourCcs,
      multitrack: options.multitrack,
    });
    this.subscription = options.hub.subscribe(options.key, format, options.sink, 'gop', options.waitMs);
  }

  bytesSent(): number {
    return this.subscription.bytesSent;
  }

  dropped(): number {
    return this.subscription.chunksDropped;
  }

  isOver(): boolean {
    return false;
  }

  hasStarted(): boolean {
    return this.subscription.feed.chunks.head > 0;
  }

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
    if (paused) this.onStatus(STATUS.pauseNotify, 'Paused.');
    else this.onStatus(STATUS.unpauseNotify, 'Playing goes on live.');
  }

  /** A live stream cannot be sought; the player is told that all is well and stays live. */
  seek(_ms: number): void {
    this.onStatus(STATUS.seekNotify, 'This stream is live; seeking has no effect.');
  }

  close(): void {
    this.subscription.close();
  }
}
