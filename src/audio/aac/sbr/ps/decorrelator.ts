/**
 * The decorrelator of parametric stereo, ISO/IEC 14496-3 8.6.4.5: all-pass filters in the low sub-subbands, plain delays
 * above, turned down where a transient would smear.
 */
import { SLOTS } from './hybrid-filter.ts';
import { DIVISION_20, DIVISION_34, PS_BANDS, type PsDivision, SUB_BANDS } from './ps-bands.ts';

const LINKS = 3;
/** Link m delays by 3 + m samples. */
const LINK_DELAY = 3;
const LINK_GAINS = [0.65143905753106, 0.56471812200776, 0.48954165955695];
const LINK_FRACTIONS = [0.43, 0.75, 0.347];
const FRACTION = 0.39;
const DECAY_SLOPE = 0.05;

const LONG_DELAY = 14;
const ALLPASS_DELAY = 2;
const DELAY_LENGTH = SLOTS + LONG_DELAY;
const LINK_LENGTH = SLOTS + LINK_DELAY + LINKS - 1;
const MAX_ALLPASS = 50;

const PEAK_DECAY = 0.76592833836465;
const SMOOTHING = 0.25;
const TRANSIENT_IMPACT = 1.5;
/** Added and taken away again, it rounds to zero what would fade for ever through denormal numbers. */
const FLUSH = 1e-15;

/** Centres of the hybrid sub-subbands in QMF subbands, 8.6.4.5.2; those behind count on by one. */
const CENTRES_20 = [-3, -1, 1, 3, 5, 7, 10, 14, 18, 22].map((c) => c / 8);
const CENTRES_34 = [
  2, 6, 10, 14, 18, 22, 26, 30, 34, -10, -6, -2, 51, 57, 15, 21, 27, 33, 39, 45, 54, 66, 78, 42, 102, 66, 78,
  90, 102, 114, 126, 90,
].map((c) => c / 24);

/** Rotations by sub-subband: of the input, then of each link; cosine and sine in turn. */
function rotations(division: PsDivision, centres: readonly number[], offset: number): Float64Array {
  const table = new Float64Array(division.allpassBands * 8);
  for (let k = 0; k < division.allpassBands; k++) {
    const centre = centres[k] ?? k - offset;
    [FRACTION, ...LINK_FRACTIONS].forEach((fraction, i) => {
      table[k * 8 + 2 * i] = Math.cos(-Math.PI * fraction * centre);
      table[k * 8 + 2 * i + 1] = Math.sin(-Math.PI * fraction * centre);
    });
  }
  return table;
}
const ROTATIONS_20 = rotations(DIVISION_20, CENTRES_20, 6.5);
const ROTATIONS_34 = rotations(DIVISION_34, CENTRES_34, 26.5);

export class Decorrelator {
  private readonly delayRe: Float32Array;
  private readonly delayIm: Float32Array;
  private readonly linkRe: Float32Array;
  private readonly linkIm: Float32Array;
  private readonly peak: Float64Array;
  private readonly smoothPower: Float64Array;
  private readonly smoothDifference: Float64Array;
  private readonly power: Float64Array;
  private readonly gain: Float64Array;
  private lastCount: number;

  constructor() {
    this.delayRe = new Float32Array(SUB_BANDS * DELAY_LENGTH);
    this.delayIm = new Float32Array(SUB_BANDS * DELAY_LENGTH);
    this.linkRe = new Float32Array(MAX_ALLPASS * LINKS * LINK_LENGTH);
    this.linkIm = new Float32Array(MAX_ALLPASS * LINKS * LINK_LENGTH);
    this.peak = new Float64Array(PS_BANDS);
    this.smoothPower = new Float64Array(PS_BANDS);
    this.smoothDifference = new Float64Array(PS_BANDS);
    this.power = new Float64Array(PS_BANDS * SLOTS);
    this.gain = new Float64Array(PS_BANDS * SLOTS);
    this.lastCount = 0;
  }

  /** Also when the division changes. */
  reset(): void {
    this.delayRe.fill(0);
    this.delayIm.fill(0);
    this.linkRe.fill(0);
    this.linkIm.fill(0);
    this.peak.fill(0);
    this.smoothPower.fill(0);
    this.smoothDifference.fill(0);
    this.lastCount = 0;
  }

  /** `slots` samples of the first `count` sub-subbands of `inRe`, `inIm`, decorrelated to `outRe`, `outIm`. */
  process(
    inRe: Float32Array,
    inIm: Float32Array,
    slots: number,
    division: PsDivision,
    count: number,
    outRe: Float32Array,
    outIm: Float32Array,
  ): void {
    this.dropBands(count);
    this.findTransients(inRe, inIm, slots, division, count);
    const { bandOf } = division;
    for (let k = 0; k < count; k++) {
      const at = k * DELAY_LENGTH;
      const { delayRe, delayIm } = this;
      delayRe.copyWithin(at, at + slots, at + slots + LONG_DELAY);
      delayIm.copyWithin(at, at + slots, at + slots + LONG_DELAY);
      for (let n = 0; n < slots; n++) {
        delayRe[at + LONG_DELAY + n] = inRe[k * SLOTS + n]!;
        delayIm[at + LONG_DELAY + n] = inIm[k * SLOTS + n]!;
      }
      const gainAt = bandOf[k]! * SLOTS;
      if (k < division.allpassBands) {
        this.allpass(k, slots, division, gainAt, outRe, outIm);
        continue;
      }
      const from = at + LONG_DELAY - (k < division.shortDelayBand ? LONG_DELAY : 1);
      for (let n = 0; n < slots; n++) {
        const g = this.gain[gainAt + n]!;
        outRe[k * SLOTS + n] = delayRe[from + n]! * g;
        outIm[k * SLOTS + n] = delayIm[from + n]! * g;
      }
    }
  }

  /** Sub-subbands that fell silent must not speak again when they come back. */
  private dropBands(count: number): void {
    if (count < this.lastCount) {
      this.delayRe.fill(0, count * DELAY_LENGTH, this.lastCount * DELAY_LENGTH);
      this.delayIm.fill(0, count * DELAY_LENGTH, this.lastCount * DELAY_LENGTH);
      this.linkRe.fill(0, count * LINKS * LINK_LENGTH);
      this.linkIm.fill(0, count * LINKS * LINK_LENGTH);
    }
    this.lastCount = count;
  }

  /** 8.6.4.5.3: gains below 1 where the power of a parameter band falls off its peak. */
  private findTransients(
    inRe: Float32Array,
    inIm: Float32Array,
    slots: number,
    division: PsDivision,
    count: number,
  ): void {
    const { power, gain, peak, smoothPower, smoothDifference } = this;
    power.fill(0);
    for (let k = 0; k < count; k++) {
      const to = division.bandOf[k]! * SLOTS;
      for (let n = 0; n < slots; n++) {
        const r = inRe[k * SLOTS + n]!;
        const i = inIm[k * SLOTS + n]!;
        power[to + n]! += r * r + i * i;
      }
    }
    for (let b = 0; b < division.bands; b++) {
      let top = peak[b]!;
      let mean = smoothPower[b]!;
      let difference = smoothDifference[b]!;
      for (let n = 0; n < slots; n++) {
        const now = power[b * SLOTS + n]!;
        top = Math.max(PEAK_DECAY * top, now) + FLUSH - FLUSH;
        mean += SMOOTHING * (now - mean) + FLUSH - FLUSH;
        difference += SMOOTHING * (top - now - difference) + FLUSH - FLUSH;
        const limit = TRANSIENT_IMPACT * difference;
        gain[b * SLOTS + n] = limit > mean ? mean / limit : 1;
      }
      peak[b] = top;
      smoothPower[b] = mean;
      smoothDifference[b] = difference;
    }
  }

  /** 8.6.4.5.2: three all-pass links in a row, each with a fractional delay. */
  private allpass(
    k: number,
    slots: number,
    division: PsDivision,
    gainAt: number,
    outRe: Float32Array,
    outIm: Float32Array,
  ): void {
    const { linkRe, linkIm, delayRe, delayIm, gain } = this;
    const table = division.is34 ? ROTATIONS_34 : ROTATIONS_20;
    const t = k * 8;
    const decay = Math.max(0, Math.min(1, 1 - DECAY_SLOPE * (k - division.decayStart)));
    const history = LINK_LENGTH - SLOTS;
    for (let m = 0; m < LINKS; m++) {
      const at = (k * LINKS + m) * LINK_LENGTH;
      linkRe.copyWithin(at, at + slots, at + slots + history);
      linkIm.copyWithin(at, at + slots, at + slots + history);
    }
    const from = k * DELAY_LENGTH + LONG_DELAY - ALLPASS_DELAY;
    const startCos = table[t]!;
    const startSin = table[t + 1]!;
    for (let n = 0; n < slots; n++) {
      const xr = delayRe[from + n]!;
      const xi = delayIm[from + n]!;
      let re = xr * startCos - xi * startSin;
      let im = xr * startSin + xi * startCos;
      for (let m = 0; m < LINKS; m++) {
        const g = LINK_GAINS[m]! * decay;
        const write = (k * LINKS + m) * LINK_LENGTH + history + n;
        const read = write - LINK_DELAY - m;
        const c = table[t + 2 + 2 * m]!;
        const s = table[t + 3 + 2 * m]!;
        const pr = linkRe[read]!;
        const pi = linkIm[read]!;
        const yr = pr * c - pi * s - g * re;
        const yi = pr * s + pi * c - g * im;
        linkRe[write] = re + g * yr + FLUSH - FLUSH;
        linkIm[write] = im + g * yi + FLUSH - FLUSH;
        re = yr;
        im = yi;
      }
      outRe[k * SLOTS + n] = re * gain[gainAt + n]!;
      outIm[k * SLOTS + n] = im * gain[gainAt + n]!;
    }
  }
}
