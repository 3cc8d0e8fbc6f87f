/** Bounds-checked cursor over bytes of a peer. Reading past the end throws a ProtocolError with the given code. */
import { ProtocolError } from './errors.ts';

const utf8 = new TextDecoder('utf-8');
const doubleScratch = new DataView(new ArrayBuffer(8));

export class ByteReader {
  readonly bytes: Uint8Array;
  position: number;
  readonly end: number;
  private readonly errorCode: string;

  constructor(bytes: Uint8Array, errorCode: string, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    this.errorCode = errorCode;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  private need(count: number): number {
    const at = this.position;
    if (count < 0 || this.end - at < count)
      throw new ProtocolError(this.errorCode, `needs ${count} bytes, has ${this.end - at}`);
    this.position = at + count;
    return at;
  }

  u8(): number {
    return this.bytes[this.need(1)]!;
  }

  u16(): number {
    const at = this.need(2);
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!;
  }

  u24(): number {
    const at = this.need(3);
    return (this.bytes[at]! << 16) | (this.bytes[at + 1]! << 8) | this.bytes[at + 2]!;
  }

  u32(): number {
    const at = this.need(4);
    const b = this.bytes;
    return ((b[at]! << 24) | (b[at + 1]! << 16) | (b[at + 2]! << 8) | b[at + 3]!) >>> 0;
  }

  u32le(): number {
    const at = this.need(4);
    const b = this.bytes;
    return ((b[at + 3]! << 24) | (b[at + 2]! << 16) | (b[at + 1]! << 8) | b[at]!) >>> 0;
  }

  f64(): number {
    const at = this.need(8);
    for (let i = 0; i < 8; i++) doubleScratch.setUint8(i, this.bytes[at + i]!);
    return doubleScratch.getFloat64(0);
  }

  /** A view, not a copy. */
  view(count: number): Uint8Array {
    const at = this.need(count);
    return this.bytes.subarray(at, at + count);
  }

  utf8(count: number): string {
    return utf8.decode(this.view(count));
  }

  skip(count: number): void {
    this.need(count);
  }
}
