/** The requests of a publisher: ANNOUNCE, SETUP, RECORD, PAUSE (RFC 2326 sections 10.3, 10.4, 10.11), and its packets. */
import { randomInt } from 'node:crypto';
import type { SessionDetails } from '../../access/session-registry.ts';
import { srtpDetails } from '../../client/rtsp/rtsp-srtp.ts';
import type { Publication } from '../../media/publication.ts';
import { makeStreamKey, type StreamKey } from '../../media/stream-key.ts';
import { RtpIngest } from '../../packaging/rtp-ingest.ts';
import { PublisherSilence, type PublisherTimes } from '../../runtime/publisher-silence.ts';
import { parseVia } from '../../runtime/stream-loop.ts';
import { RejectedError } from '../../util/errors.ts';
import type { RtpMapping } from '../../wire/rtp/payload-format.ts';
import { PAYLOAD_FORMATS } from '../../wire/rtp/payload-formats.ts';
import { DEFAULT_REORDER_LIMITS } from '../../wire/rtp/reorder-buffer.ts';
import { interleavedFrame } from '../../wire/rtsp/interleaved-frame.ts';
import { VIA_FIELD } from '../../wire/rtsp/rtsp-fields.ts';
import type { RtspRequest } from '../../wire/rtsp/rtsp-message.ts';
import {
  isSecureProfile,
  type RtspTransport,
  serializeTransport,
  TRANSPORT,
} from '../../wire/rtsp/transport-header.ts';
import { controlOf, rtpMappingsOf } from '../../wire/sdp/media-format.ts';
import { attributeOf, parseSdp } from '../../wire/sdp/session-description.ts';
import type { SrtpMedia } from '../../wire/srtp/srtp-media.ts';
import { baseOf, findControl, parseAddress, type RtspAddress } from './rtsp-address.ts';
import type { Fields } from './rtsp-answer.ts';
import type { DatagramPair } from './rtsp-datagrams.ts';
import { type AnnouncedKeys, announcedKeys, ourKeyField, secureMedia } from './rtsp-publisher-srtp.ts';
import type { RtspSession } from './rtsp-session.ts';
import {
  chooseChannels,
  chooseTransport,
  kindOf,
  mayUseSrtp,
  type TransportKind,
  type TransportRules,
  whyImpossible,
} from './rtsp-transport.ts';
import { RtspTsMedia } from './rtsp-ts-media.ts';

const MAX_MEDIA = 16;
const CHANNELS = 256;
/** Name of a transport stream as payload (RFC 3555). */
const TS_NAME = 'MP2T';
const REPORT_EVERY_US = 5_000_000;

interface AnnouncedMedia {
  readonly control: string;
  readonly mappings: readonly RtpMapping[];
  readonly language: string;
  /** Null = no SRTP, or its keys come later. */
  readonly keys: AnnouncedKeys | null;
  /** How its packets come; null = not set up. */
  way: {
    readonly rtcpChannel: number;
    readonly pair: DatagramPair | null;
    /** Null = as RTP/AVP. */
    readonly srtp: SrtpMedia | null;
  } | null;
}

export class RtspPublisher {
  /** Bytes that came beside the connection. */
  datagramBytes = 0;
  private readonly session: RtspSession;
  /** Of our receiver reports. */
  private readonly ssrc = randomInt(1, 2 ** 32);
  private address: RtspAddress | null = null;
  /** What was asked for, and may be published. */
  private admitted: { readonly key: StreamKey; readonly times: PublisherTimes } | null = null;
  private media: readonly AnnouncedMedia[] = [];
  private via: readonly string[] = [];
  private kind: TransportKind | null = null;
  /** Channel -> 2 x media for RTP, one more for RTCP, or -1. */
  private readonly channels = new Int16Array(CHANNELS).fill(-1);
  private publication: Publication | null = null;
  private ingest: RtpIngest | null = null;
  /** By media; null where it is no transport stream. */
  private streams: readonly (RtspTsMedia | null)[] = [];
  private isRecording = false;
  /** Null until it holds the name. */
  private silence: PublisherSilence | null = null;
  private lastReportUs = 0;
  private ended = false;

  constructor(session: RtspSession) {
    this.session = session;
  }

  /** It holds, or held, the name. */
  get hasBegun(): boolean {
    return this.publication !== null;
  }

  async announce(request: RtspRequest): Promise<void> {
    const { session } = this;
    const { services } = session;
    const type = request.headers.get('Content-Type');
    if (type !== '' && !/^application\/sdp\b/i.test(type))
      throw new RejectedError('unsupported', 'ANNOUNCE wants a description of type application/sdp.');
    const address = parseAddress(request.uri);
    const named = makeStreamKey(address.app, address.stream);
    const policy = services.policy(named, address.host, session.peer.secure);
    if (!session.isGranted(request, 'publish', named, policy.publishLogin)) return;
    const description = parseSdp(request.body);
    if (description.media.length > MAX_MEDIA)
      throw new RejectedError('limit', `A stream may have at most ${MAX_MEDIA} tracks.`);
    const takesSrtp = mayUseSrtp({ srtp: services.srtp(), secure: session.peer.secure });
    const media = description.media.map((one) => ({
      control: controlOf(one),
      mappings: rtpMappingsOf(one),
      language: attributeOf(one.attributes, 'lang') ?? '',
      keys: takesSrtp ? announcedKeys(one, description) : null,
      way: null,
    }));
    if (!media.some((one) => isUsable(one.mappings))) {
      const names = media.flatMap((one) => one.mappings.map(({ encodingName }) => encodingName));
      throw new RejectedError(
        'unsupported',
        names.length === 0
          ? 'The description names no media.'
          : `None of the announced formats can be used: ${names.join(', ')}.`,
      );
    }
    this.via = parseVia(request.headers.get(VIA_FIELD));
    services.checkLoop(this.via);
    session.url = `/${named.app}/${named.name}`;
    session.tcUrl = address.base;
    const key = await services.admit({
      action: 'publish',
      protocol: session.protocol,
      host: address.host,
      app: address.app,
      stream: address.stream,
      query: address.query,
      remote: session.remote,
      sessionId: session.id,
    });
    if (session.closed || this.ended) return;
    this.address = address;
    this.media = media;
    this.admitted = { key, times: policy.publishTimes };
    session.reply(request, 200, [...session.sessionField(), ...this.ourKeys(address.base)]);
  }

  /** Some publishers want them with the answer to ANNOUNCE, others with that to SETUP. */
  private ourKeys(base: string): Fields {
    return this.media.flatMap(({ keys, control }) => {
      if (keys === null) return [];
      const uri = control.includes('://') ? control : `${base}/${control}`;
      return [ourKeyField(uri, keys.ours, this.ssrc, this.session.services.wallUs())];
    });
  }

  async setUp(request: RtspRequest): Promise<void> {
    const { session } = this;
    if (this.admitted === null || this.isRecording) {
      session.reply(request, 455, session.sessionField());
      return;
    }
    const position = this.mediaOf(request.uri);
    if (position < 0) {
      session.reply(request, 459, session.sessionField());
      return;
    }
    const rules = this.rules();
    const transport = await this.setUpMedia(request, position, rules);
    if (session.closed || this.ended) return;
    if (transport === null)
      session.reply(request, 461, session.sessionField(), undefined, whyImpossible(request, rules));
    else {
      const text = serializeTransport([{ ...transport, mode: 'record' }]);
      const srtp = this.media[position]?.way?.srtp ?? null;
      const told: Fields =
        srtp === null
          ? []
          : [ourKeyField(request.uri, srtp.sender.keys, this.ssrc, session.services.wallUs())];
      session.reply(request, 200, [['Transport', text], ...told, ...session.sessionField()]);
    }
  }

  /** Some publishers ask for an address that no control line names: then the next media is meant. */
  private mediaOf(uri: string): number {
    const found = findControl(
      uri,
      this.media.map(({ control }) => control),
    );
    if (found >= 0) return found;
    const isWhole = this.media.length > 1 && baseOf(uri) === this.address?.base;
    return isWhole ? -1 : this.media.findIndex(({ way }) => way === null);
  }

  private rules(): TransportRules {
    const { services, peer } = this.session;
    const udp = services.datagrams() !== null;
    return { udp, multicast: false, secure: peer.secure, srtp: services.srtp(), kind: this.kind };
  }

  private async setUpMedia(
    request: RtspRequest,
    position: number,
    rules: TransportRules,
  ): Promise<RtspTransport | null> {
    const { session } = this;
    const { services, peer } = session;
    const media = this.media[position]!; // mediaOf gave it
    const ports = services.datagrams();
    const offer = chooseTransport(request, rules);
    if (offer === null) return null;
    const { profile } = offer;
    const srtp = isSecureProfile(profile) ? secureMedia(request, media.keys) : null;
    const answer: RtspTransport = srtp === null ? TRANSPORT : { ...TRANSPORT, profile };
    if (kindOf(offer) === 'tcp') {
      this.forgetChannels(position);
      const taken = (channel: number) => this.channels[channel] !== -1;
      const pair = chooseChannels(offer.interleaved, position, taken);
      if (pair === null) return null;
      this.channels[pair[0]] = 2 * position;
      this.channels[pair[1]] = 2 * position + 1;
      media.way = { rtcpChannel: pair[1], pair: null, srtp };
      this.kind = 'tcp';
      return { ...answer, lower: 'tcp', interleaved: pair };
    }
    if (ports === null) return null;
    const [rtpPort, rtcpPort] = offer.clientPort!; // chooseTransport tested it
    const pair = await ports.open({
      address: peer.remoteAddress,
      localAddress: peer.localAddress,
      rtpPort,
      rtcpPort,
      sends: true,
      onDatagram: (bytes, isRtcp) => this.onDatagram(position, isRtcp, bytes),
    });
    if (session.closed || this.ended) {
      pair.close();
      return null;
    }
    media.way?.pair?.close();
    media.way = { rtcpChannel: -1, pair, srtp };
    this.kind = 'udp';
    return { ...answer, clientPort: [rtpPort, rtcpPort], serverPort: [pair.port, pair.port + 1] };
  }

  private forgetChannels(position: number): void {
    for (let channel = 0; channel < CHANNELS; channel++)
      if (this.channels[channel]! >> 1 === position) this.channels[channel] = -1;
  }

  /** False where nothing was set up. Throws RejectedError. */
  record(request: RtspRequest): boolean {
    const { session, admitted } = this;
    if (admitted === null || this.kind === null) return false;
    if (this.publication === null) this.begin(admitted.key, admitted.times);
    this.isRecording = true;
    session.reply(request, 200, [...session.sessionField(), ['Range', 'npt=0.000-']]);
    return true;
  }

  private begin(key: StreamKey, times: PublisherTimes): void {
    const { session } = this;
    const { services } = session;
    this.lastReportUs = session.nowUs;
    const publication = services.hub.publish(key, {
      id: session.id,
      protocol: session.protocol,
      remote: session.remote,
      host: this.address?.host ?? '',
      via: this.via,
      revoke: (reason) => session.close(reason),
    });
    this.publication = publication;
    this.silence = new PublisherSilence(session.nowUs, times);
    const reorder = this.kind === 'udp' ? DEFAULT_REORDER_LIMITS : null;
    const medias = this.media.map(({ mappings, language, way }) => ({
      mappings: way === null ? [] : mappings,
      reorder,
      language,
    }));
    this.streams = this.media.map(({ mappings, way }) =>
      way !== null && mappings.some(isTs) ? new RtspTsMedia(publication) : null,
    );
    this.ingest = new RtpIngest(publication, medias, this.ssrc, { formats: PAYLOAD_FORMATS });
    session.setRole('publisher', key.text);
    session.log.info('rtsp.publish-start', {
      stream: key.text,
      remote: session.remote,
      agent: session.userAgent,
      transport: this.kind,
      srtp: this.secured()[0]?.sender.keys.profile.name,
      'left-out': this.leftOut().join(' ') || undefined,
    });
  }

  /** Media that are announced and set up, and of which nothing can be made. */
  private leftOut(): readonly string[] {
    const isAllUsed = this.media.every(
      ({ way }, position) => way === null || this.streams[position] !== null || this.ingest?.isUsed(position),
    );
    return isAllUsed ? [] : (this.ingest?.leftOut() ?? []);
  }

  pause(request: RtspRequest): boolean {
    if (this.admitted === null || this.kind === null) return false;
    this.isRecording = false;
    this.session.reply(request, 200, this.session.sessionField());
    return true;
  }

  /** Hot path. */
  interleaved(channel: number, payload: Uint8Array, nowUs: number): void {
    const place = this.channels[channel]!;
    if (place >= 0) this.receive(place >> 1, (place & 1) !== 0, payload, nowUs);
  }

  /** Hot path. */
  private onDatagram(position: number, isRtcp: boolean, bytes: Uint8Array): void {
    const { session } = this;
    if (session.closed || this.ended) return;
    this.datagramBytes += bytes.length;
    session.onSign();
    try {
      this.receive(position, isRtcp, bytes, session.lastSignUs);
    } catch (error) {
      session.fail(error);
    }
  }

  private receive(position: number, isRtcp: boolean, bytes: Uint8Array, nowUs: number): void {
    const { ingest } = this;
    if (ingest === null || !this.isRecording) return;
    const srtp = this.media[position]?.way?.srtp ?? null;
    const packet = srtp === null ? bytes : srtp.open(bytes, isRtcp);
    if (packet === null) return;
    if (isRtcp) {
      ingest.receiveRtcp(position, packet, nowUs);
      return;
    }
    this.silence?.onMedia(nowUs);
    const stream = this.streams[position] ?? null;
    if (stream !== null) stream.receive(packet, nowUs);
    else ingest.receive(position, packet, nowUs);
  }

  tick(nowUs: number): void {
    const { ingest, session } = this;
    if (ingest === null) return;
    ingest.tick(nowUs);
    for (const stream of this.streams) stream?.tick(nowUs);
    if (ingest.hasLeft) {
      session.close('the publisher said goodbye');
      return;
    }
    if (nowUs - this.lastReportUs < REPORT_EVERY_US) return;
    this.lastReportUs = nowUs;
    if (this.isRecording) this.sendReports(ingest, nowUs);
  }

  private sendReports(ingest: RtpIngest, nowUs: number): void {
    const { output } = this.session;
    for (const [position, { way }] of this.media.entries()) {
      if (way === null || !ingest.isUsed(position)) continue;
      const plain = ingest.receiverReport(position, nowUs);
      const report = way.srtp === null ? plain : way.srtp.sealRtcp(plain);
      if (way.pair !== null) way.pair.sendRtcp(report);
      else if (output.writable()) output.write(interleavedFrame(way.rtcpChannel, report));
    }
  }

  /** '' while all is well, else why the publisher must go. */
  overdue(nowUs: number): string {
    return this.silence?.overdue(nowUs) ?? '';
  }

  details(): SessionDetails {
    const { ingest, kind } = this;
    if (ingest === null || kind === null) return {};
    let packets = 0;
    let lost = 0;
    let damaged = 0;
    let dropped = 0;
    let jitterUs = 0;
    for (const [position, stream] of this.streams.entries()) {
      const one = ingest.statistics(position);
      packets += one.packets + (stream?.packets ?? 0);
      lost += one.lost + (stream?.lost ?? 0);
      damaged += one.damaged + (stream?.damaged ?? 0);
      dropped += one.dropped + (stream?.dropped ?? 0);
      jitterUs = Math.max(jitterUs, one.jitterUs);
    }
    return {
      transport: kind,
      ...srtpDetails(this.secured()),
      packets,
      packets_lost: lost,
      damaged,
      frames_dropped: dropped,
      jitter_ms: Math.round(jitterUs / 100) / 10,
      left_out: this.leftOut(),
    };
  }

  private secured(): readonly SrtpMedia[] {
    return this.media.flatMap(({ way }) => way?.srtp ?? []);
  }

  /** Gives the name back. Idempotent. */
  end(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    for (const { way } of this.media) way?.pair?.close();
    try {
      this.ingest?.flush();
      for (const stream of this.streams) stream?.flush();
    } finally {
      this.publication?.end(reason);
    }
  }
}

function isTs(mapping: RtpMapping): boolean {
  return mapping.encodingName.toUpperCase() === TS_NAME;
}

function isUsable(mappings: readonly RtpMapping[]): boolean {
  return mappings.some(
    (one) =>
      isTs(one) ||
      PAYLOAD_FORMATS.some(({ encodingNames }) => encodingNames.includes(one.encodingName.toUpperCase())),
  );
}
