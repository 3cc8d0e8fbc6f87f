/** Opus: the identification header `OpusHead` (RFC 7845 5.1) and the duration of a packet (RFC 6716 3.1, 3.2). */
import { ProtocolError } from '../util/errors.ts';

const BAD_HEAD = 'codec.bad-opus-head';
const MAGIC = 'OpusHead';
const FIXED_BYTES = 19;
/** A packet holds at most 120 ms (RFC 6716 3.2.5). */
const MAX_PACKET_US = 120_000;
/** Opus always decodes to this rate, whatever the encoder was fed. */
export const OPUS_SAMPLE_RATE = 48_000;

export interface OpusHead {
  readonly version: number;
  readonly channels: number;
  /** Samples at 48 kHz to leave out at the start. */
  readonly preSkip: number;
  /** Hz of what the encoder was fed; 0 = unknown. */
  readonly inputRate: number;
  /** Q7.8 dB, signed. */
  readonly outputGain: number;
  readonly mappingFamily: number;
  /** Stream count, coupled count, then an index per channel; empty for family 0. */
  readonly mapping: Uint8Array;
}

/**
 * Mapping of family 1 (RFC 7845 5.1.1.2) by channel count, as every encoder sets it up: streams, coupled streams, and
 * the order of the channels.
 */
export const OPUS_MAPPINGS: readonly (readonly number[])[] = [
  [],
  [1, 0, 0],
  [1, 1, 0, 1],
  [2, 1, 0, 2, 1],
  [2, 2, 0, 1, 2, 3],
  [3, 2, 0, 4, 1, 2, 3],
  [4, 2, 0, 4, 1, 2, 3, 5],
  [4, 3, 0, 4, 1, 2, 3, 5, 6],
  [5, 3, 0, 6, 1, 2, 3, 4, 5, 7],
];

/** Parses OpusHead with its magic; `mapping` is a view. Throws ProtocolError. */
export function parseOpusHead(record: Uint8Array): OpusHead {
  if (record.length < FIXED_BYTES) throw new ProtocolError(BAD_HEAD, `${record.length} bytes`);
  for (let i = 0; i < 8; i++) {
    if (record[i] !== MAGIC.charCodeAt(i)) throw new ProtocolError(BAD_HEAD, 'no OpusHead');
  }
  const version = record[8]!;
  if (version > 15) throw new ProtocolError(BAD_HEAD, `version ${version}`);
  const channels = record[9]!;
  const mappingFamily = record[18]!;
  const mappingBytes = mappingFamily === 0 ? 0 : 2 + channels;
  if (channels === 0 || (mappingFamily === 0 && channels > 2)) {
    throw new ProtocolError(BAD_HEAD, `${channels} channels in family ${mappingFamily}`);
  }
  if (record.length < FIXED_BYTES + mappingBytes)
    throw new ProtocolError(BAD_HEAD, 'channel mapping cut off');
  return {
    version,
    channels,
    preSkip: record[10]! | (record[11]! << 8),
    inputRate: (record[12]! | (record[13]! << 8) | (record[14]! << 16) | (record[15]! << 24)) >>> 0,
    outputGain: ((record[16]! | (record[17]! << 8)) << 16) >> 16,
    mappingFamily,
    mapping: record.subarray(FIXED_BYTES, FIXED_BYTES + mappingBytes),
  };
}

export function serializeOpusHead(head: OpusHead): Uint8Array {
  const record = new Uint8Array(FIXED_BYTES + head.mapping.length);
  for (let i = 0; i < 8; i++) record[i] = MAGIC.charCodeAt(i);
  record[8] = head.version;
  record[9] = head.channels;
  record[10] = head.preSkip;
  record[11] = head.preSkip >> 8;
  record[12] = head.inputRate;
  record[13] = head.inputRate >> 8;
  record[14] = head.inputRate >> 16;
  record[15] = head.inputRate >>> 24;
  record[16] = head.outputGain;
  record[17] = head.outputGain >> 8;
  record[18] = head.mappingFamily;
  record.set(head.mapping, FIXED_BYTES);
  return record;
}

/** Microseconds of one frame by the five configuration bits of the TOC byte. */
function frameDurationUs(config: number): number {
  if (config < 12) return config % 4 === 3 ? 60_000 : 10_000 << (config % 4);
  if (config < 16) return 10_000 << (config % 2);
  return 2_500 << (config % 4);
}

/** Microseconds that a packet lasts; 0 when it is empty or breaks RFC 6716. */
export function opusPacketDuration(packet: Uint8Array): number {
  if (packet.length === 0) return 0;
  const toc = packet[0]!;
  const code = toc & 3;
  let frames = code === 0 ? 1 : 2;
  if (code === 3) {
    if (packet.length < 2) return 0;
    frames = packet[1]! & 0x3f;
  }
  const duration = frames * frameDurationUs(toc >> 3);
  return duration > MAX_PACKET_US ? 0 : duration;
}

/** 1 or 2: channels of a packet of family 0, from its TOC byte. */
export function opusPacketChannels(packet: Uint8Array): number {
  return packet.length > 0 && (packet[0]! & 4) !== 0 ? 2 : 1;
}
