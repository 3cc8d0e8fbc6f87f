/**
 * A conversation with an RTMP session without sockets: the peer's commands go in as chunks, what the session writes
 * is read back as messages. Time moves by hand; admission is what the test says.
 */
import assert from 'node:assert/strict';
import type { Output } from '../../src/client/rtmp/rtmp-connection.ts';
import type { StreamKey } from '../../src/media/stream-key.ts';
import type { ConnectRequest } from '../../src/protocol/rtmp/rtmp-connect.ts';
import type { RtmpServices } from '../../src/protocol/rtmp/rtmp-services.ts';
import { RtmpSession } from '../../src/protocol/rtmp/rtmp-session.ts';
import { type AmfValue, isAmfObject } from '../../src/wire/amf/amf-value.ts';
import { ChunkReader } from '../../src/wire/rtmp/chunk-reader.ts';
import { serializeMessage } from '../../src/wire/rtmp/chunk-writer.ts';
import { amfObject, parseCommand, serializeCommand } from '../../src/wire/rtmp/command.ts';
import { SessionPeer, SessionWorld } from './session-world.ts';

const HANDSHAKE_BYTES = 3073;
const NAMES: Readonly<Record<number, string>> = {
  3: 'ack',
  4: 'user',
  5: 'window',
  6: 'bandwidth',
  8: 'audio',
  9: 'video',
  18: 'data',
};

/** What the server around the sessions is in these tests. */
export class TestServices extends SessionWorld<RtmpSession> implements RtmpServices {
  readonly roles: string[] = [];
  refusal = '';
  times = { firstPacketMs: 5000, idleMs: 8000 };
  sentChunkSize = 4096;
  maxMessageBytes = 200_000;

  limits = () => ({ maxMessageBytes: this.maxMessageBytes, maxChunkStreams: 16, handshakeMs: 10_000 });
  amfLimits = () => ({ maxDepth: 16, maxValues: 1000 });
  chunkSize = () => this.sentChunkSize;
  windowAckBytes = () => 100_000;
  refusalOf = (_request: ConnectRequest) => this.refusal;
  publishTimes = (_key: StreamKey, _host: string) => this.times;
  playWaitMs = () => 10_000;
  onRole = (session: RtmpSession) => {
    this.roles.push(session.role);
  };
}

export interface Said {
  readonly typeId: number;
  readonly streamId: number;
  readonly timestamp: number;
  readonly payload: Buffer;
}

export class Conversation extends SessionPeer<RtmpSession, TestServices> implements Output {
  readonly session: RtmpSession;
  /** Everything the session wrote behind the handshake, oldest first. */
  readonly said: Said[] = [];
  /** Of what this side sends. */
  chunkSize = 128;
  private handshakeLeft = HANDSHAKE_BYTES;
  private readonly reader: ChunkReader;
  private transaction = 1;
  private taken = 0;

  constructor(services = new TestServices()) {
    super(services);
    this.reader = new ChunkReader({
      maxMessageBytes: 1_000_000,
      maxChunkStreams: 64,
      onMessage: (m) =>
        this.said.push({
          typeId: m.typeId,
          streamId: m.streamId,
          timestamp: m.timestamp,
          payload: Buffer.from(m.payload),
        }),
    });
    this.session = new RtmpSession(services, this, '192.0.2.7:4711', false, services.nowUs());
  }

  protected override read(bytes: Uint8Array): void {
    const skipped = Math.min(this.handshakeLeft, bytes.length);
    this.handshakeLeft -= skipped;
    if (bytes.length > skipped) this.reader.receive(bytes.subarray(skipped));
  }

  // What the peer does

  handshake(): this {
    const hello = Buffer.alloc(HANDSHAKE_BYTES);
    hello[0] = 3;
    return this.raw(hello);
  }

  send(typeId: number, streamId: number, payload: Uint8Array, timestamp = 0, chunkStreamId = 4): this {
    return this.raw(serializeMessage(chunkStreamId, typeId, streamId, timestamp, payload, this.chunkSize));
  }

  setChunkSize(size: number): this {
    const payload = Buffer.alloc(4);
    payload.writeUInt32BE(size);
    this.send(1, 0, payload, 0, 2);
    this.chunkSize = size;
    return this;
  }

  command(streamId: number, name: string, ...args: AmfValue[]): this {
    return this.send(20, streamId, serializeCommand(name, ++this.transaction, null, ...args), 0, 3);
  }

  connect(fields: Readonly<Record<string, AmfValue>> = {}): this {
    const object = amfObject({ app: 'live', tcUrl: 'rtmp://host.test/live', flashVer: 'test', ...fields });
    return this.send(20, 0, serializeCommand('connect', 1, object), 0, 3);
  }

  open(fields: Readonly<Record<string, AmfValue>> = {}): this {
    return this.handshake().connect(fields);
  }

  async publish(name: string, streamId = 1): Promise<this> {
    this.command(streamId, 'publish', name, 'live');
    await this.settle();
    return this;
  }

  async play(name: string, streamId = 1): Promise<this> {
    this.command(streamId, 'play', name, -2);
    await this.settle();
    return this;
  }

  // What the session said

  /** Lines since the last call: `name stream code` of commands, `type stream value` of the rest, without media. */
  heard(): string[] {
    const fresh = this.said.slice(this.taken);
    this.taken = this.said.length;
    return fresh.filter((m) => m.typeId !== 8 && m.typeId !== 9).map(line);
  }

  /** Sentence of the last status that was told. */
  sentence(): string {
    const last = this.said.findLast((m) => m.typeId === 20);
    assert.ok(last, 'nothing was said');
    const info = parseCommand(20, last.payload).args.at(-1);
    return isAmfObject(info) ? String(info['description']) : '';
  }

  media(typeId: number, streamId = 1): Said[] {
    return this.said.filter((m) => m.typeId === typeId && m.streamId === streamId);
  }
}

function line(message: Said): string {
  const { typeId, streamId, payload } = message;
  if (typeId === 20) {
    const { name, args } = parseCommand(20, payload);
    const last = args.at(-1);
    const value = isAmfObject(last) ? String(last['code']) : last === undefined ? '' : String(last);
    return `${name} ${streamId} ${value}`.trim();
  }
  const name = NAMES[typeId] ?? `type ${typeId}`;
  if (typeId === 4) return `${name} ${payload.readUInt16BE(0)} ${payload.readUInt32BE(2)}`;
  if (typeId === 18) return `${name} ${streamId} ${String(payload.subarray(3, 3 + payload[2]!))}`;
  return `${name} ${payload.readUInt32BE(0)}`;
}
