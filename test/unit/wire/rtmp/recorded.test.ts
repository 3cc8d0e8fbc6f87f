import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isAmfObject } from '../../../../src/wire/amf/amf-value.ts';
import { ChunkReader } from '../../../../src/wire/rtmp/chunk-reader.ts';
import { parseCommand, parseConnect, parseData } from '../../../../src/wire/rtmp/command.ts';
import { ClientHandshake, ServerHandshake } from '../../../../src/wire/rtmp/handshake.ts';
import { parseStreamAddress } from '../../../../src/wire/rtmp/rtmp-url.ts';
import { feedings } from './chunk-bytes.ts';

interface Expected {
  readonly payloadSha256: string;
  readonly messages: readonly (readonly number[])[];
}

const FOLDER = new URL('../../../vectors/rtmp/', import.meta.url);
const expected = JSON.parse(readFileSync(new URL('expected.json', FOLDER), 'utf8')) as Record<
  string,
  Expected
>;
const load = (name: string) => readFileSync(new URL(`${name}.bin`, FOLDER));
const options = { randomBytes: (count: number) => Buffer.alloc(count, 7), nowMs: 1000 };

interface Recorded {
  readonly typeId: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

function messagesOf(name: string): Recorded[] {
  const messages: Recorded[] = [];
  const reader = new ChunkReader({
    maxMessageBytes: 1_000_000,
    maxChunkStreams: 8,
    onMessage: (m) =>
      messages.push({ typeId: m.typeId, streamId: m.streamId, payload: Buffer.from(m.payload) }),
  });
  reader.receive(load(name).subarray(3073));
  return messages;
}

const commandsOf = (name: string) =>
  messagesOf(name)
    .filter((m) => m.typeId === 20)
    .map((m) => parseCommand(m.typeId, m.payload));

test('the table of recordings is complete', () => assert.equal(Object.keys(expected).length, 13));

for (const [name, { messages, payloadSha256 }] of Object.entries(expected)) {
  for (const [how, pieces] of feedings(load(name), 5)) {
    test(`recorded ${name}, ${how}`, () => {
      const handshake: ServerHandshake | ClientHandshake = name.endsWith('c2s')
        ? new ServerHandshake(options)
        : new ClientHandshake(options);
      const seen: number[][] = [];
      const hash = createHash('sha256');
      const reader = new ChunkReader({
        maxMessageBytes: 1_000_000,
        maxChunkStreams: 8,
        onMessage: (message) => {
          seen.push([message.typeId, message.streamId, message.timestamp, message.payload.length]);
          hash.update(message.payload);
        },
      });
      for (const piece of pieces) {
        const used = handshake.done ? 0 : handshake.receive(piece);
        if (handshake.done && used < piece.length) reader.receive(piece.subarray(used));
      }
      assert.deepEqual(seen, messages);
      assert.equal(hash.digest('hex'), payloadSha256);
    });
  }
}

for (const [name, kind] of [
  ['rtmp-pub-obs29', 'simple'],
  ['rtmp-pub-gst-rtmp2sink', 'simple'],
  ['rtmp-pub-librtmp-exttime-late', 'simple'],
  ['rtmp-pub-ffmpeg51-h264-aac', 'digest0'],
  ['rtmp-pub-ffmpeg81-av1-opus', 'digest0'],
  ['rtmp-play-rtmpdump-digest', 'digest0'],
] as const) {
  test(`recorded handshake of ${name} is ${kind}`, () => {
    const handshake = new ServerHandshake(options);
    handshake.receive(load(`${name}.c2s`));
    assert.equal(handshake.kind, kind);
  });
}

test('recorded handshake of SRS is seen as digest by the client', () => {
  const handshake = new ClientHandshake(options);
  assert.equal(handshake.receive(load('rtmp-play-rtmpdump-digest.s2c')), 3073);
  assert.equal(handshake.kind, 'digest0');
});

for (const [name, app, stream, query] of [
  ['rtmp-pub-obs29', 'live', 'obs', ''],
  ['rtmp-pub-ffmpeg51-h264-aac', 'live', 'cam', ''],
  ['rtmp-pub-gst-rtmp2sink', 'live', 'gst', ''],
  ['rtmp-pub-ffmpeg81-vp9-opus', 'live', 'vp9', ''],
] as const) {
  test(`recorded commands of ${name} name the stream`, () => {
    const commands = commandsOf(`${name}.c2s`);
    assert.equal(commands[0]!.name, 'connect');
    assert.equal(commands[0]!.transactionId, 1);
    const connect = parseConnect(commands[0]!);
    const publish = commands.find((command) => command.name === 'publish')!;
    assert.equal(publish.object, null);
    const address = parseStreamAddress(connect.tcUrl, connect.app, String(publish.args[0]));
    assert.deepEqual([address.app, address.stream, address.query], [app, stream, query]);
    assert.equal(address.host, '127.0.0.1');
  });
}

test('recorded: GStreamer sends transaction id 0, OBS counts', () => {
  const ids = (name: string) => commandsOf(name).map((command) => [command.name, command.transactionId]);
  assert.deepEqual(ids('rtmp-pub-gst-rtmp2sink.c2s'), [
    ['connect', 1],
    ['releaseStream', 0],
    ['FCPublish', 0],
    ['createStream', 2],
    ['publish', 0],
  ]);
  assert.deepEqual(ids('rtmp-pub-obs29.c2s').slice(0, 4), [
    ['connect', 1],
    ['releaseStream', 2],
    ['FCPublish', 3],
    ['createStream', 4],
  ]);
});

test('recorded: metadata of ffmpeg, GStreamer and OBS', () => {
  for (const name of ['rtmp-pub-ffmpeg51-h264-aac.c2s', 'rtmp-pub-gst-rtmp2sink.c2s', 'rtmp-pub-obs29.c2s']) {
    const message = messagesOf(name).find((m) => m.typeId === 18)!;
    const data = parseData(message.typeId, message.payload);
    assert.equal(data.name, 'onMetaData');
    assert.equal(data.isDataFrame, true);
    const fields = data.values[0];
    assert.ok(isAmfObject(fields));
    assert.equal(fields['videocodecid'], 7, name);
  }
});
