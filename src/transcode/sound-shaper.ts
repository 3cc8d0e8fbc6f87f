/**
 * From what a decoder gives to what an encoder takes: finite samples, one or two channels, the rate wanted. A source
 * that changes its rate or its channels is followed.
 */
import { layoutOfConfig } from '../audio/aac/channel-layout.ts';
import { Downmixer } from '../audio/mix.ts';
import type { PcmBlock, Speaker } from '../audio/pcm.ts';
import { Resampler } from '../audio/resampler.ts';

/** Louder than full scale is clipped only at the end; far louder is damage. */
const MOST_LEVEL = 4;
/** By number of channels, for sound that does not say what they are for: as AAC orders them, up to 5.1. */
const USUAL: readonly (readonly Speaker[])[] = Array.from({ length: 7 }, (_, channels) =>
  (layoutOfConfig(channels) ?? []).flatMap(({ speakers }) => speakers),
);

export class SoundShaper {
  /** What `shape` made, per channel. */
  output: readonly Float32Array[];
  /** Samples in the last block that were no numbers or far too large. */
  damaged = 0;
  /** Microseconds by which the output of the last `shape` begins before the block that went in. */
  lagUs = 0;
  private readonly outputRate: number;
  private readonly mixed: Float32Array[];
  private resampler: Resampler | null = null;
  private mixer: Downmixer | null = null;
  private speakers: readonly Speaker[] = [];

  constructor(outputRate: number, channels: 1 | 2) {
    this.outputRate = outputRate;
    this.mixed = Array.from({ length: channels }, () => new Float32Array(0));
    this.output = this.mixed;
  }

  /** `speakers`: what the channels are for, empty when nobody knows. Returns the samples made per channel. */
  shape(block: PcmBlock, speakers: readonly Speaker[] = []): number {
    const { samples, sampleRate } = block;
    const known = speakers.length === block.channels.length;
    const mixed = this.mix(block, known ? speakers : usualSpeakers(block.channels.length));
    this.damaged = 0;
    for (let c = 0; c < mixed.length; c++) this.damaged += sanitize(mixed[c]!, samples);
    if (this.resampler === null || this.resampler.inputRate !== sampleRate) {
      this.resampler = new Resampler(sampleRate, this.outputRate, mixed.length);
    }
    this.lagUs = (this.resampler.lagSamples * 1_000_000) / sampleRate;
    const made = this.resampler.process(mixed, samples);
    this.output = this.resampler.output;
    return made;
  }

  /** One or two channels that may be written to: the decoder's own may not. */
  private mix(block: PcmBlock, speakers: readonly Speaker[]): readonly Float32Array[] {
    const { channels, samples } = block;
    const { mixed } = this;
    if (channels.length > mixed.length) {
      if (this.mixer === null || !isSameLayout(this.speakers, speakers)) {
        this.speakers = speakers;
        this.mixer = new Downmixer(speakers, mixed.length === 1 ? 1 : 2);
      }
      return this.mixer.mix(block).channels;
    }
    for (let c = 0; c < mixed.length; c++) {
      if (mixed[c]!.length < samples) mixed[c] = new Float32Array(samples);
      mixed[c]!.set((channels[c] ?? channels[0]!).subarray(0, samples));
    }
    return mixed;
  }
}

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
