/** The TCP or TLS connection of an RTSP client, with its way to an end; what goes over it is the session's business. */
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { SocketSink } from '../../runtime/socket-sink.ts';
import type { RtspUrl } from '../../wire/rtsp/rtsp-url.ts';
import { describeFailure, failureCode } from '../describe-failure.ts';

/** A goodbye is given this long to leave. */
const CLOSE_GRACE_MS = 1000;

export interface RtspConnectionOptions {
  readonly url: RtspUrl;
  /** Where to connect; often those of the URL. */
  readonly host: string;
  readonly port: number;
  /** Whether the certificate must be one that this machine trusts. */
  readonly verifies: boolean;
  readonly after: (delayMs: number, run: () => void) => { cancel(): void };
  readonly onOpen: () => void;
  /** The bytes may be reused after the call. */
  readonly onBytes: (bytes: Uint8Array) => void;
  /** Called once unless `close` was called before: a sentence that begins in lower case. */
  readonly onEnd: (reason: string) => void;
}

export class RtspConnection {
  private readonly options: RtspConnectionOptions;
  private readonly socket: Socket;
  private readonly sink: SocketSink;
  private isClosed = false;

  constructor(options: RtspConnectionOptions) {
    this.options = options;
    const { url, host, port, verifies } = options;
    const servername = isIP(url.host) === 0 ? url.host : '';
    this.socket =
      url.scheme === 'rtsps'
        ? connectTls({ host, port, servername, rejectUnauthorized: verifies })
        : connect({ host, port });
    this.socket.setNoDelay(true);
    this.sink = new SocketSink(this.socket, () => undefined);
    this.socket.once(url.scheme === 'rtsps' ? 'secureConnect' : 'connect', () => {
      if (!this.isClosed) options.onOpen();
    });
    this.socket.on('data', (bytes: Buffer) => {
      if (!this.isClosed) options.onBytes(bytes);
    });
    this.socket.on('error', (error) => this.end(describeFailure(failureCode(error), host, port)));
    this.socket.on('close', () => this.end(`${addressOf(host, port)} closed the connection`));
  }

  /** As it was reached. */
  get peerAddress(): string {
    return this.socket.remoteAddress ?? '';
  }

  get localAddress(): string {
    return this.socket.localAddress ?? '';
  }

  writable(): boolean {
    return this.sink.writable();
  }

  write(bytes: Uint8Array): void {
    if (!this.socket.destroyed) this.sink.write(bytes);
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  private end(reason: string): void {
    if (this.isClosed) return;
    this.close();
    this.options.onEnd(reason);
  }

  /** Sends what was written, then closes. May be called twice. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    // Bytes that nobody reads would keep the connection from closing.
    this.socket.resume();
    this.socket.end();
    this.options.after(CLOSE_GRACE_MS, () => this.socket.destroy());
  }
}

export function addressOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
