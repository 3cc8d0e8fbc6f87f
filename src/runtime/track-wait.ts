/**
 * Waiting for what a description needs: the tracks of a stream that is about to begin, or that begins because somebody
 * wants it. Tracks come one after the other, so a stream with one of them is looked at a little longer.
 */

import type { SoundNeed } from '../media/sound-conversion.ts';
import type { Stream } from '../media/stream.ts';
import type { StreamHub } from '../media/stream-hub.ts';
import type { StreamKey } from '../media/stream-key.ts';
import type { Track } from '../media/track.ts';
import { RejectedError } from '../util/errors.ts';
import type { Timeout } from '../util/tick-wheel.ts';

/** After the first track. */
const SETTLE_MS = 1000;
/** For a publisher that is there and has not told any. */
const TRACKS_MS = 10_000;
/** For a source that is started for this: it has a limit of its own, which is shorter as a rule. */
const SOURCE_MS = 60_000;

export interface TrackWaitServices {
  readonly hub: StreamHub;
  wallUs(): number;
  after(delayMs: number, run: () => void): Timeout;
}

/** What is waited for; `cancel` when nobody wants it any more. */
export interface TrackWait {
  /** Rejects with RejectedError. */
  readonly tracks: Promise<readonly Track[]>;
  cancel(): void;
}

/**
 * Throws RejectedError when nobody publishes the stream and `waitMs` is 0. `soundNeed`: the tracks as an output with this
 * need gets them.
 */
export function waitForTracks(
  services: TrackWaitServices,
  key: StreamKey,
  waitMs: number,
  soundNeed?: SoundNeed,
): TrackWait {
  const wait = new Waiting(services, key, soundNeed);
  wait.begin(waitMs);
  return wait;
}

class Waiting implements TrackWait {
  readonly tracks: Promise<readonly Track[]>;
  readonly soundNeed?: SoundNeed;
  private readonly services: TrackWaitServices;
  private readonly key: StreamKey;
  private known: readonly Track[] = [];
  private hasFrame = false;
  private done = false;
  private stream: Stream | null = null;
  private detach: (() => void) | null = null;
  private settling: Timeout | null = null;
  private deadline: Timeout | null = null;
  private resolve: (tracks: readonly Track[]) => void = () => undefined;
  private reject: (error: Error) => void = () => undefined;

  constructor(services: TrackWaitServices, key: StreamKey, soundNeed: SoundNeed | undefined) {
    if (soundNeed !== undefined) this.soundNeed = soundNeed;
    this.services = services;
    this.key = key;
    this.tracks = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  begin(waitMs: number): void {
    const { hub } = this.services;
    const { stream, detach } = hub.consume(this.key, this, waitMs);
    this.stream = stream;
    this.detach = detach;
    if (this.done) {
      this.finish();
      return;
    }
    const isComing = stream.state === 'idle';
    this.deadline = this.services.after(isComing ? waitMs + SOURCE_MS : TRACKS_MS, () => this.onDeadline());
    this.check();
  }

  onTracks(tracks: readonly Track[]): void {
    this.known = tracks;
    this.check();
  }

  onFrame(): void {
    if (this.hasFrame) return;
    this.hasFrame = true;
    this.check();
  }

  onPause(): void {
    this.check();
  }

  onEnd(reason: string): void {
    // The hub has let us go already.
    this.detach = null;
    this.fail(reason);
  }

  private check(): void {
    const { stream, known } = this;
    if (this.done || stream === null || known.length === 0) return;
    const ageMs = this.services.wallUs() / 1000 - stream.liveSinceMs;
    const hasBoth = known.some((one) => one.kind === 'video') && known.some((one) => one.kind === 'audio');
    if (stream.state === 'lingering' || ageMs > SETTLE_MS || (hasBoth && this.hasFrame)) this.succeed();
    else this.settling ??= this.services.after(SETTLE_MS, () => this.succeed());
  }

  private onDeadline(): void {
    if (this.known.length > 0) this.succeed();
    else this.fail(`The publisher of ${this.key.text} has not sent anything yet.`);
  }

  private succeed(): void {
    if (this.done) return;
    this.done = true;
    this.resolve(this.known);
    this.finish();
  }

  private fail(reason: string): void {
    if (this.done) return;
    this.done = true;
    this.reject(new RejectedError('not-found', reason));
    this.finish();
  }

  cancel(): void {
    this.fail('The peer left.');
  }

  private finish(): void {
    this.settling?.cancel();
    this.deadline?.cancel();
    const { detach } = this;
    this.detach = null;
    detach?.();
  }
}
