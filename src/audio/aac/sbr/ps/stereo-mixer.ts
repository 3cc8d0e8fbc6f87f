/**
 * Left and right from the mono signal and its decorrelated twin, ISO/IEC 14496-3 8.6.4.6: a 2 x 2 matrix per parameter
 * band from intensity, coherence and phases, interpolated over each envelope.
 */
import { SLOTS } from './hybrid-filter.ts';
import { mapCoefficients, mapIndexes, mapPhases, PS_BANDS, type PsDivision } from './ps-bands.ts';
import type { PsParameters } from './ps-parameters.ts';

/** Intensity differences in dB above index 0; below they are the same with the other sign. */
const IID_COARSE = [0, 2, 4, 7, 10, 14, 18, 25];
const IID_FINE = [0, 2, 4, 6, 8, 10, 13, 16, 19, 22, 25, 30, 35, 40, 45, 50];
const COHERENCE = [1, 0.937, 0.84118, 0.60092, 0.36764, 0, -0.589, -1];
const FINE_START = 15;
const IIDS = 46;
const ICCS = 8;

/** Rows of four by iid and icc: h11, h12, h21, h22. */
const MATRIX_A = new Float64Array(IIDS * ICCS * 4);
const MATRIX_B = new Float64Array(IIDS * ICCS * 4);
for (let i = 0; i < IIDS; i++) {
  const index = i < FINE_START ? i - 7 : i - FINE_START - 15;
  const decibels = Math.sign(index) * (i < FINE_START ? IID_COARSE : IID_FINE)[Math.abs(index)]!;
  const c = 10 ** (decibels / 20);
  for (let j = 0; j < ICCS; j++) {
    const at = (i * ICCS + j) * 4;
    fillMatrixA(at, c, COHERENCE[j]!);
    fillMatrixB(at, c, COHERENCE[j]!);
  }
}

/** 8.6.4.6.2.1, mixing by rotation. */
function fillMatrixA(at: number, c: number, rho: number): void {
  const c1 = Math.SQRT2 / Math.sqrt(1 + c * c);
  const c2 = c * c1;
  const alpha = 0.5 * Math.acos(rho);
  const beta = (alpha * (c1 - c2)) / Math.SQRT2;
  MATRIX_A[at] = c2 * Math.cos(beta + alpha);
  MATRIX_A[at + 1] = c1 * Math.cos(beta - alpha);
  MATRIX_A[at + 2] = c2 * Math.sin(beta + alpha);
  MATRIX_A[at + 3] = c1 * Math.sin(beta - alpha);
}

/** 8.6.4.6.2.2, mixing by principal components. */
function fillMatrixB(at: number, c: number, coherence: number): void {
  const rho = Math.max(coherence, 0.05);
  let alpha = 0.5 * Math.atan2(2 * c * rho, c * c - 1);
  if (alpha < 0) alpha += Math.PI / 2;
  const sum = c + 1 / c;
  const mu = Math.sqrt(1 + (4 * rho * rho - 4) / (sum * sum));
  const gamma = Math.atan(Math.sqrt(Math.max(0, (1 - mu) / (1 + mu))));
  MATRIX_B[at] = Math.SQRT2 * Math.cos(alpha) * Math.cos(gamma);
  MATRIX_B[at + 1] = Math.SQRT2 * Math.sin(alpha) * Math.cos(gamma);
  MATRIX_B[at + 2] = -Math.SQRT2 * Math.sin(alpha) * Math.sin(gamma);
  MATRIX_B[at + 3] = Math.SQRT2 * Math.cos(alpha) * Math.sin(gamma);
}

/** Real parts of h11, h12, h21, h22, then imaginary parts. */
const COEFFICIENTS = 8;

export class StereoMixer {
  /** The matrix at the end of the last envelope and at the end of this one, a row of bands per coefficient. */
  private last: readonly Float64Array[];
  private next: readonly Float64Array[];
  private readonly iid: Int8Array;
  private readonly icc: Int8Array;
  private readonly ipd: Int8Array;
  private readonly opd: Int8Array;
  /** Phases of the two envelopes before, 8 times the older one plus the newer. */
  private readonly ipdHistory: Uint8Array;
  private readonly opdHistory: Uint8Array;
  /** Cosine and sine of a smoothed phase. */
  private readonly smoothed: Float64Array;
  private readonly value: Float64Array;
  private readonly step: Float64Array;

  constructor() {
    this.last = Array.from({ length: COEFFICIENTS }, () => new Float64Array(PS_BANDS));
    this.next = Array.from({ length: COEFFICIENTS }, () => new Float64Array(PS_BANDS));
    this.iid = new Int8Array(PS_BANDS);
    this.icc = new Int8Array(PS_BANDS);
    this.ipd = new Int8Array(PS_BANDS);
    this.opd = new Int8Array(PS_BANDS);
    this.ipdHistory = new Uint8Array(PS_BANDS);
    this.opdHistory = new Uint8Array(PS_BANDS);
    this.smoothed = new Float64Array(2);
    this.value = new Float64Array(COEFFICIENTS);
    this.step = new Float64Array(COEFFICIENTS);
    // Both channels alike, as they are before the first parameters.
    for (let i = 0; i < COEFFICIENTS; i++) this.last[i]!.fill(i < 2 ? 1 : 0);
  }

  /** The other division of bands from now on. */
  changeDivision(division: PsDivision): void {
    for (let i = 0; i < COEFFICIENTS; i++) mapCoefficients(this.last[i]!, division);
    this.ipdHistory.fill(0);
    this.opdHistory.fill(0);
  }

  /** Mixes the first `count` sub-subbands: `aRe`, `aIm` from mono to left, `bRe`, `bIm` from decorrelated to right. */
  process(
    parameters: PsParameters,
    division: PsDivision,
    count: number,
    aRe: Float32Array,
    aIm: Float32Array,
    bRe: Float32Array,
    bIm: Float32Array,
  ): void {
    for (let e = 0; e < parameters.envelopes; e++) {
      this.makeMatrix(parameters, division, e);
      const begin = parameters.borders[e]! + 1;
      const end = parameters.borders[e + 1]! + 1;
      if (end > begin) {
        for (let k = 0; k < count; k++) this.mix(parameters, division, k, begin, end, aRe, aIm, bRe, bIm);
      }
      const done = this.next;
      this.next = this.last;
      this.last = done;
    }
  }

  private makeMatrix(parameters: PsParameters, division: PsDivision, e: number): void {
    const { iid, icc, ipd, opd, next } = this;
    const at = e * PS_BANDS;
    mapIndexes(parameters.iid, at, parameters.iidBands, iid, division);
    mapIndexes(parameters.icc, at, parameters.iccBands, icc, division);
    const matrix = parameters.iccMode < 3 ? MATRIX_A : MATRIX_B;
    const largest = parameters.isFine ? 15 : 7;
    const middle = parameters.isFine ? FINE_START + 15 : 7;
    for (let b = 0; b < division.bands; b++) {
      const index = Math.max(-largest, Math.min(largest, iid[b]!));
      const row = ((middle + index) * ICCS + (icc[b]! & 7)) * 4;
      for (let i = 0; i < 4; i++) {
        next[i]![b] = matrix[row + i]!;
        next[i + 4]![b] = 0;
      }
    }
    if (!parameters.hasPhase) return;
    mapPhases(parameters.ipd, at, parameters.phaseBands, ipd, division);
    mapPhases(parameters.opd, at, parameters.phaseBands, opd, division);
    for (let b = 0; b < division.phaseBands; b++) this.turn(b);
  }

  /** 8.6.4.6.3.2: the phases of one band, smoothed over three envelopes, go into its matrix. */
  private turn(b: number): void {
    const { next, smoothed } = this;
    this.smoothPhase(this.opdHistory, b, this.opd[b]! & 7);
    const opdCos = smoothed[0]!;
    const opdSin = smoothed[1]!;
    this.smoothPhase(this.ipdHistory, b, this.ipd[b]! & 7);
    const restCos = opdCos * smoothed[0]! + opdSin * smoothed[1]!;
    const restSin = opdSin * smoothed[0]! - opdCos * smoothed[1]!;
    for (let i = 0; i < 4; i++) {
      const isLeft = i === 0 || i === 2;
      const real = next[i]![b]!;
      next[i]![b] = real * (isLeft ? opdCos : restCos);
      next[i + 4]![b] = real * (isLeft ? opdSin : restSin);
    }
  }

  private smoothPhase(history: Uint8Array, b: number, phase: number): void {
    const step = Math.PI / 4;
    const older = (history[b]! >> 3) * step;
    const newer = (history[b]! & 7) * step;
    const re = Math.cos(phase * step) + 0.5 * Math.cos(newer) + 0.25 * Math.cos(older);
    const im = Math.sin(phase * step) + 0.5 * Math.sin(newer) + 0.25 * Math.sin(older);
    // 0.25 at least: the three cannot cancel.
    const size = Math.hypot(re, im);
    this.smoothed[0] = re / size;
    this.smoothed[1] = im / size;
    history[b] = ((history[b]! & 7) << 3) | phase;
  }

  private mix(
    parameters: PsParameters,
    division: PsDivision,
    k: number,
    begin: number,
    end: number,
    aRe: Float32Array,
    aIm: Float32Array,
    bRe: Float32Array,
    bIm: Float32Array,
  ): void {
    const { value, step, last, next } = this;
    const b = division.bandOf[k]!;
    const isMirrored = k >= division.mirroredFrom && k <= division.mirroredTo;
    const width = 1 / (end - begin);
    for (let i = 0; i < COEFFICIENTS; i++) {
      const sign = i >= 4 && isMirrored ? -1 : 1;
      value[i] = sign * last[i]![b]!;
      step[i] = (sign * next[i]![b]! - value[i]!) * width;
    }
    let h11 = value[0]!;
    let h12 = value[1]!;
    let h21 = value[2]!;
    let h22 = value[3]!;
    const s11 = step[0]!;
    const s12 = step[1]!;
    const s21 = step[2]!;
    const s22 = step[3]!;
    const isComplex =
      parameters.hasPhase || value[4] !== 0 || value[5] !== 0 || value[6] !== 0 || value[7] !== 0;
    for (let n = k * SLOTS + begin; n < k * SLOTS + end; n++) {
      const ar = aRe[n]!;
      const ai = aIm[n]!;
      const br = bRe[n]!;
      const bi = bIm[n]!;
      h11 += s11;
      h12 += s12;
      h21 += s21;
      h22 += s22;
      let leftRe = h11 * ar + h21 * br;
      let leftIm = h11 * ai + h21 * bi;
      let rightRe = h12 * ar + h22 * br;
      let rightIm = h12 * ai + h22 * bi;
      if (isComplex) {
        const i11 = value[4]! + step[4]!;
        const i12 = value[5]! + step[5]!;
        const i21 = value[6]! + step[6]!;
        const i22 = value[7]! + step[7]!;
        leftRe -= i11 * ai + i21 * bi;
        leftIm += i11 * ar + i21 * br;
        rightRe -= i12 * ai + i22 * bi;
        rightIm += i12 * ar + i22 * br;
        value[4] = i11;
        value[5] = i12;
        value[6] = i21;
        value[7] = i22;
      }
      aRe[n] = leftRe;
      aIm[n] = leftIm;
      bRe[n] = rightRe;
      bIm[n] = rightIm;
    }
  }
}
