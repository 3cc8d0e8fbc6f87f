/**
 * The way between two peers: ICE finds it, DTLS agrees on keys, SRTP protects what goes over it (RFC 8834, RFC 8835).
 * One component for everything (BUNDLE, rtcp-mux). Without sockets and timers.
 */
import type { TlsCertificate } from '../crypto/tls-certificate.ts';
import { DtlsClient } from '../dtls/client.ts';
import type { DtlsCookie } from '../dtls/cookie.ts';
import { DtlsServer } from '../dtls/server.ts';
import type { DtlsEvents, DtlsServerOptions, DtlsSrtpKeys } from '../dtls/settings.ts';
import { parseCandidate } from '../ice/candidate.ts';
import type { LocalCandidate } from '../ice/check-list.ts';
import { IceAgent } from '../ice/ice-agent.ts';
import { IceLiteAgent } from '../ice/ice-lite.ts';
import type { TransportAddress } from '../ice/transport-address.ts';
import { isRtcp } from '../wire/rtp/rtp-packet.ts';
import { SRTP_PROFILES, type SrtpKeys } from '../wire/srtp/srtp-profile.ts';
import { SrtpReceiver } from '../wire/srtp/srtp-receiver.ts';
import { SrtpSender } from '../wire/srtp/srtp-sender.ts';
import { isDtls, isRtp } from '../wire/stun/packet-kind.ts';
import type { RtcDescription } from './rtc-description.ts';

/** Protected packets are written here and never again: a socket may still have to send them. */
const SEND_SLAB_BYTES = 256 * 1024;
const MAX_PACKET_BYTES = 2048;

export interface RtcTransportEvents {
  /** One datagram; the memory is not written again. */
  send(bytes: Uint8Array, to: TransportAddress): void;
  /** Keys are agreed: media may go. */
  onConnected(nowUs: number): void;
  /** Genuine packets, in plain; valid during the call. */
  onRtp(packet: Uint8Array, nowUs: number): void;
  onRtcp(packet: Uint8Array, nowUs: number): void;
  /** Once, unless `close` was called. A phrase for people. */
  onClosed(reason: string): void;
}

export interface RtcTransportOptions {
  readonly description: RtcDescription;
  readonly certificate: TlsCertificate;
  /** Of ours, when we call. */
  readonly locals: readonly LocalCandidate[];
  /** Of a peer that calls: without a sign of it for so long it is gone. */
  readonly consentTimeoutMs?: number;
  /** Set when SRTP profiles other than the usual order are wanted (RFC 5764 numbers). */
  readonly srtpProfiles?: readonly number[];
  /** Whether a client must prove that it receives at its address before it gets a flight of DTLS; null = not now. */
  readonly cookie?: () => DtlsCookie | null;
}

export class RtcTransport {
  /** The lite side; null when we call. It belongs into the directory of the thread. */
  readonly lite: IceLiteAgent | null;
  readonly agent: IceAgent | null;
  isConnected = false;
  /** Name of the SRTP profile, '' before it is agreed. */
  profile = '';
  private readonly options: RtcTransportOptions;
  private readonly events: RtcTransportEvents;
  private dtls: DtlsServer | DtlsClient | null = null;
  private remote: TransportAddress | null = null;
  private sender: SrtpSender | null = null;
  private receiver: SrtpReceiver | null = null;
  private slab = Buffer.alloc(0);
  private used = 0;
  private plain = Buffer.allocUnsafe(MAX_PACKET_BYTES);
  private nowUs: number;
  private closed = false;

  constructor(options: RtcTransportOptions, events: RtcTransportEvents, nowUs: number) {
    this.options = options;
    this.events = events;
    this.nowUs = nowUs;
    const { description } = options;
    const { localIce: local, remoteIce } = description;
    const onSelected = (to: TransportAddress) => this.onSelected(to);
    if (!description.isCaller) {
      this.agent = null;
      this.lite = new IceLiteAgent(
        {
          local,
          remoteUfrag: remoteIce.ufrag === '' ? null : remoteIce.ufrag,
          ...(options.consentTimeoutMs === undefined ? {} : { consentTimeoutMs: options.consentTimeoutMs }),
        },
        { send: (bytes, to) => events.send(bytes, to), selected: onSelected },
        nowUs,
      );
      return;
    }
    this.lite = null;
    this.agent = new IceAgent(
      { local, locals: options.locals },
      {
        send: (bytes, to) => events.send(bytes, to),
        selected: ({ remote }) => onSelected(remote),
        failed: (reason) => this.fail(`the connection could not be made: ${reason}`),
      },
    );
    const candidates = description.remoteCandidates.map(parseCandidate).filter((one) => one !== null);
    this.agent.start(remoteIce, candidates, nowUs);
  }

  /** Where packets go; null before a check has come. */
  get remoteAddress(): TransportAddress | null {
    return this.remote ?? this.lite?.destination ?? null;
  }

  /** Packets that were forged, damaged or repeated. */
  get refused(): number {
    return this.receiver?.refused ?? 0;
  }

  addRemoteCandidates(lines: readonly string[], nowUs: number): void {
    for (const line of lines) {
      const candidate = parseCandidate(line);
      // A lite side learns addresses from checks.
      if (candidate !== null) this.agent?.addRemoteCandidate(candidate, nowUs);
    }
  }

  private onSelected(to: TransportAddress): void {
    this.remote = to;
    if (this.dtls === null && this.options.description.dtlsRole === 'client') this.openDtls();
  }

  private openDtls(): DtlsServer | DtlsClient {
    const { certificate, description, srtpProfiles } = this.options;
    const options = {
      certificate,
      remoteFingerprint: description.remoteFingerprint,
      ...(srtpProfiles === undefined ? {} : { srtpProfiles }),
    };
    const events: DtlsEvents = {
      send: (datagram) => {
        const to = this.remoteAddress;
        if (to !== null) this.events.send(datagram, to);
      },
      onConnected: (keys) => this.onKeys(keys),
      onClosed: (code, detail) => this.fail(code === 'dtls.closed' ? 'the peer left' : detail || code),
    };
    if (description.dtlsRole === 'server') {
      this.dtls = new DtlsServer({ ...options, ...this.cookieOption() }, events, this.nowUs);
    } else {
      const client = new DtlsClient(options, events, this.nowUs);
      this.dtls = client;
      client.start(this.nowUs);
    }
    return this.dtls;
  }

  /** A check of ICE shows that somebody knows our password, and nothing of the address that it names as its own. */
  private cookieOption(): Pick<DtlsServerOptions, 'requireCookie'> {
    const cookie = this.options.cookie?.() ?? null;
    const to = this.remoteAddress;
    if (cookie === null || to === null || to.transport !== 'udp') return {};
    return { requireCookie: { cookie, address: `${to.address} ${to.port}` } };
  }

  private onKeys(keys: DtlsSrtpKeys): void {
    const profile = SRTP_PROFILES.find(({ dtlsId }) => dtlsId === keys.srtpProfile);
    if (profile === undefined) {
      this.fail('the peer agreed on no protection of media');
      return;
    }
    const client: SrtpKeys = { profile, masterKey: keys.clientKey, masterSalt: keys.clientSalt };
    const server: SrtpKeys = { profile, masterKey: keys.serverKey, masterSalt: keys.serverSalt };
    const isServer = this.options.description.dtlsRole === 'server';
    this.sender = new SrtpSender(isServer ? server : client);
    this.receiver = new SrtpReceiver(isServer ? client : server);
    this.profile = profile.name;
    this.isConnected = true;
    this.events.onConnected(this.nowUs);
  }

  /** Hot path. A packet that is not STUN, from an address that a check has shown to be the peer's. */
  receive(bytes: Uint8Array, nowUs: number): void {
    if (this.closed) return;
    this.nowUs = nowUs;
    if (isRtp(bytes)) {
      this.receiveMedia(bytes, nowUs);
      return;
    }
    if (!isDtls(bytes)) return;
    (this.dtls ?? this.openDtls()).receive(bytes, nowUs);
  }

  private receiveMedia(bytes: Uint8Array, nowUs: number): void {
    const { receiver } = this;
    if (receiver === null || bytes.length > MAX_PACKET_BYTES) return;
    const isControl = isRtcp(bytes);
    const length = isControl
      ? receiver.unprotectRtcp(bytes, this.plain)
      : receiver.unprotectRtp(bytes, this.plain);
    if (length < 0) return;
    this.lite?.heard(nowUs);
    const packet = this.plain.subarray(0, length);
    if (isControl) this.events.onRtcp(packet, nowUs);
    else this.events.onRtp(packet, nowUs);
  }

  /** Hot path. Header and payload are not kept. */
  sendRtp(header: Uint8Array, headerLength: number, payload: Uint8Array): void {
    const { sender, remoteAddress: to } = this;
    if (sender === null || to === null) return;
    const at = this.reserve(headerLength + payload.length + sender.rtpOverhead);
    const length = sender.protectRtp(header, headerLength, payload, this.slab, at);
    this.finish(at, length, to);
  }

  sendRtcp(compound: Uint8Array): void {
    const { sender, remoteAddress: to } = this;
    if (sender === null || to === null) return;
    const at = this.reserve(compound.length + sender.rtcpOverhead);
    const length = sender.protectRtcp(compound, this.slab, at);
    this.finish(at, length, to);
  }

  private reserve(bytes: number): number {
    if (this.used + bytes > this.slab.length) {
      this.slab = Buffer.allocUnsafeSlow(Math.max(SEND_SLAB_BYTES, bytes));
      this.used = 0;
    }
    return this.used;
  }

  private finish(at: number, length: number, to: TransportAddress): void {
    if (length < 0) return;
    this.used = at + length;
    this.events.send(this.slab.subarray(at, at + length), to);
  }

  tick(nowUs: number): void {
    if (this.closed) return;
    this.nowUs = nowUs;
    this.agent?.tick(nowUs);
    this.dtls?.tick(nowUs);
    if (this.lite?.expired(nowUs) === true)
      this.fail(this.isConnected ? 'the peer is gone' : 'the peer never came');
  }

  private fail(reason: string): void {
    if (this.closed) return;
    this.close();
    this.events.onClosed(reason);
  }

  /** Says goodbye; `onClosed` is not called. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.dtls?.close();
    this.agent?.close();
  }
}
