/**
 * One track of a stream converted to one codec, for all outputs that want it: one conversion however many players.
 * Keeps what was made since the stream's last access point, so that who comes later starts with sound too.
 */
import { type CodecConfig, isSameConfig } from '../codec/codec-config.ts';
import { FRAME_KEY, Frame } from './frame.ts';
import type { SoundConversion, SoundConverter, SoundOutput, SoundTarget } from './sound-conversion.ts';
import type { Track } from './track.ts';

/** Frames that are kept; 20 s of Opus. */
const MAX_KEPT = 1000;
/** Sound that begins this much later than the pictures is as good as together with them. */
const MIN_SILENCE_US = 5000;
/** A publisher whose sound begins later has none at first. */
const MAX_SILENCE_US = 1_000_000;
const NO_BYTES = new Uint8Array(0);

export interface ConvertedSoundListener {
  onConverted(sound: ConvertedSound, frame: Frame): void;
  onConversionFailed(sound: ConvertedSound): void;
}

export class ConvertedSound implements SoundOutput {
  readonly trackId: number;
  readonly target: SoundTarget;
  /** Of what goes in. */
  readonly source: CodecConfig;
  /** Of what comes out. */
  readonly config: CodecConfig;
  /** '' while it works. */
  failure = '';
  /** Up to here everything has come out, stream time; negative infinity before the first frame. */
  readyUs = Number.NEGATIVE_INFINITY;
  /** It has got nothing yet. */
  isFresh = true;
  private readonly conversion: SoundConversion;
  private listeners: readonly ConvertedSoundListener[] = [];
  private kept: Frame[] = [];

  constructor(track: Track, target: SoundTarget, converter: SoundConverter) {
    this.trackId = track.id;
    this.target = target;
    this.source = track.config;
    this.conversion = converter.open(track.config, target, this);
    this.config = this.conversion.config;
  }

  isOf(track: Track, target: SoundTarget): boolean {
    return this.trackId === track.id && this.target === target && isSameConfig(this.source, track.config);
  }

  add(listener: ConvertedSoundListener): void {
    this.listeners = [...this.listeners, listener];
  }

  /** True when nobody listens any more: it was closed. */
  remove(listener: ConvertedSoundListener): boolean {
    this.listeners = this.listeners.filter((known) => known !== listener);
    if (this.listeners.length > 0) return false;
    this.conversion.close();
    this.kept = [];
    return true;
  }

  /** Silence from here to the first frame: players wait for sound where there are pictures. */
  beginAt(startUs: number, first: Frame): void {
    const silenceUs = first.pts - startUs;
    if (silenceUs < MIN_SILENCE_US || silenceUs > MAX_SILENCE_US || this.failure !== '') return;
    this.conversion.push(startUs, silenceUs, NO_BYTES, first.arrival);
  }

  /** Hot path. A frame of the track. */
  push(frame: Frame): void {
    this.isFresh = false;
    if (this.failure === '') this.conversion.push(frame.pts, frame.duration, frame.payload, frame.arrival);
  }

  onSound(ptsUs: number, durationUs: number, payload: Uint8Array, arrivalUs: number): void {
    // Times never go back within a track; a converter that found its place anew may want to.
    const pts = Math.max(ptsUs, this.kept.at(-1)?.pts ?? ptsUs);
    const frame = new Frame(
      this.trackId,
      FRAME_KEY,
      pts,
      pts,
      durationUs,
      payload,
      this.config,
      arrivalUs,
      Number.NaN,
    );
    this.readyUs = pts + durationUs;
    if (this.kept.length >= MAX_KEPT) this.kept.splice(0, MAX_KEPT / 2);
    this.kept.push(frame);
    const { listeners } = this;
    for (let i = 0; i < listeners.length; i++) listeners[i]!.onConverted(this, frame);
  }

  onSoundFailed(reason: string): void {
    this.failure = reason;
    for (const listener of this.listeners) listener.onConversionFailed(this);
  }

  info(): object {
    return this.conversion.info?.() ?? {};
  }

  /** What was made from this time on. */
  framesFrom(startUs: number): readonly Frame[] {
    const first = this.kept.findIndex(({ pts }) => pts >= startUs);
    if (first < 0) return [];
    return this.kept.slice(first);
  }

  /** The stream has a new access point: nobody starts before it. */
  forgetBefore(startUs: number): void {
    const first = this.kept.findIndex(({ pts }) => pts >= startUs);
    if (first > 0) this.kept.splice(0, first);
  }
}
