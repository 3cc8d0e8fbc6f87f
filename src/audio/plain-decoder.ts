/**
 * What the decoders of telephony and plain PCM have in common: payloads without a header that are as long as their
 * sound, silence in the place of what is lost, nothing to free.
 */
import type { AudioDecoder, PcmBlock } from './pcm.ts';
import { PcmBuffer } from './pcm-buffer.ts';

export abstract class PlainDecoder implements AudioDecoder {
  errors = 0;
  private readonly block: PcmBuffer;

  /** `sampleRate` in Hz. */
  constructor(sampleRate: number, channels: number) {
    this.block = new PcmBuffer(sampleRate, channels);
  }

  /** Whole samples per channel in a payload of so many bytes. */
  protected abstract samplesIn(bytes: number): number;

  /** Decodes `samples` per channel, as many as `samplesIn` gave, into arrays that have room for them. */
  protected abstract fill(channels: readonly Float32Array[], payload: Uint8Array, samples: number): void;

  decode(payload: Uint8Array): PcmBlock | null {
    const samples = this.samplesIn(payload.length);
    if (samples === 0) {
      this.errors++;
      return null;
    }
    this.block.resize(samples);
    this.fill(this.block.channels, payload, samples);
    return this.block;
  }

  conceal(): PcmBlock | null {
    if (this.block.samples === 0) return null;
    this.block.silence();
    return this.block;
  }

  close(): void {}
}
