/**
 * The frequency bands of SBR, ISO/IEC 14496-3 4.6.18.3: master, high and low resolution, noise floor and limiter tables
 * as borders in QMF subbands (0 to 64), and the patches that the high band is made of (4.6.18.6.3).
 */
import { NOISE_BANDS } from './channel-data.ts';
import type { SbrHeader } from './sbr-header.ts';

/** The standard allows 48 bands. */
const MAX_BANDS = 48;
/** The standard allows 5; streams of its own conformance suite have 6. */
const MAX_PATCHES = 6;

/** Table 4.82: start offset by bs_start_freq, for SBR rates up to the named one. */
const START_OFFSETS: readonly (readonly [number, readonly number[]])[] = [
  [16_000, [-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7]],
  [22_050, [-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13]],
  [24_000, [-5, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 16]],
  [32_000, [-6, -4, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 16]],
  [64_000, [-4, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 16, 20]],
  [Number.POSITIVE_INFINITY, [-2, -1, 0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 16, 20, 24]],
];

export class FrequencyTables {
  /** First subband of the master table, at most kx. */
  k0: number;
  /** First subband of the high band. */
  kx: number;
  /** Number of subbands of the high band. */
  m: number;
  readonly high: Uint8Array;
  highCount: number;
  readonly low: Uint8Array;
  lowCount: number;
  readonly noise: Uint8Array;
  noiseCount: number;
  readonly limiter: Uint8Array;
  limiterCount: number;
  readonly patchSize: Uint8Array;
  readonly patchStart: Uint8Array;
  patchCount: number;
  private readonly master: Uint8Array;
  private masterCount: number;

  constructor() {
    this.k0 = 32;
    this.kx = 32;
    this.m = 0;
    this.high = new Uint8Array(MAX_BANDS + 1);
    this.highCount = 0;
    this.low = new Uint8Array(MAX_BANDS + 1);
    this.lowCount = 0;
    this.noise = new Uint8Array(NOISE_BANDS + 1);
    this.noiseCount = 0;
    this.limiter = new Uint8Array(MAX_BANDS + MAX_PATCHES + 1);
    this.limiterCount = 0;
    this.patchSize = new Uint8Array(MAX_PATCHES);
    this.patchStart = new Uint8Array(MAX_PATCHES);
    this.patchCount = 0;
    this.master = new Uint8Array(MAX_BANDS + 1);
    this.masterCount = 0;
  }

  /** All tables of a header at this rate (that of the output, Hz). False: the header breaks 4.6.18.3.6. */
  build(header: SbrHeader, sampleRate: number): boolean {
    const range = this.masterRange(header, sampleRate);
    if (range === undefined) return false;
    const isBuilt =
      header.frequencyScale === 0
        ? this.buildLinear(range.k0, range.k2, header.alterScale)
        : this.buildWarped(range.k0, range.k2, header.frequencyScale, header.alterScale);
    if (!isBuilt || header.crossoverBand >= this.masterCount) return false;
    this.k0 = range.k0;
    if (!this.buildDerived(header, range.k2)) return false;
    if (!this.buildPatches(sampleRate)) return false;
    this.buildLimiter(header.limiterBands);
    return true;
  }

  /** 4.6.18.3.2.3: bands of the limiter, between patch borders; `limiterBands` 0 is one band. */
  buildLimiter(limiterBands: number): void {
    const { limiter, low, lowCount, patchCount } = this;
    if (limiterBands === 0) {
      limiter[0] = low[0]!;
      limiter[1] = low[lowCount]!;
      this.limiterCount = 1;
      return;
    }
    const perOctave = limiterBands === 1 ? 1.2 : limiterBands;
    let count = lowCount + 1;
    for (let i = 0; i < count; i++) limiter[i] = low[i]!;
    let border = this.kx;
    for (let i = 0; i + 1 < patchCount; i++) {
      border += this.patchSize[i]!;
      limiter[count++] = border;
    }
    limiter.subarray(0, count).sort();
    let kept = 0;
    for (let i = 1; i < count; i++) {
      const next = limiter[i]!;
      const last = limiter[kept]!;
      if (Math.log2(next / last) * perOctave >= 0.49) limiter[++kept] = next;
      else if (next === last || !this.isPatchBorder(next)) continue;
      else if (!this.isPatchBorder(last)) limiter[kept] = next;
      else limiter[++kept] = next;
    }
    this.limiterCount = kept;
  }

  private isPatchBorder(band: number): boolean {
    let border = this.kx;
    // The end stays where the last patch was too small to be made: the limiter covers the whole high band.
    if (border === band || border + this.m === band) return true;
    for (let i = 0; i < this.patchCount; i++) {
      border += this.patchSize[i]!;
      if (border === band) return true;
    }
    return false;
  }

  /** First and last border of the master table. */
  private masterRange(header: SbrHeader, sampleRate: number): { k0: number; k2: number } | undefined {
    const lowest = sampleRate < 32_000 ? 3000 : sampleRate < 64_000 ? 4000 : 5000;
    const startMin = Math.round((lowest * 128) / sampleRate);
    const stopMin = Math.round((lowest * 256) / sampleRate);
    const offsets = START_OFFSETS.find(([limit]) => sampleRate <= limit)![1];
    const k0 = startMin + offsets[header.startFrequency]!;
    let k2: number;
    if (header.stopFrequency === 14) k2 = 2 * k0;
    else if (header.stopFrequency === 15) k2 = 3 * k0;
    else {
      k2 = stopMin;
      const steps = warpedSteps(stopMin, 64, 13).sort((a, b) => a - b);
      for (let i = 0; i < header.stopFrequency; i++) k2 += steps[i]!;
    }
    k2 = Math.min(k2, 64);
    const most = sampleRate <= 32_000 ? 48 : sampleRate <= 44_100 ? 35 : 32;
    if (k0 < 1 || k2 <= k0 || k2 - k0 > most) return undefined;
    return { k0, k2 };
  }

  /** bs_freq_scale 0: bands of one or two subbands. */
  private buildLinear(k0: number, k2: number, alterScale: number): boolean {
    const width = alterScale + 1;
    const count = alterScale === 0 ? 2 * Math.floor((k2 - k0) / 2) : 2 * Math.round((k2 - k0) / 4);
    if (count <= 0 || count > MAX_BANDS) return false;
    let rest = k2 - k0 - count * width;
    const widths = new Array<number>(count).fill(width);
    for (let i = 0; rest < 0 && i < count; i++, rest++) widths[i]!--;
    for (let i = count - 1; rest > 0 && i >= 0; i--, rest--) widths[i]!++;
    return this.layMaster(k0, widths, 0);
  }

  /** bs_freq_scale 1 to 3: 12, 10 or 8 bands per octave, in one or two regions. */
  private buildWarped(k0: number, k2: number, frequencyScale: number, alterScale: number): boolean {
    const bands = 7 - frequencyScale;
    const hasTwoRegions = k2 / k0 > 2.2449;
    const k1 = hasTwoRegions ? 2 * k0 : k2;
    const count0 = 2 * Math.round(bands * Math.log2(k1 / k0));
    if (count0 <= 0 || count0 > MAX_BANDS) return false;
    const steps0 = warpedSteps(k0, k1, count0).sort((a, b) => a - b);
    if (!this.layMaster(k0, steps0, 0)) return false;
    if (!hasTwoRegions) return true;
    const warp = alterScale === 1 ? 1.3 : 1;
    const count1 = 2 * Math.round((bands * Math.log2(k2 / k1)) / warp);
    if (count1 < 0 || count0 + count1 > MAX_BANDS) return false;
    if (count1 === 0) return true;
    const steps1 = warpedSteps(k1, k2, count1).sort((a, b) => a - b);
    const widest0 = steps0[count0 - 1]!;
    if (steps1[0]! < widest0) {
      const change = Math.min(widest0 - steps1[0]!, Math.floor((steps1[count1 - 1]! - steps1[0]!) / 2));
      steps1[0]! += change;
      steps1[count1 - 1]! -= change;
      steps1.sort((a, b) => a - b);
    }
    return this.layMaster(k1, steps1, count0);
  }

  /** Borders from widths, behind `done` bands; a width below 1 is against the standard. */
  private layMaster(start: number, widths: readonly number[], done: number): boolean {
    const { master } = this;
    let border = start;
    master[done] = border;
    for (let i = 0; i < widths.length; i++) {
      if (widths[i]! < 1) return false;
      border += widths[i]!;
      master[done + i + 1] = border;
    }
    this.masterCount = done + widths.length;
    return true;
  }

  private buildDerived(header: SbrHeader, k2: number): boolean {
    const { high, low, noise, master } = this;
    const first = header.crossoverBand;
    const count = this.masterCount - first;
    for (let i = 0; i <= count; i++) high[i] = master[first + i]!;
    this.highCount = count;
    this.kx = high[0]!;
    this.m = high[count]! - this.kx;
    if (this.kx > 32 || this.kx + this.m > 64) return false;
    const odd = count & 1;
    this.lowCount = (count + odd) >> 1;
    low[0] = high[0]!;
    for (let i = 1; i <= this.lowCount; i++) low[i] = high[2 * i - odd]!;
    const noiseCount = Math.max(1, Math.round(header.noiseBands * Math.log2(k2 / this.kx)));
    if (noiseCount > NOISE_BANDS) return false;
    this.noiseCount = noiseCount;
    noise[0] = low[0]!;
    let at = 0;
    for (let i = 1; i <= noiseCount; i++) {
      at += Math.floor((this.lowCount - at) / (noiseCount + 1 - i));
      noise[i] = low[at]!;
    }
    return true;
  }

  /** 4.6.18.6.3: which low subbands are copied where. */
  private buildPatches(sampleRate: number): boolean {
    const { master, masterCount, patchSize, patchStart, k0, kx } = this;
    const end = kx + this.m;
    const goal = Math.round(2_048_000 / sampleRate);
    let index = masterCount;
    if (goal < end) {
      index = 0;
      while (master[index]! < goal) index++;
    }
    let sourceEnd = k0;
    let done = kx;
    let count = 0;
    let top = 0;
    // Every second round at least makes a patch, unless the tables are broken.
    for (let round = 0; top !== end; round++) {
      if (round > 2 * MAX_PATCHES + 2) return false;
      let at = index;
      top = master[at]!;
      let odd = (top + k0) & 1;
      while (at > 0 && top > k0 - 1 + sourceEnd - odd) {
        top = master[--at]!;
        odd = (top + k0) & 1;
      }
      const size = Math.max(top - done, 0);
      if (size > 0) {
        const start = k0 - odd - size;
        if (count === MAX_PATCHES || start < 0) return false;
        patchSize[count] = size;
        patchStart[count++] = start;
        done = top;
        sourceEnd = top;
      } else {
        sourceEnd = kx;
      }
      if (master[index]! - top < 3) index = masterCount;
    }
    if (count > 1 && patchSize[count - 1]! < 3) count--;
    this.patchCount = count;
    return count > 0;
  }
}

/** Widths of `count` bands from `start` to `stop`, each a constant factor wider, rounded to whole subbands. */
function warpedSteps(start: number, stop: number, count: number): number[] {
  const steps: number[] = [];
  let last = start;
  for (let i = 1; i <= count; i++) {
    const border = i === count ? stop : Math.round(start * (stop / start) ** (i / count));
    steps.push(border - last);
    last = border;
  }
  return steps;
}
