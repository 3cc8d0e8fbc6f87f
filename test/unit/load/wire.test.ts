import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FlvReader, HttpResponseReader, WebSocketReader } from '../../load/flv-wire.ts';
import {
  ChunkReader,
  MESSAGE_COMMAND,
  MESSAGE_VIDEO,
  parseCommand,
  serializeAmf,
  serializeCommand,
  serializeControl,
  serializeMessage,
} from '../../load/rtmp-wire.ts';

interface Sink {
  feed(bytes: Buffer, from: number, to: number): void;
}

/** Feeds whole, byte by byte and in pieces of changing size; each must give the same. */
function splits(bytes: Buffer): ((sink: Sink) => void)[] {
  const inPieces = (sizes: readonly number[]) => (sink: Sink) => {
    let at = 0;
    for (let i = 0; at < bytes.length; i += 1) {
      const to = Math.min(bytes.length, at + sizes[i % sizes.length]!);
      sink.feed(bytes, at, to);
      at = to;
    }
  };
  return [inPieces([bytes.length]), inPieces([1]), inPieces([7, 1, 130, 2, 64]), inPieces([129, 3])];
}

function tag(type: number, data: Buffer): Buffer {
  const header = Buffer.alloc(11);
  header[0] = type;
  header.writeUIntBE(data.length, 1, 3);
  const size = Buffer.alloc(4);
  size.writeUInt32BE(11 + data.length);
  return Buffer.concat([header, data, size]);
}

const flv = Buffer.concat([
  Buffer.from('464c5601050000000900000000', 'hex'),
  tag(9, Buffer.alloc(700, 1)),
  tag(8, Buffer.of(0xaf, 1, 2)),
  tag(18, Buffer.alloc(0)),
]);
const flvTags = [
  [9, 700, 256],
  [8, 3, 3],
  [18, 0, 0],
];

function expectTags(bytes: Buffer, wrap: (reader: FlvReader) => Sink): void {
  for (const feed of splits(bytes)) {
    const seen: number[][] = [];
    feed(wrap(new FlvReader((type, length, head) => seen.push([type, length, head.length]))));
    assert.deepEqual(seen, flvTags);
  }
}

test('messages of one and of many chunks come out of the chunk reader, however the bytes are cut', () => {
  const big = Buffer.alloc(5000, 0x33);
  const bytes = Buffer.concat([
    serializeMessage(6, MESSAGE_VIDEO, 1, 40, big, 128),
    serializeControl(1, 4096),
    serializeMessage(6, MESSAGE_VIDEO, 1, 0x1000000, big, 4096),
    serializeMessage(4, 8, 1, 40, Buffer.of(0xaf, 1), 4096),
  ]);
  for (const feed of splits(bytes)) {
    const seen: number[][] = [];
    feed(new ChunkReader((type, length, head) => seen.push([type, length, head.length])));
    assert.deepEqual(seen, [
      [9, 5000, 1024],
      [1, 4, 4],
      [9, 5000, 1024],
      [8, 2, 2],
    ]);
  }
});

test('chunks of two streams may alternate and later headers may be short', () => {
  const bytes = Buffer.concat([
    Buffer.from('06 000000 000084 09 01000000'.replaceAll(' ', ''), 'hex'),
    Buffer.alloc(128, 0xaa),
    Buffer.from('04 000000 000002 08 01000000 af01'.replaceAll(' ', ''), 'hex'),
    Buffer.from('c6', 'hex'),
    Buffer.alloc(4, 0xbb),
    Buffer.from('44 000017 000001 08 cc'.replaceAll(' ', ''), 'hex'),
    Buffer.from('84 000017 dd'.replaceAll(' ', ''), 'hex'),
    Buffer.from('c4 ee'.replaceAll(' ', ''), 'hex'),
    Buffer.from('00 06 000000 000001 09 01000000 11'.replaceAll(' ', ''), 'hex'),
  ]);
  for (const feed of splits(bytes)) {
    const seen: string[] = [];
    feed(
      new ChunkReader((type, length, head) =>
        seen.push(`${type}:${length}:${head.subarray(-1).toString('hex')}`),
      ),
    );
    assert.deepEqual(seen, ['8:2:01', '9:132:bb', '8:1:cc', '8:1:dd', '8:1:ee', '9:1:11']);
  }
});

test('a chunk stream that begins with a type 3 header is refused', () => {
  assert.throws(() => new ChunkReader(() => undefined).feed(Buffer.of(0xc5), 0, 1), /type 3/);
});

test('commands carry name, transaction, stream id and status code', () => {
  const golden = Buffer.from(
    '0200075f726573756c740040000000000000000500 3ff0000000000000'.replace(' ', ''),
    'hex',
  );
  assert.deepEqual(serializeAmf(['_result', 2, null, 1]), golden);
  assert.deepEqual(parseCommand(golden), { name: '_result', transaction: 2, number: 1, code: '' });
  const status = { level: 'status', code: 'NetStream.Publish.Start', clientid: 1, ok: true };
  assert.equal(parseCommand(serializeAmf(['onStatus', 0, null, status]))?.code, 'NetStream.Publish.Start');
  assert.equal(parseCommand(Buffer.from('0102030405060708090a0b0c0d', 'hex')), undefined);
  const [name] = [serializeCommand(3, 0, 128, 'connect', 1, { app: 'live' })];
  assert.equal(name.subarray(0, 12).toString('hex'), '030000000000'.concat('23', '14', '00000000'));
  assert.equal(name[7], MESSAGE_COMMAND);
});

test('FLV tags come out of a plain, a chunked and a WebSocket reply', () => {
  expectTags(flv, (reader) => reader);
  const head = 'HTTP/1.1 200 OK\r\nContent-Type: video/x-flv\r\n';
  const plain = Buffer.concat([Buffer.from(`${head}\r\n`), flv]);
  expectTags(plain, (reader) => new HttpResponseReader(200, reader));

  const cuts = [13, 300, flv.length - 313];
  const parts = [Buffer.from(`${head}Transfer-Encoding: chunked\r\n\r\n`)];
  let at = 0;
  for (const cut of cuts) {
    parts.push(Buffer.from(`${cut.toString(16)}\r\n`), flv.subarray(at, at + cut), Buffer.from('\r\n'));
    at += cut;
  }
  expectTags(Buffer.concat(parts), (reader) => new HttpResponseReader(200, reader));

  const frames = [Buffer.from('HTTP/1.1 101 Switching Protocols\r\n\r\n')];
  frames.push(Buffer.of(0x82, 13), flv.subarray(0, 13), Buffer.of(0x89, 2, 1, 2));
  const rest = flv.subarray(13);
  frames.push(Buffer.of(0x82, 126, rest.length >> 8, rest.length & 0xff), rest);
  expectTags(Buffer.concat(frames), (reader) => new HttpResponseReader(101, new WebSocketReader(reader)));
});

test('an HTTP error status and a body that is no FLV end the player', () => {
  const feed = (text: string) => {
    const bytes = Buffer.from(text);
    new HttpResponseReader(200, new FlvReader(() => undefined)).feed(bytes, 0, bytes.length);
  };
  assert.throws(() => feed('HTTP/1.1 404 Not Found\r\n\r\n'), /HTTP status 404/);
  assert.throws(() => feed('HTTP/1.1 200 OK\r\n\r\n<!doctype html>'), /FLV/);
});
