/**
 * The high band before it is adjusted, ISO/IEC 14496-3 4.6.18.6: low subbands copied up by the patches, each whitened by
 * a second order linear prediction whose strength (chirp) follows the payload.
 */
import { BANDS, NOISE_BANDS } from './channel-data.ts';
import type { FrequencyTables } from './frequency-tables.ts';
import { LOW_BANDS } from './qmf-analysis.ts';

/** Table 4.158: chirp factor by bs_invf_mode; 0.6 on the way between modes 0 and 1. */
const CHIRPS = [0, 0.75, 0.9, 0.98];
const CHIRP_CHANGING = 0.6;

export class HfGenerator {
  /** Chirp factors of the last frame by noise band. */
  private readonly chirp: Float64Array;
  private readonly lastModes: Uint8Array;
  private readonly alpha: Float64Array;
  /** By subband of the high band: source subband and prediction. */
  private readonly source: Uint8Array;
  private readonly coefficients: Float64Array;

  constructor() {
    this.chirp = new Float64Array(NOISE_BANDS);
    this.lastModes = new Uint8Array(NOISE_BANDS);
    this.alpha = new Float64Array(4 * LOW_BANDS);
    this.source = new Uint8Array(BANDS);
    this.coefficients = new Float64Array(4 * BANDS);
  }

  reset(): void {
    this.chirp.fill(0);
    this.lastModes.fill(0);
  }

  /**
   * `lowRe`, `lowIm`: `rows` rows of 32 subbands, the first two before the frame's first QMF sample. Fills rows
   * `begin` to `end` - 1 of `highRe`, `highIm` (64 subbands each) with the high band.
   */
  generate(
    tables: FrequencyTables,
    modes: Uint8Array,
    lowRe: Float32Array,
    lowIm: Float32Array,
    rows: number,
    highRe: Float32Array,
    highIm: Float32Array,
    begin: number,
    end: number,
  ): void {
    this.predict(lowRe, lowIm, rows, tables.k0);
    this.updateChirp(tables, modes);
    const top = this.plan(tables);
    const { source, coefficients } = this;
    const { kx } = tables;
    const stop = kx + tables.m;
    for (let row = begin; row < end; row++) {
      const out = row * BANDS;
      const now = (row + 2) * LOW_BANDS;
      for (let k = kx; k < top; k++) {
        const p = now + source[k]!;
        const c = 4 * k;
        const a0r = coefficients[c]!;
        const a0i = coefficients[c + 1]!;
        const a1r = coefficients[c + 2]!;
        const a1i = coefficients[c + 3]!;
        const r1 = lowRe[p - LOW_BANDS]!;
        const i1 = lowIm[p - LOW_BANDS]!;
        const r2 = lowRe[p - 2 * LOW_BANDS]!;
        const i2 = lowIm[p - 2 * LOW_BANDS]!;
        highRe[out + k] = lowRe[p]! + r1 * a0r - i1 * a0i + r2 * a1r - i2 * a1i;
        highIm[out + k] = lowIm[p]! + i1 * a0r + r1 * a0i + i2 * a1r + r2 * a1i;
      }
      for (let k = top; k < stop; k++) {
        highRe[out + k] = 0;
        highIm[out + k] = 0;
      }
    }
  }

  /** 4.6.18.6.2: prediction of each low subband from its two samples before, by the covariance method. */
  private predict(re: Float32Array, im: Float32Array, rows: number, count: number): void {
    const { alpha } = this;
    for (let k = 0; k < count; k++) {
      let r01 = 0;
      let i01 = 0;
      let r02 = 0;
      let i02 = 0;
      let p11 = 0;
      let xr2 = re[k]!;
      let xi2 = im[k]!;
      let xr1 = re[k + LOW_BANDS]!;
      let xi1 = im[k + LOW_BANDS]!;
      const firstPower = xr2 * xr2 + xi2 * xi2;
      const firstR = xr1 * xr2 + xi1 * xi2;
      const firstI = xi1 * xr2 - xr1 * xi2;
      for (let at = k + 2 * LOW_BANDS; at < rows * LOW_BANDS; at += LOW_BANDS) {
        const xr = re[at]!;
        const xi = im[at]!;
        p11 += xr1 * xr1 + xi1 * xi1;
        r01 += xr * xr1 + xi * xi1;
        i01 += xi * xr1 - xr * xi1;
        r02 += xr * xr2 + xi * xi2;
        i02 += xi * xr2 - xr * xi2;
        xr2 = xr1;
        xi2 = xi1;
        xr1 = xr;
        xi1 = xi;
      }
      const p22 = p11 + firstPower - (xr2 * xr2 + xi2 * xi2);
      const r12 = r01 + firstR - (xr1 * xr2 + xi1 * xi2);
      const i12 = i01 + firstI - (xi1 * xr2 - xr1 * xi2);
      const determinant = p22 * p11 - (r12 * r12 + i12 * i12) / 1.000001;
      let a1r = 0;
      let a1i = 0;
      if (determinant !== 0) {
        a1r = (r01 * r12 - i01 * i12 - r02 * p11) / determinant;
        a1i = (r01 * i12 + i01 * r12 - i02 * p11) / determinant;
      }
      let a0r = 0;
      let a0i = 0;
      if (p11 !== 0) {
        a0r = -(r01 + a1r * r12 + a1i * i12) / p11;
        a0i = -(i01 + a1i * r12 - a1r * i12) / p11;
      }
      // Also false for NaN: such a prediction is none.
      const isStable = a0r * a0r + a0i * a0i < 16 && a1r * a1r + a1i * a1i < 16;
      alpha[4 * k] = isStable ? a0r : 0;
      alpha[4 * k + 1] = isStable ? a0i : 0;
      alpha[4 * k + 2] = isStable ? a1r : 0;
      alpha[4 * k + 3] = isStable ? a1i : 0;
    }
  }

  /** 4.6.18.6.2: chirp factors, smoothed, falling faster than they rise. */
  private updateChirp(tables: FrequencyTables, modes: Uint8Array): void {
    const { chirp, lastModes } = this;
    for (let i = 0; i < tables.noiseCount; i++) {
      const mode = modes[i]!;
      const target = mode + lastModes[i]! === 1 ? CHIRP_CHANGING : CHIRPS[mode]!;
      const old = chirp[i]!;
      const value = target < old ? 0.75 * target + 0.25 * old : 0.90625 * target + 0.09375 * old;
      chirp[i] = value < 0.015625 ? 0 : value;
      lastModes[i] = mode;
    }
  }

  /** Source and prediction of every subband that a patch fills; returns the first subband behind them. */
  private plan(tables: FrequencyTables): number {
    const { source, coefficients, alpha, chirp } = this;
    const { noise } = tables;
    let k = tables.kx;
    let band = 0;
    for (let patch = 0; patch < tables.patchCount; patch++) {
      const start = tables.patchStart[patch]!;
      for (let i = 0; i < tables.patchSize[patch]! && k < BANDS; i++, k++) {
        while (band + 1 < tables.noiseCount && k >= noise[band + 1]!) band++;
        const p = start + i;
        const weight = chirp[band]!;
        source[k] = p;
        coefficients[4 * k] = alpha[4 * p]! * weight;
        coefficients[4 * k + 1] = alpha[4 * p + 1]! * weight;
        coefficients[4 * k + 2] = alpha[4 * p + 2]! * weight * weight;
        coefficients[4 * k + 3] = alpha[4 * p + 3]! * weight * weight;
      }
    }
    return k;
  }
}
