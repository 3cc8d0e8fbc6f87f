/**
 * Name -> Stream. Publishing and subscribing go through here: admission (injected, asynchronous), the line-up of
 * publishers of a name, grace after a lost publisher, players that wait for a stream, sources that start with the first
 * player. Every path that ends a publisher ends in `release`, so a name can never stay busy.
 */
import type { Clock } from '../util/clock.ts';
import { InvariantError, RejectedError } from '../util/errors.ts';
import type { TickWheel, Timeout } from '../util/tick-wheel.ts';
import type { Feed, FeedFormat, FeedLimits } from './feed.ts';
import type { FrameConsumer } from './frame-consumer.ts';
import { Lineup, type LineupRules, type PublisherView } from './lineup.ts';
import { type OnDemandSource, OnDemandSources } from './on-demand.ts';
import { carrierOf, Publication, type PublicationOwner } from './publication.ts';
import type { Pump } from './pump.ts';
import type { Sink } from './sink.ts';
import { type GopLimits, Stream } from './stream.ts';
import { StreamAskers } from './stream-askers.ts';
import type { StreamKey } from './stream-key.ts';
import type { SoundRules } from './stream-sound.ts';
import { type StartRule, Subscription } from './subscription.ts';
import { type JitterMode, Timeline } from './timeline.ts';

/** What the policy says about one stream, as far as media needs it. */
export interface StreamRules {
  /** What a second publisher meets: `standby` lets it stand by. */
  readonly busy: 'refuse' | 'takeover' | 'standby';
  /** Without frames for this long the active publisher is left. */
  readonly failoverMs: number;
  /** How long a preferred publisher must have been steady to get the stream back; -1 = it does not. */
  readonly steadyMs: number;
  /** Place of a publisher by preference, 0 the first. */
  readonly rankOf: (owner: PublicationOwner) => number;
  readonly graceMs: number;
  readonly jitter: JitterMode;
  readonly absoluteTime: boolean;
  readonly gop: GopLimits;
  readonly feed: FeedLimits;
  readonly sound: SoundRules;
}

export interface HubEvents {
  onPublish(stream: Stream, owner: PublicationOwner): void;
  onUnpublish(stream: Stream, owner: PublicationOwner, reason: string): void;
  onClosed(stream: Stream): void;
  /** Another publisher goes on with the stream; told before onUnpublish and onPublish. `from` null: it had ended. */
  onSwitch?(stream: Stream, from: PublicationOwner | null, to: PublicationOwner, reason: string): void;
}

interface Entry {
  readonly stream: Stream;
  readonly rules: StreamRules;
  readonly lineup: Lineup;
  /** Publishers are ended to make room for another. */
  isReplaced: boolean;
  timeout: Timeout | null;
  onDemand: OnDemandSource | null;
  onDemandStop: Timeout | null;
  /** Who waits for a publisher, each with its own patience. */
  readonly waiting: Map<Subscription | FrameConsumer, Timeout>;
  feedClosings: Map<Feed, Timeout>;
}

/** Viewers and consumers that wait for one stream. */
export const MAX_WAITING = 1000;
/** Publishers of one name. */
export const MAX_PUBLISHERS = 16;
const FEED_KEPT_MS = 5000;
const ON_DEMAND_KEPT_MS = 10_000;

export class StreamHub {
  readonly pump: Pump;
  /** Other servers that asked for streams lately. */
  readonly askers: StreamAskers;
  private readonly clock: Clock;
  private readonly tick: TickWheel;
  private readonly rulesFor: (key: StreamKey, host: string) => StreamRules;
  private readonly entries = new Map<string, Entry>();
  private readonly sources = new OnDemandSources();
  private readonly listeners: HubEvents[] = [];
  private publications = 0;
  private closing = false;

  constructor(
    pump: Pump,
    clock: Clock,
    tick: TickWheel,
    rulesFor: (key: StreamKey, host: string) => StreamRules,
  ) {
    this.pump = pump;
    this.clock = clock;
    this.askers = new StreamAskers(clock);
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

  /** The active publisher. */
  publisherOf(stream: Stream): PublicationOwner | null {
    return this.entries.get(stream.key.text)?.lineup.active?.owner ?? null;
  }

  /** The active one first, then those that stand by in order of preference. */
  publishersOf(stream: Stream): PublisherView[] {
    return this.entries.get(stream.key.text)?.lineup.views(this.clock.nowUs()) ?? [];
  }

  /** Milliseconds since the stream's latest frame. */
  quietMs(stream: Stream): number {
    const lineup = this.entries.get(stream.key.text)?.lineup;
    return lineup === undefined ? 0 : (this.clock.nowUs() - lineup.quietSinceUs) / 1000;
  }

  /**
   * The publisher with this id takes over at its next key frame and is preferred from then on; '' = by preference
   * again. False when there is none.
   */
  choosePublisher(stream: Stream, id: string): boolean {
    const lineup = this.entries.get(stream.key.text)?.lineup;
    const chosen = lineup?.all().find(({ owner }) => owner.id === id);
    if (lineup === undefined || (chosen === undefined && id !== '')) return false;
    lineup.choose(chosen ?? null);
    return true;
  }

  /** On-demand streams by name, whether they run or not; those that a finder makes are not among them. */
  onDemandStreams(): ReadonlyMap<string, OnDemandSource> {
    return this.sources.named;
  }

  /** Whether a player would find or start something. */
  canStart(key: StreamKey): boolean {
    return this.sources.find(key) !== null;
  }

  registerOnDemand(key: StreamKey, source: OnDemandSource): void {
    this.sources.named.set(key.text, source);
  }

  unregisterOnDemand(key: StreamKey): void {
    this.sources.named.delete(key.text);
  }

  /** For names that are not known beforehand. The first finder that knows one counts, after registered names. */
  addOnDemandFinder(find: (key: StreamKey) => OnDemandSource | null): void {
    this.sources.addFinder(find);
  }

  /**
   * Takes a place in the line-up of a name. Throws RejectedError when the name is held by somebody beside whom this
   * publisher may not stand, or when the server is closing.
   */
  publish(key: StreamKey, owner: PublicationOwner): Publication {
    if (this.closing) throw new RejectedError('shutting-down', 'The server is shutting down.');
    const rules = this.rulesFor(key, owner.host);
    const held = this.entries.get(key.text);
    if (held !== undefined) this.makeRoom(held, owner, rules);
    const entry = this.entries.get(key.text) ?? this.addEntry(key, owner.host);
    this.cancelTimeout(entry);
    const { stream, lineup } = entry;
    const rank = owner.rank ?? rules.rankOf(owner);
    const publication = new Publication(stream, owner, rank, this.publications++, this.clock, lineup);
    // A source that comes back goes on at its key frame, as one that stood by would.
    const goesOn = stream.state === 'lingering' && owner.source?.keepsTrying === true;
    if (!lineup.isEmpty || goesOn) {
      lineup.addStandby(publication, lineupRules(rules));
      return publication;
    }
    this.endWaiting(entry);
    lineup.begin(publication);
    stream.resetTracks();
    stream.carrier = carrierOf(owner);
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

  /** Refuses, ends who is there, or leaves all as it is. */
  private makeRoom(entry: Entry, owner: PublicationOwner, rules: StreamRules): void {
    const { key } = entry.stream;
    const { lineup } = entry;
    const holder = lineup.holder?.owner;
    if (holder !== undefined && !mayStandBeside(owner, holder, rules)) {
      // A source never throws a publisher out.
      if (rules.busy !== 'takeover' || owner.source !== undefined) {
        throw new RejectedError(
          'busy',
          `${key.text} is already being published by ${holder.remote} (${holder.protocol}, session ${holder.id}).`,
        );
      }
      entry.isReplaced = true;
      entry.onDemand = null;
      // Those that stand by first, so that none of them is put into the active one's place.
      for (const held of lineup.all().reverse()) {
        held.end('replaced by another publisher');
        held.owner.revoke(`Another publisher (${owner.remote}) took over ${key.text}.`);
      }
      entry.isReplaced = false;
    }
    if (lineup.all().length >= MAX_PUBLISHERS)
      throw new RejectedError('limit', `${key.text} has ${MAX_PUBLISHERS} publishers already.`);
    const source = entry.onDemand;
    const isNeedless = source?.keepsTrying === true && owner.source !== source && rules.busy !== 'standby';
    if (!isNeedless || lineup.active?.owner.source === source) return;
    // Nothing need be fetched any more.
    entry.onDemand = null;
    source.stop();
  }

  private release(publication: Publication, reason: string): void {
    const entry = this.entries.get(publication.stream.key.text);
    if (entry === undefined || entry.stream !== publication.stream) {
      throw new InvariantError(
        `lease of ${publication.stream.key.text} was not held by the session that ends it`,
      );
    }
    const { stream, lineup } = entry;
    // What filled in until a publisher came is done.
    if (!lineup.isEmpty && publication.owner.source === entry.onDemand) entry.onDemand = null;
    if (publication.standby !== null) {
      if (lineup.isEmpty) this.linger(entry, reason);
      return;
    }
    try {
      if (lineup.isEmpty) stream.pause();
      for (const listener of this.listeners) listener.onUnpublish(stream, publication.owner, reason);
    } finally {
      if (lineup.isEmpty) this.linger(entry, reason);
      else lineup.replaceLost();
    }
  }

  /** Players wait for the publisher to come back, where there is a grace. */
  private linger(entry: Entry, reason: string): void {
    const { stream, rules } = entry;
    if (stream.state === 'live') stream.pause();
    if (entry.isReplaced) return;
    if (this.closing) {
      this.closeEntry(entry, reason);
      return;
    }
    if (entry.onDemand === null && stream.playerCount + stream.consumerCount > 0) {
      // A publisher is lost that a source can stand in for.
      this.startSource(entry);
      if (!entry.lineup.isEmpty) return;
    }
    const { onDemand } = entry;
    if (rules.graceMs === 0 || (onDemand !== null && onDemand.keepsTrying !== true)) {
      this.closeEntry(entry, `The publisher of ${stream.key.text} is gone.`);
      return;
    }
    entry.timeout?.cancel();
    entry.timeout = this.tick.after(rules.graceMs, () => {
      const failure = onDemand?.failure ?? '';
      this.closeEntry(
        entry,
        failure === '' ? `The publisher of ${stream.key.text} did not come back.` : failure,
      );
    });
  }

  /** Does nothing where no source belongs to the name. */
  private startSource(entry: Entry): void {
    const source = this.sources.find(entry.stream.key);
    if (source === null) return;
    entry.onDemand = source;
    try {
      source.start(entry.stream.key);
    } catch (error) {
      entry.onDemand = null;
      if (!(error instanceof RejectedError)) throw error;
    }
  }

  /** An on-demand source could not be had in time: whoever waits for it is told why. */
  giveUp(key: StreamKey, reason: string): void {
    const entry = this.entries.get(key.text);
    if (entry?.lineup.isEmpty === true) this.closeEntry(entry, reason);
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
    const entry = this.entries.get(key.text);
    entry?.onDemandStop?.cancel();
    if (entry !== undefined && (entry.stream.state !== 'idle' || entry.onDemand !== null)) return entry;
    const source = this.sources.find(key);
    if (source !== null) {
      const started = entry ?? this.addEntry(key);
      started.onDemand = source;
      source.start(key);
      return started;
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
    entry.onDemandStop = this.tick.after(entry.onDemand.keptMs ?? ON_DEMAND_KEPT_MS, () => {
      if (stream.playerCount > 0 || stream.consumerCount > 0) return;
      const source = entry.onDemand;
      entry.onDemand = null;
      source?.stop();
      if (entry.lineup.isEmpty && this.entries.get(stream.key.text) === entry)
        this.closeEntry(entry, 'The last player left.');
    });
  }

  private addEntry(key: StreamKey, host = ''): Entry {
    const rules = this.rulesFor(key, host);
    const timeline = new Timeline(rules.jitter, rules.absoluteTime);
    const stream = new Stream(key, rules.gop, timeline, this.pump, rules.sound);
    const entry: Entry = {
      stream,
      rules,
      lineup: new Lineup(
        lineupRules(rules),
        (from, to, reason) => this.onSwitch(stream, from, to, reason),
        (ended, reason) => this.release(ended, reason),
      ),
      isReplaced: false,
      timeout: null,
      onDemand: null,
      onDemandStop: null,
      waiting: new Map(),
      feedClosings: new Map(),
    };
    this.entries.set(key.text, entry);
    return entry;
  }

  private onSwitch(stream: Stream, from: Publication | null, to: Publication, reason: string): void {
    stream.state = 'live';
    stream.liveSinceMs = this.clock.wallUs() / 1000;
    for (const listener of this.listeners) {
      listener.onSwitch?.(stream, from?.owner ?? null, to.owner, reason);
      if (from !== null) listener.onUnpublish(stream, from.owner, reason);
      listener.onPublish(stream, to.owner);
    }
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
    const source = entry.onDemand;
    entry.onDemand = null;
    source?.stop();
    entry.stream.close(reason, this.clock.nowUs());
    for (const listener of this.listeners) listener.onClosed(entry.stream);
  }

  /** Ends everybody, publishers first; nothing new is accepted afterwards. */
  close(reason: string): void {
    this.closing = true;
    for (const entry of [...this.entries.values()]) {
      const all = entry.lineup.all();
      if (all.length === 0) this.closeEntry(entry, reason);
      for (const publication of all.reverse()) {
        publication.end(reason);
        publication.owner.revoke(reason);
      }
    }
  }
}

function lineupRules({ failoverMs, steadyMs, gop }: StreamRules): LineupRules {
  return { failoverUs: failoverMs * 1000, steadyUs: steadyMs < 0 ? -1 : steadyMs * 1000, gop };
}

function mayStandBeside(owner: PublicationOwner, holder: PublicationOwner, { busy }: StreamRules): boolean {
  if (busy === 'standby' || owner.yields === true) return true;
  return owner.source !== undefined && owner.source === holder.source;
}
