/**
 * Fan-out: walks the subscriptions of every feed that has new bytes and writes to each once. What a TCP write costs
 * does not depend on its size, so bytes wait for company, as long as the load asks and the policy allows:
 *
 *   interval = min(merge bound - half a picture's time, COST_SHARE * what a round of flushes costs)
 *
 * With ten players a round costs 0.1 ms and nobody waits; with thousands the interval rises to the bound. It is an
 * average: each flush goes with the picture that is nearest to its time, so that most pictures wait for nothing.
 * The clock decides only where no picture comes. A flush is cut into slices, so that ten thousand players cannot keep
 * publishers waiting. One of the two places that own timers.
 */
import type { Clock } from '../util/clock.ts';
import type { Feed } from './feed.ts';
import { FRAME_KEY } from './frame.ts';
import type { Subscription } from './subscription.ts';

/** Sending may take one part in this many of the time before bytes begin to wait. */
const COST_SHARE = 20;
const SLICE_US = 5000;
const RETRY_BLOCKED_MS = 50;
/** Reading the clock costs as much as a tenth of a write; ask it once per this many players. */
const CLOCK_EVERY = 16;

export class Pump {
  private readonly clock: Clock;
  private readonly onFault: (error: unknown) => void;
  private readonly due: Feed[] = [];
  private readonly waiting: Feed[] = [];
  private readonly blocked = new Set<Feed>();
  private immediate: NodeJS.Immediate | null = null;
  private timer: NodeJS.Timeout | null = null;
  private timerDueUs = 0;
  private retryTimer: NodeJS.Timeout | null = null;
  /** Sum of the usual flush costs of all feeds, microseconds. */
  private roundCostUs = 0;
  /** Totals for statistics. */
  flushes = 0;
  writes = 0;

  constructor(clock: Clock, onFault: (error: unknown) => void) {
    this.clock = clock;
    this.onFault = onFault;
  }

  /** Called after every append, `isPicture` for video: decides when this feed is flushed. */
  notify(feed: Feed, isPicture: boolean): void {
    if (feed.subscriptions.length === 0) return;
    const full = feed.pendingBytes >= feed.limits.mergeBytes;
    if (feed.queued) {
      if (this.waiting.length === 0 || !(full || isPicture)) return;
      if (full || this.isNearest(feed, this.clock.nowUs())) this.promote(feed);
      return;
    }
    feed.queued = true;
    const nowUs = this.clock.nowUs();
    const dueUs = this.dueTime(feed);
    if (full || dueUs <= nowUs || (isPicture && this.isNearest(feed, nowUs))) {
      this.due.push(feed);
      this.wake();
    } else {
      this.waiting.push(feed);
      this.arm(dueUs, nowUs);
    }
  }

  private interval(feed: Feed): number {
    const longest = Math.max(0, feed.limits.mergeUs - feed.pictureGapUs / 2);
    return Math.min(longest, this.roundCostUs * COST_SHARE);
  }

  /** When the clock flushes this feed, picture or not. */
  private dueTime(feed: Feed): number {
    const interval = this.interval(feed);
    const slack = interval < feed.pictureGapUs / 2 ? 0 : feed.pictureGapUs / 2;
    return Math.min(feed.rhythmUs + interval + slack, feed.lastFlushUs + feed.limits.mergeUs);
  }

  /** A picture has come and the next one would be further from the flush's time. */
  private isNearest(feed: Feed, nowUs: number): boolean {
    return nowUs >= feed.rhythmUs + this.interval(feed) - feed.pictureGapUs / 2;
  }

  /** The rhythm goes on from where it should be, not from where the last picture put it. */
  private advanceRhythm(feed: Feed, nowUs: number): void {
    const slack = feed.pictureGapUs / 2;
    const next = feed.rhythmUs + this.interval(feed);
    feed.rhythmUs = Math.min(Math.max(next, nowUs - slack), nowUs + slack);
  }

  /** A player joined: it gets its start now, alone, without waiting for anybody's flush. */
  join(subscription: Subscription): void {
    this.serve(subscription, subscription.feed.chunks.head, this.clock.nowUs());
    subscription.feed.forgetRun();
  }

  /** Sends all that is pending of a feed that ends. */
  finish(feed: Feed): void {
    this.flush(feed, false);
  }

  forget(feed: Feed): void {
    this.roundCostUs = Math.max(0, this.roundCostUs - feed.flushCostUs);
    feed.flushCostUs = 0;
    feed.ended = true;
    remove(this.due, feed);
    remove(this.waiting, feed);
    this.blocked.delete(feed);
  }

  stop(): void {
    if (this.immediate !== null) clearImmediate(this.immediate);
    if (this.timer !== null) clearTimeout(this.timer);
    if (this.retryTimer !== null) clearTimeout(this.retryTimer);
    this.immediate = this.timer = this.retryTimer = null;
  }

  private promote(feed: Feed): void {
    const at = this.waiting.indexOf(feed);
    if (at < 0) return;
    this.waiting.splice(at, 1);
    this.due.push(feed);
    this.wake();
  }

  private wake(): void {
    this.immediate ??= setImmediate(() => {
      this.immediate = null;
      this.runDue();
    });
  }

  private arm(dueUs: number, nowUs: number): void {
    if (this.timer !== null) {
      if (this.timerDueUs <= dueUs) return;
      clearTimeout(this.timer);
    }
    this.timerDueUs = dueUs;
    this.timer = setTimeout(() => this.onTimer(), Math.max(1, Math.round((dueUs - nowUs) / 1000)));
  }

  private onTimer(): void {
    this.timer = null;
    const nowUs = this.clock.nowUs();
    let nextUs = Number.POSITIVE_INFINITY;
    for (let i = this.waiting.length - 1; i >= 0; i--) {
      const feed = this.waiting[i]!;
      const dueUs = this.dueTime(feed);
      if (dueUs <= nowUs + 500) {
        this.waiting.splice(i, 1);
        this.due.push(feed);
      } else if (dueUs < nextUs) nextUs = dueUs;
    }
    if (this.waiting.length > 0) this.arm(nextUs, nowUs);
    this.runDue();
  }

  /** Flushes what is due, for one slice; the rest goes on in the next turn of the event loop. */
  private runDue(): void {
    const startUs = this.clock.nowUs();
    while (this.due.length > 0) {
      const feed = this.due[0]!;
      if (!this.flush(feed, true, startUs)) break;
      remove(this.due, feed);
      if (this.clock.nowUs() - startUs > SLICE_US) break;
    }
    if (this.due.length > 0) this.wake();
  }

  /** False when the slice was used up before everybody was served. */
  private flush(feed: Feed, sliced: boolean, sliceStartUs = 0): boolean {
    const startUs = this.clock.nowUs();
    let nowUs = startUs;
    if (feed.resumeAt < 0) {
      feed.flushStartUs = startUs;
      this.advanceRhythm(feed, startUs);
      feed.flushCostNowUs = 0;
      feed.flushedTo = feed.chunks.head;
      feed.pendingBytes = 0;
      feed.resumeAt = feed.subscriptions.length - 1;
    }
    const { subscriptions } = feed;
    const to = feed.flushedTo;
    // Backwards, so that a subscription that closes while it is served disturbs nothing.
    let i = Math.min(feed.resumeAt, subscriptions.length - 1);
    for (; i >= 0; i--) {
      const subscription = subscriptions[i];
      if (subscription !== undefined) this.serve(subscription, to, nowUs);
      if (i % CLOCK_EVERY === 0) {
        nowUs = this.clock.nowUs();
        if (sliced && i > 0 && nowUs - sliceStartUs > SLICE_US) {
          feed.resumeAt = i - 1;
          feed.flushCostNowUs += nowUs - startUs;
          return false;
        }
      }
    }
    feed.resumeAt = -1;
    feed.forgetRun();
    this.account(feed, feed.flushCostNowUs + nowUs - startUs);
    // What arrived while a long flush ran is a flush of its own.
    feed.queued = false;
    this.flushes++;
    if (feed.chunks.head > to && !feed.ended) this.notify(feed, false);
    return true;
  }

  private account(feed: Feed, costUs: number): void {
    feed.lastFlushUs = feed.flushStartUs;
    const smoothed = feed.flushCostUs === 0 ? costUs : feed.flushCostUs + (costUs - feed.flushCostUs) / 8;
    this.roundCostUs = Math.max(0, this.roundCostUs + smoothed - feed.flushCostUs);
    feed.flushCostUs = smoothed;
  }

  private serve(subscription: Subscription, to: number, nowUs: number): void {
    if (subscription.closed || subscription.paused) return;
    try {
      this.send(subscription, to, nowUs);
    } catch (error) {
      this.onFault(error);
      subscription.end('The server had an internal fault while sending.');
    }
  }

  private send(subscription: Subscription, to: number, nowUs: number): void {
    const { feed, sink } = subscription;
    if (subscription.cursor >= to) return;
    if (!sink.writable()) {
      this.onBlocked(subscription, nowUs);
      return;
    }
    subscription.blockedSinceUs = 0;
    if (subscription.cursor < 0) {
      if (!this.startAt(subscription, to)) return;
    } else if (this.isTooSlow(subscription)) this.jump(subscription);
    while (subscription.cursor < to) {
      const views = feed.run(subscription.cursor, to);
      subscription.cursor = feed.runEnd;
      for (let i = 0; i < views.length; i++) {
        const view = views[i]!;
        subscription.bytesSent += view.length;
        this.writes++;
        sink.write(view);
      }
      if (subscription.closed) return;
      if (subscription.cursor < to && !sink.writable()) {
        this.onBlocked(subscription, nowUs);
        return;
      }
    }
  }

  private startAt(subscription: Subscription, to: number): boolean {
    const point = subscription.feed.latestPoint;
    if (point < 0 || point >= to || point < subscription.notBefore) return false;
    this.sendPrologue(subscription, point);
    subscription.cursor = point;
    return true;
  }

  private sendPrologue(subscription: Subscription, position: number): void {
    const prologue = subscription.feed.prologueAt(position);
    if (prologue.length === 0) return;
    subscription.bytesSent += prologue.length;
    subscription.sink.write(prologue);
  }

  private isTooSlow(subscription: Subscription): boolean {
    const { feed, cursor } = subscription;
    return (
      cursor < feed.chunks.tail || (feed.latestPoint > cursor && subscription.lagUs > feed.limits.queueUs)
    );
  }

  /** Skips to the newest random access point; what lies between is lost for this player and counted. */
  private jump(subscription: Subscription): void {
    const { feed } = subscription;
    const point = feed.latestPoint;
    const target = point > subscription.cursor ? point : this.nextPointOrTail(feed, subscription.cursor);
    subscription.chunksDropped += target - subscription.cursor;
    subscription.jumps++;
    subscription.cursor = target;
  }

  private nextPointOrTail(feed: Feed, cursor: number): number {
    let position = Math.max(cursor, feed.chunks.tail);
    while (position < feed.chunks.head && (feed.chunks.at(position).flags & FRAME_KEY) === 0) position++;
    return position;
  }

  private onBlocked(subscription: Subscription, nowUs: number): void {
    const { feed } = subscription;
    if (subscription.blockedSinceUs === 0) subscription.blockedSinceUs = nowUs;
    if (nowUs - subscription.blockedSinceUs > feed.limits.stallUs) {
      const seconds = Math.round(feed.limits.stallUs / 1_000_000);
      subscription.end(`The player took nothing for ${seconds} s (play stall in policy.xml).`);
      return;
    }
    this.blocked.add(feed);
    this.retryTimer ??= setTimeout(() => this.retryBlocked(), RETRY_BLOCKED_MS);
  }

  /** Players whose sockets were full get what they miss even when nothing new arrives. */
  private retryBlocked(): void {
    this.retryTimer = null;
    const feeds = [...this.blocked];
    this.blocked.clear();
    const nowUs = this.clock.nowUs();
    for (const feed of feeds) {
      if (feed.ended) continue;
      for (let i = feed.subscriptions.length - 1; i >= 0; i--) {
        const subscription = feed.subscriptions[i];
        if (subscription !== undefined && subscription.blockedSinceUs > 0)
          this.serve(subscription, feed.flushedTo, nowUs);
      }
      feed.forgetRun();
    }
  }
}

function remove(list: Feed[], feed: Feed): void {
  const at = list.indexOf(feed);
  if (at >= 0) list.splice(at, 1);
}
