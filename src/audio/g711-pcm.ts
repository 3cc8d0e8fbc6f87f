/** G.711 to samples: ITU-T G.711 tables 1a and 2a, A-law and mu-law. Channels are interleaved byte by byte. */
import { PlainDecoder } from './plain-decoder.ts';

/** Of one code as 16-bit linear, the low bits of the 13 and 14-bit values zero. */
export function g711aSample(code: number): number {
  const bits = code ^ 0x55;
  const segment = (bits >> 4) & 7;
  const step = ((bits & 15) << 4) + 8;
  const magnitude = segment === 0 ? step : (step + 0x100) << (segment - 1);
  return (bits & 0x80) !== 0 ? magnitude : -magnitude;
}

/** The same of mu-law. */
export function g711uSample(code: number): number {
  const bits = ~code & 0xff;
  const magnitude = ((((bits & 15) << 3) + 0x84) << ((bits >> 4) & 7)) - 0x84;
  return (bits & 0x80) !== 0 ? -magnitude : magnitude;
}

function tableOf(sample: (code: number) => number): Float32Array {
  return Float32Array.from({ length: 256 }, (_, code) => sample(code) / 32_768);
}

const A_LAW = tableOf(g711aSample);
const MU_LAW = tableOf(g711uSample);

export class G711Decoder extends PlainDecoder {
  private readonly table: Float32Array;
  private readonly step: number;

  constructor(law: 'g711a' | 'g711u', sampleRate: number, channels: number) {
    super(sampleRate, channels);
    this.table = law === 'g711a' ? A_LAW : MU_LAW;
    this.step = channels;
  }

  protected samplesIn(bytes: number): number {
    return Math.floor(bytes / this.step);
  }

  protected fill(channels: readonly Float32Array[], payload: Uint8Array, samples: number): void {
    const { table, step } = this;
    for (let c = 0; c < channels.length; c++) {
      const channel = channels[c]!;
      for (let i = 0, at = c; i < samples; i++, at += step) channel[i] = table[payload[at]!]!;
    }
  }
}
