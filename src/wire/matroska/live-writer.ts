/**
 * One track of pictures as a Matroska stream without end (RFC 9559; EBML: RFC 8794): times in whole microseconds, a
 * Cluster per picture, so that a reader has each picture when its last byte is there. Payloads are those of
 * src/codec/README.md. Leaves out sound, Cues and decode times.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import type { CodecId } from '../../codec/codec-id.ts';

const EBML = 0x1a45dfa3;
const DOC_TYPE = 0x4282;
const DOC_TYPE_VERSION = 0x4287;
const DOC_TYPE_READ_VERSION = 0x4285;
const SEGMENT = 0x18538067;
const INFO = 0x1549a966;
const TIMESTAMP_SCALE = 0x2ad7b1;
const MUXING_APP = 0x4d80;
const WRITING_APP = 0x5741;
const TRACKS = 0x1654ae6b;
const TRACK_ENTRY = 0xae;
const TRACK_NUMBER = 0xd7;
const TRACK_UID = 0x73c5;
const TRACK_TYPE = 0x83;
const FLAG_LACING = 0x9c;
const DEFAULT_DURATION = 0x23e383;
const CODEC_ID = 0x86;
const CODEC_PRIVATE = 0x63a2;
const VIDEO = 0xe0;
const PIXEL_WIDTH = 0xb0;
const PIXEL_HEIGHT = 0xba;
const CLUSTER = 0x1f43b675;
const TIMESTAMP = 0xe7;
const SIMPLE_BLOCK = 0xa3;

const UNKNOWN_SIZE = Buffer.from([0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
const TRACK = 1;
const TYPE_VIDEO = 1;
const KEY_FRAME = 0x80;
const NS_PER_SECOND = 1_000_000_000;
const US_IN_NS = 1000;
const APP = 'Sluice';
/** Of a picture: before its payload. */
const PICTURE_HEADER_BYTES = 4 + 8 + 1 + 1 + 8 + 1 + 8 + 4;

/** RFC 9559 section 5.1.4.1.21 and the codec mappings; what is not here cannot be written. */
const CODEC_IDS: Partial<Readonly<Record<CodecId, string>>> = {
  h264: 'V_MPEG4/ISO/AVC',
  h265: 'V_MPEGH/ISO/HEVC',
  av1: 'V_AV1',
  vp8: 'V_VP8',
  vp9: 'V_VP9',
  mjpeg: 'V_MJPEG',
};
/** Codecs whose record is their CodecPrivate. */
const WITH_RECORD: ReadonlySet<CodecId> = new Set(['h264', 'h265', 'av1'] as const);

export function isInMatroska(codec: CodecId): boolean {
  return CODEC_IDS[codec] !== undefined;
}

/** What stands before the first picture. Only for codecs of `isInMatroska`. */
export function matroskaHeader(config: CodecConfig): Buffer {
  const { codec, record, width, height, frameRate } = config;
  const entry = [
    number(TRACK_NUMBER, TRACK),
    number(TRACK_UID, TRACK),
    number(TRACK_TYPE, TYPE_VIDEO),
    number(FLAG_LACING, 0),
    string(CODEC_ID, CODEC_IDS[codec] ?? ''),
    element(VIDEO, number(PIXEL_WIDTH, width), number(PIXEL_HEIGHT, height)),
  ];
  if (frameRate > 0) entry.push(number(DEFAULT_DURATION, Math.round(NS_PER_SECOND / frameRate)));
  if (WITH_RECORD.has(codec) && record.length > 0) entry.push(element(CODEC_PRIVATE, record));
  return Buffer.concat([
    element(
      EBML,
      string(DOC_TYPE, 'matroska'),
      number(DOC_TYPE_VERSION, 4),
      number(DOC_TYPE_READ_VERSION, 2),
    ),
    idBytes(SEGMENT),
    UNKNOWN_SIZE,
    element(INFO, number(TIMESTAMP_SCALE, US_IN_NS), string(MUXING_APP, APP), string(WRITING_APP, APP)),
    element(TRACKS, element(TRACK_ENTRY, ...entry)),
  ]);
}

/** What stands before the payload of a picture: `ptsUs` not negative, microseconds. Its own memory. */
export function matroskaPictureHeader(ptsUs: number, isKey: boolean, payloadBytes: number): Buffer {
  const bytes = Buffer.allocUnsafe(PICTURE_HEADER_BYTES);
  const blockBytes = 4 + payloadBytes;
  const clusterBytes = 1 + 1 + 8 + 1 + 8 + blockBytes;
  let at = bytes.writeUInt32BE(CLUSTER, 0);
  at = writeSize(bytes, at, clusterBytes);
  at = bytes.writeUInt8(TIMESTAMP, at);
  at = bytes.writeUInt8(0x88, at);
  at = writeUint64(bytes, at, ptsUs);
  at = bytes.writeUInt8(SIMPLE_BLOCK, at);
  at = writeSize(bytes, at, blockBytes);
  at = bytes.writeUInt8(0x80 | TRACK, at);
  at = bytes.writeInt16BE(0, at);
  bytes.writeUInt8(isKey ? KEY_FRAME : 0, at);
  return bytes;
}

/** A size in eight bytes (RFC 8794 section 4). */
function writeSize(to: Buffer, at: number, size: number): number {
  to.writeUInt32BE(0x0100_0000 + Math.floor(size / 0x1_0000_0000), at);
  return to.writeUInt32BE(size >>> 0, at + 4);
}

function writeUint64(to: Buffer, at: number, value: number): number {
  to.writeUInt32BE(Math.floor(value / 0x1_0000_0000), at);
  return to.writeUInt32BE(value % 0x1_0000_0000, at + 4);
}

function idBytes(id: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(id);
  let from = 0;
  while (bytes[from] === 0) from++;
  return bytes.subarray(from);
}

function element(id: number, ...content: readonly Uint8Array[]): Buffer {
  const size = Buffer.alloc(8);
  writeSize(
    size,
    0,
    content.reduce((sum, part) => sum + part.length, 0),
  );
  return Buffer.concat([idBytes(id), size, ...content]);
}

function number(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  writeUint64(bytes, 0, value);
  return element(id, bytes);
}

function string(id: number, text: string): Buffer {
  return element(id, Buffer.from(text, 'latin1'));
}
