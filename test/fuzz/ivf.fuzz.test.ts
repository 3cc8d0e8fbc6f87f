/** IVF against broken input: it reads frames within their bound, or refuses with a ProtocolError. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IvfReader } from '../../src/wire/ivf/ivf-reader.ts';
import { mutateHead, Random, runParser } from '../support/fuzz.ts';

test('fuzz: ivf reader', () => {
  const random = new Random(11);
  const header = Buffer.alloc(32);
  header.write('DKIF', 0, 'latin1');
  header.writeUInt16LE(32, 6);
  header.write('VP80', 8, 'latin1');
  header.writeUInt32LE(1000, 16);
  header.writeUInt32LE(1, 20);
  const frames = Array.from({ length: 20 }, (_, i) => {
    const frame = Buffer.alloc(12 + i * 10);
    frame.writeUInt32LE(i * 10);
    frame.writeUInt32LE(i * 40, 4);
    return frame;
  });
  const file = Buffer.concat([header, ...frames]);
  const { runs } = runParser(() => {
    const bytes = mutateHead(random, file);
    const reader = new IvfReader((us, payload) => {
      assert.ok(Number.isFinite(us));
      assert.ok(payload.length > 0 && payload.length <= 8 * 1024 * 1024);
    });
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + random.below(60);
      reader.receive(bytes.subarray(at, at + length));
      at += length;
    }
  });
  assert.ok(runs > 10);
});
