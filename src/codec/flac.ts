/** FLAC: the STREAMINFO block (RFC 9639 8.2) and the block size in a frame header (RFC 9639 9.1.1). */
import { ByteReader } from '../util/byte-reader.ts';
import { ProtocolError } from '../util/errors.ts';

const BAD_FLAC = 'codec.bad-flac-config';
const STREAMINFO_BYTES = 34;
const BLOCK_HEADER_BYTES = 4;

export interface FlacStreamInfo {
  /** Samples in a frame, per channel. */
  readonly minBlockSamples: number;
  readonly maxBlockSamples: number;
  readonly sampleRate: number;
  readonly channels: number;
  readonly bitsPerSample: number;
}

/**
 * The 34 bytes of STREAMINFO, as a view, out of any of its wrappings: alone, behind its block header (MP4 `dfLa`), or
 * behind `fLaC` and the header (enhanced RTMP). Throws ProtocolError.
 */
export function findStreamInfo(record: Uint8Array): Uint8Array {
  let at = 0;
  const hasMagic = record[0] === 0x66 && record[1] === 0x4c && record[2] === 0x61 && record[3] === 0x43;
  if (hasMagic) at = 4;
  if (hasMagic || record.length >= BLOCK_HEADER_BYTES + STREAMINFO_BYTES) {
    const isStreamInfo = (record[at]! & 0x7f) === 0 && record[at + 3] === STREAMINFO_BYTES;
    if (!isStreamInfo) throw new ProtocolError(BAD_FLAC, 'no STREAMINFO first');
    at += BLOCK_HEADER_BYTES;
  }
  if (record.length < at + STREAMINFO_BYTES) throw new ProtocolError(BAD_FLAC, `${record.length} bytes`);
  return record.subarray(at, at + STREAMINFO_BYTES);
}

/** Parses the 34 bytes of STREAMINFO. Throws ProtocolError. */
export function parseStreamInfo(bytes: Uint8Array): FlacStreamInfo {
  const reader = new ByteReader(bytes, BAD_FLAC);
  const minBlockSamples = reader.u16();
  const maxBlockSamples = reader.u16();
  reader.skip(6); // frame sizes
  const packed = reader.u32();
  reader.skip(20); // rest of the sample count, MD5
  const sampleRate = packed >>> 12;
  if (sampleRate === 0) throw new ProtocolError(BAD_FLAC, 'sample rate 0');
  return {
    minBlockSamples,
    maxBlockSamples,
    sampleRate,
    channels: ((packed >>> 9) & 7) + 1,
    bitsPerSample: ((packed >>> 4) & 31) + 1,
  };
}

/** Samples per channel in a frame; 0 when its header is not one. */
export function flacFrameSamples(frame: Uint8Array): number {
  if (frame.length < 6 || frame[0] !== 0xff || (frame[1]! & 0xfe) !== 0xf8) return 0;
  const code = frame[2]! >> 4;
  if (code === 0) return 0;
  if (code === 1) return 192;
  if (code <= 5) return 144 << code;
  if (code >= 8) return 1 << code;
  // The size is behind the frame or sample number, whose first byte tells its length as UTF-8 does.
  let at = 5;
  for (let bit = 0x40; (frame[4]! & 0x80) !== 0 && (frame[4]! & bit) !== 0; bit >>= 1) at++;
  const bytes = code - 5;
  if (at + bytes > frame.length) return 0;
  return 1 + (bytes === 1 ? frame[at]! : (frame[at]! << 8) | frame[at + 1]!);
}
