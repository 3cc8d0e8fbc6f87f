/**
 * A stream played from an RTSP or RTSPS server: connections and UDP ports around RtspPlaySession, redirects, and the
 * second try over TCP. `#tcp`, `#udp` or `#multicast` at the end of the address says how media come, `?tcp` and the like
 * does as well (as FFmpeg has it), before the options.
 */
import { randomInt } from 'node:crypto';
import { parseVia } from '../../runtime/stream-loop.ts';
import { ProtocolError } from '../../util/errors.ts';
import { PAYLOAD_FORMATS } from '../../wire/rtp/payload-formats.ts';
import { parseRtspUrl, type RtspUrl } from '../../wire/rtsp/rtsp-url.ts';
import type { Pull, PullDetails, PullEnd, PullHandlers, PullOptions } from '../pull.ts';
import { PulledFrames } from '../pulled-frames.ts';
import { SilenceGuard } from '../silence-guard.ts';
import { addressOf, RtspConnection } from './rtsp-connection.ts';
import type { RtspPlayHost, RtspPlayTransport } from './rtsp-play-host.ts';
import { RtspPlaySession } from './rtsp-play-session.ts';
import { joinGroup, openPorts, type RtspPorts } from './rtsp-ports.ts';

const MAX_REDIRECTS = 5;
const TICK_MS = 100;
const MAX_SSRC = 0xffff_ffff;

export class RtspPull implements Pull {
  bytesReceived = 0;
  private readonly handlers: PullHandlers;
  private readonly options: PullOptions;
  private readonly silence: SilenceGuard;
  private url: RtspUrl;
  private transport: RtspPlayTransport;
  private connection: RtspConnection | null = null;
  private session: RtspPlaySession | null = null;
  private deadline: { cancel(): void } | null = null;
  private ticking: { cancel(): void } | null = null;
  private redirects = 0;
  private packetsHeard = 0;
  private hasMedia = false;
  private isPlaying = false;
  private isPaused = false;
  private isEnded = false;

  /** Throws RejectedError for an address that is none. */
  constructor(text: string, handlers: PullHandlers, options: PullOptions) {
    const { url, transport } = transportOf(parseRtspUrl(text));
    this.url = url;
    this.transport = transport ?? options.transport ?? 'auto';
    this.handlers = handlers;
    this.options = options;
    this.silence = new SilenceGuard(options, () =>
      this.end('broken', `${this.address} has sent nothing for ${options.silenceMs / 1000} s`),
    );
    this.open();
  }

  private get address(): string {
    return addressOf(this.url.host, this.url.port);
  }

  private open(): void {
    const { options, url } = this;
    this.deadline?.cancel();
    this.deadline = options.after(options.connectMs, () => this.onDeadline());
    this.isPlaying = false;
    this.packetsHeard = 0;
    const connection = new RtspConnection({
      url,
      host: url.host,
      port: url.port,
      verifies: options.verifies,
      after: options.after,
      onOpen: () => this.guarded(() => session.start(options.nowUs())),
      onBytes: (bytes) => {
        this.bytesReceived += bytes.length;
        this.guarded(() => session.receive(bytes, options.nowUs()));
      },
      onEnd: (reason) => this.breakOff(reason),
    });
    const session = new RtspPlaySession(
      {
        url,
        transport: this.transport,
        userAgent: options.userAgent,
        formats: PAYLOAD_FORMATS,
        ssrc: randomInt(1, MAX_SSRC),
        via: (options.via ?? []).join(','),
      },
      this.hostFor(connection),
    );
    this.connection = connection;
    this.session = session;
    if (this.isPaused) connection.pause();
    this.tickLater();
  }

  private hostFor(connection: RtspConnection): RtspPlayHost {
    const onDatagram = (media: number) => (isRtcp: boolean, bytes: Uint8Array) => {
      // Datagrams cannot be held up: while the reader pauses they are lost.
      if (this.isPaused) return;
      this.bytesReceived += bytes.length;
      this.guarded(() => this.session?.datagram(media, isRtcp, bytes, this.options.nowUs()));
    };
    return {
      output: new PulledFrames(this.handlers, this.options.nowUs),
      peerAddress: () => connection.peerAddress,
      wallUs: () => Date.now() * 1000,
      write: (bytes) => connection.write(bytes),
      openPorts: (media, done) =>
        openPorts(connection.localAddress, onDatagram(media), (ports) => this.opened(ports, done)),
      joinGroup: (media, group, done) =>
        joinGroup(connection.localAddress, group, onDatagram(media), (ports) => this.opened(ports, done)),
      onVia: (via) => this.handlers.onVia?.(parseVia(via)),
      onPlaying: () => {
        this.isPlaying = true;
        this.deadline?.cancel();
        if (!this.isPaused) this.silence.begin();
      },
      onRedirect: (location) => this.redirect(location),
      onNeedsTcp: () => {
        this.transport = 'tcp';
        this.reopen();
      },
      onEnd: (kind, predicate) => this.end(kind, `${this.address} ${predicate}`),
    };
  }

  private opened(ports: RtspPorts | null, done: (ports: RtspPorts | null) => void): void {
    if (this.isEnded) ports?.close();
    else this.guarded(() => done(ports));
  }

  /** What the peer does wrong ends the pull; a fault of ours is reported as well. */
  private guarded(run: () => void): void {
    if (this.isEnded) return;
    try {
      run();
    } catch (error) {
      if (!(error instanceof ProtocolError)) this.options.onFault(error);
      this.breakOff(`what ${this.address} sends cannot be read: ${(error as Error).message}`);
    }
  }

  private tickLater(): void {
    this.ticking?.cancel();
    this.ticking = this.options.after(TICK_MS, () => {
      const { session } = this;
      this.guarded(() => session?.tick(this.options.nowUs()));
      if (this.isEnded) return;
      this.hear();
      this.tickLater();
    });
  }

  /** Only media count as a sign of life: a server may answer although its camera is gone. */
  private hear(): void {
    const packets = this.session?.packets ?? 0;
    if (packets === this.packetsHeard) return;
    this.packetsHeard = packets;
    this.hasMedia = true;
    this.silence.heard();
  }

  private redirect(location: string): void {
    const { url } = this;
    let next: RtspUrl;
    try {
      next = location.startsWith('/') ? { ...url, path: location, query: '' } : parseRtspUrl(location);
    } catch {
      this.end('failed', `${this.address} redirects to what is no RTSP address`);
      return;
    }
    if (++this.redirects > MAX_REDIRECTS) {
      this.end('failed', `${this.address} redirects more than ${MAX_REDIRECTS} times`);
      return;
    }
    // Name and password are for the server that they were given for, and never go from TLS to plain text.
    const isSameServer = next.host === url.host && (next.scheme === url.scheme || next.scheme === 'rtsps');
    const { user, password } = url;
    this.url = next.user === '' && isSameServer ? { ...next, user, password } : next;
    this.reopen();
  }

  private reopen(): void {
    this.leave();
    this.open();
  }

  private onDeadline(): void {
    const seconds = this.options.connectMs / 1000;
    const unanswered = this.session?.unanswered ?? '';
    const what = unanswered === '' ? '' : ` ${unanswered}`;
    this.end('failed', `${this.address} did not answer${what} within ${seconds} s`);
  }

  private breakOff(reason: string): void {
    this.hear();
    this.end(this.hasMedia ? 'broken' : 'failed', reason);
  }

  private end(kind: PullEnd['kind'], reason: string): void {
    if (this.isEnded) return;
    this.close();
    this.handlers.onEnd({ kind, reason });
  }

  details(): PullDetails {
    return this.session?.details() ?? {};
  }

  pause(): void {
    this.isPaused = true;
    this.silence.stop();
    this.connection?.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.connection?.resume();
    if (this.isPlaying && !this.isEnded) this.silence.begin();
  }

  private leave(): void {
    this.silence.stop();
    this.session?.close();
    this.connection?.close();
    this.session = null;
    this.connection = null;
  }

  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.deadline?.cancel();
    this.ticking?.cancel();
    this.leave();
  }
}

/** Takes the word for the transport out of an address. */
export function transportOf(url: RtspUrl): { url: RtspUrl; transport: RtspPlayTransport | null } {
  const named = wordOf(url.fragment.replace(/^transport=/i, ''));
  const parameters = url.query.split('&');
  const inQuery = parameters.map(wordOf).find((word) => word !== null) ?? null;
  const query = parameters.filter((parameter) => wordOf(parameter) === null).join('&');
  return { url: { ...url, query, fragment: '' }, transport: named ?? inQuery };
}

function wordOf(text: string): RtspPlayTransport | null {
  const word = text.toLowerCase();
  return word === 'tcp' || word === 'udp' || word === 'multicast' ? word : null;
}
