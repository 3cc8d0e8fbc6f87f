/**
 * The HF adjuster, ISO/IEC 14496-3 4.6.18.7: gives the generated high band the energies of the payload, limits the
 * gains, adds noise and sinusoids, smooths over time when the header says so.
 */
import { BANDS, type ChannelData, NOISE_BANDS } from './channel-data.ts';
import type { FrequencyTables } from './frequency-tables.ts';
import type { Levels } from './level-dequantizer.ts';
import { NOISE } from './noise-table.ts';
import type { SbrHeader } from './sbr-header.ts';

/** By bs_limiter_gains: -3 dB, 0 dB, 3 dB, none. */
const LIMITER_GAINS = [0.70795, 1, 1.41254, 1e10];
const MAX_GAIN = 1e5;
const MAX_BOOST = 1.584893192;
/** Keeps quotients of silence finite. */
const EPSILON = 2 ** -23;
const TINY = 2 ** -126;

const SMOOTHING = [0.33333333333333, 0.30150283239582, 0.21816949906249, 0.11516383427084, 0.03183050093751];
const SMOOTHING_ROWS = 5;

export class HfAdjuster {
  private readonly wanted: Float64Array;
  private readonly noiseFloor: Float64Array;
  private readonly current: Float64Array;
  private readonly gain: Float64Array;
  private readonly noiseLevel: Float64Array;
  private readonly sineLevel: Float64Array;
  /** 1 in subbands of a band with a sinusoid. */
  private readonly hasSine: Uint8Array;
  /** 1 in the subband of a sinusoid; and the same of the envelope before. */
  private readonly sineAt: Uint8Array;
  private readonly lastSineAt: Uint8Array;
  /** Gains and noise levels of the last QMF samples, a ring of rows, for smoothing. */
  private readonly gainRows: Float64Array;
  private readonly noiseRows: Float64Array;
  private ringRow: number;
  private isRingFilled: boolean;
  private readonly smoothGain: Float64Array;
  private readonly smoothNoise: Float64Array;
  private noiseIndex: number;
  private sineIndex: number;
  /** The frame before announced a transient at its end, that is this frame's begin. */
  private hasTransientAtStart: boolean;

  constructor() {
    this.wanted = new Float64Array(BANDS);
    this.noiseFloor = new Float64Array(BANDS);
    this.current = new Float64Array(BANDS);
    this.gain = new Float64Array(BANDS);
    this.noiseLevel = new Float64Array(BANDS);
    this.sineLevel = new Float64Array(BANDS);
    this.hasSine = new Uint8Array(BANDS);
    this.sineAt = new Uint8Array(BANDS);
    this.lastSineAt = new Uint8Array(BANDS);
    this.gainRows = new Float64Array(SMOOTHING_ROWS * BANDS);
    this.noiseRows = new Float64Array(SMOOTHING_ROWS * BANDS);
    this.ringRow = 0;
    this.isRingFilled = false;
    this.smoothGain = new Float64Array(BANDS);
    this.smoothNoise = new Float64Array(BANDS);
    this.noiseIndex = 0;
    this.sineIndex = 0;
    this.hasTransientAtStart = false;
  }

  reset(): void {
    this.lastSineAt.fill(0);
    this.sineIndex = 0;
    this.hasTransientAtStart = false;
    this.startTables();
  }

  /** The frequency tables are new. */
  startTables(): void {
    this.noiseIndex = 0;
    this.isRingFilled = false;
  }

  /**
   * Adjusts the generated rows of 64 subbands in `highRe`, `highIm` and puts them into `outRe`, `outIm`, rows before
   * `firstRow` left out: they belong to the frame before.
   */
  adjust(
    header: SbrHeader,
    tables: FrequencyTables,
    data: ChannelData,
    levels: Levels,
    highRe: Float32Array,
    highIm: Float32Array,
    outRe: Float32Array,
    outIm: Float32Array,
    firstRow: number,
  ): void {
    const { grid } = data;
    if (header.smoothingMode === 1) this.isRingFilled = false;
    for (let e = 0; e < grid.envelopes; e++) {
      const begin = 2 * grid.borders[e]!;
      const end = 2 * grid.borders[e + 1]!;
      const isTransient = e === grid.transient || (e === 0 && this.hasTransientAtStart);
      this.mapSinusoids(tables, data, e);
      this.mapLevels(tables, data, levels, e);
      this.measure(header, tables, grid.resolution[e]!, highRe, highIm, begin, end);
      this.calculateGains(header, tables, isTransient);
      this.assemble(header, tables, isTransient, highRe, highIm, outRe, outIm, begin, end, firstRow);
    }
    this.hasTransientAtStart = grid.transient === grid.envelopes;
  }

  /** 4.6.18.7.2: a new sinusoid begins with the envelope of the transient, one of the frame before goes on. */
  private mapSinusoids(tables: FrequencyTables, data: ChannelData, e: number): void {
    const { sineAt, lastSineAt, hasSine } = this;
    const { kx, high, highCount } = tables;
    const mayBegin = e >= data.grid.transient;
    sineAt.fill(0);
    for (let i = 0; i < highCount; i++) {
      if (data.sinusoids[i] === 0) continue;
      const at = ((high[i]! + high[i + 1]!) >> 1) - kx;
      if (mayBegin || lastSineAt[at] === 1) sineAt[at] = 1;
    }
    const isHigh = data.grid.resolution[e] === 1;
    const table = isHigh ? high : tables.low;
    const count = isHigh ? highCount : tables.lowCount;
    for (let i = 0; i < count; i++) {
      const from = table[i]! - kx;
      const to = table[i + 1]! - kx;
      let has = 0;
      for (let m = from; m < to; m++) has |= sineAt[m]!;
      for (let m = from; m < to; m++) hasSine[m] = has;
    }
    if (e === data.grid.envelopes - 1) lastSineAt.set(sineAt);
  }

  private mapLevels(tables: FrequencyTables, data: ChannelData, levels: Levels, e: number): void {
    const { wanted, noiseFloor } = this;
    const { kx } = tables;
    const { grid } = data;
    const isHigh = grid.resolution[e] === 1;
    const table = isHigh ? tables.high : tables.low;
    const count = isHigh ? tables.highCount : tables.lowCount;
    for (let i = 0; i < count; i++) {
      const energy = levels.envelopes[e * BANDS + i]!;
      for (let k = table[i]!; k < table[i + 1]!; k++) wanted[k - kx] = energy;
    }
    const floor = grid.noiseFloors > 1 && grid.borders[e]! >= grid.noiseBorders[1]! ? 1 : 0;
    for (let i = 0; i < tables.noiseCount; i++) {
      const energy = levels.noise[floor * NOISE_BANDS + i]!;
      for (let k = tables.noise[i]!; k < tables.noise[i + 1]!; k++) noiseFloor[k - kx] = energy;
    }
  }

  /** 4.6.18.7.3: energy of the generated band by subband, or by band without bs_interpol_freq. */
  private measure(
    header: SbrHeader,
    tables: FrequencyTables,
    resolution: number,
    re: Float32Array,
    im: Float32Array,
    begin: number,
    end: number,
  ): void {
    const { current } = this;
    const { kx, m } = tables;
    current.fill(0);
    for (let row = begin; row < end; row++) {
      const at = row * BANDS + kx;
      for (let i = 0; i < m; i++) {
        const r = re[at + i]!;
        const x = im[at + i]!;
        current[i]! += r * r + x * x;
      }
    }
    const scale = 1 / (end - begin);
    for (let i = 0; i < m; i++) current[i]! *= scale;
    if (header.interpolFrequency === 1) return;
    const table = resolution === 1 ? tables.high : tables.low;
    const count = resolution === 1 ? tables.highCount : tables.lowCount;
    for (let band = 0; band < count; band++) {
      const from = table[band]! - kx;
      const to = table[band + 1]! - kx;
      let sum = 0;
      for (let i = from; i < to; i++) sum += current[i]!;
      for (let i = from; i < to; i++) current[i] = sum / (to - from);
    }
  }

  /** 4.6.18.7.4 and .5: gains, and levels of noise and sinusoids, limited and boosted by limiter band. */
  private calculateGains(header: SbrHeader, tables: FrequencyTables, isTransient: boolean): void {
    const { wanted, noiseFloor, current, gain, noiseLevel, sineLevel, hasSine, sineAt } = this;
    const { kx, limiter } = tables;
    const limit = LIMITER_GAINS[header.limiterGains]!;
    for (let band = 0; band < tables.limiterCount; band++) {
      const from = limiter[band]! - kx;
      const to = limiter[band + 1]! - kx;
      let wantedSum = EPSILON;
      let currentSum = EPSILON;
      for (let i = from; i < to; i++) {
        const energy = wanted[i]!;
        const floor = noiseFloor[i]!;
        const shared = energy / (1 + floor);
        noiseLevel[i] = Math.sqrt(shared * floor);
        sineLevel[i] = sineAt[i] === 1 ? Math.sqrt(shared) : 0;
        const kept = hasSine[i] === 1 ? shared * floor : isTransient ? energy : shared;
        gain[i] = Math.sqrt(kept / (1 + current[i]!)) + TINY;
        wantedSum += energy;
        currentSum += current[i]!;
      }
      const most = Math.min(limit * Math.sqrt(wantedSum / currentSum), MAX_GAIN);
      let reached = EPSILON;
      for (let i = from; i < to; i++) {
        if (gain[i]! > most) {
          noiseLevel[i]! *= most / gain[i]!;
          gain[i] = most;
        }
        const sine = sineLevel[i]!;
        reached += current[i]! * gain[i]! * gain[i]! + sine * sine;
        if (!isTransient && sine === 0) reached += noiseLevel[i]! * noiseLevel[i]!;
      }
      const boost = Math.min(Math.sqrt(wantedSum / reached), MAX_BOOST);
      for (let i = from; i < to; i++) {
        gain[i]! *= boost;
        noiseLevel[i]! *= boost;
        sineLevel[i]! *= boost;
      }
    }
  }

  /** 4.6.18.7.6 */
  private assemble(
    header: SbrHeader,
    tables: FrequencyTables,
    isTransient: boolean,
    highRe: Float32Array,
    highIm: Float32Array,
    outRe: Float32Array,
    outIm: Float32Array,
    begin: number,
    end: number,
    firstRow: number,
  ): void {
    const { kx, m } = tables;
    const { sineLevel, smoothGain, smoothNoise } = this;
    const isSmoothed = header.smoothingMode === 0;
    const oddStart = kx & 1;
    for (let row = begin; row < end; row++) {
      let gain = this.gain;
      let noise = this.noiseLevel;
      if (isSmoothed) {
        this.pushRow();
        if (!isTransient) {
          this.smooth(m);
          gain = smoothGain;
          noise = smoothNoise;
        }
      }
      const phase = this.sineIndex;
      const cosine = phase === 0 ? 1 : phase === 2 ? -1 : 0;
      let sine = phase === 1 ? 1 : phase === 3 ? -1 : 0;
      if (oddStart === 1) sine = -sine;
      let index = this.noiseIndex;
      if (row >= firstRow) {
        const at = row * BANDS + kx;
        for (let i = 0; i < m; i++) {
          index = (index + 1) & 511;
          let re = highRe[at + i]! * gain[i]!;
          let im = highIm[at + i]! * gain[i]!;
          const level = sineLevel[i]!;
          if (level !== 0) {
            re += level * cosine;
            im += level * sine;
          } else if (!isTransient) {
            re += noise[i]! * NOISE[2 * index]!;
            im += noise[i]! * NOISE[2 * index + 1]!;
          }
          outRe[at + i] = re;
          outIm[at + i] = im;
          sine = -sine;
        }
      }
      this.noiseIndex = (this.noiseIndex + m) & 511;
      this.sineIndex = (phase + 1) & 3;
    }
  }

  /** Puts the gains of one QMF sample into the ring; the first of all counts for those before it. */
  private pushRow(): void {
    const { gainRows, noiseRows, gain, noiseLevel } = this;
    if (!this.isRingFilled) {
      for (let row = 0; row < SMOOTHING_ROWS; row++) {
        gainRows.set(gain, row * BANDS);
        noiseRows.set(noiseLevel, row * BANDS);
      }
      this.isRingFilled = true;
    }
    this.ringRow = (this.ringRow + 1) % SMOOTHING_ROWS;
    gainRows.set(gain, this.ringRow * BANDS);
    noiseRows.set(noiseLevel, this.ringRow * BANDS);
  }

  private smooth(m: number): void {
    const { gainRows, noiseRows, smoothGain, smoothNoise } = this;
    smoothGain.fill(0);
    smoothNoise.fill(0);
    for (let back = 0; back < SMOOTHING_ROWS; back++) {
      const at = ((this.ringRow + SMOOTHING_ROWS - back) % SMOOTHING_ROWS) * BANDS;
      const weight = SMOOTHING[back]!;
      for (let i = 0; i < m; i++) {
        smoothGain[i]! += weight * gainRows[at + i]!;
        smoothNoise[i]! += weight * noiseRows[at + i]!;
      }
    }
  }
}
