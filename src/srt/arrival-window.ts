/**
 * Receive rate and capacity of the link from the times between packets (draft-sharabayko-srt-01 section 5.1.2 and
 * UDT): the median of the last intervals throws out pauses, the interval of a packet pair sent back to back tells how
 * fast the slowest hop is.
 */

const ARRIVALS = 16;
const PROBES = 64;
/** The second packet of each so many is sent at once behind the first. */
const PROBE_MASK = 15;
/** A median counts what lies within this factor of it. */
const SPREAD = 8;

/** Whether a packet is the second of a pair, which does not wait for its turn. */
export function isSecondOfPair(sequence: number): boolean {
  return (sequence & PROBE_MASK) === 1;
}

export class ArrivalWindow {
  private readonly intervals: Float64Array;
  private readonly sizes: Float64Array;
  private readonly probes: Float64Array;
  private readonly sorted: Float64Array;
  private count: number;
  private probeCount: number;
  private lastUs: number;
  private probeUs: number;
  private probeSequence: number;

  constructor() {
    this.intervals = new Float64Array(ARRIVALS);
    this.sizes = new Float64Array(ARRIVALS);
    this.probes = new Float64Array(PROBES);
    this.sorted = new Float64Array(PROBES);
    this.count = 0;
    this.probeCount = 0;
    this.lastUs = -1;
    this.probeUs = -1;
    this.probeSequence = -1;
  }

  /** Every data packet but repeated ones, in the order of arrival; `bytes` of payload. */
  add(sequence: number, bytes: number, nowUs: number): void {
    if (this.lastUs >= 0) {
      const at = this.count++ % ARRIVALS;
      this.intervals[at] = nowUs - this.lastUs;
      this.sizes[at] = bytes;
    }
    this.lastUs = nowUs;
    if ((sequence & PROBE_MASK) === 0) {
      this.probeSequence = sequence;
      this.probeUs = nowUs;
    } else if (isSecondOfPair(sequence) && sequence === this.probeSequence + 1) {
      this.probes[this.probeCount++ % PROBES] = Math.max(1, nowUs - this.probeUs);
      this.probeSequence = -1;
    }
  }

  /** Bytes a second while packets come, 0 when it is not known yet. */
  get bytesPerSecond(): number {
    return this.arrivalRate(this.sizes);
  }

  get packetsPerSecond(): number {
    return this.arrivalRate(null);
  }

  private arrivalRate(weights: Float64Array | null): number {
    // Half of them must agree.
    return this.count < ARRIVALS ? 0 : this.rate(this.intervals, ARRIVALS, weights, ARRIVALS / 2 + 1);
  }

  /** Of the link, packets a second; 0 when it is not known yet. */
  get linkPacketsPerSecond(): number {
    return this.rate(this.probes, Math.min(this.probeCount, PROBES), null, 1);
  }

  /** What came a second, by its weights or by its number: of the intervals around their median, of which there are enough. */
  private rate(
    intervals: Float64Array,
    count: number,
    weights: Float64Array | null,
    minPackets: number,
  ): number {
    const middle = this.median(intervals, count);
    let time = 0;
    let packets = 0;
    let weight = 0;
    for (let i = 0; i < count; i++) {
      const interval = intervals[i]!;
      if (interval > middle * SPREAD || interval * SPREAD < middle) continue;
      time += interval;
      packets++;
      weight += weights === null ? 1 : weights[i]!;
    }
    return packets < minPackets || time === 0 ? 0 : Math.round((weight * 1e6) / time);
  }

  /** 0 of nothing. */
  private median(values: Float64Array, count: number): number {
    const part = this.sorted.subarray(0, count);
    part.set(values.subarray(0, count));
    part.sort();
    return part[count >> 1] ?? 0;
  }
}
