/**
 * Energies from the quantized levels of a frame, ISO/IEC 14496-3 4.6.18.3.5, for samples of full scale 32768 (x 64 of
 * the analysis bank); a coupled pair is parted here.
 */
import { BANDS, type ChannelData, MAX_NOISE_FLOORS, NOISE_BANDS } from './channel-data.ts';
import { MAX_ENVELOPES } from './time-grid.ts';

/** More energy than any signal has: a level above it is damage, and is taken for none. */
const MAX_ENERGY = 1e20;
const NOISE_FLOOR_OFFSET = 6;

export class Levels {
  /** Energy of each band of each envelope, BANDS apart. */
  readonly envelopes: Float64Array;
  /** Noise floors relative to the envelopes, NOISE_BANDS apart. */
  readonly noise: Float64Array;

  constructor() {
    this.envelopes = new Float64Array(MAX_ENVELOPES * BANDS);
    this.noise = new Float64Array(MAX_NOISE_FLOORS * NOISE_BANDS);
  }

  /** Of a channel that stands alone. */
  setSingle(data: ChannelData): void {
    const perStep = data.grid.ampRes === 1 ? 1 : 0.5;
    for (let e = 0; e < data.grid.envelopes; e++) {
      for (let i = e * BANDS; i < (e + 1) * BANDS; i++) {
        this.envelopes[i] = bounded(64 * 2 ** (data.envelopes[i]! * perStep));
      }
    }
    for (let i = 0; i < data.grid.noiseFloors * NOISE_BANDS; i++) {
      this.noise[i] = 2 ** (NOISE_FLOOR_OFFSET - data.noise[i]!);
    }
  }
}

/** A coupled pair: `first` holds the sum's levels, `second` the balance. */
export function setCoupled(first: ChannelData, second: ChannelData, left: Levels, right: Levels): void {
  const perStep = first.grid.ampRes === 1 ? 1 : 0.5;
  const even = first.grid.ampRes === 1 ? 12 : 24;
  for (let e = 0; e < first.grid.envelopes; e++) {
    for (let i = e * BANDS; i < (e + 1) * BANDS; i++) {
      const sum = bounded(128 * 2 ** (first.envelopes[i]! * perStep));
      const ratio = 2 ** ((even - second.envelopes[i]!) * perStep);
      left.envelopes[i] = sum / (1 + ratio);
      right.envelopes[i] = (sum / (1 + ratio)) * ratio;
    }
  }
  for (let i = 0; i < first.grid.noiseFloors * NOISE_BANDS; i++) {
    const sum = 2 ** (NOISE_FLOOR_OFFSET + 1 - first.noise[i]!);
    const ratio = 2 ** (12 - second.noise[i]!);
    left.noise[i] = sum / (1 + ratio);
    right.noise[i] = (sum / (1 + ratio)) * ratio;
  }
}

function bounded(energy: number): number {
  return energy > MAX_ENERGY ? 1 : energy;
}
