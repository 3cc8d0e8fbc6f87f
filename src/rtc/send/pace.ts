/** How fast one player is sent to: a bucket that fills with time, somewhat faster than the way to the player is thought to carry. */
import type { BandwidthEstimator } from './bandwidth-estimator.ts';

/** Sent at once however slow the network is thought to be. */
const BURST_BYTES = 24 * 1024;
const MIN_PACE_BPS = 4_000_000;
/** Packets go out this much faster than the network is thought to carry: key frames are bursts. */
const PACE_GAIN = 2.5;

export class Pace {
  /** All that was sent. */
  bytes = 0;
  private readonly estimator: BandwidthEstimator;
  private budgetBytes = BURST_BYTES;
  private budgetUs = 0;

  constructor(estimator: BandwidthEstimator) {
    this.estimator = estimator;
  }

  start(nowUs: number): void {
    this.budgetUs = nowUs;
  }

  /** Hot path. */
  refill(nowUs: number): void {
    const bps = Math.max(MIN_PACE_BPS, this.estimator.bitrateBps * PACE_GAIN);
    const added = ((nowUs - this.budgetUs) * bps) / 8_000_000;
    this.budgetUs = nowUs;
    this.budgetBytes = Math.min(BURST_BYTES, this.budgetBytes + added);
  }

  /** Hot path. Something may be sent now. */
  get allows(): boolean {
    return this.budgetBytes > 0;
  }

  /** So much is owed already that nothing more is sent on request. */
  get isOverdrawn(): boolean {
    return this.budgetBytes < -BURST_BYTES;
  }

  /** Hot path. */
  spend(bytes: number): void {
    this.bytes += bytes;
    this.budgetBytes -= bytes;
  }
}
