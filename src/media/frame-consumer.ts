/** Gets every frame and track change of a stream synchronously, for what is not a feed: segmenters, recorders. */
import type { Frame } from './frame.ts';
import type { SoundNeed } from './sound-conversion.ts';
import type { Track } from './track.ts';

export interface FrameConsumer {
  /** What it wants of sound; without it every track comes as it is. */
  readonly soundNeed?: SoundNeed;
  onTracks(tracks: readonly Track[]): void;
  onFrame(frame: Frame): void;
  /** The publisher is gone; it may come back within the grace time. */
  onPause(): void;
  onEnd(reason: string): void;
}
