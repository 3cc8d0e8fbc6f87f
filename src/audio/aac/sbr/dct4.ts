/**
 * DCT-IV of 64 values by a complex FFT of 32: y[k] = sum over n of x[n] cos(pi/64 (n + 1/2)(k + 1/2)). Both QMF banks
 * are made of it.
 */
const SIZE = 64;
const HALF = 32;

const preCos = new Float64Array(HALF);
const preSin = new Float64Array(HALF);
const rootCos = new Float64Array(HALF);
const rootSin = new Float64Array(HALF);
const reversed = new Uint8Array(HALF);
for (let i = 0; i < HALF; i++) {
  const angle = (Math.PI * (8 * i + 1)) / (8 * SIZE);
  preCos[i] = Math.cos(angle);
  preSin[i] = Math.sin(angle);
  rootCos[i] = Math.cos((2 * Math.PI * i) / HALF);
  rootSin[i] = Math.sin((2 * Math.PI * i) / HALF);
  for (let bit = 0; bit < 5; bit++) if ((i >> bit) & 1) reversed[i]! |= 16 >> bit;
}

const re = new Float64Array(HALF);
const im = new Float64Array(HALF);

/** Transforms `x` (64 values) into `y`, which may be the same array. */
export function dct4(x: Float64Array, y: Float64Array): void {
  for (let n = 0; n < HALF; n++) {
    const a = x[2 * n]!;
    const b = x[SIZE - 1 - 2 * n]!;
    const c = preCos[n]!;
    const s = preSin[n]!;
    const at = reversed[n]!;
    re[at] = a * c + b * s;
    im[at] = b * c - a * s;
  }
  // The first two stages at once: their factors are 1 and -i.
  for (let i = 0; i < HALF; i += 4) {
    const ar = re[i]! + re[i + 1]!;
    const ai = im[i]! + im[i + 1]!;
    const br = re[i]! - re[i + 1]!;
    const bi = im[i]! - im[i + 1]!;
    const cr = re[i + 2]! + re[i + 3]!;
    const ci = im[i + 2]! + im[i + 3]!;
    const dr = re[i + 2]! - re[i + 3]!;
    const di = im[i + 2]! - im[i + 3]!;
    re[i] = ar + cr;
    im[i] = ai + ci;
    re[i + 2] = ar - cr;
    im[i + 2] = ai - ci;
    re[i + 1] = br + di;
    im[i + 1] = bi - dr;
    re[i + 3] = br - di;
    im[i + 3] = bi + dr;
  }
  for (let span = 4; span < HALF; span *= 2) {
    const step = HALF / (2 * span);
    for (let j = 0; j < span; j++) {
      const c = rootCos[j * step]!;
      const s = rootSin[j * step]!;
      for (let p = j; p < HALF; p += 2 * span) {
        const q = p + span;
        const tr = re[q]! * c + im[q]! * s;
        const ti = im[q]! * c - re[q]! * s;
        re[q] = re[p]! - tr;
        im[q] = im[p]! - ti;
        re[p] = re[p]! + tr;
        im[p] = im[p]! + ti;
      }
    }
  }
  for (let k = 0; k < HALF; k++) {
    const c = preCos[k]!;
    const s = preSin[k]!;
    y[2 * k] = re[k]! * c + im[k]! * s;
    y[SIZE - 1 - 2 * k] = re[k]! * s - im[k]! * c;
  }
}
