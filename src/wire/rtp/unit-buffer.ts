/**
 * Where a depacketizer puts the pieces of one frame: memory that is used again for every frame, grows with the frames
 * and never over its limit. Nothing is taken before the first piece comes.
 */

/** Largest frame that is put together from packets: a key frame in 8K at several hundred Mbit/s fits. */
export const MAX_UNIT_BYTES = 8 * 1024 * 1024;
const FIRST_BYTES = 4096;
const NO_BYTES = new Uint8Array(0);

export class UnitBuffer {
  /** Only the first `used` bytes mean something; another array after every call that adds. */
  bytes: Uint8Array;
  used: number;
  private readonly limit: number;

  /** `limit`: most bytes of a frame. */
  constructor(limit: number) {
    this.bytes = NO_BYTES;
    this.used = 0;
    this.limit = limit;
  }

  /** Makes room for `count` bytes and counts them as used; returns where they start, -1 when the limit is reached. */
  take(count: number): number {
    const at = this.used;
    const end = at + count;
    if (end > this.bytes.length) {
      if (end > this.limit) return -1;
      const grown = new Uint8Array(Math.min(this.limit, Math.max(FIRST_BYTES, end * 2)));
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

  /** What is in it, as a view that is valid until something is added. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.used);
  }
}
