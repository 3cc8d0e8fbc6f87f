/**
 * Cursor over the bits of one SBR payload. It never throws: behind the end it yields zeros and says so, therefore a
 * reader looks at `isOverrun` once, when it is done.
 */
export class SbrBits {
  private bytes: Uint8Array;
  /** Bits read so far, counted from the first byte. */
  position: number;
  private end: number;
  /** Something was read behind the end: nothing read since `begin` is to be trusted. */
  isOverrun: boolean;

  constructor() {
    this.bytes = new Uint8Array(0);
    this.position = 0;
    this.end = 0;
    this.isOverrun = false;
  }

  /** `bitCount` bits from bit `startBit` on, cut where the bytes end. */
  begin(bytes: Uint8Array, startBit: number, bitCount: number): void {
    this.bytes = bytes;
    this.position = startBit;
    this.end = Math.min(startBit + bitCount, bytes.length * 8);
    this.isOverrun = false;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  bit(): number {
    const at = this.position;
    if (at >= this.end) {
      this.isOverrun = true;
      return 0;
    }
    this.position = at + 1;
    return (this.bytes[at >>> 3]! >>> (7 - (at & 7))) & 1;
  }

  /** Unsigned value of 1 to 16 bits. */
  bits(count: number): number {
    let value = 0;
    for (let i = 0; i < count; i++) value = (value << 1) | this.bit();
    return value;
  }

  skip(count: number): void {
    if (count > this.end - this.position) {
      this.isOverrun = true;
      this.position = this.end;
    } else {
      this.position += count;
    }
  }
}

/** bs_sbr_crc_bits: x^10 + x^9 + x^5 + x^4 + x + 1 over the `bitCount` bits from `startBit` on, from zero. */
export function sbrCrc(bytes: Uint8Array, startBit: number, bitCount: number): number {
  let crc = 0;
  for (let at = startBit; at < startBit + bitCount; at++) {
    const bit = ((bytes[at >>> 3] ?? 0) >>> (7 - (at & 7))) & 1;
    const out = (crc >>> 9) ^ bit;
    crc = (crc << 1) & 0x3ff;
    if (out === 1) crc ^= 0x233;
  }
  return crc;
}
