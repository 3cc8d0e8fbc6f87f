/**
 * The hybrid filter bank, ISO/IEC 14496-3 8.6.4.3: splits the lowest 3 (or 5) QMF subbands further, 13 taps long, and
 * adds the parts up again. Sub-subbands lie band by band, SLOTS samples each. The filters look 6 samples ahead, which
 * the SBR decoder has at hand, so nothing is delayed.
 */
import type { PsDivision } from './ps-bands.ts';

/** Samples of a sub-subband: a frame of 32 or 30. */
export const SLOTS = 32;
const QMF_BANDS = 64;
const REACH = 6;
const SOURCES = 5;
/** One source subband: 6 samples of the frame before, the frame, 6 of the next. */
const LENGTH = SLOTS + 2 * REACH;

/** Table 8.39: the first half of the symmetric prototypes, and their middle. */
const PROTOTYPE_8 = [
  0.00746082949812, 0.02270420949825, 0.04546865930473, 0.07266113929591, 0.09885108575264, 0.11793710567217,
  0.125,
];
const PROTOTYPE_2 = [0, 0.01899487526049, 0, -0.07293139167538, 0, 0.30596630545168, 0.5];
const PROTOTYPE_12 = [
  0.04081179924692,
  0.03812810994926,
  0.05144908135699,
  0.06399831151592,
  0.07428313801106,
  0.08100347892914,
  1 / 12,
];
const PROTOTYPE_8_OF_34 = [
  0.01565675600122, 0.03752716391991, 0.05417891378782, 0.08417044116767, 0.10307344158036, 0.12222452249753,
  0.125,
];
const PROTOTYPE_4 = [
  -0.05908211155639, -0.04871498374946, 0, 0.07778723915851, 0.16486303567403, 0.23279856662996, 0.25,
];

/** One filter for one sub-subband: taps 0 to 5 as cosine and sine parts, the middle. */
interface HybridFilter {
  readonly source: number;
  readonly target: number;
  readonly cosines: Float64Array;
  readonly sines: Float64Array;
  readonly middle: number;
}

function makeFilter(
  source: number,
  target: number,
  prototype: readonly number[],
  angle: number,
): HybridFilter {
  const cosines = new Float64Array(REACH);
  const sines = new Float64Array(REACH);
  for (let n = 0; n < REACH; n++) {
    cosines[n] = prototype[n]! * Math.cos(angle * (n - REACH));
    sines[n] = prototype[n]! * Math.sin(angle * (n - REACH));
  }
  return { source, target, cosines, sines, middle: prototype[REACH]! };
}

/** `count` filters of complex modulation; `order` is the sub-subband of each, two in one are added. */
function complexBank(source: number, prototype: readonly number[], order: readonly number[]): HybridFilter[] {
  return order.map((target, q) =>
    makeFilter(source, target, prototype, (2 * Math.PI * (q + 0.5)) / order.length),
  );
}

/** Two filters of real modulation: the low half, then the high half, or the other way round. */
function realBank(source: number, low: number, high: number): HybridFilter[] {
  return [makeFilter(source, low, PROTOTYPE_2, 0), makeFilter(source, high, PROTOTYPE_2, Math.PI)];
}

const BANK_20 = [
  ...complexBank(0, PROTOTYPE_8, [2, 3, 4, 5, 5, 4, 0, 1]),
  ...realBank(1, 7, 6),
  ...realBank(2, 8, 9),
];
const BANK_34 = [
  ...complexBank(0, PROTOTYPE_12, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
  ...complexBank(1, PROTOTYPE_8_OF_34, [12, 13, 14, 15, 16, 17, 18, 19]),
  ...complexBank(2, PROTOTYPE_4, [20, 21, 22, 23]),
  ...complexBank(3, PROTOTYPE_4, [24, 25, 26, 27]),
  ...complexBank(4, PROTOTYPE_4, [28, 29, 30, 31]),
];

export class HybridAnalysis {
  private readonly re: Float64Array;
  private readonly im: Float64Array;

  constructor() {
    this.re = new Float64Array(SOURCES * LENGTH);
    this.im = new Float64Array(SOURCES * LENGTH);
  }

  /**
   * `re`, `im`: `slots` rows of 64 subbands and 6 more of which the lowest 5 are known. Fills the first `count`
   * sub-subbands of `subRe`, `subIm`.
   */
  process(
    re: Float32Array,
    im: Float32Array,
    slots: number,
    division: PsDivision,
    count: number,
    subRe: Float32Array,
    subIm: Float32Array,
  ): void {
    for (let source = 0; source < SOURCES; source++) {
      const at = source * LENGTH + REACH;
      for (let n = 0; n < slots + REACH; n++) {
        this.re[at + n] = re[n * QMF_BANDS + source]!;
        this.im[at + n] = im[n * QMF_BANDS + source]!;
      }
    }
    subRe.fill(0, 0, division.hybridBands * SLOTS);
    subIm.fill(0, 0, division.hybridBands * SLOTS);
    for (const filter of division.is34 ? BANK_34 : BANK_20) this.split(filter, slots, subRe, subIm);
    const shift = division.hybridSources - division.hybridBands;
    for (let k = division.hybridBands; k < count; k++) {
      for (let n = 0, from = k + shift; n < slots; n++, from += QMF_BANDS) {
        subRe[k * SLOTS + n] = re[from]!;
        subIm[k * SLOTS + n] = im[from]!;
      }
    }
    for (let source = 0; source < SOURCES; source++) {
      const at = source * LENGTH;
      this.re.copyWithin(at, at + slots, at + slots + REACH);
      this.im.copyWithin(at, at + slots, at + slots + REACH);
    }
  }

  private split(filter: HybridFilter, slots: number, subRe: Float32Array, subIm: Float32Array): void {
    const { cosines, sines, middle } = filter;
    const { re, im } = this;
    const to = filter.target * SLOTS;
    for (let n = 0; n < slots; n++) {
      const at = filter.source * LENGTH + n;
      let sumRe = middle * re[at + REACH]!;
      let sumIm = middle * im[at + REACH]!;
      for (let j = 0; j < REACH; j++) {
        const a = at + j;
        const b = at + 2 * REACH - j;
        const c = cosines[j]!;
        const s = sines[j]!;
        sumRe += c * (re[a]! + re[b]!) + s * (im[a]! - im[b]!);
        sumIm += c * (im[a]! + im[b]!) - s * (re[a]! - re[b]!);
      }
      subRe[to + n]! += sumRe;
      subIm[to + n]! += sumIm;
    }
  }
}

/** The way back: sub-subbands 0 to `count` - 1 to rows of 64 subbands; the subbands behind are silent. */
export function hybridSynthesis(
  subRe: Float32Array,
  subIm: Float32Array,
  slots: number,
  division: PsDivision,
  count: number,
  re: Float32Array,
  im: Float32Array,
): void {
  re.fill(0, 0, slots * QMF_BANDS);
  im.fill(0, 0, slots * QMF_BANDS);
  const firsts = division.is34 ? FIRSTS_34 : FIRSTS_20;
  for (let source = 0; source < division.hybridSources; source++) {
    for (let k = firsts[source]!; k < firsts[source + 1]!; k++) {
      for (let n = 0, to = source; n < slots; n++, to += QMF_BANDS) {
        re[to]! += subRe[k * SLOTS + n]!;
        im[to]! += subIm[k * SLOTS + n]!;
      }
    }
  }
  const shift = division.hybridSources - division.hybridBands;
  for (let k = division.hybridBands; k < count; k++) {
    for (let n = 0, to = k + shift; n < slots; n++, to += QMF_BANDS) {
      re[to] = subRe[k * SLOTS + n]!;
      im[to] = subIm[k * SLOTS + n]!;
    }
  }
}

/** First sub-subband of each source subband. */
const FIRSTS_20 = [0, 6, 8, 10];
const FIRSTS_34 = [0, 12, 20, 24, 28, 32];
