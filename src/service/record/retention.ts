/**
 * Removes old recordings: by age, by the size of all of them, and by what is free on the disk (from a low mark up to a
 * high one). The oldest file goes first, over all streams; what is being recorded or played is left alone. A pass
 * removes a limited number of files, one after the other.
 */
import { statfs } from 'node:fs/promises';
import type { RecordedFile } from '../../recordings/recording-entry.ts';
import type { RecordingIndex } from '../../recordings/recording-index.ts';
import type { Logger } from '../../util/log.ts';

export interface RetentionSettings {
  /** Milliseconds; 0 = no file is too old. */
  readonly maxAgeMs: number;
  /** Bytes of all recordings; 0 = no limit. */
  readonly maxBytes: number;
  /** Bytes that are free when removing begins and when it ends; 0 = never. */
  readonly minFreeBytes: number;
  readonly goodFreeBytes: number;
}

export interface RetentionOptions {
  readonly index: RecordingIndex;
  readonly settings: () => RetentionSettings;
  /** Age at which a file goes, milliseconds; 0 = as the settings say. */
  readonly maxAgeOf: (file: RecordedFile) => number;
  /** A file that must not go because of its age alone: it waits to be sent somewhere. */
  readonly isNeeded: (file: RecordedFile) => boolean;
  readonly freeBytes: () => Promise<number>;
  /** Milliseconds since 1970. */
  readonly nowMs: () => number;
  readonly log: Logger;
}

/** Files of a pass; the next pass comes soon. */
const MAX_PER_PASS = 500;
/** After so many files the disk is asked again. */
const FILES_PER_LOOK = 8;
/** Days of which nothing is too old are not looked at again for this long. */
const AGE_PASS_MS = 60_000;

export class Retention {
  private readonly options: RetentionOptions;
  private isRunning = false;
  private nextAgePassMs = 0;
  private removed = 0;
  /** When the earliest file of a day will be too old, by stream and day. */
  private readonly expiries = new Map<string, number>();

  constructor(options: RetentionOptions) {
    this.options = options;
  }

  /** Settings changed: what was learnt about ages holds no more. */
  reset(): void {
    this.expiries.clear();
    this.nextAgePassMs = 0;
  }

  /** One pass; does nothing while another runs. Resolves with the number of removed files. */
  async run(): Promise<number> {
    if (this.isRunning) return 0;
    this.isRunning = true;
    this.removed = 0;
    try {
      await this.removeOld();
      await this.removeBySize();
      await this.removeBySpace();
      return this.removed;
    } finally {
      this.isRunning = false;
    }
  }

  private async removeOld(): Promise<void> {
    const { index, nowMs } = this.options;
    const now = nowMs();
    if (now < this.nextAgePassMs) return;
    for (const { stream } of index.streams()) {
      for (const { day } of index.daysOf(stream)) {
        const key = `${stream}\n${day}`;
        if ((this.expiries.get(key) ?? 0) > now) continue;
        let earliest = Number.POSITIVE_INFINITY;
        for (const file of await index.filesOfDay(stream, day)) {
          const due = this.dueMs(file);
          if (due > now || this.options.isNeeded(file) || !(await this.remove(file, 'age')))
            earliest = Math.min(earliest, Math.max(due, now + AGE_PASS_MS));
          if (this.removed >= MAX_PER_PASS) return;
        }
        this.expiries.set(key, earliest);
      }
    }
    this.nextAgePassMs = now + AGE_PASS_MS;
    const days = new Set(
      index.streams().flatMap(({ stream }) => index.daysOf(stream).map((one) => `${stream}\n${one.day}`)),
    );
    for (const key of this.expiries.keys()) if (!days.has(key)) this.expiries.delete(key);
  }

  private dueMs(file: RecordedFile): number {
    const age = this.options.maxAgeOf(file) || this.options.settings().maxAgeMs;
    return age === 0 ? Number.POSITIVE_INFINITY : file.endMs + age;
  }

  private async removeBySize(): Promise<void> {
    const { index, settings } = this.options;
    const { maxBytes } = settings();
    if (maxBytes === 0 || index.totalBytes() <= maxBytes) return;
    for await (const file of this.oldestFirst()) {
      await this.remove(file, 'size');
      if (index.totalBytes() <= maxBytes || this.removed >= MAX_PER_PASS) return;
    }
  }

  private async removeBySpace(): Promise<void> {
    const { freeBytes, settings } = this.options;
    const { minFreeBytes, goodFreeBytes } = settings();
    if (minFreeBytes === 0) return;
    let free = await freeBytes();
    if (free >= minFreeBytes) return;
    const goal = Math.max(minFreeBytes, goodFreeBytes);
    let unseen = 0;
    for await (const file of this.oldestFirst()) {
      if (await this.remove(file, 'space')) unseen++;
      if (this.removed >= MAX_PER_PASS) return;
      free += file.bytes;
      // What a removal frees is what the disk says, not what the file's size says.
      if (free < goal && unseen < FILES_PER_LOOK) continue;
      free = await freeBytes();
      unseen = 0;
      if (free >= goal) return;
    }
  }

  /** Over all streams, by the start of the files. */
  private async *oldestFirst(): AsyncGenerator<RecordedFile> {
    const { index } = this.options;
    const days = index
      .streams()
      .flatMap(({ stream }) => index.daysOf(stream).map((one) => ({ stream, ...one })))
      .filter((one) => one.files > 0)
      .sort((a, b) => a.firstMs - b.firstMs);
    let waiting: RecordedFile[] = [];
    for (const [at, { stream, day }] of days.entries()) {
      waiting.push(...(await index.filesOfDay(stream, day)));
      waiting.sort((a, b) => a.startMs - b.startMs);
      // Days of different streams overlap: only what is older than every day to come goes now.
      const nextMs = days[at + 1]?.firstMs ?? Number.POSITIVE_INFINITY;
      const ready = waiting.filter((file) => file.startMs <= nextMs);
      waiting = waiting.slice(ready.length);
      for (const file of ready) yield file;
    }
  }

  private async remove(file: RecordedFile, cause: string): Promise<boolean> {
    const { index, log } = this.options;
    const reason = await index.remove(file);
    if (reason !== '') {
      log.debug('record.kept', { file: file.file, cause: reason });
      return false;
    }
    this.removed++;
    log.info('record.removed', { file: file.file, cause, bytes: file.bytes });
    return true;
  }
}

/** Bytes that this process may still write to the disk of the folder. */
export async function freeBytesOf(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    // Nothing was recorded yet.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Number.POSITIVE_INFINITY;
    throw error;
  }
}
