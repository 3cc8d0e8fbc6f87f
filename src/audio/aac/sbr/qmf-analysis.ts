/**
 * The analysis QMF bank of 32 bands, ISO/IEC 14496-3 4.6.18.4.1, by a DCT-IV:
 * W[k] = sum over n < 64 of 2 u[n] exp(i pi/64 (k + 1/2)(2n - 1/2)), where u is the windowed and folded input.
 * 2n - 1/2 = m + 1/2 for odd m; the m outside 0 to 63 are mirror images of the even ones inside. Real parts are then a
 * DCT-IV of u in that order, and imaginary parts the same values backwards, negated.
 */
import { dct4 } from './dct4.ts';
import { qmfPrototype } from './qmf-prototype.ts';

/** Subbands of the core's samples. */
export const LOW_BANDS = 32;
const TAPS = 320;
/** The bank works on samples of full scale 32768, its energies are compared with levels of the payload. */
const SCALE = 32_768;
/** A sample over this is damage (full scale is 1): it must not live on in the filters. */
const MAX_SAMPLE = 64;

/** The window from the oldest sample to the newest, with the factor 2 and the scale. */
const windowOldestFirst = new Float64Array(TAPS);
const prototype = qmfPrototype();
for (let i = 0; i < TAPS; i++) windowOldestFirst[TAPS - 1 - i] = 2 * SCALE * prototype[2 * i]!;

const folded = new Float64Array(64);

export class QmfAnalysis {
  /** 288 samples of the frames before, then the frame. */
  private readonly samples: Float64Array;
  private readonly frameLength: number;

  constructor(frameLength: number) {
    this.frameLength = frameLength;
    this.samples = new Float64Array(TAPS - LOW_BANDS + frameLength);
  }

  /** Rows of 32 subbands, one per 32 samples, go to `re` and `im` from row `firstRow` on. */
  process(input: Float32Array, re: Float32Array, im: Float32Array, firstRow: number): void {
    const { samples, frameLength } = this;
    const past = TAPS - LOW_BANDS;
    samples.copyWithin(0, frameLength, frameLength + past);
    for (let i = 0; i < frameLength; i++) {
      const sample = input[i]!;
      samples[past + i] = sample > -MAX_SAMPLE && sample < MAX_SAMPLE ? sample : 0;
    }
    let row = firstRow * LOW_BANDS;
    for (let start = 0; start < frameLength; start += LOW_BANDS, row += LOW_BANDS) {
      this.fold(start);
      dct4(folded, folded);
      for (let k = 0; k < LOW_BANDS; k++) {
        re[row + k] = folded[k]!;
        im[row + k] = -folded[63 - k]!;
      }
    }
  }

  /** u[n] = sum over j < 5 of x[n + 64 j] c[2 (n + 64 j)], x[0] being the newest, laid where the DCT-IV wants it. */
  private fold(start: number): void {
    const { samples } = this;
    for (let n = 0; n < 64; n++) {
      let at = TAPS - 1 - n;
      let sum = samples[start + at]! * windowOldestFirst[at]!;
      at -= 64;
      sum += samples[start + at]! * windowOldestFirst[at]!;
      at -= 64;
      sum += samples[start + at]! * windowOldestFirst[at]!;
      at -= 64;
      sum += samples[start + at]! * windowOldestFirst[at]!;
      at -= 64;
      sum += samples[start + at]! * windowOldestFirst[at]!;
      if (n === 0) folded[0] = sum;
      else if (n <= 32) folded[2 * n - 1] = sum;
      else folded[128 - 2 * n] = -sum;
    }
  }
}
