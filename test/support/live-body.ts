/** Reads an endless answer over http, https, ws or wss, or HTTP/2, until there is enough of it. */

import { type IncomingMessage, request as requestHttp } from 'node:http';
import { type ClientHttp2Session, connect } from 'node:http2';
import { request as requestHttps } from 'node:https';
import { WebSocket } from 'ws';
import { until } from './until.ts';

export class LiveBody {
  /** As they came: pieces of the body, or whole WebSocket messages. */
  readonly pieces: Buffer[] = [];
  /** 0 = no answer yet; that of the handshake for a WebSocket. */
  status = 0;
  headers: Readonly<Record<string, unknown>> = {};
  /** It is over, in whatever way. */
  closed = false;
  closeCode = 0;
  closeReason = '';
  close: () => void = () => undefined;

  get bytes(): Buffer {
    return Buffer.concat(this.pieces);
  }

  get text(): string {
    return this.bytes.toString('utf8').trim();
  }

  get size(): number {
    let size = 0;
    for (const { length } of this.pieces) size += length;
    return size;
  }

  add(piece: Buffer): void {
    this.pieces.push(piece);
  }
}

/** Returns at once; the answer comes into the body. */
export function openLive(url: string): LiveBody {
  return url.startsWith('ws') ? openWebSocket(url) : openHttp(url);
}

function openHttp(url: string): LiveBody {
  const body = new LiveBody();
  const send = url.startsWith('https:') ? requestHttps : requestHttp;
  const request = send(url, { rejectUnauthorized: false, agent: false }, (response: IncomingMessage) => {
    body.status = response.statusCode ?? 0;
    body.headers = response.headers;
    response.on('data', (bytes: Buffer) => body.add(bytes));
    response.on('error', () => undefined);
    response.on('close', () => {
      body.closed = true;
    });
  });
  request.on('error', () => {
    body.closed = true;
  });
  request.end();
  body.close = () => request.destroy();
  return body;
}

function openWebSocket(url: string): LiveBody {
  const body = new LiveBody();
  const socket = new WebSocket(url, { rejectUnauthorized: false });
  socket.on('upgrade', (response) => {
    body.status = response.statusCode ?? 0;
  });
  socket.on('message', (data: Buffer) => body.add(data));
  socket.on('error', () => undefined);
  socket.on('close', (code, reason) => {
    body.closed = true;
    body.closeCode = code;
    body.closeReason = reason.toString('utf8');
  });
  body.close = () => socket.terminate();
  return body;
}

/** One request in an HTTP/2 session of its own, over TLS. */
export function openHttp2(origin: string, path: string): LiveBody {
  const body = new LiveBody();
  const session: ClientHttp2Session = connect(origin, { rejectUnauthorized: false });
  session.on('error', () => {
    body.closed = true;
  });
  const stream = session.request({ ':path': path });
  stream.on('response', (headers) => {
    body.status = Number(headers[':status']);
    body.headers = headers;
  });
  stream.on('data', (bytes: Buffer) => body.add(bytes));
  stream.on('error', () => undefined);
  stream.on('close', () => {
    body.closed = true;
    session.close();
  });
  body.close = () => {
    stream.close();
    session.close();
  };
  return body;
}

/** Its first bytes, at least so many; the connection is closed afterwards. */
export async function firstBytes(body: LiveBody, count: number): Promise<LiveBody> {
  await until(
    `${count} bytes (${body.status}, ${body.text.slice(0, 100)})`,
    () => body.size >= count || body.closed,
  );
  body.close();
  return body;
}
