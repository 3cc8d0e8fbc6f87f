/** Sockets of RTMP and RTMPS: accepts, feeds sessions, calls their tick, reports start and end. */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { Output } from '../../client/rtmp/rtmp-connection.ts';
import { makeStreamKey } from '../../media/stream-key.ts';
import { plainAddress } from '../../runtime/http-listener.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { PacedReader, ReadPacer } from '../../runtime/paced-reader.ts';
import { SocketSink } from '../../runtime/socket-sink.ts';
import { TcpListener } from '../../runtime/tcp-listener.ts';
import { RejectedError } from '../../util/errors.ts';
import type { RtmpServices } from './rtmp-services.ts';
import { RtmpSession } from './rtmp-session.ts';
import { RtmpVodFiles } from './rtmp-vod-files.ts';

/** RTMP players expect to wait for a stream that is about to begin, whatever the policy says of other viewers. */
const WAIT_FOR_STREAM_MS = 10_000;
const TICK_MS = 1000;
/** After a close, what the peer has not taken by then is lost. */
const CLOSE_GRACE_MS = 3000;
const KEEP_ALIVE_MS = 30_000;

interface Peer {
  readonly session: RtmpSession;
  readonly reader: PacedReader;
}

export class RtmpServer {
  private readonly context: ModuleContext;
  private readonly pacer = new ReadPacer();
  private readonly peers = new Map<RtmpSession, Peer>();
  private readonly sockets = new Set<Socket>();
  private readonly listeners: TcpListener[] = [];
  private readonly services: RtmpServices;
  private readonly files: RtmpVodFiles;
  private readonly ticking;

  constructor(context: ModuleContext) {
    this.context = context;
    this.files = new RtmpVodFiles(context);
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

  private makeServices(): RtmpServices {
    const { context } = this;
    const server = () => context.configuration().server;
    return {
      hub: context.hub,
      log: context.log,
      files: this.files,
      limits: () => ({
        maxMessageBytes: server().limits.message,
        maxChunkStreams: server().limits.chunkStreams,
        handshakeMs: server().limits.handshake,
      }),
      amfLimits: () => ({ maxDepth: server().limits.amfDepth, maxValues: MAX_AMF_VALUES }),
      chunkSize: () => server().rtmp.chunkSize,
      windowAckBytes: () => server().rtmp.windowAck,
      refusalOf: (request) => this.refusalOf(request.host, request.app),
      checkLoop: (via) => this.checkLoop(via),
      admit: (request) => context.admission.check(request),
      publishTimes: (key, host) => {
        const { publish } = context.configuration().resolver.resolve(host, key.app, key.name);
        return { firstPacketMs: publish.firstPacketMs, idleMs: publish.idleMs };
      },
      playWaitMs: (key, host) =>
        context.configuration().resolver.resolve(host, key.app, key.name).play.waitMs || WAIT_FOR_STREAM_MS,
      nowUs: () => context.clock.nowUs(),
      onRole: (session) => this.onRole(session),
      onClosed: (session) => this.onClosed(session),
      onFault: context.onFault,
    };
  }

  /** Refused at connect, so that encoders show the reason instead of a silent stream. */
  private refusalOf(host: string, app: string): string {
    try {
      if (this.files.isVod(makeStreamKey(app, 'x').app)) return '';
      this.context.admission.checkApp(host, makeStreamKey(app, 'x').app);
      return '';
    } catch (error) {
      if (error instanceof RejectedError) return error.message;
      throw error;
    }
  }

  private checkLoop(via: readonly string[]): void {
    if (via.includes(this.context.serverId)) {
      throw new RejectedError(
        'loop',
        'This stream came through this server already: a forward leads back here.',
      );
    }
  }

  private accept(accepted: Socket | TLSSocket, secure: boolean): void {
    const address = accepted.remoteAddress ?? '';
    const remote = `${plainAddress(address)}:${accepted.remotePort ?? 0}`;
    let session: RtmpSession | null = null;
    const reader = new PacedReader(accepted, this.pacer, (bytes) =>
      session?.receive(bytes, this.context.clock.nowUs()),
    );
    const { socket } = reader;
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const sink = new SocketSink(socket, () => undefined);
    const output: Output = {
      write: (bytes) => sink.write(bytes),
      writable: () => sink.writable(),
      openSink: (onEnd) => sink.fork(onEnd),
      close: () => this.endSocket(socket),
    };
    const created = new RtmpSession(this.services, output, remote, secure, this.context.clock.nowUs());
    session = created;
    this.peers.set(created, { session: created, reader });
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

  private onRole(session: RtmpSession): void {
    if (session.role === 'publisher') this.peers.get(session)?.reader.pace(true);
  }

  private onClosed(session: RtmpSession): void {
    this.peers.get(session)?.reader.pace(false);
    this.peers.delete(session);
    this.context.sessions.remove(session);
    if (session.role === 'control') {
      session.log.debug('rtmp.closed', { remote: session.remote, reason: session.closeReason });
      return;
    }
    session.log.info(session.role === 'publisher' ? 'rtmp.publish-stop' : 'rtmp.play-stop', {
      stream: session.streamText,
      remote: session.remote,
      reason: session.closeReason,
      seconds: Math.round((Date.now() - session.sinceMs) / 1000),
      in: session.bytesIn(),
      out: session.bytesOut(),
      dropped: session.dropped() || undefined,
    });
  }

  private tick(): void {
    const now = this.context.clock.nowUs();
    for (const { session } of this.peers.values()) session.tick(now);
  }

  /** Peers that did not leave in time. */
  destroyConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.ticking.cancel();
    for (const listener of this.listeners) await listener.close();
    for (const { session } of [...this.peers.values()]) session.close('The server is shutting down.');
    await this.files.close();
  }
}

const MAX_AMF_VALUES = 10_000;
