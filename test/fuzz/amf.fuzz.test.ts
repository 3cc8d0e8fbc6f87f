/** Seeded, time-boxed: any bytes are AMF values within the limits, which can be written again, or a ProtocolError. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ByteWriter } from '../../src/util/byte-writer.ts';
import { ProtocolError } from '../../src/util/errors.ts';
import type { AmfValue } from '../../src/wire/amf/amf-value.ts';
import { readAmf0All, writeAmf0 } from '../../src/wire/amf/amf0.ts';
import { FUZZ_SECONDS, Random } from '../support/fuzz.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_240_818);
/** Markers and small lengths, so that random bytes go deep. */
const AMF0_BYTES = [0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 0, 0, 0, 1, 2];
const AMF3_BYTES = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 0, 1, 1, 3, 0x0b, 0x13, 0x23];

function generate(random: Random, leading: readonly number[], alphabet: readonly number[]): Buffer {
  const bytes = [...leading];
  const count = 1 + random.below(120);
  for (let i = 0; i < count; i++)
    bytes.push(random.below(6) === 0 ? random.below(256) : alphabet[random.below(alphabet.length)]!);
  return Buffer.from(bytes);
}

function read(bytes: Uint8Array): AmfValue[] | null {
  try {
    return readAmf0All(bytes);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return null;
  }
}

for (const [name, leading, alphabet, seed] of [
  ['AMF0', [], AMF0_BYTES, SEED],
  ['AMF3', [0x11], AMF3_BYTES, SEED + 1],
] as const) {
  test(`fuzz: ${name}`, () => {
    const random = new Random(seed);
    const until = performance.now() + FUZZ_SECONDS * 1000;
    let understood = 0;
    for (let round = 0; performance.now() < until || round < 2000; round++) {
      const values = read(generate(random, leading, alphabet));
      if (values === null) continue;
      understood++;
      const writer = new ByteWriter();
      for (const value of values) writeAmf0(writer, value);
      const once = Buffer.from(writer.finish());
      const again = readAmf0All(once);
      const second = new ByteWriter();
      for (const value of again) writeAmf0(second, value);
      assert.deepEqual(second.finish(), once, `seed ${seed}, round ${round}`);
    }
    assert.ok(understood > 10, `${understood} inputs had a meaning`);
  });
}
