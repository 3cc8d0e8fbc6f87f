/** 16-bit samples, big endian, channels interleaved (RFC 3551 section 4.5.11), to planar samples. */
import { PlainDecoder } from './plain-decoder.ts';

export class L16Decoder extends PlainDecoder {
  /** Bytes of one sample of all channels. */
  private readonly step: number;

  constructor(sampleRate: number, channels: number) {
    super(sampleRate, channels);
    this.step = channels * 2;
  }

  protected samplesIn(bytes: number): number {
    return Math.floor(bytes / this.step);
  }

  protected fill(channels: readonly Float32Array[], payload: Uint8Array, samples: number): void {
    for (let c = 0; c < channels.length; c++) {
      const channel = channels[c]!;
      for (let i = 0, at = c * 2; i < samples; i++, at += this.step) {
        channel[i] = ((payload[at]! << 24) | (payload[at + 1]! << 16)) / 2_147_483_648;
      }
    }
  }
}
