/**
 * How much the way to a player carries, from what the player tells of the packets: delay that grows means a queue, loss
 * means a full one. Trend of the one-way delay with an adaptive threshold, increase and decrease as in
 * draft-ietf-rmcat-gcc-02 sections 4 and 5 on the sender's side; REMB of a player is an upper bound.
 * Leaves out: probing with packets of padding. What is never sent is never proven (`isUnproven`).
 */
import { parseRemb } from '../../wire/rtp/remb.ts';
import { TransportFeedback } from '../../wire/rtp/transport-feedback.ts';
import type { TransportNumbers } from './send-track.ts';

const START_BPS = 5_000_000;
const MIN_BPS = 150_000;
const MAX_BPS = 200_000_000;
/** Packets whose feedback may still come, a power of two. */
const SENT_PACKETS = 4096;
/** Packets sent within this time are one group: they leave in a burst. */
const GROUP_US = 5000;
const TREND_GROUPS = 20;
const SMOOTHING = 0.9;
const TREND_GAIN = 4;
const MAX_TREND_COUNT = 60;
const START_THRESHOLD_MS = 12.5;
const MIN_THRESHOLD_MS = 6;
const MAX_THRESHOLD_MS = 600;
const OVERUSE_US = 10_000;
const DECREASE = 0.85;
const INCREASE_PER_S = 0.08;
/** The estimate is no further above what was received than this. */
const MAX_LEAD = 1.5;
/** Near enough to that bound to be held by it. */
const NEAR = 0.9;
const DECREASE_GAP_US = 300_000;
const HIGH_LOSS = 0.1;
/** Of many packets: more than radio loses. */
const GREAT_LOSS = 0.25;
const LOSS_SMOOTHING = 0.8;
/** Packets that wait this long on their way wait in a queue that is too long. */
const LONG_QUEUE_US = 400_000;
/** Longer than any queue. */
const MAX_QUEUE_US = 4_000_000;
/** A sender that holds back takes a queue that is shorter than this for its own bursts. */
const SHORT_QUEUE_US = 80_000;
/** How far clocks may drift apart, as a share of the time. */
const DRIFT = 0.0005;
/** A sender that holds back for the estimate gets more sooner, when it has not been too much for so long. */
const CALM_US = 2_000_000;
const CALM_INCREASE_PER_S = 0.25;
const RATE_WINDOW_US = 500_000;
const PROVEN_WINDOWS = 3;
/** What the way carried lately, over pauses of the sender; it is forgotten by this share with each window. */
const FORGETTING = 0.05;

/** Slope of the smoothed delay over the latest groups of packets. */
class DelayTrend {
  private readonly times: number[] = [];
  private readonly delays: number[] = [];
  private accumulatedMs = 0;
  private smoothedMs = 0;
  private groups = 0;
  private firstUs = Number.NaN;

  /** `deltaMs`: how much more time lay between two groups at arrival than at sending. Returns the trend in ms. */
  add(deltaMs: number, arrivalUs: number): number {
    if (Number.isNaN(this.firstUs)) this.firstUs = arrivalUs;
    this.groups = Math.min(this.groups + 1, 1000);
    this.accumulatedMs += deltaMs;
    this.smoothedMs = SMOOTHING * this.smoothedMs + (1 - SMOOTHING) * this.accumulatedMs;
    this.times.push((arrivalUs - this.firstUs) / 1000);
    this.delays.push(this.smoothedMs);
    if (this.times.length > TREND_GROUPS) {
      this.times.shift();
      this.delays.shift();
    }
    if (this.times.length < TREND_GROUPS) return 0;
    return Math.min(this.groups, MAX_TREND_COUNT) * this.slope() * TREND_GAIN;
  }

  private slope(): number {
    const { times, delays } = this;
    let timeSum = 0;
    let delaySum = 0;
    for (let i = 0; i < TREND_GROUPS; i++) {
      timeSum += times[i]!;
      delaySum += delays[i]!;
    }
    const meanTime = timeSum / TREND_GROUPS;
    const meanDelay = delaySum / TREND_GROUPS;
    let above = 0;
    let below = 0;
    for (let i = 0; i < TREND_GROUPS; i++) {
      above += (times[i]! - meanTime) * (delays[i]! - meanDelay);
      below += (times[i]! - meanTime) ** 2;
    }
    return below === 0 ? 0 : above / below;
  }
}

export class BandwidthEstimator implements TransportNumbers {
  /** Bits per second. */
  bitrateBps = START_BPS;
  /** Of what arrived lately. */
  receivedBps = 0;
  /** Packets were lost or waited because more was sent than the way carries. Whoever sends less says when that is over. */
  isFull = false;
  /** Shortest time on the way, by two clocks that know nothing of each other; NaN = not known. */
  private shortestUs = Number.NaN;
  private shortestAtUs = 0;
  private carriedBps = 0;
  private queueUs = 0;
  /** Since loss was judged last. */
  private longestQueueUs = 0;
  private smoothLoss = 0;
  private readonly feedback = new TransportFeedback();
  private readonly trend = new DelayTrend();
  private readonly sentUs = new Float64Array(SENT_PACKETS);
  private readonly sentBytes = new Uint32Array(SENT_PACKETS);
  private readonly sentNumber = new Int32Array(SENT_PACKETS).fill(-1);
  private nextNumber = 0;
  private limitBps = MAX_BPS;
  private thresholdMs = START_THRESHOLD_MS;
  private overuseSinceUs = Number.NaN;
  private lastTrend = 0;
  private lastTrendUs = 0;
  private lastDecreaseUs = Number.NEGATIVE_INFINITY;
  private lastIncreaseUs = Number.NaN;
  private groupSentUs = Number.NaN;
  private groupLastSentUs = 0;
  private groupArrivalUs = 0;
  private beforeSentUs = Number.NaN;
  private beforeArrivalUs = 0;
  private windowStartUs = Number.NaN;
  private windowBytes = 0;
  /** Windows that ended since the latest decrease. */
  private windows = 0;
  private lossPackets = 0;
  private lossLost = 0;

  next(bytes: number, nowUs: number): number {
    const number = this.nextNumber;
    this.nextNumber = (number + 1) & 0xffff;
    const slot = number & (SENT_PACKETS - 1);
    this.sentNumber[slot] = number;
    this.sentUs[slot] = nowUs;
    this.sentBytes[slot] = bytes;
    return number;
  }

  /** A compound packet of the player. */
  onRtcp(compound: Uint8Array, nowUs: number): void {
    for (let at = 0; at + 4 <= compound.length; ) {
      const end = at + 4 + ((compound[at + 2]! << 8) | compound[at + 3]!) * 4;
      if (end > compound.length) return;
      const packet = compound.subarray(at, end);
      if (this.feedback.parse(packet)) this.takeFeedback(nowUs);
      else {
        const remb = parseRemb(packet);
        if (remb >= 0) this.limit(remb);
      }
      at = end;
    }
  }

  private limit(remb: number): void {
    this.limitBps = Math.max(MIN_BPS, remb);
    this.bitrateBps = Math.min(this.bitrateBps, this.limitBps);
  }

  /** Nothing speaks against more than the estimate, but no more is being sent (or the player, by REMB, sees no more). */
  get isUnproven(): boolean {
    if (!Number.isNaN(this.overuseSinceUs)) return false;
    const isAtLead = this.receivedBps > 0 && this.bitrateBps >= this.receivedBps * MAX_LEAD * NEAR;
    return isAtLead || this.bitrateBps >= this.limitBps;
  }

  /** For players that tell nothing else: the share of packets lost since the last report. */
  onLoss(share: number, nowUs: number): void {
    this.loses(share, false, nowUs);
    if (share < HIGH_LOSS / 5) this.increase(Number.POSITIVE_INFINITY, nowUs);
  }

  private takeFeedback(nowUs: number): void {
    const { feedback } = this;
    for (let i = 0; i < feedback.count; i++) {
      const number = (feedback.baseSequence + i) & 0xffff;
      const slot = number & (SENT_PACKETS - 1);
      if (this.sentNumber[slot] !== number) continue;
      const arrivalUs = feedback.arrivalUs[i]!;
      this.lossPackets++;
      if (Number.isNaN(arrivalUs)) {
        this.lossLost++;
        continue;
      }
      this.sentNumber[slot] = -1;
      this.count(this.sentBytes[slot]!, arrivalUs);
      this.judgeQueue(arrivalUs - this.sentUs[slot]!, nowUs);
      this.group(this.sentUs[slot]!, arrivalUs, nowUs);
    }
    this.judgeLoss(nowUs);
    if (!Number.isNaN(this.overuseSinceUs)) return;
    // What has arrived since the way was full last is proven.
    if (this.windows >= PROVEN_WINDOWS)
      this.bitrateBps = Math.max(this.bitrateBps, Math.min(this.receivedBps, this.limitBps));
    this.increase(this.receivedBps * MAX_LEAD, nowUs);
  }

  private count(bytes: number, arrivalUs: number): void {
    if (Number.isNaN(this.windowStartUs)) this.windowStartUs = arrivalUs;
    this.windowBytes += bytes;
    const passedUs = arrivalUs - this.windowStartUs;
    if (passedUs < RATE_WINDOW_US) return;
    const bps = (this.windowBytes * 8_000_000) / passedUs;
    this.receivedBps = this.receivedBps === 0 ? bps : (this.receivedBps + bps) / 2;
    this.carriedBps = Math.max(bps, this.carriedBps * (1 - FORGETTING));
    this.windows++;
    this.windowStartUs = arrivalUs;
    this.windowBytes = 0;
  }

  private judgeQueue(onWayUs: number, nowUs: number): void {
    const shortestUs = this.shortestUs + (nowUs - this.shortestAtUs) * DRIFT;
    const queueUs = onWayUs - shortestUs;
    // The first packet, the shortest way so far, or a clock that jumped.
    if (!(queueUs > 0 && queueUs < MAX_QUEUE_US)) {
      this.shortestUs = onWayUs;
      this.shortestAtUs = nowUs;
      this.queueUs = 0;
      return;
    }
    this.queueUs = queueUs;
    this.longestQueueUs = Math.max(this.longestQueueUs, queueUs);
    if (queueUs > LONG_QUEUE_US) this.isFull = true;
  }

  private group(sentUs: number, arrivalUs: number, nowUs: number): void {
    if (Number.isNaN(this.groupSentUs) || sentUs - this.groupSentUs > GROUP_US) {
      if (!Number.isNaN(this.groupSentUs)) this.closeGroup(nowUs);
      this.groupSentUs = sentUs;
    }
    this.groupLastSentUs = Math.max(sentUs, this.groupSentUs);
    this.groupArrivalUs = arrivalUs;
  }

  private closeGroup(nowUs: number): void {
    if (!Number.isNaN(this.beforeSentUs)) {
      const arrivedUs = this.groupArrivalUs - this.beforeArrivalUs;
      const deltaMs = (arrivedUs - (this.groupLastSentUs - this.beforeSentUs)) / 1000;
      // A clock that jumped, or feedback of long ago.
      if (Math.abs(deltaMs) < 3000) this.judgeDelay(this.trend.add(deltaMs, this.groupArrivalUs), nowUs);
    }
    this.beforeSentUs = this.groupLastSentUs;
    this.beforeArrivalUs = this.groupArrivalUs;
  }

  private judgeDelay(trendMs: number, nowUs: number): void {
    if (trendMs > this.thresholdMs) {
      if (Number.isNaN(this.overuseSinceUs)) this.overuseSinceUs = nowUs;
      const lasts = nowUs - this.overuseSinceUs >= OVERUSE_US;
      const isQueue = !this.isFull || this.queueUs > SHORT_QUEUE_US;
      if (isQueue && lasts && trendMs >= this.lastTrend && this.receivedBps > 0)
        this.decrease((this.isFull ? this.carriedBps : this.receivedBps) * DECREASE, nowUs);
    } else {
      this.overuseSinceUs = Number.NaN;
    }
    this.adapt(trendMs, nowUs);
    this.lastTrend = trendMs;
  }

  /** The threshold follows the trend slowly, so that other traffic does not starve this one. */
  private adapt(trendMs: number, nowUs: number): void {
    const passedMs = Math.min(100, Math.max(0, (nowUs - this.lastTrendUs) / 1000));
    this.lastTrendUs = nowUs;
    const size = Math.abs(trendMs);
    if (size > this.thresholdMs + 15) return;
    const gain = size < this.thresholdMs ? 0.039 : 0.0087;
    const next = this.thresholdMs + gain * (size - this.thresholdMs) * passedMs;
    this.thresholdMs = Math.min(MAX_THRESHOLD_MS, Math.max(MIN_THRESHOLD_MS, next));
  }

  private judgeLoss(nowUs: number): void {
    if (this.lossPackets < 20) return;
    const share = this.lossLost / this.lossPackets;
    this.lossPackets = 0;
    this.lossLost = 0;
    const hadQueue = this.longestQueueUs > SHORT_QUEUE_US;
    this.longestQueueUs = 0;
    this.loses(share, hadQueue, nowUs);
  }

  /** Loss without a queue is no sign that the way is full, unless it is great: then it has no room to wait in. */
  private loses(share: number, hadQueue: boolean, nowUs: number): void {
    this.smoothLoss = LOSS_SMOOTHING * this.smoothLoss + (1 - LOSS_SMOOTHING) * share;
    if (this.smoothLoss > GREAT_LOSS || (share > HIGH_LOSS && hadQueue)) this.isFull = true;
    if (share <= HIGH_LOSS) return;
    // What arrives all the same is what the way carries.
    this.decrease(Math.max(this.bitrateBps * (1 - share / 2), this.receivedBps * DECREASE), nowUs);
  }

  private decrease(toBps: number, nowUs: number): void {
    if (nowUs - this.lastDecreaseUs < DECREASE_GAP_US) return;
    this.lastDecreaseUs = nowUs;
    this.lastIncreaseUs = nowUs;
    this.windows = 0;
    this.bitrateBps = Math.max(MIN_BPS, Math.min(this.bitrateBps, toBps));
  }

  private increase(atMostBps: number, nowUs: number): void {
    const passedS = Number.isNaN(this.lastIncreaseUs)
      ? 0
      : Math.min(1, (nowUs - this.lastIncreaseUs) / 1_000_000);
    this.lastIncreaseUs = nowUs;
    const isCalm = this.isFull && nowUs - this.lastDecreaseUs > CALM_US;
    const perS = isCalm ? CALM_INCREASE_PER_S : INCREASE_PER_S;
    const wanted = Math.min(this.bitrateBps * (1 + perS * passedS), MAX_BPS, this.limitBps);
    // What is below its bound may rise to it; what is above stays.
    if (this.bitrateBps < atMostBps) this.bitrateBps = Math.max(this.bitrateBps, Math.min(wanted, atMostBps));
  }
}
