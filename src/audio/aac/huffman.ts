/**
 * Look-up tables of the Huffman codes of AAC (ISO/IEC 14496-3 4.6.3), made once when the first decoder is made: ten
 * bits at a time, which nearly all codes of a stream fit into, and a walk over the lengths for the rest.
 */
import { PACKED_BOOKS } from './huffman-tables.ts';

/** Bits that one look into the table takes. */
const LOOKUP_BITS = 10;
const MAX_LENGTH = 19;
export const SCALE_FACTOR_BOOK = 0;

/** Values of a spectrum book: how many a code gives, the largest, and whether their signs follow the code. */
const QUADS = [1, 2, 3, 4];
const LARGEST = [0, 1, 1, 2, 2, 4, 4, 7, 7, 12, 12, 16];
const HAS_SIGN_IN_CODE = [false, true, true, false, false, true, true];

/** Added to signed values where they stand in an entry. */
export const QUAD_BIAS = 1;
export const PAIR_BIAS = 4;

/**
 * One codebook. An entry holds the length of the code in its low 5 bits and its values above: four of 2 bits (quads),
 * two of 5 bits (pairs), the first value lowest; the index itself for the scale factors.
 */
export class HuffmanBook {
  /** Entry by the next LOOKUP_BITS bits; 0 = the code is longer. */
  readonly lookup: Int32Array;
  /** By rising code. */
  readonly entries: Int32Array;
  /** By length: the first code and the entry that it names; codes end before `limit` (aligned to MAX_LENGTH bits). */
  private readonly firstCode: Int32Array;
  private readonly firstEntry: Int32Array;
  private readonly limit: Int32Array;

  constructor(counts: readonly number[], order: readonly number[], valuesOf: (index: number) => number) {
    this.lookup = new Int32Array(1 << LOOKUP_BITS);
    this.entries = new Int32Array(order.length);
    this.firstCode = new Int32Array(MAX_LENGTH + 1);
    this.firstEntry = new Int32Array(MAX_LENGTH + 1);
    this.limit = new Int32Array(MAX_LENGTH + 1);
    let code = 0;
    let entry = 0;
    for (let length = 1; length <= MAX_LENGTH; length++) {
      code <<= 1;
      this.firstCode[length] = code;
      this.firstEntry[length] = entry;
      for (let i = counts[length - 1] ?? 0; i > 0; i--) {
        const packed = (valuesOf(order[entry]!) << 5) | length;
        this.entries[entry++] = packed;
        if (length <= LOOKUP_BITS) {
          const from = code << (LOOKUP_BITS - length);
          this.lookup.fill(packed, from, from + (1 << (LOOKUP_BITS - length)));
        }
        code++;
      }
      this.limit[length] = code << (MAX_LENGTH - length);
    }
  }

  /** Entry of the code at the top of `word` (32 bits, of which at least the first 19 are of the stream). */
  find(word: number): number {
    const entry = this.lookup[word >>> (32 - LOOKUP_BITS)]!;
    return entry !== 0 ? entry : this.findLong(word);
  }

  private findLong(word: number): number {
    const bits = word >>> (32 - MAX_LENGTH);
    let length = LOOKUP_BITS + 1;
    // The codes of a book fill all that there is (its test says so), so the last length always ends the walk.
    while (bits >= this.limit[length]!) length++;
    return this.entries[
      this.firstEntry[length]! + (bits >>> (MAX_LENGTH - length)) - this.firstCode[length]!
    ]!;
  }
}

/** The values that an index of a spectrum book stands for, as an entry holds them. */
function packValues(book: number, index: number): number {
  const largest = LARGEST[book]!;
  const radix = HAS_SIGN_IN_CODE[book] === true ? 2 * largest + 1 : largest + 1;
  const width = QUADS.includes(book) ? 2 : 5;
  let rest = index;
  let packed = 0;
  // The last value is the lowest digit.
  for (let i = QUADS.includes(book) ? 4 : 2; i > 0; i--) {
    packed = (packed << width) | (rest % radix);
    rest = Math.floor(rest / radix);
  }
  return packed;
}

function numbers(text: string): number[] {
  return text.trim().split(/\s+/).map(Number);
}

/** By number of the codebook; 0 is that of the scale factors. */
export const BOOKS: readonly HuffmanBook[] = PACKED_BOOKS.map(
  (packed, book) =>
    new HuffmanBook(numbers(packed.counts), numbers(packed.order), (index) =>
      book === SCALE_FACTOR_BOOK ? index : packValues(book, index),
    ),
);
