/**
 * The synthesis QMF bank of 64 bands, ISO/IEC 14496-3 4.6.18.4.2, by two DCT-IV per slot:
 * V[n] = 1/64 sum over k < 64 of Re(X[k] exp(i pi/128 (k + 1/2)(2n - 255))), n < 128.
 */
import { dct4 } from './dct4.ts';
import { qmfPrototype } from './qmf-prototype.ts';

const BANDS = 64;
const TURN = 128;
/** Ten blocks of V are looked at; the buffer holds more so that it moves seldom. */
const HISTORY = 1280;
const ROOM = HISTORY + 16 * TURN;

/** Undoes the analysis bank's scale. */
const SCALE = 1 / (64 * 32_768);
const window = new Float64Array(640);
const prototype = qmfPrototype();
for (let i = 0; i < 640; i++) window[i] = SCALE * prototype[i]!;

const cosines = new Float64Array(BANDS);
const sines = new Float64Array(BANDS);

export class QmfSynthesis {
  /** V, the newest first, from `at` on. */
  private readonly v: Float64Array;
  private at: number;

  constructor() {
    this.v = new Float64Array(ROOM);
    this.at = ROOM - HISTORY;
  }

  /** `slots` rows of 64 subbands to 64 samples each. */
  process(re: Float32Array, im: Float32Array, slots: number, output: Float32Array): void {
    const { v } = this;
    for (let slot = 0; slot < slots; slot++) {
      if (this.at === 0) {
        v.copyWithin(ROOM - HISTORY + TURN, 0, HISTORY - TURN);
        this.at = ROOM - HISTORY + TURN;
      }
      this.at -= TURN;
      const at = this.at;
      const row = slot * BANDS;
      for (let k = 0; k < BANDS; k += 2) {
        cosines[k] = re[row + k]!;
        cosines[k + 1] = re[row + k + 1]!;
        sines[k] = im[row + k]!;
        sines[k + 1] = -im[row + k + 1]!;
      }
      dct4(cosines, cosines);
      // Signs in turn make it a DST-IV, read backwards.
      dct4(sines, sines);
      for (let m = 0; m < BANDS; m++) {
        const c = cosines[m]!;
        const s = sines[63 - m]!;
        v[at + m] = s - c;
        v[at + 127 - m] = s + c;
      }
      const out = slot * BANDS;
      for (let k = 0; k < BANDS; k++) {
        const i = at + k;
        output[out + k] =
          v[i]! * window[k]! +
          v[i + 192]! * window[k + 64]! +
          v[i + 256]! * window[k + 128]! +
          v[i + 448]! * window[k + 192]! +
          v[i + 512]! * window[k + 256]! +
          v[i + 704]! * window[k + 320]! +
          v[i + 768]! * window[k + 384]! +
          v[i + 960]! * window[k + 448]! +
          v[i + 1024]! * window[k + 512]! +
          v[i + 1216]! * window[k + 576]!;
      }
    }
  }
}
