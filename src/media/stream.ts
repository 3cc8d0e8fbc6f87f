/**
 * One live thing: its tracks, the frames since the last random access point (the GOP cache) and the feeds that
 * are in use. States: idle (known, nobody publishes) -> live -> lingering (publisher lost, players wait) -> closed.
 */
import { parseAudioSpecificConfig } from '../codec/aac.ts';
import { type CodecConfig, isSameConfig } from '../codec/codec-config.ts';
import { Ring } from '../util/ring.ts';
import { SlabWriter } from '../util/slab.ts';
import { Feed, type FeedFormat, type FeedLimits, type FeedSource } from './feed.ts';
import { FRAME_DISCONTINUITY, FRAME_KEY, Frame } from './frame.ts';
import type { FrameConsumer } from './frame-consumer.ts';
import { FrameOutputs } from './frame-outputs.ts';
import type { Pump } from './pump.ts';
import type { StreamKey } from './stream-key.ts';
import { type SoundRules, StreamSound } from './stream-sound.ts';
import { StreamStatistics } from './stream-statistics.ts';
import type { Timeline } from './timeline.ts';
import { defaultTrack, type Track } from './track.ts';

export type StreamState = 'idle' | 'live' | 'lingering' | 'closed';

export interface GopLimits {
  /** Off: a joiner waits for the next key frame. */
  readonly cache: boolean;
  readonly frames: number;
  readonly bytes: number;
  readonly us: number;
}

const AUDIO_POINT_US = 1_000_000;
/** How long a stream whose metadata promise video is not treated as audio-only. */
const VIDEO_PROMISE_US = 2_000_000;

export class Stream implements FeedSource {
  readonly key: StreamKey;
  readonly limits: GopLimits;
  readonly timeline: Timeline;
  readonly statistics = new StreamStatistics();
  readonly feeds = new Map<string, Feed>();
  readonly sound: StreamSound;
  state: StreamState = 'idle';
  tracks: readonly Track[] = [];
  metadata: unknown = null;
  /** Wall clock milliseconds at which the present publisher began; 0 = none. */
  liveSinceMs = 0;
  /** The protocol that brings what the present publisher sends. */
  carrier = '';
  private readonly pump: Pump;
  /** What takes the sound as it is; all else belongs to renditions of the sound. */
  private readonly plain: FrameOutputs;
  private readonly frames = new Ring<Frame>(64);
  private framesBytes = 0;
  private slab = new SlabWriter();
  private hasVideo = false;
  /** The track whose key frames players start with; -1 = there is no video. */
  private leadId = -1;
  private videoPromised = false;
  private firstFrameUs = 0;
  private lastAudioPointUs = Number.NEGATIVE_INFINITY;

  constructor(key: StreamKey, limits: GopLimits, timeline: Timeline, pump: Pump, sound: SoundRules) {
    this.key = key;
    this.limits = limits;
    this.timeline = timeline;
    this.pump = pump;
    this.plain = new FrameOutputs(pump);
    this.sound = new StreamSound(this, pump, sound);
  }

  get label(): string {
    return this.key.text;
  }

  /** A new track, or a new config of a known one (same id). */
  setTrack(track: Track, nowUs: number): void {
    const index = this.tracks.findIndex((known) => known.id === track.id);
    if (index >= 0 && isSameTrack(this.tracks[index]!, track)) return;
    this.tracks =
      index < 0
        ? [...this.tracks, track]
        : this.tracks.map((known) => (known.id === track.id ? track : known));
    if (track.kind === 'video') {
      // Whatever was cached cannot be decoded together with what comes now.
      if (!this.hasVideo || index >= 0) this.forgetGop();
      this.hasVideo = true;
    }
    this.statistics.onTrack(track);
    this.leadId = defaultTrack(this.tracks, 'video')?.id ?? -1;
    this.announceTracks(nowUs);
  }

  /** A publisher took over: tracks that it does not have are gone. */
  resetTracks(): void {
    this.tracks = [];
    this.metadata = null;
    this.hasVideo = false;
    this.leadId = -1;
    this.videoPromised = false;
    this.firstFrameUs = 0;
    this.lastAudioPointUs = Number.NEGATIVE_INFINITY;
    this.forgetGop();
  }

  setMetadata(metadata: unknown, promisesVideo: boolean, nowUs: number): void {
    this.metadata = metadata;
    this.videoPromised = promisesVideo;
    if (this.tracks.length > 0) this.announceTracks(nowUs);
  }

  /** What the publisher says of itself: that there will be video. */
  get promisesVideo(): boolean {
    return this.videoPromised;
  }

  /** Another publisher goes on with these tracks; true when they are the same as before, and nobody is told. */
  takeTracks(tracks: readonly Track[], metadata: unknown, promisesVideo: boolean, nowUs: number): boolean {
    const before = this.tracks;
    const isSame =
      tracks.length === before.length &&
      tracks.every((track) => before.some((known) => known.id === track.id && decodesAlike(known, track)));
    this.videoPromised = promisesVideo;
    if (isSame) {
      this.metadata = metadata;
      return true;
    }
    this.resetTracks();
    this.metadata = metadata;
    this.videoPromised = promisesVideo;
    this.tracks = tracks;
    this.hasVideo = tracks.some(({ kind }) => kind === 'video');
    this.leadId = defaultTrack(tracks, 'video')?.id ?? -1;
    for (const track of tracks) this.statistics.onTrack(track);
    this.announceTracks(nowUs);
    return false;
  }

  private announceTracks(nowUs: number): void {
    this.plain.tellTracks(this.tracks, this.timeline.lastUs, nowUs);
    this.sound.tracksChanged(this.timeline.lastUs, nowUs);
  }

  /** Hot path. Copies the payload into the stream's slab. */
  write(
    trackId: number,
    flags: number,
    dts: number,
    pts: number,
    duration: number,
    payload: Uint8Array,
    config: CodecConfig,
    arrivalUs: number,
    captureUs = Number.NaN,
  ): void {
    const kept = this.slab.copy(payload, arrivalUs);
    const frame = new Frame(trackId, flags, dts, pts, duration, kept, config, arrivalUs, captureUs);
    const isVideo = this.statistics.isVideo(trackId);
    const point = this.isAccessPoint(frame);
    this.cache(frame, point);
    this.statistics.onFrame(frame);
    this.plain.give(frame, point, isVideo);
    this.sound.onFrame(frame, point, isVideo);
  }

  private isAccessPoint(frame: Frame): boolean {
    if (this.firstFrameUs === 0) this.firstFrameUs = frame.arrival;
    if (this.hasVideo) return (frame.flags & FRAME_KEY) !== 0 && frame.trackId === this.leadId;
    if (this.videoPromised && frame.arrival - this.firstFrameUs < VIDEO_PROMISE_US) return false;
    const apart =
      frame.dts - this.lastAudioPointUs >= AUDIO_POINT_US || (frame.flags & FRAME_DISCONTINUITY) !== 0;
    if (apart) this.lastAudioPointUs = frame.dts;
    return apart;
  }

  private cache(frame: Frame, point: boolean): void {
    const { frames, limits } = this;
    if (!limits.cache) return;
    if (point) this.forgetGop();
    // Without a random access point at its start the cache is worth nothing.
    if (frames.size === 0 && !point) return;
    frames.push(frame);
    this.framesBytes += frame.payload.length;
    const tooLong = frame.dts - frames.at(frames.tail).dts > limits.us;
    if (frames.size > limits.frames || this.framesBytes > limits.bytes || tooLong) this.forgetGop();
  }

  private forgetGop(): void {
    this.frames.clear();
    this.framesBytes = 0;
  }

  /** Frames of the GOP cache, oldest first; the first is a random access point. */
  cachedFrames(): Frame[] {
    const list: Frame[] = [];
    for (let position = this.frames.tail; position < this.frames.head; position++)
      list.push(this.frames.at(position));
    return list;
  }

  get cachedBytes(): number {
    return this.framesBytes;
  }

  /** The feed of a format, made and filled from the GOP cache when it does not exist. */
  openFeed(format: FeedFormat, limits: FeedLimits): Feed {
    const existing = this.feeds.get(format.name);
    if (existing !== undefined) return existing;
    const rendition = format.sound === undefined ? null : this.sound.rendition(format.sound);
    const feed = new Feed(format, rendition ?? this, limits);
    if (rendition !== null) rendition.addFeed(feed);
    else this.fillPlain(feed);
    feed.flushedTo = feed.chunks.head;
    feed.pendingBytes = 0;
    this.feeds.set(format.name, feed);
    return feed;
  }

  private fillPlain(feed: Feed): void {
    for (let position = this.frames.tail; position < this.frames.head; position++) {
      feed.append(this.frames.at(position), position === this.frames.tail, false);
    }
    this.plain.addFeed(feed);
  }

  closeFeed(feed: Feed): void {
    this.feeds.delete(feed.format.name);
    this.plain.removeFeed(feed);
    this.sound.removeFeed(feed);
    this.pump.forget(feed);
  }

  addConsumer(consumer: FrameConsumer): void {
    if (consumer.soundNeed !== undefined) {
      this.sound.rendition(consumer.soundNeed).addConsumer(consumer);
      return;
    }
    this.plain.addConsumer(consumer);
    if (this.tracks.length > 0) consumer.onTracks(this.tracks);
    for (const frame of this.cachedFrames()) consumer.onFrame(frame);
  }

  removeConsumer(consumer: FrameConsumer): void {
    this.plain.removeConsumer(consumer);
    this.sound.removeConsumer(consumer);
  }

  get consumerCount(): number {
    return this.plain.consumerCount + this.sound.consumerCount;
  }

  get playerCount(): number {
    let count = 0;
    for (const feed of this.feeds.values()) count += feed.subscriptions.length;
    return count;
  }

  /** The publisher is gone; players stay for the grace time. */
  pause(): void {
    this.state = 'lingering';
    this.liveSinceMs = 0;
    this.plain.pause();
    this.sound.onPause();
  }

  /** Ends every player and consumer. */
  close(reason: string, nowUs: number): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.sound.release();
    for (const feed of [...this.feeds.values()]) {
      feed.appendEpilogue(this.timeline.lastUs, nowUs);
      this.pump.finish(feed);
      for (const subscription of [...feed.subscriptions]) subscription.end(reason);
      this.closeFeed(feed);
    }
    this.plain.end(reason);
    this.sound.end(reason);
    this.forgetGop();
  }
}

/** AAC is told with or without a note that there is no SBR, as the wire has it (ADTS has no place for it). */
function decodesAlike(a: Track, b: Track): boolean {
  if (isSameTrack(a, b)) return true;
  if (a.config.codec !== 'aac' || b.config.codec !== 'aac') return false;
  try {
    const [one, other] = [
      parseAudioSpecificConfig(a.config.record),
      parseAudioSpecificConfig(b.config.record),
    ];
    // 0: the channels are told by what only the record holds.
    return one.channelConfig !== 0 && JSON.stringify(one) === JSON.stringify(other);
  } catch {
    return false;
  }
}

/** A picture of another size is a change too where the codec has no record to tell it (VP8, VP9). */
function isSameTrack(a: Track, b: Track): boolean {
  return (
    isSameConfig(a.config, b.config) &&
    a.config.width === b.config.width &&
    a.config.height === b.config.height
  );
}
