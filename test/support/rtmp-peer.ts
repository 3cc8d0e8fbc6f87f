/**
 * An RTMP peer for tests: simple handshake, connect, publish or play, every message kept whole (RTMP 1.0 sections 5
 * and 7). Shares no code with the server.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  type AmfValue,
  MESSAGE_AUDIO,
  MESSAGE_COMMAND,
  MESSAGE_DATA,
  MESSAGE_SET_CHUNK_SIZE,
  MESSAGE_USER_CONTROL,
  MESSAGE_VIDEO,
  parseCommand,
  serializeCommand,
  serializeControl,
  serializeMessage,
} from '../load/rtmp-wire.ts';
import type { FlvTag } from './flv-tags.ts';
import { until } from './until.ts';

const HANDSHAKE_BYTES = 1536;
const CHUNK_SIZE = 60_000;

export interface RtmpStatus {
  readonly name: string;
  readonly transaction: number;
  readonly code: string;
  readonly description: string;
}

interface ChunkStream {
  length: number;
  type: number;
  timestamp: number;
  delta: number;
  extended: boolean;
  parts: Buffer[];
  received: number;
}

export interface RtmpPeerOptions {
  readonly port: number;
  readonly tls?: boolean;
  readonly app?: string;
  /** As it stands in tcUrl. */
  readonly host?: string;
  /** Local address to connect from. */
  readonly localAddress?: string;
  /** More members of the connect object. */
  readonly connect?: Readonly<Record<string, AmfValue>>;
}

export class RtmpPeer {
  readonly socket: Socket;
  readonly tags: FlvTag[] = [];
  readonly statuses: RtmpStatus[] = [];
  /** User control events with their value. */
  readonly events: { readonly event: number; readonly value: number }[] = [];
  closed = false;
  private rest: Buffer = Buffer.alloc(0);
  private handshaken = false;
  private readonly chunkStreams = new Map<number, ChunkStream>();
  private peerChunkSize = 128;
  private streamId = 0;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => this.receive(bytes));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
    });
  }

  /** Connects and waits for the answer to connect; rejects with the server's description when it refuses. */
  static async open(options: RtmpPeerOptions): Promise<RtmpPeer> {
    const { port, tls = false, app = 'live', host = '127.0.0.1', localAddress } = options;
    const target = { port, host: '127.0.0.1', ...(localAddress === undefined ? {} : { localAddress }) };
    const socket = tls ? connectTls({ ...target, rejectUnauthorized: false }) : connect(target);
    const peer = new RtmpPeer(socket);
    socket.write(Buffer.concat([Buffer.of(3), Buffer.alloc(8), randomBytes(HANDSHAKE_BYTES - 8)]));
    await until('the RTMP handshake', () => peer.handshaken || peer.closed);
    peer.socket.write(serializeControl(MESSAGE_SET_CHUNK_SIZE, CHUNK_SIZE));
    const tcUrl = `rtmp${tls ? 's' : ''}://${host}:${port}/${app}`;
    peer.command(0, 'connect', 1, { app, flashVer: 'test', tcUrl, ...options.connect });
    const answer = await peer.answer(1);
    if (answer.name !== '_result') throw new Error(`${answer.code}: ${answer.description}`);
    return peer;
  }

  private command(streamId: number, ...values: readonly AmfValue[]): void {
    this.socket.write(serializeCommand(3, streamId, CHUNK_SIZE, ...values));
  }

  private async answer(transaction: number): Promise<RtmpStatus> {
    const find = () =>
      this.statuses.find((one) => one.transaction === transaction && one.name.startsWith('_'));
    await until(`the answer to command ${transaction}`, () => find() !== undefined || this.closed);
    return (
      find() ?? {
        name: 'closed',
        transaction,
        code: 'closed',
        description: 'the server closed the connection',
      }
    );
  }

  private async begin(command: string, name: string, extra: readonly AmfValue[]): Promise<void> {
    this.command(0, 'createStream', 2, null);
    await this.answer(2);
    this.streamId = 1;
    this.command(1, command, 0, null, name, ...extra);
    const done = () => this.statuses.find((one) => one.name === 'onStatus' && !one.code.endsWith('.Reset'));
    await until(`the answer to ${command}`, () => done() !== undefined || this.closed);
    const { code, description } = done() ?? { code: 'closed', description: '' };
    if (!code.endsWith('.Start')) throw new Error(`${code}: ${description}`);
  }

  /** Rejects with `NetStream.Publish.BadName: why` and the like. */
  async publish(name: string): Promise<void> {
    await this.begin('publish', name, ['live']);
  }

  async play(name: string): Promise<void> {
    await this.begin('play', name, []);
  }

  /** Says that the stream is over, as encoders do. */
  unpublish(name: string): void {
    this.command(0, 'FCUnpublish', 6, null, name);
    this.command(0, 'deleteStream', 7, null, this.streamId);
  }

  /** One media message, made of a tag. */
  send(tag: FlvTag): void {
    const chunkStream = tag.type === MESSAGE_VIDEO ? 6 : 4;
    this.socket.write(
      serializeMessage(chunkStream, tag.type, this.streamId, tag.timestamp, tag.payload, CHUNK_SIZE),
    );
  }

  has(code: string): boolean {
    return this.statuses.some((one) => one.code === code);
  }

  close(): void {
    this.socket.destroy();
  }

  private receive(bytes: Buffer): void {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    if (!this.handshaken) {
      if (this.rest.length < 1 + 2 * HANDSHAKE_BYTES) return;
      this.socket.write(this.rest.subarray(1, 1 + HANDSHAKE_BYTES));
      this.rest = this.rest.subarray(1 + 2 * HANDSHAKE_BYTES);
      this.handshaken = true;
    }
    for (;;) {
      const used = this.chunk();
      if (used === 0) return;
      this.rest = this.rest.subarray(used);
    }
  }

  /** Reads one chunk; 0 when it is not complete. */
  private chunk(): number {
    const { rest } = this;
    if (rest.length < 1) return 0;
    const format = rest[0]! >> 6;
    const short = rest[0]! & 63;
    let at = short === 0 ? 2 : short === 1 ? 3 : 1;
    const head = [11, 7, 3, 0][format]!;
    if (rest.length < at + head + 4 && rest.length < at + head) return 0;
    const id = at === 1 ? short : at === 2 ? rest[1]! + 64 : rest.readUInt16LE(1) + 64;
    const before = this.chunkStreams.get(id);
    const stream = before ?? {
      length: 0,
      type: 0,
      timestamp: 0,
      delta: 0,
      extended: false,
      parts: [],
      received: 0,
    };
    let field = format < 3 ? rest.readUIntBE(at, 3) : 0;
    const extended = format < 3 ? field === 0xffffff : stream.extended;
    const length = format < 2 ? rest.readUIntBE(at + 3, 3) : stream.length;
    const type = format < 2 ? rest[at + 6]! : stream.type;
    at += head;
    if (extended) {
      if (rest.length < at + 4) return 0;
      field = rest.readUInt32BE(at);
      at += 4;
    }
    const size = Math.min(this.peerChunkSize, length - stream.received);
    if (rest.length < at + size) return 0;
    if (stream.received === 0) {
      if (format === 0) stream.timestamp = field;
      else {
        if (format < 3) stream.delta = field;
        stream.timestamp += stream.delta;
      }
    }
    stream.length = length;
    stream.type = type;
    stream.extended = extended;
    stream.parts.push(Buffer.from(rest.subarray(at, at + size)));
    stream.received += size;
    this.chunkStreams.set(id, stream);
    if (stream.received === length) {
      const payload = Buffer.concat(stream.parts);
      stream.parts = [];
      stream.received = 0;
      this.message(type, stream.timestamp, payload);
    }
    return at + size;
  }

  private message(type: number, timestamp: number, payload: Buffer): void {
    if (type === MESSAGE_SET_CHUNK_SIZE) this.peerChunkSize = payload.readUInt32BE(0);
    else if (type === MESSAGE_USER_CONTROL && payload.length >= 6) {
      this.events.push({ event: payload.readUInt16BE(0), value: payload.readUInt32BE(2) });
    } else if (type === MESSAGE_AUDIO || type === MESSAGE_VIDEO || type === MESSAGE_DATA) {
      this.tags.push({ type, timestamp, payload });
    } else if (type === MESSAGE_COMMAND) {
      const command = parseCommand(payload);
      if (command === undefined) return;
      const { name, transaction, code } = command;
      this.statuses.push({ name, transaction, code, description: textMember(payload, 'description') });
    }
  }
}

/** Value of the first text member of that name in AMF0 bytes, '' without one. */
function textMember(bytes: Buffer, name: string): string {
  const key = Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), Buffer.of(2)]);
  const at = bytes.indexOf(key);
  if (at < 0) return '';
  const from = at + key.length + 2;
  return bytes.toString('utf8', from, from + bytes.readUInt16BE(from - 2));
}
