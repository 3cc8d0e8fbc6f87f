/** Which of the last packets of one source came already (RFC 3711 section 3.3.2). */

/** At least 64 are asked for; a key frame of a fast stream has several hundred packets. */
const WINDOW_PACKETS = 1024;
const MASK = WINDOW_PACKETS - 1;

export class ReplayWindow {
  /** One bit per number, at its place modulo the length of the window. */
  private readonly bits: Int32Array;

  constructor() {
    this.bits = new Int32Array(WINDOW_PACKETS / 32);
  }

  /** `behind`: by how much the number is lower than the highest that came, 0 = it is that one. */
  isTaken(number: number, behind: number): boolean {
    if (behind < 0) return false;
    return behind >= WINDOW_PACKETS || (this.bits[(number & MASK) >> 5]! & (1 << (number & 31))) !== 0;
  }

  /** `ahead`: by how much it is higher than the highest before. */
  take(number: number, ahead: number): void {
    const { bits } = this;
    if (ahead >= WINDOW_PACKETS) bits.fill(0);
    else
      for (let i = 1; i < ahead; i++) {
        const skipped = number - i;
        bits[(skipped & MASK) >> 5]! &= ~(1 << (skipped & 31));
      }
    bits[(number & MASK) >> 5]! |= 1 << (number & 31);
  }
}
