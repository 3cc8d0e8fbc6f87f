/**
 * Arithmetic on counters that wrap around (RFC 1982): sequence numbers of 16 and 31 bits, millisecond clocks of 32,
 * transport stream clocks of 33 bits. Values are non-negative integers below the modulus.
 */

export const MODULUS_16 = 0x1_0000;
export const MODULUS_31 = 0x8000_0000;
export const MODULUS_32 = 0x1_0000_0000;
export const MODULUS_33 = 0x2_0000_0000;

/** How far `later` is ahead of `earlier`, the short way round: from -modulus/2 to modulus/2 - 1. */
export function serialDifference(later: number, earlier: number, modulus: number): number {
  let difference = (later - earlier) % modulus;
  if (difference < 0) difference += modulus;
  return difference >= modulus / 2 ? difference - modulus : difference;
}

export function isSerialNewer(candidate: number, reference: number, modulus: number): boolean {
  return serialDifference(candidate, reference, modulus) > 0;
}

/** Sum on a 32-bit clock; a negative step sent as its 32-bit complement goes back. */
export function addSerial32(value: number, step: number): number {
  return (value + step) >>> 0;
}

/** Turns a wrapping counter into one that goes on; steps back stay steps back. */
export class SerialUnwrapper {
  private readonly modulus: number;
  private last: number;
  private started: boolean;

  constructor(modulus: number) {
    this.modulus = modulus;
    this.last = 0;
    this.started = false;
  }

  /** The first value is returned as it is; every other is the nearest to the one before. */
  unwrap(value: number): number {
    if (!this.started) {
      this.started = true;
      this.last = value;
      return value;
    }
    this.last += serialDifference(value, this.last, this.modulus);
    return this.last;
  }
}
