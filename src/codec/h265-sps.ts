/**
 * H.265 sequence parameter set and profile_tier_level: ITU-T H.265 7.3.2.2, 7.3.3, 7.3.4 (scaling lists), 7.3.7
 * (reference picture sets), E.2.1 (VUI up to its timing). Leaves out the multilayer extensions.
 */
import { BitReader, removeEmulationPrevention } from '../util/bit-reader.ts';
import { ProtocolError } from '../util/errors.ts';
import { frameRateOf } from './frame-rate.ts';
import { skipVuiPicture } from './h264-sps.ts';

const BAD_SPS = 'codec.bad-h265-sps';
const MAX_SPS_BYTES = 65_535;
const MAX_SIZE_PIXELS = 65_535;
const MAX_REFERENCE_PICTURE_SETS = 64;
const MAX_PICTURES_IN_SET = 16;
const MAX_LONG_TERM_PICTURES = 32;

/** The general part of profile_tier_level: 12 bytes that hvcC repeats. */
export interface H265Profile {
  /** 0, or 1 to 3 for A to C. */
  readonly space: number;
  readonly highTier: boolean;
  readonly profileIdc: number;
  /** general_profile_compatibility_flag[0] is the top bit. */
  readonly compatibility: number;
  /** The six bytes of constraint flags. */
  readonly constraints: Uint8Array;
  /** Thirty times the level. */
  readonly levelIdc: number;
}

export interface H265Sps {
  readonly profile: H265Profile;
  /** Temporal sub-layers, 1 to 7. */
  readonly subLayers: number;
  readonly temporalIdNested: boolean;
  /** Pixels inside the conformance window. */
  readonly width: number;
  readonly height: number;
  /** Pictures per second, 0 when not declared. Of an interlaced stream each field is a picture. */
  readonly frameRate: number;
  readonly chromaFormat: number;
  readonly bitDepthLuma: number;
  readonly bitDepthChroma: number;
  /** Of the highest sub-layer. */
  readonly maxReorderFrames: number;
}

/** Parses an SPS NAL unit with its two header bytes. Throws ProtocolError; a VUI that ends early is forgiven. */
export function parseH265Sps(nal: Uint8Array): H265Sps {
  if (nal.length < 16 || nal.length > MAX_SPS_BYTES) throw new ProtocolError(BAD_SPS, `${nal.length} bytes`);
  if (((nal[0]! >> 1) & 0x3f) !== 33)
    throw new ProtocolError(BAD_SPS, `NAL unit type ${(nal[0]! >> 1) & 0x3f}`);
  const raw = removeEmulationPrevention(nal, 2);
  const bits = new BitReader(raw, BAD_SPS);
  bits.skip(4); // sps_video_parameter_set_id
  const subLayers = bits.bits(3) + 1;
  const temporalIdNested = bits.flag();
  const profile = readProfileTierLevel(bits, subLayers);
  bits.ueMax(15, 'sps_seq_parameter_set_id');
  const chromaFormat = bits.ueMax(3, 'chroma_format_idc');
  const separatePlanes = chromaFormat === 3 && bits.flag();
  let width = bits.ueMax(MAX_SIZE_PIXELS, 'pic_width_in_luma_samples');
  let height = bits.ueMax(MAX_SIZE_PIXELS, 'pic_height_in_luma_samples');
  if (bits.flag()) {
    const subsampled = !separatePlanes && chromaFormat !== 0;
    width -= (bits.ue() + bits.ue()) * (subsampled && chromaFormat !== 3 ? 2 : 1);
    height -= (bits.ue() + bits.ue()) * (subsampled && chromaFormat === 1 ? 2 : 1);
  }
  if (width <= 0 || height <= 0) throw new ProtocolError(BAD_SPS, `size ${width}x${height}`);
  const bitDepthLuma = 8 + bits.ueMax(8, 'bit_depth_luma');
  const bitDepthChroma = 8 + bits.ueMax(8, 'bit_depth_chroma');
  const pictureOrderBits = 4 + bits.ueMax(12, 'log2_max_pic_order_cnt_lsb');
  let maxReorderFrames = 0;
  for (let i = bits.flag() ? 0 : subLayers - 1; i < subLayers; i++) {
    bits.ue(); // sps_max_dec_pic_buffering
    maxReorderFrames = bits.ueMax(MAX_PICTURES_IN_SET, 'sps_max_num_reorder_pics');
    bits.ue(); // sps_max_latency_increase
  }
  skipCodingTools(bits);
  skipReferencePictureSets(bits);
  if (bits.flag()) {
    const count = bits.ueMax(MAX_LONG_TERM_PICTURES, 'num_long_term_ref_pics_sps');
    bits.skip(count * (pictureOrderBits + 1));
  }
  bits.skip(2); // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
  const frameRate = bits.flag() ? readVuiFrameRate(bits) : 0;
  return {
    profile,
    subLayers,
    temporalIdNested,
    width,
    height,
    frameRate,
    chromaFormat,
    bitDepthLuma,
    bitDepthChroma,
    maxReorderFrames,
  };
}

function readProfileTierLevel(bits: BitReader, subLayers: number): H265Profile {
  const space = bits.bits(2);
  const highTier = bits.flag();
  const profileIdc = bits.bits(5);
  const compatibility = bits.bits(32);
  const constraints = new Uint8Array(6);
  for (let i = 0; i < 6; i++) constraints[i] = bits.bits(8);
  const levelIdc = bits.bits(8);
  const lower = subLayers - 1;
  if (lower > 0) {
    // Two flags for each of eight entries; those beyond the sub-layers are reserved zero bits.
    const present = bits.bits(16);
    for (let i = 0; i < lower; i++) {
      if ((present & (0x8000 >> (2 * i))) !== 0) bits.skip(88);
      if ((present & (0x4000 >> (2 * i))) !== 0) bits.skip(8);
    }
  }
  return { space, highTier, profileIdc, compatibility, constraints, levelIdc };
}

/** From log2_min_luma_coding_block_size to the PCM fields. */
function skipCodingTools(bits: BitReader): void {
  for (let i = 0; i < 6; i++) bits.ue();
  if (bits.flag() && bits.flag()) skipScalingLists(bits);
  bits.skip(2); // amp_enabled_flag, sample_adaptive_offset_enabled_flag
  if (bits.flag()) {
    bits.skip(8); // PCM bit depths
    bits.ue();
    bits.ue();
    bits.skip(1); // pcm_loop_filter_disabled_flag
  }
}

function skipScalingLists(bits: BitReader): void {
  for (let size = 0; size < 4; size++) {
    for (let matrix = 0; matrix < 6; matrix += size === 3 ? 3 : 1) {
      if (!bits.flag()) {
        bits.ue(); // scaling_list_pred_matrix_id_delta
        continue;
      }
      if (size > 1) bits.se(); // scaling_list_dc_coef
      const coefficients = Math.min(64, 1 << (4 + 2 * size));
      for (let i = 0; i < coefficients; i++) bits.se();
    }
  }
}

function skipReferencePictureSets(bits: BitReader): void {
  const sets = bits.ueMax(MAX_REFERENCE_PICTURE_SETS, 'num_short_term_ref_pic_sets');
  let pictures = 0;
  for (let set = 0; set < sets; set++) {
    if (set > 0 && bits.flag()) {
      // Predicted from the set before: of its pictures and itself, those used or kept are in this set.
      bits.skip(1); // delta_rps_sign
      bits.ue(); // abs_delta_rps
      let kept = 0;
      for (let i = 0; i <= pictures; i++) {
        const isUsed = bits.flag();
        if (isUsed || bits.flag()) kept++;
      }
      pictures = kept;
    } else {
      const negative = bits.ueMax(MAX_PICTURES_IN_SET, 'num_negative_pics');
      const positive = bits.ueMax(MAX_PICTURES_IN_SET, 'num_positive_pics');
      pictures = negative + positive;
      for (let i = 0; i < pictures; i++) {
        bits.ue();
        bits.skip(1);
      }
    }
    if (pictures > 2 * MAX_PICTURES_IN_SET)
      throw new ProtocolError(BAD_SPS, 'reference picture set too large');
  }
}

function readVuiFrameRate(bits: BitReader): number {
  try {
    skipVuiPicture(bits);
    bits.skip(3); // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    if (bits.flag()) for (let i = 0; i < 4; i++) bits.ue(); // default display window
    if (!bits.flag()) return 0;
    const unitsInTick = bits.bits(32);
    return frameRateOf(bits.bits(32), unitsInTick);
  } catch (error) {
    if (error instanceof ProtocolError) return 0;
    throw error;
  }
}

/** Name of a profile as people know it, or '' when it has none. */
export function h265ProfileName(profileIdc: number): string {
  switch (profileIdc) {
    case 1:
      return 'Main';
    case 2:
      return 'Main 10';
    case 3:
      return 'Main Still Picture';
    case 4:
      return 'Range Extensions';
    case 5:
      return 'High Throughput';
    case 9:
      return 'Screen Content Coding';
    default:
      return '';
  }
}

/** Level such as `4.1`; '' when not set. */
export function h265LevelName(levelIdc: number): string {
  return levelIdc === 0 ? '' : (levelIdc / 30).toFixed(1);
}
