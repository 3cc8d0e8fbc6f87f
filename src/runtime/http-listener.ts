/**
 * The one HTTP server (plain and TLS) that pages, API, HTTP-FLV, WebSocket and HLS share. A route is a method and a
 * test on the path; the first that fits answers. Refusals and faults become one JSON shape for API paths and plain
 * text elsewhere. TLS peers choose HTTP/2 or HTTP/1.1 (ALPN, RFC 7301); who does not choose gets HTTP/1.1.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '../util/clock.ts';
import { ProtocolError, RejectedError, type RejectReason } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { CertificateStore } from './certificate-store.ts';
import { type CommonHeaders, commonHeaders, type ResponseClass, responseWith } from './common-headers.ts';
import type { ConnectionLimits } from './connection-limits.ts';
import { type HttpTarget, HttpTargets } from './http-targets.ts';
import { Http2Sessions, hasSoundHttp2, http2Options } from './http2-sessions.ts';
import { listen } from './tcp-listener.ts';

const MAX_HEADER_BYTES = 16 * 1024;
const KEEP_ALIVE_MS = 65_000;
const CHECK_MS = 2000;
/** Requests that are held while the server starts; further ones are told to come again. */
const MAX_EARLY = 1000;

/** Set when the request came over HTTP/2 (`httpVersionMajor` is then 2). */
interface OverHttp2 {
  readonly stream?: ServerHttp2Stream;
}

export interface HttpRequest {
  /**
   * Over HTTP/2 this is Node's Http2ServerRequest, which has the members that are in use here. What differs: `socket`
   * is a proxy that tells addresses but must not be read, written or kept (`stream` is what one request owns, and
   * `stream.session` the connection); `headers` has the pseudo-headers (`:authority`) and perhaps no `host`;
   * `complete` is true after a broken body too. A body that breaks off destroys the message, as in HTTP/1.1.
   */
  readonly message: IncomingMessage & OverHttp2;
  /**
   * Over HTTP/2 this is Node's Http2ServerResponse. `destroy` breaks this one answer off, not the connection;
   * `destroyed` is not told (`isGone` in file-response.ts is), `finish` comes for a broken answer too, and headers
   * that speak of the connection (Connection, Keep-Alive, Transfer-Encoding, Upgrade) are not sent.
   */
  readonly response: ServerResponse & OverHttp2;
  readonly method: string;
  /** Decoded, normalised, begins with `/`; free of `..` and control characters. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** As it stood in the URL, without `?`. */
  readonly rawQuery: string;
  /** `:authority` or Host without port; the local address when both are missing. */
  readonly host: string;
  readonly secure: boolean;
  readonly remote: string;
}

export interface HttpUpgrade extends Omit<HttpRequest, 'response'> {
  readonly socket: Duplex;
  readonly head: Buffer;
}

export interface HttpRoute {
  /** For logs and counters. */
  readonly name: string;
  /** It calls `writeContinue` itself when it wants a body that waits for leave (Expect: 100-continue). */
  readonly givesLeave?: boolean;
  /** OPTIONS goes to it too; whoever else is asked gets the answer that browsers want before they ask for real. */
  readonly answersOptions?: boolean;
  accepts(method: string, path: string, query: URLSearchParams): boolean;
  handle(request: HttpRequest): void | Promise<void>;
}

export interface UpgradeRoute {
  readonly name: string;
  accepts(path: string, message: IncomingMessage): boolean;
  handle(request: HttpUpgrade): void | Promise<void>;
}

export interface HttpListenerOptions {
  readonly addresses: readonly string[];
  /** -1 = not opened. */
  readonly port: number;
  readonly tlsPort: number;
  readonly certificates: CertificateStore;
  readonly limits: ConnectionLimits;
  readonly handshakeMs: number;
  readonly corsOrigin: string;
  readonly log: Logger;
  readonly onFault: (error: unknown) => void;
}

export class HttpListener {
  private readonly options: HttpListenerOptions;
  private readonly routes: HttpRoute[] = [];
  private readonly upgrades: UpgradeRoute[] = [];
  private readonly servers: (Server | Http2SecureServer)[] = [];
  private readonly sockets = new Set<Socket>();
  private readonly sessions: Http2Sessions;
  private readonly targets = new HttpTargets();
  private readonly common: CommonHeaders;
  private readonly responseClass: ResponseClass;
  private checking: NodeJS.Timeout | null = null;
  /** What came while not all routes are there; null = they are. */
  private early: (() => void)[] | null = null;
  /** Bound ports; -1 = closed. */
  port = -1;
  tlsPort = -1;

  constructor(options: HttpListenerOptions) {
    this.options = options;
    this.common = commonHeaders(options.corsOrigin);
    this.responseClass = responseWith(this.common);
    this.sessions = new Http2Sessions({
      handshakeMs: options.handshakeMs,
      idleMs: KEEP_ALIVE_MS,
      log: options.log,
      nowMs: () => systemClock.nowUs() / 1000,
    });
  }

  route(route: HttpRoute): void {
    this.routes.push(route);
  }

  upgrade(route: UpgradeRoute): void {
    this.upgrades.push(route);
  }

  /** From now on until `release` requests wait: not all routes are there yet. */
  hold(): void {
    this.early ??= [];
  }

  release(): void {
    const { early } = this;
    this.early = null;
    for (const run of early ?? []) run();
  }

  private whenReady(run: () => void, refuse: () => void): void {
    if (this.early === null) run();
    else if (this.early.length < MAX_EARLY) this.early.push(run);
    else refuse();
  }

  async open(): Promise<void> {
    const { addresses, port, tlsPort, certificates } = this.options;
    for (const address of addresses.length === 0 ? [''] : addresses) {
      if (port >= 0) {
        const server = createServer({ ...this.serverOptions(), ServerResponse: this.responseClass });
        this.prepare(server, false);
        this.port = await listen(server, address, this.port > 0 ? this.port : port, 'http');
      }
      if (tlsPort >= 0) {
        const server = hasSoundHttp2(process.versions.node) ? this.makeHttp2Server() : this.makeTlsServer();
        certificates.use(server);
        this.prepare(server, true);
        this.tlsPort = await listen(server, address, this.tlsPort > 0 ? this.tlsPort : tlsPort, 'https');
      }
    }
  }

  private makeTlsServer(): TlsServer {
    return createTlsServer({
      ...this.options.certificates.options(),
      ...this.serverOptions(),
      ServerResponse: this.responseClass,
      handshakeTimeout: this.options.handshakeMs,
    });
  }

  private makeHttp2Server(): Http2SecureServer {
    const http1 = this.serverOptions();
    const server = createSecureServer({
      ...this.options.certificates.options(),
      ...http2Options(MAX_HEADER_BYTES),
      allowHTTP1: true,
      Http1ServerResponse: this.responseClass,
      noDelay: true,
      handshakeTimeout: this.options.handshakeMs,
    });
    // Such a server reads the settings of HTTP/1.1 from its own properties and ignores them as options.
    Object.assign(server, http1);
    let accepted: TLSSocket | null = null;
    server.prependListener('secureConnection', (socket: TLSSocket) => {
      accepted = socket;
      // A reset in the middle of a frame may come when nobody of Node listens any more.
      socket.on('error', () => socket.destroy());
    });
    // Made inside the event of its socket.
    server.on('session', (session) => {
      if (accepted !== null) this.sessions.add(session, accepted);
    });
    server.on('sessionError', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE')
        this.options.log.counted('http2.bad-session', { cause: error.code ?? error.message });
    });
    this.checking ??= setInterval(() => this.sessions.check(), CHECK_MS).unref();
    return server;
  }

  private serverOptions() {
    return {
      noDelay: true,
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: this.options.handshakeMs,
      // A body may take its time (uploads); who reads it has limits of their own.
      requestTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
    };
  }

  private prepare(server: Server | Http2SecureServer, secure: boolean): void {
    this.servers.push(server);
    server.on('connection', (socket: Socket) => this.onConnection(socket));
    const take = (message: IncomingMessage, response: ServerResponse, asksLeave: boolean) =>
      this.whenReady(
        () => this.onRequest(message, response, secure, asksLeave),
        () => sendText(response, 503, 'The server is starting.'),
      );
    server.on('request', (message: IncomingMessage, response: ServerResponse) =>
      take(message, response, false),
    );
    server.on('checkContinue', (message: IncomingMessage, response: ServerResponse) =>
      take(message, response, true),
    );
    server.on('upgrade', (message: IncomingMessage, socket: Duplex, head: Buffer) => {
      // From here on nobody of Node listens, also while the request waits.
      socket.on('error', () => socket.destroy());
      this.whenReady(
        () => this.onUpgrade(message, socket, head, secure),
        () => socket.destroy(),
      );
    });
    server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
      // A player that goes away in mid-request is no fault of anybody.
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') {
        this.options.log.counted('http.bad-request', { cause: error.code ?? error.message });
      }
      if (socket.writable && error.code !== 'ECONNRESET')
        socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      else socket.destroy();
    });
    server.on('tlsClientError', (error: Error, socket: Socket) => {
      this.options.log.counted('https.tls-handshake', { cause: error.message });
      socket.destroy();
    });
  }

  private onConnection(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const refused = this.options.limits.enter(address);
    if (refused !== '') {
      this.options.log.counted('http.refused', { remote: address, cause: refused });
      socket.destroy();
      return;
    }
    this.sockets.add(socket);
    socket.once('close', () => {
      this.sockets.delete(socket);
      this.options.limits.leave(address);
    });
  }

  /** `asksLeave`: the peer sends its body only when it is told to. */
  private onRequest(
    message: IncomingMessage,
    response: ServerResponse,
    secure: boolean,
    asksLeave: boolean,
  ): void {
    if (message.httpVersionMajor === 2) {
      message.once('aborted', () => breakBody(message));
      for (const name in this.common) response.setHeader(name, this.common[name]!); // of its own
    }
    const target = this.targets.parse(message.url ?? '/');
    const request = target && new ListenerRequest(message, response, target, secure);
    if (request === null) {
      const text = 'The address of this request is malformed.';
      if ((message.url ?? '').startsWith('/api/')) sendJson(response, 400, { code: 400, message: text });
      else sendText(response, 400, text);
      return;
    }
    const method = message.method ?? 'GET';
    const isOptions = method === 'OPTIONS';
    const route = this.routes.find(
      (candidate) =>
        (!isOptions || candidate.answersOptions === true) &&
        candidate.accepts(method, request.path, request.query),
    );
    if (isOptions && route === undefined) {
      response.writeHead(204, {
        'Access-Control-Allow-Methods': 'GET, HEAD, POST, PUT, DELETE, OPTIONS',
        'Access-Control-Allow-Headers': '*',
        'Access-Control-Max-Age': '86400',
      });
      response.end();
      return;
    }
    if (route === undefined) {
      this.answerError(
        request.path,
        response,
        new RejectedError('not-found', `There is nothing at ${request.path}.`),
      );
      return;
    }
    if (asksLeave && route.givesLeave !== true) response.writeContinue();
    this.run(
      route.name,
      () => route.handle(request),
      (error) => this.answerError(request.path, response, error),
    );
  }

  private onUpgrade(message: IncomingMessage, socket: Duplex, head: Buffer, secure: boolean): void {
    const target = this.targets.parse(message.url ?? '/');
    const request = target && describeUpgrade(message, target, secure);
    const route = request && this.upgrades.find((candidate) => candidate.accepts(request.path, message));
    const refuse = (status: string, text: string) => {
      socket.end(
        `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n${text}\n`,
      );
    };
    if (!request || !route) {
      refuse('404 Not Found', 'There is no WebSocket at this address.');
      return;
    }
    this.run(
      route.name,
      () => route.handle({ ...request, socket, head }),
      (error) => {
        const { status, text } = describeError(error);
        refuse(`${status} Refused`, text);
      },
    );
  }

  private run(name: string, action: () => void | Promise<void>, onError: (error: unknown) => void): void {
    const report = (error: unknown) => {
      if (!(error instanceof RejectedError) && !(error instanceof ProtocolError)) this.options.onFault(error);
      else this.options.log.debug(`${name}.refused`, { cause: error.message });
      onError(error);
    };
    try {
      const running = action();
      if (running instanceof Promise) running.catch(report);
    } catch (error) {
      report(error);
    }
  }

  private answerError(path: string, response: ServerResponse, error: unknown): void {
    const { status, text } = describeError(error);
    if (response.headersSent) {
      response.destroy();
      return;
    }
    if (path.startsWith('/api/')) sendJson(response, status, { code: status, message: text });
    else sendText(response, status, text);
  }

  async close(): Promise<void> {
    // This ends HTTP/1.1 connections that are idle too.
    for (const server of this.servers) server.close();
    this.sessions.close();
  }

  /** After the grace of a shutdown: whatever is still open. */
  destroyConnections(): void {
    if (this.checking !== null) clearInterval(this.checking);
    this.sessions.destroy();
    for (const socket of this.sockets) socket.destroy();
  }
}

class ListenerRequest implements HttpRequest {
  readonly message: IncomingMessage;
  readonly response: ServerResponse;
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly rawQuery: string;
  readonly secure: boolean;
  readonly remote: string;

  constructor(message: IncomingMessage, response: ServerResponse, target: HttpTarget, secure: boolean) {
    this.message = message;
    this.response = response;
    this.method = message.method ?? 'GET';
    this.path = target.path;
    this.query = target.query;
    this.rawQuery = target.rawQuery;
    this.secure = secure;
    // The peer may be gone when it is asked for.
    this.remote = remoteOf(message);
  }

  get host(): string {
    return hostOf(this.message);
  }
}

function describeUpgrade(
  message: IncomingMessage,
  { path, query, rawQuery }: HttpTarget,
  secure: boolean,
): Omit<HttpUpgrade, 'socket' | 'head'> {
  const method = message.method ?? 'GET';
  return { message, method, path, query, rawQuery, host: hostOf(message), secure, remote: remoteOf(message) };
}

function remoteOf({ socket }: IncomingMessage): string {
  const { remoteAddress = '', remotePort = 0 } = socket;
  return `${plainAddress(remoteAddress)}:${remotePort}`;
}

/** IPv4 addresses that arrive on an IPv6 socket, as people write them. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

/** Node tells whoever reads a body over HTTP/2 that it came to its end, also when it broke off. */
function breakBody(message: IncomingMessage): void {
  if (message.readableEnded) return;
  // As over HTTP/1.1: who does not listen for errors must not be ended by one.
  message.destroy(message.listenerCount('error') > 0 ? new Error('the peer broke the body off') : undefined);
}

function hostOf(message: IncomingMessage): string {
  const header = String(message.headers[':authority'] ?? message.headers.host ?? '');
  const host = /^(\[[0-9a-fA-F:]+\]|[\w.-]+)(:\d+)?$/.exec(header)?.[1];
  return host ?? plainAddress(message.socket.localAddress ?? 'localhost');
}

const STATUS_OF: Readonly<Record<RejectReason, number>> = {
  busy: 409,
  denied: 403,
  'not-found': 404,
  limit: 503,
  'bad-request': 400,
  unsupported: 415,
  'shutting-down': 503,
  loop: 508,
};

/** Status and sentence of a refusal or a fault. */
export function describeError(error: unknown): { status: number; text: string } {
  if (error instanceof RejectedError) return { status: STATUS_OF[error.reason], text: error.message };
  if (error instanceof ProtocolError) return { status: 400, text: error.message };
  return { status: 500, text: 'The server had an internal fault; its log says more.' };
}

export function sendText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' });
  response.end(`${text}\n`);
}

export function sendJson(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Cache-Control': 'no-store',
  });
  response.end(JSON.stringify(value));
}
