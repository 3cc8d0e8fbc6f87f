/**
 * Parameter bands of parametric stereo, ISO/IEC 14496-3 8.6.4.6.1 and .3: which band a sub-subband belongs to, and how
 * parameters and matrices sent or kept for 10, 20 or 34 bands turn into those of another division.
 */

/** Most parameter bands. */
export const PS_BANDS = 34;
/** Most sub-subbands: those of 34 bands. */
export const SUB_BANDS = 91;

/** Table 8.48: parameter band by sub-subband; the last one goes on to the end. */
const BAND_OF_20 = [
  1, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 14, 15, 15, 15, 16, 16, 16, 16, 17, 17, 17, 17, 17,
  18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 18, 19,
];
/** Table 8.49 */
const BAND_OF_34 = [
  0, 1, 2, 3, 4, 5, 6, 6, 7, 2, 1, 0, 10, 10, 4, 5, 6, 7, 8, 9, 10, 11, 12, 9, 14, 11, 12, 13, 14, 15, 16, 13,
  16, 17, 18, 19, 20, 21, 22, 22, 23, 23, 24, 24, 25, 25, 26, 26, 27, 27, 27, 28, 28, 28, 29, 29, 29, 30, 30,
  30, 31, 31, 31, 31, 32, 32, 32, 32, 33,
];

/** What differs between the division in 20 and in 34 bands. */
export interface PsDivision {
  readonly is34: boolean;
  /** Parameter bands, and those of them that have phases. */
  readonly bands: number;
  readonly phaseBands: number;
  readonly subBands: number;
  /** Sub-subbands that stand for the lowest QMF bands, and the number of these. */
  readonly hybridBands: number;
  readonly hybridSources: number;
  /** Sub-subbands that pass all-pass filters; those behind are delayed by 14 samples, then by one. */
  readonly allpassBands: number;
  readonly shortDelayBand: number;
  /** The all-pass filters' feedback shrinks from this sub-subband on. */
  readonly decayStart: number;
  readonly bandOf: Uint8Array;
  /** Sub-subbands of negative frequencies: their phases count the other way. */
  readonly mirroredFrom: number;
  readonly mirroredTo: number;
}

export const DIVISION_20: PsDivision = {
  is34: false,
  bands: 20,
  phaseBands: 11,
  subBands: 71,
  hybridBands: 10,
  hybridSources: 3,
  allpassBands: 30,
  shortDelayBand: 42,
  decayStart: 10,
  bandOf: spread(BAND_OF_20, 71),
  mirroredFrom: 0,
  mirroredTo: 1,
};

export const DIVISION_34: PsDivision = {
  is34: true,
  bands: 34,
  phaseBands: 17,
  subBands: 91,
  hybridBands: 32,
  hybridSources: 5,
  allpassBands: 50,
  shortDelayBand: 62,
  decayStart: 32,
  bandOf: spread(BAND_OF_34, 91),
  mirroredFrom: 9,
  mirroredTo: 11,
};

function spread(bands: readonly number[], count: number): Uint8Array {
  const all = new Uint8Array(count).fill(bands[bands.length - 1]!);
  all.set(bands);
  return all;
}

/** Tables 8.45 to 8.47: the bands whose mean each band takes, one named twice counts twice. */
const FROM_34_TO_20 = [
  [0, 0, 1],
  [1, 2, 2],
  [3, 3, 4],
  [4, 5, 5],
  [6, 7],
  [8, 9],
  [10],
  [11],
  [12, 13],
  [14, 15],
  [16],
  [17],
  [18],
  [19],
  [20, 21],
  [22, 23],
  [24, 25],
  [26, 27],
  [28, 29, 30, 31],
  [32, 33],
];
const FROM_20_TO_34 = [
  [0],
  [0, 1],
  [1],
  [2],
  [2, 3],
  [3],
  [4],
  [4],
  [5],
  [5],
  [6],
  [7],
  [8],
  [8],
  [9],
  [9],
  [10],
  [11],
  [12],
  [13],
  [14],
  [14],
  [15],
  [15],
  [16],
  [16],
  [17],
  [17],
  [18],
  [18],
  [18],
  [18],
  [19],
  [19],
];
const FROM_10_TO_20 = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9];
const FROM_10_TO_34 = [
  0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 4, 4, 4, 4, 5, 5, 6, 6, 7, 7, 7, 7, 8, 8, 8, 8, 9, 9, 9, 9, 9, 9,
];

/** Indexes of one envelope, `count` of them (10, 20 or 34) from `at` on, for the bands of a division. */
export function mapIndexes(
  source: Int8Array,
  at: number,
  count: number,
  target: Int8Array,
  division: PsDivision,
): void {
  const { bands } = division;
  if (count === bands) {
    for (let b = 0; b < bands; b++) target[b] = source[at + b]!;
  } else if (count === 10) {
    const from = division.is34 ? FROM_10_TO_34 : FROM_10_TO_20;
    for (let b = 0; b < bands; b++) target[b] = source[at + from[b]!]!;
  } else {
    const groups = division.is34 ? FROM_20_TO_34 : FROM_34_TO_20;
    for (let b = 0; b < bands; b++) target[b] = Math.trunc(meanOf(source, at, groups[b]!));
  }
}

/** The same of phases: 5, 11 or 17 of them stand for the lower half of 10, 20 or 34 bands. */
export function mapPhases(
  source: Int8Array,
  at: number,
  count: number,
  target: Int8Array,
  division: PsDivision,
): void {
  const { phaseBands } = division;
  if (count === phaseBands) {
    for (let b = 0; b < phaseBands; b++) target[b] = source[at + b]!;
  } else if (count === 5) {
    const from = division.is34 ? FROM_10_TO_34 : FROM_10_TO_20;
    for (let b = 0; b + 1 < phaseBands; b++) target[b] = source[at + from[b]!]!;
    target[phaseBands - 1] = 0;
  } else {
    const groups = division.is34 ? FROM_20_TO_34 : FROM_34_TO_20;
    for (let b = 0; b < phaseBands; b++) target[b] = Math.trunc(meanOf(source, at, groups[b]!));
  }
}

const old = new Float64Array(PS_BANDS);

/** Coefficients kept for the other division, now for this one, in place. */
export function mapCoefficients(values: Float64Array, division: PsDivision): void {
  old.set(values);
  const groups = division.is34 ? FROM_20_TO_34 : FROM_34_TO_20;
  for (let b = 0; b < division.bands; b++) values[b] = meanOf(old, 0, groups[b]!);
}

function meanOf(values: Int8Array | Float64Array, at: number, group: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < group.length; i++) sum += values[at + group[i]!]!;
  return sum / group.length;
}
