/**
 * One individual_channel_stream of AAC LC (ISO/IEC 14496-3 4.4.2.7, 4.6.2, 4.6.3): windows and grouping, sections, scale
 * factors, pulses, noise shaping data, quantised spectrum. Reading gives false for what the standard forbids.
 * Leaves out: prediction (AAC Main), long term prediction (LTP), gain control (SSR): a stream with them is refused.
 */
import { type AacBits, wordAt } from './aac-bits.ts';
import type { BandTables, FrameLength } from './band-tables.ts';
import type { AacTools } from './counters.ts';
import { EIGHT_SHORT, LONG_START, LONG_STOP, ONLY_LONG } from './filter-bank.ts';
import { BOOKS, SCALE_FACTOR_BOOK } from './huffman.ts';
import { readSpectrum } from './spectral-reader.ts';
import { TnsData } from './tns.ts';

export const ZERO_BOOK = 0;
const RESERVED_BOOK = 12;
export const NOISE_BOOK = 13;
export const INTENSITY_OUT_OF_PHASE = 14;
export const INTENSITY_IN_PHASE = 15;

/** Bands of a long window, or of up to eight groups of short ones, at most: 8 * 15. */
export const MAX_BANDS = 120;
/** A scale factor of the Huffman book is the difference to the last one, plus 60. */
const FACTOR_BIAS = 60;
const NOISE_START_BITS = 9;
/** Start of the noise energies: 256 of their first value and 90 below the global gain (4.6.13.3). */
const NOISE_START_BIAS = 256 + 90;
const MAX_SCALE_FACTOR = 255;
/** Beyond any sensible value; the standard's own streams stay far within. */
const POSITION_LIMIT = 255;
const MAX_PULSES = 4;

export class ChannelStream {
  /** ics_info. */
  sequence: number;
  shape: number;
  maxBand: number;
  groups: number;
  readonly groupLength: Uint8Array;
  /** Bands of a window of this frame, all that there are, and their offsets. */
  bands: number;
  offsets: Uint16Array;
  /** Lines of a window. */
  windowLines: number;

  /** By group * maxBand + band. */
  readonly books: Uint8Array;
  /** Scale factor, intensity position or noise energy, by the book of the band. */
  readonly factors: Int16Array;
  readonly tns: TnsData;
  /** Lines of the spectrum before scaling; short windows one behind the other. */
  readonly quantised: Int16Array;
  readonly tables: BandTables;
  readonly frameLength: FrameLength;
  private globalGain: number;
  private pulses: number;
  private readonly pulseOffset: Uint8Array;
  private readonly pulseAmplitude: Uint8Array;
  private pulseStart: number;
  private readonly tools: AacTools;

  constructor(tables: BandTables, frameLength: FrameLength, tools: AacTools) {
    this.sequence = ONLY_LONG;
    this.shape = 0;
    this.maxBand = 0;
    this.groups = 1;
    this.groupLength = new Uint8Array(8);
    this.bands = tables.long.length - 1;
    this.offsets = tables.long;
    this.windowLines = frameLength;
    this.books = new Uint8Array(MAX_BANDS);
    this.factors = new Int16Array(MAX_BANDS);
    this.tns = new TnsData();
    this.quantised = new Int16Array(frameLength);
    this.tables = tables;
    this.frameLength = frameLength;
    this.globalGain = 0;
    this.pulses = 0;
    this.pulseOffset = new Uint8Array(MAX_PULSES);
    this.pulseAmplitude = new Uint8Array(MAX_PULSES);
    this.pulseStart = 0;
    this.tools = tools;
  }

  get isShort(): boolean {
    return this.sequence === EIGHT_SHORT;
  }

  /** ics_info (table 4.6). */
  readInfo(bits: AacBits): boolean {
    if (bits.flag()) return false; // ics_reserved_bit
    const sequence = bits.bits(2);
    this.shape = bits.bits(1);
    this.groups = 1;
    this.groupLength[0] = 1;
    if (sequence === EIGHT_SHORT) {
      this.setSequence(sequence);
      this.maxBand = bits.bits(4);
      const grouping = bits.bits(7);
      for (let window = 1; window < 8; window++) {
        if ((grouping & (0x80 >> window)) === 0) this.groupLength[this.groups++] = 1;
        else this.groupLength[this.groups - 1]!++;
      }
    } else {
      this.setSequence(sequence);
      this.maxBand = bits.bits(6);
      if (bits.flag()) return false; // predictor_data_present
    }
    return this.maxBand <= this.bands;
  }

  private setSequence(sequence: number): void {
    const isShort = sequence === EIGHT_SHORT;
    this.sequence = sequence;
    this.offsets = isShort ? this.tables.short : this.tables.long;
    this.bands = this.offsets.length - 1;
    this.windowLines = isShort ? this.frameLength / 8 : this.frameLength;
  }

  /** The common_window of a channel pair. */
  copyInfo(other: ChannelStream): void {
    this.setSequence(other.sequence);
    this.shape = other.shape;
    this.maxBand = other.maxBand;
    this.groups = other.groups;
    this.groupLength.set(other.groupLength);
  }

  /** individual_channel_stream (table 4.50) but, with a common window, its ics_info. */
  read(bits: AacBits, hasInfo: boolean): boolean {
    this.globalGain = bits.bits(8);
    if (!hasInfo && !this.readInfo(bits)) return false;
    if (!this.readSections(bits) || !this.readFactors(bits)) return false;
    this.pulses = 0;
    if (bits.flag() && (this.isShort || !this.readPulses(bits))) return false;
    this.tns.isPresent = bits.flag();
    if (this.tns.isPresent && !this.tns.read(bits, this.isShort)) return false;
    if (bits.flag()) return false; // gain_control_data_present
    if (bits.isOverrun || !readSpectrum(bits, this)) return false;
    if (this.pulses > 0) this.addPulses();
    this.count();
    return true;
  }

  /** section_data (table 4.52). */
  private readSections(bits: AacBits): boolean {
    const { maxBand, books } = this;
    const width = this.isShort ? 3 : 5;
    const longest = (1 << width) - 1;
    for (let group = 0; group < this.groups; group++) {
      const base = group * maxBand;
      let band = 0;
      while (band < maxBand) {
        const book = bits.bits(4);
        if (book === RESERVED_BOOK) return false;
        let end = band;
        let increment = 0;
        do {
          increment = bits.bits(width);
          end += increment;
          if (end > maxBand || bits.isOverrun) return false;
        } while (increment === longest);
        books.fill(book, base + band, base + end);
        // A section of no length moves nothing: what is wrong with it shows at the end of the frame at the latest.
        band = end;
      }
    }
    return true;
  }

  /** scale_factor_data (table 4.53). */
  private readFactors(bits: AacBits): boolean {
    const { books, factors } = this;
    const count = this.groups * this.maxBand;
    let factor = this.globalGain;
    let noise = this.globalGain - NOISE_START_BIAS;
    let isNoiseStarted = false;
    let position = 0;
    for (let i = 0; i < count; i++) {
      const book = books[i]!;
      if (book === ZERO_BOOK) {
        factors[i] = 0;
      } else if (book >= INTENSITY_OUT_OF_PHASE) {
        position += readScaleFactor(bits);
        if (position > POSITION_LIMIT || position < -POSITION_LIMIT) return false;
        factors[i] = position;
      } else if (book === NOISE_BOOK) {
        noise += isNoiseStarted ? readScaleFactor(bits) : bits.bits(NOISE_START_BITS);
        isNoiseStarted = true;
        if (noise > MAX_SCALE_FACTOR || noise < -MAX_SCALE_FACTOR - NOISE_START_BIAS) return false;
        factors[i] = noise;
      } else {
        factor += readScaleFactor(bits);
        if (factor > MAX_SCALE_FACTOR || factor < 0) return false;
        factors[i] = factor;
      }
    }
    return !bits.isOverrun;
  }

  /** pulse_data (table 4.7). */
  private readPulses(bits: AacBits): boolean {
    this.pulses = bits.bits(2) + 1;
    const band = bits.bits(6);
    if (band > this.bands) return false;
    this.pulseStart = this.offsets[band]!;
    let at = this.pulseStart;
    for (let i = 0; i < this.pulses; i++) {
      this.pulseOffset[i] = bits.bits(5);
      this.pulseAmplitude[i] = bits.bits(4);
      at += this.pulseOffset[i]!;
      if (at >= this.frameLength) return false;
    }
    return true;
  }

  private addPulses(): void {
    const { quantised } = this;
    let at = this.pulseStart;
    for (let i = 0; i < this.pulses; i++) {
      at += this.pulseOffset[i]!;
      const value = quantised[at]!;
      const amplitude = this.pulseAmplitude[i]!;
      quantised[at] = value > 0 ? value + amplitude : value - amplitude;
    }
    this.tools.pulses += this.pulses;
  }

  private count(): void {
    const { tools, books } = this;
    if (this.sequence === EIGHT_SHORT) tools.shortBlocks++;
    else if (this.sequence === LONG_START) tools.startBlocks++;
    else if (this.sequence === LONG_STOP) tools.stopBlocks++;
    tools.kaiserBlocks += this.shape;
    for (let i = this.groups * this.maxBand - 1; i >= 0; i--) tools.books[books[i]!]!++;
    if (this.tns.isPresent) tools.noiseShapers += this.tns.filterCount;
  }
}

/** hcod_sf: -60 to 60. */
export function readScaleFactor(bits: AacBits): number {
  const { position, bytes } = bits;
  if (position >= bits.end) {
    bits.position = bits.end + 1;
    return 0;
  }
  const entry = BOOKS[SCALE_FACTOR_BOOK]!.find(wordAt(bytes, position));
  bits.position = position + (entry & 31);
  return (entry >> 5) - FACTOR_BIAS;
}
