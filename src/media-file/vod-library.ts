/**
 * Files as HLS, for VOD and for recordings: plans and made segments are kept within bounds, and what several players
 * ask for at the same time is made once.
 */
import { stat } from 'node:fs/promises';
import { ProtocolError, RejectedError } from '../util/errors.ts';
import { MadePieces } from './made-pieces.ts';
import type { MediaFile } from './media-file.ts';
import type { MediaFileCache } from './media-file-cache.ts';
import { planSegments } from './vod-plan.ts';
import {
  type FilePlan,
  type PlacedFile,
  type VodSegment,
  VodTimeline,
  type VodWindow,
} from './vod-timeline.ts';

const TARGET_US = 6_000_000;
const CACHE_BYTES = 64 * 1024 * 1024;
const MAX_PLANS = 2048;
/** Access points of all kept plans, some 50 bytes each. */
const MAX_PLANNED_POINTS = 500_000;
/** Files that one timeline is made of; a day of one-minute recordings has 1440. */
const MAX_FILES = 4096;
/** Segments that are made at the same time. */
const MAX_MAKING = 4;

/** A file of a timeline, and when it began. */
export interface VodSource {
  /** Real path. */
  readonly path: string;
  /** Milliseconds since 1970; 0 when it does not matter. */
  readonly startMs: number;
}

export interface VodLibraryOptions {
  readonly files: MediaFileCache;
  /** Told which file is read, from when to when: what is read must not be removed. */
  readonly readers?: { enter(path: string): void; leave(path: string): void };
  readonly targetUs?: number;
  /** Of made segments. */
  readonly cacheBytes?: number;
}

const WHOLE: VodWindow = { startMs: Number.NaN, endMs: Number.NaN };

export class VodLibrary {
  private readonly files: MediaFileCache;
  private readonly readers: VodLibraryOptions['readers'];
  private readonly targetUs: number;
  /** By real path; least recently used first. */
  private readonly plans = new Map<string, FilePlan>();
  private plannedPoints = 0;
  private readonly planning = new Map<string, Promise<FilePlan>>();
  private readonly segments: MadePieces<Buffer>;

  constructor(options: VodLibraryOptions) {
    this.files = options.files;
    this.readers = options.readers;
    this.targetUs = options.targetUs ?? TARGET_US;
    this.segments = new MadePieces({
      room: options.cacheBytes ?? CACHE_BYTES,
      sizeOf: ({ length }) => length,
      maxMaking: MAX_MAKING,
    });
  }

  /**
   * The timeline of these files, in their order, cut to the window. Throws RejectedError when there is nothing to play;
   * of several files those that cannot be read are left out.
   */
  async timeline(sources: readonly VodSource[], window: VodWindow = WHOLE): Promise<VodTimeline> {
    if (sources.length > MAX_FILES)
      throw new RejectedError(
        'limit',
        `This window has more than ${MAX_FILES} files; ask for a shorter one.`,
      );
    const placed: PlacedFile[] = [];
    for (const { path, startMs } of sources) {
      try {
        placed.push({ plan: await this.plan(path), startMs });
      } catch (error) {
        if (sources.length === 1 || !(error instanceof RejectedError)) throw error;
      }
    }
    return new VodTimeline(placed, window, (path, action) => this.use(path, action));
  }

  /** The bytes of a segment, from memory when somebody asked for it lately. Do not write to them. */
  async segment(timeline: VodTimeline, segment: VodSegment): Promise<Buffer> {
    return await this.segments.get(timeline.segmentKey(segment), () => timeline.makeSegment(segment));
  }

  /** Runs with the file open; it stays open for a while afterwards. Throws RejectedError when it is no media file. */
  async use<T>(path: string, action: (file: MediaFile) => Promise<T>): Promise<T> {
    this.readers?.enter(path);
    try {
      return await this.files.use(path, action);
    } catch (error) {
      throw readableError(error);
    } finally {
      this.readers?.leave(path);
    }
  }

  private async plan(path: string): Promise<FilePlan> {
    const version = await this.versionOf(path);
    const known = this.plans.get(path);
    if (known?.version === version) {
      this.plans.delete(path);
      this.plans.set(path, known);
      return known;
    }
    // Those who ask while it is made get the same.
    const key = `${version} ${path}`;
    const running = this.planning.get(key);
    if (running !== undefined) return await running;
    const made = this.makePlan(path, version).finally(() => this.planning.delete(key));
    this.planning.set(key, made);
    return await made;
  }

  private async makePlan(path: string, version: string): Promise<FilePlan> {
    const plan = await this.use(path, async ({ tracks, durationUs, points }) => {
      const segments = planSegments(points, durationUs, this.targetUs);
      return { path, version, tracks, durationUs, points, segments };
    });
    this.keepPlan(plan);
    return plan;
  }

  private keepPlan(plan: FilePlan): void {
    this.plannedPoints += plan.points.length - (this.plans.get(plan.path)?.points.length ?? 0);
    this.plans.delete(plan.path);
    this.plans.set(plan.path, plan);
    for (const [oldest, { points }] of this.plans) {
      if (this.plans.size <= MAX_PLANS && this.plannedPoints <= MAX_PLANNED_POINTS) return;
      this.plans.delete(oldest);
      this.plannedPoints -= points.length;
    }
  }

  private async versionOf(path: string): Promise<string> {
    try {
      const { size, mtimeMs } = await stat(path);
      return `${size.toString(36)}-${Math.round(mtimeMs * 1000).toString(36)}`;
    } catch {
      throw new RejectedError('not-found', 'There is no such file.');
    }
  }

  /** Bytes of segments that are kept. */
  get keptBytes(): number {
    return this.segments.keptSize;
  }

  /** Forgets everything; the files belong to their cache. */
  close(): void {
    this.plans.clear();
    this.plannedPoints = 0;
    this.segments.clear();
  }
}

/** What is wrong with a file, for who asks for it: a RejectedError where the error is not ours. */
export function readableError(error: unknown): unknown {
  if (error instanceof ProtocolError) {
    const sentence = error.message.replace(`${error.code}: `, '');
    return new RejectedError('unsupported', `This file cannot be played. ${sentence}`);
  }
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new RejectedError('not-found', 'There is no such file.');
  if (code === 'EMFILE' || code === 'ENFILE') return new RejectedError('limit', 'Too many files are open.');
  if (code === 'EACCES' || code === 'EPERM' || code === 'EISDIR')
    return new RejectedError('denied', 'This file cannot be read.');
  return error;
}
