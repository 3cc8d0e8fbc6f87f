/**
 * The seam between a stream and what converts its sound for players of formats that cannot carry it. The converter is
 * injected; media knows no codec. It may work on other threads: frames come back later, in order.
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import type { Track } from './track.ts';

/** What sound is converted to. */
export type SoundTarget = 'aac' | 'opus';
export const SOUND_TARGETS: readonly SoundTarget[] = ['aac', 'opus'];

/** Gets what a conversion makes. */
export interface SoundOutput {
  /**
   * One encoded frame. Times are microseconds on the stream's timeline, in order and free of drift: they count samples
   * from the time of the frames that went in. `arrivalUs`: monotonic, of the newest frame that went into it. The payload
   * is the converter's own and never written again.
   */
  onSound(ptsUs: number, durationUs: number, payload: Uint8Array, arrivalUs: number): void;
  /** It cannot go on; a sentence for a person. Nothing comes after it. */
  onSoundFailed(reason: string): void;
}

/** One running conversion of one track. */
export interface SoundConversion {
  /** Of what comes out. */
  readonly config: CodecConfig;
  /**
   * Hot path. One frame of the track; the payload is not kept after the call. Before the first frame one without payload
   * may come: silence of that duration.
   */
  push(ptsUs: number, durationUs: number, payload: Uint8Array, arrivalUs: number): void;
  /** What it did so far, for the API. */
  info?(): object;
  /** Nothing comes out after it. Idempotent. */
  close(): void;
}

export interface SoundConverter {
  /** '' when it can convert sound of this config, else a sentence for a person. */
  reasonAgainst(config: CodecConfig, target: SoundTarget): string;
  /** Only where `reasonAgainst` is ''. */
  open(config: CodecConfig, target: SoundTarget, output: SoundOutput): SoundConversion;
}

/** What an output wants of sound. Feeds and consumers with the same name get the same frames. */
export interface SoundNeed {
  readonly name: string;
  readonly target: SoundTarget;
  /** False: the output has no place for this track as it is. */
  carries(track: Track): boolean;
  /** Converted sound comes some milliseconds late; true: pictures wait for the sound of their time. */
  readonly inOrder: boolean;
}

/**
 * `auto`: what the output cannot carry, and Opus of publishers that had no choice (WebRTC) where old players know AAC
 * only; `always`: everything that is not AAC or MP3 where the target is AAC; `never`.
 */
export type ConvertMode = 'auto' | 'always' | 'never';

/** `carrier`: the protocol that brought the track. */
export function mustConvert(track: Track, need: SoundNeed, mode: ConvertMode, carrier: string): boolean {
  if (track.kind !== 'audio' || mode === 'never') return false;
  if (!need.carries(track)) return true;
  const { codec } = track.config;
  if (need.target !== 'aac' || codec === 'aac' || codec === 'mp3') return false;
  return mode === 'always' || (carrier === 'webrtc' && codec === 'opus');
}
