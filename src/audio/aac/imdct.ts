/**
 * The inverse modified discrete cosine transform of ISO/IEC 14496-3 4.6.11.3.1 in its compact form, a DCT of type IV,
 * by one complex Fourier transform of half as many points.
 */
import { Fft } from './fft.ts';

export class Imdct {
  /** Lines of the spectrum. */
  readonly lines: number;
  /** The last result. The 2 * lines samples of the transform are, with M = lines: y[M/2, M), -y[M-1..0], -y[0, M/2). */
  readonly output: Float64Array;
  private readonly fft: Fft;
  private readonly twiddles: Float64Array;
  private readonly work: Float64Array;

  /** `scale` multiplies the result (the standard's own is 1 / lines). */
  constructor(lines: number, scale: number) {
    const half = lines / 2;
    this.lines = lines;
    this.output = new Float64Array(lines);
    this.fft = new Fft(half);
    this.work = new Float64Array(lines);
    this.twiddles = new Float64Array(lines);
    const root = Math.sqrt(scale);
    for (let i = 0; i < half; i++) {
      const angle = (-Math.PI * (8 * i + 1)) / (8 * lines);
      this.twiddles[2 * i] = root * Math.cos(angle);
      this.twiddles[2 * i + 1] = root * Math.sin(angle);
    }
  }

  /** `lines` lines of `spectrum` from `at` on, into `output`. */
  transform(spectrum: Float32Array, at: number): void {
    const { lines, twiddles, work, output } = this;
    for (let i = 0, last = at + lines - 1; i < lines; i += 2) {
      const re = spectrum[at + i]!;
      const im = spectrum[last - i]!;
      const wr = twiddles[i]!;
      const wi = twiddles[i + 1]!;
      work[i] = re * wr - im * wi;
      work[i + 1] = re * wi + im * wr;
    }
    const turned = this.fft.transform(work);
    for (let i = 0; i < lines; i += 2) {
      const re = turned[i]!;
      const im = turned[i + 1]!;
      const wr = twiddles[i]!;
      const wi = twiddles[i + 1]!;
      output[i] = re * wr - im * wi;
      output[lines - 1 - i] = -(re * wi + im * wr);
    }
  }
}
