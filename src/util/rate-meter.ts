/** Bytes (or events) per second over a sliding window of about 30 s, from counters that only grow. */

const SLOT_US = 2_000_000;
const SLOTS = 16;

export class RateMeter {
  private readonly totals = new Float64Array(SLOTS);
  private readonly times = new Float64Array(SLOTS);
  private count = 0;
  private next = 0;

  /** Tells the meter what the counter shows now; call it when somebody asks and every few seconds. */
  sample(total: number, nowUs: number): void {
    const last = (this.next + SLOTS - 1) % SLOTS;
    if (this.count > 0 && nowUs - this.times[last]! < SLOT_US) return;
    this.totals[this.next] = total;
    this.times[this.next] = nowUs;
    this.next = (this.next + 1) % SLOTS;
    if (this.count < SLOTS) this.count++;
  }

  /** Units per second between the two ends of the window, as of the last sample. */
  get lastPerSecond(): number {
    if (this.count < 2) return 0;
    const last = (this.next + SLOTS - 1) % SLOTS;
    return this.perSecond(this.totals[last]!, this.times[last]!);
  }

  /** Units per second between the oldest sample and now; 0 before there is half a second to look at. */
  perSecond(total: number, nowUs: number): number {
    if (this.count === 0) return 0;
    const oldest = (this.next + SLOTS - this.count) % SLOTS;
    const elapsedUs = nowUs - this.times[oldest]!;
    return elapsedUs < 500_000 ? 0 : ((total - this.totals[oldest]!) * 1_000_000) / elapsedUs;
  }
}
