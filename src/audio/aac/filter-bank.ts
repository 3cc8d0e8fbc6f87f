/**
 * Filter bank of AAC: ISO/IEC 14496-3 4.6.11. Windows (sine and Kaiser-Bessel derived), the four window sequences,
 * overlap and add. Leaves out: gain control (AAC SSR).
 */
import { besselI0 } from '../bessel.ts';
import type { FrameLength } from './band-tables.ts';
import { Imdct } from './imdct.ts';

export const ONLY_LONG = 0;
export const LONG_START = 1;
export const EIGHT_SHORT = 2;
export const LONG_STOP = 3;

/** Decoded spectra are of 16-bit samples. */
const FULL_SCALE = 32_768;

/** Rising half of a sine window. */
function sineWindow(length: number): Float64Array {
  const window = new Float64Array(length);
  for (let i = 0; i < length; i++) window[i] = Math.sin((Math.PI * (i + 0.5)) / (2 * length));
  return window;
}

/** Rising half of a Kaiser-Bessel derived window (4.6.11.3.2). */
function kaiserWindow(length: number, alpha: number): Float64Array {
  const sums = new Float64Array(length + 1);
  let sum = 0;
  for (let i = 0; i <= length; i++) {
    const x = (2 * i) / length - 1;
    sum += besselI0(Math.PI * alpha * Math.sqrt(1 - x * x));
    sums[i] = sum;
  }
  const window = new Float64Array(length);
  for (let i = 0; i < length; i++) window[i] = Math.sqrt(sums[i]! / sum);
  return window;
}

interface Windows {
  /** By window shape: 0 sine, 1 Kaiser-Bessel derived. */
  readonly long: readonly [Float64Array, Float64Array];
  readonly short: readonly [Float64Array, Float64Array];
}

const WINDOWS = new Map<FrameLength, Windows>();

function windowsOf(length: FrameLength): Windows {
  let windows = WINDOWS.get(length);
  if (windows === undefined) {
    windows = {
      long: [sineWindow(length), kaiserWindow(length, 4)],
      short: [sineWindow(length / 8), kaiserWindow(length / 8, 6)],
    };
    WINDOWS.set(length, windows);
  }
  return windows;
}

/** One for all channels of a decoder. What a channel keeps from frame to frame is its `overlap`. */
export class FilterBank {
  private readonly length: FrameLength;
  private readonly windows: Windows;
  private readonly long: Imdct;
  private readonly short: Imdct;
  /** What eight short windows add up to: two frames. */
  private readonly sum: Float64Array;

  constructor(length: FrameLength) {
    this.length = length;
    this.windows = windowsOf(length);
    this.long = new Imdct(length, 1 / (length * FULL_SCALE));
    this.short = new Imdct(length / 8, 8 / (length * FULL_SCALE));
    this.sum = new Float64Array(2 * length);
  }

  /**
   * Sound of a frame of one channel. `shape` and `previousShape` are the window shapes of this frame and of the one
   * before it; `overlap` and `output` have the length of a frame, `overlap` is replaced.
   */
  synthesize(
    spectrum: Float32Array,
    sequence: number,
    shape: number,
    previousShape: number,
    overlap: Float32Array,
    output: Float32Array,
  ): void {
    if (sequence === EIGHT_SHORT) {
      this.synthesizeShort(spectrum, shape, previousShape, overlap, output);
      return;
    }
    this.long.transform(spectrum, 0);
    if (sequence === LONG_STOP) this.addShortRise(previousShape, overlap, output);
    else this.addLongRise(previousShape, overlap, output);
    if (sequence === LONG_START) this.keepShortFall(shape, overlap);
    else this.keepLongFall(shape, overlap);
  }

  private addLongRise(shape: number, overlap: Float32Array, output: Float32Array): void {
    const { length } = this;
    const half = length / 2;
    const y = this.long.output;
    const window = this.windows.long[shape & 1]!;
    for (let n = 0; n < half; n++) {
      output[n] = overlap[n]! + window[n]! * y[half + n]!;
      output[length - 1 - n] = overlap[length - 1 - n]! - window[length - 1 - n]! * y[half + n]!;
    }
  }

  /** Nothing, the rise of a short window in the middle, then all. */
  private addShortRise(shape: number, overlap: Float32Array, output: Float32Array): void {
    const { length } = this;
    const half = length / 2;
    const y = this.long.output;
    const window = this.windows.short[shape & 1]!;
    const flat = (7 * length) / 16;
    const short = length / 8;
    for (let n = 0; n < flat; n++) output[n] = overlap[n]!;
    for (let i = 0; i < short; i++) {
      const n = flat + i;
      const value = n < half ? y[half + n]! : -y[length + half - 1 - n]!;
      output[n] = overlap[n]! + window[i]! * value;
    }
    for (let n = flat + short; n < length; n++) output[n] = overlap[n]! - y[length + half - 1 - n]!;
  }

  private keepLongFall(shape: number, overlap: Float32Array): void {
    const { length } = this;
    const half = length / 2;
    const y = this.long.output;
    const window = this.windows.long[shape & 1]!;
    for (let n = 0; n < half; n++) {
      const value = -y[half - 1 - n]!;
      overlap[n] = window[length - 1 - n]! * value;
      overlap[length - 1 - n] = window[n]! * value;
    }
  }

  private keepShortFall(shape: number, overlap: Float32Array): void {
    const { length } = this;
    const half = length / 2;
    const y = this.long.output;
    const window = this.windows.short[shape & 1]!;
    const flat = (7 * length) / 16;
    const short = length / 8;
    for (let n = 0; n < flat; n++) overlap[n] = -y[half - 1 - n]!;
    for (let i = 0; i < short; i++) {
      const n = flat + i;
      const value = n < half ? -y[half - 1 - n]! : -y[n - half]!;
      overlap[n] = window[short - 1 - i]! * value;
    }
    overlap.fill(0, flat + short);
  }

  private synthesizeShort(
    spectrum: Float32Array,
    shape: number,
    previousShape: number,
    overlap: Float32Array,
    output: Float32Array,
  ): void {
    const { length, sum } = this;
    const short = length / 8;
    const half = short / 2;
    const flat = (7 * length) / 16;
    const y = this.short.output;
    const fall = this.windows.short[shape & 1]!;
    sum.fill(0);
    for (let w = 0; w < 8; w++) {
      const rise = w === 0 ? this.windows.short[previousShape & 1]! : fall;
      this.short.transform(spectrum, w * short);
      const at = flat + w * short;
      const end = at + short - 1;
      const next = at + short;
      const last = next + short - 1;
      for (let n = 0; n < half; n++) {
        const up = y[half + n]!;
        sum[at + n] = sum[at + n]! + rise[n]! * up;
        sum[end - n] = sum[end - n]! - rise[short - 1 - n]! * up;
        const down = y[half - 1 - n]!;
        sum[next + n] = sum[next + n]! - fall[short - 1 - n]! * down;
        sum[last - n] = sum[last - n]! - fall[n]! * down;
      }
    }
    for (let n = 0; n < length; n++) {
      output[n] = overlap[n]! + sum[n]!;
      overlap[n] = sum[length + n]!;
    }
  }
}
