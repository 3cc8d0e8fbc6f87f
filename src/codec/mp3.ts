/** MPEG audio frame header, layers I to III: ISO/IEC 11172-3 2.4.1.3, ISO/IEC 13818-3, and the MPEG-2.5 extension. */

export interface Mp3Frame {
  /** 1 to 3. */
  readonly layer: number;
  readonly sampleRate: number;
  readonly channels: number;
  readonly samples: number;
  /** Header and data in bytes; 0 = free format, the next header tells. */
  readonly size: number;
  readonly bitrateKbps: number;
}

const MPEG1_LAYER1: readonly number[] = [
  0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448,
];
const MPEG1_LAYER2: readonly number[] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const MPEG1_LAYER3: readonly number[] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const MPEG2_LAYER1: readonly number[] = [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
const MPEG2_LAYER23: readonly number[] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const MPEG1_RATES: readonly number[] = [44_100, 48_000, 32_000];

/** Parses the frame header at `at`; null when there is none. */
export function parseMp3Frame(bytes: Uint8Array, at = 0): Mp3Frame | null {
  if (at + 4 > bytes.length || bytes[at] !== 0xff || (bytes[at + 1]! & 0xe0) !== 0xe0) return null;
  const version = (bytes[at + 1]! >> 3) & 3; // 0: 2.5, 2: 2, 3: 1
  const layer = 4 - ((bytes[at + 1]! >> 1) & 3);
  const bitrateIndex = bytes[at + 2]! >> 4;
  const rateIndex = (bytes[at + 2]! >> 2) & 3;
  if (version === 1 || layer === 4 || bitrateIndex === 15 || rateIndex === 3) return null;
  const isMpeg1 = version === 3;
  const sampleRate = MPEG1_RATES[rateIndex]! >> (isMpeg1 ? 0 : version === 2 ? 1 : 2);
  const bitrateKbps = bitrates(isMpeg1, layer)[bitrateIndex]!;
  const padding = (bytes[at + 2]! >> 1) & 1;
  const samples = layer === 1 ? 384 : layer === 3 && !isMpeg1 ? 576 : 1152;
  // Layer I counts in slots of four bytes.
  const slot = layer === 1 ? 4 : 1;
  const slots = Math.floor((samples * bitrateKbps * 125) / (sampleRate * slot)) + padding;
  return {
    layer,
    sampleRate,
    channels: bytes[at + 3]! >> 6 === 3 ? 1 : 2,
    samples,
    size: bitrateIndex === 0 ? 0 : slots * slot,
    bitrateKbps,
  };
}

function bitrates(isMpeg1: boolean, layer: number): readonly number[] {
  if (!isMpeg1) return layer === 1 ? MPEG2_LAYER1 : MPEG2_LAYER23;
  return layer === 1 ? MPEG1_LAYER1 : layer === 2 ? MPEG1_LAYER2 : MPEG1_LAYER3;
}
