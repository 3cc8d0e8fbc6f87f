/**
 * PES packet headers: ISO/IEC 13818-1 2.4.3.6 and 2.4.3.7, with PTS, or PTS and DTS; written only.
 * Leaves out: every other optional field.
 */

/** Stream ids (table 2-22). Codecs that MPEG does not know go as private stream 1. */
export const STREAM_ID_PRIVATE_1 = 0xbd;
export const STREAM_ID_AUDIO = 0xc0;
export const STREAM_ID_VIDEO = 0xe0;

const FIXED_BYTES = 9;
const TIMESTAMP_BYTES = 5;
/** Bytes up to and with the length field; the length counts what follows it. */
const LENGTH_COUNTS_FROM = 6;
const MAX_LENGTH = 0xffff;

/** Largest elementary stream part whose length fits into a header with one timestamp. */
export const MAX_BOUNDED_PES_PAYLOAD_BYTES =
  MAX_LENGTH - (FIXED_BYTES + TIMESTAMP_BYTES - LENGTH_COUNTS_FROM);

export function pesHeaderBytes(hasDts: boolean): number {
  return FIXED_BYTES + (hasDts ? 2 : 1) * TIMESTAMP_BYTES;
}

/**
 * Writes a header to `target` at `at` and returns the offset behind it. `pts` and `dts` are 33-bit values; the DTS is
 * written when it differs. A payload too long for the length field gets the length 0, which 2.4.3.7 allows for video.
 */
export function writePesHeader(
  target: Uint8Array,
  at: number,
  streamId: number,
  payloadBytes: number,
  pts: number,
  dts: number,
): number {
  const hasDts = dts !== pts;
  const headerBytes = pesHeaderBytes(hasDts);
  const length = headerBytes - LENGTH_COUNTS_FROM + payloadBytes;
  const field = length > MAX_LENGTH ? 0 : length;
  target[at] = 0;
  target[at + 1] = 0;
  target[at + 2] = 1;
  target[at + 3] = streamId;
  target[at + 4] = field >> 8;
  target[at + 5] = field;
  // '10', not scrambled, and data_alignment_indicator: the payload starts with an access unit.
  target[at + 6] = 0x84;
  target[at + 7] = hasDts ? 0xc0 : 0x80;
  target[at + 8] = headerBytes - FIXED_BYTES;
  writeTimestamp(target, at + FIXED_BYTES, hasDts ? 3 : 2, pts);
  if (hasDts) writeTimestamp(target, at + FIXED_BYTES + TIMESTAMP_BYTES, 1, dts);
  return at + headerBytes;
}

/** 3, 15 and 15 bits, each followed by a marker bit, behind four bits of prefix. */
function writeTimestamp(target: Uint8Array, at: number, prefix: number, ticks: number): void {
  const high = Math.floor(ticks / 0x4000_0000);
  const middle = (ticks >>> 15) & 0x7fff;
  const low = ticks & 0x7fff;
  target[at] = (prefix << 4) | (high << 1) | 1;
  target[at + 1] = middle >> 7;
  target[at + 2] = (middle << 1) | 1;
  target[at + 3] = low >> 7;
  target[at + 4] = (low << 1) | 1;
}
