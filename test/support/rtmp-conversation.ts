/**
 * The server's side of one RTMP connection without sockets, and a peer that speaks to it: what the session writes is
 * decoded again, so that tests read as conversations. Time stands still until a test moves it.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AccessRequest } from '../../src/access/admission.ts';
import { makeStreamKey, type StreamKey } from '../../src/media/stream-key.ts';
import type { ConnectRequest } from '../../src/protocol/rtmp/rtmp-connect.ts';
import type { RtmpServices } from '../../src/protocol/rtmp/rtmp-services.ts';
import { RtmpSession } from '../../src/protocol/rtmp/rtmp-session.ts';
import { RejectedError } from '../../src/util/errors.ts';
import { LogHub, type LogLine } from '../../src/util/log.ts';
import { AMF_DEFAULT_LIMITS, type AmfValue } from '../../src/wire/amf/amf-value.ts';
import { ChunkReader } from '../../src/wire/rtmp/chunk-reader.ts';
import { serializeMessage } from '../../src/wire/rtmp/chunk-writer.ts';
import { amfObject, type Command, parseCommand, serializeCommand } from '../../src/wire/rtmp/command.ts';
import { ClientHandshake } from '../../src/wire/rtmp/handshake.ts';
import { TestHub } from './test-hub.ts';

const RECORDS = JSON.parse(readFileSync('test/vectors/codec/records.json', 'utf8')) as {
  name: string;
  record: string;
}[];
const AVC_RECORD = Buffer.from(RECORDS.find((one) => one.name === 'h264-1080p60')!.record, 'hex');

export interface Received {
  readonly typeId: number;
  readonly streamId: number;
  readonly timestamp: number;
  readonly payload: Buffer;
}

/** What all conversations of a test share: hub, clock, log. */
export class RtmpWorld {
  readonly t: TestHub;
  readonly lines: LogLine[] = [];
  readonly faults: unknown[] = [];
  readonly requests: AccessRequest[] = [];
  readonly closed: RtmpSession[] = [];
  readonly services: RtmpServices;
  /** What admission does; tests replace it. */
  admit: (request: AccessRequest) => Promise<StreamKey> = async (request) =>
    makeStreamKey(request.app, request.stream);
  refusal = '';
  serverId = 'own-id';

  constructor(rules: ConstructorParameters<typeof TestHub>[0] = {}) {
    this.t = new TestHub(rules);
    const log = new LogHub('debug', (line) => this.lines.push(line));
    this.services = {
      hub: this.t.hub,
      log: log.logger(),
      limits: () => ({ maxMessageBytes: 1_000_000, maxChunkStreams: 64, handshakeMs: 10_000 }),
      amfLimits: () => AMF_DEFAULT_LIMITS,
      chunkSize: () => 60_000,
      windowAckBytes: () => 2_500_000,
      refusalOf: (_request: ConnectRequest) => this.refusal,
      checkLoop: (via) => {
        if (via.includes(this.serverId)) throw new RejectedError('loop', 'a forward leads back here');
      },
      admit: (request) => {
        this.requests.push(request);
        return this.admit(request);
      },
      publishTimes: () => ({ firstPacketMs: 20_000, idleMs: 10_000 }),
      playWaitMs: () => 10_000,
      nowUs: () => this.t.clock.nowUs(),
      onRole: () => undefined,
      onClosed: (session) => this.closed.push(session),
      onFault: (error) => this.faults.push(error),
    };
  }

  open(): RtmpPeer {
    return new RtmpPeer(this);
  }

  logged(event: string): LogLine[] {
    return this.lines.filter((line) => line.event === event);
  }

  /** Nothing of ours broke, nobody is left, every name is free. */
  assertClean(): void {
    assert.deepEqual(this.faults, []);
    assert.deepEqual(this.t.faults, []);
    for (const stream of this.t.hub.streams())
      assert.equal(this.t.hub.publisherOf(stream), null, stream.key.text);
    assert.equal(new Set(this.closed).size, this.closed.length, 'a session was closed twice');
  }
}

export class RtmpPeer {
  readonly world: RtmpWorld;
  readonly session: RtmpSession;
  readonly received: Received[] = [];
  outputClosed = false;
  full = false;
  private readonly handshake = new ClientHandshake({ randomBytes, nowMs: 0 });
  private readonly reader: ChunkReader;

  constructor(world: RtmpWorld) {
    this.world = world;
    this.reader = new ChunkReader({
      maxMessageBytes: 10_000_000,
      maxChunkStreams: 64,
      onMessage: ({ typeId, streamId, timestamp, payload }) =>
        this.received.push({ typeId, streamId, timestamp, payload: Buffer.from(payload) }),
    });
    const output = {
      write: (bytes: Uint8Array) => this.take(bytes),
      writable: () => !this.full,
      close: () => {
        this.outputClosed = true;
      },
    };
    this.session = new RtmpSession(world.services, output, '192.0.2.9:1234', false, world.t.clock.nowUs());
  }

  private take(bytes: Uint8Array): void {
    let rest = bytes;
    if (!this.handshake.done) rest = rest.subarray(this.handshake.receive(rest));
    if (rest.length > 0) this.reader.receive(rest);
  }

  receive(bytes: Uint8Array): void {
    this.session.receive(bytes, this.world.t.clock.nowUs());
  }

  shakeHands(): void {
    this.receive(this.handshake.output()!);
    this.receive(this.handshake.output()!);
  }

  send(typeId: number, streamId: number, payload: Uint8Array, timestamp = 0, chunkStreamId = 3): void {
    this.receive(serializeMessage(chunkStreamId, typeId, streamId, timestamp, payload, 128));
  }

  command(
    streamId: number,
    name: string,
    transactionId: number,
    object: Record<string, AmfValue> | null,
    ...args: AmfValue[]
  ): void {
    this.send(
      20,
      streamId,
      serializeCommand(name, transactionId, object === null ? null : amfObject(object), ...args),
    );
  }

  connect(app = 'live', extra: Record<string, AmfValue> = {}): void {
    this.shakeHands();
    this.command(0, 'connect', 1, { app, tcUrl: `rtmp://media.example/${app}`, flashVer: 'test', ...extra });
  }

  /** connect, createStream, publish; resolves when it was decided. */
  async publish(name = 'cam', app = 'live', extra: Record<string, AmfValue> = {}): Promise<void> {
    this.connect(app, extra);
    this.command(0, 'createStream', 2, null);
    this.command(1, 'publish', 3, null, name, 'live');
    await this.world.t.settle();
  }

  async play(name = 'cam', streamId = 1, extra: Record<string, AmfValue> = {}): Promise<void> {
    this.connect('live', extra);
    for (let id = 1; id <= streamId; id++) this.command(0, 'createStream', 1 + id, null);
    this.command(streamId, 'play', 9, null, name);
    await this.world.t.settle();
  }

  async video(ms: number, key: boolean, streamId = 1): Promise<void> {
    const head = key ? [0x17, 1, 0, 0, 0] : [0x27, 1, 0, 0, 0];
    this.send(9, streamId, Buffer.from([...head, 0, 0, 0, 4, key ? 0x65 : 0x41, 1, 2, ms & 255]), ms, 6);
    await this.world.t.settle();
  }

  async videoHeader(streamId = 1): Promise<void> {
    this.send(9, streamId, Buffer.concat([Buffer.from([0x17, 0, 0, 0, 0]), AVC_RECORD]), 0, 6);
    await this.world.t.settle();
  }

  async audio(ms: number, streamId = 1): Promise<void> {
    this.send(8, streamId, Buffer.from([0xaf, 1, 0x21, 0x10, ms & 255]), ms, 4);
    await this.world.t.settle();
  }

  async audioHeader(streamId = 1): Promise<void> {
    this.send(8, streamId, Buffer.from([0xaf, 0, 0x12, 0x10]), 0, 4);
    await this.world.t.settle();
  }

  commands(): Command[] {
    return this.received.filter((one) => one.typeId === 20).map((one) => parseCommand(20, one.payload));
  }

  /** Codes of all onStatus, _result and _error that carry one. */
  codes(): string[] {
    return this.commands().flatMap((command) => {
      const info = command.args[0] as { code?: string } | undefined | null;
      return typeof info === 'object' && info !== null && typeof info.code === 'string' ? [info.code] : [];
    });
  }

  /** The description beside a code. */
  description(code: string): string {
    for (const command of this.commands()) {
      const info = command.args[0] as { code?: string; description?: string } | null | undefined;
      if (info?.code === code) return info.description ?? '';
    }
    return '';
  }

  /** `type@time` of the media and data that came. */
  media(): string[] {
    const names: Record<number, string> = { 8: 'a', 9: 'v', 18: 'd' };
    return this.received
      .filter((one) => names[one.typeId] !== undefined)
      .map((one) => `${names[one.typeId]}@${one.timestamp}`);
  }
}
