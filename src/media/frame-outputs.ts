/** Feeds and consumers that get the same frames of a stream, one after the other. */
import type { Feed } from './feed.ts';
import type { Frame } from './frame.ts';
import type { FrameConsumer } from './frame-consumer.ts';
import type { Pump } from './pump.ts';
import type { Track } from './track.ts';

export class FrameOutputs {
  private readonly pump: Pump;
  /** New lists with every change: who comes or goes while a frame is given disturbs nothing. */
  private feeds: readonly Feed[] = [];
  private consumers: readonly FrameConsumer[] = [];

  constructor(pump: Pump) {
    this.pump = pump;
  }

  get isEmpty(): boolean {
    return this.feeds.length === 0 && this.consumers.length === 0;
  }

  get consumerCount(): number {
    return this.consumers.length;
  }

  addFeed(feed: Feed): void {
    this.feeds = [...this.feeds, feed];
  }

  removeFeed(feed: Feed): void {
    this.feeds = this.feeds.filter((known) => known !== feed);
  }

  addConsumer(consumer: FrameConsumer): void {
    this.consumers = [...this.consumers, consumer];
  }

  removeConsumer(consumer: FrameConsumer): void {
    this.consumers = this.consumers.filter((known) => known !== consumer);
  }

  /** Hot path. */
  give(frame: Frame, isPoint: boolean, isVideo: boolean): void {
    const { feeds, consumers, pump } = this;
    for (let i = 0; i < feeds.length; i++) {
      feeds[i]!.append(frame, isPoint, isVideo);
      pump.notify(feeds[i]!, isVideo);
    }
    for (let i = 0; i < consumers.length; i++) consumers[i]!.onFrame(frame);
  }

  /** Tracks or metadata are others now. */
  tellTracks(tracks: readonly Track[], dts: number, nowUs: number): void {
    for (const feed of this.feeds) {
      feed.tracksChanged(dts, nowUs);
      this.pump.notify(feed, false);
    }
    for (const consumer of this.consumers) consumer.onTracks(tracks);
  }

  pause(): void {
    for (const consumer of this.consumers) consumer.onPause();
  }

  /** The consumers are gone afterwards; feeds end with their players. */
  end(reason: string): void {
    for (const consumer of this.consumers) consumer.onEnd(reason);
    this.consumers = [];
  }
}
