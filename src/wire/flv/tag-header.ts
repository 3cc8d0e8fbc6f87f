/**
 * The fixed parts of an FLV byte stream: file header, tag header and the size that follows each tag
 * (Adobe FLV 10.1, annex E.2 and E.4.1). Encrypted tags (annex F) are left out.
 */

export const TAG_AUDIO = 8;
export const TAG_VIDEO = 9;
export const TAG_SCRIPT = 18;

export const TAG_HEADER_BYTES = 11;
/** PreviousTagSize, which follows every tag and the file header. */
export const TAG_TRAILER_BYTES = 4;
/** The file header of version 1, without the PreviousTagSize behind it. */
export const FILE_HEADER_BYTES = 9;
/** What the 24-bit size field can say. */
export const MAX_TAG_BODY_BYTES = 0xff_ffff;

const FLAG_AUDIO = 4;
const FLAG_VIDEO = 1;

/** File header and the PreviousTagSize 0 behind it: 13 bytes. */
export function serializeFileHeader(hasAudio: boolean, hasVideo: boolean): Buffer {
  const flags = (hasAudio ? FLAG_AUDIO : 0) | (hasVideo ? FLAG_VIDEO : 0);
  return Buffer.from([0x46, 0x4c, 0x56, 1, flags, 0, 0, 0, FILE_HEADER_BYTES, 0, 0, 0, 0]);
}

/**
 * Writes a tag header to `target` from `at`; `timestampMs` is taken modulo 2^32, `bodyBytes` is at most
 * MAX_TAG_BODY_BYTES. Returns the offset behind it.
 */
export function writeTagHeader(
  target: Uint8Array,
  at: number,
  type: number,
  bodyBytes: number,
  timestampMs: number,
): number {
  target[at] = type;
  target[at + 1] = bodyBytes >>> 16;
  target[at + 2] = bodyBytes >>> 8;
  target[at + 3] = bodyBytes;
  target[at + 4] = timestampMs >>> 16;
  target[at + 5] = timestampMs >>> 8;
  target[at + 6] = timestampMs;
  // The upper eight bits came later to the format, so they stand behind the lower ones.
  target[at + 7] = timestampMs >>> 24;
  target[at + 8] = 0;
  target[at + 9] = 0;
  target[at + 10] = 0;
  return at + TAG_HEADER_BYTES;
}

/** Writes the size of a tag with a body of `bodyBytes` behind that body. Returns the offset behind it. */
export function writeTagTrailer(target: Uint8Array, at: number, bodyBytes: number): number {
  const size = TAG_HEADER_BYTES + bodyBytes;
  target[at] = size >>> 24;
  target[at + 1] = size >>> 16;
  target[at + 2] = size >>> 8;
  target[at + 3] = size;
  return at + TAG_TRAILER_BYTES;
}
