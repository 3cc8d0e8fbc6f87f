/**
 * The layers of simulcast that one player may be shown: which of them there are, their feeds on the thread of the player, and
 * which one it wants. Publishers tell their layers by `PublishedSizes`; players look now and then what has become of them.
 */
import type { CodecId } from '../../codec/codec-id.ts';
import type { StreamHub } from '../../media/stream-hub.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { RtpCarriedTrack } from '../../packaging/rtp-feed-tracks.ts';
import type { RtcLink, RtcLinkUser } from '../../rtc/rtc-link.ts';
import type { RtcLayers } from '../../rtc/rtc-messages.ts';
import type { RtcPool } from '../../rtc/rtc-pool.ts';
import type { RtcThread } from '../../rtc/rtc-thread.ts';
import { AUTO_LAYER } from '../../rtc/send/layer-chooser.ts';
import { RejectedError } from '../../util/errors.ts';

/** One size of a picture that a publisher sends in several. */
export interface PublishedSize {
  /** What the publisher calls it. */
  readonly rid: string;
  readonly key: StreamKey;
}

/** Of publishers with several sizes, by their session: the best first, which is the stream of the name itself. */
type PublishedSizes = ReadonlyMap<string, readonly PublishedSize[]>;

export interface LayerServices {
  readonly hub: StreamHub;
  readonly pool: RtcPool;
  readonly sizes: PublishedSizes;
}

/** By the network of the player. */
const AUTO = 'auto';
const BEST = 'high';
const SMALLEST = 'low';

/** The sizes of a stream as it is published now; empty = it has one alone. */
export function sizesOf({ hub, sizes }: LayerServices, key: StreamKey): readonly PublishedSize[] {
  const stream = hub.find(key.text);
  const owner = stream === undefined ? null : hub.publisherOf(stream);
  return owner === null ? [] : (sizes.get(owner.id) ?? []);
}

export class LayerFeeds implements RtcLinkUser {
  private readonly services: LayerServices;
  private readonly thread: RtcThread;
  private readonly base: RtcLink;
  private readonly onChanged: (layers: RtcLayers) => void;
  private readonly links = new Map<string, RtcLink>();
  private known: readonly PublishedSize[] = [];
  /** Of what is played; null = any. */
  private codec: CodecId | null = null;
  private wanted = AUTO;
  private current: RtcLayers = { feeds: [], wish: AUTO_LAYER };
  private isLooking = false;
  private closed = false;

  /** `base`: of the stream itself, which the player keeps. */
  constructor(
    services: LayerServices,
    thread: RtcThread,
    base: RtcLink,
    onChanged: (layers: RtcLayers) => void,
  ) {
    this.services = services;
    this.thread = thread;
    this.base = base;
    this.onChanged = onChanged;
    this.look();
  }

  /** For the thread. */
  get layers(): RtcLayers {
    return this.current;
  }

  /** What the player wants: `auto`, `high`, `low`, or what the publisher calls a layer. */
  get wish(): string {
    return this.wanted;
  }

  /** What the publisher calls the layers that there are now, the best first. */
  get names(): readonly string[] {
    return this.known.filter((_, place) => (this.current.feeds[place] ?? -1) >= 0).map(({ rid }) => rid);
  }

  /** '' = none. */
  nameOf(place: number): string {
    return this.known[place]?.rid ?? '';
  }

  /** Throws RejectedError when there is no such layer. */
  want(name: string): void {
    const wanted = name === '' ? AUTO : name;
    if (![AUTO, BEST, SMALLEST].includes(wanted) && !this.known.some(({ rid }) => rid === wanted)) {
      const names = this.known.map(({ rid }) => rid).join(', ') || 'none now';
      throw new RejectedError(
        'bad-request',
        `${this.base.key.text} has no layer "${wanted}": it has ${names}, and there are ${AUTO}, ${BEST} and ${SMALLEST}.`,
      );
    }
    this.wanted = wanted;
    this.look();
  }

  /** The picture of a layer, for the answer where the stream itself has none yet. */
  picture(): RtpCarriedTrack | undefined {
    for (const link of this.links.values()) {
      const track = pictureOf(link);
      if (track !== undefined) return track;
    }
    return undefined;
  }

  /** From now on layers with another codec do not count. */
  fix(codec: CodecId): void {
    this.codec = codec;
    this.look();
  }

  /** Tells what has changed. */
  look(): void {
    // Links that are opened or left may call back.
    if (this.closed || this.isLooking) return;
    this.isLooking = true;
    this.known = sizesOf(this.services, this.base.key);
    const feeds = this.known.map((size, place) => this.feedOf(size, place));
    for (const [text, link] of this.links)
      if (!this.known.some(({ key }) => key.text === text)) this.drop(text, link);
    const next: RtcLayers = {
      feeds: feeds.length === 0 ? [this.usable(this.base)] : feeds,
      wish: this.place(),
    };
    const { current } = this;
    this.current = next;
    this.isLooking = false;
    const isSame = current.wish === next.wish && String(current.feeds) === String(next.feeds);
    if (!isSame) this.onChanged(next);
  }

  private place(): number {
    if (this.wanted === BEST) return 0;
    if (this.wanted === SMALLEST) return Math.max(0, this.known.length - 1);
    // A publisher that came back may call its layers otherwise.
    return this.known.findIndex(({ rid }) => rid === this.wanted);
  }

  private feedOf({ key }: PublishedSize, place: number): number {
    // A look at the tracks of the stream may have ended the player.
    if (this.isClosed) return -1;
    if (place === 0) return this.usable(this.base);
    const link = this.links.get(key.text);
    if (link !== undefined && !link.ended) return this.usable(link);
    const { hub, pool } = this.services;
    const stream = hub.find(key.text);
    if (stream === undefined || hub.publisherOf(stream) === null || hub.isClosing) return -1;
    const opened = pool.link(this.thread, key, 0);
    opened.add(this);
    this.links.set(key.text, opened);
    return this.usable(opened);
  }

  private usable(link: RtcLink): number {
    const codec = link.ended ? undefined : pictureOf(link)?.track.config.codec;
    return codec === undefined || (this.codec !== null && codec !== this.codec) ? -1 : link.feedId;
  }

  private drop(text: string, link: RtcLink): void {
    this.links.delete(text);
    link.remove(this);
  }

  onTracksChanged(): void {
    this.look();
  }

  onStreamEnd(): void {
    this.look();
  }

  private get isClosed(): boolean {
    return this.closed;
  }

  /** Idempotent. */
  close(): void {
    this.closed = true;
    for (const [text, link] of this.links) this.drop(text, link);
  }
}

/** The first track, if that is a picture: pictures come before sound. */
function pictureOf(link: RtcLink): RtpCarriedTrack | undefined {
  const [first] = link.tracks();
  return first?.track.kind === 'video' ? first : undefined;
}
