/** The codebooks of AAC: complete, free of prefixes, and found by the look-up whatever follows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BOOKS } from '../../../../src/audio/aac/huffman.ts';
import { PACKED_BOOKS } from '../../../../src/audio/aac/huffman-tables.ts';

/** Indexes of the standard's tables: scale factors, quads of 3 values, pairs of 9, 8, 13 and 17. */
const SIZES = [121, 81, 81, 81, 81, 81, 81, 64, 64, 169, 169, 289];

interface Code {
  readonly code: number;
  readonly length: number;
  readonly index: number;
}

function codesOf(book: number): Code[] {
  const { counts, order } = PACKED_BOOKS[book]!;
  const indexes = order.trim().split(/\s+/).map(Number);
  const codes: Code[] = [];
  let code = 0;
  counts.split(' ').forEach((count, i) => {
    code *= 2;
    for (let n = Number(count); n > 0; n--)
      codes.push({ code: code++, length: i + 1, index: indexes[codes.length]! });
  });
  assert.equal(codes.length, indexes.length);
  return codes;
}

SIZES.forEach((size, book) => {
  test(`book ${book}`, () => {
    const codes = codesOf(book);
    assert.deepEqual(
      codes.map(({ index }) => index).sort((a, b) => a - b),
      Array.from({ length: size }, (_, i) => i),
    );
    // Kraft: the codes fill all that there is, so none can be the start of another when all differ in their intervals.
    assert.equal(
      codes.reduce((sum, { length }) => sum + 2 ** -length, 0),
      1,
    );
    let end = 0;
    for (const { code, length } of codes) {
      assert.equal(code * 2 ** -length, end);
      end += 2 ** -length;
    }
    for (const [i, { code, length }] of codes.entries()) {
      for (const rest of [0, 0xffff_ffff]) {
        const word = (code << (32 - length)) | (length === 32 ? 0 : rest >>> length);
        const entry = BOOKS[book]!.find(word | 0);
        assert.equal(entry, BOOKS[book]!.entries[i]!);
        assert.equal(entry & 31, length);
      }
    }
  });
});

test('codes of the standard by hand', () => {
  // Table 4.A.1: 60 (no change) is 0, 59 is 100; table 4.A.2: all zero is 0; table 4.A.12: (0, 0) is 0000.
  const lengthOf = (book: number, index: number): string => {
    const { code, length } = codesOf(book).find((entry) => entry.index === index)!;
    return code.toString(2).padStart(length, '0');
  };
  assert.equal(lengthOf(0, 60), '0');
  assert.equal(lengthOf(0, 59), '100');
  assert.equal(lengthOf(1, 40), '0');
  assert.equal(lengthOf(1, 0), '11111111000');
  assert.equal(lengthOf(7, 0), '0');
  assert.equal(lengthOf(11, 0), '0000');
});
