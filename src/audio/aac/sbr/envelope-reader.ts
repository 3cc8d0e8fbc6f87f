/**
 * sbr_data(), ISO/IEC 14496-3 4.4.2.8 tables 4.65 to 4.75, without the extensions: reads the frame of one channel or a
 * pair. Levels stay quantized here (level-dequantizer.ts). Differences in time count from the frame before.
 */
import { BANDS, type ChannelData, NOISE_BANDS } from './channel-data.ts';
import type { FrequencyTables } from './frequency-tables.ts';
import * as codes from './huffman-tables.ts';
import { HuffmanTree } from './huffman-tree.ts';
import type { SbrBits } from './sbr-bits.ts';

const envelopeTime = [
  new HuffmanTree(codes.ENVELOPE_TIME_1_5),
  new HuffmanTree(codes.ENVELOPE_TIME_3),
  new HuffmanTree(codes.BALANCE_TIME_1_5),
  new HuffmanTree(codes.BALANCE_TIME_3),
];
const envelopeFrequency = [
  new HuffmanTree(codes.ENVELOPE_FREQUENCY_1_5),
  new HuffmanTree(codes.ENVELOPE_FREQUENCY_3),
  new HuffmanTree(codes.BALANCE_FREQUENCY_1_5),
  new HuffmanTree(codes.BALANCE_FREQUENCY_3),
];
/** Bits of an envelope's first level, in the order of the codes above. */
const START_BITS = [7, 6, 6, 5];
const noiseTime = [new HuffmanTree(codes.NOISE_TIME), new HuffmanTree(codes.NOISE_BALANCE_TIME)];

const MAX_LEVEL = 127;
const MAX_NOISE_LEVEL = 30;

/** One channel: `next` is filled, `last` is the good frame before. False: against the standard. */
export function readSingle(
  bits: SbrBits,
  tables: FrequencyTables,
  slots: number,
  ampRes: number,
  next: ChannelData,
  last: ChannelData,
): boolean {
  if (bits.bit() === 1) bits.skip(4);
  if (!next.grid.read(bits, slots, ampRes)) return false;
  readDirections(bits, next);
  readInverseFilter(bits, tables, next);
  if (!readEnvelopes(bits, tables, next, last, false)) return false;
  if (!readNoise(bits, tables, next, last, false)) return false;
  readSinusoids(bits, tables, next);
  return true;
}

/** A pair of channels. Returns whether they are coupled, or undefined: against the standard. */
export function readPair(
  bits: SbrBits,
  tables: FrequencyTables,
  slots: number,
  ampRes: number,
  next0: ChannelData,
  next1: ChannelData,
  last0: ChannelData,
  last1: ChannelData,
): boolean | undefined {
  if (bits.bit() === 1) bits.skip(8);
  const isCoupled = bits.bit() === 1;
  if (!next0.grid.read(bits, slots, ampRes)) return undefined;
  if (isCoupled) next1.grid.copy(next0.grid);
  else if (!next1.grid.read(bits, slots, ampRes)) return undefined;
  readDirections(bits, next0);
  readDirections(bits, next1);
  readInverseFilter(bits, tables, next0);
  if (isCoupled) next1.inverseFilter.set(next0.inverseFilter);
  else readInverseFilter(bits, tables, next1);
  // Coupled: all of the first channel, then all of the second; else all envelopes, then all noise floors.
  if (!readEnvelopes(bits, tables, next0, last0, false)) return undefined;
  if (isCoupled && !readNoise(bits, tables, next0, last0, false)) return undefined;
  if (!readEnvelopes(bits, tables, next1, last1, isCoupled)) return undefined;
  if (!isCoupled && !readNoise(bits, tables, next0, last0, false)) return undefined;
  if (!readNoise(bits, tables, next1, last1, isCoupled)) return undefined;
  readSinusoids(bits, tables, next0);
  readSinusoids(bits, tables, next1);
  return isCoupled;
}

function readDirections(bits: SbrBits, next: ChannelData): void {
  for (let e = 0; e < next.grid.envelopes; e++) next.envelopeInTime[e] = bits.bit();
  for (let f = 0; f < next.grid.noiseFloors; f++) next.noiseInTime[f] = bits.bit();
}

function readInverseFilter(bits: SbrBits, tables: FrequencyTables, next: ChannelData): void {
  for (let i = 0; i < tables.noiseCount; i++) next.inverseFilter[i] = bits.bits(2);
}

function readSinusoids(bits: SbrBits, tables: FrequencyTables, next: ChannelData): void {
  if (bits.bit() === 0) {
    next.sinusoids.fill(0);
    return;
  }
  for (let i = 0; i < tables.highCount; i++) next.sinusoids[i] = bits.bit();
}

function readEnvelopes(
  bits: SbrBits,
  tables: FrequencyTables,
  next: ChannelData,
  last: ChannelData,
  isBalance: boolean,
): boolean {
  const { grid, envelopes } = next;
  const code = grid.ampRes + (isBalance ? 2 : 0);
  const step = isBalance ? 2 : 1;
  const odd = tables.highCount & 1;
  let before = last.envelopes;
  let beforeAt = (last.grid.envelopes - 1) * BANDS;
  let beforeResolution = last.grid.resolution[last.grid.envelopes - 1]!;
  for (let e = 0; e < grid.envelopes; e++) {
    const at = e * BANDS;
    const resolution = grid.resolution[e]!;
    const count = resolution === 1 ? tables.highCount : tables.lowCount;
    if (next.envelopeInTime[e] === 1) {
      const tree = envelopeTime[code]!;
      for (let i = 0; i < count; i++) {
        let from = i;
        if (resolution > beforeResolution) from = (i + odd) >> 1;
        else if (resolution < beforeResolution) from = i === 0 ? 0 : 2 * i - odd;
        const level = before[beforeAt + from]! + step * tree.read(bits);
        if (level < 0 || level > MAX_LEVEL) return false;
        envelopes[at + i] = level;
      }
    } else {
      const tree = envelopeFrequency[code]!;
      let level = step * bits.bits(START_BITS[code]!);
      envelopes[at] = level;
      for (let i = 1; i < count; i++) {
        level += step * tree.read(bits);
        if (level < 0 || level > MAX_LEVEL) return false;
        envelopes[at + i] = level;
      }
    }
    before = envelopes;
    beforeAt = at;
    beforeResolution = resolution;
  }
  return true;
}

function readNoise(
  bits: SbrBits,
  tables: FrequencyTables,
  next: ChannelData,
  last: ChannelData,
  isBalance: boolean,
): boolean {
  const { grid, noise } = next;
  const step = isBalance ? 2 : 1;
  const timeTree = noiseTime[isBalance ? 1 : 0]!;
  const frequencyTree = envelopeFrequency[isBalance ? 3 : 1]!;
  let before = last.noise;
  let beforeAt = (last.grid.noiseFloors - 1) * NOISE_BANDS;
  for (let f = 0; f < grid.noiseFloors; f++) {
    const at = f * NOISE_BANDS;
    let level = 0;
    for (let i = 0; i < tables.noiseCount; i++) {
      if (next.noiseInTime[f] === 1) level = before[beforeAt + i]! + step * timeTree.read(bits);
      else if (i === 0) level = step * bits.bits(5);
      else level += step * frequencyTree.read(bits);
      if (level < 0 || (level > MAX_NOISE_LEVEL && (i > 0 || next.noiseInTime[f] === 1))) return false;
      noise[at + i] = level;
    }
    before = noise;
    beforeAt = at;
  }
  return true;
}
