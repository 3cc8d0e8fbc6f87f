/**
 * Which numbers of a counter that never wraps have come (RFC 3711 section 3.3.2, RFC 6347 section 4.1.2.6): packets may
 * overtake each other within the window, none comes twice. Counters that wrap are unwrapped by their owner.
 */

export class ReplayWindow {
  /** One bit per number, at its place modulo the length of the window. */
  private readonly bits: Int32Array;
  private readonly size: number;
  private newest: number;

  /** `size`: how many numbers back are remembered, a power of two from 32 on. */
  constructor(size: number) {
    this.bits = new Int32Array(size / 32);
    this.size = size;
    this.newest = -1;
  }

  /** Hot path. False: it came, or is too old to tell. Nothing changes: the packet is not authenticated yet. */
  isNew(number: number): boolean {
    const behind = this.newest - number;
    if (behind < 0) return true;
    if (behind >= this.size) return false;
    return (this.bits[(number & (this.size - 1)) >> 5]! & (1 << (number & 31))) === 0;
  }

  /** Hot path. An authenticated packet for whose number `isNew` was true. */
  add(number: number): void {
    const { bits, size } = this;
    const ahead = number - this.newest;
    if (ahead >= size) bits.fill(0);
    else
      for (let i = 1; i < ahead; i++) {
        const skipped = number - i;
        bits[(skipped & (size - 1)) >> 5]! &= ~(1 << (skipped & 31));
      }
    if (ahead > 0) this.newest = number;
    bits[(number & (size - 1)) >> 5]! |= 1 << (number & 31);
  }
}
