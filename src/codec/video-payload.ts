/**
 * Video frames of any codec at the door: into the canonical form of README.md, and what flags they carry.
 * Per frame; nothing here throws, and nothing allocates per NAL unit.
 */
import { av1Flags, av1TemporalUnitSize, writeAv1TemporalUnit } from './av1.ts';
import type { CodecConfig } from './codec-config.ts';
import type { CodecId } from './codec-id.ts';
import { h264Flags, isDroppedH264Nal } from './h264.ts';
import { h265Flags, isDroppedH265Nal } from './h265.ts';
import { detectNalFraming, lengthPrefixedSize, writeLengthPrefixed } from './nal-unit.ts';
import { vp8Flags } from './vp8.ts';
import { vp9Flags } from './vp9.ts';

/**
 * VIDEO_KEY, VIDEO_IN_BAND_CONFIG and VIDEO_DISPOSABLE (video-flags.ts; the same numbers as FRAME_*) of a canonical
 * payload. 0 for codecs that are not known; their wire must tell.
 */
export function videoFrameFlags(config: CodecConfig, payload: Uint8Array): number {
  switch (config.codec) {
    case 'h264':
      return h264Flags(payload);
    case 'h265':
      return h265Flags(payload, config.record.length > 21 ? (config.record[21]! >> 3) & 7 : 0);
    case 'av1':
      return av1Flags(payload);
    case 'vp8':
      return vp8Flags(payload);
    case 'vp9':
      return vp9Flags(payload);
    default:
      return 0;
  }
}

/**
 * How the NAL units of a received frame are framed: `lengthSize` as `nalLengthSize` told, ANNEX_B when the publisher
 * sends start codes in spite of it, -1 when the frame is damaged. Codecs without NAL units: `lengthSize`.
 */
export function videoFraming(codec: CodecId, bytes: Uint8Array, lengthSize: number): number {
  return codec === 'h264' || codec === 'h265' ? detectNalFraming(bytes, lengthSize) : lengthSize;
}

/**
 * Bytes of the canonical form of a received frame; -1 when it is damaged. For H.264 and H.265 with a framing of 4,
 * a size of `bytes.length` means that the frame is canonical already.
 */
export function canonicalVideoSize(codec: CodecId, bytes: Uint8Array, framing: number): number {
  if (framing < 0) return -1;
  switch (codec) {
    case 'h264':
      return lengthPrefixedSize(bytes, framing, isDroppedH264Nal);
    case 'h265':
      return lengthPrefixedSize(bytes, framing, isDroppedH265Nal);
    case 'av1':
      return av1TemporalUnitSize(bytes);
    default:
      return bytes.length;
  }
}

/**
 * Writes the canonical form to `target` from `at`, which must have room for `canonicalVideoSize` (not -1) bytes.
 * Returns the offset behind the last byte.
 */
export function writeCanonicalVideo(
  codec: CodecId,
  bytes: Uint8Array,
  framing: number,
  target: Uint8Array,
  at: number,
): number {
  switch (codec) {
    case 'h264':
      return writeLengthPrefixed(bytes, framing, isDroppedH264Nal, target, at);
    case 'h265':
      return writeLengthPrefixed(bytes, framing, isDroppedH265Nal, target, at);
    case 'av1':
      return writeAv1TemporalUnit(bytes, target, at);
    default:
      target.set(bytes, at);
      return at + bytes.length;
  }
}
