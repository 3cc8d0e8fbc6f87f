/** Collects shaped samples into the frames of an encoder: interleaved, within +-1. */

/** Shorter blocks are not stretched: too little to interpolate in. */
const LEAST_STRETCHED = 16;

export class FrameFiller {
  /** The frame being filled; whole when `isFull`. */
  readonly frame: Float32Array;
  /** Samples in it, per channel. */
  filled = 0;
  private readonly channels: number;
  private readonly frameSamples: number;

  constructor(frameSamples: number, channels: number) {
    this.frame = new Float32Array(frameSamples * channels);
    this.channels = channels;
    this.frameSamples = frameSamples;
  }

  get isFull(): boolean {
    return this.filled === this.frameSamples;
  }

  /** Copies from `from` on until the frame is full; returns the samples taken. */
  add(channels: readonly Float32Array[], from: number, samples: number): number {
    const taken = Math.min(samples - from, this.frameSamples - this.filled);
    for (let c = 0; c < this.channels; c++) {
      const channel = channels[c]!;
      let at = this.filled * this.channels + c;
      for (let i = from; i < from + taken; i++, at += this.channels) {
        const sample = channel[i]!;
        this.frame[at] = sample > 1 ? 1 : sample < -1 ? -1 : sample;
      }
    }
    this.filled += taken;
    return taken;
  }

  /** Adds silence until the frame is full; returns the samples added. */
  addSilence(samples: number): number {
    const taken = Math.min(samples, this.frameSamples - this.filled);
    this.frame.fill(0, this.filled * this.channels, (this.filled + taken) * this.channels);
    this.filled += taken;
    return taken;
  }

  empty(): void {
    this.filled = 0;
  }
}

/** Makes blocks a few samples longer or shorter by cubic interpolation: no click, and a pitch that nobody hears. */
export class Stretcher {
  /** What `stretch` made. */
  readonly output: Float32Array[];

  constructor(channels: number) {
    this.output = Array.from({ length: channels }, () => new Float32Array(0));
  }

  /** Returns the samples made per channel: `samples + change`, or `samples` where that is too few to work on. */
  stretch(channels: readonly Float32Array[], samples: number, change: number): number {
    const made = samples < LEAST_STRETCHED ? samples : samples + change;
    for (let c = 0; c < this.output.length; c++) {
      if (this.output[c]!.length < made) this.output[c] = new Float32Array(made);
      interpolate(channels[c]!, samples, this.output[c]!, made);
    }
    return made;
  }
}

/** Catmull-Rom through the samples; the ends stay where they are. */
function interpolate(from: Float32Array, samples: number, to: Float32Array, made: number): void {
  const step = made > 1 ? (samples - 1) / (made - 1) : 0;
  const last = samples - 1;
  for (let i = 0; i < made; i++) {
    const position = i * step;
    const index = Math.min(Math.floor(position), last);
    const part = position - index;
    const b = from[index]!;
    const a = from[index > 0 ? index - 1 : 0]!;
    const c = from[Math.min(index + 1, last)]!;
    const d = from[Math.min(index + 2, last)]!;
    to[i] = b + 0.5 * part * (c - a + part * (2 * a - 5 * b + 4 * c - d + part * (3 * (b - c) + d - a)));
  }
}
