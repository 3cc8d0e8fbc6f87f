/** ADTS frame header: ISO/IEC 13818-7 6.2 and ISO/IEC 14496-3 1.A.2.2. */
import { type AudioSpecificConfig, aacRate, aacRateIndex, buildAudioSpecificConfig } from './aac.ts';

/** Header without CRC: what `writeAdtsHeader` writes. */
export const ADTS_HEADER_BYTES = 7;
/** Largest value of the 13-bit frame length, which counts the header. */
export const ADTS_MAX_FRAME_BYTES = 8191;

export interface AdtsHeader {
  /** 7, or 9 with CRC. */
  readonly headerSize: number;
  /** Header and payload in bytes. */
  readonly frameSize: number;
  /** 1 Main, 2 LC, 3 SSR, 4 LTP. */
  readonly objectType: number;
  readonly sampleRate: number;
  readonly channelConfig: number;
  /** Raw data blocks, 1 to 4: 1024 samples each. */
  readonly blocks: number;
}

/** Parses the header at `at`; null when there is none or it is cut off. */
export function parseAdtsHeader(bytes: Uint8Array, at = 0): AdtsHeader | null {
  if (at + ADTS_HEADER_BYTES > bytes.length) return null;
  // Twelve bits of sync and a layer of 0.
  if (bytes[at] !== 0xff || (bytes[at + 1]! & 0xf6) !== 0xf0) return null;
  const headerSize = (bytes[at + 1]! & 1) === 1 ? 7 : 9;
  const third = bytes[at + 2]!;
  const fourth = bytes[at + 3]!;
  const sampleRate = aacRate((third >> 2) & 15);
  const frameSize = ((fourth & 3) << 11) | (bytes[at + 4]! << 3) | (bytes[at + 5]! >> 5);
  if (sampleRate === 0 || frameSize < headerSize) return null;
  return {
    headerSize,
    frameSize,
    objectType: (third >> 6) + 1,
    sampleRate,
    channelConfig: ((third & 1) << 2) | (fourth >> 6),
    blocks: (bytes[at + 6]! & 3) + 1,
  };
}

/** The AudioSpecificConfig that says the same as the header. */
export function ascOfAdts(header: AdtsHeader): Uint8Array {
  return buildAudioSpecificConfig(header.objectType, header.sampleRate, header.channelConfig);
}

/** Whether ADTS can carry the config: its object type has two bits, its rate must be in the table. */
export function canUseAdts(config: AudioSpecificConfig): boolean {
  return (
    config.objectType >= 1 &&
    config.objectType <= 4 &&
    config.channelConfig <= 7 &&
    aacRateIndex(config.sampleRate) >= 0
  );
}

/**
 * Writes the 7-byte header of one raw AAC frame of `payloadBytes` to `target` at `at`. False, and nothing written,
 * when ADTS cannot carry it (`canUseAdts`, or a frame over ADTS_MAX_FRAME_BYTES).
 */
export function writeAdtsHeader(
  config: AudioSpecificConfig,
  payloadBytes: number,
  target: Uint8Array,
  at: number,
): boolean {
  const frameSize = payloadBytes + ADTS_HEADER_BYTES;
  if (frameSize > ADTS_MAX_FRAME_BYTES || !canUseAdts(config)) return false;
  const channels = config.channelConfig;
  target[at] = 0xff;
  target[at + 1] = 0xf1;
  target[at + 2] = ((config.objectType - 1) << 6) | (aacRateIndex(config.sampleRate) << 2) | (channels >> 2);
  target[at + 3] = ((channels & 3) << 6) | (frameSize >> 11);
  target[at + 4] = frameSize >> 3;
  // A buffer fullness of all ones means variable bit rate.
  target[at + 5] = ((frameSize & 7) << 5) | 0x1f;
  target[at + 6] = 0xfc;
  return true;
}
