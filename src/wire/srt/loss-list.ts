/**
 * Lists of lost packets in NAK packets (draft-sharabayko-srt-01 appendix A): a single number with its top bit clear, a
 * range as first with its top bit set and last. In memory a flat list of pairs: first, last, first, last.
 */

import { sequenceDistance } from './sequence.ts';
import { readU32, writeU32 } from './srt-packet.ts';

const RANGE = 0x8000_0000;

export function encodeLossRanges(ranges: readonly number[]): Buffer {
  let words = 0;
  for (let i = 0; i < ranges.length; i += 2) words += ranges[i] === ranges[i + 1] ? 1 : 2;
  const bytes = Buffer.alloc(words * 4);
  let at = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    const first = ranges[i]!;
    const last = ranges[i + 1]!;
    if (first === last) {
      writeU32(bytes, at, first);
      at += 4;
    } else {
      writeU32(bytes, at, first | RANGE);
      writeU32(bytes, at + 4, last);
      at += 8;
    }
  }
  return bytes;
}

/** Pairs of first and last; null when a range is cut off, runs backwards or ends with a range mark. */
export function decodeLossRanges(bytes: Uint8Array, start: number): number[] | null {
  const ranges: number[] = [];
  const end = bytes.length - 3;
  for (let at = start; at < end; at += 4) {
    const word = readU32(bytes, at);
    if (word < RANGE) {
      ranges.push(word, word);
      continue;
    }
    at += 4;
    if (at >= end) return null;
    const first = word - RANGE;
    const last = readU32(bytes, at);
    if (last >= RANGE || sequenceDistance(last, first) < 0) return null;
    ranges.push(first, last);
  }
  return ranges;
}
