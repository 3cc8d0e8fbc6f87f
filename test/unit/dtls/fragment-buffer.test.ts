import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FragmentBuffer } from '../../../src/dtls/fragment-buffer.ts';
import {
  DtlsHandshakeFragment,
  handshakeMessage,
  writeHandshakeHeader,
} from '../../../src/wire/dtls/handshake-header.ts';
import { SeededRandom } from '../../support/lossy-path.ts';

const fragment = new DtlsHandshakeFragment();

/** Bytes `from` to `to` of a message. */
function piece(message: Buffer, from: number, to: number): Buffer {
  const bytes = Buffer.alloc(12 + to - from);
  const length = message.length - 12;
  writeHandshakeHeader(bytes, 0, message[0]!, length, message.readUInt16BE(4), from, to - from);
  message.copy(bytes, 12, 12 + from, 12 + to);
  return bytes;
}

function add(buffer: FragmentBuffer, bytes: Buffer, epoch = 0): boolean {
  assert.equal(fragment.parse(bytes, 0, bytes.length), bytes.length);
  return buffer.add(fragment, epoch, bytes);
}

function isReady(buffer: FragmentBuffer): boolean {
  return buffer.readyEpoch !== -1;
}

function messageOf(sequence: number, length: number, type = 11): Buffer {
  return handshakeMessage(
    type,
    sequence,
    Buffer.from(Array.from({ length }, (_, i) => (i * 7 + sequence) & 0xff)),
  );
}

test('whole messages, in order and out of it', () => {
  const buffer = new FragmentBuffer();
  const messages = [0, 1, 2, 3].map((sequence) => messageOf(sequence, 10 * sequence));
  for (const sequence of [2, 1, 3]) {
    assert.ok(add(buffer, messages[sequence]!));
    assert.equal(buffer.readyEpoch, -1);
  }
  assert.ok(add(buffer, messages[0]!, 0));
  for (const message of messages) {
    assert.equal(buffer.readyEpoch, 0);
    assert.deepEqual(buffer.take(), message);
  }
  assert.equal(buffer.readyEpoch, -1);
  assert.equal(buffer.nextSequence, 4);
});

test('byte by byte, forwards and backwards', () => {
  for (const isForward of [true, false]) {
    const buffer = new FragmentBuffer();
    const message = messageOf(0, 50);
    for (let i = 0; i < 50; i++) {
      assert.equal(buffer.readyEpoch, -1);
      const at = isForward ? i : 49 - i;
      assert.ok(add(buffer, piece(message, at, at + 1)));
    }
    assert.deepEqual(buffer.take(), message);
  }
});

test('pieces of any size, overlapping, repeated, in any order', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const length = 1 + Math.floor(random.next() * 400);
    const message = messageOf(0, length);
    const covered = new Uint8Array(length);
    const buffer = new FragmentBuffer();
    let adds = 0;
    for (; !isReady(buffer); adds++) {
      assert.ok(adds < 5000);
      const from = Math.floor(random.next() * length);
      const to = Math.min(length, from + Math.floor(random.next() * 60));
      add(buffer, piece(message, from, to));
      covered.fill(1, from, to);
      assert.equal(
        isReady(buffer),
        covered.every((is) => is === 1),
        `seed ${seed}`,
      );
    }
    assert.deepEqual(buffer.take(), message, `seed ${seed}`);
  }
});

test('what came first stays', () => {
  const buffer = new FragmentBuffer();
  const message = messageOf(0, 30);
  const forged = messageOf(0, 30);
  forged.fill(0xff, 12);
  add(buffer, piece(message, 10, 20));
  add(buffer, piece(forged, 5, 25));
  add(buffer, piece(message, 0, 30));
  const expected = Buffer.from(message);
  expected.fill(0xff, 12 + 5, 12 + 10);
  expected.fill(0xff, 12 + 20, 12 + 25);
  assert.deepEqual(buffer.take(), expected);
});

test('empty pieces of a message with content do nothing', () => {
  const buffer = new FragmentBuffer();
  const message = messageOf(0, 5);
  add(buffer, piece(message, 0, 0));
  add(buffer, piece(message, 5, 5));
  assert.equal(buffer.readyEpoch, -1);
  add(buffer, piece(message, 0, 5));
  assert.deepEqual(buffer.take(), message);
});

test('pieces that contradict the first one are not kept', () => {
  const buffer = new FragmentBuffer();
  add(buffer, piece(messageOf(0, 20), 0, 10));
  assert.equal(add(buffer, piece(messageOf(0, 21), 10, 21)), false, 'length');
  assert.equal(add(buffer, piece(messageOf(0, 20, 12), 10, 20)), false, 'type');
  assert.equal(add(buffer, piece(messageOf(0, 20), 10, 20), 1), false, 'epoch');
  assert.equal(buffer.readyEpoch, -1);
  assert.equal(add(buffer, piece(messageOf(0, 20), 10, 20)), true);
  assert.equal(buffer.readyEpoch, 0);
});

test('old messages, and those far ahead', () => {
  const buffer = new FragmentBuffer();
  assert.equal(add(buffer, messageOf(8, 1)), false);
  assert.equal(add(buffer, messageOf(7, 1)), true);
  add(buffer, messageOf(0, 1));
  buffer.take();
  assert.equal(add(buffer, messageOf(0, 1)), false);
  assert.equal(add(buffer, messageOf(8, 1)), true);
});

test('a message has at most 32 KiB, all of them 64', () => {
  const buffer = new FragmentBuffer();
  assert.throws(() => add(buffer, messageOf(0, 32 * 1024 + 1)), /dtls\.message-too-big/);
  assert.ok(add(buffer, piece(messageOf(0, 32 * 1024), 0, 1)));
  assert.ok(add(buffer, piece(messageOf(1, 32 * 1024), 0, 1)));
  assert.equal(add(buffer, messageOf(2, 1)), false);
  add(buffer, messageOf(0, 32 * 1024));
  assert.deepEqual(buffer.take(), messageOf(0, 32 * 1024));
  assert.ok(add(buffer, messageOf(2, 1)));
});

test('gaps are bounded', () => {
  const buffer = new FragmentBuffer();
  const message = messageOf(0, 1000);
  for (let at = 0; at < 1000; at += 2) add(buffer, piece(message, at, at + 1));
  for (let at = 1; at < 1000; at += 2) add(buffer, piece(message, at, at + 1));
  // What came after the 64th gap was not kept; what closes gaps always is.
  assert.equal(buffer.readyEpoch, -1);
  add(buffer, piece(message, 0, 1000));
  assert.deepEqual(buffer.take(), message);
});
