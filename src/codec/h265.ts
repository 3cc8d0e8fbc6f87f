/** What an H.265 access unit is made of: ITU-T H.265 7.4.2.2 (NAL unit types). Looks at NAL unit headers only. */
import { NalCursor } from './nal-unit.ts';
import { VIDEO_DISPOSABLE, VIDEO_IN_BAND_CONFIG, VIDEO_KEY } from './video-flags.ts';

export const H265_VPS = 32;
export const H265_SPS = 33;
export const H265_PPS = 34;
/** Even types up to here are pictures that no other of the same temporal sub-layer refers to. */
const LAST_SUB_LAYER_NON_REFERENCE = 14;
const FIRST_RANDOM_ACCESS = 16;
const LAST_RANDOM_ACCESS = 23;
const LAST_SLICE = 31;
const ACCESS_UNIT_DELIMITER = 35;
const FILLER = 38;

/** Access unit delimiter and filler: not part of a canonical payload. `header` is the first of the two bytes. */
export function isDroppedH265Nal(header: number): boolean {
  const type = (header >> 1) & 0x3f;
  return type === ACCESS_UNIT_DELIMITER || type === FILLER;
}

const cursor = new NalCursor();

/**
 * Flags (video-flags.ts) of an access unit with lengths of `lengthSize` bytes. `subLayers` is the number of temporal
 * sub-layers, 0 when unknown: only a picture of the highest one can be known to be disposable.
 * Bytes that are no NAL units give no flags.
 */
export function h265Flags(bytes: Uint8Array, subLayers: number, lengthSize = 4): number {
  let flags = 0;
  let slices = 0;
  let isReferred = false;
  cursor.reset(bytes, lengthSize);
  while (cursor.advance()) {
    const type = (bytes[cursor.start]! >> 1) & 0x3f;
    if (type <= LAST_SLICE) {
      slices++;
      if (type >= FIRST_RANDOM_ACCESS && type <= LAST_RANDOM_ACCESS) flags |= VIDEO_KEY;
      const temporalId = cursor.end - cursor.start > 1 ? (bytes[cursor.start + 1]! & 7) - 1 : 0;
      const isUnused = type <= LAST_SUB_LAYER_NON_REFERENCE && type % 2 === 0 && temporalId === subLayers - 1;
      if (!isUnused) isReferred = true;
    } else if (type >= H265_VPS && type <= H265_PPS) flags |= VIDEO_IN_BAND_CONFIG;
  }
  if (slices > 0 && !isReferred) flags |= VIDEO_DISPOSABLE;
  return flags;
}
