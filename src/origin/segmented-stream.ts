/**
 * A stream that is being cut into segments: its packager, fed by the hub, and the requests that wait for a segment or
 * part. It ends some time after the last request, or with the stream.
 */
import type { StreamPolicy } from '../config/configuration.ts';
import type { LeftOut } from '../media/feed.ts';
import type { Frame } from '../media/frame.ts';
import type { FrameConsumer } from '../media/frame-consumer.ts';
import type { SoundNeed } from '../media/sound-conversion.ts';
import type { StreamKey } from '../media/stream-key.ts';
import type { Track } from '../media/track.ts';
import type { SegmentStore } from '../packaging/segment-store.ts';
import { RejectedError } from '../util/errors.ts';
import type { Timeout } from '../util/tick-wheel.ts';
import { SegmentFiles } from './segment-files.ts';
import { SegmentKeys } from './segment-keys.ts';
import type { OriginContext } from './segment-origin.ts';

/** What every packager does. */
export interface Packager {
  readonly soundNeed: SoundNeed;
  readonly leftOut: readonly LeftOut[];
  onChange: (() => void) | null;
  setTracks(tracks: readonly Track[]): void;
  write(frame: Frame): void;
  end(): void;
  close(): void;
  /** One for each list of segments, the leading one first. */
  stores(): readonly { readonly name: string; readonly extension: string; readonly store: SegmentStore }[];
}

interface Waiter {
  readonly isDone: () => boolean;
  readonly resolve: () => void;
  readonly timeout: Timeout;
}

/** A request for a stream that has just begun waits this many target durations for the first segment. */
const FIRST_SEGMENT_TARGETS = 3;
const MIN_FIRST_WAIT_MS = 8000;
/** Requests of one stream that wait at a time. */
const MAX_WAITING = 20_000;
/** Kept for this many windows after the last request. */
const IDLE_WINDOWS = 4;
const MIN_IDLE_MS = 10_000;
const SWEEP_MS = 5000;

export class SegmentedStream<P extends Packager = Packager> implements FrameConsumer {
  readonly key: StreamKey;
  readonly settings: StreamPolicy['hls'];
  readonly packager: P;
  readonly soundNeed: SoundNeed;
  readonly keys: SegmentKeys | null;
  tracks: readonly Track[] = [];
  /** Grows with everything that a list could show. */
  version = 0;
  private readonly context: OriginContext;
  private readonly files: SegmentFiles | null;
  private readonly onGone: () => void;
  private waiting: Waiter[] = [];
  private detach: (() => void) | null = null;
  private idle: Timeout | null = null;
  private lastRequestUs = 0;
  private ended = false;
  private isAnnounced = false;

  constructor(
    context: OriginContext,
    key: StreamKey,
    settings: StreamPolicy['hls'],
    packager: P,
    onGone: () => void,
  ) {
    this.context = context;
    this.key = key;
    this.settings = settings;
    this.packager = packager;
    this.soundNeed = packager.soundNeed;
    this.onGone = onGone;
    this.keys = settings.key === 'off' ? null : new SegmentKeys(settings.keySegments);
    this.files =
      settings.path === '' ? null : new SegmentFiles(context.pathBeside(settings.path), key, context.log);
    packager.onChange = () => this.changed();
  }

  /** Throws RejectedError when nobody publishes the stream. */
  start(): void {
    this.touch();
    this.detach = this.context.hub.consume(this.key, this, this.waitMs()).detach;
    if (this.settings.always) return;
    const idleMs = Math.max(
      MIN_IDLE_MS,
      this.settings.durationMs * this.settings.count * IDLE_WINDOWS,
      this.settings.dvrMs,
    );
    this.idle = this.context.tick.every(SWEEP_MS, () => {
      if (this.context.clock.nowUs() - this.lastRequestUs > idleMs * 1000) this.close();
    });
  }

  /** How long a viewer of a stream that nobody publishes is held. */
  private waitMs(): number {
    const { play } = this.context
      .configuration()
      .resolver.resolve(this.key.vhost, this.key.app, this.key.name);
    return 'waitMs' in play ? Number(play.waitMs) : 0;
  }

  /** The stream ended; only what is in memory can still be fetched. */
  get isOver(): boolean {
    return this.ended;
  }

  touch(): void {
    this.lastRequestUs = this.context.clock.nowUs();
  }

  /** Every list has a segment; one that falls behind is not waited for longer than another segment of the leader. */
  get isReady(): boolean {
    const [leader, ...others] = this.packager.stores();
    if (leader === undefined || leader.store.count === 0) return false;
    return leader.store.count > 1 || others.every(({ store }) => store.count > 0);
  }

  /** Waits for the first segment; false when none came in time. */
  async ready(): Promise<boolean> {
    if (this.isReady) {
      this.touch();
      return true;
    }
    const limitMs =
      Math.max(MIN_FIRST_WAIT_MS, this.settings.durationMs * FIRST_SEGMENT_TARGETS) + this.waitMs();
    await this.until(() => this.isReady, limitMs);
    return this.isReady;
  }

  /** Resolves as soon as `isDone` holds, the stream is over, or the time is up. */
  async until(isDone: () => boolean, limitMs: number): Promise<void> {
    this.touch();
    if (this.ended || isDone()) return;
    if (this.waiting.length >= MAX_WAITING)
      throw new RejectedError('limit', 'Too many requests wait for this stream.');
    await new Promise<void>((resolve) => {
      const waiter: Waiter = {
        isDone,
        resolve,
        timeout: this.context.tick.after(limitMs, () => {
          this.waiting = this.waiting.filter((other) => other !== waiter);
          resolve();
        }),
      };
      this.waiting.push(waiter);
    });
    this.touch();
  }

  private changed(): void {
    this.version++;
    if (this.files !== null) this.files.keep(this.packager.stores());
    if (!this.isAnnounced && this.isReady) {
      this.isAnnounced = true;
      this.context.log.debug('segments.ready', { stream: this.key.text });
    }
    this.wake();
  }

  private wake(): void {
    if (this.waiting.length === 0) return;
    const still: Waiter[] = [];
    for (const waiter of this.waiting) {
      if (!this.ended && !waiter.isDone()) {
        still.push(waiter);
        continue;
      }
      waiter.timeout.cancel();
      waiter.resolve();
    }
    this.waiting = still;
  }

  onTracks(tracks: readonly Track[]): void {
    this.tracks = tracks;
    this.packager.setTracks(tracks);
  }

  onFrame(frame: Frame): void {
    this.packager.write(frame);
  }

  onPause(): void {
    this.packager.end();
    this.changed();
  }

  onEnd(): void {
    this.ended = true;
    this.detach = null;
    this.packager.end();
    this.changed();
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
    this.files?.close();
    this.onGone();
  }
}
