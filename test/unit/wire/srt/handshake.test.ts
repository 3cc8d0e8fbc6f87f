/** Handshakes with all extensions, loss lists, sequence numbers, refusals: tables. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  emptyHandshake,
  packPeerAddress,
  readHandshake,
  SRT_GROUP_BACKUP,
  SRT_HANDSHAKE,
  writeHandshake,
} from '../../../../src/wire/srt/handshake.ts';
import { keyResponseState, readKeyMaterial, writeKeyState } from '../../../../src/wire/srt/key-material.ts';
import { decodeLossRanges, encodeLossRanges } from '../../../../src/wire/srt/loss-list.ts';
import { describeReject, rejectFromWire, rejectToWire, SRT_REJECT } from '../../../../src/wire/srt/reject.ts';
import { nextMessage, sequenceAdd, sequenceDistance } from '../../../../src/wire/srt/sequence.ts';

function full() {
  const handshake = emptyHandshake(SRT_HANDSHAKE.conclusion);
  handshake.request = { version: 0x010501, flags: 0x3f, receiveLatencyMs: 65535, sendLatencyMs: 1 };
  handshake.keyRequest = Buffer.alloc(56, 5);
  handshake.streamId = 'live/straße';
  handshake.congestion = 'live';
  handshake.filter = 'fec,cols:10';
  handshake.group = { id: 0x4000_0001, type: SRT_GROUP_BACKUP, flags: 1, weight: 513 };
  return handshake;
}

test('all extensions come back', () => {
  const handshake = full();
  const again = readHandshake(writeHandshake(handshake, 1, 2));
  assert.ok(again !== null);
  assert.equal(again.extension, 7);
  for (const name of ['request', 'streamId', 'congestion', 'filter', 'group'] as const)
    assert.deepEqual(again[name], handshake[name], name);
  assert.deepEqual(Buffer.from(again.keyRequest ?? []), Buffer.alloc(56, 5));
});

test('a handshake that is cut off anywhere inside an extension is none', () => {
  const bytes = writeHandshake(full(), 1, 2);
  const whole = new Set<number>();
  for (let length = 0; length < bytes.length; length++)
    if (readHandshake(bytes.subarray(0, length)) !== null) whole.add(length);
  // Only where one extension ends and the next begins; 64 is the handshake without any.
  assert.deepEqual([...whole], [64, 80, 96, 104, 120, 132]);
});

test('stream ids longer than 512 bytes are refused', () => {
  const handshake = emptyHandshake(SRT_HANDSHAKE.conclusion);
  handshake.streamId = 'x'.repeat(512);
  assert.equal(readHandshake(writeHandshake(handshake, 0, 0))?.streamId?.length, 512);
  handshake.streamId = 'x'.repeat(513);
  assert.equal(readHandshake(writeHandshake(handshake, 0, 0)), null);
});

test('every extension has its bound, and so has the handshake', () => {
  for (const [name, bound] of [
    ['streamId', 512],
    ['filter', 512],
    ['via', 512],
    ['congestion', 64],
    ['keyRequest', 128],
    ['keyResponse', 128],
  ] as const) {
    for (const [length, isRead] of [
      [bound, true],
      [bound + 4, false],
    ] as const) {
      const handshake = emptyHandshake(SRT_HANDSHAKE.conclusion);
      const value = name.startsWith('key') ? Buffer.alloc(length, 1) : 'x'.repeat(length);
      const again = readHandshake(writeHandshake({ ...handshake, [name]: value }, 0, 0));
      assert.equal(again?.[name]?.length, isRead ? length : undefined, `${name} of ${length}`);
    }
  }
  const plain = writeHandshake(emptyHandshake(SRT_HANDSHAKE.conclusion), 0, 0);
  // An extension that nobody knows fills it up to a whole packet.
  const unknown = (length: number): Buffer => {
    const bytes = Buffer.alloc(length);
    bytes.writeUInt16BE(0x7777, 0);
    bytes.writeUInt16BE((length - 4) / 4, 2);
    return Buffer.concat([plain, bytes]);
  };
  assert.ok(readHandshake(unknown(1472 - plain.length)));
  assert.equal(readHandshake(unknown(1476 - plain.length)), null);
});

test('peer addresses have the low byte of each word first', () => {
  for (const [text, hex] of [
    ['127.0.0.1', '0100007f000000000000000000000000'],
    ['::ffff:1.2.3.4', '04030201000000000000000000000000'],
    ['::1', '00000000000000000000000001000000'],
    ['2001:db8::1%eth0', 'b80d0120000000000000000001000000'],
    ['nonsense', '00000000000000000000000000000000'],
  ] as const)
    assert.equal(Buffer.from(packPeerAddress(text)).toString('hex'), hex, text);
});

test('loss lists', () => {
  for (const [ranges, hex] of [
    [[5, 5], '00000005'],
    [[5, 6, 9, 9], '800000050000000600000009'],
    [[0x7fffffff, 2], 'ffffffff00000002'],
  ] as const) {
    assert.equal(encodeLossRanges(ranges).toString('hex'), hex);
    assert.deepEqual(decodeLossRanges(Buffer.from(hex, 'hex'), 0), [...ranges]);
  }
  for (const bad of ['80000005', '8000000500000004', '8000000580000006'])
    assert.equal(decodeLossRanges(Buffer.from(bad, 'hex'), 0), null, bad);
});

test('numbers run in a circle', () => {
  assert.equal(sequenceAdd(0x7fffffff, 1), 0);
  assert.equal(sequenceDistance(0, 0x7fffffff), 1);
  assert.equal(sequenceDistance(0x7fffffff, 0), -1);
  assert.equal(sequenceDistance(0x3fffffff, 0), 0x3fffffff);
  assert.equal(sequenceDistance(0x40000000, 0), -0x40000000);
  assert.equal(nextMessage(0x03ffffff), 1);
});

test('refusals on the wire', () => {
  assert.equal(rejectToWire(SRT_REJECT.badSecret), 1010);
  assert.equal(rejectToWire(SRT_REJECT.forbidden), 2403);
  for (const [type, reason] of [
    [1010, 10],
    [2403, 1403],
    // Servers that send the reason of the application without adding to it.
    [1403, 1403],
    [SRT_HANDSHAKE.conclusion, -1],
    [1, -1],
  ] as const)
    assert.equal(rejectFromWire(type), reason);
  assert.match(describeReject(10), /wrong passphrase \(10\)/);
  assert.match(describeReject(7777), /application \(7777\)/);
});

test('key material that is not ours', () => {
  assert.equal(keyResponseState(writeKeyState(4)), 4);
  const good = Buffer.from(
    '122029010000000002000200000004047c9fc618a9b1e9122a6d21d6e435623746364663ec48c5f61bcdd8445f6dc8691ae199708507a72a',
    'hex',
  );
  assert.equal(readKeyMaterial(good)?.keyBytes, 16);
  for (const [at, value] of [
    [0, 0x22],
    [1, 0],
    [3, 0],
    [8, 1],
    [9, 1],
    [14, 3],
    [15, 5],
    [15, 6],
  ] as const) {
    const bad = Buffer.from(good);
    bad[at] = value;
    assert.equal(readKeyMaterial(bad), null, `byte ${at}`);
  }
});
