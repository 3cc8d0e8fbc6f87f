/**
 * From what a decoder gives to what an encoder takes: finite samples, one or two channels, the rate wanted. A source
 * that changes its rate or its channels is followed.
 */
import { Downmixer } from '../audio/mix.ts';
import type { PcmBlock, Speaker } from '../audio/pcm.ts';
import { Resampler } from '../audio/resampler.ts';

/** Louder than full scale is clipped only at the end; far louder is damage. */
const MOST_LEVEL = 4;
/** By number of channels. */
const USUAL: readonly (readonly Speaker[])[] = [
  [],
  ['C'],
  ['L', 'R'],
  ['C', 'L', 'R'],
  ['C', 'L', 'R', 'Cs'],
  ['C', 'L', 'R', 'Ls', 'Rs'],
  ['C', 'L', 'R', 'Ls', 'Rs', 'LFE'],
];

export class SoundShaper {
  /** What `shape` made, per channel. */
  output: readonly Float32Array[];
  /** Samples in the last block that were no numbers or far too large. */
  damaged = 0;
  private readonly outputRate: number;
  private readonly mixed: Float32Array[];
  private resampler: Resampler | null = null;
  private mixer: Downmixer | null = null;
  private speakers: readonly Speaker[] = [];
  private beforeUs = 0;

  constructor(outputRate: number, channels: 1 | 2) {
    this.outputRate = outputRate;
    this.mixed = Array.from({ length: channels }, () => new Float32Array(0));
    this.output = this.mixed;
  }

  /** Microseconds by which the output of the last `shape` begins before the block that went in. */
  get lagUs(): number {
    return this.beforeUs;
  }

  /** `speakers`: what the channels are for, empty when nobody knows. Returns the samples made per channel. */
  shape(block: PcmBlock, speakers: readonly Speaker[] = []): number {
    const { samples, sampleRate } = block;
    for (let c = 0; c < this.mixed.length; c++) {
      if (this.mixed[c]!.length < samples) this.mixed[c] = new Float32Array(samples);
    }
    const known = speakers.length === block.channels.length;
    this.mix(block, known ? speakers : usualSpeakers(block.channels.length));
    this.damaged = 0;
    for (const channel of this.mixed) this.damaged += sanitize(channel, samples);
    if (this.resampler === null || this.resampler.inputRate !== sampleRate) {
      this.resampler = new Resampler(sampleRate, this.outputRate, this.mixed.length);
    }
    this.beforeUs = (this.resampler.lagSamples * 1_000_000) / sampleRate;
    const made = this.resampler.process(this.mixed, samples);
    this.output = this.resampler.output;
    return made;
  }

  private mix(block: PcmBlock, speakers: readonly Speaker[]): void {
    const { channels, samples } = block;
    const [left, right] = this.mixed;
    if (channels.length === 1 || (channels.length === 2 && right !== undefined)) {
      left!.set(channels[0]!.subarray(0, samples));
      right?.set((channels[1] ?? channels[0]!).subarray(0, samples));
      return;
    }
    if (this.mixer === null || !isSameLayout(this.speakers, speakers)) {
      this.speakers = speakers;
      this.mixer = new Downmixer(speakers, right === undefined ? 1 : 2);
    }
    const down = this.mixer.mix(block).channels;
    left!.set(down[0]!.subarray(0, samples));
    right?.set(down[1]!.subarray(0, samples));
  }
}

/** Of sound that does not say what its channels are for: as AAC orders them. */
function usualSpeakers(channels: number): readonly Speaker[] {
  return USUAL[channels] ?? Array.from({ length: channels }, (_, i) => (i % 2 === 0 ? 'L' : 'R'));
}

function isSameLayout(a: readonly Speaker[], b: readonly Speaker[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function sanitize(samples: Float32Array, count: number): number {
  let damaged = 0;
  for (let i = 0; i < count; i++) {
    const sample = samples[i]!;
    // Also false for what is no number.
    if (sample >= -MOST_LEVEL && sample <= MOST_LEVEL) continue;
    samples[i] = sample > MOST_LEVEL ? MOST_LEVEL : sample < -MOST_LEVEL ? -MOST_LEVEL : 0;
    damaged++;
  }
  return damaged;
}
