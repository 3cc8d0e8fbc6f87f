/** Growing writer of big-endian values, for messages and headers (not for media payloads). */

const utf8 = new TextEncoder();

export class ByteWriter {
  private buffer: Buffer;
  private used = 0;

  constructor(initialBytes = 256) {
    this.buffer = Buffer.allocUnsafe(initialBytes);
  }

  get length(): number {
    return this.used;
  }

  private grow(count: number): number {
    const at = this.used;
    if (at + count > this.buffer.length) {
      const next = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, at + count));
      next.set(this.buffer.subarray(0, at));
      this.buffer = next;
    }
    this.used = at + count;
    return at;
  }

  u8(value: number): this {
    const at = this.grow(1);
    this.buffer[at] = value;
    return this;
  }

  u16(value: number): this {
    const at = this.grow(2);
    this.buffer[at] = value >>> 8;
    this.buffer[at + 1] = value;
    return this;
  }

  u24(value: number): this {
    const at = this.grow(3);
    this.buffer[at] = value >>> 16;
    this.buffer[at + 1] = value >>> 8;
    this.buffer[at + 2] = value;
    return this;
  }

  u32(value: number): this {
    const at = this.grow(4);
    this.buffer[at] = value >>> 24;
    this.buffer[at + 1] = value >>> 16;
    this.buffer[at + 2] = value >>> 8;
    this.buffer[at + 3] = value;
    return this;
  }

  u32le(value: number): this {
    const at = this.grow(4);
    this.buffer[at] = value;
    this.buffer[at + 1] = value >>> 8;
    this.buffer[at + 2] = value >>> 16;
    this.buffer[at + 3] = value >>> 24;
    return this;
  }

  /** Unsigned 64-bit big-endian from a safe integer. */
  u64(value: number): this {
    return this.u32(Math.floor(value / 0x1_0000_0000)).u32(value >>> 0);
  }

  f64(value: number): this {
    const at = this.grow(8);
    this.buffer.writeDoubleBE(value, at);
    return this;
  }

  bytes(value: Uint8Array): this {
    // grow() may replace the buffer: its offset first.
    const at = this.grow(value.length);
    this.buffer.set(value, at);
    return this;
  }

  utf8(value: string): this {
    return this.bytes(utf8.encode(value));
  }

  /** Overwrites four bytes written before (box sizes). */
  patchU32(at: number, value: number): this {
    this.buffer.writeUInt32BE(value, at);
    return this;
  }

  /** The bytes written so far: a view that further writes may leave behind. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.used);
  }
}
