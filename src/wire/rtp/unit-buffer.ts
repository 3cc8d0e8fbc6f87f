/**
 * Where a depacketizer puts the pieces of one frame: memory that is used again for every frame, grows by doubling and
 * never over MAX_UNIT_BYTES.
 */

/** Largest frame that is put together from packets: a key frame in 8K at several hundred Mbit/s fits. */
export const MAX_UNIT_BYTES = 8 * 1024 * 1024;
const FIRST_BYTES = 16 * 1024;

export class UnitBuffer {
  /** Only the first `used` bytes mean something; another array after every call that adds. */
  bytes: Uint8Array;
  used: number;

  constructor() {
    this.bytes = new Uint8Array(FIRST_BYTES);
    this.used = 0;
  }

  /** Makes room for `count` bytes and counts them as used; returns where they start, -1 when the limit is reached. */
  take(count: number): number {
    const at = this.used;
    const end = at + count;
    if (end > this.bytes.length) {
      if (end > MAX_UNIT_BYTES) return -1;
      let size = this.bytes.length * 2;
      while (size < end) size *= 2;
      const grown = new Uint8Array(size);
      grown.set(this.bytes.subarray(0, at));
      this.bytes = grown;
    }
    this.used = end;
    return at;
  }

  /** Adds a copy of bytes[start, end); false when the limit is reached, and then nothing is added. */
  append(bytes: Uint8Array, start: number, end: number): boolean {
    const at = this.take(end - start);
    if (at < 0) return false;
    this.bytes.set(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end), at);
    return true;
  }

  /** What is in it, as a view. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.used);
  }
}
