/**
 * One media playlist: reloads it in time, fetches its segments one after the other and puts their frames into a queue
 * (RFC 8216bis sections 6.3.3 to 6.3.5). What cannot be fetched is tried again and then left out, as a hole in time.
 * Left out: partial segments and blocked reloads (low latency), delta updates.
 */
import { ProtocolError } from '../../util/errors.ts';
import type {
  PlaylistOrigin,
  ReadMediaPlaylist,
  ReadSegment,
  SegmentMap,
} from '../../wire/hls/playlist-reader.ts';
import { readPlaylist } from '../../wire/hls/playlist-reader.ts';
import { FramePlacer } from './frame-placer.ts';
import type { FrameQueue } from './frame-queue.ts';
import type { HlsClock } from './hls-clock.ts';
import { HlsFetchError, type HlsSource } from './hls-source.ts';
import type { SegmentDemuxer, SegmentFrame } from './segment-demuxer.ts';
import { resolveUrl, SegmentKeys } from './segment-keys.ts';
import { firstIndex } from './start-point.ts';

/** A list of a film of many hours with a segment a second fits. */
export const MAX_PLAYLIST_BYTES = 16 * 1024 * 1024;
/** Ten seconds of 50 Mbit/s. */
const MAX_SEGMENT_BYTES = 64 * 1024 * 1024;
const MAX_INIT_BYTES = 1024 * 1024;
/** Where a list changes between several, as for advertisements. */
const MAX_INITS = 4;
const MIN_RELOAD_MS = 200;
const RETRY_MS: readonly number[] = [300, 1000];
/** Segments in a row that are left out before the source is given up. */
const MAX_MISSED = 5;
/** A list without anything new for this many target durations is over. */
const STALL_TARGETS = 4;
/** A list that ends this far before what was taken last was begun anew. */
const RESTART_SEGMENTS = 3;
const ENOUGH_LISTED_US = 60_000_000;

/** Ends a pull. The message is a sentence that begins in lower case. */
export class HlsEnd extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = 'HlsEnd';
  }
}

export interface RenditionOptions {
  /** Where the list came from. */
  readonly url: URL;
  readonly list: ReadMediaPlaylist;
  readonly origin: PlaylistOrigin;
  readonly isLeading: boolean;
  readonly demuxer: SegmentDemuxer;
  readonly queue: FrameQueue;
  readonly clock: HlsClock;
  readonly source: HlsSource;
  readonly silenceMs: number;
  readonly nowUs: () => number;
  /** Never resolves after the pull was closed. */
  readonly sleep: (ms: number) => Promise<void>;
  /** The queue has changed. */
  readonly onQueue: () => void;
}

export class HlsRendition {
  private readonly options: RenditionOptions;
  private readonly placer: FramePlacer;
  private readonly keys: SegmentKeys;
  private readonly inits = new Map<string, Buffer>();
  private url: URL;
  private list: ReadMediaPlaylist;
  private lastChangeUs: number;
  private wakeTaker: (() => void) | null = null;
  private isClosed = false;
  /** The segment that was taken or left out last. */
  private last: ReadSegment | null = null;
  private stretch = 0;
  /** Media that was left out since the last frames, microseconds. */
  private missingUs = 0;
  private missed = 0;
  private trouble = '';

  constructor(options: RenditionOptions) {
    this.options = options;
    this.placer = new FramePlacer(options.clock, options.isLeading);
    this.keys = new SegmentKeys(options.source);
    this.url = options.url;
    this.list = options.list;
    this.lastChangeUs = options.nowUs();
  }

  close(): void {
    this.isClosed = true;
  }

  /** Resolves when the list is over and all of it is in the queue. Rejects with HlsEnd. */
  async run(): Promise<void> {
    await Promise.all([this.reload(), this.take()]);
  }

  private async reload(): Promise<void> {
    const { nowUs, sleep, silenceMs } = this.options;
    let begunUs = nowUs();
    let hasChanged = true;
    let failure = '';
    while (!this.list.isEnded && !this.isClosed) {
      const { targetDurationUs } = this.list;
      const intervalUs = hasChanged ? targetDurationUs : targetDurationUs / 2;
      await sleep(Math.max(MIN_RELOAD_MS, Math.ceil((begunUs + intervalUs - nowUs()) / 1000)));
      if (this.isClosed) return;
      begunUs = nowUs();
      hasChanged = false;
      try {
        const list = await this.load();
        failure = '';
        hasChanged = isNewer(list, this.list);
        if (hasChanged) this.list = list;
      } catch (error) {
        failure = reasonOf(error);
      }
      const now = nowUs();
      if (hasChanged) {
        this.lastChangeUs = now;
        this.wakeTaker?.();
      } else if (now - this.lastChangeUs > Math.max(silenceMs * 1000, targetDurationUs * STALL_TARGETS)) {
        const seconds = Math.round((now - this.lastChangeUs) / 1_000_000);
        throw new HlsEnd(failure || `${this.url.hostname} has listed nothing new for ${seconds} s`);
      }
    }
  }

  private async load(): Promise<ReadMediaPlaylist> {
    const { bytes, url } = await this.options.source.fetch(this.url, null, MAX_PLAYLIST_BYTES);
    const list = readPlaylist(bytes.toString('utf8'), {
      ...this.options.origin,
      query: url.searchParams,
    });
    if (list.kind === 'master') throw new HlsFetchError(`${url.hostname} gives a master playlist twice`);
    this.url = url;
    return list;
  }

  private async take(): Promise<void> {
    const { queue, onQueue } = this.options;
    let next = this.sequenceAt(firstIndex(this.list));
    while (!this.isClosed) {
      const { list } = this;
      const first = list.mediaSequence + list.skipped;
      const end = first + list.segments.length;
      if (next < first) next = first;
      else if (end <= next - Math.max(RESTART_SEGMENTS, list.segments.length)) {
        // Its numbers begin anew.
        next = this.sequenceAt(firstIndex(list));
        this.breakUp();
        this.stretch++;
        this.last = null;
      }
      const segment = list.segments[next - first];
      if (segment === undefined) {
        if (list.isEnded) break;
        await new Promise<void>((resolve) => {
          this.wakeTaker = resolve;
        });
        continue;
      }
      await queue.room();
      if (this.isClosed) return;
      await this.segment(segment);
      next = segment.sequence + 1;
    }
    this.breakUp();
    queue.isOver = true;
    onQueue();
  }

  private sequenceAt(index: number): number {
    return this.list.mediaSequence + this.list.skipped + index;
  }

  private async segment(segment: ReadSegment): Promise<void> {
    this.follow(segment);
    if (segment.isGap) {
      this.leaveOut(segment);
      return;
    }
    const { queue, clock, isLeading, demuxer, onQueue } = this.options;
    const loaded = await this.fetchSegment(segment);
    if (this.isClosed) return;
    if (loaded === null) {
      this.miss(segment);
      return;
    }
    if (!isLeading && clock.stretch(this.stretch) === null) await this.waitForLeader();
    const nearMs = clock.stretch(this.stretch)?.nearMs ?? Number.NaN;
    let frames: SegmentFrame[];
    try {
      frames = demuxer.take({ ...loaded, position: segment.range?.offset ?? 0, nearMs });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.trouble = `a segment cannot be read (${error.message})`;
      this.miss(segment);
      return;
    }
    this.missed = 0;
    this.put(frames, segment.wallClockUs, false);
    this.missingUs = 0;
    queue.isBlocked = false;
    queue.listedUs = this.listedBehind(segment);
    onQueue();
  }

  /** Media behind the segment, as far as it matters. */
  private listedBehind({ sequence }: ReadSegment): number {
    const { segments } = this.list;
    let us = 0;
    for (
      let i = sequence + 1 - this.sequenceAt(0);
      i >= 0 && i < segments.length && us < ENOUGH_LISTED_US;
      i++
    )
      us += segments[i]!.durationUs;
    return us;
  }

  /** Whether the segment goes on from the last one. */
  private follow(segment: ReadSegment): void {
    const { last } = this;
    this.last = segment;
    if (last === null) {
      // Playlists of one stream count alike (section 6.2.4), so their numbers name the same stretches.
      this.stretch = Math.max(this.stretch, segment.discontinuitySequence);
      return;
    }
    const isNext = segment.sequence === last.sequence + 1;
    const own = segment.isDiscontinuity ? 1 : 0;
    const crossed = isNext ? own : Math.max(own, segment.discontinuitySequence - last.discontinuitySequence);
    if (crossed > 0 || !isNext) this.breakUp();
    this.stretch += crossed;
  }

  private put(frames: SegmentFrame[], wallClockUs: number, isRest: boolean): void {
    if (frames.length === 0) return;
    this.placer.place(frames, {
      stretch: this.stretch,
      missingUs: this.missingUs,
      wallClockUs,
      toleranceUs: this.list.targetDurationUs * 3,
      isRest,
    });
    this.options.queue.push(frames);
  }

  private breakUp(): void {
    this.put(this.options.demuxer.breakUp(), Number.NaN, true);
    this.options.onQueue();
  }

  private leaveOut(segment: ReadSegment): void {
    this.breakUp();
    this.missingUs += segment.durationUs;
  }

  private miss(segment: ReadSegment): void {
    this.leaveOut(segment);
    if (++this.missed >= MAX_MISSED) throw new HlsEnd(this.trouble);
  }

  /** The sound of a stretch needs the pictures' word for its place; not for ever, as they may count otherwise. */
  private async waitForLeader(): Promise<void> {
    const { queue, clock, sleep, onQueue } = this.options;
    queue.isBlocked = true;
    onQueue();
    const patience = sleep((this.list.targetDurationUs * 2) / 1000);
    await Promise.race([clock.ready(this.stretch), patience]);
  }

  /** Null when it is not to be had. */
  private async fetchSegment(segment: ReadSegment): Promise<{ bytes: Buffer; init: Buffer | null } | null> {
    const { source, sleep } = this.options;
    for (let attempt = 0; !this.isClosed; attempt++) {
      try {
        const init = segment.map === null ? null : await this.initOf(segment.map, segment.sequence);
        const { bytes } = await source.fetch(
          resolveUrl(segment.uri, this.url),
          segment.range,
          MAX_SEGMENT_BYTES,
        );
        if (segment.key === null) return { bytes, init };
        return { bytes: await this.keys.decrypt(bytes, segment.key, this.url, segment.sequence), init };
      } catch (error) {
        this.trouble = reasonOf(error);
        const delayMs = RETRY_MS[attempt];
        if (delayMs === undefined) return null;
        await sleep(delayMs);
      }
    }
    return null;
  }

  private async initOf({ uri, range, key }: SegmentMap, sequence: number): Promise<Buffer> {
    const url = resolveUrl(uri, this.url);
    const name = range === null ? url.href : `${range.offset}+${range.length} ${url.href}`;
    const known = this.inits.get(name);
    if (known !== undefined) return known;
    let { bytes } = await this.options.source.fetch(url, range, MAX_INIT_BYTES);
    if (key !== null) bytes = await this.keys.decrypt(bytes, key, this.url, sequence);
    for (const oldest of this.inits.keys()) {
      if (this.inits.size < MAX_INITS) break;
      this.inits.delete(oldest);
    }
    this.inits.set(name, bytes);
    return bytes;
  }
}

function isNewer(now: ReadMediaPlaylist, before: ReadMediaPlaylist): boolean {
  return (
    now.mediaSequence !== before.mediaSequence ||
    now.skipped + now.segments.length !== before.skipped + before.segments.length ||
    now.isEnded !== before.isEnded ||
    now.segments.at(-1)?.uri !== before.segments.at(-1)?.uri
  );
}

/** What a person can do something with. Throws again what is a fault of ours. */
export function reasonOf(error: unknown): string {
  if (error instanceof HlsFetchError) return error.message;
  if (error instanceof ProtocolError) return `the list cannot be read (${error.message})`;
  throw error;
}
