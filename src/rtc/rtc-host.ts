/**
 * What one thread of WebRTC does: its sockets, its peers, the packets of the streams that they play. Everything that it
 * says goes through `tell`, so that it runs on a worker or, in a test, beside the test.
 */
import { tlsCertificateFromPem } from '../crypto/tls-certificate.ts';
import { DtlsCookie } from '../dtls/cookie.ts';
import { candidatesFor } from '../ice/candidate.ts';
import { IceDirectory } from '../ice/ice-directory.ts';
import type { IceLiteAgent } from '../ice/ice-lite.ts';
import type { TransportAddress } from '../ice/transport-address.ts';
import { isStun } from '../wire/stun/packet-kind.ts';
import { RtcCallPort } from './rtc-call-port.ts';
import {
  type FromRtcThread,
  PACKET_FIELDS,
  type RtcLayers,
  type RtcThreadData,
  type ToRtcThread,
} from './rtc-messages.ts';
import { RtcPeer } from './rtc-peer.ts';
import { RtcListenError, RtcSockets } from './rtc-sockets.ts';
import { RtcTurns, TURN_US } from './rtc-turns.ts';
import { BandwidthEstimator } from './send/bandwidth-estimator.ts';
import { FeedStore } from './send/feed-store.ts';
import type { PlayedLayers } from './send/layer-switch.ts';

const TICK_MS = 5;
const STATISTICS_US = 1_000_000;
/** Received packets go to the main thread in batches of at most this, or with the next tick. */
const BATCH_BYTES = 32 * 1024;
const BATCH_PACKETS = 64;
/** With more connections than this under way each further one proves that its address is its own first. */
const PROOF_FROM = 100;
/** Between two requests of a key frame from the publisher of a stream. */
const KEY_GAP_US = 500_000;

interface Feed {
  readonly store: FeedStore;
  slab: Uint8Array;
  keyAskedUs: number;
}

class Batch {
  bytes = new Uint8Array(BATCH_BYTES);
  used = 0;
  packets: number[] = [];
}

interface Hosted {
  readonly id: number;
  readonly peer: RtcPeer;
  readonly batch: Batch;
  isConnected: boolean;
}

export class RtcHost {
  private readonly data: RtcThreadData;
  private readonly tell: (message: FromRtcThread, transfer?: readonly ArrayBuffer[]) => void;
  private readonly nowUs: () => number;
  private readonly sockets: RtcSockets;
  private readonly directory = new IceDirectory();
  private readonly peers = new Map<number, Hosted>();
  private readonly byAgent = new Map<IceLiteAgent, Hosted>();
  private readonly byConnection = new Map<number, Hosted>();
  /** Of peers that we call, or are about to. */
  private readonly callPorts = new Map<number, RtcCallPort>();
  private readonly feeds = new Map<number, Feed>();
  private readonly certificate;
  private readonly cookie: DtlsCookie;
  /** Peers that are not connected yet. */
  private connecting = 0;
  private timer: NodeJS.Timeout | null = null;
  /** Streams of which not all players were given what is new. */
  private readonly unserved = new Set<FeedStore>();
  private readonly servingTurns: RtcTurns;
  /** Peers that were not looked at in this tick. */
  private ticking: Iterator<Hosted> | null = null;
  private readonly tickTurns: RtcTurns;
  private lastStatisticsUs = 0;

  constructor(
    data: RtcThreadData,
    tell: (message: FromRtcThread, transfer?: readonly ArrayBuffer[]) => void,
    nowUs: () => number,
    turnUs = TURN_US,
  ) {
    this.data = data;
    this.tell = tell;
    this.nowUs = nowUs;
    this.servingTurns = new RtcTurns(nowUs, turnUs, (untilUs) => this.serve(untilUs));
    this.tickTurns = new RtcTurns(nowUs, turnUs, (untilUs) => this.tickPeers(untilUs));
    this.cookie = new DtlsCookie(nowUs());
    this.certificate = tlsCertificateFromPem(data.certificate);
    this.sockets = new RtcSockets({
      onPacket: (bytes, from) => this.onPacket(bytes, from),
      onTcpClosed: (address) => this.onTcpClosed(address),
      onTrouble: (event, cause) => tell({ type: 'trouble', event, cause }),
    });
  }

  async start(): Promise<void> {
    const { hosts, port, tcp } = this.data;
    try {
      await this.sockets.open(hosts, port, tcp);
    } catch (error) {
      if (!(error instanceof RtcListenError)) throw error;
      const { code, message, host, transport } = error;
      this.tell({ type: 'failed', code, message, host, transport });
      return;
    }
    this.timer = setInterval(() => this.tick(), TICK_MS);
    this.tell({ type: 'listening', port: this.sockets.port, hasTcp: this.sockets.hasTcp });
  }

  receive(message: ToRtcThread): void {
    switch (message.type) {
      case 'reserve':
        void this.reserve(message.peer);
        return;
      case 'open':
        this.open(message);
        return;
      case 'candidates':
        this.peers.get(message.peer)?.peer.transport.addRemoteCandidates(message.lines, this.nowUs());
        return;
      case 'restart':
        this.restart(message);
        return;
      case 'key':
        this.peers.get(message.peer)?.peer.requestKey(message.media, message.layer, this.nowUs());
        return;
      case 'layers':
        this.peers.get(message.peer)?.peer.takeLayers(this.storesOf(message.layers), this.nowUs());
        return;
      case 'close':
        this.remove(message.peer);
        return;
      case 'feed':
        this.setFeed(message);
        return;
      case 'feed-keys':
        this.setKeys(message.feed, message.canRequest);
        return;
      case 'slab':
        this.setSlab(message.feed, new Uint8Array(message.slab));
        return;
      case 'bytes':
        this.pushBytes(message.feed, message.start, message.end);
        return;
      case 'feed-end':
        this.feeds.delete(message.feed);
        return;
      case 'stop':
        this.stop();
        return;
      default:
    }
  }

  private async reserve(id: number): Promise<void> {
    const { tell } = this;
    const port = new RtcCallPort((event, cause) => tell({ type: 'trouble', event, cause }));
    this.callPorts.set(id, port);
    tell({ type: 'reserved', peer: id, port: await port.open(this.data.hosts) });
  }

  private open(message: ToRtcThread & { type: 'open' }): void {
    const { peer: id, description, layers, localAddresses } = message;
    const port = this.callPorts.get(id) ?? null;
    const locals = description.isCaller
      ? candidatesFor(localAddresses, port?.port ?? 0, { udp: true, tcp: false }).map((candidate) => ({
          candidate,
          localIndex: 0,
        }))
      : [];
    const batch = new Batch();
    const nowUs = this.nowUs();
    const peer = new RtcPeer(
      {
        description,
        certificate: this.certificate,
        locals,
        ...(this.data.consentMs === undefined ? {} : { consentTimeoutMs: this.data.consentMs }),
        feed: this.feeds.get(message.feed)?.store ?? null,
        layers: layers === undefined ? null : this.storesOf(layers),
        cookie: () => (this.connecting > PROOF_FROM ? this.cookie : null),
        makeEstimator: () => new BandwidthEstimator(),
      },
      {
        send: (bytes, to) => (port ?? this.sockets).send(bytes, to),
        onConnected: () => {
          this.endConnecting(hosted);
          this.tell({ type: 'connected', peer: id, remote: peer.statistics().remote });
        },
        onRtp: (media, layer, packet, now) => this.collect(hosted, media, layer, 0, packet, now),
        onRtcp: (media, layer, packet, now) => this.collect(hosted, media, layer, 1, packet, now),
        onClosed: (reason) => {
          this.remove(id);
          this.tell({ type: 'closed', peer: id, reason });
        },
      },
      nowUs,
    );
    const hosted: Hosted = { id, peer, batch, isConnected: false };
    this.peers.set(id, hosted);
    this.connecting++;
    const { lite } = peer.transport;
    if (lite === null) {
      if (port !== null) port.onPacket = (bytes, from) => this.onCalledPacket(hosted, bytes, from);
    } else if (this.directory.add(lite)) {
      this.byAgent.set(lite, hosted);
    } else {
      this.remove(id);
      this.tell({ type: 'closed', peer: id, reason: 'there are too many connections' });
    }
  }

  private storesOf({ feeds, wish }: RtcLayers): PlayedLayers {
    return { stores: feeds.map((feed) => this.feeds.get(feed)?.store ?? null), wish };
  }

  private restart({ peer: id, ufrag, password, remoteUfrag }: ToRtcThread & { type: 'restart' }): void {
    const lite = this.peers.get(id)?.peer.transport.lite;
    if (lite !== undefined && lite !== null) this.directory.restart(lite, remoteUfrag, { ufrag, password });
  }

  /** Hot path. */
  private onPacket(bytes: Uint8Array, from: TransportAddress): void {
    const nowUs = this.nowUs();
    if (isStun(bytes)) {
      this.onStun(bytes, from, nowUs);
      return;
    }
    this.hostedAt(from)?.peer.transport.receive(bytes, nowUs);
  }

  private onStun(bytes: Uint8Array, from: TransportAddress, nowUs: number): void {
    const agent = this.directory.receiveStun(bytes, from, nowUs);
    if (agent === null || from.connection === undefined) return;
    const hosted = this.byAgent.get(agent);
    if (hosted !== undefined) this.byConnection.set(from.connection, hosted);
  }

  private hostedAt(from: TransportAddress): Hosted | undefined {
    if (from.connection !== undefined) return this.byConnection.get(from.connection);
    const agent = this.directory.find(from.address, from.port);
    return agent === null ? undefined : this.byAgent.get(agent);
  }

  /** Hot path. At the port of a peer that we called. */
  private onCalledPacket({ peer }: Hosted, bytes: Uint8Array, from: TransportAddress): void {
    const nowUs = this.nowUs();
    const { transport } = peer;
    if (isStun(bytes)) {
      transport.agent?.receive(bytes, from, 0, nowUs);
      return;
    }
    const remote = transport.remoteAddress;
    if (remote !== null && remote.port === from.port && remote.address === from.address)
      transport.receive(bytes, nowUs);
  }

  private onTcpClosed(address: TransportAddress): void {
    const hosted = this.byConnection.get(address.connection!);
    this.byConnection.delete(address.connection!);
    hosted?.peer.transport.lite?.unreachable(address);
  }

  private setFeed({ feed: id, clockRates, pictures, generation }: ToRtcThread & { type: 'feed' }): void {
    let feed = this.feeds.get(id);
    if (feed === undefined) {
      const created: Feed = {
        store: new FeedStore(() => this.askForKey(id, created)),
        slab: new Uint8Array(0),
        keyAskedUs: Number.NEGATIVE_INFINITY,
      };
      feed = created;
      this.feeds.set(id, feed);
    }
    feed.store.setTracks(clockRates, pictures, generation);
  }

  private setKeys(id: number, canRequest: boolean): void {
    const feed = this.feeds.get(id);
    if (feed !== undefined) feed.store.canRequestKey = canRequest;
  }

  private askForKey(id: number, feed: Feed): void {
    const nowUs = this.nowUs();
    if (nowUs - feed.keyAskedUs < KEY_GAP_US) return;
    feed.keyAskedUs = nowUs;
    this.tell({ type: 'key-needed', feed: id });
  }

  private setSlab(id: number, slab: Uint8Array): void {
    const feed = this.feeds.get(id);
    if (feed !== undefined) feed.slab = slab;
  }

  /** Hot path. */
  private pushBytes(id: number, start: number, end: number): void {
    const feed = this.feeds.get(id);
    if (feed === undefined) return;
    feed.store.push(feed.slab, start, end, this.nowUs());
    if (!feed.store.hasNew) return;
    this.unserved.add(feed.store);
    this.servingTurns.wake();
  }

  /** Hot path. One stream after the other, each with all its players. */
  private serve(untilUs: number): boolean {
    const { unserved } = this;
    for (const store of unserved) {
      if (!store.serve(this.nowUs, untilUs)) return false;
      unserved.delete(store);
      // What came meanwhile has its turn behind the others.
      if (store.hasNew) unserved.add(store);
    }
    return true;
  }

  /** Hot path. */
  private collect(
    { id, batch }: Hosted,
    media: number,
    layer: number,
    kind: number,
    packet: Uint8Array,
    nowUs: number,
  ): void {
    if (batch.used + packet.length > BATCH_BYTES || batch.packets.length >= BATCH_PACKETS * PACKET_FIELDS)
      this.flush(id, batch);
    batch.bytes.set(packet, batch.used);
    batch.packets.push(media, layer, kind, batch.used, batch.used + packet.length, nowUs);
    batch.used += packet.length;
  }

  private flush(id: number, batch: Batch): void {
    if (batch.used === 0) return;
    const bytes = batch.bytes.buffer.slice(0, batch.used);
    this.tell({ type: 'media', peer: id, bytes, packets: Float64Array.from(batch.packets) }, [bytes]);
    batch.used = 0;
    batch.packets = [];
  }

  private tick(): void {
    const nowUs = this.nowUs();
    this.ticking ??= this.peers.values();
    this.tickTurns.wake();
    if (nowUs - this.lastStatisticsUs < STATISTICS_US || this.peers.size === 0) return;
    this.lastStatisticsUs = nowUs;
    const peers = [...this.peers.values()].map(({ id, peer }) => ({
      peer: id,
      statistics: peer.statistics(),
    }));
    this.tell({ type: 'statistics', peers });
  }

  /** Those that are busy may take longer than a tick: the next one goes on where this one stopped. */
  private tickPeers(untilUs: number): boolean {
    const { ticking } = this;
    if (ticking === null) return true;
    for (;;) {
      const { value, done } = ticking.next();
      if (done === true) {
        this.ticking = null;
        return true;
      }
      const hosted = value as Hosted;
      const nowUs = this.nowUs();
      this.flush(hosted.id, hosted.batch);
      if (nowUs >= hosted.peer.nextTickUs) hosted.peer.tick(nowUs);
      if (nowUs >= untilUs) return false;
    }
  }

  private remove(id: number): void {
    const hosted = this.peers.get(id);
    if (hosted === undefined) {
      this.closePort(id);
      return;
    }
    this.flush(id, hosted.batch);
    this.peers.delete(id);
    this.endConnecting(hosted);
    const { lite } = hosted.peer.transport;
    if (lite !== null) {
      this.directory.remove(lite);
      this.byAgent.delete(lite);
    }
    for (const [connection, known] of this.byConnection)
      if (known === hosted) this.byConnection.delete(connection);
    hosted.peer.close();
    this.closePort(id);
  }

  private endConnecting(hosted: Hosted): void {
    if (!hosted.isConnected) this.connecting--;
    hosted.isConnected = true;
  }

  private closePort(id: number): void {
    this.callPorts.get(id)?.close();
    this.callPorts.delete(id);
  }

  stop(): void {
    for (const id of [...this.peers.keys()]) this.remove(id);
    for (const id of [...this.callPorts.keys()]) this.closePort(id);
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
    this.servingTurns.close();
    this.tickTurns.close();
    this.unserved.clear();
    this.sockets.close();
  }
}
