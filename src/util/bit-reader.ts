/**
 * Bounds-checked cursor over single bits, most significant first, for the headers of codecs: fixed-width values and
 * the exp-Golomb codes of ITU-T H.264 9.1. Not for payloads: it is written for clarity, a header is read once.
 */
import { ProtocolError } from './errors.ts';

export class BitReader {
  private readonly bytes: Uint8Array;
  /** Bits read so far, counted from the first byte of `bytes`. */
  private position: number;
  private readonly end: number;
  private readonly errorCode: string;

  /** `start` and `end` are byte offsets. Reading past `end` throws a ProtocolError with `errorCode`. */
  constructor(bytes: Uint8Array, errorCode: string, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = start * 8;
    this.end = end * 8;
    this.errorCode = errorCode;
  }

  /** Bits left. */
  get remaining(): number {
    return this.end - this.position;
  }

  /** Unsigned value of `count` bits, 0 to 32. */
  bits(count: number): number {
    if (count > this.end - this.position) this.fail(count);
    let value = 0;
    let left = count;
    while (left > 0) {
      const offset = this.position & 7;
      const take = Math.min(8 - offset, left);
      const part = (this.bytes[this.position >>> 3]! >>> (8 - offset - take)) & ((1 << take) - 1);
      // Multiplication instead of a shift: 32 bits must not become negative.
      value = value * (1 << take) + part;
      this.position += take;
      left -= take;
    }
    return value;
  }

  flag(): boolean {
    return this.bits(1) === 1;
  }

  skip(count: number): void {
    if (count > this.end - this.position) this.fail(count);
    this.position += count;
  }

  /** Unsigned exp-Golomb code ue(v): 0 to 2^32 - 2. */
  ue(): number {
    let zeros = 0;
    while (!this.flag()) {
      if (++zeros > 31) throw new ProtocolError(this.errorCode, 'exp-Golomb code too long');
    }
    return 2 ** zeros - 1 + this.bits(zeros);
  }

  /** ue(v) that must not exceed `limit`; `name` tells the reader of the log which value it was. */
  ueMax(limit: number, name: string): number {
    const value = this.ue();
    if (value > limit) throw new ProtocolError(this.errorCode, `${name} ${value} over ${limit}`);
    return value;
  }

  /** Signed exp-Golomb code se(v). */
  se(): number {
    const code = this.ue();
    return code % 2 === 1 ? (code + 1) / 2 : -code / 2;
  }

  /** Moves to the next byte boundary. */
  align(): void {
    this.position = (this.position + 7) & ~7;
  }

  private fail(count: number): never {
    throw new ProtocolError(this.errorCode, `needs ${count} bits, has ${this.end - this.position}`);
  }
}

/**
 * The raw byte sequence of a NAL unit: a copy of `bytes[start, end)` without the 0x03 that H.264 7.3.1 and
 * H.265 7.3.1.1 insert after two zero bytes.
 */
export function removeEmulationPrevention(bytes: Uint8Array, start = 0, end = bytes.length): Uint8Array {
  const raw = new Uint8Array(end - start);
  let length = 0;
  let zeros = 0;
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!;
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    raw[length++] = byte;
  }
  return raw.subarray(0, length);
}
