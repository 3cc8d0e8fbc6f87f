/**
 * Name -> Stream. Publishing and subscribing go through here: admission (injected, asynchronous), the lease of a
 * name, grace after a lost publisher, players that wait for a stream, sources that start with the first player.
 * Every path that ends a publisher ends in `release`, so a name can never stay busy.
 */
import type { Clock } from '../util/clock.ts';
import { InvariantError, RejectedError } from '../util/errors.ts';
import type { TickWheel, Timeout } from '../util/tick-wheel.ts';
import type { Feed, FeedFormat, FeedLimits } from './feed.ts';
import { Publication, type PublicationOwner } from './publication.ts';
import type { Pump } from './pump.ts';
import type { Sink } from './sink.ts';
import { type FrameConsumer, type GopLimits, Stream } from './stream.ts';
import type { StreamKey } from './stream-key.ts';
import { type StartRule, Subscription } from './subscription.ts';
import { type JitterMode, Timeline } from './timeline.ts';

/** What the policy says about one stream, as far as media needs it. */
export interface StreamRules {
  readonly busy: 'refuse' | 'takeover';
  readonly graceMs: number;
  readonly jitter: JitterMode;
  readonly absoluteTime: boolean;
  readonly gop: GopLimits;
  readonly feed: FeedLimits;
}

/** Starts what an on-demand stream is fed by; `stop` is called some seconds after the last player left. */
export interface OnDemandSource {
  /** One line for lists: `built-in test channel`. */
  readonly description: string;
  start(key: StreamKey): void;
  stop(): void;
}

export interface HubEvents {
  onPublish(stream: Stream, owner: PublicationOwner): void;
  onUnpublish(stream: Stream, owner: PublicationOwner, reason: string): void;
  onClosed(stream: Stream): void;
}

interface Entry {
  readonly stream: Stream;
  readonly rules: StreamRules;
  publication: Publication | null;
  timeout: Timeout | null;
  onDemand: OnDemandSource | null;
  onDemandStop: Timeout | null;
  /** Who waits for a publisher, each with its own patience. */
  readonly waiting: Map<Subscription | FrameConsumer, Timeout>;
  feedClosings: Map<Feed, Timeout>;
}

/** Viewers and consumers that wait for one stream. */
export const MAX_WAITING = 1000;
const FEED_KEPT_MS = 5000;
const ON_DEMAND_KEPT_MS = 10_000;

export class StreamHub {
  readonly pump: Pump;
  private readonly clock: Clock;
  private readonly tick: TickWheel;
  private readonly rulesFor: (key: StreamKey, host: string) => StreamRules;
  private readonly entries = new Map<string, Entry>();
  private readonly sources = new Map<string, OnDemandSource>();
  private readonly listeners: HubEvents[] = [];
  private closing = false;

  constructor(
    pump: Pump,
    clock: Clock,
    tick: TickWheel,
    rulesFor: (key: StreamKey, host: string) => StreamRules,
  ) {
    this.pump = pump;
    this.clock = clock;
    this.tick = tick;
    this.rulesFor = rulesFor;
  }

  /** Nothing new is accepted any more. */
  get isClosing(): boolean {
    return this.closing;
  }

  addListener(events: HubEvents): void {
    this.listeners.push(events);
  }

  streams(): Stream[] {
    return [...this.entries.values()].map((entry) => entry.stream);
  }

  find(text: string): Stream | undefined {
    return this.entries.get(text)?.stream;
  }

  publisherOf(stream: Stream): PublicationOwner | null {
    return this.entries.get(stream.key.text)?.publication?.owner ?? null;
  }

  /** On-demand streams by name, whether they run or not. */
  onDemandStreams(): ReadonlyMap<string, OnDemandSource> {
    return this.sources;
  }

  registerOnDemand(key: StreamKey, source: OnDemandSource): void {
    this.sources.set(key.text, source);
  }

  unregisterOnDemand(key: StreamKey): void {
    this.sources.delete(key.text);
  }

  /** Takes the lease of a name. Throws RejectedError when it is busy or the server is closing. */
  publish(key: StreamKey, owner: PublicationOwner): Publication {
    if (this.closing) throw new RejectedError('shutting-down', 'The server is shutting down.');
    let entry = this.entries.get(key.text);
    const holder = entry?.publication;
    if (entry !== undefined && holder) {
      const rules = this.rulesFor(key, owner.host);
      if (rules.busy === 'refuse') {
        throw new RejectedError(
          'busy',
          `${key.text} is already being published by ${holder.owner.remote} (${holder.owner.protocol}, session ${holder.owner.id}).`,
        );
      }
      holder.end('replaced by another publisher');
      holder.owner.revoke(`Another publisher (${owner.remote}) took over ${key.text}.`);
      entry = this.entries.get(key.text);
    }
    entry ??= this.addEntry(key, owner.host);
    this.cancelTimeout(entry);
    this.endWaiting(entry);
    const { stream } = entry;
    const publication = new Publication(stream, owner, this.clock, (ended, reason) =>
      this.release(ended, reason),
    );
    entry.publication = publication;
    stream.resetTracks();
    stream.timeline.begin();
    stream.state = 'live';
    stream.liveSinceMs = this.clock.wallUs() / 1000;
    try {
      for (const listener of this.listeners) listener.onPublish(stream, owner);
    } catch (error) {
      // A fault of ours must not keep the name busy.
      publication.end('a fault of the server');
      throw error;
    }
    return publication;
  }

  private release(publication: Publication, reason: string): void {
    const entry = this.entries.get(publication.stream.key.text);
    if (entry === undefined || entry.publication !== publication) {
      throw new InvariantError(
        `lease of ${publication.stream.key.text} was not held by the session that ends it`,
      );
    }
    entry.publication = null;
    const { stream } = entry;
    stream.pause();
    try {
      for (const listener of this.listeners) listener.onUnpublish(stream, publication.owner, reason);
    } finally {
      this.linger(entry, reason);
    }
  }

  /** Players wait for the publisher to come back, where there is a grace. */
  private linger(entry: Entry, reason: string): void {
    const { stream, rules } = entry;
    if (this.closing || rules.graceMs === 0 || entry.onDemand !== null) {
      this.closeEntry(entry, this.closing ? reason : `The publisher of ${stream.key.text} is gone.`);
      return;
    }
    entry.timeout = this.tick.after(rules.graceMs, () => {
      this.closeEntry(entry, `The publisher of ${stream.key.text} did not come back.`);
    });
  }

  /**
   * Attaches a player. A stream that nobody publishes yet is waited for up to `waitMs`; 0 refuses at once with
   * RejectedError('not-found').
   */
  subscribe(key: StreamKey, format: FeedFormat, sink: Sink, start: StartRule, waitMs: number): Subscription {
    const entry = this.enter(key, waitMs);
    const { stream } = entry;
    const feed = stream.openFeed(format, entry.rules.feed);
    entry.feedClosings.get(feed)?.cancel();
    entry.feedClosings.delete(feed);
    const subscription = new Subscription(feed, sink, start, (closed) => this.unsubscribe(entry, closed));
    feed.subscriptions.push(subscription);
    this.hold(entry, subscription, waitMs, (reason) => subscription.end(reason));
    this.pump.join(subscription);
    return subscription;
  }

  /** Attaches something that wants frames (a segmenter); the returned function detaches it. */
  consume(key: StreamKey, consumer: FrameConsumer, waitMs: number): { stream: Stream; detach: () => void } {
    const entry = this.enter(key, waitMs);
    const { stream } = entry;
    stream.addConsumer(consumer);
    const detach = () => {
      this.letGo(entry, consumer);
      stream.removeConsumer(consumer);
      this.afterLeave(entry);
    };
    this.hold(entry, consumer, waitMs, (reason) => {
      detach();
      consumer.onEnd(reason);
    });
    return { stream, detach };
  }

  private enter(key: StreamKey, waitMs: number): Entry {
    if (this.closing) throw new RejectedError('shutting-down', 'The server is shutting down.');
    let entry = this.entries.get(key.text);
    if (entry !== undefined && entry.stream.state !== 'idle') {
      entry.onDemandStop?.cancel();
      return entry;
    }
    const source = this.sources.get(key.text);
    if (source !== undefined && (entry === undefined || entry.publication === null)) {
      entry ??= this.addEntry(key);
      entry.onDemand = source;
      source.start(key);
      return entry;
    }
    if (waitMs === 0) throw new RejectedError('not-found', `Nobody publishes ${key.text} now.`);
    if (entry !== undefined && entry.waiting.size >= MAX_WAITING)
      throw new RejectedError('limit', `Nobody publishes ${key.text} now, and too many wait for it already.`);
    return entry ?? this.addEntry(key);
  }

  /** Where nobody publishes: ends what waits when its time is over. */
  private hold(
    entry: Entry,
    who: Subscription | FrameConsumer,
    waitMs: number,
    giveUp: (reason: string) => void,
  ): void {
    if (entry.stream.state !== 'idle' || entry.onDemand !== null) return;
    const timeout = this.tick.after(waitMs, () => {
      entry.waiting.delete(who);
      giveUp(`Nobody publishes ${entry.stream.key.text} now.`);
    });
    entry.waiting.set(who, timeout);
  }

  private letGo(entry: Entry, who: Subscription | FrameConsumer): void {
    entry.waiting.get(who)?.cancel();
    entry.waiting.delete(who);
  }

  private endWaiting(entry: Entry): void {
    for (const timeout of entry.waiting.values()) timeout.cancel();
    entry.waiting.clear();
  }

  private unsubscribe(entry: Entry, subscription: Subscription): void {
    const { feed } = subscription;
    this.letGo(entry, subscription);
    const at = feed.subscriptions.indexOf(subscription);
    if (at >= 0) feed.subscriptions.splice(at, 1);
    entry.stream.statistics.bytesOutClosed += subscription.bytesSent;
    if (feed.ended || entry.stream.state === 'closed') return;
    if (feed.subscriptions.length === 0 && !entry.feedClosings.has(feed)) {
      // The next player often comes within seconds; a feed costs little while it is kept.
      const closing = this.tick.after(FEED_KEPT_MS, () => {
        entry.feedClosings.delete(feed);
        if (feed.subscriptions.length === 0) entry.stream.closeFeed(feed);
      });
      entry.feedClosings.set(feed, closing);
    }
    this.afterLeave(entry);
  }

  private afterLeave(entry: Entry): void {
    const { stream } = entry;
    if (stream.playerCount > 0 || stream.consumerCount > 0) return;
    if (stream.state === 'idle') {
      this.closeEntry(entry, 'The last waiting player left.');
      return;
    }
    if (entry.onDemand === null) return;
    entry.onDemandStop?.cancel();
    entry.onDemandStop = this.tick.after(ON_DEMAND_KEPT_MS, () => {
      if (stream.playerCount === 0 && stream.consumerCount === 0) entry.onDemand?.stop();
    });
  }

  private addEntry(key: StreamKey, host = ''): Entry {
    const rules = this.rulesFor(key, host);
    const timeline = new Timeline(rules.jitter, rules.absoluteTime);
    const entry: Entry = {
      stream: new Stream(key, rules.gop, timeline, this.pump),
      rules,
      publication: null,
      timeout: null,
      onDemand: null,
      onDemandStop: null,
      waiting: new Map(),
      feedClosings: new Map(),
    };
    this.entries.set(key.text, entry);
    return entry;
  }

  private cancelTimeout(entry: Entry): void {
    entry.timeout?.cancel();
    entry.timeout = null;
  }

  private closeEntry(entry: Entry, reason: string): void {
    this.cancelTimeout(entry);
    this.endWaiting(entry);
    entry.onDemandStop?.cancel();
    for (const closing of entry.feedClosings.values()) closing.cancel();
    entry.feedClosings.clear();
    this.entries.delete(entry.stream.key.text);
    entry.stream.close(reason, this.clock.nowUs());
    for (const listener of this.listeners) listener.onClosed(entry.stream);
  }

  /** Ends everybody, publishers first; nothing new is accepted afterwards. */
  close(reason: string): void {
    this.closing = true;
    for (const entry of [...this.entries.values()]) {
      const holder = entry.publication;
      if (holder !== null) {
        holder.end(reason);
        holder.owner.revoke(reason);
      } else this.closeEntry(entry, reason);
    }
  }
}
