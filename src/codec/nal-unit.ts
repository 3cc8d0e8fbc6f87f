/**
 * NAL units in bytes: with length prefixes (ISO/IEC 14496-15 5.3.3.1) and between start codes (Annex B of H.264 and
 * H.265). Walks them by index without an object per NAL unit and converts between the two. What a NAL unit means is
 * in h264.ts and h265.ts.
 */

/** Length size that stands for start codes instead of lengths. */
export const ANNEX_B = 0;

const EMPTY = new Uint8Array(0);

/**
 * Cursor over the NAL units of one access unit; reusable by `reset`.
 * `while (cursor.advance()) use(cursor.bytes, cursor.start, cursor.end)`. Empty NAL units are skipped.
 */
export class NalCursor {
  bytes: Uint8Array;
  /** First byte of the present NAL unit: its header, behind length or start code. */
  start: number;
  end: number;
  /** True after the walk when a length ran over the end or, in Annex B, no start code was found. */
  damaged: boolean;
  private lengthSize: number;
  private next: number;

  constructor() {
    this.bytes = EMPTY;
    this.start = 0;
    this.end = 0;
    this.damaged = false;
    this.lengthSize = 4;
    this.next = 0;
  }

  /** `lengthSize` is 1, 2 or 4, or ANNEX_B. */
  reset(bytes: Uint8Array, lengthSize: number): this {
    this.bytes = bytes;
    this.start = 0;
    this.end = 0;
    this.damaged = false;
    this.lengthSize = lengthSize;
    this.next = 0;
    if (lengthSize === ANNEX_B) {
      const code = findStartCode(bytes, 0);
      this.damaged = code < 0 && bytes.length > 0;
      this.next = code < 0 ? bytes.length : code + 3;
    }
    return this;
  }

  /** Moves to the next NAL unit; false at the end. */
  advance(): boolean {
    return this.lengthSize === ANNEX_B ? this.advanceAnnexB() : this.advanceLengthPrefixed();
  }

  private advanceLengthPrefixed(): boolean {
    const { bytes, lengthSize } = this;
    while (this.next < bytes.length) {
      const start = this.next + lengthSize;
      if (start > bytes.length) return this.stopDamaged();
      let length = 0;
      for (let i = this.next; i < start; i++) length = length * 256 + bytes[i]!;
      if (length > bytes.length - start) return this.stopDamaged();
      this.next = start + length;
      if (length === 0) continue;
      this.start = start;
      this.end = this.next;
      return true;
    }
    return false;
  }

  private advanceAnnexB(): boolean {
    const bytes = this.bytes;
    while (this.next < bytes.length) {
      const start = this.next;
      const code = findStartCode(bytes, start);
      let end = code < 0 ? bytes.length : code;
      this.next = code < 0 ? bytes.length : code + 3;
      // A NAL unit never ends in a zero byte: zeros belong to the next start code or are padding.
      while (end > start && bytes[end - 1] === 0) end--;
      if (end === start) continue;
      this.start = start;
      this.end = end;
      return true;
    }
    return false;
  }

  private stopDamaged(): boolean {
    this.damaged = true;
    this.next = this.bytes.length;
    return false;
  }
}

/** Offset of the next 00 00 01 at or behind `from`, or -1. */
function findStartCode(bytes: Uint8Array, from: number): number {
  const last = bytes.length - 3;
  let i = from;
  while (i <= last) {
    const third = bytes[i + 2]!;
    if (third > 1) i += 3;
    else if (third === 1) {
      if (bytes[i] === 0 && bytes[i + 1] === 0) return i;
      i += 3;
    } else i++;
  }
  return -1;
}

const scratch = new NalCursor();

/** True when bytes start with a start code of three or four bytes. */
export function startsWithStartCode(bytes: Uint8Array): boolean {
  if (bytes.length < 4 || bytes[0] !== 0 || bytes[1] !== 0) return false;
  return bytes[2] === 1 || (bytes[2] === 0 && bytes[3] === 1);
}

/**
 * How an access unit that should have lengths of `lengthSize` bytes is really built: `lengthSize`, or ANNEX_B when it
 * has start codes (some hardware encoders put them into RTMP), or -1 when it is neither.
 * A length of 256 to 511 looks like a start code, so start codes are believed only where the lengths do not fit.
 */
export function detectNalFraming(bytes: Uint8Array, lengthSize: number): number {
  scratch.reset(bytes, lengthSize);
  while (scratch.advance()) {
    // The walk itself is the test.
  }
  if (!scratch.damaged) return lengthSize;
  return startsWithStartCode(bytes) ? ANNEX_B : -1;
}

/** Tells by the first header byte whether a NAL unit is left out of a canonical payload. */
export type NalFilter = (header: number) => boolean;

/** Bytes that `writeLengthPrefixed` will write, or -1 when `bytes` is not built as `lengthSize` says. */
export function lengthPrefixedSize(bytes: Uint8Array, lengthSize: number, isDropped: NalFilter): number {
  scratch.reset(bytes, lengthSize);
  let size = 0;
  while (scratch.advance()) {
    if (!isDropped(bytes[scratch.start]!)) size += 4 + scratch.end - scratch.start;
  }
  return scratch.damaged ? -1 : size;
}

/**
 * Writes the NAL units of `bytes` with 4-byte lengths to `target` from `at`, without those that `isDropped` names.
 * `target` must have room for `lengthPrefixedSize`. Returns the offset behind the last byte.
 */
export function writeLengthPrefixed(
  bytes: Uint8Array,
  lengthSize: number,
  isDropped: NalFilter,
  target: Uint8Array,
  at: number,
): number {
  scratch.reset(bytes, lengthSize);
  let to = at;
  while (scratch.advance()) {
    const { start, end } = scratch;
    if (isDropped(bytes[start]!)) continue;
    const length = end - start;
    target[to] = length >>> 24;
    target[to + 1] = length >>> 16;
    target[to + 2] = length >>> 8;
    target[to + 3] = length;
    target.set(bytes.subarray(start, end), to + 4);
    to += 4 + length;
  }
  return to;
}

/**
 * Writes a canonical payload (4-byte lengths) with 4-byte start codes to `target` from `at`; never more than
 * `bytes.length` bytes. Stops at a length that runs over the end. Returns the offset behind the last byte.
 */
export function writeAnnexB(bytes: Uint8Array, target: Uint8Array, at: number): number {
  scratch.reset(bytes, 4);
  let to = at;
  while (scratch.advance()) {
    const { start, end } = scratch;
    target[to] = 0;
    target[to + 1] = 0;
    target[to + 2] = 0;
    target[to + 3] = 1;
    target.set(bytes.subarray(start, end), to + 4);
    to += 4 + end - start;
  }
  return to;
}
