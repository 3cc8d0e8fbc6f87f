/** ps_data(), ISO/IEC 14496-3 8.4.2 table 8.9: the parameters of one frame of parametric stereo. */
import { HuffmanTree } from '../huffman-tree.ts';
import type { SbrBits } from '../sbr-bits.ts';
import { PS_BANDS } from './ps-bands.ts';
import * as codes from './ps-huffman-tables.ts';

/** Four are sent; one more reaches from the last border to the end of the frame. */
const MAX_ENVELOPES = 5;

const iidFrequency = [new HuffmanTree(codes.IID_FREQUENCY), new HuffmanTree(codes.IID_FINE_FREQUENCY)];
const iidTime = [new HuffmanTree(codes.IID_TIME), new HuffmanTree(codes.IID_FINE_TIME)];
const iccFrequency = new HuffmanTree(codes.ICC_FREQUENCY);
const iccTime = new HuffmanTree(codes.ICC_TIME);
const ipdFrequency = new HuffmanTree(codes.IPD_FREQUENCY);
const ipdTime = new HuffmanTree(codes.IPD_TIME);
const opdFrequency = new HuffmanTree(codes.OPD_FREQUENCY);
const opdTime = new HuffmanTree(codes.OPD_TIME);

/** Bands by iid_mode or icc_mode. */
const BANDS_OF_MODE = [10, 20, 34, 10, 20, 34];
const PHASE_BANDS_OF_MODE = [5, 11, 17, 5, 11, 17];
const FIXED_ENVELOPES = [0, 1, 2, 4];

export class PsParameters {
  private hasIid: boolean;
  iidBands: number;
  /** Finer steps of intensity, indexes up to 15 instead of 7. */
  isFine: boolean;
  private hasIcc: boolean;
  iccBands: number;
  iccMode: number;
  private hasExtension: boolean;
  hasPhase: boolean;
  phaseBands: number;
  is34: boolean;
  /** 1 to 5. */
  envelopes: number;
  /** `envelopes` + 1 borders: the last QMF sample of each envelope, -1 first. */
  readonly borders: Int8Array;
  /** Indexes, PS_BANDS per envelope. */
  readonly iid: Int8Array;
  readonly icc: Int8Array;
  readonly ipd: Int8Array;
  readonly opd: Int8Array;
  private readonly all: readonly Int8Array[];

  constructor() {
    this.hasIid = false;
    this.iidBands = 10;
    this.isFine = false;
    this.hasIcc = false;
    this.iccBands = 10;
    this.iccMode = 0;
    this.hasExtension = false;
    this.hasPhase = false;
    this.phaseBands = 5;
    this.is34 = false;
    this.envelopes = 1;
    this.borders = new Int8Array(MAX_ENVELOPES + 1);
    this.iid = new Int8Array(MAX_ENVELOPES * PS_BANDS);
    this.icc = new Int8Array(MAX_ENVELOPES * PS_BANDS);
    this.ipd = new Int8Array(MAX_ENVELOPES * PS_BANDS);
    this.opd = new Int8Array(MAX_ENVELOPES * PS_BANDS);
    this.all = [this.iid, this.icc, this.ipd, this.opd];
  }

  /**
   * Reads the frame after `last`, which is `slots` QMF samples long and ends at bit `end`. `hasStarted` tells whether a
   * header was seen before. Returns whether the parameters are good, or undefined: no header yet, nothing to do.
   */
  read(
    bits: SbrBits,
    end: number,
    slots: number,
    last: PsParameters,
    hasStarted: boolean,
  ): boolean | undefined {
    this.takeHeader(last);
    if (bits.bit() === 1) {
      if (!this.readHeader(bits)) return false;
    } else if (!hasStarted) {
      return undefined;
    }
    if (!this.readBorders(bits, slots)) return false;
    const lastAt = (last.envelopes - 1) * PS_BANDS;
    const { envelopes } = this;
    if (this.hasIid) {
      const largest = this.isFine ? 15 : 7;
      const frequency = iidFrequency[this.isFine ? 1 : 0]!;
      const time = iidTime[this.isFine ? 1 : 0]!;
      for (let e = 0; e < envelopes; e++) {
        readRow(bits, frequency, time, this.iid, e, last.iid, lastAt, this.iidBands);
        if (!isRowWithin(this.iid, e, this.iidBands, -largest, largest)) return false;
      }
    } else {
      this.iid.fill(0);
    }
    if (this.hasIcc) {
      for (let e = 0; e < envelopes; e++) {
        readRow(bits, iccFrequency, iccTime, this.icc, e, last.icc, lastAt, this.iccBands);
        if (!isRowWithin(this.icc, e, this.iccBands, 0, 7)) return false;
      }
    } else {
      this.icc.fill(0);
    }
    if (this.hasExtension) this.readExtension(bits, last, lastAt);
    else this.hasPhase = false;
    if (!this.hasPhase) {
      this.ipd.fill(0);
      this.opd.fill(0);
    }
    if (bits.isOverrun || bits.position > end) return false;
    this.fillEnvelopes(slots, last, lastAt);
    if (this.hasIid || this.hasIcc) {
      this.is34 = (this.hasIid && this.iidBands === 34) || (this.hasIcc && this.iccBands === 34);
    }
    return true;
  }

  /** A lost frame: the last envelope's parameters go on. */
  hold(slots: number): void {
    const from = (this.envelopes - 1) * PS_BANDS;
    for (const rows of this.all) rows.copyWithin(0, from, from + PS_BANDS);
    this.envelopes = 1;
    this.borders[0] = -1;
    this.borders[1] = slots - 1;
  }

  private takeHeader(last: PsParameters): void {
    this.hasIid = last.hasIid;
    this.iidBands = last.iidBands;
    this.isFine = last.isFine;
    this.hasIcc = last.hasIcc;
    this.iccBands = last.iccBands;
    this.iccMode = last.iccMode;
    this.hasExtension = last.hasExtension;
    this.hasPhase = last.hasPhase;
    this.phaseBands = last.phaseBands;
    this.is34 = last.is34;
  }

  private readHeader(bits: SbrBits): boolean {
    this.hasIid = bits.bit() === 1;
    if (this.hasIid) {
      const mode = bits.bits(3);
      if (mode > 5) return false;
      this.iidBands = BANDS_OF_MODE[mode]!;
      this.phaseBands = PHASE_BANDS_OF_MODE[mode]!;
      this.isFine = mode > 2;
    }
    this.hasIcc = bits.bit() === 1;
    if (this.hasIcc) {
      this.iccMode = bits.bits(3);
      if (this.iccMode > 5) return false;
      this.iccBands = BANDS_OF_MODE[this.iccMode]!;
    }
    this.hasExtension = bits.bit() === 1;
    return true;
  }

  private readBorders(bits: SbrBits, slots: number): boolean {
    const { borders } = this;
    const isVariable = bits.bit() === 1;
    const code = bits.bits(2);
    this.envelopes = isVariable ? code + 1 : FIXED_ENVELOPES[code]!;
    borders[0] = -1;
    for (let e = 1; e <= this.envelopes; e++) {
      const border = isVariable ? bits.bits(5) : Math.floor((e * slots) / this.envelopes) - 1;
      borders[e] = Math.min(border, slots - 1);
      if (borders[e]! < borders[e - 1]!) return false;
    }
    return true;
  }

  /** Phases are the only extension there is; what else is in it is passed over. */
  private readExtension(bits: SbrBits, last: PsParameters, lastAt: number): void {
    let size = bits.bits(4);
    if (size === 15) size += bits.bits(8);
    const end = bits.position + 8 * size;
    if (size > 0 && bits.bits(2) === 0) {
      this.hasPhase = bits.bit() === 1;
      for (let e = 0; this.hasPhase && e < this.envelopes; e++) {
        readRow(bits, ipdFrequency, ipdTime, this.ipd, e, last.ipd, lastAt, this.phaseBands);
        wrapRow(this.ipd, e, this.phaseBands);
        readRow(bits, opdFrequency, opdTime, this.opd, e, last.opd, lastAt, this.phaseBands);
        wrapRow(this.opd, e, this.phaseBands);
      }
    }
    if (bits.position > end) bits.isOverrun = true;
    else bits.skip(end - bits.position);
  }

  /** The envelopes sent may end before the frame does, or be none. */
  private fillEnvelopes(slots: number, last: PsParameters, lastAt: number): void {
    const count = this.envelopes;
    if (count > 0 && this.borders[count]! >= slots - 1) return;
    const to = count * PS_BANDS;
    if (count > 0) {
      const from = to - PS_BANDS;
      for (const rows of this.all) rows.copyWithin(to, from, to);
    } else {
      if (this.hasIid) copyRow(this.iid, last.iid, lastAt);
      if (this.hasIcc) copyRow(this.icc, last.icc, lastAt);
      if (this.hasPhase) {
        copyRow(this.ipd, last.ipd, lastAt);
        copyRow(this.opd, last.opd, lastAt);
      }
    }
    this.envelopes = count + 1;
    this.borders[count + 1] = slots - 1;
  }
}

function copyRow(rows: Int8Array, source: Int8Array, from: number): void {
  for (let b = 0; b < PS_BANDS; b++) rows[b] = source[from + b]!;
}

/**
 * Values of envelope `e`: a bit, which says whether they are differences in time (from the envelope before, of `last` for
 * the first) or in frequency (from band to band), then these.
 */
function readRow(
  bits: SbrBits,
  frequencyTree: HuffmanTree,
  timeTree: HuffmanTree,
  rows: Int8Array,
  e: number,
  last: Int8Array,
  lastAt: number,
  count: number,
): void {
  const isTime = bits.bit() === 1;
  const tree = isTime ? timeTree : frequencyTree;
  const at = e * PS_BANDS;
  const before = e === 0 ? last : rows;
  const beforeAt = e === 0 ? lastAt : at - PS_BANDS;
  let value = 0;
  for (let b = 0; b < count; b++) {
    value = (isTime ? before[beforeAt + b]! : value) + tree.read(bits);
    // Beyond any good value; kept inside 8 bits until the row is checked.
    rows[at + b] = Math.max(-100, Math.min(100, value));
  }
}

function isRowWithin(rows: Int8Array, e: number, count: number, least: number, most: number): boolean {
  for (let i = e * PS_BANDS; i < e * PS_BANDS + count; i++) {
    if (rows[i]! < least || rows[i]! > most) return false;
  }
  return true;
}

/** Phases count modulo 8. */
function wrapRow(rows: Int8Array, e: number, count: number): void {
  for (let i = e * PS_BANDS; i < e * PS_BANDS + count; i++) rows[i]! &= 7;
}
