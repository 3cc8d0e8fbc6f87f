/**
 * One media playlist: reloads it in time, fetches its segments one after the other and puts their frames into a queue
 * (RFC 8216bis sections 6.3.3 to 6.3.5). What cannot be fetched is tried again and then left out, as a hole in time.
 * Low-latency lists are asked for the next part, which they answer once it is there, and taken part by part; the part
 * that they promise is asked for before it is listed. Left out: delta updates.
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
import {
  type Cursor,
  firstSequence,
  isLowLatency,
  listedFrom,
  openSequence,
  type Piece,
  pieceAt,
} from './hls-piece.ts';
import { type HlsAnswer, HlsFetchError, type HlsSource } from './hls-source.ts';
import type { SegmentDemuxer, SegmentFrame } from './segment-demuxer.ts';
import { resolveUrl, SegmentKeys } from './segment-keys.ts';
import { firstCursor } from './start-point.ts';

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
  /** The part that the list promised, asked for before it is there. */
  private hinted: { readonly href: string; readonly answer: Promise<HlsAnswer> } | null = null;

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
      const mayBlock = isLowLatency(this.list) && failure === '';
      const intervalUs = hasChanged ? targetDurationUs : targetDurationUs / 2;
      // A server that answers at once with nothing new does not wait for it, whatever it says.
      if (!mayBlock || !hasChanged) {
        const waitUs = mayBlock ? this.list.partTargetUs : intervalUs;
        await sleep(Math.max(MIN_RELOAD_MS, Math.ceil((begunUs + waitUs - nowUs()) / 1000)));
      }
      if (this.isClosed) return;
      begunUs = nowUs();
      hasChanged = false;
      try {
        const list = await this.load(mayBlock);
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

  /** `blocks`: answered when there is a part more than now (section 6.2.5.2). */
  private async load(blocks: boolean): Promise<ReadMediaPlaylist> {
    const asked = blocks ? nextListOf(this.url, this.list) : this.url;
    const { bytes, url } = await this.options.source.fetch(asked, null, MAX_PLAYLIST_BYTES);
    const list = readPlaylist(bytes.toString('utf8'), {
      ...this.options.origin,
      query: url.searchParams,
    });
    if (list.kind === 'master') throw new HlsFetchError(`${url.hostname} gives a master playlist twice`);
    this.url = withoutDirectives(url);
    return list;
  }

  private async take(): Promise<void> {
    const { queue, onQueue } = this.options;
    let next = firstCursor(this.list);
    while (!this.isClosed) {
      const { list } = this;
      const first = firstSequence(list);
      if (next.sequence < first) next = { sequence: first, part: 0 };
      else if (openSequence(list) <= next.sequence - Math.max(RESTART_SEGMENTS, list.segments.length)) {
        // Its numbers begin anew.
        next = firstCursor(list);
        this.breakUp();
        this.stretch++;
        this.last = null;
      }
      const piece = pieceAt(list, next);
      if (piece === null) {
        if (list.isEnded) break;
        this.askForHinted(next);
        await new Promise<void>((resolve) => {
          this.wakeTaker = resolve;
        });
        continue;
      }
      await queue.room();
      if (this.isClosed) return;
      await this.piece(piece);
      next = piece.next;
    }
    this.breakUp();
    queue.isOver = true;
    onQueue();
  }

  /** The list promises the part at the cursor, and its server holds the answer back until it is made (4.4.5.3). */
  private askForHinted({ sequence, part }: Cursor): void {
    const { preloadHint, open, segments } = this.list;
    const key = (open ?? segments.at(-1))?.key ?? null;
    const hasParts = isLowLatency(this.list) && key === null;
    if (preloadHint === null || preloadHint.range !== null || !hasParts) return;
    const isNext = sequence === openSequence(this.list) && part === (open?.parts.length ?? 0);
    // Parts that lie in one resource are asked for by their ranges once these are known.
    if (!isNext || open?.parts.at(-1)?.uri === preloadHint.uri) return;
    const url = resolveUrl(preloadHint.uri, this.url);
    if (this.hinted?.href === url.href) return;
    const answer = this.options.source.fetch(url, null, MAX_SEGMENT_BYTES);
    // Who takes the part asks again when this fails.
    answer.catch(() => undefined);
    this.hinted = { href: url.href, answer };
  }

  private async piece(piece: Piece): Promise<void> {
    const { segment } = piece;
    if (this.last?.sequence !== segment.sequence) this.follow(segment);
    if (piece.isGap) {
      this.leaveOut(piece);
      return;
    }
    const { queue, clock, isLeading, demuxer, onQueue } = this.options;
    const loaded = await this.fetchPiece(piece);
    if (this.isClosed) return;
    if (loaded === null) {
      this.miss(piece);
      return;
    }
    if (!isLeading && clock.stretch(this.stretch) === null) await this.waitForLeader();
    const nearMs = clock.stretch(this.stretch)?.nearMs ?? Number.NaN;
    let frames: SegmentFrame[];
    try {
      frames = demuxer.take({ ...loaded, position: piece.range?.offset ?? 0, nearMs });
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.trouble = `a segment cannot be read (${error.message})`;
      this.miss(piece);
      return;
    }
    this.missed = 0;
    this.put(frames, piece.wallClockUs, false);
    this.missingUs = 0;
    queue.isBlocked = false;
    queue.listedUs = listedFrom(this.list, piece.next, ENOUGH_LISTED_US);
    onQueue();
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

  private leaveOut({ durationUs }: Piece): void {
    this.breakUp();
    this.missingUs += durationUs;
  }

  private miss(piece: Piece): void {
    this.leaveOut(piece);
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
  private async fetchPiece(piece: Piece): Promise<{ bytes: Buffer; init: Buffer | null } | null> {
    const { sleep } = this.options;
    const { segment } = piece;
    for (let attempt = 0; !this.isClosed; attempt++) {
      try {
        const init = segment.map === null ? null : await this.initOf(segment.map, segment.sequence);
        const { bytes } = await this.bodyOf(piece);
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

  private bodyOf({ uri, range }: Piece): Promise<HlsAnswer> {
    const { hinted } = this;
    this.hinted = null;
    const url = resolveUrl(uri, this.url);
    if (hinted !== null && range === null && hinted.href === url.href) return hinted.answer;
    return this.options.source.fetch(url, range, MAX_SEGMENT_BYTES);
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
    now.segments.at(-1)?.uri !== before.segments.at(-1)?.uri ||
    now.open?.parts.length !== before.open?.parts.length
  );
}

/** The address of the list as it will be with its next part. */
function nextListOf(url: URL, list: ReadMediaPlaylist): URL {
  const directives = `_HLS_msn=${openSequence(list)}&_HLS_part=${list.open?.parts.length ?? 0}`;
  const asked = new URL(url);
  // As text: what else stands there may be signed as it is written.
  asked.search = url.search === '' ? directives : `${url.search}&${directives}`;
  return asked;
}

function withoutDirectives(url: URL): URL {
  if (!url.search.includes('_HLS_')) return url;
  const plain = new URL(url);
  const kept = url.search.slice(1).split('&');
  plain.search = kept.filter((one) => !/^_HLS_(msn|part)=/.test(one)).join('&');
  return plain;
}

/** What a person can do something with. Throws again what is a fault of ours. */
export function reasonOf(error: unknown): string {
  if (error instanceof HlsFetchError) return error.message;
  if (error instanceof ProtocolError) return `the list cannot be read (${error.message})`;
  throw error;
}
