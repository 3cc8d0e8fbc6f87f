/**
 * What an H.264 access unit is made of: ITU-T H.264 7.4.1 (NAL unit types), D.1.8 (recovery point).
 * Looks at NAL unit headers and SEI only; slices stay closed.
 */
import { NalCursor } from './nal-unit.ts';
import { VIDEO_DISPOSABLE, VIDEO_IN_BAND_CONFIG, VIDEO_KEY } from './video-flags.ts';

export const H264_SPS = 7;
export const H264_PPS = 8;
const SLICE_IDR = 5;
const SEI = 6;
const ACCESS_UNIT_DELIMITER = 9;
const FILLER = 12;

const SEI_RECOVERY_POINT = 6;
/** An encoder sends a handful; a hostile SEI must not cost more than this. */
const MAX_SEI_MESSAGES = 32;

/** Access unit delimiter and filler: not part of a canonical payload. */
export function isDroppedH264Nal(header: number): boolean {
  const type = header & 0x1f;
  return type === ACCESS_UNIT_DELIMITER || type === FILLER;
}

const cursor = new NalCursor();

/**
 * Flags (video-flags.ts) of an access unit with lengths of `lengthSize` bytes. A key frame is an IDR picture or one
 * with a recovery point SEI: encoders with open GOPs or gradual refresh send no other IDR than the first.
 * Bytes that are no NAL units give no flags.
 */
export function h264Flags(bytes: Uint8Array, lengthSize = 4): number {
  let flags = 0;
  let slices = 0;
  let isReferred = false;
  cursor.reset(bytes, lengthSize);
  while (cursor.advance()) {
    const header = bytes[cursor.start]!;
    const type = header & 0x1f;
    if (type >= 1 && type <= SLICE_IDR) {
      slices++;
      if ((header & 0x60) !== 0) isReferred = true;
      if (type === SLICE_IDR) flags |= VIDEO_KEY;
    } else if (type === H264_SPS || type === H264_PPS) flags |= VIDEO_IN_BAND_CONFIG;
    else if (type === SEI && hasRecoveryPoint(bytes, cursor.start + 1, cursor.end)) flags |= VIDEO_KEY;
  }
  if (slices > 0 && !isReferred) flags |= VIDEO_DISPOSABLE;
  return flags;
}

/**
 * Whether one of the SEI messages in [start, end) is a recovery point. Emulation prevention is not undone: it can
 * only occur inside a message, and then shifts what follows; encoders write the recovery point early.
 */
function hasRecoveryPoint(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  for (let i = 0; i < MAX_SEI_MESSAGES && at + 2 < end; i++) {
    let type = 0;
    while (at < end && bytes[at] === 0xff) {
      type += 255;
      at++;
    }
    type += at < end ? bytes[at++]! : 0;
    let size = 0;
    while (at < end && bytes[at] === 0xff) {
      size += 255;
      at++;
    }
    size += at < end ? bytes[at++]! : 0;
    if (type === SEI_RECOVERY_POINT && size > 0 && at + size <= end) return true;
    at += size;
  }
  return false;
}
