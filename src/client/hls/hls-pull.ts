/**
 * Pulls HTTP Live Streaming (RFC 8216bis): live and on demand; MPEG-TS, fragmented MP4 and packed audio; AES-128. Of a
 * master playlist the variant of the highest bandwidth is taken, with the default sound of its group. Times begin with
 * those of the source and go on over discontinuities.
 * Low-latency lists are played part by part.
 * Left out: other sounds and qualities, subtitles, SAMPLE-AES, delta updates, content steering.
 */
import type { TrackKind } from '../../codec/codec-id.ts';
import { ProtocolError } from '../../util/errors.ts';
import {
  type PlaylistOrigin,
  type ReadMasterPlaylist,
  type ReadMediaPlaylist,
  readPlaylist,
} from '../../wire/hls/playlist-reader.ts';
import type { Pull, PullEnd, PullHandlers, PullOptions } from '../pull.ts';
import { soundOf, usableVariants } from './choose-variant.ts';
import { FrameQueue } from './frame-queue.ts';
import { HlsClock } from './hls-clock.ts';
import { HlsDelivery } from './hls-delivery.ts';
import { isLowLatency } from './hls-piece.ts';
import { HlsEnd, HlsRendition, MAX_PLAYLIST_BYTES, reasonOf } from './hls-rendition.ts';
import { HlsFetchError, type HlsSource, HttpHlsSource } from './hls-source.ts';
import { SegmentDemuxer } from './segment-demuxer.ts';
import { resolveUrl } from './segment-keys.ts';
import { holdBackOf } from './start-point.ts';

const ALL_KINDS: readonly TrackKind[] = ['video', 'audio'];
/** Media that is fetched ahead while nobody takes it. */
const AHEAD_US = 20_000_000;
const AHEAD_BYTES = 32 * 1024 * 1024;

/** A playlist and where it came from. */
export interface FetchedPlaylist {
  readonly text: string;
  /** Behind redirects. */
  readonly url: URL;
}

interface LoadedList {
  readonly list: ReadMediaPlaylist;
  readonly url: URL;
  readonly origin: PlaylistOrigin;
  readonly kinds: readonly TrackKind[];
  readonly language: string;
}

export class HlsPull implements Pull {
  private readonly handlers: PullHandlers;
  private readonly options: PullOptions;
  private readonly source: HlsSource;
  private readonly host: string;
  private readonly clock = new HlsClock();
  private readonly sleeping = new Set<{ cancel(): void }>();
  private renditions: readonly HlsRendition[] = [];
  private delivery: HlsDelivery | null = null;
  private isPaused = false;
  private isEnded = false;
  private hasFrames = false;
  /** Told once all that was fetched has been handed out. */
  private ending: PullEnd;

  /** Goes on with a playlist that was fetched already. */
  constructor(
    first: FetchedPlaylist,
    handlers: PullHandlers,
    options: PullOptions,
    source: HlsSource = new HttpHlsSource(options),
  ) {
    this.handlers = handlers;
    this.options = options;
    this.source = source;
    this.host = first.url.hostname;
    this.ending = { kind: 'over', reason: `${this.host} ended the stream` };
    this.run(first).catch((error: unknown) => {
      options.onFault(error);
      this.end({ kind: 'broken', reason: `pulling from ${this.host} failed` });
    });
  }

  get bytesReceived(): number {
    return this.source.bytesReceived;
  }

  private async run(first: FetchedPlaylist): Promise<void> {
    let lists: readonly LoadedList[];
    try {
      lists = await this.open(first);
    } catch (error) {
      this.end({ kind: 'failed', reason: error instanceof HlsEnd ? error.message : reasonOf(error) });
      return;
    }
    if (this.isEnded) return;
    const leading = lists[0]!.list; // open gives one at least
    const isLive = !leading.isEnded;
    const isLow = isLowLatency(leading);
    const pieceUs = isLow ? leading.partTargetUs : leading.targetDurationUs;
    const backlogUs = holdBackOf(leading) + pieceUs * 2;
    const aheadUs = isLive ? backlogUs + AHEAD_US : AHEAD_US;
    const queues = lists.map(() => new FrameQueue(aheadUs, AHEAD_BYTES));
    const handlers: PullHandlers = {
      onTracks: (tracks) => this.handlers.onTracks(tracks),
      onFrame: (frame) => {
        this.hasFrames = true;
        this.handlers.onFrame(frame);
      },
      onEnd: (end) => this.end(end),
    };
    const delivery = new HlsDelivery(
      queues,
      handlers,
      this.options,
      { isLive, backlogUs, pieceUs, catchesUpAtOnce: isLow },
      () => this.end(this.ending),
    );
    this.delivery = delivery;
    if (this.isPaused) delivery.pause();
    this.renditions = lists.map((loaded, index) => this.makeRendition(loaded, index === 0, queues[index]!));
    try {
      await Promise.all(
        this.renditions.map(async (rendition, index) => {
          await rendition.run();
          if (index === 0) this.clock.release();
        }),
      );
    } catch (error) {
      if (!(error instanceof HlsEnd)) throw error;
      this.breakOff(error.message, queues);
    }
    delivery.wake();
  }

  /** What was fetched already is still handed out. */
  private breakOff(reason: string, queues: readonly FrameQueue[]): void {
    for (const rendition of this.renditions) rendition.close();
    const hasMore = queues.some((queue) => !queue.isEmpty);
    this.ending = { kind: this.hasFrames || hasMore ? 'broken' : 'failed', reason };
    for (const queue of queues) queue.isOver = true;
  }

  private makeRendition(loaded: LoadedList, isLeading: boolean, queue: FrameQueue): HlsRendition {
    const { nowUs, silenceMs } = this.options;
    return new HlsRendition({
      ...loaded,
      isLeading,
      demuxer: new SegmentDemuxer(loaded.kinds, loaded.language, nowUs),
      queue,
      clock: this.clock,
      source: this.source,
      silenceMs,
      nowUs,
      sleep: (ms) => this.sleep(ms),
      onQueue: () => this.delivery?.wake(),
    });
  }

  /** Rejects with what `reasonOf` knows, or with HlsEnd. */
  private async open({ text, url }: FetchedPlaylist): Promise<readonly LoadedList[]> {
    const list = readPlaylist(text, { query: url.searchParams });
    if (list.kind === 'media') return [usable({ list, url, origin: {}, kinds: ALL_KINDS, language: '' })];
    const variants = usableVariants(list);
    if (variants.length === 0)
      throw new HlsEnd(
        list.variants.length === 0
          ? `the master playlist of ${this.host} names no variant`
          : `none of the variants of ${this.host} is of a codec that can be passed on`,
      );
    let failure: unknown = null;
    for (const variant of variants) {
      try {
        const sound = soundOf(list, variant);
        const [leading, other] = await Promise.all([
          this.loadList(variant.uri, url, list, sound === null ? ALL_KINDS : ['video'], ''),
          sound === null ? null : this.loadList(sound.uri, url, list, ['audio'], sound.language),
        ]);
        return other === null ? [leading] : [leading, other];
      } catch (error) {
        if (!(error instanceof HlsFetchError || error instanceof ProtocolError || error instanceof HlsEnd))
          throw error;
        // Another variant may be there; the best one's failure is the one to tell.
        failure ??= error;
      }
    }
    throw failure;
  }

  private async loadList(
    uri: string,
    base: URL,
    master: ReadMasterPlaylist,
    kinds: readonly TrackKind[],
    language: string,
  ): Promise<LoadedList> {
    const { bytes, url } = await this.source.fetch(resolveUrl(uri, base), null, MAX_PLAYLIST_BYTES);
    const origin = { variables: master.variables };
    const list = readPlaylist(bytes.toString('utf8'), { ...origin, query: url.searchParams });
    if (list.kind === 'master') throw new HlsEnd(`a variant of ${this.host} is a master playlist again`);
    return usable({ list, url, origin, kinds, language });
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.isEnded) return;
      const timer = this.options.after(ms, () => {
        this.sleeping.delete(timer);
        resolve();
      });
      this.sleeping.add(timer);
    });
  }

  private end(end: PullEnd): void {
    if (this.isEnded) return;
    this.close();
    this.handlers.onEnd(end);
  }

  pause(): void {
    this.isPaused = true;
    this.delivery?.pause();
  }

  resume(): void {
    this.isPaused = false;
    this.delivery?.resume();
  }

  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    for (const rendition of this.renditions) rendition.close();
    this.delivery?.close();
    for (const timer of this.sleeping) timer.cancel();
    this.sleeping.clear();
    this.source.close();
  }
}

function usable(loaded: LoadedList): LoadedList {
  const { list, url } = loaded;
  if (list.isIFramesOnly) throw new HlsEnd(`the list of ${url.hostname} holds single pictures only`);
  if (list.isEnded && list.segments.length === 0)
    throw new HlsEnd(`the list of ${url.hostname} is empty and ended`);
  return loaded;
}
