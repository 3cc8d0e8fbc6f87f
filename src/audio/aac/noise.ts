/**
 * Perceptual noise substitution: ISO/IEC 14496-3 4.6.13. A band is told by its energy alone and filled with noise.
 */

/** A linear congruential generator with the factors of Knuth and Lewis. */
export class NoiseSource {
  /** To make the same noise once more: that of the second channel where both channels of a pair share it. */
  state: number;

  constructor(seed: number) {
    this.state = seed | 0;
  }

  /** Fills lines [from, to); `factor` is the energy in steps of 1.5 dB. */
  fill(spectrum: Float32Array, from: number, to: number, factor: number): void {
    let { state } = this;
    let energy = 0;
    for (let k = from; k < to; k++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
      spectrum[k] = state;
      energy += state * state;
    }
    this.state = state;
    if (energy === 0) return;
    const scale = 2 ** (factor / 4) / Math.sqrt(energy);
    for (let k = from; k < to; k++) spectrum[k] = spectrum[k]! * scale;
  }
}
