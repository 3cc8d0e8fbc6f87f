/** One connection: the way to the peer, what is sent over it and what comes. Lives on a worker; without sockets. */

import { ReceiveSession, type ReceiveTotals } from './receive/receive-session.ts';
import type { RtcMedia } from './rtc-description.ts';
import { RtcTransport, type RtcTransportEvents, type RtcTransportOptions } from './rtc-transport.ts';
import type { BandwidthEstimator } from './send/bandwidth-estimator.ts';
import type { FeedStore } from './send/feed-store.ts';
import type { PlayedLayers } from './send/layer-switch.ts';
import { SendSession, type SendStatistics } from './send/send-session.ts';

export interface RtcPeerEvents {
  send: RtcTransportEvents['send'];
  onConnected(): void;
  onRtp(media: number, layer: number, packet: Uint8Array, nowUs: number): void;
  onRtcp(media: number, layer: number, packet: Uint8Array, nowUs: number): void;
  onClosed(reason: string): void;
}

export interface RtcPeerOptions extends RtcTransportOptions {
  /** What is played; null for a peer that only sends. */
  readonly feed: FeedStore | null;
  /** Layers of simulcast that its pictures come from. */
  readonly layers: PlayedLayers | null;
  readonly makeEstimator: () => BandwidthEstimator;
}

export interface RtcPeerStatistics {
  readonly isConnected: boolean;
  readonly profile: string;
  readonly remote: string;
  readonly refused: number;
  readonly send: SendStatistics | null;
  readonly receive: ReceiveTotals | null;
}

export class RtcPeer {
  readonly transport: RtcTransport;
  /** When `tick` wants to be called. */
  nextTickUs = 0;
  private readonly send: SendSession | null;
  private readonly receiveSession: ReceiveSession | null;

  constructor(options: RtcPeerOptions, events: RtcPeerEvents, nowUs: number) {
    const { medias, cname } = options.description;
    const of = (direction: RtcMedia['direction']) => medias.filter((media) => media.direction === direction);
    this.transport = new RtcTransport(
      options,
      {
        send: (bytes, to) => events.send(bytes, to),
        onConnected: (now) => {
          this.send?.start(now);
          events.onConnected();
        },
        onRtp: (packet, now) => this.receiveSession?.receiveRtp(packet, now),
        onRtcp: (packet, now) => {
          this.send?.onRtcp(packet, now);
          this.receiveSession?.receiveRtcp(packet, now);
        },
        onClosed: (reason) => {
          this.close();
          events.onClosed(reason);
        },
      },
      nowUs,
    );
    const { transport } = this;
    const received = of('receive');
    this.receiveSession =
      received.length === 0
        ? null
        : new ReceiveSession(
            received,
            {
              sendRtcp: (compound) => transport.sendRtcp(compound),
              onRtp: events.onRtp,
              onRtcp: events.onRtcp,
            },
            nowUs,
          );
    this.send =
      options.feed === null
        ? null
        : new SendSession(
            of('send'),
            cname,
            options.feed,
            transport,
            options.makeEstimator(),
            options.layers,
          );
  }

  /** The peer should send a key frame. */
  requestKey(media: number, layer: number, nowUs: number): void {
    this.receiveSession?.requestKey(media, layer, nowUs);
  }

  takeLayers(layers: PlayedLayers, nowUs: number): void {
    this.send?.takeLayers(layers, nowUs);
  }

  tick(nowUs: number): void {
    this.transport.tick(nowUs);
    const waits = [this.send?.tick(nowUs) ?? 100_000, this.receiveSession?.tick(nowUs) ?? 100_000];
    const transportUs = this.transport.isConnected ? 100_000 : 20_000;
    this.nextTickUs = nowUs + Math.min(waits[0]!, waits[1]!, transportUs);
  }

  statistics(): RtcPeerStatistics {
    const { transport } = this;
    const remote = transport.remoteAddress;
    return {
      isConnected: transport.isConnected,
      profile: transport.profile,
      remote: remote === null ? '' : `${remote.transport} ${remote.address}:${remote.port}`,
      refused: transport.refused,
      send: this.send?.statistics() ?? null,
      receive: this.receiveSession?.statistics() ?? null,
    };
  }

  /** Idempotent. */
  close(): void {
    this.send?.close();
    this.receiveSession?.close();
    this.transport.close();
  }
}
