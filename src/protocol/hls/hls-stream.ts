/** HLS of one stream: the packager that is fed by the hub, and requests that wait for its first segment. */
import type { StreamPolicy } from '../../config/configuration.ts';
import type { Frame } from '../../media/frame.ts';
import type { FrameConsumer } from '../../media/stream.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import { defaultTrack, type Track } from '../../media/track.ts';
import type { Segment } from '../../packaging/segment-store.ts';
import { TsSegmentPackager } from '../../packaging/ts-segment-packager.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { InvariantError } from '../../util/errors.ts';
import type { Timeout } from '../../util/tick-wheel.ts';
import { serializeMasterPlaylist } from '../../wire/hls/master-playlist.ts';
import { serializeMediaPlaylist } from '../../wire/hls/media-playlist.ts';

const MAX_SEGMENT_BYTES = 64 * 1024 * 1024;
/** A request for a stream that has just begun waits this many target durations for the first segment. */
const FIRST_SEGMENT_TARGETS = 3;
const MIN_WAIT_MS = 8000;
const MAX_WAITING = 10_000;
/** Kept for this many windows after the last request. */
const IDLE_WINDOWS = 4;

export class HlsStream implements FrameConsumer {
  readonly key: StreamKey;
  private readonly context: ModuleContext;
  private readonly settings: StreamPolicy['hls'];
  private readonly packager: TsSegmentPackager;
  private readonly onGone: () => void;
  private waiting: (() => void)[] = [];
  private detach: (() => void) | null = null;
  private idle: Timeout | null = null;
  private lastRequestUs = 0;
  private ended = false;
  private tracks: readonly Track[] = [];

  constructor(context: ModuleContext, key: StreamKey, settings: StreamPolicy['hls'], onGone: () => void) {
    this.context = context;
    this.key = key;
    this.settings = settings;
    this.onGone = onGone;
    this.packager = new TsSegmentPackager({
      targetDurationUs: settings.durationMs * 1000,
      // Shorter by no more than that, or players that began with them run dry while the first full one is made.
      firstDurationUs: settings.durationMs * 500,
      windowCount: settings.count,
      // A player may still fetch what just left the list (RFC 8216 6.2.2).
      cacheCount: Math.max(settings.cache - settings.count, settings.count),
      maxSegmentBytes: MAX_SEGMENT_BYTES,
      wallClock: () => context.clock.wallUs(),
    });
  }

  /** Throws RejectedError when nobody publishes the stream. */
  start(): void {
    this.touch();
    this.detach = this.context.hub.consume(this.key, this, 0).detach;
    const idleMs = Math.max(10_000, this.settings.durationMs * this.settings.count * IDLE_WINDOWS);
    if (!this.settings.always) {
      this.idle = this.context.tick.every(5000, () => {
        if (this.context.clock.nowUs() - this.lastRequestUs > idleMs * 1000) this.close();
      });
    }
  }

  /** The stream ended; only what is in memory can still be fetched. */
  get isOver(): boolean {
    return this.ended;
  }

  private touch(): void {
    this.lastRequestUs = this.context.clock.nowUs();
  }

  /** The master playlist with this stream as its only variant; null when no segment came in time. */
  async master(query: string): Promise<string | null> {
    await this.firstSegment();
    const { store } = this.packager;
    if (store.count === 0) return null;
    const carried = this.tracks.filter(
      (track) => !this.packager.leftOut.some((missing) => missing.track === track),
    );
    const video = defaultTrack(carried, 'video');
    const variant = {
      uri: `${encodeURIComponent(this.key.name)}.m3u8`,
      peakBitrateBps: store.peakBitrateBps,
      averageBitrateBps: store.averageBitrateBps,
      codecs: carried.map((track) => track.config.mime),
      width: video?.config.width ?? 0,
      height: video?.config.height ?? 0,
      frameRate: video?.config.frameRate ?? 0,
    };
    return serializeMasterPlaylist([variant], query);
  }

  /** The media playlist; waits for the first segment; null when none came in time. */
  async playlist(query: string): Promise<string | null> {
    await this.firstSegment();
    const segments = this.packager.store.window();
    if (segments.length === 0) return null;
    const first = segments[0]!;
    const playlist = {
      targetDurationSeconds: this.packager.store.targetDurationSeconds,
      mediaSequence: first.sequence,
      // The tag counts those before the first entry; its own is written in the list.
      discontinuitySequence: first.discontinuitySequence - (first.discontinuity ? 1 : 0),
      entries: segments.map((segment) => this.entryOf(segment)),
      ended: this.ended,
    };
    return serializeMediaPlaylist(playlist, query);
  }

  private entryOf(segment: Segment) {
    const { durationUs, discontinuity, wallClockUs } = segment;
    return {
      uri: `${encodeURIComponent(this.key.name)}-${segment.name}`,
      durationUs,
      discontinuity,
      wallClockUs,
    };
  }

  private async firstSegment(): Promise<void> {
    this.touch();
    if (this.packager.store.count > 0 || this.ended) return;
    if (this.waiting.length >= MAX_WAITING)
      throw new InvariantError('too many requests wait for a first segment');
    const limitMs = Math.max(MIN_WAIT_MS, this.settings.durationMs * FIRST_SEGMENT_TARGETS);
    await new Promise<void>((resolve) => {
      const timeout = this.context.tick.after(limitMs, resolve);
      this.waiting.push(() => {
        timeout.cancel();
        resolve();
      });
    });
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }

  segment(name: string): Segment | undefined {
    this.touch();
    return this.packager.store.find(name);
  }

  onTracks(tracks: readonly Track[]): void {
    this.tracks = tracks;
    this.packager.setTracks(tracks);
  }

  onFrame(frame: Frame): void {
    this.packager.write(frame);
    if (this.waiting.length > 0 && this.packager.store.count > 0) this.wake();
  }

  onPause(): void {
    this.packager.end();
    this.wake();
  }

  onEnd(): void {
    this.ended = true;
    this.detach = null;
    this.packager.end();
    this.wake();
    // Players still fetch what they know for a while.
    this.idle?.cancel();
    this.idle = this.context.tick.after(this.settings.durationMs * this.settings.cache, () => this.close());
  }

  close(): void {
    this.idle?.cancel();
    this.detach?.();
    this.detach = null;
    this.ended = true;
    this.wake();
    this.onGone();
  }
}
