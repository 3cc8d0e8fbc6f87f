/**
 * HEVCDecoderConfigurationRecord, `hvcC`: ISO/IEC 14496-15 8.3.3.1. Also its name by ISO/IEC 14496-15 E.3.
 */
import { ByteReader } from '../util/byte-reader.ts';
import { ByteWriter } from '../util/byte-writer.ts';
import { ProtocolError } from '../util/errors.ts';
import { H265_PPS, H265_SPS, H265_VPS } from './h265.ts';
import { type H265Profile, parseH265Sps } from './h265-sps.ts';
import { NalCursor } from './nal-unit.ts';

const BAD_HVCC = 'codec.bad-hvcc';
const MAX_ARRAYS = 32;
/** Over all arrays: 16 VPS, 16 SPS, 64 PPS and a few SEI. */
const MAX_NAL_UNITS = 128;

export interface HevcConfig {
  readonly profile: H265Profile;
  readonly minSpatialSegmentation: number;
  readonly parallelism: number;
  readonly chromaFormat: number;
  readonly bitDepthLuma: number;
  readonly bitDepthChroma: number;
  /** Frames per 256 seconds, 0 = not told. */
  readonly averageFrameRate: number;
  readonly constantFrameRate: number;
  /** Temporal sub-layers, 0 = not told. */
  readonly subLayers: number;
  readonly temporalIdNested: boolean;
  /** 1, 2 or 4. */
  readonly lengthSize: number;
  readonly arrays: readonly HevcNalArray[];
}

interface HevcNalArray {
  /** All NAL units of this type are here and none is in the samples. */
  readonly isComplete: boolean;
  readonly type: number;
  /** NAL units with their two header bytes. */
  readonly nals: readonly Uint8Array[];
}

/** Parses an hvcC record; the NAL units are views. Bytes behind it are ignored. Throws ProtocolError. */
export function parseHevcConfig(record: Uint8Array): HevcConfig {
  const reader = new ByteReader(record, BAD_HVCC);
  const version = reader.u8();
  // Version 0 is in drafts of the standard, and in records of the encoders that followed them.
  if (version > 1) throw new ProtocolError(BAD_HVCC, `version ${version}`);
  const first = reader.u8();
  const profile: H265Profile = {
    space: first >> 6,
    highTier: (first & 0x20) !== 0,
    profileIdc: first & 0x1f,
    compatibility: reader.u32(),
    constraints: reader.view(6),
    levelIdc: reader.u8(),
  };
  const minSpatialSegmentation = reader.u16() & 0x0fff;
  const parallelism = reader.u8() & 3;
  const chromaFormat = reader.u8() & 3;
  const bitDepthLuma = (reader.u8() & 7) + 8;
  const bitDepthChroma = (reader.u8() & 7) + 8;
  const averageFrameRate = reader.u16();
  const last = reader.u8();
  const lengthSize = (last & 3) + 1;
  if (lengthSize === 3) throw new ProtocolError(BAD_HVCC, 'NAL unit lengths of 3 bytes');
  return {
    profile,
    minSpatialSegmentation,
    parallelism,
    chromaFormat,
    bitDepthLuma,
    bitDepthChroma,
    averageFrameRate,
    constantFrameRate: last >> 6,
    subLayers: (last >> 3) & 7,
    temporalIdNested: (last & 4) !== 0,
    lengthSize,
    arrays: readArrays(reader),
  };
}

function readArrays(reader: ByteReader): HevcNalArray[] {
  const count = reader.u8();
  if (count > MAX_ARRAYS) throw new ProtocolError(BAD_HVCC, `${count} arrays`);
  const arrays: HevcNalArray[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const head = reader.u8();
    const inArray = reader.u16();
    total += inArray;
    if (total > MAX_NAL_UNITS) throw new ProtocolError(BAD_HVCC, `${total} NAL units`);
    const nals: Uint8Array[] = [];
    for (let j = 0; j < inArray; j++) nals.push(reader.view(reader.u16()));
    arrays.push({ isComplete: (head & 0x80) !== 0, type: head & 0x3f, nals });
  }
  return arrays;
}

/** Serializes an hvcC record. Throws ProtocolError when a NAL unit is too long for one. */
export function serializeHevcConfig(config: HevcConfig): Uint8Array {
  const { profile, arrays } = config;
  const writer = new ByteWriter(512);
  writer.u8(1);
  writer.u8((profile.space << 6) | (profile.highTier ? 0x20 : 0) | profile.profileIdc);
  writer.u32(profile.compatibility).bytes(profile.constraints).u8(profile.levelIdc);
  writer.u16(0xf000 | config.minSpatialSegmentation).u8(0xfc | config.parallelism);
  writer.u8(0xfc | config.chromaFormat);
  writer.u8(0xf8 | (config.bitDepthLuma - 8)).u8(0xf8 | (config.bitDepthChroma - 8));
  writer.u16(config.averageFrameRate);
  const nested = config.temporalIdNested ? 4 : 0;
  writer.u8((config.constantFrameRate << 6) | (config.subLayers << 3) | nested | (config.lengthSize - 1));
  writer.u8(arrays.length);
  for (const array of arrays) {
    writer.u8((array.isComplete ? 0x80 : 0) | array.type).u16(array.nals.length);
    for (const nal of array.nals) {
      if (nal.length > 0xffff) throw new ProtocolError(BAD_HVCC, `parameter set of ${nal.length} bytes`);
      writer.u16(nal.length).bytes(nal);
    }
  }
  return writer.finish();
}

/** The NAL units of one type in a record's arrays. */
export function hevcNalsOf(config: HevcConfig, type: number): readonly Uint8Array[] {
  for (const array of config.arrays) if (array.type === type) return array.nals;
  return [];
}

/** The hvcC record (4-byte lengths) of parameter sets. At least one SPS is needed. Throws ProtocolError. */
export function buildHevcConfig(
  vps: readonly Uint8Array[],
  sps: readonly Uint8Array[],
  pps: readonly Uint8Array[],
): Uint8Array {
  const first = sps[0];
  if (first === undefined) throw new ProtocolError(BAD_HVCC, 'no SPS');
  const { profile, chromaFormat, bitDepthLuma, bitDepthChroma, subLayers, temporalIdNested } =
    parseH265Sps(first);
  return serializeHevcConfig({
    profile,
    minSpatialSegmentation: 0,
    parallelism: 0,
    chromaFormat,
    bitDepthLuma,
    bitDepthChroma,
    averageFrameRate: 0,
    constantFrameRate: 0,
    subLayers,
    temporalIdNested,
    lengthSize: 4,
    arrays: [
      { isComplete: true, type: H265_VPS, nals: vps },
      { isComplete: true, type: H265_SPS, nals: sps },
      { isComplete: true, type: H265_PPS, nals: pps },
    ],
  });
}

/**
 * The hvcC record of the parameter sets inside an access unit, or null when one of VPS, SPS and PPS is missing.
 * `lengthSize` is 1, 2, 4 or ANNEX_B. Throws ProtocolError on a broken SPS.
 */
export function hevcConfigOfAccessUnit(bytes: Uint8Array, lengthSize: number): Uint8Array | null {
  const found: [vps: Uint8Array[], sps: Uint8Array[], pps: Uint8Array[]] = [[], [], []];
  let total = 0;
  const cursor = new NalCursor().reset(bytes, lengthSize);
  while (cursor.advance()) {
    const type = (bytes[cursor.start]! >> 1) & 0x3f;
    if (type < H265_VPS || type > H265_PPS || ++total > MAX_NAL_UNITS) continue;
    found[type - H265_VPS]!.push(bytes.subarray(cursor.start, cursor.end));
  }
  const [vps, sps, pps] = found;
  return vps.length === 0 || sps.length === 0 || pps.length === 0 ? null : buildHevcConfig(vps, sps, pps);
}

/** For example `hvc1.1.6.L93.B0` (ISO/IEC 14496-15 E.3). */
export function hevcMime(profile: H265Profile): string {
  const space = ['', 'A', 'B', 'C'][profile.space]!;
  const tier = profile.highTier ? 'H' : 'L';
  const head = `hvc1.${space}${profile.profileIdc}.${reverseBits(profile.compatibility).toString(16).toUpperCase()}`;
  let last = profile.constraints.length;
  while (last > 0 && profile.constraints[last - 1] === 0) last--;
  let tail = '';
  for (let i = 0; i < last; i++) tail += `.${profile.constraints[i]!.toString(16).toUpperCase()}`;
  return `${head}.${tier}${profile.levelIdc}${tail}`;
}

function reverseBits(value: number): number {
  let reversed = 0;
  for (let i = 0; i < 32; i++) reversed = reversed * 2 + ((value >>> i) & 1);
  return reversed;
}
