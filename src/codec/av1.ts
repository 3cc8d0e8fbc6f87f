/**
 * AV1 bitstream: AV1 specification 5.3 (OBU header), 5.5 (sequence header), 5.9.2 (first bits of a frame header).
 * Reads the low-overhead form of section 5; Annex B of AV1 is left out.
 */
import { BitReader } from '../util/bit-reader.ts';
import { frameRateOf } from './frame-rate.ts';
import { leb128Bytes, writeLeb128 } from './leb128.ts';
import { VIDEO_IN_BAND_CONFIG, VIDEO_KEY } from './video-flags.ts';

const BAD_SEQUENCE = 'codec.bad-av1-sequence';
const OBU_SEQUENCE_HEADER = 1;
const OBU_TEMPORAL_DELIMITER = 2;
const OBU_FRAME_HEADER = 3;
const OBU_FRAME = 6;
/** leb128 values have at most 8 bytes, but none of ours may exceed 32 bits. */
const MAX_LEB128_BYTES = 8;

const EMPTY = new Uint8Array(0);

/** Cursor over the OBUs of a temporal unit; an OBU without size field reaches to the end. */
class ObuCursor {
  bytes: Uint8Array;
  type: number;
  /** First header byte. */
  start: number;
  /** 1, or 2 with an extension byte. */
  headerSize: number;
  hasSize: boolean;
  payloadStart: number;
  end: number;
  /** True after the walk when an OBU ran over the end. */
  damaged: boolean;

  constructor() {
    this.bytes = EMPTY;
    this.type = 0;
    this.start = 0;
    this.headerSize = 1;
    this.hasSize = false;
    this.payloadStart = 0;
    this.end = 0;
    this.damaged = false;
  }

  reset(bytes: Uint8Array): this {
    this.bytes = bytes;
    this.type = 0;
    this.start = 0;
    this.headerSize = 1;
    this.hasSize = false;
    this.payloadStart = 0;
    this.end = 0;
    this.damaged = false;
    return this;
  }

  advance(): boolean {
    const bytes = this.bytes;
    const start = this.end;
    if (this.damaged || start >= bytes.length) return false;
    const header = bytes[start]!;
    this.start = start;
    this.type = (header >> 3) & 15;
    this.headerSize = (header & 4) !== 0 ? 2 : 1;
    this.hasSize = (header & 2) !== 0;
    this.payloadStart = start + this.headerSize;
    this.end = bytes.length;
    if ((header & 0x80) !== 0 || this.payloadStart > bytes.length) return this.stopDamaged();
    if (!this.hasSize) return true;
    let size = 0;
    let at = this.payloadStart;
    for (let i = 0; ; i++) {
      if (i === MAX_LEB128_BYTES || at >= bytes.length) return this.stopDamaged();
      const byte = bytes[at++]!;
      size += (byte & 0x7f) * 2 ** (7 * i);
      if ((byte & 0x80) === 0) break;
    }
    if (size > bytes.length - at) return this.stopDamaged();
    this.payloadStart = at;
    this.end = at + size;
    return true;
  }

  private stopDamaged(): boolean {
    this.damaged = true;
    return false;
  }
}

const cursor = new ObuCursor();

/** Bytes that `writeAv1TemporalUnit` will write, or -1 when `bytes` are no OBUs. */
export function av1TemporalUnitSize(bytes: Uint8Array): number {
  cursor.reset(bytes);
  let size = 0;
  while (cursor.advance()) {
    if (cursor.type === OBU_TEMPORAL_DELIMITER) continue;
    size += cursor.end - cursor.start;
    if (!cursor.hasSize) size += leb128Bytes(cursor.end - cursor.payloadStart);
  }
  return cursor.damaged ? -1 : size;
}

/**
 * Writes the OBUs of `bytes` to `target` from `at`, each with a size field and without temporal delimiters.
 * `target` must have room for `av1TemporalUnitSize`. Returns the offset behind the last byte.
 */
export function writeAv1TemporalUnit(bytes: Uint8Array, target: Uint8Array, at: number): number {
  cursor.reset(bytes);
  let to = at;
  while (cursor.advance()) {
    if (cursor.type === OBU_TEMPORAL_DELIMITER) continue;
    if (!cursor.hasSize) {
      target[to++] = bytes[cursor.start]! | 2;
      if (cursor.headerSize === 2) target[to++] = bytes[cursor.start + 1]!;
      to = writeLeb128(target, to, cursor.end - cursor.payloadStart);
    }
    const from = cursor.hasSize ? cursor.start : cursor.payloadStart;
    target.set(bytes.subarray(from, cursor.end), to);
    to += cursor.end - from;
  }
  return to;
}

/**
 * Flags (video-flags.ts) of a temporal unit: a key frame is one whose first frame is shown and of type KEY_FRAME.
 * Whether a frame is disposable is not looked for. Bytes that are no OBUs give no flags.
 */
export function av1Flags(bytes: Uint8Array): number {
  let flags = 0;
  cursor.reset(bytes);
  while (cursor.advance()) {
    if (cursor.type === OBU_SEQUENCE_HEADER) flags |= VIDEO_IN_BAND_CONFIG;
    else if (cursor.type === OBU_FRAME || cursor.type === OBU_FRAME_HEADER) {
      // show_existing_frame (1), frame_type (2), show_frame (1): a shown key frame has 0, 00, 1.
      if (cursor.payloadStart < cursor.end && bytes[cursor.payloadStart]! >> 4 === 1) flags |= VIDEO_KEY;
      return flags;
    }
  }
  return flags;
}

export interface Av1Sequence {
  /** 0 Main, 1 High, 2 Professional. */
  readonly profile: number;
  /** seq_level_idx of the first operating point; 31 = no limit. */
  readonly levelIndex: number;
  readonly highTier: boolean;
  /** Largest size in pixels. */
  readonly width: number;
  readonly height: number;
  /** Frames per second, 0 when not declared. */
  readonly frameRate: number;
  readonly bitDepth: number;
  readonly monochrome: boolean;
  readonly subsamplingX: boolean;
  readonly subsamplingY: boolean;
  readonly chromaSamplePosition: number;
  /** Colour codes of ITU-T H.273; 2 = unspecified. */
  readonly colourPrimaries: number;
  readonly transfer: number;
  readonly matrix: number;
  readonly fullRange: boolean;
}

/** The payload of the first sequence header OBU, as a view, or null. */
export function findAv1SequenceHeader(bytes: Uint8Array): Uint8Array | null {
  cursor.reset(bytes);
  while (cursor.advance()) {
    if (cursor.type === OBU_SEQUENCE_HEADER) return bytes.subarray(cursor.payloadStart, cursor.end);
  }
  return null;
}

/** Parses the payload of a sequence header OBU. Throws ProtocolError. */
export function parseAv1Sequence(payload: Uint8Array): Av1Sequence {
  const bits = new BitReader(payload, BAD_SEQUENCE);
  const profile = bits.bits(3);
  bits.skip(1); // still_picture
  const isReduced = bits.flag();
  const point = { levelIndex: 0, highTier: false, frameRate: 0 };
  if (isReduced) point.levelIndex = bits.bits(5);
  else readOperatingPoints(bits, point);
  const widthBits = bits.bits(4) + 1;
  const heightBits = bits.bits(4) + 1;
  const width = bits.bits(widthBits) + 1;
  const height = bits.bits(heightBits) + 1;
  if (!isReduced && bits.flag()) bits.skip(7); // lengths of frame ids
  bits.skip(3); // use_128x128_superblock, enable_filter_intra, enable_intra_edge_filter
  if (!isReduced) skipInterTools(bits);
  bits.skip(3); // enable_superres, enable_cdef, enable_restoration
  const { levelIndex, highTier, frameRate } = point;
  return { profile, levelIndex, highTier, width, height, frameRate, ...readColour(bits, profile) };
}

function readOperatingPoints(
  bits: BitReader,
  point: { levelIndex: number; highTier: boolean; frameRate: number },
): void {
  let hasDecoderModel = false;
  let delayBits = 0;
  if (bits.flag()) {
    const unitsInTick = bits.bits(32);
    const timeScale = bits.bits(32);
    const isConstant = bits.flag();
    if (isConstant) point.frameRate = frameRateOf(timeScale, unitsInTick * (bits.ue() + 1));
    hasDecoderModel = bits.flag();
    if (hasDecoderModel) {
      delayBits = bits.bits(5) + 1;
      bits.skip(32 + 5 + 5);
    }
  }
  const hasDisplayDelay = bits.flag();
  const points = bits.bits(5) + 1;
  for (let i = 0; i < points; i++) {
    bits.skip(12); // operating_point_idc
    const levelIndex = bits.bits(5);
    const highTier = levelIndex > 7 && bits.flag();
    if (i === 0) {
      point.levelIndex = levelIndex;
      point.highTier = highTier;
    }
    if (hasDecoderModel && bits.flag()) bits.skip(2 * delayBits + 1);
    if (hasDisplayDelay && bits.flag()) bits.skip(4);
  }
}

function skipInterTools(bits: BitReader): void {
  bits.skip(4); // interintra_compound, masked_compound, warped_motion, dual_filter
  const hasOrderHint = bits.flag();
  if (hasOrderHint) bits.skip(2); // jnt_comp, ref_frame_mvs
  const choosesScreenContent = bits.flag();
  const screenContent = choosesScreenContent || bits.flag();
  if (screenContent && !bits.flag()) bits.skip(1); // seq_force_integer_mv
  if (hasOrderHint) bits.skip(3);
}

type Av1Colour = Omit<Av1Sequence, 'profile' | 'levelIndex' | 'highTier' | 'width' | 'height' | 'frameRate'>;

function readColour(bits: BitReader, profile: number): Av1Colour {
  const isHigh = bits.flag();
  const isTwelve = profile === 2 && isHigh && bits.flag();
  const bitDepth = isTwelve ? 12 : isHigh ? 10 : 8;
  const monochrome = profile !== 1 && bits.flag();
  const described = bits.flag();
  const colourPrimaries = described ? bits.bits(8) : 2;
  const transfer = described ? bits.bits(8) : 2;
  const matrix = described ? bits.bits(8) : 2;
  let fullRange = true;
  let subsamplingX = false;
  let subsamplingY = false;
  let chromaSamplePosition = 0;
  const isSrgb = colourPrimaries === 1 && transfer === 13 && matrix === 0;
  if (monochrome || !isSrgb) fullRange = bits.flag();
  if (monochrome) {
    subsamplingX = true;
    subsamplingY = true;
  } else if (!isSrgb) {
    if (profile === 0) {
      subsamplingX = true;
      subsamplingY = true;
    } else if (profile === 2) {
      subsamplingX = bitDepth !== 12 || bits.flag();
      subsamplingY = bitDepth === 12 && subsamplingX && bits.flag();
    }
    if (subsamplingX && subsamplingY) chromaSamplePosition = bits.bits(2);
  }
  return {
    bitDepth,
    monochrome,
    subsamplingX,
    subsamplingY,
    chromaSamplePosition,
    colourPrimaries,
    transfer,
    matrix,
    fullRange,
  };
}

export function av1ProfileName(profile: number): string {
  return profile === 0 ? 'Main' : profile === 1 ? 'High' : profile === 2 ? 'Professional' : '';
}

/** Level such as `3.1` (Annex A.3); '' for the index that means no limit. */
export function av1LevelName(levelIndex: number): string {
  return levelIndex >= 31 ? '' : `${2 + (levelIndex >> 2)}.${levelIndex & 3}`;
}
