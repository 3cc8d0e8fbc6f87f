/**
 * A stream as a thread of WebRTC gets it: one subscription of the feed `webrtc` for all players of that thread. The bytes
 * lie in memory that both threads see; only their places are sent.
 */
import type { Feed } from '../media/feed.ts';
import type { Sink } from '../media/sink.ts';
import type { StreamHub } from '../media/stream-hub.ts';
import type { StreamKey } from '../media/stream-key.ts';
import type { Subscription } from '../media/subscription.ts';
import type { Track } from '../media/track.ts';
import { type RtpCarriedTrack, rtpTracksOf } from '../packaging/rtp-feed-tracks.ts';
import { WEBRTC_PAYLOAD_FORMATS, webrtcFormat } from '../packaging/webrtc-feed.ts';
import type { RtcThread } from './rtc-thread.ts';

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
  private readonly onIdle: () => void;
  private users: readonly RtcLinkUser[] = [];
  private known: readonly Track[] | null = null;
  private carried: readonly RtpCarriedTrack[] = [];
  private slab: ArrayBufferLike | null = null;
  private canRequest = false;
  private isOver = false;
  /** Bytes that come while the subscription is being made; null = it is there. */
  private early: Uint8Array[] | null = [];

  /** Throws RejectedError as `hub.subscribe` does. */
  constructor(hub: StreamHub, key: StreamKey, thread: RtcThread, waitMs: number, onIdle: () => void) {
    this.hub = hub;
    this.key = key;
    this.thread = thread;
    this.onIdle = onIdle;
    this.feedId = thread.newId();
    thread.post({ type: 'feed', feed: this.feedId, clockRates: [] });
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
    return this.carried;
  }

  add(user: RtcLinkUser): void {
    this.users = [...this.users, user];
    this.look();
  }

  remove(user: RtcLinkUser): void {
    this.users = this.users.filter((known) => known !== user);
    if (this.users.length === 0) this.close();
  }

  /** Tells the thread what changed about the stream. */
  look(): void {
    if (this.isOver) return;
    const { tracks } = this.feed.source;
    if (tracks !== this.known) {
      this.known = tracks;
      this.takeTracks(rtpTracksOf(tracks, WEBRTC_PAYLOAD_FORMATS));
    }
    const stream = this.hub.find(this.key.text);
    const canRequest = stream !== undefined && this.hub.publisherOf(stream)?.requestKeyFrame !== undefined;
    if (canRequest === this.canRequest) return;
    this.canRequest = canRequest;
    this.thread.post({ type: 'feed-keys', feed: this.feedId, canRequest });
  }

  private takeTracks(carried: readonly RtpCarriedTrack[]): void {
    const before = this.carried;
    const isSame =
      carried.length === before.length &&
      carried.every(({ track, payloadType }, at) => {
        const other = before[at]!;
        return track.config.codec === other.track.config.codec && payloadType === other.payloadType;
      });
    this.carried = carried;
    // Between two publishers there are no tracks.
    if (isSame || carried.length === 0) return;
    const clockRates = carried.map(({ description }) => description.clockRate);
    this.thread.post({ type: 'feed', feed: this.feedId, clockRates });
    if (before.length > 0) for (const user of this.users) user.onTracksChanged();
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
    if (this.feed.source.tracks !== this.known) this.look();
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
    this.onIdle();
  }
}
