/** Which of the last 64 records of an epoch have come (RFC 6347 section 4.1.2.6). */

const WORD = 32;
const SIZE = 64;

export class ReplayWindow {
  private newest: number;
  /** Bit i of `low` is the record `newest - i`, bit i of `high` is `newest - 32 - i`. */
  private low: number;
  private high: number;

  constructor() {
    this.newest = -1;
    this.low = 0;
    this.high = 0;
  }

  /** False: it came already, or is too old to tell. Nothing changes: the record is not authenticated yet. */
  isNew(sequence: number): boolean {
    const age = this.newest - sequence;
    if (age < 0) return true;
    if (age >= SIZE) return false;
    return age < WORD ? ((this.low >>> age) & 1) === 0 : ((this.high >>> (age - WORD)) & 1) === 0;
  }

  /** An authenticated record for which `isNew` was true. */
  add(sequence: number): void {
    const age = this.newest - sequence;
    if (age < 0) {
      this.shift(-age);
      this.newest = sequence;
      this.low |= 1;
    } else if (age < WORD) this.low |= 1 << age;
    else this.high |= 1 << (age - WORD);
  }

  private shift(by: number): void {
    if (by >= SIZE) {
      this.low = 0;
      this.high = 0;
    } else if (by >= WORD) {
      this.high = by === WORD ? this.low : this.low << (by - WORD);
      this.low = 0;
    } else {
      this.high = (this.high << by) | (this.low >>> (WORD - by));
      this.low <<= by;
    }
  }
}
