/**
 * Frames of AAC LC by chance: every syntax element that the standard allows, with values of any kind, for what no
 * encoder at hand makes (frames of 960, pulses, coupling channels, all channel configurations).
 */
import { bandTables, type FrameLength } from '../../../../src/audio/aac/band-tables.ts';
import { PACKED_BOOKS } from '../../../../src/audio/aac/huffman-tables.ts';
import { BitWriter } from '../../../support/bit-writer.ts';
import { Random } from '../../../support/fuzz.ts';

/** Codes by index of the standard's table, from the lengths alone. */
const CODES = PACKED_BOOKS.map(({ counts, order }) => {
  const indexes = order.trim().split(/\s+/).map(Number);
  const codes: { code: number; length: number }[] = [];
  let code = 0;
  let at = 0;
  counts.split(' ').forEach((count, i) => {
    code *= 2;
    for (let n = Number(count); n > 0; n--) codes[indexes[at++]!] = { code: code++, length: i + 1 };
  });
  return codes;
});

function putCode(out: BitWriter, book: number, index: number): void {
  const { code, length } = CODES[book]![index]!;
  out.put(code, length);
}

function putPair(out: BitWriter, random: Random, book: number): void {
  if (book <= 6) {
    putCode(out, book, (random.below(9) << 0) * 9 + random.below(9));
    return;
  }
  const radix = book <= 8 ? 8 : book <= 10 ? 13 : 17;
  const values = [random.below(radix), random.below(radix)];
  putCode(out, book, values[0]! * radix + values[1]!);
  for (const value of values) {
    if (value !== 0) out.put(random.below(2), 1);
  }
  for (const value of values) {
    if (value !== 16) continue;
    const prefix = random.below(20) === 0 ? random.below(9) : random.below(3);
    out.put((1 << (prefix + 1)) - 2, prefix + 1);
    out.put(random.below(1 << (prefix + 4)), prefix + 4);
  }
}

function putQuad(out: BitWriter, random: Random, book: number): void {
  const values = Array.from({ length: 4 }, () => random.below(3));
  putCode(
    out,
    book,
    values.reduce((index, value) => 3 * index + value, 0),
  );
  if (book <= 2) return;
  for (const value of values) {
    if (value !== 0) out.put(random.below(2), 1);
  }
}

/** Four times the largest offset. */
const MAX_PULSE_REACH = 4 * 31;

/** Single channel, pair, low frequency, coupling. */
export type ElementType = 's' | 'p' | 'l' | 'c';

export interface StreamShape {
  readonly rate: number;
  readonly frameLength: FrameLength;
  /** Elements of a frame, each with the tag that it gets. */
  readonly elements: readonly (readonly [type: ElementType, tag: number])[];
  readonly hasNoise?: boolean;
  readonly hasPulses?: boolean;
}

interface Info {
  sequence: number;
  shape: number;
  maxBand: number;
  groups: number[];
  offsets: Uint16Array;
}

const TYPE = { s: 0, p: 1, c: 2, l: 3 } as const;

export class RandomAac {
  private readonly random: Random;
  private readonly shape: StreamShape;
  private sequence = 0;

  constructor(seed: number, shape: StreamShape) {
    this.random = new Random(seed | 1);
    this.shape = shape;
  }

  frame(): Uint8Array {
    const { random } = this;
    const out = new BitWriter();
    // All channels switch together: a decoder may tell the rise of a window by the last fall of the same channel.
    const next = [[0, 1], [2], [2, 3], [0, 1]][this.sequence]!;
    this.sequence = next[random.below(next.length)]!;
    for (const [type, tag] of this.shape.elements) {
      if (random.below(4) === 0) putData(out, random);
      out.put(TYPE[type], 3);
      out.put(tag, 4);
      if (type === 'p') this.putPairElement(out);
      else if (type === 'c') this.putCoupling(out, tag % 2 === 0);
      else this.putStream(out, this.info(), false, true);
      if (random.below(4) === 0) putFill(out, random);
    }
    out.put(7, 3);
    return out.bytes();
  }

  private info(): Info {
    const { random } = this;
    const tables = bandTables(this.shape.rate, this.shape.frameLength);
    const isShort = this.sequence === 2;
    const offsets = isShort ? tables.short : tables.long;
    const groups = [1];
    for (let window = 1; window < 8 && isShort; window++) {
      if (random.below(2) === 0) groups.push(1);
      else groups[groups.length - 1]!++;
    }
    return {
      sequence: this.sequence,
      shape: random.below(2),
      maxBand: random.below(offsets.length),
      groups,
      offsets,
    };
  }

  private putInfo(out: BitWriter, info: Info): void {
    out.put(0, 1);
    out.put(info.sequence, 2);
    out.put(info.shape, 1);
    if (info.sequence !== 2) {
      out.put(info.maxBand, 6);
      out.put(0, 1);
      return;
    }
    out.put(info.maxBand, 4);
    info.groups.forEach((length, i) => {
      if (i > 0) out.put(0, 1);
      for (let n = 1; n < length; n++) out.put(1, 1);
    });
  }

  private putPairElement(out: BitWriter): void {
    const { random } = this;
    const isCommon = random.below(3) !== 0;
    out.put(isCommon ? 1 : 0, 1);
    const info = this.info();
    if (isCommon) {
      this.putInfo(out, info);
      const present = random.below(3);
      out.put(present, 2);
      if (present === 1) {
        for (let i = info.groups.length * info.maxBand; i > 0; i--) out.put(random.below(2), 1);
      }
      this.putStream(out, info, false, false);
      this.putStream(out, info, present < 2, false);
    } else {
      this.putStream(out, info, false, true);
      this.putStream(out, this.info(), false, true);
    }
  }

  /** individual_channel_stream; gives the books by band. */
  private putStream(out: BitWriter, info: Info, hasIntensity: boolean, hasInfo: boolean): number[] {
    const { random } = this;
    const gain = 90 + random.below(20);
    out.put(gain, 8);
    if (hasInfo) this.putInfo(out, info);
    const isShort = info.sequence === 2;
    const books = this.putSections(out, info, hasIntensity);
    this.putFactors(out, books, gain);
    // Only where there are bands: FFmpeg adds them to what an earlier frame had behind the last one.
    const last = info.offsets[info.maxBand]! - MAX_PULSE_REACH;
    const hasPulses = this.shape.hasPulses === true && !isShort && last > 0;
    out.put(hasPulses ? 1 : 0, 1);
    if (hasPulses) {
      const count = random.below(4);
      out.put(count, 2);
      out.put(random.below(info.offsets.findIndex((offset) => offset > last)), 6);
      for (let i = 0; i <= count; i++) {
        out.put(random.below(32), 5);
        out.put(random.below(16), 4);
      }
    }
    const hasShaping = random.below(2) === 0;
    out.put(hasShaping ? 1 : 0, 1);
    if (hasShaping) this.putShaping(out, isShort);
    out.put(0, 1);
    info.groups.forEach((windows, group) => {
      for (let band = 0; band < info.maxBand; band++) {
        const book = books[group * info.maxBand + band]!;
        if (book === 0 || book > 11) continue;
        const lines = (info.offsets[band + 1]! - info.offsets[band]!) * windows;
        if (book <= 4) for (let k = 0; k < lines; k += 4) putQuad(out, random, book);
        else for (let k = 0; k < lines; k += 2) putPair(out, random, book);
      }
    });
    return books;
  }

  private putSections(out: BitWriter, info: Info, hasIntensity: boolean): number[] {
    const { random } = this;
    const width = info.sequence === 2 ? 3 : 5;
    const longest = (1 << width) - 1;
    const choices = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    if (this.shape.hasNoise === true) choices.push(13);
    if (hasIntensity) choices.push(14, 15);
    const books: number[] = [];
    for (const _ of info.groups) {
      for (let band = 0; band < info.maxBand; ) {
        const length =
          1 + random.below(random.below(3) === 0 ? info.maxBand - band : Math.min(4, info.maxBand - band));
        const book = choices[random.below(choices.length)]!;
        out.put(book, 4);
        let rest = length;
        for (; rest >= longest; rest -= longest) out.put(longest, width);
        out.put(rest, width);
        for (let i = 0; i < length; i++) books.push(book);
        band += length;
      }
    }
    return books;
  }

  private putFactors(out: BitWriter, books: readonly number[], gain: number): void {
    const { random } = this;
    let factor = gain;
    let noise = Number.NaN;
    let position = 0;
    const step = (value: number, middle: number): number => {
      const difference = value > middle + 10 ? -3 : value < middle - 10 ? 3 : random.below(9) - 4;
      putCode(out, 0, difference + 60);
      return value + difference;
    };
    for (const book of books) {
      if (book === 0) continue;
      if (book >= 14) position = step(position, 0);
      else if (book < 13) factor = step(factor, 100);
      else if (Number.isNaN(noise)) {
        noise = 40;
        out.put(noise - gain + 90 + 256, 9);
      } else noise = step(noise, 40);
    }
  }

  private putShaping(out: BitWriter, isShort: boolean): void {
    const { random } = this;
    for (let window = 0; window < (isShort ? 8 : 1); window++) {
      const count = random.below(isShort ? 2 : 4);
      out.put(count, isShort ? 1 : 2);
      if (count === 0) continue;
      const resolution = random.below(2);
      out.put(resolution, 1);
      for (let filter = 0; filter < count; filter++) {
        out.put(random.below(isShort ? 16 : 40), isShort ? 4 : 6);
        const order = random.below(isShort ? 8 : 13);
        out.put(order, isShort ? 3 : 5);
        if (order === 0) continue;
        out.put(random.below(2), 1);
        const compress = random.below(2);
        out.put(compress, 1);
        const width = resolution + 3 - compress;
        // Small ones: filters that ring without end would hide what else is wrong.
        for (let i = 0; i < order; i++) out.put((random.below(5) - 2) & ((1 << width) - 1), width);
      }
    }
  }

  /** coupling_channel_element for all elements of the frame. */
  private putCoupling(out: BitWriter, isIndependent: boolean): void {
    const { random } = this;
    out.put(isIndependent ? 1 : 0, 1);
    const targets = this.shape.elements.filter(([type]) => type === 's' || type === 'p');
    out.put(targets.length - 1, 3);
    let lists = 0;
    for (const [type, tag] of targets) {
      out.put(TYPE[type], 1);
      out.put(tag, 4);
      lists++;
      if (type !== 'p') continue;
      const sides = random.below(4);
      out.put(sides, 2);
      if (sides === 3) lists++;
    }
    out.put(random.below(2), 1);
    out.put(random.below(2), 1);
    out.put(random.below(4), 2);
    const books = this.putStream(out, this.info(), false, true);
    const used = books.filter((book) => book !== 0).length;
    for (let list = 1; list < lists; list++) {
      const isCommon = isIndependent || random.below(2) === 0;
      if (!isIndependent) out.put(isCommon ? 1 : 0, 1);
      let sum = 0;
      for (let i = isCommon ? 1 : used; i > 0; i--) {
        const difference = sum > 4 ? -3 : sum < -4 ? 3 : random.below(5) - 2;
        sum += difference;
        putCode(out, 0, difference + 60);
      }
    }
  }
}

/** data_stream_element. */
function putData(out: BitWriter, random: Random): void {
  out.put(4, 3);
  out.put(random.below(16), 4);
  out.put(0, 1);
  const count = random.below(8) === 0 ? 255 + random.below(20) : random.below(20);
  out.put(Math.min(count, 255), 8);
  if (count >= 255) out.put(count - 255, 8);
  for (let i = 0; i < count; i++) out.put(random.below(256), 8);
}

/** fill_element without an extension. */
function putFill(out: BitWriter, random: Random): void {
  out.put(6, 3);
  const count = random.below(40);
  out.put(Math.min(count, 15), 4);
  if (count >= 15) out.put(count - 14, 8);
  if (count > 0) out.put(0, 4);
  for (let i = 0; i < 8 * count - 4; i++) out.put(0, 1);
}

/** AudioSpecificConfig of AAC LC; `elements` are listed in a program config element when there is no configuration. */
export function randomConfig(shape: StreamShape, rateIndex: number, channelConfig: number): Uint8Array {
  const out = new BitWriter();
  out.put(2, 5);
  out.put(rateIndex, 4);
  out.put(channelConfig, 4);
  out.put(shape.frameLength === 960 ? 1 : 0, 1);
  out.put(0, 2);
  if (channelConfig === 0) {
    const front = shape.elements.filter(([type]) => type === 's' || type === 'p');
    const low = shape.elements.filter(([type]) => type === 'l');
    const coupling = shape.elements.filter(([type]) => type === 'c');
    out.put(0, 4);
    out.put(1, 2);
    out.put(rateIndex, 4);
    out.put(front.length, 4);
    out.put(0, 8);
    out.put(low.length, 2);
    out.put(0, 3);
    out.put(coupling.length, 4);
    out.put(0, 3);
    for (const [type, tag] of front) out.put((TYPE[type] << 4) | tag, 5);
    for (const [, tag] of low) out.put(tag, 4);
    for (const [, tag] of coupling) out.put(tag, 5);
    out.align();
    out.put(0, 8);
  }
  return out.bytes();
}
