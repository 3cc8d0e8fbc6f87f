/** Smoothed round-trip time and its variance (draft-sharabayko-srt-01 section 4.10), microseconds. */

const INITIAL_RTT_US = 100_000;
/** What nobody believes any more, of ours or of the peer's. */
const MAX_RTT_US = 10_000_000;

export class RoundTrip {
  rttUs: number;
  varianceUs: number;
  /** The first sample of our own, 0 before it. */
  firstUs: number;
  private reported: boolean;

  constructor() {
    this.rttUs = INITIAL_RTT_US;
    this.varianceUs = INITIAL_RTT_US / 2;
    this.firstUs = 0;
    this.reported = false;
  }

  /** Time from an ACK to its ACKACK. */
  addSample(sampleUs: number): void {
    if (sampleUs <= 0 || sampleUs > MAX_RTT_US) return;
    if (this.firstUs === 0) {
      this.firstUs = sampleUs;
      this.rttUs = sampleUs;
      this.varianceUs = sampleUs / 2;
      return;
    }
    this.varianceUs = (this.varianceUs * 3 + Math.abs(this.rttUs - sampleUs)) / 4;
    this.rttUs = (this.rttUs * 7 + sampleUs) / 8;
  }

  /** What the peer measured and tells in its ACKs; a side that receives nothing knows no better. */
  addReport(rttUs: number, varianceUs: number): void {
    if (rttUs <= 0 || rttUs > MAX_RTT_US || varianceUs > MAX_RTT_US) return;
    if (this.firstUs === 0) {
      // The peer still tells the value that both start with.
      if (rttUs === INITIAL_RTT_US && !this.reported) return;
      this.reported = true;
      this.rttUs = rttUs;
      this.varianceUs = varianceUs;
      return;
    }
    this.varianceUs = (this.varianceUs * 3 + Math.abs(this.rttUs - rttUs)) / 4;
    this.rttUs = (this.rttUs * 7 + rttUs) / 8;
  }

  /** How long an answer may take before it counts as missing. */
  get timeoutUs(): number {
    return this.rttUs + 4 * this.varianceUs;
  }
}
