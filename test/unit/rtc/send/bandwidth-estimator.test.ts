import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BandwidthEstimator } from '../../../../src/rtc/send/bandwidth-estimator.ts';
import { serializeRemb } from '../../../../src/wire/rtp/remb.ts';
import { serializeTransportFeedback } from '../../../../src/wire/rtp/transport-feedback.ts';

const PACKET_BYTES = 1200;

/** A sender at a share of what the estimate says, a bottleneck with a queue, and a receiver that tells arrivals. */
class Link {
  nowUs = 1_000_000;
  capacityBps: number;
  lossShare = 0;
  readonly estimator = new BandwidthEstimator();
  /** False: it sends what it wants, as with a layer that is larger than the estimate. */
  heeds = true;
  /** Queue at the bottleneck, microseconds. */
  queueUs = 0;
  longestQueueUs = 0;
  private sentUpToUs = 1_000_000;
  private freeUs = 0;
  private arrivals: { number: number; arrivalUs: number }[] = [];
  private count = 0;

  constructor(capacityBps: number) {
    this.capacityBps = capacityBps;
  }

  /** The application wants to send so much; the estimate bounds it. */
  run(seconds: number, wantedBps: number): void {
    const endUs = this.nowUs + seconds * 1_000_000;
    let feedbackUs = this.nowUs + 50_000;
    while (this.nowUs < endUs) {
      this.nowUs += 1000;
      const rate = this.heeds ? Math.min(wantedBps, this.estimator.bitrateBps) : wantedBps;
      const gapUs = (PACKET_BYTES * 8_000_000) / rate;
      while (this.sentUpToUs + gapUs <= this.nowUs) {
        this.sentUpToUs += gapUs;
        this.send(this.sentUpToUs);
      }
      if (this.nowUs >= feedbackUs) {
        feedbackUs = this.nowUs + 50_000;
        this.tell();
      }
    }
  }

  private send(atUs: number): void {
    const number = this.estimator.next(PACKET_BYTES, atUs);
    const startUs = Math.max(atUs, this.freeUs);
    this.freeUs = startUs + (PACKET_BYTES * 8_000_000) / this.capacityBps;
    this.queueUs = startUs - atUs;
    this.longestQueueUs = Math.max(this.longestQueueUs, this.queueUs);
    // Every hundredth packet at 1 %.
    this.count += this.lossShare;
    const isLost = this.count >= 1;
    if (isLost) this.count--;
    this.arrivals.push({ number, arrivalUs: isLost ? Number.NaN : this.freeUs + 20_000 });
  }

  private tell(): void {
    const there = this.arrivals.findIndex(({ arrivalUs }) => arrivalUs > this.nowUs);
    const told = this.arrivals.splice(0, there < 0 ? this.arrivals.length : there);
    while (told.length > 0 && Number.isNaN(told[0]!.arrivalUs)) told.shift();
    if (told.length === 0) return;
    const times = told.map(({ arrivalUs }) => arrivalUs);
    const packet = serializeTransportFeedback(1, 2, told[0]!.number, times, 0);
    assert.ok(packet !== null);
    this.estimator.onRtcp(packet, this.nowUs);
  }
}

test('estimate: a bottleneck is found by its delay, and the queue stays short', () => {
  const link = new Link(2_000_000);
  link.run(20, 50_000_000);
  assert.ok(link.estimator.bitrateBps < 2_300_000, `${link.estimator.bitrateBps}`);
  assert.ok(link.estimator.bitrateBps > 900_000, `${link.estimator.bitrateBps}`);
  link.longestQueueUs = 0;
  link.run(10, 50_000_000);
  assert.ok(link.longestQueueUs < 300_000, `${link.longestQueueUs}`);
});

test('estimate: it grows again when the way becomes wider', () => {
  const link = new Link(1_000_000);
  link.run(15, 50_000_000);
  const narrow = link.estimator.bitrateBps;
  assert.ok(narrow < 1_200_000);
  link.capacityBps = 20_000_000;
  link.run(20, 50_000_000);
  assert.ok(link.estimator.bitrateBps > narrow * 2, `${narrow} -> ${link.estimator.bitrateBps}`);
});

test('estimate: what fits is left alone', () => {
  const link = new Link(50_000_000);
  link.run(10, 2_500_000);
  assert.ok(link.estimator.bitrateBps >= 3_000_000, `${link.estimator.bitrateBps}`);
});

test('estimate: much loss makes it smaller, little does not', () => {
  const little = new Link(100_000_000);
  little.lossShare = 0.01;
  little.run(5, 4_000_000);
  assert.ok(little.estimator.bitrateBps >= 4_000_000, `${little.estimator.bitrateBps}`);
  const much = new Link(100_000_000);
  much.lossShare = 0.3;
  much.run(5, 4_000_000);
  assert.ok(much.estimator.bitrateBps < 2_000_000, `${much.estimator.bitrateBps}`);
});

test('estimate: REMB is an upper bound, and reports of loss count where nothing else is told', () => {
  const estimator = new BandwidthEstimator();
  estimator.onRtcp(serializeRemb(1, 700_000, [2]), 0);
  assert.ok(Math.abs(estimator.bitrateBps - 700_000) < 10);
  estimator.onLoss(0.5, 1_000_000);
  assert.ok(estimator.bitrateBps < 600_000);
  for (let s = 2; s < 60; s++) estimator.onLoss(0, s * 1_000_000);
  assert.ok(Math.abs(estimator.bitrateBps - 700_000) < 10);
});

test('estimate: hostile feedback never throws and never leaves the bounds', () => {
  const estimator = new BandwidthEstimator();
  for (let i = 0; i < 2000; i++) {
    const bytes = Buffer.alloc(4 + (i % 60));
    for (let at = 0; at < bytes.length; at++) bytes[at] = (i * 31 + at * 17) & 255;
    bytes[0] = 0x8f;
    bytes[1] = i % 2 === 0 ? 205 : 206;
    bytes.writeUInt16BE(Math.max(0, Math.floor(bytes.length / 4) - 1), 2);
    estimator.onRtcp(bytes, i * 1000);
  }
  assert.ok(estimator.bitrateBps >= 150_000 && estimator.bitrateBps <= 200_000_000);
});

test('what is sent little of is not proven; what has arrived is, within a second or two', () => {
  const link = new Link(400_000);
  link.run(10, 3_000_000);
  const { estimator } = link;
  assert.ok(estimator.bitrateBps < 500_000, `${estimator.bitrateBps}`);
  link.capacityBps = 10_000_000;
  link.run(5, 150_000);
  assert.equal(estimator.isUnproven, true);
  // Half as much again as what arrived last when the way was full.
  assert.ok(estimator.bitrateBps < 610_000, `${estimator.bitrateBps}`);
  link.heeds = false;
  link.run(2, 2_000_000);
  assert.ok(estimator.bitrateBps > 1_700_000, `${estimator.bitrateBps}`);
});

test('more than the way carries is not proven by sending it', () => {
  const link = new Link(500_000);
  link.heeds = false;
  link.run(10, 800_000);
  assert.ok(link.estimator.bitrateBps < 560_000, `${link.estimator.bitrateBps}`);
});

test('a bound of REMB is what the player has seen so far', () => {
  const estimator = new BandwidthEstimator();
  assert.equal(estimator.isUnproven, false);
  estimator.onRtcp(serializeRemb(1, 300_000, [2]), 0);
  assert.equal(estimator.isUnproven, true);
});
