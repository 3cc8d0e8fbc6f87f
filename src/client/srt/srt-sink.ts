/**
 * A player of the shared `ts` feed over SRT. The core sends no faster than its bandwidth, so what a joiner gets at its
 * start is spread; while more waits than goes out at once, the sink takes nothing. A player that falls behind goes on at
 * the newest key frame: what is older would come too late for it.
 */
import type { Sink } from '../../media/sink.ts';
import type { Stream } from '../../media/stream.ts';
import type { Subscription } from '../../media/subscription.ts';
import type { SrtLink } from './srt-link.ts';
import { PAYLOAD_BYTES, type TsPayloads } from './ts-payloads.ts';

/** What may wait in the core: a time of the bandwidth, and so much at least. */
const WAITING_SHARE = 0.05;
const MIN_WAITING_PACKETS = 50;
const MIN_LAG_US = 1_000_000;
const MIN_BYTES_PER_SECOND = 2_500_000;

export class SrtSink implements Sink {
  /** Payloads that found no room. */
  overflows = 0;
  private readonly payloads: TsPayloads;
  private readonly onEnd: (reason: string) => void;
  private link: SrtLink | null = null;
  private subscription: Subscription | null = null;
  private maxWaiting = MIN_WAITING_PACKETS;
  private maxLagUs = MIN_LAG_US;

  /** `payloads`: those of everybody who may have the same feed. */
  constructor(payloads: TsPayloads, onEnd: (reason: string) => void) {
    this.payloads = payloads;
    this.onEnd = onEnd;
  }

  /** Before this nothing is taken. `maxBandwidth` in bytes per second. */
  begin(link: SrtLink, subscription: Subscription, maxBandwidth: number): void {
    this.link = link;
    this.subscription = subscription;
    this.maxWaiting = Math.max(MIN_WAITING_PACKETS, (maxBandwidth * WAITING_SHARE) / PAYLOAD_BYTES);
    this.maxLagUs = Math.max(MIN_LAG_US, 2000 * link.agreement.sendLatencyMs);
  }

  writable(): boolean {
    const { link } = this;
    if (link === null || link.waitingPackets > this.maxWaiting) return false;
    this.catchUp();
    return true;
  }

  private catchUp(): void {
    const { subscription } = this;
    if (subscription === null || subscription.cursor < 0 || subscription.lagUs <= this.maxLagUs) return;
    const { feed, cursor } = subscription;
    const point = feed.latestPoint;
    if (point <= cursor) return;
    subscription.chunksDropped += point - cursor;
    subscription.jumps++;
    subscription.cursor = point;
  }

  /** Hot path. */
  write(bytes: Uint8Array): void {
    const { link } = this;
    if (link === null) return;
    const parts = this.payloads.of(bytes);
    for (let i = 0; i < parts.length; i++) {
      if (!link.send(parts[i]!)) this.overflows++;
    }
    link.flush();
  }

  end(reason: string): void {
    this.onEnd(reason);
  }
}

/**
 * Bytes per second for the connection of a player: `limitKbps`, or with 0 what leaves room for repairs and the first
 * burst of the stream, if it is there already.
 */
export function playerBandwidth(limitKbps: number, stream: Stream | undefined, nowUs: number): number {
  if (limitKbps > 0) return limitKbps * 125;
  const statistics = stream?.statistics;
  const rate = statistics?.inRate.perSecond(statistics.bytesIn, nowUs) ?? 0;
  return Math.max(MIN_BYTES_PER_SECOND, Math.round(rate * 8));
}
