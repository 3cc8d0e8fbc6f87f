/**
 * Where the body of an endless answer goes. Nothing is sent before the first bytes of the stream, so until then the
 * answer can still become a refusal; then the headers go out with them, which saves a packet.
 */
import type { ServerResponse } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Sink } from '../../media/sink.ts';
import { SocketSink } from '../../runtime/socket-sink.ts';

/** What may wait in one HTTP/2 stream of ours before a player counts as slow. */
const HIGH_WATER_BYTES = 512 * 1024;

export interface LiveSink extends Sink {
  /** The headers are out. */
  readonly hasBegun: boolean;
}

/**
 * HTTP/1.1: headers and body are written straight to the socket. Node's response object would frame every write as an
 * HTTP chunk of its own, which cannot be shared.
 */
export class Http1Sink extends SocketSink implements LiveSink {
  hasBegun: boolean = false;

  constructor(socket: Socket, headers: Readonly<Record<string, string>>, onEnd: (reason: string) => void) {
    super(socket, onEnd);
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
    const head = Buffer.from(`HTTP/1.1 200 OK\r\n${lines.join('')}\r\n`, 'latin1');
    // Only the first write is another one: what follows goes the way of all sinks.
    const { write } = this;
    this.write = (bytes) => {
      this.write = write;
      this.hasBegun = true;
      this.write(Buffer.concat([head, bytes]));
    };
  }
}

/** HTTP/2: the frames of the connection are made by Node, flow control is that of the stream. */
export class Http2Sink implements LiveSink {
  private readonly response: ServerResponse;
  private readonly stream: ServerHttp2Stream;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly onEnd: (reason: string) => void;
  hasBegun: boolean = false;

  constructor(
    response: ServerResponse,
    stream: ServerHttp2Stream,
    headers: Readonly<Record<string, string>>,
    onEnd: (reason: string) => void,
  ) {
    this.response = response;
    this.stream = stream;
    this.headers = headers;
    this.onEnd = onEnd;
  }

  writable(): boolean {
    return this.stream.writableLength < HIGH_WATER_BYTES;
  }

  write(bytes: Uint8Array): void {
    if (this.stream.destroyed) return;
    if (!this.hasBegun) {
      this.hasBegun = true;
      this.response.writeHead(200, this.headers);
    }
    this.stream.write(bytes);
  }

  end(reason: string): void {
    this.onEnd(reason);
  }
}
