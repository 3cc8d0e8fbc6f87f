/** 16-bit samples, big endian, channels interleaved (RFC 3551 section 4.5.11), to planar samples. */
import type { AudioDecoder, PcmBlock } from './pcm.ts';
import { PcmBuffer } from './pcm-buffer.ts';

export class L16Decoder implements AudioDecoder {
  readonly delaySamples = 0;
  errors = 0;
  private readonly block: PcmBuffer;

  constructor(sampleRate: number, channels: number) {
    this.block = new PcmBuffer(sampleRate, channels);
  }

  decode(payload: Uint8Array): PcmBlock | null {
    const { block } = this;
    const step = block.channels.length * 2;
    const samples = Math.floor(payload.length / step);
    if (samples === 0) {
      this.errors++;
      return null;
    }
    block.resize(samples);
    for (let c = 0; c < block.channels.length; c++) {
      const channel = block.channels[c]!;
      for (let i = 0, at = c * 2; i < samples; i++, at += step) {
        channel[i] = ((payload[at]! << 24) | (payload[at + 1]! << 16)) / 2_147_483_648;
      }
    }
    return block;
  }

  conceal(): PcmBlock | null {
    if (this.block.samples === 0) return null;
    this.block.silence();
    return this.block;
  }

  close(): void {}
}
