/**
 * A stream as outputs of one kind get it: tracks that they cannot carry are replaced by converted ones, all other frames
 * are the stream's own. While nothing has to be converted its outputs get frames without it (`isDirect`).
 * Converted sound is late. Where the order matters pictures are held until the sound of their time is there, or until
 * they have waited long enough: a conversion that fails delays a stream, it never stops one.
 */
import { Ring } from '../util/ring.ts';
import type { ConvertedSound, ConvertedSoundListener } from './converted-sound.ts';
import type { Feed, FeedSource } from './feed.ts';
import { FRAME_DISCONTINUITY, type Frame } from './frame.ts';
import type { FrameConsumer } from './frame-consumer.ts';
import { FrameOutputs } from './frame-outputs.ts';
import type { Pump } from './pump.ts';
import type { SoundNeed } from './sound-conversion.ts';
import type { Track } from './track.ts';

/** Longer than any conversion takes. */
const MAX_HOLD_US = 300_000;
const MAX_HELD = 1024;
/** A sound track of which nothing tells but its first frame (G.711 over RTMP) comes this much after the first picture. */
const SETTLE_US = 300_000;
const AUDIO_POINT_US = 1_000_000;

/** What a rendition asks of its stream. */
export interface RenditionStream extends FeedSource {
  cachedFrames(): readonly Frame[];
}

/** Who has the conversions of the stream. */
export interface RenditionOwner {
  /** The conversion that this track needs; null: it goes out as it is. */
  conversionOf(track: Track, need: SoundNeed): ConvertedSound | null;
  releaseConversion(sound: ConvertedSound, listener: ConvertedSoundListener): void;
  /** `isDirect` of a rendition may be another now. */
  onDirectChange(): void;
}

class Held {
  readonly frame: Frame;
  readonly isPoint: boolean;
  readonly isVideo: boolean;
  readonly sinceUs: number;

  constructor(frame: Frame, isPoint: boolean, isVideo: boolean, sinceUs: number) {
    this.frame = frame;
    this.isPoint = isPoint;
    this.isVideo = isVideo;
    this.sinceUs = sinceUs;
  }
}

export class SoundRendition implements FeedSource, ConvertedSoundListener {
  readonly need: SoundNeed;
  readonly outputs: FrameOutputs;
  tracks: readonly Track[] = [];
  private readonly stream: RenditionStream;
  private readonly owner: RenditionOwner;
  private conversions: readonly ConvertedSound[] = [];
  /** Of tracks that are not there now: a publisher that comes back announces them one after the other. */
  private resting: readonly ConvertedSound[] = [];
  private readonly held = new Ring<Held>(16);
  private hasVideo = false;
  private newestUs = 0;
  /** The tracks are known as far as can be: pictures wait for no sound track any more. */
  private isSettled = false;
  private firstUs = Number.NaN;
  private lastPointUs = Number.NEGATIVE_INFINITY;

  constructor(need: SoundNeed, stream: RenditionStream, owner: RenditionOwner, pump: Pump) {
    this.need = need;
    this.stream = stream;
    this.owner = owner;
    this.outputs = new FrameOutputs(pump);
    this.refresh();
    this.isSettled = this.hasSound;
  }

  get metadata(): unknown {
    return this.stream.metadata;
  }

  get label(): string {
    return this.stream.label;
  }

  /** Frames may go to its outputs as they are: nothing is converted, held or waited for. */
  get isDirect(): boolean {
    return this.isSettled && this.conversions.length === 0;
  }

  private get hasSound(): boolean {
    return this.tracks.some(({ kind }) => kind === 'audio');
  }

  /** Gives the feed what is cached, and all that comes. */
  addFeed(feed: Feed): void {
    const known = this.begin();
    for (let i = 0; i < known.length; i++) feed.append(known[i]!, i === 0, false);
    this.outputs.addFeed(feed);
    this.catchUp();
  }

  addConsumer(consumer: FrameConsumer): void {
    const known = this.begin();
    if (this.tracks.length > 0) consumer.onTracks(this.tracks);
    for (const frame of known) consumer.onFrame(frame);
    this.outputs.addConsumer(consumer);
    this.catchUp();
  }

  /** The cached frames that somebody who comes now has missed, in order; the first is an access point. */
  private begin(): readonly Frame[] {
    const cached = this.stream.cachedFrames();
    const isFirst = this.outputs.isEmpty;
    // The stream has begun before anybody wanted this of it.
    if (isFirst && cached.length > 0) this.settle();
    if (this.conversions.length === 0) return this.withoutHeld(cached);
    for (const sound of this.conversions) {
      // Where pictures do not wait for sound, players begin with the sound of now.
      if (!sound.isFresh || !this.need.inOrder) continue;
      // It begins with what is cached, and where the pictures begin; what it makes of it comes later.
      const own = cached.filter(({ trackId }) => trackId === sound.trackId);
      if (own.length > 0) sound.beginAt(cached[0]!.dts, own[0]!);
      for (const frame of own) sound.push(frame);
    }
    const startUs = cached[0]?.dts ?? Number.POSITIVE_INFINITY;
    const made = this.conversions.flatMap((sound) => sound.framesFrom(startUs));
    const all = [...cached.filter((frame) => this.conversionFor(frame.trackId) === null), ...made];
    all.sort((a, b) => a.dts - b.dts);
    if (!isFirst || !this.need.inOrder) return this.withoutHeld(all);
    this.newestUs = cached.at(-1)?.arrival ?? 0;
    const readyUs = this.readyUs();
    for (const [index, frame] of all.entries())
      if (frame.dts > readyUs) this.held.push(new Held(frame, index === 0, false, this.newestUs));
    return all.filter(({ dts }) => dts <= readyUs);
  }

  /** What is held comes to all outputs when its time has come. */
  private withoutHeld(frames: readonly Frame[]): readonly Frame[] {
    const { held } = this;
    if (held.size === 0) return frames;
    const waiting = new Set<Frame>();
    for (let position = held.tail; position < held.head; position++) waiting.add(held.at(position).frame);
    return frames.filter((frame) => !waiting.has(frame));
  }

  private conversionFor(trackId: number): ConvertedSound | null {
    const { conversions } = this;
    for (let i = 0; i < conversions.length; i++)
      if (conversions[i]!.trackId === trackId) return conversions[i]!;
    return null;
  }

  /** Tracks or metadata of the stream changed. */
  tracksChanged(dts: number, nowUs: number): void {
    // What waited to know the tracks goes out when they are told, all else before.
    if (this.isSettled) this.releaseAll();
    this.refresh();
    this.outputs.tellTracks(this.tracks, dts, nowUs);
    if (!this.isSettled && this.hasSound) this.settle();
    this.owner.onDirectChange();
  }

  private refresh(): void {
    const { stream, owner, need } = this;
    const conversions: ConvertedSound[] = [];
    this.tracks = stream.tracks.map((track) => {
      const sound = owner.conversionOf(track, need);
      if (sound === null) return track;
      conversions.push(sound);
      return { ...track, config: sound.config };
    });
    this.hasVideo = this.tracks.some(({ kind }) => kind === 'video');
    const known = [...this.conversions, ...this.resting];
    for (const sound of conversions) if (!known.includes(sound)) sound.add(this);
    const others = known.filter((sound) => !conversions.includes(sound));
    const isAbsent = (sound: ConvertedSound) => stream.tracks.every(({ id }) => id !== sound.trackId);
    this.conversions = conversions;
    this.resting = others.filter(isAbsent);
    for (const sound of others) if (!isAbsent(sound)) owner.releaseConversion(sound, this);
  }

  private settle(): void {
    this.isSettled = true;
    if (this.conversions.length === 0) this.releaseAll();
    this.owner.onDirectChange();
  }

  /** Hot path. Every frame of the stream, unless it is direct. */
  onFrame(frame: Frame, isPoint: boolean, isVideo: boolean): void {
    this.newestUs = frame.arrival;
    if (!this.isSettled && this.waitsForTracks(frame, isVideo)) {
      this.held.push(new Held(frame, isPoint, isVideo, frame.arrival));
      return;
    }
    if (this.conversionFor(frame.trackId) === null) {
      if (this.need.inOrder && this.conversions.length > 0)
        this.held.push(new Held(frame, isPoint, isVideo, frame.arrival));
      else this.deliver(frame, isPoint, isVideo);
    }
    this.catchUp();
  }

  /** At the beginning of a stream, and while no sound track is known. */
  private waitsForTracks(frame: Frame, isVideo: boolean): boolean {
    if (Number.isNaN(this.firstUs)) this.firstUs = frame.arrival;
    // Players get what there is at once; only segments and files cannot take another track in their middle.
    const isWanted = this.need.inOrder && this.outputs.consumerCount > 0;
    const isYoung = frame.arrival - this.firstUs < SETTLE_US && this.held.size < MAX_HELD;
    if (isWanted && isVideo && isYoung) return true;
    this.settle();
    return false;
  }

  onConverted(_sound: ConvertedSound, frame: Frame): void {
    this.releaseBefore(frame.dts);
    const isPoint = !this.hasVideo && frame.dts - this.lastPointUs >= AUDIO_POINT_US;
    if (isPoint) this.lastPointUs = frame.dts;
    this.deliver(frame, isPoint, false);
    this.catchUp();
  }

  onConversionFailed(sound: ConvertedSound): void {
    this.tracksChanged(sound.readyUs === Number.NEGATIVE_INFINITY ? 0 : sound.readyUs, this.newestUs);
  }

  /** Held frames whose sound has come, or that waited too long. */
  private catchUp(): void {
    const { held } = this;
    if (held.size === 0 || !this.isSettled) return;
    const readyUs = this.readyUs();
    const oldestUs = this.newestUs - MAX_HOLD_US;
    let count = 0;
    while (count < held.size) {
      const { frame, sinceUs } = held.at(held.tail + count);
      if (frame.dts > readyUs && sinceUs > oldestUs && held.size - count <= MAX_HELD) break;
      count++;
    }
    this.release(count);
  }

  /** Stream time up to which all converted sound is there. */
  private readyUs(): number {
    const { conversions } = this;
    let readyUs = Number.POSITIVE_INFINITY;
    for (let i = 0; i < conversions.length; i++) readyUs = Math.min(readyUs, conversions[i]!.readyUs);
    return readyUs;
  }

  /** Held frames that belong before a sound of this time. */
  private releaseBefore(dts: number): void {
    const { held } = this;
    let count = 0;
    while (count < held.size && held.at(held.tail + count).frame.dts <= dts) count++;
    this.release(count);
  }

  /** All that is held goes out: nothing more is waited for. */
  releaseAll(): void {
    this.release(this.held.size);
  }

  /** Outputs may leave meanwhile, the last one with all that is held. */
  private release(count: number): void {
    const { held } = this;
    for (let left = count; left > 0 && held.size > 0; left--) {
      const { frame, isPoint, isVideo } = held.at(held.tail);
      held.dropOldest();
      this.deliver(frame, isPoint, isVideo);
    }
  }

  private deliver(frame: Frame, isPoint: boolean, isVideo: boolean): void {
    if ((frame.flags & FRAME_DISCONTINUITY) !== 0) this.lastPointUs = Number.NEGATIVE_INFINITY;
    this.outputs.give(frame, isPoint, isVideo);
  }

  onPause(): void {
    this.releaseAll();
    this.outputs.pause();
  }

  /** The stream is over. */
  end(reason: string): void {
    this.releaseAll();
    this.outputs.end(reason);
    this.close();
  }

  close(): void {
    for (const sound of [...this.conversions, ...this.resting]) this.owner.releaseConversion(sound, this);
    this.conversions = [];
    this.resting = [];
    this.held.clear();
  }
}
