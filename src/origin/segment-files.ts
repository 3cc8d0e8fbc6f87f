/**
 * Finished segments on disk in place of memory, where the policy names a folder. Written one after the other beside
 * the live stream, which never waits: what the disk cannot take stays in memory, bounded there.
 */
import { mkdir, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StreamKey } from '../media/stream-key.ts';
import type { Segment } from '../packaging/segment.ts';
import type { SegmentStore } from '../packaging/segment-store.ts';
import type { Logger } from '../util/log.ts';

/** Segments that wait for the disk; more stay in memory for good. */
const MAX_WAITING = 64;

interface Job {
  readonly segment: Segment;
  readonly store: SegmentStore;
  readonly path: string;
}

export class SegmentFiles {
  private readonly folder: string;
  private readonly log: Logger;
  private readonly newest = new Map<SegmentStore, number>();
  private readonly jobs: Job[] = [];
  private isRunning = false;
  private isClosed = false;
  private hasFailed = false;

  constructor(root: string, key: StreamKey, log: Logger) {
    // Stream names are free text: what no file system objects to is left as it is.
    const safe = key.text.split('/').map((level) => encodeURIComponent(level).replaceAll(/[*'()~!.]/g, '_'));
    this.folder = join(root, ...safe);
    this.log = log;
  }

  /** Takes over every complete segment that is new. */
  keep(
    lists: readonly { readonly name: string; readonly extension: string; readonly store: SegmentStore }[],
  ): void {
    for (const { name, extension, store } of lists) {
      const known = this.newest.get(store) ?? Number.NEGATIVE_INFINITY;
      const last = store.all().at(-1);
      if (last === undefined || last.sequence <= known) continue;
      if (!this.newest.has(store)) store.onDropped = (segment) => this.drop(segment);
      this.newest.set(store, last.sequence);
      for (const segment of store.all()) {
        if (segment.sequence <= known || segment.isGap || this.jobs.length >= MAX_WAITING) continue;
        this.jobs.push({ segment, store, path: join(this.folder, name, `${segment.sequence}${extension}`) });
      }
    }
    if (!this.isRunning && this.jobs.length > 0) void this.run();
  }

  private async run(): Promise<void> {
    this.isRunning = true;
    for (let job = this.jobs.shift(); job !== undefined && !this.isClosed; job = this.jobs.shift())
      await this.write(job);
    this.isRunning = false;
    if (this.isClosed) await this.clear();
  }

  private async write({ segment, store, path }: Job): Promise<void> {
    try {
      await mkdir(join(path, '..'), { recursive: true });
      await writeFile(
        path,
        segment.parts.map((part) => part.bytes),
      );
      this.hasFailed = false;
      if (store.find(segment.sequence) === segment) store.moveToFile(segment, path);
      else await unlink(path);
    } catch (error) {
      if (!this.hasFailed)
        this.log.warn('segments.disk', {
          path,
          cause: error instanceof Error ? error.message : String(error),
        });
      this.hasFailed = true;
    }
  }

  private drop(segment: Segment): void {
    if (segment.file !== '') unlink(segment.file).catch(() => undefined);
  }

  /** Removes the files of this stream. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (!this.isRunning) void this.clear();
  }

  private async clear(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true }).catch(() => undefined);
  }
}
