/** A PcmBlock that its owner fills again and again: arrays grow to the longest block seen and stay. */
import type { PcmBlock } from './pcm.ts';

export class PcmBuffer implements PcmBlock {
  sampleRate: number;
  readonly channels: Float32Array[];
  samples = 0;

  /** `sampleRate` in Hz. */
  constructor(sampleRate: number, channelCount: number) {
    this.sampleRate = sampleRate;
    this.channels = Array.from({ length: channelCount }, () => new Float32Array(0));
  }

  /** Makes room for `samples` per channel; what was there is lost. */
  resize(samples: number): void {
    this.samples = samples;
    if (this.channels[0]!.length >= samples) return;
    for (let i = 0; i < this.channels.length; i++) this.channels[i] = new Float32Array(samples);
  }

  /** The same length, without a sound. */
  silence(): void {
    for (const channel of this.channels) channel.fill(0, 0, this.samples);
  }
}
