/**
 * The ports of a protocol with one session per connection: accepts, reads sockets into sessions, calls their tick, adds
 * them to the registry, says in the log what they were, ends connections. Knows nothing of what is said on them.
 */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { LiveSession } from '../access/session-registry.ts';
import type { Sink } from '../media/sink.ts';
import type { LogFields, Logger } from '../util/log.ts';
import { plainAddress } from './http-listener.ts';
import type { ModuleContext } from './module.ts';
import { PacedReader, ReadPacer } from './paced-reader.ts';
import { SocketSink } from './socket-sink.ts';
import { TcpListener } from './tcp-listener.ts';

/** After a close, what the peer has not taken by then is lost. */
const CLOSE_GRACE_MS = 3000;
const KEEP_ALIVE_MS = 30_000;

/** The session of one connection: a state machine that bytes and time are given to. */
interface ConnectionSession extends LiveSession {
  readonly log: Logger;
  readonly closeReason: string;
  /** Bytes are valid during the call only. */
  receive(bytes: Uint8Array, nowUs: number): void;
  tick(nowUs: number): void;
  /** Ends it; the reason is told to the peer where the protocol has words for it. */
  close(reason: string): void;
  /** The connection is gone. */
  finish(reason: string): void;
}

/** Towards the peer. */
export interface SessionOutput {
  write(bytes: Uint8Array): void;
  /** False while too much waits to be sent. */
  writable(): boolean;
  /** A sink to the same connection that takes no way through the session. */
  openSink(onEnd: (reason: string) => void): Sink;
  /** What was written is still sent. */
  close(): void;
}

/** Where the peer is. */
export interface PeerAddress {
  /** `address:port`. */
  readonly remote: string;
  /** Without port. */
  readonly remoteAddress: string;
  /** Address of ours that it reached. */
  readonly localAddress: string;
  readonly secure: boolean;
}

interface SessionServerOptions<S extends ConnectionSession> {
  /** `rtmp`: names the events of the log. */
  readonly name: string;
  readonly tickMs: number;
  readonly open: (output: SessionOutput, peer: PeerAddress, nowUs: number) => S;
  /** What only this protocol has to say at the end of a session. */
  readonly endFields?: (session: S) => LogFields;
}

interface SessionPort {
  /** The listener's name in messages, the type and the scheme of its addresses. */
  readonly scheme: string;
  /** Below 0: not opened; 0: the system chooses. */
  readonly port: number;
  readonly secure: boolean;
  /** What clients take where an address tells no port. */
  readonly defaultPort: number;
  /** Public `host[:port]`, or ''. */
  readonly publicAddress: string;
}

export class SessionServer<S extends ConnectionSession> {
  private readonly context: ModuleContext;
  private readonly options: SessionServerOptions<S>;
  private readonly pacer = new ReadPacer();
  private readonly readers = new Map<S, PacedReader>();
  private readonly sockets = new Set<Socket>();
  private readonly listeners: TcpListener[] = [];
  private readonly ticking;

  constructor(context: ModuleContext, options: SessionServerOptions<S>) {
    this.context = context;
    this.options = options;
    this.ticking = context.tick.every(options.tickMs, () => this.tick());
  }

  /** Opens ports, each on all the addresses (none = all of the machine), and adds them to the endpoints. */
  async listen(addresses: readonly string[], ports: readonly SessionPort[]): Promise<void> {
    for (const { scheme, port, secure, defaultPort, publicAddress } of ports) {
      if (port < 0) continue;
      this.context.endpoints.add({
        type: scheme,
        direction: 'both',
        scheme,
        port: await this.openPort(scheme, addresses, port, secure),
        defaultPort,
        suffix: '',
        publicAddress,
      });
    }
  }

  /** Resolves with the bound port. */
  private openPort(
    name: string,
    addresses: readonly string[],
    port: number,
    secure: boolean,
  ): Promise<number> {
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
    return listener.open();
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
    let session: S | null = null;
    const reader = new PacedReader(accepted, this.pacer, (bytes) =>
      session?.receive(bytes, this.context.clock.nowUs()),
    );
    const { socket } = reader;
    this.sockets.add(socket);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEP_ALIVE_MS);
    const created = this.options.open(this.outputOf(socket), peer, this.context.clock.nowUs());
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

  private outputOf(socket: Socket): SessionOutput {
    const sink = new SocketSink(socket, () => undefined);
    return {
      write: (bytes) => sink.write(bytes),
      writable: () => sink.writable(),
      openSink: (onEnd) => sink.fork(onEnd),
      close: () => this.endSocket(socket),
    };
  }

  private endSocket(socket: Socket): void {
    if (socket.destroyed) return;
    socket.end();
    this.context.tick.after(CLOSE_GRACE_MS, () => socket.destroy());
  }

  /** Whether a session is read at an interval, as publishers may be, or at once. */
  pace(session: S, isPaced: boolean): void {
    this.readers.get(session)?.pace(isPaced);
  }

  /** Every session ends here, once. */
  onClosed(session: S): void {
    const { name, endFields } = this.options;
    this.pace(session, false);
    this.readers.delete(session);
    this.context.sessions.remove(session);
    if (session.role === 'control') {
      session.log.debug(`${name}.closed`, { remote: session.remote, reason: session.closeReason });
      return;
    }
    session.log.info(`${name}.${session.role === 'publisher' ? 'publish' : 'play'}-stop`, {
      stream: session.streamText,
      remote: session.remote,
      reason: session.closeReason,
      seconds: Math.round((Date.now() - session.sinceMs) / 1000),
      in: session.bytesIn(),
      out: session.bytesOut(),
      ...endFields?.(session),
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
  }
}
