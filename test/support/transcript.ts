/**
 * A conversation with an RTMP session without sockets: the peer's commands go in as chunks, what the session writes
 * is read back as messages. Time moves by hand; admission is what the test says.
 */
import assert from 'node:assert/strict';
import type { AccessRequest } from '../../src/access/admission.ts';
import type { Output } from '../../src/client/rtmp/rtmp-connection.ts';
import type { StreamRules } from '../../src/media/stream-hub.ts';
import { makeStreamKey, type StreamKey } from '../../src/media/stream-key.ts';
import type { ConnectRequest } from '../../src/protocol/rtmp/rtmp-connect.ts';
import type { RtmpServices } from '../../src/protocol/rtmp/rtmp-services.ts';
import { RtmpSession } from '../../src/protocol/rtmp/rtmp-session.ts';
import { RejectedError } from '../../src/util/errors.ts';
import { LogHub, type LogLine } from '../../src/util/log.ts';
import { type AmfValue, isAmfObject } from '../../src/wire/amf/amf-value.ts';
import { ChunkReader } from '../../src/wire/rtmp/chunk-reader.ts';
import { serializeMessage } from '../../src/wire/rtmp/chunk-writer.ts';
import { amfObject, parseCommand, serializeCommand } from '../../src/wire/rtmp/command.ts';
import { TestHub } from './test-hub.ts';

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
export class TestServices implements RtmpServices {
  readonly hub;
  readonly log;
  readonly world: TestHub;
  readonly lines: LogLine[] = [];
  readonly faults: unknown[] = [];
  readonly requests: AccessRequest[] = [];
  readonly closings: RtmpSession[] = [];
  readonly roles: string[] = [];
  readonly serverId = 'me';
  refusal = '';
  times = { firstPacketMs: 5000, idleMs: 8000 };
  sentChunkSize = 4096;
  maxMessageBytes = 200_000;
  admitAs: (request: AccessRequest) => Promise<StreamKey> = async ({ app, stream }) =>
    makeStreamKey(app, stream);

  constructor(rules: Partial<StreamRules> = {}) {
    this.world = new TestHub(rules);
    this.hub = this.world.hub;
    this.log = new LogHub('debug', (line) => this.lines.push(line)).logger();
  }

  limits = () => ({ maxMessageBytes: this.maxMessageBytes, maxChunkStreams: 16, handshakeMs: 10_000 });
  amfLimits = () => ({ maxDepth: 16, maxValues: 1000 });
  chunkSize = () => this.sentChunkSize;
  windowAckBytes = () => 100_000;
  refusalOf = (_request: ConnectRequest) => this.refusal;
  checkLoop = (via: readonly string[]) => {
    if (via.includes(this.serverId)) throw new RejectedError('loop', 'It came through here already.');
  };
  admit = (request: AccessRequest) => {
    this.requests.push(request);
    return this.admitAs(request);
  };
  publishTimes = (_key: StreamKey, _host: string) => this.times;
  playWaitMs = () => 10_000;
  nowUs = () => this.world.clock.us;
  onRole = (session: RtmpSession) => {
    this.roles.push(session.role);
  };
  onClosed = (session: RtmpSession) => {
    this.closings.push(session);
  };
  onFault = (error: unknown) => {
    this.faults.push(error);
  };

  logged(event: string): LogLine[] {
    return this.lines.filter((line) => line.event === event);
  }

  /** Nobody holds the name: another can publish it at once. */
  assertFree(app: string, name: string): void {
    const publication = this.hub.publish(makeStreamKey(app, name), this.world.owner('probe'));
    publication.end('the probe is over');
  }
}

export interface Said {
  readonly typeId: number;
  readonly streamId: number;
  readonly timestamp: number;
  readonly payload: Buffer;
}

export class Conversation implements Output {
  readonly services: TestServices;
  readonly session: RtmpSession;
  /** Everything the session wrote behind the handshake, oldest first. */
  readonly said: Said[] = [];
  taking = true;
  closes = 0;
  writesAfterClose = 0;
  bytesOut = 0;
  /** Of what this side sends. */
  chunkSize = 128;
  private handshakeLeft = HANDSHAKE_BYTES;
  private readonly reader: ChunkReader;
  private transaction = 1;
  private taken = 0;

  constructor(services = new TestServices()) {
    this.services = services;
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

  // Output

  write(bytes: Uint8Array): void {
    if (this.closes > 0) this.writesAfterClose++;
    this.bytesOut += bytes.length;
    const skipped = Math.min(this.handshakeLeft, bytes.length);
    this.handshakeLeft -= skipped;
    if (bytes.length > skipped) this.reader.receive(bytes.subarray(skipped));
  }

  writable(): boolean {
    return this.taking;
  }

  close(): void {
    this.closes++;
  }

  // What the peer does

  raw(bytes: Uint8Array): this {
    this.session.receive(bytes, this.services.nowUs());
    return this;
  }

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

  async settle(): Promise<void> {
    await this.services.world.settle();
  }

  /** Moves time in steps of a second, as the server's tick does. */
  async pass(seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      this.services.world.advanceMs(1000);
      this.session.tick(this.services.nowUs());
      await this.settle();
    }
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

  /** The session is over, told so once, and holds nothing. */
  assertClosed(): void {
    const { session, services } = this;
    assert.equal(session.closed, true, 'the session is open');
    assert.equal(services.closings.filter((one) => one === session).length, 1, 'onClosed');
    assert.equal(session.heldMessages, 0, 'a backlog is left');
    const before = this.bytesOut;
    this.raw(Buffer.alloc(500, 3));
    session.tick(services.nowUs());
    session.close('again');
    session.finish('and again');
    session.kick('and again');
    assert.equal(this.bytesOut, before, 'it answered after its end');
    assert.equal(this.writesAfterClose, 0, 'it wrote after its end');
    assert.ok(this.closes <= 1, 'the connection was closed more than once');
    assert.equal(services.closings.filter((one) => one === session).length, 1, 'onClosed again');
    assert.deepEqual(services.faults, []);
    assert.deepEqual(services.world.faults, []);
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
