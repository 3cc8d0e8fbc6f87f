/**
 * Packets of one RTP source as they came to packets in order of their 16-bit sequence numbers (RFC 3550 appendix A.1).
 * In-order packets pass through untouched; one that is early is copied and waits for those before it, for a bounded
 * time and in bounded memory. A source that jumps to other numbers is followed once a second packet confirms it.
 */
import { MODULUS_16, serialDifference } from '../../util/serial-number.ts';

export interface ReorderOutput {
  /** `bytes` are valid during the call only; `isAfterLoss`: at least one is missing directly before this one. */
  packet(bytes: Uint8Array, isAfterLoss: boolean): void;
}

export interface ReorderLimits {
  /** Packets that may wait: a power of two, 2 to 16384. */
  readonly packets: number;
  /** How long a packet waits for one before it, microseconds. */
  readonly waitUs: number;
}

/** For an access network with some hundred packets per second. */
export const DEFAULT_REORDER_LIMITS: ReorderLimits = { packets: 256, waitUs: 200_000 };

/** A step forward that is larger is a restart and no loss (MAX_DROPOUT of RFC 3550 appendix A.1). */
export const MAX_SEQUENCE_STEP = 3000;
/** Packets that are older by more are from a restarted source (MAX_MISORDER there is 100, too few for a fast one). */
const MAX_SEQUENCE_BACK = 1024;
/** Of the packets that wait. */
const MAX_HELD_BYTES = 2 * 1024 * 1024;

export class ReorderBuffer {
  lost: number;
  /** Came when it had been given up. */
  late: number;
  duplicates: number;
  restarts: number;
  private readonly output: ReorderOutput;
  private readonly mask: number;
  private readonly waitUs: number;
  private readonly slots: (Uint8Array | null)[];
  private readonly slotTimes: Float64Array;
  /** 1 = the last packet of this number (modulo its length) was given out, 0 = it was given up. */
  private readonly given: Uint8Array;
  private held: number;
  private heldBytes: number;
  /** Next sequence number to give out; -1 before the first packet. */
  private expected: number;
  /** When the first packet came that waits for `expected`. */
  private waitingSinceUs: number;
  private isAfterLoss: boolean;
  /** A packet with a number from elsewhere, until the next one tells whether the source jumped. */
  private stray: Uint8Array | null;
  private straySequence: number;

  constructor(output: ReorderOutput, limits: ReorderLimits = DEFAULT_REORDER_LIMITS) {
    this.lost = 0;
    this.late = 0;
    this.duplicates = 0;
    this.restarts = 0;
    this.output = output;
    this.mask = limits.packets - 1;
    this.waitUs = limits.waitUs;
    this.slots = new Array<Uint8Array | null>(limits.packets).fill(null);
    this.slotTimes = new Float64Array(limits.packets);
    this.given = new Uint8Array(MAX_SEQUENCE_BACK);
    this.held = 0;
    this.heldBytes = 0;
    this.expected = -1;
    this.waitingSinceUs = 0;
    this.isAfterLoss = false;
    this.stray = null;
    this.straySequence = -1;
  }

  /** Hot path. `sequence` is the one in `bytes`. */
  push(bytes: Uint8Array, sequence: number, nowUs: number): void {
    if (this.expected < 0) this.expected = sequence;
    const ahead = serialDifference(sequence, this.expected, MODULUS_16);
    if (ahead === 0) {
      this.give(bytes);
      if (this.held > 0) this.drain();
    } else if (ahead > MAX_SEQUENCE_STEP || ahead < -MAX_SEQUENCE_BACK) {
      this.takeStray(bytes, sequence);
      return;
    } else if (ahead > 0) this.hold(bytes, sequence, ahead, nowUs);
    else if (this.given[sequence & (MAX_SEQUENCE_BACK - 1)] === 1) this.duplicates++;
    else this.late++;
    this.stray = null;
    if (this.held > 0 && nowUs - this.waitingSinceUs >= this.waitUs) this.tick(nowUs);
  }

  /** Gives up what was waited for too long. */
  tick(nowUs: number): void {
    while (this.held > 0 && nowUs - this.waitingSinceUs >= this.waitUs) this.skip();
  }

  /** Gives all that waits, in order. */
  flush(): void {
    while (this.held > 0) this.skip();
  }

  /** What waits is given out; the next packet may have any number. */
  reset(): void {
    this.flush();
    this.given.fill(0);
    this.expected = -1;
    this.isAfterLoss = true;
    this.stray = null;
  }

  private give(bytes: Uint8Array): void {
    const sequence = this.expected;
    this.expected = (sequence + 1) & 0xffff;
    this.given[sequence & (MAX_SEQUENCE_BACK - 1)] = 1;
    const { isAfterLoss } = this;
    this.isAfterLoss = false;
    this.output.packet(bytes, isAfterLoss);
  }

  private hold(bytes: Uint8Array, sequence: number, ahead: number, nowUs: number): void {
    if (ahead > this.mask) {
      // Whatever is too far behind this one is given out or given up.
      for (let left = ahead - this.mask; left > 0; left--) this.step();
      if (this.expected === sequence) {
        this.give(bytes);
        this.drain();
        return;
      }
    }
    const slot = sequence & this.mask;
    if (this.slots[slot] !== null) {
      this.duplicates++;
      return;
    }
    if (this.held === 0) this.waitingSinceUs = nowUs;
    this.slots[slot] = Uint8Array.from(bytes);
    this.slotTimes[slot] = nowUs;
    this.held++;
    this.heldBytes += bytes.length;
    while (this.heldBytes > MAX_HELD_BYTES) this.skip();
    // The gap may just have been passed.
    if (this.held > 0 && this.slots[this.expected & this.mask] !== null) this.drain();
  }

  /** Gives out what stands at `expected`, or gives it up. */
  private step(): void {
    const slot = this.expected & this.mask;
    const bytes = this.slots[slot]!;
    if (bytes !== null) {
      this.release(slot, bytes);
      return;
    }
    this.lost++;
    this.isAfterLoss = true;
    this.given[this.expected & (MAX_SEQUENCE_BACK - 1)] = 0;
    this.expected = (this.expected + 1) & 0xffff;
  }

  private release(slot: number, bytes: Uint8Array): void {
    this.slots[slot] = null;
    this.held--;
    this.heldBytes -= bytes.length;
    this.give(bytes);
  }

  /** Gives up the present gap. Something waits, so it ends. */
  private skip(): void {
    while (this.slots[this.expected & this.mask] === null) this.step();
    this.drain();
  }

  /** Gives out what follows without a gap. */
  private drain(): void {
    for (let slot = this.expected & this.mask; this.held > 0; slot = this.expected & this.mask) {
      const bytes = this.slots[slot]!;
      if (bytes === null) break;
      this.release(slot, bytes);
    }
    if (this.held > 0) this.waitingSinceUs = this.oldestWait();
  }

  private oldestWait(): number {
    let sequence = this.expected;
    while (this.slots[sequence & this.mask] === null) sequence++;
    return this.slotTimes[sequence & this.mask]!;
  }

  private takeStray(bytes: Uint8Array, sequence: number): void {
    const { stray, straySequence } = this;
    this.stray = Uint8Array.from(bytes);
    this.straySequence = sequence;
    if (stray === null || sequence !== ((straySequence + 1) & 0xffff)) return;
    this.restarts++;
    this.stray = null;
    this.flush();
    this.given.fill(0);
    this.expected = straySequence;
    this.isAfterLoss = true;
    this.give(stray);
    this.give(bytes);
  }
}
