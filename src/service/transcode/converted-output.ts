/**
 * What comes out of a conversion: the pictures as they are made and the sound as it came, in one order, as one stream. It
 * is published with the first picture.
 */
import { type CodecConfig, isSameConfig } from '../../codec/codec-config.ts';
import { FRAME_CONFIG, type Frame } from '../../media/frame.ts';
import type { Publication } from '../../media/publication.ts';
import { makeTrack, type Track } from '../../media/track.ts';
import { JoinedOutput } from './joined-output.ts';

export class ConvertedOutput {
  private readonly publish: () => Publication | null;
  private readonly joined: JoinedOutput;
  private publication: Publication | null = null;
  private sounds: readonly Track[] = [];
  /** Of the latest picture. */
  private config: CodecConfig | null = null;

  /** `publish`: takes the stream's name; null when it must not, which it has told then. */
  constructor(publish: () => Publication | null) {
    this.publish = publish;
    this.joined = new JoinedOutput((frame) => this.write(frame));
  }

  get isPublished(): boolean {
    return this.publication !== null;
  }

  /** Pictures left out because they came too late. */
  get latePictures(): number {
    return this.joined.latePictures;
  }

  /** Tracks that are passed on. */
  setSounds(tracks: readonly Track[]): void {
    this.sounds = tracks;
    if (this.publication !== null) for (const track of tracks) this.publication.setTrack(track);
  }

  /** A frame that was not converted; those of other tracks are left out. */
  sound(frame: Frame, nowUs: number): void {
    for (let i = 0; i < this.sounds.length; i++) {
      if (this.sounds[i]!.id !== frame.trackId) continue;
      this.joined.sound(frame, nowUs);
      return;
    }
  }

  /** A picture that was made of one of `track`. */
  picture(
    track: Track,
    flags: number,
    ptsUs: number,
    captureUs: number,
    payload: Uint8Array,
    config: CodecConfig,
  ): void {
    this.publication ??= this.publish();
    const { publication } = this;
    if (publication === null) return;
    const marked = this.announce(publication, track, config) ? flags | FRAME_CONFIG : flags;
    if (!this.joined.picture(ptsUs)) return;
    const ms = ptsUs / 1000;
    publication.write(track.id, marked, ms, ms, 0, payload, config, captureUs);
  }

  /** Nothing comes out after it. Idempotent. */
  end(reason: string): void {
    this.publication?.end(reason);
    this.publication = null;
  }

  /** True when pictures were of another config before. */
  private announce(
    publication: Publication,
    { id, wireIndex, language }: Track,
    config: CodecConfig,
  ): boolean {
    const before = this.config;
    if (before === config) return false;
    this.config = config;
    publication.setTrack(makeTrack(id, config, wireIndex, language));
    if (before === null) for (const sound of this.sounds) publication.setTrack(sound);
    return before !== null && !isSameConfig(before, config);
  }

  private write({ trackId, flags, dts, pts, duration, payload, config, captureTime }: Frame): void {
    this.publication?.write(trackId, flags, dts / 1000, pts / 1000, duration, payload, config, captureTime);
  }
}
