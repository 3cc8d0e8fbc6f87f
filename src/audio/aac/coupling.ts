/**
 * Coupling channels: ISO/IEC 14496-3 4.4.2.3 and 4.6.8.3. A coupling_channel_element carries a spectrum that is added to
 * other channels, each with gains of its own: before or after noise shaping (dependent) or as sound (independent).
 */
import type { AacBits } from './aac-bits.ts';
import type { BandTables, FrameLength } from './band-tables.ts';
import { Channel } from './channel.ts';
import { PAIR, SINGLE } from './channel-layout.ts';
import { MAX_BANDS, readScaleFactor, ZERO_BOOK } from './channel-stream.ts';
import type { AacTools } from './counters.ts';
import type { FilterBank } from './filter-bank.ts';
import type { NoiseSource } from './noise.ts';
import { scaleSpectrum } from './scaling.ts';

/** Where it is added. */
export const BEFORE_TNS = 0;
export const AFTER_TNS = 1;
export const AS_SOUND = 2;

const MAX_TARGETS = 8;
/** A pair may take two. */
const MAX_LISTS = 2 * MAX_TARGETS;
/** cc_l and cc_r: none says that both take the same gains. */
const LEFT = 2;
const RIGHT = 1;
const BOTH = LEFT | RIGHT;

export class CouplingChannel {
  readonly channel: Channel;
  /** It is in the frame that is being decoded. */
  isPresent: boolean;
  point: number;
  private targets: number;
  private readonly types: Uint8Array;
  private readonly tags: Uint8Array;
  private readonly sides: Uint8Array;
  /** By list and band; a list of one gain has it in its first. */
  private readonly gains: Float64Array;
  private readonly noiseStates: Int32Array;
  private readonly noMask: Uint8Array;

  constructor(tables: BandTables, frameLength: FrameLength, tools: AacTools) {
    this.channel = new Channel(tables, frameLength, tools);
    this.isPresent = false;
    this.point = BEFORE_TNS;
    this.targets = 0;
    this.types = new Uint8Array(MAX_TARGETS);
    this.tags = new Uint8Array(MAX_TARGETS);
    this.sides = new Uint8Array(MAX_TARGETS);
    this.gains = new Float64Array(MAX_LISTS * MAX_BANDS);
    this.noiseStates = new Int32Array(MAX_BANDS);
    this.noMask = new Uint8Array(MAX_BANDS);
  }

  /** coupling_channel_element behind its tag; false when it breaks the rules. */
  read(bits: AacBits): boolean {
    const isIndependent = bits.flag();
    this.targets = bits.bits(3) + 1;
    let lists = 0;
    for (let i = 0; i < this.targets; i++) {
      const type = bits.bits(1);
      this.types[i] = type === 1 ? PAIR : SINGLE;
      this.tags[i] = bits.bits(4);
      this.sides[i] = type === 1 ? bits.bits(2) : LEFT;
      lists += this.sides[i] === BOTH ? 2 : 1;
    }
    const isAfter = bits.flag();
    this.point = isIndependent ? AS_SOUND : isAfter ? AFTER_TNS : BEFORE_TNS;
    const hasSign = bits.flag();
    const step = 2 ** (2 ** bits.bits(2) / 8);
    const { stream } = this.channel;
    if (!stream.read(bits, false)) return false;
    const bands = stream.groups * stream.maxBand;
    this.gains.fill(1, 0, MAX_BANDS);
    for (let list = 1; list < lists; list++) {
      const at = list * MAX_BANDS;
      if (isIndependent || bits.flag()) {
        this.gains.fill(step ** -readScaleFactor(bits), at, at + MAX_BANDS);
        continue;
      }
      let sum = 0;
      for (let band = 0; band < bands; band++) {
        if (stream.books[band] === ZERO_BOOK) continue;
        sum += readScaleFactor(bits);
        const isNegative = hasSign && (sum & 1) === 1;
        const exponent = hasSign ? sum >> 1 : sum;
        this.gains[at + band] = (isNegative ? -1 : 1) * step ** -exponent;
      }
    }
    return !bits.isOverrun;
  }

  makeSpectrum(noise: NoiseSource): void {
    const { channel } = this;
    scaleSpectrum(channel.stream, channel.spectrum, noise, this.noiseStates, null, this.noMask);
    channel.shapeNoise();
  }

  get isSane(): boolean {
    return this.channel.isSane;
  }

  /** Sound of its own is made only where it is used. */
  synthesize(bank: FilterBank): void {
    if (this.isPresent && this.point === AS_SOUND) this.channel.synthesize(bank);
  }

  /** Adds to the channels of an element what is meant for it; gives how often it did. */
  addTo(type: number, tag: number, left: Channel, right: Channel | null): number {
    let list = 0;
    let count = 0;
    for (let i = 0; i < this.targets; i++) {
      const sides = this.sides[i]!;
      if (this.types[i] !== type || this.tags[i] !== tag) {
        list += sides === BOTH ? 2 : 1;
        continue;
      }
      if (sides !== RIGHT) {
        this.add(left, list);
        count++;
      }
      if (sides === BOTH) list++;
      if (sides !== LEFT && right !== null) {
        this.add(right, list);
        count++;
      }
      list++;
    }
    return count;
  }

  private add(target: Channel, list: number): void {
    const at = list * MAX_BANDS;
    if (this.point === AS_SOUND) {
      const gain = this.gains[at]!;
      const from = this.channel.output;
      const to = target.output;
      for (let n = 0; n < to.length; n++) to[n] = to[n]! + gain * from[n]!;
      return;
    }
    const from = this.channel.spectrum;
    const to = target.spectrum;
    const { stream } = this.channel;
    const { offsets, maxBand, windowLines } = stream;
    let first = 0;
    for (let group = 0; group < stream.groups; group++) {
      const windows = stream.groupLength[group]!;
      for (let band = 0; band < maxBand; band++) {
        if (stream.books[group * maxBand + band] === ZERO_BOOK) continue;
        const gain = this.gains[at + group * maxBand + band]!;
        for (let window = 0; window < windows; window++) {
          const start = first + window * windowLines;
          for (let k = start + offsets[band]!; k < start + offsets[band + 1]!; k++)
            to[k] = to[k]! + gain * from[k]!;
        }
      }
      first += windows * windowLines;
    }
  }
}
