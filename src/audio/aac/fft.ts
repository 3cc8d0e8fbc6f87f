/**
 * Complex Fourier transform of the sizes that AAC needs (512 and 64, 480 and 60): self-sorting (Stockham), mixed radix
 * 4, 2, 3, 5, twiddles in tables. Textbook mathematics.
 */

const SIN_60 = Math.sqrt(3) / 2;
const COS_72 = Math.cos((2 * Math.PI) / 5);
const SIN_72 = Math.sin((2 * Math.PI) / 5);
const COS_144 = Math.cos((4 * Math.PI) / 5);
const SIN_144 = Math.sin((4 * Math.PI) / 5);

/** Forward transform, exp(-2 pi i jk / size), unscaled. Values lie as re, im, re, im, ... */
export class Fft {
  readonly size: number;
  private readonly radices: Uint8Array;
  /** Per stage, per output group: the factors of inputs 1 to radix-1, re and im. */
  private readonly twiddles: Float64Array;
  private readonly spare: Float64Array;

  /** `size` has no other prime factors than 2, 3 and 5. */
  constructor(size: number) {
    this.size = size;
    const radices: number[] = [];
    let rest = size;
    for (const radix of [4, 2, 3, 5]) {
      while (rest % radix === 0) {
        radices.push(radix);
        rest /= radix;
      }
    }
    this.radices = Uint8Array.from(radices);
    const twiddles: number[] = [];
    let length = size;
    for (const radix of radices) {
      const part = length / radix;
      for (let p = 0; p < part; p++) {
        for (let k = 1; k < radix; k++) {
          const angle = (-2 * Math.PI * p * k) / length;
          twiddles.push(Math.cos(angle), Math.sin(angle));
        }
      }
      length = part;
    }
    this.twiddles = Float64Array.from(twiddles);
    this.spare = new Float64Array(2 * size);
  }

  /** Transforms `data` (2 * size values). The result is in `data` or in an array of this object: the one returned. */
  transform(data: Float64Array): Float64Array {
    let from = data;
    let to = this.spare;
    let length = this.size;
    let stride = 1;
    let at = 0;
    for (let i = 0; i < this.radices.length; i++) {
      const radix = this.radices[i]!;
      const part = length / radix;
      if (radix === 4) this.stage4(from, to, part, stride, at);
      else if (radix === 2) this.stage2(from, to, part, stride, at);
      else if (radix === 3) this.stage3(from, to, part, stride, at);
      else this.stage5(from, to, part, stride, at);
      at += 2 * (radix - 1) * part;
      const swap = from;
      from = to;
      to = swap;
      length = part;
      stride *= radix;
    }
    return from;
  }

  private stage2(x: Float64Array, y: Float64Array, part: number, stride: number, at: number): void {
    const w = this.twiddles;
    const step = 2 * stride * part;
    const jump = 2 * stride;
    for (let p = 0; p < part; p++) {
      const t = at + 2 * p;
      let i = 2 * stride * p;
      let o = 4 * stride * p;
      for (let q = 0; q < stride; q++, i += 2, o += 2) {
        const ar = x[i]!;
        const ai = x[i + 1]!;
        const br = x[i + step]!;
        const bi = x[i + step + 1]!;
        y[o] = ar + br;
        y[o + 1] = ai + bi;
        turn(y, o + jump, ar - br, ai - bi, w, t);
      }
    }
  }

  private stage3(x: Float64Array, y: Float64Array, part: number, stride: number, at: number): void {
    const w = this.twiddles;
    const step = 2 * stride * part;
    const jump = 2 * stride;
    for (let p = 0; p < part; p++) {
      const t = at + 4 * p;
      let i = 2 * stride * p;
      let o = 6 * stride * p;
      for (let q = 0; q < stride; q++, i += 2, o += 2) {
        const ar = x[i]!;
        const ai = x[i + 1]!;
        const br = x[i + step]!;
        const bi = x[i + step + 1]!;
        const cr = x[i + 2 * step]!;
        const ci = x[i + 2 * step + 1]!;
        const sr = br + cr;
        const si = bi + ci;
        const dr = (bi - ci) * SIN_60;
        const di = (cr - br) * SIN_60;
        const mr = ar - 0.5 * sr;
        const mi = ai - 0.5 * si;
        y[o] = ar + sr;
        y[o + 1] = ai + si;
        turn(y, o + jump, mr + dr, mi + di, w, t);
        turn(y, o + 2 * jump, mr - dr, mi - di, w, t + 2);
      }
    }
  }

  private stage4(x: Float64Array, y: Float64Array, part: number, stride: number, at: number): void {
    const w = this.twiddles;
    const step = 2 * stride * part;
    const jump = 2 * stride;
    for (let p = 0; p < part; p++) {
      const t = at + 6 * p;
      let i = 2 * stride * p;
      let o = 8 * stride * p;
      for (let q = 0; q < stride; q++, i += 2, o += 2) {
        const ar = x[i]!;
        const ai = x[i + 1]!;
        const br = x[i + step]!;
        const bi = x[i + step + 1]!;
        const cr = x[i + 2 * step]!;
        const ci = x[i + 2 * step + 1]!;
        const dr = x[i + 3 * step]!;
        const di = x[i + 3 * step + 1]!;
        const acr = ar + cr;
        const aci = ai + ci;
        const amr = ar - cr;
        const ami = ai - ci;
        const bdr = br + dr;
        const bdi = bi + di;
        // -i (b - d)
        const bmr = bi - di;
        const bmi = dr - br;
        y[o] = acr + bdr;
        y[o + 1] = aci + bdi;
        turn(y, o + jump, amr + bmr, ami + bmi, w, t);
        turn(y, o + 2 * jump, acr - bdr, aci - bdi, w, t + 2);
        turn(y, o + 3 * jump, amr - bmr, ami - bmi, w, t + 4);
      }
    }
  }

  private stage5(x: Float64Array, y: Float64Array, part: number, stride: number, at: number): void {
    const w = this.twiddles;
    const step = 2 * stride * part;
    const jump = 2 * stride;
    for (let p = 0; p < part; p++) {
      const t = at + 8 * p;
      let i = 2 * stride * p;
      let o = 10 * stride * p;
      for (let q = 0; q < stride; q++, i += 2, o += 2) {
        const ar = x[i]!;
        const ai = x[i + 1]!;
        const s1r = x[i + step]! + x[i + 4 * step]!;
        const s1i = x[i + step + 1]! + x[i + 4 * step + 1]!;
        const d1r = x[i + step]! - x[i + 4 * step]!;
        const d1i = x[i + step + 1]! - x[i + 4 * step + 1]!;
        const s2r = x[i + 2 * step]! + x[i + 3 * step]!;
        const s2i = x[i + 2 * step + 1]! + x[i + 3 * step + 1]!;
        const d2r = x[i + 2 * step]! - x[i + 3 * step]!;
        const d2i = x[i + 2 * step + 1]! - x[i + 3 * step + 1]!;
        y[o] = ar + s1r + s2r;
        y[o + 1] = ai + s1i + s2i;
        const m1r = ar + COS_72 * s1r + COS_144 * s2r;
        const m1i = ai + COS_72 * s1i + COS_144 * s2i;
        const m2r = ar + COS_144 * s1r + COS_72 * s2r;
        const m2i = ai + COS_144 * s1i + COS_72 * s2i;
        // -i (sin72 d1 + sin144 d2) and -i (sin144 d1 - sin72 d2)
        const n1r = SIN_72 * d1i + SIN_144 * d2i;
        const n1i = -SIN_72 * d1r - SIN_144 * d2r;
        const n2r = SIN_144 * d1i - SIN_72 * d2i;
        const n2i = SIN_72 * d2r - SIN_144 * d1r;
        turn(y, o + jump, m1r + n1r, m1i + n1i, w, t);
        turn(y, o + 2 * jump, m2r + n2r, m2i + n2i, w, t + 2);
        turn(y, o + 3 * jump, m2r - n2r, m2i - n2i, w, t + 4);
        turn(y, o + 4 * jump, m1r - n1r, m1i - n1i, w, t + 6);
      }
    }
  }
}

/** y[o] = (re + i im) * w[t] */
function turn(y: Float64Array, o: number, re: number, im: number, w: Float64Array, t: number): void {
  const wr = w[t]!;
  const wi = w[t + 1]!;
  y[o] = re * wr - im * wi;
  y[o + 1] = re * wi + im * wr;
}
