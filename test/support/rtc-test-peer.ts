/**
 * A WebRTC client of our own in this process, beside the server's thread: it calls by WHIP or WHEP with full ICE and a DTLS
 * client, sends the packets of a recording at its own pace, and keeps what comes as frames.
 */

import { makeSelfSignedCertificate } from '../../src/crypto/self-signed-certificate.ts';
import { certificateFingerprint, tlsCertificateFromPem } from '../../src/crypto/tls-certificate.ts';
import { candidatesFor, printCandidate } from '../../src/ice/candidate.ts';
import { makeIceCredentials } from '../../src/ice/credentials.ts';
import { rtpTracksOf } from '../../src/packaging/rtp-feed-tracks.ts';
import { RtpIngest } from '../../src/packaging/rtp-ingest.ts';
import { WEBRTC_PAYLOAD_FORMATS, webrtcFormat } from '../../src/packaging/webrtc-feed.ts';
import { type CallRequest, makeOffer } from '../../src/rtc/negotiation/call.ts';
import type { RtcDescription } from '../../src/rtc/rtc-description.ts';
import { RtcHost } from '../../src/rtc/rtc-host.ts';
import { type FromRtcThread, PACKET_FIELDS } from '../../src/rtc/rtc-messages.ts';
import { DEFAULT_REORDER_LIMITS } from '../../src/wire/rtp/reorder-buffer.ts';
import { parseFmtp } from '../../src/wire/sdp/media-format.ts';
import { encodeAll, openEncoder, type Recording } from './feed-frames.ts';
import { IngestRecorder } from './ingest-recorder.ts';

const FEED = 1;
const PEER = 2;
const ADDRESS = '127.0.0.1';

export interface CallResult {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly offer: string;
}

export class RtcTestPeer {
  readonly received = new IngestRecorder();
  description: RtcDescription | null = null;
  isConnected = false;
  /** Why the connection is over; '' = it is not. */
  closed = '';
  /** Of the session at the server. */
  resource = '';
  /** RTP packets that came. */
  packets = 0;
  private readonly host: RtcHost;
  private readonly fingerprint: string;
  private port = 0;
  private ingest: RtpIngest | null = null;
  private pieces: readonly Buffer[] = [];
  private readonly timers = new Set<NodeJS.Timeout>();
  private onReserved: () => void = () => undefined;

  private constructor() {
    const certificate = makeSelfSignedCertificate('test', [], Date.now());
    this.fingerprint = certificateFingerprint(tlsCertificateFromPem(certificate).certDer, 'sha-256');
    this.host = new RtcHost(
      {
        timeOrigin: performance.timeOrigin,
        hosts: [ADDRESS],
        port: 0,
        tcp: false,
        taken: new SharedArrayBuffer(4),
        certificate,
      },
      (message) => this.hear(message),
      () => Math.round(performance.now() * 1000),
    );
  }

  static async open(): Promise<RtcTestPeer> {
    const peer = new RtcTestPeer();
    const reserved = new Promise<void>((resolve) => {
      peer.onReserved = resolve;
    });
    await peer.host.start();
    peer.host.receive({ type: 'reserve', peer: PEER });
    await reserved;
    return peer;
  }

  private hear(message: FromRtcThread): void {
    switch (message.type) {
      case 'reserved':
        this.port = message.port;
        this.onReserved();
        return;
      case 'connected':
        this.isConnected = true;
        return;
      case 'closed':
        this.closed = message.reason;
        return;
      case 'media':
        this.take(new Uint8Array(message.bytes), message.packets);
        return;
      default:
    }
  }

  private take(bytes: Uint8Array, packets: Float64Array): void {
    for (let at = 0; at < packets.length; at += PACKET_FIELDS) {
      const [media = 0, , kind, start, end, nowUs = 0] = packets.subarray(at, at + PACKET_FIELDS);
      const packet = bytes.subarray(start, end);
      if (kind === 1) this.ingest?.receiveRtcp(media, packet, nowUs);
      else {
        this.packets++;
        this.ingest?.receive(media, packet, nowUs);
      }
    }
  }

  /** Answers of the server with status 201 open the connection. */
  async play(url: string, headers: Readonly<Record<string, string>> = {}): Promise<CallResult> {
    const result = await this.call(url, { direction: 'play' }, headers, -1);
    const medias = this.description?.medias ?? [];
    const last = Math.max(-1, ...medias.map(({ index }) => index));
    const mappings = Array.from({ length: last + 1 }, (_, index) =>
      medias
        .filter((media) => media.index === index)
        .map(({ payloadType, encodingName, clockRate, channels, fmtp }) => ({
          payloadType,
          encodingName: encodingName.toUpperCase(),
          clockRate,
          channels,
          fmtp: parseFmtp(fmtp),
        })),
    );
    this.ingest = new RtpIngest(
      this.received,
      mappings.map((one) => ({ mappings: one, reorder: DEFAULT_REORDER_LIMITS })),
      1,
      { formats: WEBRTC_PAYLOAD_FORMATS },
    );
    return result;
  }

  /** `send` gives the frames. */
  async publish(
    url: string,
    recording: Recording,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<CallResult> {
    const tracks = rtpTracksOf(recording.tracks, WEBRTC_PAYLOAD_FORMATS);
    const clockRates = tracks.map(({ description }) => description.clockRate);
    this.host.receive({
      type: 'feed',
      feed: FEED,
      clockRates,
      pictures: tracks.filter(({ track }) => track.kind === 'video').length,
    });
    // It hears that a picture is wanted, and goes on as if it had none to give: every frame is sent once.
    this.host.receive({ type: 'feed-keys', feed: FEED, canRequest: true });
    this.pieces = encodeAll(openEncoder(webrtcFormat, recording), recording.frames);
    return await this.call(url, { direction: 'publish', tracks }, headers, FEED);
  }

  private async call(
    url: string,
    request: CallRequest,
    headers: Readonly<Record<string, string>>,
    feed: number,
  ): Promise<CallResult> {
    const candidates = candidatesFor([ADDRESS], this.port, { udp: true, tcp: false }).map(printCandidate);
    const call = makeOffer(request, {
      ice: makeIceCredentials(),
      fingerprint: { algorithm: 'sha-256', value: this.fingerprint },
      candidates,
      isLite: false,
      sessionId: '1',
      cname: 'test',
    });
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp', ...headers },
      body: call.sdp,
    });
    const text = await response.text();
    if (response.status === 201) {
      this.resource = new URL(response.headers.get('location') ?? '', url).href;
      this.description = call.accept(text);
      this.host.receive({
        type: 'open',
        peer: PEER,
        description: this.description,
        feed,
        localAddresses: [ADDRESS],
      });
    }
    return { status: response.status, headers: response.headers, text, offer: call.sdp };
  }

  /** Frames of the recording from now on, at their own times. `onSent` after the last. */
  send(recording: Recording, onSent: () => void = () => undefined): void {
    const { frames } = recording;
    const first = frames[0]!.dts;
    const slab = Buffer.concat(this.pieces);
    this.host.receive({ type: 'slab', feed: FEED, slab: slab.buffer as ArrayBuffer });
    let start = slab.byteOffset;
    for (const [index, piece] of this.pieces.entries()) {
      const range = [start, start + piece.length] as const;
      start += piece.length;
      const timer = setTimeout(
        () => {
          this.timers.delete(timer);
          if (piece.length > 0)
            this.host.receive({ type: 'bytes', feed: FEED, start: range[0], end: range[1] });
          if (index === frames.length - 1) onSent();
        },
        (frames[index]!.dts - first) / 1000,
      );
      this.timers.add(timer);
    }
  }

  /** Resolves with the status of DELETE. */
  async delete(): Promise<number> {
    return (await fetch(this.resource, { method: 'DELETE' })).status;
  }

  /** Gone, with a goodbye of DTLS. */
  close(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.timers.clear();
    this.host.stop();
  }
}
