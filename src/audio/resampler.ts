/**
 * Samples of one rate to samples of another: a polyphase low-pass of windowed sinc (Kaiser). It looks ahead by half its
 * length and so adds no delay to timestamps: output n is the sound at input position n * inputRate / outputRate.
 * Flat to 0.1 dB up to 0.38 of the lower rate, errors 90 dB below. Rates whose ratio has no small terms get the nearest
 * one that has: below 2 ppm off, which a caller that follows timestamps takes for drift.
 */
import { besselI0 } from './bessel.ts';

const TAPS = 32;
const KAISER_BETA = 9.6;
const KAISER_PEAK = besselI0(KAISER_BETA);
/** Middle of the transition band, in halves of the lower rate. */
const CUTOFF = 0.92;
/** Phases of a table at most: 128 KB of coefficients at equal rates. */
const MOST_PHASES = 1024;
/** Lowest output rate is this part of the input rate; the filter grows with it. */
const MOST_SHRINK = 16;

interface Kernel {
  /** Output positions between two input samples. */
  readonly phases: number;
  /** Input samples are `step / phases` per output sample. */
  readonly step: number;
  readonly taps: number;
  /** `taps` coefficients per phase. */
  readonly coefficients: Float32Array;
}

export class Resampler {
  readonly inputRate: number;
  readonly outputRate: number;
  /** What `process` made, per channel. */
  readonly output: Float32Array[];
  private readonly kernel: Kernel | null;
  /** Input that is still needed, then the new block, per channel. */
  private readonly input: Float32Array[];
  private held = 0;
  /** Of the next output sample: its first input sample in `input` and the phase after it. */
  private start = 0;
  private phase = 0;

  /** Rates in Hz. */
  constructor(inputRate: number, outputRate: number, channels: number) {
    this.inputRate = inputRate;
    this.outputRate = outputRate;
    this.output = Array.from({ length: channels }, () => new Float32Array(0));
    this.input = Array.from({ length: channels }, () => new Float32Array(0));
    this.kernel = inputRate === outputRate ? null : makeKernel(inputRate, outputRate);
    // Silence before the first sample, so that the first output is the sound at the first input.
    if (this.kernel !== null) {
      this.held = this.kernel.taps / 2 - 1;
      for (let c = 0; c < channels; c++) this.input[c] = new Float32Array(this.held);
    }
  }

  /**
   * Input samples, maybe with a fraction, by which the next output sample lies before the next input sample: what the
   * time of the output is, from the time of the input.
   */
  get lagSamples(): number {
    if (this.kernel === null) return 0;
    return this.held - (this.start + this.kernel.taps / 2 - 1 + this.phase / this.kernel.phases);
  }

  /** Takes `samples` of each channel; returns how many came out per channel, in `output` until the next call. */
  process(channels: readonly Float32Array[], samples: number): number {
    if (this.kernel === null) {
      for (let c = 0; c < this.output.length; c++) this.output[c] = channels[c]!;
      return samples;
    }
    const { taps, phases, step } = this.kernel;
    const filled = this.held + samples;
    const room = Math.ceil((samples * phases) / step) + 1;
    for (let c = 0; c < this.output.length; c++) {
      if (this.input[c]!.length < filled) this.input[c] = grown(this.input[c]!, filled);
      if (this.output[c]!.length < room) this.output[c] = new Float32Array(room);
      this.input[c]!.set(channels[c]!.subarray(0, samples), this.held);
    }
    let made = 0;
    let { start, phase } = this;
    const wholeStep = Math.floor(step / phases);
    const partStep = step % phases;
    while (start + taps <= filled) {
      this.filter(this.kernel, start, phase, made++);
      start += wholeStep;
      phase += partStep;
      if (phase >= phases) {
        phase -= phases;
        start++;
      }
    }
    // A step may lead past what is there when the rate falls; nothing is held then but the distance.
    const used = Math.min(start, filled);
    for (const input of this.input) input.copyWithin(0, used, filled);
    this.held = filled - used;
    this.start = start - used;
    this.phase = phase;
    return made;
  }

  private filter(kernel: Kernel, start: number, phase: number, at: number): void {
    const { taps, coefficients } = kernel;
    const from = phase * taps;
    const left = this.input[0]!;
    if (this.output.length === 2) {
      const right = this.input[1]!;
      let sumLeft = 0;
      let sumRight = 0;
      for (let k = 0; k < taps; k++) {
        const coefficient = coefficients[from + k]!;
        sumLeft += coefficient * left[start + k]!;
        sumRight += coefficient * right[start + k]!;
      }
      this.output[0]![at] = sumLeft;
      this.output[1]![at] = sumRight;
      return;
    }
    let sum = 0;
    for (let k = 0; k < taps; k++) sum += coefficients[from + k]! * left[start + k]!;
    this.output[0]![at] = sum;
  }
}

function grown(array: Float32Array, length: number): Float32Array {
  const longer = new Float32Array(length);
  longer.set(array);
  return longer;
}

function makeKernel(inputRate: number, outputRate: number): Kernel {
  const shrink = Math.min(Math.max(inputRate / outputRate, 1), MOST_SHRINK);
  const taps = 2 * Math.ceil((TAPS * shrink) / 2);
  const [phases, step] = smallRatio(outputRate, inputRate);
  const coefficients = new Float32Array(phases * taps);
  const cutoff = CUTOFF / shrink;
  const half = taps / 2;
  for (let p = 0; p < phases; p++) {
    const row = new Float64Array(taps);
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      const distance = k - (half - 1) - p / phases;
      row[k] = sinc(cutoff * distance) * kaiser(distance / half);
      sum += row[k]!;
    }
    for (let k = 0; k < taps; k++) coefficients[p * taps + k] = row[k]! / sum;
  }
  return { phases, step, taps, coefficients };
}

/** `a / b` as the nearest fraction whose first term is at most MOST_PHASES (continued fraction). */
function smallRatio(a: number, b: number): [number, number] {
  let [high, low, highBefore, lowBefore] = [1, 0, 0, 1];
  let [rest, divisor] = [a, b];
  while (divisor > 0) {
    const quotient = Math.floor(rest / divisor);
    const nextHigh = quotient * high + highBefore;
    const nextLow = quotient * low + lowBefore;
    if (nextHigh > MOST_PHASES && high > 0 && low > 0) break;
    [highBefore, lowBefore, high, low] = [high, low, nextHigh, nextLow];
    [rest, divisor] = [divisor, rest % divisor];
  }
  return [high, low];
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Kaiser window at -1 to 1. */
function kaiser(x: number): number {
  return Math.abs(x) >= 1 ? 0 : besselI0(KAISER_BETA * Math.sqrt(1 - x * x)) / KAISER_PEAK;
}
