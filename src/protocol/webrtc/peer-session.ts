/**
 * What publishers and players over WebRTC have in common: a connection on a thread, its secret, its numbers, candidates
 * that come later, a new start of ICE, and one end for all reasons.
 */
import type { LiveSession, SessionDetails, SessionRole } from '../../access/session-registry.ts';
import { makeIceCredentials } from '../../ice/credentials.ts';
import type { Negotiated } from '../../rtc/negotiation/answer.ts';
import { type IceFragment, renegotiateIce } from '../../rtc/negotiation/fragment.ts';
import type { LocalSide } from '../../rtc/negotiation/sections.ts';
import type { RtcDescription } from '../../rtc/rtc-description.ts';
import type { RtcLayers } from '../../rtc/rtc-messages.ts';
import type { RtcPeerStatistics } from '../../rtc/rtc-peer.ts';
import type { RtcPool } from '../../rtc/rtc-pool.ts';
import type { RtcConnection, RtcConnectionEvents, RtcThread } from '../../rtc/rtc-thread.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { randomId } from '../../util/id.ts';
import type { Logger } from '../../util/log.ts';
import type { PublishedSize } from './layer-feeds.ts';

/** 130 bits: whoever knows it may end the session. */
const SECRET_LENGTH = 26;

/** Who asks, and for what. */
export interface PeerRequest {
  readonly app: string;
  readonly stream: string;
  /** Query and credentials, for admission. */
  readonly query: string;
  readonly host: string;
  /** `address:port` of the request. */
  readonly remote: string;
  readonly url: string;
  readonly pageUrl: string;
  readonly userAgent: string;
  /** Of a publisher, the Sluice servers that the stream came through; of a player that is one, who asks for it. */
  readonly via: readonly string[];
  /** The description of the peer. */
  readonly offer: string;
  /** The peer broke its request off. */
  readonly isGone: () => boolean;
  /** Codecs that the peer wants to be used; empty = none in particular. */
  readonly codecs: readonly string[];
  /** Layer of simulcast that a player wants (`LayerFeeds.want`); '' = not told. */
  readonly layer: string;
  /** Our side on this thread. */
  readonly local: (thread: RtcThread) => Pick<LocalSide, 'candidates' | 'fingerprint'>;
}

export interface PeerServices {
  readonly context: ModuleContext;
  readonly pool: RtcPool;
  /** Publishers of several sizes put theirs here. */
  readonly sizes: Map<string, readonly PublishedSize[]>;
  /** Called once when a session is over. */
  onOver(session: PeerSession): void;
}

export abstract class PeerSession implements LiveSession, RtcConnectionEvents {
  readonly id = randomId();
  /** Names its resource; not told to anybody else. */
  readonly secret = randomId(SECRET_LENGTH);
  readonly protocol = 'webrtc';
  abstract readonly role: SessionRole;
  remote: string;
  readonly sinceMs = Date.now();
  streamText = '';
  readonly url: string;
  readonly tcUrl = '';
  readonly pageUrl: string;
  readonly userAgent: string;
  readonly log: Logger;
  notes: readonly string[] = [];
  /** What a player that is a Sluice server is told of the way of the stream. */
  via: readonly string[] = [];
  protected readonly services: PeerServices;
  protected readonly request: PeerRequest;
  protected connection: RtcConnection | null = null;
  protected statistics: RtcPeerStatistics | null = null;
  protected isConnected = false;
  protected isOver = false;
  private description: RtcDescription | null = null;
  private way = '';
  private connectedAfterMs = -1;
  private lastBytes = 0;
  private lastBytesUs = 0;
  private bitsPerSecond = 0;

  constructor(services: PeerServices, request: PeerRequest) {
    this.services = services;
    this.request = request;
    this.remote = request.remote;
    this.url = request.url;
    this.pageUrl = request.pageUrl;
    this.userAgent = request.userAgent;
    this.log = services.context.log.child(this.id);
  }

  /** Resolves with our description; rejects with RejectedError or ProtocolError, and is over then. */
  async begin(): Promise<string> {
    try {
      return await this.open();
    } catch (error) {
      this.finish((error as Error).message);
      throw error;
    }
  }

  protected abstract open(): Promise<string>;
  /** Gives back what was taken, once. */
  protected abstract release(reason: string): void;

  get ended(): boolean {
    return this.isOver;
  }

  /** Of the resource: the generation of ICE. */
  get etag(): string {
    return `"${this.description?.localIce.ufrag ?? ''}"`;
  }

  protected localSide(thread: RtcThread): LocalSide {
    return {
      ice: makeIceCredentials(),
      ...this.request.local(thread),
      isLite: true,
      sessionId: String(Date.now()),
      cname: this.id,
    };
  }

  protected connect(
    thread: RtcThread,
    { description, notes }: Negotiated,
    feed: number,
    layers?: RtcLayers,
  ): void {
    this.description = description;
    this.notes = notes;
    this.connection = thread.open(description, feed, this, layers === undefined ? {} : { layers });
  }

  /** The answer to a fragment: '' for candidates that came later, a fragment of ours when ICE began anew. */
  takeFragment(fragment: IceFragment): string {
    const { connection, description } = this;
    if (connection === null || description === null) return '';
    const { candidates } = this.request.local(connection.thread);
    const ice = makeIceCredentials();
    const restart = renegotiateIce(fragment, description, () => ({ ice, candidates, isLite: true }));
    if (restart === null) {
      if (fragment.candidates.length > 0) connection.addCandidates(fragment.candidates);
      return '';
    }
    const { remoteIce, body } = restart;
    this.description = { ...description, localIce: ice, remoteIce };
    connection.restart(ice.ufrag, ice.password, remoteIce.ufrag);
    this.log.debug('webrtc.ice-restart', { remote: this.remote });
    return body;
  }

  onConnected(remote: string): void {
    this.isConnected = true;
    this.way = remote;
    this.connectedAfterMs = Date.now() - this.sinceMs;
    this.log.debug('webrtc.connected', { way: remote, ms: this.connectedAfterMs });
  }

  onPackets(_bytes: Uint8Array, _packets: Float64Array): void {}

  onStatistics(statistics: RtcPeerStatistics): void {
    this.statistics = statistics;
    const nowUs = this.services.context.clock.nowUs();
    const bytes = this.bytesIn() + this.bytesOut();
    if (this.lastBytesUs > 0)
      this.bitsPerSecond = ((bytes - this.lastBytes) * 8_000_000) / Math.max(1, nowUs - this.lastBytesUs);
    this.lastBytes = bytes;
    this.lastBytesUs = nowUs;
  }

  onClosed(reason: string): void {
    this.connection = null;
    this.finish(reason);
  }

  /** For whatever reason; the peer is told that it is over. Idempotent. */
  finish(reason: string): void {
    if (this.isOver) return;
    this.isOver = true;
    this.connection?.close();
    this.connection = null;
    try {
      this.release(reason);
    } finally {
      this.services.context.sessions.remove(this);
      this.services.onOver(this);
    }
  }

  kick(reason: string): void {
    this.finish(reason);
  }

  abstract bytesIn(): number;
  abstract bytesOut(): number;
  abstract dropped(): number;

  details(): SessionDetails {
    const { statistics, description } = this;
    return {
      connected: String(this.isConnected),
      way: statistics?.remote || this.way,
      srtp: statistics?.profile ?? '',
      srtp_refused: statistics?.refused ?? 0,
      connected_after_ms: this.connectedAfterMs,
      bitrate: Math.round(this.bitsPerSecond),
      codecs: description?.medias.map(({ encodingName }) => encodingName) ?? [],
      left_out: this.notes,
    };
  }
}

/** For the API: milliseconds, -1 = the peer does not tell. */
export function roundTripMs(roundTripUs: number): number {
  return Number.isNaN(roundTripUs) ? -1 : Math.round(roundTripUs / 100) / 10;
}
