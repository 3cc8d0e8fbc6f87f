/** The codes of SBR and parametric stereo are complete, free of prefixes, and read back as written. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as sbrCodes from '../../../../../src/audio/aac/sbr/huffman-tables.ts';
import { HuffmanTree } from '../../../../../src/audio/aac/sbr/huffman-tree.ts';
import * as psCodes from '../../../../../src/audio/aac/sbr/ps/ps-huffman-tables.ts';
import { SbrBits } from '../../../../../src/audio/aac/sbr/sbr-bits.ts';
import { BitWriter } from '../../../../support/bit-writer.ts';

const CODES = Object.entries({ ...sbrCodes, ...psCodes });
/** Number of values and the first, as the standard's tables have them. */
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  ENVELOPE_TIME_1_5: [121, -60],
  ENVELOPE_FREQUENCY_1_5: [121, -60],
  BALANCE_TIME_1_5: [49, -24],
  BALANCE_FREQUENCY_1_5: [49, -24],
  ENVELOPE_TIME_3: [63, -31],
  ENVELOPE_FREQUENCY_3: [63, -31],
  BALANCE_TIME_3: [25, -12],
  BALANCE_FREQUENCY_3: [25, -12],
  NOISE_TIME: [63, -31],
  NOISE_BALANCE_TIME: [25, -12],
  IID_FINE_FREQUENCY: [61, -30],
  IID_FINE_TIME: [61, -30],
  IID_FREQUENCY: [29, -14],
  IID_TIME: [29, -14],
  ICC_FREQUENCY: [15, -7],
  ICC_TIME: [15, -7],
  IPD_FREQUENCY: [8, 0],
  IPD_TIME: [8, 0],
  OPD_FREQUENCY: [8, 0],
  OPD_TIME: [8, 0],
};

describe('variable length codes of SBR', () => {
  it('has all twenty', () => {
    assert.deepEqual(new Set(CODES.map(([name]) => name)), new Set(Object.keys(RANGES)));
  });

  for (const [name, code] of CODES) {
    it(`${name} is complete and reads back`, () => {
      const { first, lengths, words } = code;
      assert.deepEqual([lengths.length, first], RANGES[name]);
      assert.equal(words.length, lengths.length);
      // Kraft: equal to one for a code that leaves no sequence without a meaning.
      assert.equal(
        lengths.reduce((sum, length) => sum + 2 ** -length, 0),
        1,
      );
      const out = new BitWriter();
      const values = lengths.map((_, i) => first + i);
      for (const value of values) out.code(code, value);
      const bits = new SbrBits();
      bits.begin(out.bytes(), 0, out.bits.length);
      const tree = new HuffmanTree(code);
      assert.deepEqual(
        values.map(() => tree.read(bits)),
        values,
      );
      assert.equal(bits.remaining, 0);
      assert.equal(bits.isOverrun, false);
    });
  }

  it('the commonest difference is the shortest word', () => {
    for (const [name, { first, lengths }] of CODES) {
      const shortest = lengths.indexOf(Math.min(...lengths)) + first;
      assert.ok(Math.abs(shortest) <= 1, `${name}: ${shortest}`);
    }
  });

  it('ends at the end of the bits', () => {
    const bits = new SbrBits();
    bits.begin(new Uint8Array([0xff]), 0, 3);
    const tree = new HuffmanTree(sbrCodes.ENVELOPE_TIME_1_5);
    for (let i = 0; i < 40; i++) assert.ok(Math.abs(tree.read(bits)) <= 60);
    assert.equal(bits.isOverrun, true);
  });
});
