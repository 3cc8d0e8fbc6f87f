/**
 * A network that loses, repeats, delays and exchanges packets, as decisions alone: no sockets, no clock. The same seed
 * gives the same decisions.
 */

export interface PathFaults {
  /** Share of packets that are lost one by one, 0 to 1. */
  readonly loss?: number;
  /** Share of packets that are lost in bursts, and how many packets a burst has on average (Gilbert's model). */
  readonly burstLoss?: number;
  readonly burstPackets?: number;
  /** Share of packets that come `reorderMs` later than they should, behind those that follow. */
  readonly reorder?: number;
  readonly reorderMs?: number;
  /** Share of packets that come twice, the second one up to `jitterMs` (at least 1 ms) later. */
  readonly duplicate?: number;
  readonly delayMs?: number;
  /** Every packet takes up to this much longer. */
  readonly jitterMs?: number;
  /** Jitter is that of a queue: packets wait, but none overtakes another (but for `reorder`). */
  readonly keepsOrder?: boolean;
}

/** xorshift32: the same numbers in every run. */
export class SeededRandom {
  private state: number;

  constructor(seed: number) {
    // Neighbouring seeds would begin alike.
    this.state = Math.imul(seed + 1, 0x9e37_79b1) >>> 0 || 1;
    for (let i = 0; i < 8; i++) this.next();
  }

  /** From 0 to below 1. */
  next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state / 2 ** 32;
  }
}

export class LossyPath {
  faults: PathFaults;
  sent = 0;
  lost = 0;
  reordered = 0;
  duplicated = 0;
  private readonly random: SeededRandom;
  private isInBurst = false;
  private lastArrivalMs = 0;

  constructor(seed: number, faults: PathFaults) {
    this.random = new SeededRandom(seed);
    this.faults = faults;
  }

  /** When the copies of a packet that is sent now arrive; none = it is lost. Milliseconds. */
  arrivals(nowMs: number): readonly number[] {
    const { faults, random } = this;
    const { loss = 0, reorder = 0, reorderMs = 20, duplicate = 0, delayMs = 0, jitterMs = 0 } = faults;
    this.sent++;
    // All numbers are drawn for every packet, so that one share does not change what another decides.
    const [lossDraw, orderDraw, twiceDraw, jitterDraw, copyDraw] = [
      random.next(),
      random.next(),
      random.next(),
      random.next(),
      random.next(),
    ];
    if (this.burstTakes(random.next()) || lossDraw < loss) {
      this.lost++;
      return [];
    }
    let arrivalMs = nowMs + delayMs + jitterDraw * jitterMs;
    if (faults.keepsOrder === true) {
      arrivalMs = Math.max(arrivalMs, this.lastArrivalMs);
      this.lastArrivalMs = arrivalMs;
    }
    if (orderDraw < reorder) {
      this.reordered++;
      arrivalMs += reorderMs;
    }
    if (twiceDraw >= duplicate) return [arrivalMs];
    this.duplicated++;
    return [arrivalMs, arrivalMs + copyDraw * Math.max(1, jitterMs)];
  }

  private burstTakes(draw: number): boolean {
    const { burstLoss = 0, burstPackets = 5 } = this.faults;
    if (burstLoss === 0) {
      this.isInBurst = false;
      return false;
    }
    const leave = 1 / burstPackets;
    const enter = (leave * burstLoss) / (1 - burstLoss);
    this.isInBurst = this.isInBurst ? draw >= leave : draw < enter;
    return this.isInBurst;
  }
}
