import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { InvariantError } from '../../../../src/util/errors.ts';
import { chunkedLength, serializeMessage, writeChunked } from '../../../../src/wire/rtmp/chunk-writer.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('chunk writer: golden bytes of one chunk', () => {
  const bytes = serializeMessage(4, 9, 0x04030201, 0x010203, Buffer.from('aabb', 'hex'), 128);
  assert.equal(hex(bytes), '0401020300000209' + '01020304' + 'aabb');
});

test('chunk writer: golden bytes of three chunks, with the extended timestamp in each', () => {
  const bytes = serializeMessage(6, 8, 1, 0x01000000, Buffer.from('0102030405', 'hex'), 2);
  assert.equal(
    hex(bytes),
    '06ffffff00000508' + '01000000' + '01000000' + '0102' + 'c601000000' + '0304' + 'c601000000' + '05',
  );
});

test('chunk writer: 0xfffffe is the last time without extension, 0xffffff has one', () => {
  assert.equal(hex(serializeMessage(3, 20, 0, 0xfffffe, Buffer.alloc(0), 128)), '03fffffe0000001400000000');
  assert.equal(
    hex(serializeMessage(3, 20, 0, 0xffffff, Buffer.alloc(0), 128)),
    '03ffffff000000140000000000ffffff',
  );
  assert.equal(hex(serializeMessage(3, 20, 0, 0xffffffff, Buffer.alloc(0), 128)).slice(-8), 'ffffffff');
});

test('chunk writer: a payload of exactly n chunks has no empty chunk behind it', () => {
  assert.equal(serializeMessage(3, 20, 0, 0, Buffer.alloc(256), 128).length, 12 + 256 + 1);
  assert.equal(chunkedLength(256, 0, 128), 269);
  assert.equal(chunkedLength(257, 0, 128), 271);
  assert.equal(chunkedLength(0, 0, 128), 12);
});

test('chunk writer: refuses what it cannot express', () => {
  assert.throws(() => serializeMessage(1, 20, 0, 0, Buffer.alloc(0), 128), InvariantError);
  assert.throws(() => serializeMessage(64, 20, 0, 0, Buffer.alloc(0), 128), InvariantError);
  assert.throws(() => serializeMessage(3, 20, 0, 0, Buffer.alloc(0x1000000), 128), InvariantError);
});

test('chunk writer: head and body are one payload, at any position and of any sizes (property)', () => {
  const property = fc.property(
    fc.uint8Array({ maxLength: 100 }),
    fc.uint8Array({ maxLength: 400 }),
    fc.nat(100),
    fc.integer({ min: 1, max: 300 }),
    fc.constantFrom(0, 40, 0xffffff, 0xffffffff),
    (head, body, headLimit, chunkSize, timestamp) => {
      const headBytes = Math.min(headLimit, head.length);
      const payload = Buffer.concat([head.subarray(0, headBytes), body]);
      const size = chunkedLength(payload.length, timestamp, chunkSize);
      const target = Buffer.alloc(size + 20, 0xee);
      const end = writeChunked(target, 10, 6, 9, 1, timestamp, head, headBytes, body, chunkSize);
      assert.equal(end, 10 + size);
      assert.deepEqual(target.subarray(10, end), serializeMessage(6, 9, 1, timestamp, payload, chunkSize));
      assert.equal(hex(target.subarray(0, 10)) + hex(target.subarray(end)), 'ee'.repeat(20));
    },
  );
  fc.assert(property, { numRuns: 200 });
});
