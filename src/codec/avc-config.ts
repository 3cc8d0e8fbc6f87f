/**
 * AVCDecoderConfigurationRecord, `avcC`: ISO/IEC 14496-15 5.3.3.1. Also its RFC 6381 name.
 */
import { ByteReader } from '../util/byte-reader.ts';
import { ByteWriter } from '../util/byte-writer.ts';
import { ProtocolError } from '../util/errors.ts';
import { H264_PPS, H264_SPS } from './h264.ts';
import { hasChromaFields, parseH264Sps } from './h264-sps.ts';
import { NalCursor } from './nal-unit.ts';

const BAD_AVCC = 'codec.bad-avcc';
/** SPS ids are 0 to 31, PPS ids 0 to 255, but the record counts PPS in one byte. */
const MAX_SPS = 31;
const MAX_PPS = 255;

export interface AvcConfig {
  readonly profileIdc: number;
  readonly constraints: number;
  readonly levelIdc: number;
  /** Bytes of a NAL unit's length in the samples: 1, 2 or 4. */
  readonly lengthSize: number;
  /** NAL units with their header byte. */
  readonly sps: readonly Uint8Array[];
  readonly pps: readonly Uint8Array[];
  /** The fields that only the high profiles have; null when the record ends before them. */
  readonly high: AvcHighFields | null;
}

interface AvcHighFields {
  readonly chromaFormat: number;
  readonly bitDepthLuma: number;
  readonly bitDepthChroma: number;
  readonly spsExtensions: readonly Uint8Array[];
}

/** Parses an avcC record; the parameter sets are views. Bytes behind it are ignored. Throws ProtocolError. */
export function parseAvcConfig(record: Uint8Array): AvcConfig {
  const reader = new ByteReader(record, BAD_AVCC);
  const version = reader.u8();
  if (version !== 1) throw new ProtocolError(BAD_AVCC, `version ${version}`);
  const profileIdc = reader.u8();
  const constraints = reader.u8();
  const levelIdc = reader.u8();
  const lengthSize = (reader.u8() & 3) + 1;
  if (lengthSize === 3) throw new ProtocolError(BAD_AVCC, 'NAL unit lengths of 3 bytes');
  const sps = readSets(reader, reader.u8() & 0x1f);
  const pps = readSets(reader, reader.u8());
  const high = hasChromaFields(profileIdc) && reader.remaining >= 4 ? readHighFields(reader) : null;
  return { profileIdc, constraints, levelIdc, lengthSize, sps, pps, high };
}

function readSets(reader: ByteReader, count: number): Uint8Array[] {
  const sets: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const set = reader.view(reader.u16());
    if (set.length > 0) sets.push(set);
  }
  return sets;
}

/** Some writers put garbage behind the PPS of a high profile; then there are no such fields. */
function readHighFields(reader: ByteReader): AvcHighFields | null {
  const chromaFormat = reader.u8() & 3;
  const bitDepthLuma = (reader.u8() & 7) + 8;
  const bitDepthChroma = (reader.u8() & 7) + 8;
  try {
    return { chromaFormat, bitDepthLuma, bitDepthChroma, spsExtensions: readSets(reader, reader.u8()) };
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}

/** Serializes an avcC record. Throws ProtocolError when the sets do not fit into one. */
export function serializeAvcConfig(config: AvcConfig): Uint8Array {
  const { sps, pps, high } = config;
  if (sps.length > MAX_SPS || pps.length > MAX_PPS)
    throw new ProtocolError(BAD_AVCC, 'too many parameter sets');
  const writer = new ByteWriter();
  writer.u8(1).u8(config.profileIdc).u8(config.constraints).u8(config.levelIdc);
  writer.u8(0xfc | (config.lengthSize - 1));
  writer.u8(0xe0 | sps.length);
  writeSets(writer, sps);
  writer.u8(pps.length);
  writeSets(writer, pps);
  if (high !== null) {
    writer.u8(0xfc | high.chromaFormat);
    writer.u8(0xf8 | (high.bitDepthLuma - 8)).u8(0xf8 | (high.bitDepthChroma - 8));
    writer.u8(high.spsExtensions.length);
    writeSets(writer, high.spsExtensions);
  }
  return writer.finish();
}

function writeSets(writer: ByteWriter, sets: readonly Uint8Array[]): void {
  for (const set of sets) {
    if (set.length > 0xffff) throw new ProtocolError(BAD_AVCC, `parameter set of ${set.length} bytes`);
    writer.u16(set.length).bytes(set);
  }
}

/** The avcC record (4-byte lengths) of parameter sets. At least one SPS is needed. Throws ProtocolError. */
export function buildAvcConfig(sps: readonly Uint8Array[], pps: readonly Uint8Array[]): Uint8Array {
  const first = sps[0];
  if (first === undefined) throw new ProtocolError(BAD_AVCC, 'no SPS');
  const { profileIdc, constraints, levelIdc, chromaFormat, bitDepthLuma, bitDepthChroma } =
    parseH264Sps(first);
  const high = hasChromaFields(profileIdc)
    ? { chromaFormat, bitDepthLuma, bitDepthChroma, spsExtensions: [] }
    : null;
  return serializeAvcConfig({ profileIdc, constraints, levelIdc, lengthSize: 4, sps, pps, high });
}

/**
 * The avcC record of the parameter sets inside an access unit, or null when it holds no SPS or no PPS.
 * `lengthSize` is 1, 2, 4 or ANNEX_B. Throws ProtocolError on a broken SPS.
 */
export function avcConfigOfAccessUnit(bytes: Uint8Array, lengthSize: number): Uint8Array | null {
  const sps: Uint8Array[] = [];
  const pps: Uint8Array[] = [];
  const cursor = new NalCursor().reset(bytes, lengthSize);
  while (cursor.advance()) {
    const type = bytes[cursor.start]! & 0x1f;
    if (type === H264_SPS && sps.length < MAX_SPS) sps.push(bytes.subarray(cursor.start, cursor.end));
    else if (type === H264_PPS && pps.length < MAX_PPS) pps.push(bytes.subarray(cursor.start, cursor.end));
  }
  return sps.length === 0 || pps.length === 0 ? null : buildAvcConfig(sps, pps);
}

/** `avc1.PPCCLL` with profile, constraints and level in lower-case hex (RFC 6381 3.3). */
export function avcMime(profileIdc: number, constraints: number, levelIdc: number): string {
  return `avc1.${((profileIdc << 16) | (constraints << 8) | levelIdc).toString(16).padStart(6, '0')}`;
}
