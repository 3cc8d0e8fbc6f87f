import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BitReader, removeEmulationPrevention } from '../../../src/util/bit-reader.ts';
import { ProtocolError } from '../../../src/util/errors.ts';

const bytes = (hex: string): Uint8Array => Uint8Array.from(Buffer.from(hex, 'hex'));

test('bits: across byte borders, up to 32 at once, zero bits', () => {
  const bits = new BitReader(bytes('a5ffffffff80'), 'x.short');
  assert.equal(bits.bits(3), 0b101);
  assert.equal(bits.bits(0), 0);
  assert.equal(bits.bits(5), 0b00101);
  assert.equal(bits.bits(1), 1);
  assert.equal(bits.bits(32), 0xffff_ffff);
  assert.equal(bits.remaining, 7);
  assert.equal(bits.bits(7), 0);
});

test('bits: start and end limit the view; align moves to the next byte', () => {
  const bits = new BitReader(bytes('ff8001ff'), 'x.short', 1, 3);
  assert.equal(bits.flag(), true);
  bits.align();
  bits.align();
  assert.equal(bits.bits(8), 1);
  assert.equal(bits.remaining, 0);
});

test('reading or skipping past the end is a ProtocolError with the given code', () => {
  const bits = new BitReader(bytes('ff'), 'x.short');
  bits.bits(7);
  for (const read of [() => bits.bits(2), () => bits.skip(2)]) {
    assert.throws(read, (error) => error instanceof ProtocolError && error.code === 'x.short');
  }
  assert.equal(bits.bits(1), 1, 'a failed read moves nothing');
});

test('exp-Golomb codes of H.264 table 9-2 and 9-3', () => {
  // 1 010 011 00100 00101 00110 00111 0001000
  const stream = '1010011001000010100110001110001000';
  const padded = stream
    .padEnd(40, '0')
    .match(/.{8}/g)!
    .map((byte) => Number.parseInt(byte, 2));
  const unsigned = new BitReader(Uint8Array.from(padded), 'x.short');
  assert.deepEqual(
    Array.from({ length: 8 }, () => unsigned.ue()),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
  const signed = new BitReader(Uint8Array.from(padded), 'x.short');
  assert.deepEqual(
    Array.from({ length: 8 }, () => signed.se()),
    [-0, 1, -1, 2, -2, 3, -3, 4],
  );
});

test('exp-Golomb: the largest code, one too long, one over its limit', () => {
  assert.equal(new BitReader(bytes('00000001ffffffff'), 'x').ue(), 2 ** 32 - 2);
  assert.throws(() => new BitReader(bytes('000000008000000000'), 'x').ue(), ProtocolError);
  assert.equal(new BitReader(bytes('20'), 'x').ueMax(3, 'n'), 3);
  assert.throws(() => new BitReader(bytes('20'), 'x').ueMax(2, 'n'), /x: n 3 over 2/);
});

test('emulation prevention: every 03 behind two zeros goes, others stay', () => {
  const table: [input: string, raw: string][] = [
    ['', ''],
    ['000003', '0000'],
    ['00000300000301', '0000000001'],
    ['0000030003', '00000003'],
    ['000300030003', '000300030003'],
    ['0000000003ff', '00000000ff'],
  ];
  for (const [input, raw] of table) {
    assert.equal(Buffer.from(removeEmulationPrevention(bytes(input))).toString('hex'), raw, input);
  }
  assert.deepEqual(removeEmulationPrevention(bytes('ff00000301ff'), 1, 5), bytes('000001'));
});
