/**
 * From a sender's 32-bit timestamps to our clock (draft-sharabayko-srt-01 sections 4.5, 4.7): unwrapped every 71.6
 * minutes, and the base follows the drift between both clocks, told by the timestamps of ACKACKs.
 */

const DRIFT_SAMPLES = 1000;
/** Larger corrections go in steps: a jump would leave no time for repairs. */
const DRIFT_STEP_US = 5000;

export class TimeBase {
  /** When the sender's clock showed zero, in microseconds of ours. */
  baseUs: number;
  private sum: number;
  private samples: number;

  constructor(baseUs: number) {
    this.baseUs = baseUs;
    this.sum = 0;
    this.samples = 0;
  }

  /** Microseconds of the sender's clock since its start; `timestamp` is at most 35 minutes off from now. */
  unwrap(timestamp: number, nowUs: number): number {
    const expected = Math.floor(nowUs - this.baseUs);
    return expected + ((timestamp - (expected >>> 0)) | 0);
  }

  /** An ACKACK with what its round trip took beyond the first one. */
  addSample(timestamp: number, extraRttUs: number, nowUs: number): void {
    this.sum += nowUs - this.baseUs - this.unwrap(timestamp, nowUs) - extraRttUs / 2;
    this.samples++;
    if (this.samples < DRIFT_SAMPLES) return;
    const drift = this.sum / this.samples;
    this.baseUs += Math.max(-DRIFT_STEP_US, Math.min(DRIFT_STEP_US, drift));
    this.sum = 0;
    this.samples = 0;
  }
}
