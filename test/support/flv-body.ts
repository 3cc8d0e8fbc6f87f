/** A player of FLV over http, https, ws or wss that keeps every tag. */
import { type IncomingHttpHeaders, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { WebSocket } from 'ws';
import { type FlvTag, FlvTagParser } from './flv-tags.ts';
import { until } from './until.ts';

export interface FlvBody {
  readonly tags: readonly FlvTag[];
  readonly parser: FlvTagParser;
  readonly headers: IncomingHttpHeaders;
  /** The body or the WebSocket ended in order. */
  readonly ended: boolean;
  /** It is over, in whatever way. */
  readonly closed: boolean;
  /** Code and reason of the close frame of a WebSocket. */
  readonly closeCode: number;
  readonly closeReason: string;
  close(): void;
}

class Body implements FlvBody {
  readonly parser = new FlvTagParser();
  headers: IncomingHttpHeaders = {};
  ended = false;
  closed = false;
  closeCode = 0;
  closeReason = '';
  close: () => void = () => undefined;

  get tags(): readonly FlvTag[] {
    return this.parser.tags;
  }
}

/** Rejects with status and text when the server refuses. */
export async function openFlv(url: string): Promise<FlvBody> {
  const body = url.startsWith('ws') ? await openWebSocket(url) : await openHttp(url);
  await until(`the FLV header of ${url}`, () => body.parser.flags >= 0 || body.closed);
  return body;
}

async function openHttp(url: string): Promise<Body> {
  const body = new Body();
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const send = url.startsWith('https:') ? requestHttps : requestHttp;
    const request = send(url, { rejectUnauthorized: false, agent: false }, resolve);
    request.on('error', reject);
    request.end();
    body.close = () => request.destroy();
  });
  if (response.statusCode !== 200) {
    const parts: Buffer[] = [];
    for await (const part of response) parts.push(part as Buffer);
    throw new Error(`${response.statusCode} ${Buffer.concat(parts).toString('utf8').trim()}`);
  }
  body.headers = response.headers;
  response.on('data', (bytes: Buffer) => body.parser.feed(bytes));
  response.on('end', () => {
    body.ended = true;
  });
  response.on('error', () => undefined);
  response.on('close', () => {
    body.closed = true;
  });
  return body;
}

async function openWebSocket(url: string): Promise<Body> {
  const body = new Body();
  const socket = new WebSocket(url, { rejectUnauthorized: false });
  body.close = () => socket.terminate();
  socket.on('message', (data: Buffer) => body.parser.feed(data));
  await new Promise<void>((resolve, reject) => {
    socket.on('open', resolve);
    socket.on('error', reject);
  });
  socket.on('close', (code, reason) => {
    body.closed = true;
    body.ended = code !== 1006;
    body.closeCode = code;
    body.closeReason = reason.toString('utf8');
  });
  return body;
}
