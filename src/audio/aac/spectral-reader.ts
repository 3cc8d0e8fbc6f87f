/**
 * Noiseless decoding of the spectrum: spectral_data of ISO/IEC 14496-3 4.4.2.7 and 4.6.3, all eleven codebooks. The one
 * place where most bits of a stream are read.
 */
import { type AacBits, wordAt } from './aac-bits.ts';
import type { ChannelStream } from './channel-stream.ts';
import { BOOKS, type HuffmanBook, PAIR_BIAS, QUAD_BIAS } from './huffman.ts';

const LAST_QUAD_BOOK = 4;
const LAST_SIGNED_QUAD_BOOK = 2;
const FIRST_SIGNED_PAIR_BOOK = 5;
const LAST_SIGNED_PAIR_BOOK = 6;
const ESCAPE_BOOK = 11;
const ESCAPE = 16;
/** Ones in front of the length of an escape at most: 8191 is the largest value there is. */
const MAX_ESCAPE_PREFIX = 8;

/** Fills `stream.quantised`; false when the bits end before the spectrum does or a value is too large. */
export function readSpectrum(bits: AacBits, stream: ChannelStream): boolean {
  const { quantised, books, offsets, maxBand, windowLines } = stream;
  quantised.fill(0);
  let firstLine = 0;
  for (let group = 0; group < stream.groups; group++) {
    const windows = stream.groupLength[group]!;
    for (let band = 0; band < maxBand; band++) {
      const number = books[group * maxBand + band]!;
      if (number === 0 || number > ESCAPE_BOOK) continue;
      const book = BOOKS[number]!;
      const width = offsets[band + 1]! - offsets[band]!;
      let at = firstLine + offsets[band]!;
      for (let window = 0; window < windows; window++) {
        if (number <= LAST_SIGNED_QUAD_BOOK) readSignedQuads(bits, book, quantised, at, at + width);
        else if (number <= LAST_QUAD_BOOK) readQuads(bits, book, quantised, at, at + width);
        else if (number >= FIRST_SIGNED_PAIR_BOOK && number <= LAST_SIGNED_PAIR_BOOK)
          readSignedPairs(bits, book, quantised, at, at + width);
        else if (number < ESCAPE_BOOK) readPairs(bits, book, quantised, at, at + width);
        else if (!readEscapedPairs(bits, book, quantised, at, at + width)) return false;
        if (bits.position > bits.end) return false;
        at += windowLines;
      }
    }
    firstLine += windows * windowLines;
  }
  return true;
}

function readSignedQuads(bits: AacBits, book: HuffmanBook, out: Int16Array, from: number, to: number): void {
  const { bytes } = bits;
  let { position } = bits;
  for (let k = from; k < to; k += 4) {
    const entry = book.find(wordAt(bytes, position));
    position += entry & 31;
    out[k] = ((entry >> 5) & 3) - QUAD_BIAS;
    out[k + 1] = ((entry >> 7) & 3) - QUAD_BIAS;
    out[k + 2] = ((entry >> 9) & 3) - QUAD_BIAS;
    out[k + 3] = (entry >> 11) - QUAD_BIAS;
  }
  bits.position = position;
}

function readQuads(bits: AacBits, book: HuffmanBook, out: Int16Array, from: number, to: number): void {
  const { bytes } = bits;
  let { position } = bits;
  for (let k = from; k < to; k += 4) {
    let word = wordAt(bytes, position);
    const entry = book.find(word);
    const length = entry & 31;
    position += length;
    word <<= length;
    for (let j = k, values = entry >> 5; j < k + 4; j++, values >>= 2) {
      const value = values & 3;
      if (value === 0) continue;
      out[j] = word < 0 ? -value : value;
      word <<= 1;
      position++;
    }
  }
  bits.position = position;
}

function readSignedPairs(bits: AacBits, book: HuffmanBook, out: Int16Array, from: number, to: number): void {
  const { bytes } = bits;
  let { position } = bits;
  for (let k = from; k < to; k += 2) {
    const entry = book.find(wordAt(bytes, position));
    position += entry & 31;
    out[k] = ((entry >> 5) & 31) - PAIR_BIAS;
    out[k + 1] = (entry >> 10) - PAIR_BIAS;
  }
  bits.position = position;
}

function readPairs(bits: AacBits, book: HuffmanBook, out: Int16Array, from: number, to: number): void {
  const { bytes } = bits;
  let { position } = bits;
  for (let k = from; k < to; k += 2) {
    let word = wordAt(bytes, position);
    const entry = book.find(word);
    const length = entry & 31;
    position += length;
    word <<= length;
    const first = (entry >> 5) & 31;
    if (first !== 0) {
      out[k] = word < 0 ? -first : first;
      word <<= 1;
      position++;
    }
    const second = entry >> 10;
    if (second !== 0) {
      out[k + 1] = word < 0 ? -second : second;
      position++;
    }
  }
  bits.position = position;
}

function readEscapedPairs(
  bits: AacBits,
  book: HuffmanBook,
  out: Int16Array,
  from: number,
  to: number,
): boolean {
  const { bytes } = bits;
  for (let k = from; k < to; k += 2) {
    const { position } = bits;
    let word = wordAt(bytes, position);
    const entry = book.find(word);
    const length = entry & 31;
    let first = (entry >> 5) & 31;
    let second = entry >> 10;
    word <<= length;
    const isFirstNegative = first !== 0 && word < 0;
    if (first !== 0) word <<= 1;
    const isSecondNegative = second !== 0 && word < 0;
    bits.position = position + length + (first === 0 ? 0 : 1) + (second === 0 ? 0 : 1);
    if (first === ESCAPE) first = readEscape(bits);
    if (second === ESCAPE) second = readEscape(bits);
    if (first < 0 || second < 0) return false;
    out[k] = isFirstNegative ? -first : first;
    out[k + 1] = isSecondNegative ? -second : second;
  }
  return true;
}

/** The escape sequence of 4.6.3.3: 16 to 8191, or -1 when it is none. */
function readEscape(bits: AacBits): number {
  let prefix = 0;
  while (bits.flag()) {
    if (++prefix > MAX_ESCAPE_PREFIX) return -1;
  }
  return (1 << (prefix + 4)) + bits.bits(prefix + 4);
}
