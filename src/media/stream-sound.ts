/** The sound of one stream for outputs that cannot carry it as it is: its renditions and the conversions behind them. */
import { ConvertedSound, type ConvertedSoundListener } from './converted-sound.ts';
import type { Feed, FeedSource } from './feed.ts';
import type { Frame } from './frame.ts';
import type { FrameConsumer } from './frame-consumer.ts';
import type { Pump } from './pump.ts';
import {
  type ConvertMode,
  mustConvert,
  SOUND_TARGETS,
  type SoundConverter,
  type SoundNeed,
  type SoundTarget,
} from './sound-conversion.ts';
import { type RenditionStream, SoundRendition } from './sound-rendition.ts';
import type { Track } from './track.ts';

/** What converts the sound of a stream, and how much of it. */
export interface SoundRules {
  /** Null: nothing is ever converted. */
  readonly converter: SoundConverter | null;
  readonly mode: ConvertMode;
}

/** What it knows of its stream. */
export interface SoundSource extends FeedSource {
  /** How the present publisher sends. */
  readonly protocol: string;
  cachedFrames(): readonly Frame[];
}

export class StreamSound implements RenditionStream {
  private readonly stream: SoundSource;
  private readonly pump: Pump;
  private readonly rules: SoundRules;
  private renditions: readonly SoundRendition[] = [];
  private sounds: readonly ConvertedSound[] = [];

  constructor(stream: SoundSource, pump: Pump, rules: SoundRules) {
    this.stream = stream;
    this.pump = pump;
    this.rules = rules;
  }

  get tracks(): readonly Track[] {
    return this.stream.tracks;
  }

  get metadata(): unknown {
    return this.stream.metadata;
  }

  get label(): string {
    return this.stream.label;
  }

  get hasVideo(): boolean {
    return this.stream.tracks.some(({ kind }) => kind === 'video');
  }

  cachedFrames(): readonly Frame[] {
    return this.stream.cachedFrames();
  }

  /** Conversions that run now. */
  get conversions(): readonly ConvertedSound[] {
    return this.sounds;
  }

  get consumerCount(): number {
    let count = 0;
    for (const rendition of this.renditions) count += rendition.consumerCount;
    return count;
  }

  /** The rendition for outputs with this need; made when it does not exist. */
  rendition(need: SoundNeed): SoundRendition {
    const known = this.renditions.find((rendition) => rendition.need.name === need.name);
    if (known !== undefined) return known;
    const rendition = new SoundRendition(need, this, this.pump);
    this.renditions = [...this.renditions, rendition];
    return rendition;
  }

  /** Closes renditions that nobody uses. */
  private sweep(): void {
    for (const rendition of this.renditions) if (rendition.isIdle) rendition.close();
    this.renditions = this.renditions.filter((rendition) => !rendition.isIdle);
  }

  /** Whether the output gets this track converted. */
  isConverted(track: Track, need: SoundNeed): boolean {
    const { converter, mode } = this.rules;
    return (
      converter !== null &&
      mustConvert(track, need, mode, this.stream.protocol) &&
      converter.reasonAgainst(track.config, need.target) === ''
    );
  }

  /** What this track could be converted to when an output wants it. */
  targetsOf(track: Track): readonly SoundTarget[] {
    const { converter, mode } = this.rules;
    if (converter === null || mode === 'never' || track.kind !== 'audio') return [];
    return SOUND_TARGETS.filter(
      (target) => track.config.codec !== target && converter.reasonAgainst(track.config, target) === '',
    );
  }

  conversionOf(track: Track, need: SoundNeed): ConvertedSound | null {
    const { converter } = this.rules;
    const { target } = need;
    if (converter === null || !this.isConverted(track, need)) return null;
    const known = this.sounds.find((sound) => sound.isOf(track, target));
    if (known !== undefined) return known.failure === '' ? known : null;
    const sound = new ConvertedSound(track, target, converter);
    this.sounds = [...this.sounds, sound];
    return sound;
  }

  releaseConversion(sound: ConvertedSound, listener: ConvertedSoundListener): void {
    if (sound.remove(listener)) this.sounds = this.sounds.filter((known) => known !== sound);
  }

  /** Hot path. Every frame of the stream. */
  onFrame(frame: Frame, isPoint: boolean, isVideo: boolean): void {
    const { renditions, sounds } = this;
    for (let i = 0; i < sounds.length; i++) {
      if (sounds[i]!.trackId === frame.trackId) sounds[i]!.push(frame);
      if (isPoint) sounds[i]!.forgetBefore(frame.dts);
    }
    for (let i = 0; i < renditions.length; i++) renditions[i]!.onFrame(frame, isPoint, isVideo);
  }

  tracksChanged(dts: number, nowUs: number): void {
    for (const rendition of this.renditions) rendition.tracksChanged(dts, nowUs);
  }

  removeFeed(feed: Feed): void {
    for (const rendition of this.renditions) rendition.removeFeed(feed);
    this.sweep();
  }

  removeConsumer(consumer: FrameConsumer): void {
    for (const rendition of this.renditions) rendition.removeConsumer(consumer);
    this.sweep();
  }

  onPause(): void {
    for (const rendition of this.renditions) rendition.onPause();
  }

  /** What waits for its sound goes out without it. */
  release(): void {
    for (const rendition of this.renditions) rendition.releaseAll();
  }

  end(reason: string): void {
    for (const rendition of this.renditions) rendition.end(reason);
    this.renditions = [];
  }
}
