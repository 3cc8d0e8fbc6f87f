/**
 * A stream as outputs of one kind get it: tracks that they cannot carry are replaced by converted ones, all other frames
 * are the stream's own. While nothing has to be converted it hands frames through.
 * Converted sound is late. Where the order matters pictures are held until the sound of their time is there, or until
 * they have waited long enough: a conversion that fails delays a stream, it never stops one.
 */

import type { ConvertedSound, ConvertedSoundListener } from './converted-sound.ts';
import type { Feed, FeedSource } from './feed.ts';
import { FRAME_DISCONTINUITY, type Frame } from './frame.ts';
import type { FrameConsumer } from './frame-consumer.ts';
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
  readonly hasVideo: boolean;
  cachedFrames(): readonly Frame[];
  /** The conversion that this track needs; null: it goes out as it is. */
  conversionOf(track: Track, need: SoundNeed): ConvertedSound | null;
  releaseConversion(sound: ConvertedSound, listener: ConvertedSoundListener): void;
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
  tracks: readonly Track[] = [];
  private readonly stream: RenditionStream;
  private readonly pump: Pump;
  private feeds: readonly Feed[] = [];
  private consumers: readonly FrameConsumer[] = [];
  private conversions: readonly ConvertedSound[] = [];
  /** Of tracks that are not there now: a publisher that comes back announces them one after the other. */
  private resting: readonly ConvertedSound[] = [];
  private held: Held[] = [];
  private newestUs = 0;
  /** The tracks are known as far as can be: pictures wait for no sound track any more. */
  private isSettled = false;
  private firstUs = Number.NaN;
  private lastPointUs = Number.NEGATIVE_INFINITY;

  constructor(need: SoundNeed, stream: RenditionStream, pump: Pump) {
    this.need = need;
    this.stream = stream;
    this.pump = pump;
    this.refresh();
    this.isSettled = this.tracks.some(({ kind }) => kind === 'audio');
  }

  get metadata(): unknown {
    return this.stream.metadata;
  }

  get label(): string {
    return this.stream.label;
  }

  get consumerCount(): number {
    return this.consumers.length;
  }

  /** Nobody uses it. */
  get isIdle(): boolean {
    return this.feeds.length === 0 && this.consumers.length === 0;
  }

  /** Gives the feed what is cached, and all that comes. */
  addFeed(feed: Feed): void {
    const known = this.begin();
    for (let i = 0; i < known.length; i++) feed.append(known[i]!, i === 0, false);
    this.feeds = [...this.feeds, feed];
    this.catchUp();
  }

  removeFeed(feed: Feed): void {
    this.feeds = this.feeds.filter((known) => known !== feed);
  }

  addConsumer(consumer: FrameConsumer): void {
    const known = this.begin();
    if (this.tracks.length > 0) consumer.onTracks(this.tracks);
    for (const frame of known) consumer.onFrame(frame);
    this.consumers = [...this.consumers, consumer];
    this.catchUp();
  }

  removeConsumer(consumer: FrameConsumer): void {
    this.consumers = this.consumers.filter((known) => known !== consumer);
  }

  /** The cached frames that somebody who comes now has missed, in order; the first is an access point. */
  private begin(): readonly Frame[] {
    const cached = this.stream.cachedFrames();
    if (cached.length > 0) this.isSettled = true;
    if (this.conversions.length === 0) return cached;
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
    if (!this.need.inOrder) return all;
    if (this.isIdle) {
      const readyUs = this.readyUs();
      this.newestUs = cached.at(-1)?.arrival ?? 0;
      const first = all[0];
      this.held = all
        .filter(({ dts }) => dts > readyUs)
        .map((frame) => new Held(frame, frame === first, false, this.newestUs));
      return all.filter(({ dts }) => dts <= readyUs);
    }
    const waiting = new Set(this.held.map(({ frame }) => frame));
    return all.filter((frame) => !waiting.has(frame));
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
    for (const feed of this.feeds) {
      feed.tracksChanged(dts, nowUs);
      this.pump.notify(feed, false);
    }
    for (const consumer of this.consumers) consumer.onTracks(this.tracks);
    if (!this.isSettled && this.tracks.some(({ kind }) => kind === 'audio')) {
      this.isSettled = true;
      if (this.conversions.length === 0) this.releaseAll();
    }
  }

  private refresh(): void {
    const { stream, need } = this;
    const conversions: ConvertedSound[] = [];
    this.tracks = stream.tracks.map((track) => {
      const sound = stream.conversionOf(track, need);
      if (sound === null) return track;
      conversions.push(sound);
      return { ...track, config: sound.config };
    });
    const known = [...this.conversions, ...this.resting];
    for (const sound of conversions) if (!known.includes(sound)) sound.add(this);
    const others = known.filter((sound) => !conversions.includes(sound));
    const isAbsent = (sound: ConvertedSound) => stream.tracks.every(({ id }) => id !== sound.trackId);
    this.conversions = conversions;
    this.resting = others.filter(isAbsent);
    for (const sound of others) if (!isAbsent(sound)) stream.releaseConversion(sound, this);
  }

  /** Hot path. Every frame of the stream. */
  onFrame(frame: Frame, isPoint: boolean, isVideo: boolean): void {
    const { conversions } = this;
    this.newestUs = frame.arrival;
    if (!this.isSettled && this.waitsForTracks(frame, isVideo)) {
      this.held.push(new Held(frame, isPoint, isVideo, frame.arrival));
      return;
    }
    if (conversions.length === 0) {
      this.deliver(frame, isPoint, isVideo);
      return;
    }
    if (this.conversionFor(frame.trackId) === null) {
      if (this.need.inOrder) this.held.push(new Held(frame, isPoint, isVideo, frame.arrival));
      else this.deliver(frame, isPoint, isVideo);
    }
    this.catchUp();
  }

  /** At the beginning of a stream, and while no sound track is known. */
  private waitsForTracks(frame: Frame, isVideo: boolean): boolean {
    if (Number.isNaN(this.firstUs)) this.firstUs = frame.arrival;
    // Players get what there is at once; only segments and files cannot take another track in their middle.
    const isYoung = frame.arrival - this.firstUs < SETTLE_US;
    if (this.need.inOrder && this.consumers.length > 0 && isVideo && isYoung) return true;
    this.isSettled = true;
    if (this.conversions.length === 0) this.releaseAll();
    return false;
  }

  onConverted(_sound: ConvertedSound, frame: Frame): void {
    this.releaseBefore(frame.dts);
    const isPoint = !this.stream.hasVideo && frame.dts - this.lastPointUs >= AUDIO_POINT_US;
    if (isPoint) this.lastPointUs = frame.dts;
    this.deliver(frame, isPoint, false);
    this.catchUp();
  }

  onConversionFailed(sound: ConvertedSound): void {
    this.tracksChanged(sound.readyUs === Number.NEGATIVE_INFINITY ? 0 : sound.readyUs, this.newestUs);
  }

  /** Held frames whose sound has come, or that waited too long. */
  private catchUp(): void {
    if (this.held.length === 0) return;
    const readyUs = this.readyUs();
    const oldestUs = this.newestUs - MAX_HOLD_US;
    let count = 0;
    while (count < this.held.length) {
      const { frame, sinceUs } = this.held[count]!;
      if (frame.dts > readyUs && sinceUs > oldestUs && this.held.length - count <= MAX_HELD) break;
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
    let count = 0;
    while (count < this.held.length && this.held[count]!.frame.dts <= dts) count++;
    this.release(count);
  }

  /** All that is held goes out: nothing more is waited for. */
  releaseAll(): void {
    this.release(this.held.length);
  }

  private release(count: number): void {
    if (count === 0) return;
    const ready = this.held.splice(0, count);
    for (const { frame, isPoint, isVideo } of ready) this.deliver(frame, isPoint, isVideo);
  }

  private deliver(frame: Frame, isPoint: boolean, isVideo: boolean): void {
    if ((frame.flags & FRAME_DISCONTINUITY) !== 0) this.lastPointUs = Number.NEGATIVE_INFINITY;
    const { feeds, consumers } = this;
    for (let i = 0; i < feeds.length; i++) {
      feeds[i]!.append(frame, isPoint, isVideo);
      this.pump.notify(feeds[i]!, isVideo);
    }
    for (let i = 0; i < consumers.length; i++) consumers[i]!.onFrame(frame);
  }

  onPause(): void {
    this.releaseAll();
    for (const consumer of this.consumers) consumer.onPause();
  }

  /** The stream is over. */
  end(reason: string): void {
    this.releaseAll();
    for (const consumer of this.consumers) consumer.onEnd(reason);
    this.close();
  }

  close(): void {
    for (const sound of [...this.conversions, ...this.resting]) this.stream.releaseConversion(sound, this);
    this.conversions = [];
    this.resting = [];
    this.consumers = [];
    this.held = [];
  }
}
