/**
 * H.264 sequence parameter set: ITU-T H.264 7.3.2.1.1, E.1.1 (VUI), 7.4.2.1.1 (cropping), A.2 (profile names).
 * Leaves out the extensions of scalable and multiview video.
 */
import { BitReader, removeEmulationPrevention } from '../util/bit-reader.ts';
import { ProtocolError } from '../util/errors.ts';
import { frameRateOf } from './frame-rate.ts';

const BAD_SPS = 'codec.bad-h264-sps';
const MAX_SPS_BYTES = 65_535;
/** What the 16-bit size fields of an MP4 sample entry can hold. */
const MAX_SIZE_PIXELS = 65_535;
const MAX_HRD_ENTRIES = 32;

export interface H264Sps {
  readonly profileIdc: number;
  /** The byte of constraint_set flags; constraint_set0 is its top bit. */
  readonly constraints: number;
  readonly levelIdc: number;
  /** Pixels after cropping. */
  readonly width: number;
  readonly height: number;
  /** Frames per second, 0 when not declared. */
  readonly frameRate: number;
  /** 0 monochrome, 1 4:2:0, 2 4:2:2, 3 4:4:4. */
  readonly chromaFormat: number;
  readonly bitDepthLuma: number;
  readonly bitDepthChroma: number;
  /** Pictures may be coded as fields. */
  readonly interlaced: boolean;
  /** Frames that may precede another in decoding order and follow it in output order; -1 when not declared. */
  readonly maxReorderFrames: number;
  readonly slices: H264SliceFacts;
}

/** What slice headers hang on (7.3.3), and where in the SPS some bits are, counted behind its header byte, unescaped. */
interface H264SliceFacts {
  readonly hasSeparatePlanes: boolean;
  readonly frameNumBits: number;
  /** pic_order_cnt_type. */
  readonly orderType: number;
  /** Bits of pic_order_cnt_lsb; 0 when there is none. */
  readonly orderLsbBits: number;
  /** delta_pic_order_always_zero_flag. */
  readonly hasNoOrderDelta: boolean;
  readonly maxRefFrames: number;
  /** Place of gaps_in_frame_num_value_allowed_flag. */
  readonly gapsBit: number;
  /** Place of max_num_reorder_frames; -1 = it is not there. */
  readonly reorderBit: number;
}

const PROFILES_WITH_CHROMA: ReadonlySet<number> = new Set([
  100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135,
]);

/** True when SPS and avcC of this profile_idc carry chroma format and bit depths. */
export function hasChromaFields(profileIdc: number): boolean {
  return PROFILES_WITH_CHROMA.has(profileIdc);
}

/**
 * Parses an SPS NAL unit, header byte included, without start code or length. Throws ProtocolError. A VUI that ends
 * early is forgiven, as decoders do: its facts are unknown then.
 */
export function parseH264Sps(nal: Uint8Array): H264Sps {
  if (nal.length < 4 || nal.length > MAX_SPS_BYTES) throw new ProtocolError(BAD_SPS, `${nal.length} bytes`);
  if ((nal[0]! & 0x1f) !== 7) throw new ProtocolError(BAD_SPS, `NAL unit type ${nal[0]! & 0x1f}`);
  const raw = removeEmulationPrevention(nal, 1);
  const bits = new BitReader(raw, BAD_SPS);
  const profileIdc = bits.bits(8);
  const constraints = bits.bits(8);
  const levelIdc = bits.bits(8);
  bits.ueMax(31, 'seq_parameter_set_id');

  let chromaFormat = 1;
  let separatePlanes = false;
  let bitDepthLuma = 8;
  let bitDepthChroma = 8;
  if (hasChromaFields(profileIdc)) {
    chromaFormat = bits.ueMax(3, 'chroma_format_idc');
    if (chromaFormat === 3) separatePlanes = bits.flag();
    bitDepthLuma = 8 + bits.ueMax(6, 'bit_depth_luma');
    bitDepthChroma = 8 + bits.ueMax(6, 'bit_depth_chroma');
    bits.skip(1); // qpprime_y_zero_transform_bypass_flag
    if (bits.flag()) skipScalingMatrix(bits, chromaFormat === 3 ? 12 : 8);
  }

  const frameNumBits = bits.ueMax(12, 'log2_max_frame_num') + 4;
  const order = readPictureOrderCount(bits);
  const maxRefFrames = bits.ueMax(16, 'max_num_ref_frames');
  const gapsBit = raw.length * 8 - bits.remaining;
  bits.skip(1); // gaps_in_frame_num_value_allowed_flag
  const widthInMacroblocks = bits.ueMax(4095, 'pic_width_in_mbs') + 1;
  const heightInMapUnits = bits.ueMax(4095, 'pic_height_in_map_units') + 1;
  const framesOnly = bits.flag();
  if (!framesOnly) bits.skip(1); // mb_adaptive_frame_field_flag
  bits.skip(1); // direct_8x8_inference_flag

  let width = widthInMacroblocks * 16;
  let height = heightInMapUnits * (framesOnly ? 16 : 32);
  if (bits.flag()) {
    const subsampled = !separatePlanes && chromaFormat !== 0;
    const unitX = subsampled && chromaFormat !== 3 ? 2 : 1;
    const unitY = (subsampled && chromaFormat === 1 ? 2 : 1) * (framesOnly ? 1 : 2);
    width -= (bits.ue() + bits.ue()) * unitX;
    height -= (bits.ue() + bits.ue()) * unitY;
  }
  if (width <= 0 || height <= 0 || width > MAX_SIZE_PIXELS || height > MAX_SIZE_PIXELS) {
    throw new ProtocolError(BAD_SPS, `size ${width}x${height}`);
  }

  const vui = bits.remaining > 0 && bits.flag() ? readVui(bits) : NO_VUI;
  return {
    profileIdc,
    constraints,
    levelIdc,
    width,
    height,
    frameRate: vui.frameRate,
    chromaFormat,
    bitDepthLuma,
    bitDepthChroma,
    interlaced: !framesOnly,
    maxReorderFrames: vui.maxReorderFrames,
    slices: {
      hasSeparatePlanes: separatePlanes,
      frameNumBits,
      ...order,
      maxRefFrames,
      gapsBit,
      reorderBit: vui.reorderLeft < 0 ? -1 : raw.length * 8 - vui.reorderLeft,
    },
  };
}

function skipScalingMatrix(bits: BitReader, lists: number): void {
  for (let list = 0; list < lists; list++) {
    if (!bits.flag()) continue;
    const size = list < 6 ? 16 : 64;
    let last = 8;
    let next = 8;
    for (let i = 0; i < size && next !== 0; i++) {
      next = (last + bits.se()) & 255;
      if (next !== 0) last = next;
    }
  }
}

function readPictureOrderCount(
  bits: BitReader,
): Pick<H264SliceFacts, 'orderType' | 'orderLsbBits' | 'hasNoOrderDelta'> {
  const orderType = bits.ueMax(2, 'pic_order_cnt_type');
  let orderLsbBits = 0;
  let hasNoOrderDelta = false;
  if (orderType === 0) orderLsbBits = bits.ueMax(12, 'log2_max_pic_order_cnt_lsb') + 4;
  else if (orderType === 1) {
    hasNoOrderDelta = bits.flag();
    bits.se();
    bits.se();
    const count = bits.ueMax(255, 'num_ref_frames_in_pic_order_cnt_cycle');
    for (let i = 0; i < count; i++) bits.se();
  }
  return { orderType, orderLsbBits, hasNoOrderDelta };
}

interface Vui {
  frameRate: number;
  maxReorderFrames: number;
  /** Bits left before max_num_reorder_frames; -1 = it is not there. */
  reorderLeft: number;
}

const NO_VUI: Readonly<Vui> = { frameRate: 0, maxReorderFrames: -1, reorderLeft: -1 };

function readVui(bits: BitReader): Vui {
  const vui: Vui = { ...NO_VUI };
  try {
    readVuiFields(bits, vui);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
  return vui;
}

function readVuiFields(bits: BitReader, vui: Vui): void {
  skipVuiPicture(bits);
  if (bits.flag()) {
    const unitsInTick = bits.bits(32);
    const timeScale = bits.bits(32);
    bits.skip(1); // fixed_frame_rate_flag
    // A tick is a field: two per frame, whether or not the video is interlaced (E.2.1).
    vui.frameRate = frameRateOf(timeScale, unitsInTick * 2);
  }
  const hasNalHrd = bits.flag();
  if (hasNalHrd) skipHrd(bits);
  const hasVclHrd = bits.flag();
  if (hasVclHrd) skipHrd(bits);
  if (hasNalHrd || hasVclHrd) bits.skip(1); // low_delay_hrd_flag
  bits.skip(1); // pic_struct_present_flag
  if (bits.flag()) {
    bits.skip(1); // motion_vectors_over_pic_boundaries_flag
    for (let i = 0; i < 4; i++) bits.ue();
    const left = bits.remaining;
    vui.maxReorderFrames = bits.ueMax(16, 'max_num_reorder_frames');
    vui.reorderLeft = left;
  }
}

/** Aspect ratio, overscan, colour and chroma location: the head that the VUI of H.264 and of H.265 share. */
export function skipVuiPicture(bits: BitReader): void {
  if (bits.flag()) {
    const extendedAspectRatio = 255;
    if (bits.bits(8) === extendedAspectRatio) bits.skip(32);
  }
  if (bits.flag()) bits.skip(1); // overscan_appropriate_flag
  if (bits.flag()) {
    bits.skip(4); // video_format, video_full_range_flag
    if (bits.flag()) bits.skip(24); // colour_primaries, transfer_characteristics, matrix_coefficients
  }
  if (bits.flag()) {
    bits.ue(); // chroma_sample_loc_type_top_field
    bits.ue(); // chroma_sample_loc_type_bottom_field
  }
}

function skipHrd(bits: BitReader): void {
  const entries = bits.ueMax(MAX_HRD_ENTRIES - 1, 'cpb_cnt') + 1;
  bits.skip(8); // bit_rate_scale, cpb_size_scale
  for (let i = 0; i < entries; i++) {
    bits.ue();
    bits.ue();
    bits.skip(1);
  }
  bits.skip(20); // lengths of delays and time offset
}

/** Name of a profile as people know it, or '' when it has none. */
export function h264ProfileName(profileIdc: number, constraints: number): string {
  const isIntra = (constraints & 0x10) !== 0;
  switch (profileIdc) {
    case 66:
      return (constraints & 0x40) !== 0 ? 'Constrained Baseline' : 'Baseline';
    case 77:
      return 'Main';
    case 88:
      return 'Extended';
    case 100:
      return 'High';
    case 110:
      return isIntra ? 'High 10 Intra' : 'High 10';
    case 122:
      return isIntra ? 'High 4:2:2 Intra' : 'High 4:2:2';
    case 244:
      return isIntra ? 'High 4:4:4 Intra' : 'High 4:4:4 Predictive';
    case 44:
      return 'CAVLC 4:4:4 Intra';
    case 118:
      return 'Multiview High';
    case 128:
      return 'Stereo High';
    default:
      return '';
  }
}

/** Level such as `3.1` or `1b` (A.3.4). */
export function h264LevelName(profileIdc: number, constraints: number, levelIdc: number): string {
  const isLow = profileIdc === 66 || profileIdc === 77 || profileIdc === 88;
  if (levelIdc === 9 || (levelIdc === 11 && isLow && (constraints & 0x10) !== 0)) return '1b';
  return `${Math.floor(levelIdc / 10)}.${levelIdc % 10}`;
}
