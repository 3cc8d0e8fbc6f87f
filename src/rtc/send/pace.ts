/**
 * How fast one player is sent to. A bucket spreads bursts: it fills somewhat faster than the way to the player is thought to
 * carry. Once that way has shown that it is full, a second one holds all that is sent to what it carries, until that has
 * been enough for a while. What is sent again is a share of what is sent.
 */
import type { BandwidthEstimator } from './bandwidth-estimator.ts';

/** Sent at once however slow the network is thought to be. */
const BURST_BYTES = 24 * 1024;
const MIN_PACE_BPS = 4_000_000;
/** Packets go out this much faster than the network is thought to carry: key frames are bursts. */
const PACE_GAIN = 2.5;
/** What a full way may be given at once. */
const FULL_BURST_US = 40_000;
/** It is not full any more when it has had room for all for so long. */
const ROOM_US = 3_000_000;
/** Of what is sent, so much may be sent again: a way that loses more has no room for it either. */
const RESEND_SHARE = 0.25;
const RESEND_BYTES = 48 * 1024;

export class Pace {
  /** All that was sent. */
  bytes = 0;
  private readonly estimator: BandwidthEstimator;
  private budgetBytes = BURST_BYTES;
  private budgetUs = 0;
  /** Of the second bucket, which counts while the way is full. */
  private roomBytes = 0;
  private isLimited = false;
  private heldBackUs = 0;
  private resendBytes = RESEND_BYTES;

  constructor(estimator: BandwidthEstimator) {
    this.estimator = estimator;
  }

  start(nowUs: number): void {
    this.budgetUs = nowUs;
  }

  /** Hot path. */
  refill(nowUs: number): void {
    const { estimator } = this;
    const passedUs = nowUs - this.budgetUs;
    this.budgetUs = nowUs;
    const bps = Math.max(MIN_PACE_BPS, estimator.bitrateBps * PACE_GAIN);
    this.budgetBytes = Math.min(BURST_BYTES, this.budgetBytes + (passedUs * bps) / 8_000_000);
    if (estimator.isFull) this.limit(passedUs, nowUs);
    else this.isLimited = false;
  }

  private limit(passedUs: number, nowUs: number): void {
    const { bitrateBps } = this.estimator;
    if (!this.isLimited) {
      this.isLimited = true;
      this.roomBytes = 0;
      this.heldBackUs = nowUs;
    }
    const most = (bitrateBps * FULL_BURST_US) / 8_000_000;
    this.roomBytes = Math.min(most, this.roomBytes + (bitrateBps * passedUs) / 8_000_000);
    if (nowUs - this.heldBackUs > ROOM_US) this.estimator.isFull = false;
  }

  /** Something waits for too long, or was left out. */
  holdBack(nowUs: number): void {
    this.heldBackUs = nowUs;
  }

  /** Hot path. Something may be sent now. */
  get allows(): boolean {
    return this.budgetBytes > 0 && (!this.isLimited || this.roomBytes > 0);
  }

  /** Whether something may be sent again. */
  get allowsAgain(): boolean {
    return this.resendBytes > 0 && this.budgetBytes > -BURST_BYTES && (!this.isLimited || this.roomBytes > 0);
  }

  /** Hot path. */
  spend(bytes: number): void {
    this.bytes += bytes;
    this.budgetBytes -= bytes;
    this.roomBytes -= bytes;
    this.resendBytes = Math.min(RESEND_BYTES, this.resendBytes + bytes * RESEND_SHARE);
  }

  spendAgain(bytes: number): void {
    this.bytes += bytes;
    this.budgetBytes -= bytes;
    this.roomBytes -= bytes;
    this.resendBytes -= bytes;
  }
}
