/** The sound of one stream for outputs that cannot carry it as it is: its renditions and the conversions behind them. */
import { ConvertedSound, type ConvertedSoundListener } from './converted-sound.ts';
import type { Feed } from './feed.ts';
import type { Frame } from './frame.ts';
import type { FrameConsumer } from './frame-consumer.ts';
import type { FrameOutputs } from './frame-outputs.ts';
import type { Pump } from './pump.ts';
import {
  type ConvertMode,
  mustConvert,
  SOUND_TARGETS,
  type SoundConverter,
  type SoundNeed,
  type SoundTarget,
} from './sound-conversion.ts';
import { type RenditionOwner, type RenditionStream, SoundRendition } from './sound-rendition.ts';
import type { Track } from './track.ts';

/** What converts the sound of a stream, and how much of it. */
export interface SoundRules {
  /** Null: nothing is ever converted. */
  readonly converter: SoundConverter | null;
  readonly mode: ConvertMode;
}

/** What it knows of its stream. */
interface SoundSource extends RenditionStream {
  /** How the present publisher sends. */
  readonly carrier: string;
}

export class StreamSound implements RenditionOwner {
  private readonly stream: SoundSource;
  private readonly pump: Pump;
  private readonly rules: SoundRules;
  private renditions: readonly SoundRendition[] = [];
  /** Outputs of renditions that have nothing to do: as a rule of all. */
  private direct: readonly FrameOutputs[] = [];
  /** Renditions that convert, or wait to know whether they must. */
  private working: readonly SoundRendition[] = [];
  private sounds: readonly ConvertedSound[] = [];

  constructor(stream: SoundSource, pump: Pump, rules: SoundRules) {
    this.stream = stream;
    this.pump = pump;
    this.rules = rules;
  }

  /** Conversions that run now. */
  get conversions(): readonly ConvertedSound[] {
    return this.sounds;
  }

  get consumerCount(): number {
    let count = 0;
    for (const { outputs } of this.renditions) count += outputs.consumerCount;
    return count;
  }

  /** The rendition for outputs with this need; made when it does not exist. */
  rendition(need: SoundNeed): SoundRendition {
    const known = this.renditions.find((rendition) => rendition.need.name === need.name);
    if (known !== undefined) return known;
    const rendition = new SoundRendition(need, this.stream, this, this.pump);
    this.renditions = [...this.renditions, rendition];
    this.onDirectChange();
    return rendition;
  }

  onDirectChange(): void {
    this.direct = this.renditions.filter(({ isDirect }) => isDirect).map(({ outputs }) => outputs);
    this.working = this.renditions.filter(({ isDirect }) => !isDirect);
  }

  /** Closes renditions that nobody uses. */
  private sweep(): void {
    for (const rendition of this.renditions) if (rendition.outputs.isEmpty) rendition.close();
    this.renditions = this.renditions.filter(({ outputs }) => !outputs.isEmpty);
    this.onDirectChange();
  }

  /** Whether the output gets this track converted. */
  isConverted(track: Track, need: SoundNeed): boolean {
    const { converter, mode } = this.rules;
    return (
      converter !== null &&
      mustConvert(track, need, mode, this.stream.carrier) &&
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
    const { direct, working, sounds } = this;
    for (let i = 0; i < direct.length; i++) direct[i]!.give(frame, isPoint, isVideo);
    for (let i = 0; i < sounds.length; i++) {
      if (sounds[i]!.trackId === frame.trackId) sounds[i]!.push(frame);
      if (isPoint) sounds[i]!.forgetBefore(frame.dts);
    }
    for (let i = 0; i < working.length; i++) working[i]!.onFrame(frame, isPoint, isVideo);
  }

  tracksChanged(dts: number, nowUs: number): void {
    for (const rendition of this.renditions) rendition.tracksChanged(dts, nowUs);
  }

  removeFeed(feed: Feed): void {
    for (const { outputs } of this.renditions) outputs.removeFeed(feed);
    this.sweep();
  }

  removeConsumer(consumer: FrameConsumer): void {
    for (const { outputs } of this.renditions) outputs.removeConsumer(consumer);
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
    this.onDirectChange();
  }
}
