/** A listening TCP or TLS port on one or more addresses; hands accepted sockets to a protocol. */
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Logger } from '../util/log.ts';
import type { CertificateStore } from './certificate-store.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import { explainListenError } from './listen-error.ts';

export interface TcpListenerOptions {
  /** `rtmp`, for messages. */
  readonly name: string;
  /** Addresses; empty = all, IPv6 and IPv4. */
  readonly addresses: readonly string[];
  readonly port: number;
  /** Set for TLS. */
  readonly certificates: CertificateStore | null;
  readonly limits: ConnectionLimits;
  /** A TLS handshake must be done after this. */
  readonly handshakeMs: number;
  readonly log: Logger;
  readonly onSocket: (socket: Socket | TLSSocket) => void;
}

export class TcpListener {
  private readonly options: TcpListenerOptions;
  private readonly servers: Server[] = [];

  constructor(options: TcpListenerOptions) {
    this.options = options;
  }

  /** Resolves with the bound port (0 asks the system for one); rejects with a ConfigError that says what to do. */
  async open(): Promise<number> {
    const { addresses, port } = this.options;
    let bound = port;
    for (const address of addresses.length === 0 ? [''] : addresses) {
      const server = this.makeServer();
      this.servers.push(server);
      bound = await listen(server, address, bound, this.options.name);
    }
    return bound;
  }

  private makeServer(): Server {
    const { certificates } = this.options;
    if (certificates === null) {
      return createServer({ noDelay: true, pauseOnConnect: true }, (socket) => this.accept(socket));
    }
    const server = createTlsServer({
      ...certificates.options(),
      noDelay: true,
      handshakeTimeout: this.options.handshakeMs,
    });
    // Counted before the handshake, so that half-open connections are bounded too.
    server.on('connection', (socket: Socket) => {
      const address = socket.remoteAddress ?? '';
      if (this.enter(socket, address)) socket.once('close', () => this.options.limits.leave(address));
    });
    server.on('secureConnection', (socket) => this.options.onSocket(socket));
    server.on('tlsClientError', (error, socket) => {
      this.options.log.counted(`${this.options.name}.tls-handshake`, {
        remote: socket.remoteAddress,
        cause: error.message,
      });
      socket.destroy();
    });
    certificates.use(server);
    return server;
  }

  /** A plain connection; whoever gets it calls `leave` when it ends. */
  private accept(socket: Socket): void {
    if (this.enter(socket, socket.remoteAddress ?? '')) this.options.onSocket(socket);
  }

  private enter(socket: Socket, address: string): boolean {
    const { limits, log, name } = this.options;
    const refused = limits.enter(address);
    if (refused === '') return true;
    log.counted(`${name}.refused`, { remote: address, cause: refused });
    socket.destroy();
    return false;
  }

  async close(): Promise<void> {
    for (const server of this.servers) server.close();
  }
}

/** Listens, or rejects with a ConfigError that names the port and what to do. */
export function listen(server: Server, address: string, port: number, name: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) => reject(explainListenError(error, name, address, port));
    server.once('error', onError);
    const onListening = () => {
      server.off('error', onError);
      // Accept errors (out of file descriptors) must not end the process.
      server.on('error', () => undefined);
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
    };
    if (address === '') server.listen({ port, backlog: 1024 }, onListening);
    else server.listen({ port, host: address, backlog: 1024 }, onListening);
  });
}
