/**
 * VP9 frame header (VP9 bitstream specification 6.2) and the VPCodecConfigurationRecord that describes VP8 and VP9
 * in MP4 and enhanced RTMP ("VP Codec ISO Media File Format Binding" 1.0). Only the uncompressed header is read;
 * of a superframe the first frame.
 */
import { BitReader } from '../util/bit-reader.ts';
import { ProtocolError } from '../util/errors.ts';
import { VIDEO_DISPOSABLE, VIDEO_KEY } from './video-flags.ts';

const BAD_HEADER = 'codec.bad-vp9-header';
const BAD_VPCC = 'codec.bad-vpcc';
const MAX_INIT_BYTES = 4096;
const SRGB = 7;

/** Flags (video-flags.ts) of a frame or superframe. Bytes that are no VP9 frame give no flags. */
export function vp9Flags(frame: Uint8Array): number {
  if (frame.length < 2) return 0;
  const head = (frame[0]! << 8) | frame[1]!;
  if (head >> 14 !== 2) return 0;
  // Profile 3 has a reserved bit more; behind it come show_existing_frame, frame_type, show_frame, error_resilient.
  const at = ((head >> 12) & 3) === 3 ? 10 : 11;
  if (((head >> at) & 1) === 1) return 0;
  if (((head >> (at - 1)) & 1) === 0) return VIDEO_KEY;
  const isShown = ((head >> (at - 2)) & 1) === 1;
  if (!isShown || frame.length < 3) return 0;
  // A shown inter frame goes on with reset_frame_context (2 bits, absent when error resilient) and the references.
  const isResilient = ((head >> (at - 3)) & 1) === 1;
  const refreshEnd = at - 3 - (isResilient ? 0 : 2) - 8;
  const refreshed = (((head << 8) | frame[2]!) >> (refreshEnd + 8)) & 0xff;
  return refreshed === 0 ? VIDEO_DISPOSABLE : 0;
}

export interface Vp9KeyFrame {
  readonly profile: number;
  readonly width: number;
  readonly height: number;
  readonly bitDepth: number;
  /** As VPCodecConfigurationRecord counts: 1 4:2:0 (co-sited), 2 4:2:2, 3 4:4:4. */
  readonly chroma: number;
  readonly fullRange: boolean;
}

/** Facts of a key frame, or null when it is none or is broken. */
export function parseVp9KeyFrame(frame: Uint8Array): Vp9KeyFrame | null {
  if ((vp9Flags(frame) & VIDEO_KEY) === 0) return null;
  try {
    return readVp9KeyFrame(new BitReader(frame, BAD_HEADER));
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

function readVp9KeyFrame(bits: BitReader): Vp9KeyFrame | null {
  bits.skip(2);
  const low = bits.bits(1);
  const profile = low + 2 * bits.bits(1);
  bits.skip(profile === 3 ? 5 : 4);
  if (bits.bits(24) !== 0x498342) return null;
  const bitDepth = profile < 2 ? 8 : bits.flag() ? 12 : 10;
  const isOdd = profile % 2 === 1;
  let chroma = 1;
  let fullRange = true;
  if (bits.bits(3) === SRGB) {
    chroma = 3;
    if (isOdd) bits.skip(1);
  } else {
    fullRange = bits.flag();
    if (isOdd) {
      const x = bits.flag();
      const y = bits.flag();
      bits.skip(1);
      // 4:4:0 (y without x) has no number in the record; players treat it as 4:4:4.
      chroma = x && y ? 1 : x ? 2 : 3;
    }
  }
  return { profile, width: bits.bits(16) + 1, height: bits.bits(16) + 1, bitDepth, chroma, fullRange };
}

export interface VpConfig {
  readonly profile: number;
  /** Ten times the level: 31 is level 3.1. */
  readonly level: number;
  readonly bitDepth: number;
  readonly chroma: number;
  readonly fullRange: boolean;
  readonly colourPrimaries: number;
  readonly transfer: number;
  readonly matrix: number;
  /** Empty for VP8 and VP9. */
  readonly initData: Uint8Array;
}

/**
 * Parses a vpcC record with or without the four bytes of version and flags that the MP4 box has before it (FFmpeg
 * sends them over enhanced RTMP); without them the third byte holds the bit depth and is not 0.
 * Throws ProtocolError.
 */
export function parseVpConfig(record: Uint8Array): VpConfig {
  const at = record.length >= 12 && record[2] === 0 ? 4 : 0;
  if (record.length < at + 8) throw new ProtocolError(BAD_VPCC, `${record.length} bytes`);
  if (at === 4 && record[0] !== 1) throw new ProtocolError(BAD_VPCC, `version ${record[0]}`);
  const packed = record[at + 2]!;
  const initSize = (record[at + 6]! << 8) | record[at + 7]!;
  if (initSize > MAX_INIT_BYTES || initSize > record.length - at - 8) {
    throw new ProtocolError(BAD_VPCC, `${initSize} bytes of init data`);
  }
  return {
    profile: record[at]!,
    level: record[at + 1]!,
    bitDepth: packed >> 4,
    chroma: (packed >> 1) & 7,
    fullRange: (packed & 1) === 1,
    colourPrimaries: record[at + 3]!,
    transfer: record[at + 4]!,
    matrix: record[at + 5]!,
    initData: record.subarray(at + 8, at + 8 + initSize),
  };
}

/** Serializes a vpcC record with the version and flags of the MP4 box before it. */
export function serializeVpConfig(config: VpConfig): Uint8Array {
  const record = new Uint8Array(12 + config.initData.length);
  record[0] = 1;
  record[4] = config.profile;
  record[5] = config.level;
  record[6] = (config.bitDepth << 4) | (config.chroma << 1) | (config.fullRange ? 1 : 0);
  record[7] = config.colourPrimaries;
  record[8] = config.transfer;
  record[9] = config.matrix;
  record[10] = config.initData.length >> 8;
  record[11] = config.initData.length;
  record.set(config.initData, 12);
  return record;
}

const NO_INIT_DATA = new Uint8Array(0);

/** The vpcC facts of a VP9 key frame; the level is the lowest that allows its picture size. */
export function vpConfigOfKeyFrame(frame: Vp9KeyFrame): VpConfig {
  const { profile, bitDepth, chroma, fullRange } = frame;
  const unspecified = 2;
  return {
    profile,
    level: vp9LevelOfSize(frame.width * frame.height),
    bitDepth,
    chroma,
    fullRange,
    colourPrimaries: unspecified,
    transfer: unspecified,
    matrix: unspecified,
    initData: NO_INIT_DATA,
  };
}

/** Largest luma picture in samples for each level (VP9 Annex A). */
const VP9_LEVELS: readonly (readonly [level: number, samples: number])[] = [
  [10, 36_864],
  [11, 73_728],
  [20, 122_880],
  [21, 245_760],
  [30, 552_960],
  [31, 983_040],
  [40, 2_228_224],
  [50, 8_912_896],
  [60, 35_651_584],
];

function vp9LevelOfSize(samples: number): number {
  for (const [level, limit] of VP9_LEVELS) if (samples <= limit) return level;
  return 62;
}

/** For example `vp09.00.31.08`. */
export function vp9Mime(config: VpConfig): string {
  return `vp09.${two(config.profile)}.${two(config.level)}.${two(config.bitDepth)}`;
}

/** Level such as `3.1`; '' when not set. */
export function vp9LevelName(level: number): string {
  return level === 0 ? '' : `${Math.floor(level / 10)}.${level % 10}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
