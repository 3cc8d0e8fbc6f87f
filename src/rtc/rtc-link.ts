/**
 * A stream as a thread of WebRTC gets it: one subscription of the feed `webrtc` for all players of that thread. The bytes
 * lie in memory that both threads see; only their places are sent.
 */
import type { Feed } from '../media/feed.ts';
import type { Sink } from '../media/sink.ts';
import type { StreamHub } from '../media/stream-hub.ts';
import type { StreamKey } from '../media/stream-key.ts';
import type { Subscription } from '../media/subscription.ts';
import { type RtpCarriedTrack, rtpTracksOf } from '../packaging/rtp-feed-tracks.ts';
import {
  WEBRTC_PAYLOAD_FORMATS,
  type WebrtcFeedTracks,
  webrtcFeedTracks,
  webrtcFormat,
} from '../packaging/webrtc-feed.ts';
import { inWebrtcOrder } from '../packaging/webrtc-tracks.ts';
import type { RtcThread } from './rtc-thread.ts';

/** What a publisher that came back has not shown by then does not come. */
const TRACKS_COME_MS = 2000;

export interface RtcLinkUser {
  /** The stream has other tracks now than those that were agreed on. */
  onTracksChanged(): void;
  /** The stream is over. */
  onStreamEnd(reason: string): void;
}

export class RtcLink implements Sink {
  readonly feedId: number;
  readonly thread: RtcThread;
  readonly key: StreamKey;
  private readonly hub: StreamHub;
  private readonly subscription: Subscription;
  private readonly onIdle: (link: RtcLink) => void;
  private users: readonly RtcLinkUser[] = [];
  /** Of the encoder's tracks, when they were looked at last. */
  private generation = 0;
  /** What the thread and the users of this know. */
  private agreed: readonly RtpCarriedTrack[] = [];
  /** Since when only some of those that were agreed on have come; 0 = all are there. */
  private comingSinceMs = 0;
  private slab: ArrayBufferLike | null = null;
  private canRequest = false;
  private isOver = false;
  /** Bytes that come while the subscription is being made; null = it is there. */
  private early: Uint8Array[] | null = [];

  /** Throws RejectedError as `hub.subscribe` does. */
  constructor(
    hub: StreamHub,
    key: StreamKey,
    thread: RtcThread,
    waitMs: number,
    onIdle: (link: RtcLink) => void,
  ) {
    this.hub = hub;
    this.key = key;
    this.thread = thread;
    this.onIdle = onIdle;
    this.feedId = thread.newId();
    thread.post({ type: 'feed', feed: this.feedId, clockRates: [], pictures: 0 });
    try {
      this.subscription = hub.subscribe(key, webrtcFormat, this, 'gop', waitMs);
    } catch (error) {
      thread.post({ type: 'feed-end', feed: this.feedId });
      throw error;
    }
    // The thread learns of the tracks before the first bytes of them.
    const early = this.early ?? [];
    this.early = null;
    this.look();
    for (const bytes of early) this.write(bytes);
  }

  get feed(): Feed {
    return this.subscription.feed;
  }

  get ended(): boolean {
    return this.isOver;
  }

  /** What WebRTC carries of the stream as it is now. */
  tracks(): readonly RtpCarriedTrack[] {
    this.look();
    return rtpTracksOf(inWebrtcOrder(this.feed.source.tracks), WEBRTC_PAYLOAD_FORMATS);
  }

  add(user: RtcLinkUser): void {
    this.users = [...this.users, user];
    this.look();
  }

  remove(user: RtcLinkUser): void {
    this.users = this.users.filter((known) => known !== user);
    if (this.users.length === 0) this.close();
  }

  /** Tells the thread what changed about the stream; once a second, and before bytes that differ. */
  look(): void {
    if (this.isOver) return;
    const tracks = webrtcFeedTracks(this.feed.encoder);
    if (tracks.generation !== this.generation) this.takeTracks(tracks);
    else if (this.comingSinceMs > 0 && Date.now() - this.comingSinceMs > TRACKS_COME_MS) this.agreeOn(tracks);
    const stream = this.hub.find(this.key.text);
    const canRequest = stream !== undefined && this.hub.publisherOf(stream)?.requestKeyFrame !== undefined;
    if (canRequest === this.canRequest) return;
    this.canRequest = canRequest;
    this.thread.post({ type: 'feed-keys', feed: this.feedId, canRequest });
  }

  /**
   * The tracks of a publisher that comes back appear one after the other. As long as they may become those that were
   * agreed on, the thread hears of no others, and drops what comes meanwhile.
   */
  private takeTracks(tracks: WebrtcFeedTracks): void {
    const { carried, generation } = tracks;
    const { agreed } = this;
    this.generation = generation;
    // Between two publishers there are none.
    if (carried.length === 0) return;
    if (isAlike(carried, agreed)) this.tellThread(tracks);
    else if (isPartOf(carried, agreed)) this.comingSinceMs ||= Date.now();
    else this.agreeOn(tracks);
  }

  private agreeOn(tracks: WebrtcFeedTracks): void {
    const hadOthers = this.agreed.length > 0;
    this.agreed = tracks.carried;
    this.tellThread(tracks);
    if (hadOthers) for (const user of this.users) user.onTracksChanged();
  }

  private tellThread({ carried, generation }: WebrtcFeedTracks): void {
    this.comingSinceMs = 0;
    const clockRates = carried.map(({ description }) => description.clockRate);
    const pictures = carried.filter(({ track }) => track.kind === 'video').length;
    this.thread.post({ type: 'feed', feed: this.feedId, clockRates, pictures, generation });
  }

  /** A player asked for a picture that only the publisher can make. */
  requestKey(): void {
    const stream = this.hub.find(this.key.text);
    if (stream !== undefined) this.hub.publisherOf(stream)?.requestKeyFrame?.();
  }

  writable(): boolean {
    return this.thread.isFree;
  }

  write(bytes: Uint8Array): void {
    if (this.isOver) return;
    if (this.early !== null) {
      this.early.push(bytes);
      return;
    }
    if (webrtcFeedTracks(this.feed.encoder).generation !== this.generation) this.look();
    const { buffer, byteOffset } = bytes;
    if (buffer !== this.slab) {
      this.slab = buffer;
      this.thread.post({ type: 'slab', feed: this.feedId, slab: buffer as ArrayBuffer | SharedArrayBuffer });
    }
    this.thread.post({ type: 'bytes', feed: this.feedId, start: byteOffset, end: byteOffset + bytes.length });
  }

  end(reason: string): void {
    if (this.isOver) return;
    const { users } = this;
    this.finish();
    for (const user of users) user.onStreamEnd(reason);
  }

  /** Idempotent. */
  close(): void {
    if (this.isOver) return;
    this.finish();
    this.subscription.close();
  }

  private finish(): void {
    this.isOver = true;
    this.users = [];
    this.slab = null;
    this.thread.post({ type: 'feed-end', feed: this.feedId });
    this.onIdle(this);
  }
}

function isSame(a: RtpCarriedTrack, b: RtpCarriedTrack): boolean {
  return a.track.config.codec === b.track.config.codec;
}

/** The same codecs on the same channels. */
function isAlike(some: readonly RtpCarriedTrack[], others: readonly RtpCarriedTrack[]): boolean {
  return some.length === others.length && some.every((one, at) => isSame(one, others[at]!));
}

/** Others have all of them, in this order. */
function isPartOf(some: readonly RtpCarriedTrack[], others: readonly RtpCarriedTrack[]): boolean {
  let at = 0;
  for (const other of others) if (at < some.length && isSame(some[at]!, other)) at++;
  return at === some.length && some.length < others.length;
}
