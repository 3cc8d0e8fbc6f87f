/** Sockets of RTSP and RTSPS: accepts, feeds sessions, calls their tick, reports start and end. */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { StreamKey } from '../../media/stream-key.ts';
import { plainAddress } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { PacedReader, ReadPacer } from '../../runtime/paced-reader.ts';
import { SocketSink } from '../../runtime/socket-sink.ts';
import { TcpListener } from '../../runtime/tcp-listener.ts';
import { RejectedError } from '../../util/errors.ts';
import { MulticastSenders } from './rtsp-multicast.ts';
import { RTSP_FORMAT } from './rtsp-play.ts';
import type { RtspOutput, RtspServices, RtspStreamPolicy } from './rtsp-services.ts';
import { RtspSession } from './rtsp-session.ts';
import { TunnelTable } from './rtsp-tunnel.ts';
import { UdpPorts } from './rtsp-udp.ts';

/** A packet that is missing is given up some hundred milliseconds after it was due. */
const TICK_MS = 250;
/** After a close, what the peer has not taken by then is lost. */
const CLOSE_GRACE_MS = 3000;
const KEEP_ALIVE_MS = 30_000;

export class RtspServer {
  private readonly context: ModuleContext;
  private readonly pacer = new ReadPacer();
  private readonly readers = new Map<RtspSession, PacedReader>();
  private readonly sockets = new Set<Socket>();
  private readonly listeners: TcpListener[] = [];
  private readonly services: RtspServices;
  private readonly udp: UdpPorts;
  private readonly ticking;

  constructor(context: ModuleContext) {
    this.context = context;
    this.udp = new UdpPorts(
      () => context.configuration().server.rtp,
      (cause) => context.log.counted('rtsp.udp', { cause }),
    );
    this.services = this.makeServices();
    this.ticking = context.tick.every(TICK_MS, () => this.tick());
  }

  /** Opens a port; returns the bound one. */
  async listen(name: string, addresses: readonly string[], port: number, secure: boolean): Promise<number> {
    const { certificates, limits, log } = this.context;
    const listener = new TcpListener({
      name,
      addresses,
      port,
      certificates: secure ? certificates : null,
      limits,
      handshakeMs: this.context.configuration().server.limits.handshake,
      log,
      onSocket: (socket) => this.accept(socket, secure),
    });
    this.listeners.push(listener);
    return await listener.open();
  }

  private makeServices(): RtspServices {
    const { context } = this;
    const server = () => context.configuration().server;
    return {
      version: context.version,
      hub: context.hub,
      log: context.log,
      datagrams: () => (server().rtsp.udp ? this.udp : null),
      srtp: () => server().rtsp.srtp,
      multicast: new MulticastSenders(context.hub, RTSP_FORMAT),
      tunnels: new TunnelTable(),
      limits: () => ({ handshakeMs: server().limits.handshake, sessionTimeoutMs: server().rtsp.timeout }),
      publicRtpAddress: () => server().nat.rtp,
      policy: (key, host, secure) => this.policyOf(key, host, secure),
      checkLoop: (via) => this.checkLoop(via),
      admit: (request) => context.admission.check(request),
      nowUs: () => context.clock.nowUs(),
      wallUs: () => context.clock.wallUs(),
      after: (delayMs, run) => context.tick.after(delayMs, run),
      onRole: (session) => this.readers.get(session)?.pace(session.role === 'publisher'),
      onClosed: (session) => this.onClosed(session),
      onFault: context.onFault,
    };
  }

  private policyOf(key: StreamKey, host: string, secure: boolean): RtspStreamPolicy {
    const { publish, play, login, multicast } = this.context
      .configuration()
      .resolver.resolve(host, key.app, key.name);
    const basic = login.basic === 'on' || (login.basic === 'tls' && secure);
    return {
      firstPacketMs: publish.firstPacketMs,
      idleMs: publish.idleMs,
      waitMs: play.waitMs,
      publishLogin: { user: login.publishUser, password: login.publishPassword, basic },
      playLogin: { user: login.playUser, password: login.playPassword, basic },
      multicast,
    };
  }

  private checkLoop(via: readonly string[]): void {
    if (via.includes(this.context.serverId))
      throw new RejectedError(
        'loop',
        'This stream came through this server already: a forward leads back here.',
      );
  }

  private accept(accepted: Socket | TLSSocket, secure: boolean): void {
    const address = accepted.remoteAddress ?? '';
    const remoteAddress = plainAddress(address);
    const peer = {
      remote: `${remoteAddress}:${accepted.remotePort ?? 0}`,
      remoteAddress,
      localAddress: plainAddress(accepted.localAddress ?? ''),
      secure,
    };
    let session: RtspSession | null = null;
    const reader = new PacedReader(accepted, this.pacer, (bytes) =>
      session?.receive(bytes, this.context.clock.nowUs()),
    );
    const { socket } = reader;
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const sink = new SocketSink(socket, () => undefined);
    const output: RtspOutput = {
      write: (bytes) => sink.write(bytes),
      writable: () => sink.writable(),
      openSink: (onEnd) => sink.fork(onEnd),
      close: () => this.endSocket(socket),
    };
    const created = new RtspSession(this.services, output, peer, this.context.clock.nowUs());
    session = created;
    this.readers.set(created, reader);
    this.context.sessions.add(created);
    socket.on('error', (error: NodeJS.ErrnoException) =>
      created.finish(`the connection broke (${error.code ?? error.message})`),
    );
    socket.on('end', () => created.finish('the peer ended the connection'));
    socket.once('close', () => {
      this.sockets.delete(socket);
      // The listener counts TLS connections itself, from before their handshake.
      if (!secure) this.context.limits.leave(address);
      created.finish('the connection is gone');
    });
  }

  private endSocket(socket: Socket): void {
    if (socket.destroyed) return;
    socket.end();
    this.context.tick.after(CLOSE_GRACE_MS, () => socket.destroy());
  }

  private onClosed(session: RtspSession): void {
    this.readers.get(session)?.pace(false);
    this.readers.delete(session);
    this.context.sessions.remove(session);
    if (session.role === 'control') {
      session.log.debug('rtsp.closed', { remote: session.remote, reason: session.closeReason });
      return;
    }
    const { packets_lost: lost } = session.details();
    session.log.info(session.role === 'publisher' ? 'rtsp.publish-stop' : 'rtsp.play-stop', {
      stream: session.streamText,
      remote: session.remote,
      reason: session.closeReason,
      seconds: Math.round((Date.now() - session.sinceMs) / 1000),
      in: session.bytesIn(),
      out: session.bytesOut(),
      lost: Number(lost) || undefined,
      dropped: session.dropped() || undefined,
    });
  }

  private tick(): void {
    const now = this.context.clock.nowUs();
    for (const session of this.readers.keys()) session.tick(now);
  }

  /** Peers that did not leave in time. */
  destroyConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.ticking.cancel();
    for (const listener of this.listeners) await listener.close();
    for (const session of [...this.readers.keys()]) session.close('The server is shutting down.');
    this.udp.close();
  }
}
