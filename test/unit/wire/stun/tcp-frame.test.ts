import assert from 'node:assert/strict';
import { it } from 'node:test';
import { frameForTcp, TcpFrameReader, writeTcpFrameLength } from '../../../../src/wire/stun/tcp-frame.ts';
import { seededRandom } from '../../../support/srt-model.ts';

const PACKETS = [1, 20, 0, 1200, 2, 8192, 257].map((length, i) => Buffer.alloc(length, i + 1));
const STREAM = Buffer.concat(PACKETS.map(frameForTcp));
/** Empty packets say nothing. */
const HANDED_OUT = PACKETS.filter(({ length }) => length > 0);

function feed(pieces: Iterable<Buffer>): Buffer[] {
  const got: Buffer[] = [];
  const reader = new TcpFrameReader((packet) => got.push(Buffer.from(packet)));
  for (const piece of pieces) reader.push(piece);
  return got;
}

it('reads the same packets whole, byte by byte and in random pieces', () => {
  assert.deepEqual(feed([STREAM]), HANDED_OUT);
  assert.deepEqual(feed(Array.from(STREAM, (byte) => Buffer.from([byte]))), HANDED_OUT);
  const random = seededRandom(7);
  for (let round = 0; round < 50; round++) {
    const pieces: Buffer[] = [];
    for (let at = 0; at < STREAM.length; ) {
      const end = at + Math.floor(random() * 900);
      pieces.push(STREAM.subarray(at, end));
      at = end;
    }
    assert.deepEqual(feed(pieces), HANDED_OUT);
  }
});

it('hands out views of a chunk that has whole packets', () => {
  const chunk = frameForTcp(Buffer.from('abc'));
  let view: Uint8Array | undefined;
  new TcpFrameReader((packet) => {
    view = packet;
  }).push(chunk);
  assert.equal(view?.buffer, chunk.buffer);
  assert.equal(view?.byteOffset, chunk.byteOffset + 2);
});

it('refuses a packet beyond the limit as soon as its length is there', () => {
  const got: number[] = [];
  const reader = new TcpFrameReader((packet) => got.push(packet.length), 100);
  reader.push(frameForTcp(Buffer.alloc(100)));
  assert.throws(() => reader.push(Buffer.from([0, 101])), { code: 'ice-tcp.packet-too-long' });
  assert.deepEqual(got, [100]);
});

it('writes a length into memory that is there', () => {
  const bytes = Buffer.alloc(4);
  writeTcpFrameLength(bytes, 1, 0x1234);
  assert.deepEqual(bytes, Buffer.from([0, 0x12, 0x34, 0]));
});
