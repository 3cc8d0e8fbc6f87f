/**
 * Playing from an RTSP server (RFC 2326): OPTIONS, DESCRIBE, SETUP of every wanted media, PLAY; then packets, receiver
 * reports and signs of life until it ends. Without sockets and timers: bytes come in, bytes and wishes go out, time is
 * an argument. Redirects and the second try over TCP are told to the owner, who connects again.
 * Leaves out: PAUSE, seeking, RTSP 2.0, the way back to a camera's loudspeaker.
 */
import { ProtocolError } from '../../util/errors.ts';
import { parseMethods, VIA_FIELD } from '../../wire/rtsp/rtsp-fields.ts';
import type { RtspRequest, RtspResponse } from '../../wire/rtsp/rtsp-message.ts';
import { RtspReader, type RtspReaderOutput } from '../../wire/rtsp/rtsp-reader.ts';
import { controlBase, formatRtspUrl, resolveControl } from '../../wire/rtsp/rtsp-url.ts';
import {
  parseTransport,
  type RtspTransport,
  serializeTransport,
  TRANSPORT,
} from '../../wire/rtsp/transport-header.ts';
import { controlOf } from '../../wire/sdp/media-format.ts';
import { parseSdp, type SessionDescription } from '../../wire/sdp/session-description.ts';
import type { PullDetails } from '../pull.ts';
import { RtspCaller } from './rtsp-caller.ts';
import { RtspChannels } from './rtsp-channels.ts';
import { RtspKeepAlive } from './rtsp-keep-alive.ts';
import { RtspMediaInput, type WantedMedia, wantedMedia } from './rtsp-media.ts';
import type { RtspPlayHost, RtspPlayOptions } from './rtsp-play-host.ts';
import { isAddress, type RtspPorts } from './rtsp-ports.ts';
import { mediaKeys, srtpDetails } from './rtsp-srtp.ts';
import { RtspUpkeep, type SetUpMedia } from './rtsp-upkeep.ts';

export class RtspPlaySession implements RtspReaderOutput {
  private readonly options: RtspPlayOptions;
  private readonly host: RtspPlayHost;
  private readonly caller: RtspCaller;
  private readonly reader: RtspReader;
  private readonly requestUrl: string;
  private baseUrl: string;
  private controlUrl: string;
  private wanted: readonly WantedMedia[] = [];
  private readonly medias: SetUpMedia[] = [];
  /** All that were opened, those of tracks that are being set up too. */
  private readonly ports: RtspPorts[] = [];
  private readonly channels = new RtspChannels();
  private input: RtspMediaInput | null = null;
  private upkeep: RtspUpkeep | null = null;
  private methods: ReadonlySet<string> = new Set();
  private keepAlive: RtspKeepAlive | null = null;
  private usesTcp: boolean;
  private isPlaying = false;
  private isEnded = false;
  private nowUs = 0;

  constructor(options: RtspPlayOptions, host: RtspPlayHost) {
    this.options = options;
    this.host = host;
    const { user, password } = options.url;
    this.requestUrl = formatRtspUrl(options.url);
    this.baseUrl = this.requestUrl;
    this.controlUrl = this.requestUrl;
    this.usesTcp = options.transport === 'tcp';
    this.caller = new RtspCaller({
      userAgent: options.userAgent,
      credentials: { user, password },
      write: (bytes) => host.write(bytes),
    });
    this.reader = new RtspReader(this);
  }

  start(nowUs: number): void {
    this.nowUs = nowUs;
    this.call('OPTIONS', this.requestUrl, {}, (response) => {
      // Some servers know no OPTIONS, or not before DESCRIBE; only a login that they refuse ends it.
      if (response.status === 401) this.refused('OPTIONS', response);
      else if (!this.redirected(response)) {
        this.methods = parseMethods(response.headers.get('Public'));
        this.describe();
      }
    });
  }

  /** Bytes of the connection. Throws ProtocolError. */
  receive(bytes: Uint8Array, nowUs: number): void {
    this.nowUs = nowUs;
    if (!this.isEnded) this.reader.receive(bytes);
  }

  /** A datagram of a pair of ports. Hot path. */
  datagram(media: number, isRtcp: boolean, bytes: Uint8Array, nowUs: number): void {
    this.nowUs = nowUs;
    this.take(media, isRtcp, bytes);
  }

  /** Hot path. */
  interleaved(channel: number, payload: Uint8Array): void {
    const target = this.channels.meaningOf(channel);
    if (target >= 0) this.take(target >> 1, (target & 1) === 1, payload);
  }

  private take(media: number, isRtcp: boolean, bytes: Uint8Array): void {
    if (this.isEnded || this.input === null) return;
    const srtp = this.medias[media]?.keys?.srtp ?? null;
    const packet = srtp === null ? bytes : srtp.open(bytes, isRtcp);
    if (packet !== null) this.input.receive(media, isRtcp, packet, this.nowUs);
  }

  response(response: RtspResponse): void {
    this.caller.receive(response, this.nowUs);
  }

  /** What servers ask of a player. */
  request(request: RtspRequest): void {
    const { method, headers } = request;
    if (
      method === 'OPTIONS' ||
      method === 'GET_PARAMETER' ||
      method === 'SET_PARAMETER' ||
      method === 'ANNOUNCE'
    )
      this.caller.answer(request, 200);
    else if (method === 'REDIRECT') {
      this.caller.answer(request, 200);
      const location = headers.get('Location');
      if (location !== '') this.finishBy(() => this.host.onRedirect(location));
    } else if (method === 'TEARDOWN') {
      this.caller.answer(request, 200);
      this.end('over', 'ended the stream');
    } else this.caller.answer(request, 501);
  }

  private call(
    method: string,
    uri: string,
    fields: Readonly<Record<string, string>>,
    onAnswer: (response: RtspResponse) => void,
  ): void {
    const answered = (response: RtspResponse) => {
      if (!this.isEnded) onAnswer(response);
    };
    this.caller.call({ method, uri, fields, onAnswer: answered }, this.nowUs);
  }

  private describe(): void {
    const { via } = this.options;
    const fields = { Accept: 'application/sdp', ...(via !== '' && { [VIA_FIELD]: via }) };
    this.call('DESCRIBE', this.requestUrl, fields, (response) => {
      if (this.redirected(response)) return;
      if (response.status !== 200) {
        this.refused('DESCRIBE', response);
        return;
      }
      const { headers } = response;
      const way = headers.get(VIA_FIELD);
      if (way !== '') this.host.onVia(way);
      if (this.isEnded) return;
      this.baseUrl = controlBase(
        this.requestUrl,
        headers.get('Content-Base') || headers.get('Content-Location'),
      );
      let description: SessionDescription;
      try {
        description = parseSdp(response.body);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this.end('failed', `describes the stream by what is no SDP (${error.code})`);
        return;
      }
      this.controlUrl = resolveControl(this.baseUrl, controlOf(description));
      const { wanted, left } = wantedMedia(description, this.options.formats);
      if (wanted.length === 0) {
        this.end(
          'failed',
          left === ''
            ? 'describes a stream without tracks'
            : `has only tracks that Sluice does not know: ${left}`,
        );
        return;
      }
      this.wanted = wanted;
      // Over UDP media would go unencrypted.
      const isOpen = wanted.some(({ isSecure }) => !isSecure);
      if (isOpen && this.options.transport === 'auto' && this.options.url.scheme === 'rtsps')
        this.usesTcp = true;
      this.setUp(0);
    });
  }

  /** Sets up the wanted media from this place in the list on. */
  private setUp(next: number): void {
    const wanted = this.wanted[next];
    if (wanted === undefined) {
      this.play();
      return;
    }
    const keys = wanted.isSecure ? mediaKeys(wanted.keys) : null;
    const media: SetUpMedia = { wanted, ports: null, rtcpChannel: 0, keys };
    if (this.usesTcp || this.options.transport === 'multicast') {
      this.sendSetup(media, next);
      return;
    }
    this.host.openPorts(this.medias.length, (ports) => {
      if (this.isEnded) {
        ports?.close();
        return;
      }
      media.ports = ports;
      if (ports !== null) this.ports.push(ports);
      if (ports === null && this.options.transport === 'auto' && this.medias.length === 0)
        this.usesTcp = true;
      if (ports === null && !this.usesTcp) this.end('failed', 'cannot be asked for UDP: no free ports here');
      else this.sendSetup(media, next);
    });
  }

  private sendSetup(media: SetUpMedia, next: number): void {
    const url = resolveControl(this.baseUrl, media.wanted.control);
    const asked = this.askedTransport(media);
    const fields = {
      Transport: serializeTransport([asked]),
      ...media.keys?.fields(url, this.options.ssrc, this.host.wallUs()),
    };
    this.call('SETUP', url, fields, (response) => this.onSetup(media, next, asked, response));
  }

  private askedTransport({ ports, keys }: SetUpMedia): RtspTransport {
    const base = keys === null ? TRANSPORT : { ...TRANSPORT, profile: 'RTP/SAVP' };
    if (this.usesTcp) {
      const channel = this.medias.length * 2;
      return { ...base, lower: 'tcp', interleaved: [channel, channel + 1] };
    }
    if (ports === null) return { ...base, isMulticast: true };
    return { ...base, clientPort: [ports.port, ports.port + 1] };
  }

  private onSetup(media: SetUpMedia, next: number, asked: RtspTransport, response: RtspResponse): void {
    const { status } = response;
    if (this.redirected(response)) media.ports?.close();
    else if (status === 200) this.accept(media, next, asked, response);
    else {
      media.ports?.close();
      if (this.mayTryTcp(status)) this.switchToTcp(next);
      // A track that cannot be had is left when there are others.
      else if (this.medias.length > 0 && status !== 401 && status !== 454) this.setUp(next + 1);
      else if (
        this.medias.length === 0 &&
        (status === 404 || status === 415) &&
        next + 1 < this.wanted.length
      )
        this.setUp(next + 1);
      else this.refused('SETUP', response);
    }
  }

  /** 461 is the answer to a transport that a server does not have; some say 400, 406 or 500 instead. */
  private mayTryTcp(status: number): boolean {
    if (this.usesTcp || this.options.transport !== 'auto') return false;
    if (status === 461) return true;
    return this.medias.length === 0 && status >= 400 && ![401, 403, 404, 415, 453, 454].includes(status);
  }

  private switchToTcp(next: number): void {
    if (this.medias.length > 0) {
      this.needTcp();
      return;
    }
    this.usesTcp = true;
    this.setUp(next);
  }

  private accept(media: SetUpMedia, next: number, asked: RtspTransport, response: RtspResponse): void {
    const [told] = parseTransport(response.headers.all('Transport').join(','));
    const transport = told ?? asked;
    const index = this.medias.length;
    const reason = media.keys?.take(response) ?? '';
    if (reason !== '') {
      this.end('failed', reason);
      return;
    }
    // Servers may choose TCP whatever they were asked for; an answer with channels means it.
    if (transport.lower === 'tcp' || transport.interleaved !== null) {
      media.ports?.close();
      media.ports = null;
      if (index > 0 && !this.usesTcp) {
        this.end('failed', 'wants one track over UDP and another over TCP');
        return;
      }
      this.usesTcp = true;
      media.rtcpChannel = this.channels.take(index, transport);
    } else if (this.usesTcp) {
      this.end('failed', 'answers with UDP although TCP was asked for');
      return;
    } else if (media.ports === null) {
      this.join(media, next, transport);
      return;
    } else this.takePeer(media.ports, transport);
    this.medias.push(media);
    this.setUp(next + 1);
  }

  private takePeer(ports: RtspPorts, transport: RtspTransport): void {
    const { source, serverPort } = transport;
    const addresses = [this.host.peerAddress()];
    if (isAddress(source) && !addresses.includes(source)) addresses.push(source);
    const [rtpPort, rtcpPort] = serverPort ?? [0, 0];
    ports.setPeer(addresses, rtpPort, rtcpPort);
  }

  private join(media: SetUpMedia, next: number, transport: RtspTransport): void {
    const address = isAddress(transport.destination) ? transport.destination : media.wanted.address;
    const [rtpPort, rtcpPort] = transport.port ??
      transport.clientPort ?? [media.wanted.port, media.wanted.port + 1];
    if (!isAddress(address) || rtpPort === 0) {
      this.end('failed', 'does not tell a multicast address');
      return;
    }
    this.host.joinGroup(this.medias.length, { address, rtpPort, rtcpPort }, (ports) => {
      if (this.isEnded || ports === null) {
        ports?.close();
        this.end('failed', `sends to the multicast group ${address}, which cannot be joined here`);
        return;
      }
      media.ports = ports;
      this.ports.push(ports);
      const { source } = transport;
      const peer = this.host.peerAddress();
      ports.setPeer(isAddress(source) && source !== peer ? [peer, source] : [peer], 0, 0);
      this.medias.push(media);
      this.setUp(next + 1);
    });
  }

  private play(): void {
    const { formats, ssrc, transport } = this.options;
    const wanted = this.medias.map((media) => media.wanted);
    const input = new RtspMediaInput(wanted, this.usesTcp, ssrc, formats, this.host.output);
    this.input = input;
    this.upkeep = new RtspUpkeep({
      medias: this.medias,
      input,
      ssrc,
      kind: this.kind,
      mayUseTcp: !this.usesTcp && transport === 'auto',
      write: (bytes) => this.host.write(bytes),
    });
    this.upkeep.punch(this.nowUs);
    this.sendPlay({ Range: 'npt=0.000-' });
  }

  private sendPlay(fields: Readonly<Record<string, string>>): void {
    this.call('PLAY', this.controlUrl, fields, (response) => {
      // Cameras that have live pictures alone know no range (457), or do not expect one.
      const mayBeRange = response.status === 457 || response.status === 400 || response.status === 451;
      if (this.redirected(response)) return;
      if (mayBeRange && 'Range' in fields) this.sendPlay({});
      else if (response.status !== 200) this.refused('PLAY', response);
      else this.onPlay();
    });
  }

  private onPlay(): void {
    this.isPlaying = true;
    this.keepAlive = new RtspKeepAlive(this.caller, this.controlUrl, this.methods, this.nowUs, () =>
      this.end('broken', 'has forgotten the session (454)'),
    );
    this.upkeep?.begin(this.nowUs);
    this.host.onPlaying();
  }

  /** A few times per second. */
  tick(nowUs: number): void {
    this.nowUs = nowUs;
    if (!this.isPlaying || this.isEnded || this.upkeep === null) return;
    const found = this.upkeep.tick(nowUs);
    if (found === 'silent') {
      this.needTcp();
      return;
    }
    this.keepAlive?.tick(nowUs);
    if (found === 'over') this.end('over', 'ended the stream');
  }

  private redirected(response: RtspResponse): boolean {
    const { status, headers } = response;
    const location = headers.get('Location');
    if (status < 300 || status > 399 || status === 304) return false;
    if (location === '') this.end('failed', `answers ${status} without saying where the stream is`);
    else this.finishBy(() => this.host.onRedirect(location));
    return true;
  }

  private refused(method: string, response: RtspResponse): void {
    this.end('failed', this.caller.describe(method, response));
  }

  private needTcp(): void {
    this.finishBy(() => this.host.onNeedsTcp());
  }

  private end(kind: 'over' | 'failed' | 'broken', predicate: string): void {
    this.finishBy(() => this.host.onEnd(kind, predicate));
  }

  private finishBy(tell: () => void): void {
    if (this.isEnded) return;
    this.input?.flush();
    this.close();
    tell();
  }

  private get kind(): 'tcp' | 'udp' | 'multicast' {
    if (this.usesTcp) return 'tcp';
    return this.options.transport === 'multicast' ? 'multicast' : 'udp';
  }

  /** How many interleaved frames and datagrams of media came. */
  get packets(): number {
    return this.input?.packets ?? 0;
  }

  /** Empty before PLAY. */
  details(): PullDetails {
    const { input, medias } = this;
    if (input === null) return {};
    const secured = medias.flatMap(({ keys }) => keys?.srtp ?? []);
    return {
      transport: this.kind,
      ...srtpDetails(secured),
      ...input.details(medias.length),
    };
  }

  /** What the last answer is waited for: a method, or ''. */
  get unanswered(): string {
    return this.caller.lateCall(this.nowUs, -1);
  }

  /** Ends the session at the server too; nothing is told any more. May be called twice. */
  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.reader.stop();
    if (this.medias.length > 0 && this.caller.sessionId !== '')
      this.caller.callLast('TEARDOWN', this.controlUrl);
    this.caller.close();
    for (const ports of this.ports) ports.close();
  }
}
