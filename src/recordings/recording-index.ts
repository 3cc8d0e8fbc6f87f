/**
 * The list of what is recorded, by stream and time. On disk it is one append-only file per stream and day
 * (`.index/<stream>/<day>.jsonl` in the folder of recordings); a day is that of a file's start, local time. In memory
 * are a few numbers per day, and the days that were asked for last. What is being recorded now is in the answers too.
 *
 * Reading and changing may be mixed freely: what touches a day happens one after the other.
 */
import { mkdir, readdir, readFile, rmdir, unlink, writeFile } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import type { FileReaders } from '../runtime/file-response.ts';
import { appendLines, type DayEntries, readDay, removeDay } from './day-index.ts';
import { dayOf, type IndexLine, isDay, type RecordedFile, type RecordedGap } from './recording-entry.ts';
import { readLevel, safeLevel } from './safe-name.ts';

export interface DaySummary {
  readonly day: string;
  readonly files: number;
  readonly bytes: number;
  /** Start of the first and end of the last, milliseconds since 1970. */
  readonly firstMs: number;
  readonly lastMs: number;
}

export interface StreamSummary extends Omit<DaySummary, 'day'> {
  readonly stream: string;
  readonly days: number;
}

export interface FilePage {
  /** How many there are in the range. */
  readonly total: number;
  /** Oldest first. */
  readonly files: readonly RecordedFile[];
}

const INDEX_FOLDER = '.index';
const SUFFIX = '.jsonl';
const NAME_FILE = 'stream.txt';
const MAX_CACHED_DAYS = 64;
/** Lines that wait because the disk did not take them. */
const MAX_UNSAVED = 10_000;

interface Unsaved {
  readonly stream: string;
  readonly day: string;
  readonly line: IndexLine;
}

export class RecordingIndex {
  /** Absolute folder of the recordings. */
  readonly folder: string;
  /** Who reads which file now, by absolute path: such a file is not removed. */
  readonly readers: FileReaders;
  private readonly days = new Map<string, Map<string, DaySummary>>();
  /** The least recently used first. */
  private readonly cache = new Map<string, DayEntries>();
  private readonly open = new Map<object, () => RecordedFile | null>();
  private unsaved: Unsaved[] = [];
  private tail: Promise<unknown> = Promise.resolve();

  constructor(folder: string, readers: FileReaders) {
    this.folder = folder;
    this.readers = readers;
  }

  /** Reads what is there. Answers before it is finished know a part only. */
  async load(): Promise<void> {
    const root = join(this.folder, INDEX_FOLDER);
    for (const level of await namesIn(root)) {
      const stream = await this.streamOf(join(root, level), level);
      if (stream === null) continue;
      for (const name of await namesIn(join(root, level))) {
        const day = name.slice(0, -SUFFIX.length);
        if (name.endsWith(SUFFIX) && isDay(day)) await this.inTurn(() => this.entriesOf(stream, day));
      }
    }
  }

  private async streamOf(folder: string, level: string): Promise<string | null> {
    const stream = readLevel(level);
    if (stream !== null) return stream;
    const text = await readFile(join(folder, NAME_FILE), 'utf8').catch(() => '');
    return text !== '' && safeLevel(text) === level ? text : null;
  }

  /** By name. */
  streams(): StreamSummary[] {
    const found = new Map<string, DaySummary[]>();
    for (const [stream, days] of this.days) found.set(stream, [...days.values()]);
    for (const file of this.openFiles()) {
      const list = found.get(file.stream) ?? [];
      list.push({ ...totalsOf([file]), day: dayOf(file.startMs) });
      found.set(file.stream, list);
    }
    return [...found]
      .filter(([, days]) => days.length > 0)
      .map(([stream, days]) => ({
        stream,
        days: new Set(days.map((one) => one.day)).size,
        files: days.reduce((sum, one) => sum + one.files, 0),
        bytes: days.reduce((sum, one) => sum + one.bytes, 0),
        firstMs: Math.min(...days.map((one) => one.firstMs)),
        lastMs: Math.max(...days.map((one) => one.lastMs)),
      }))
      .sort((a, b) => (a.stream < b.stream ? -1 : 1));
  }

  /** Days with finished recordings, oldest first. */
  daysOf(stream: string): DaySummary[] {
    return [...(this.days.get(stream)?.values() ?? [])].sort((a, b) => (a.day < b.day ? -1 : 1));
  }

  /** Bytes of all finished recordings. */
  totalBytes(): number {
    let bytes = 0;
    for (const days of this.days.values()) for (const day of days.values()) bytes += day.bytes;
    return bytes;
  }

  /** Files of which any part lies in the range, those that are open included. Milliseconds since 1970. */
  async files(stream: string, fromMs: number, toMs: number, skip = 0, count = Infinity): Promise<FilePage> {
    const found = this.openFiles().filter((file) => file.stream === stream);
    for (const { day, firstMs, lastMs } of this.daysOf(stream)) {
      if (firstMs > toMs || lastMs < fromMs) continue;
      const { files } = await this.inTurn(() => this.entriesOf(stream, day));
      found.push(...files.values());
    }
    const inRange = found
      .filter((file) => file.startMs < toMs && file.endMs >= fromMs)
      .sort((a, b) => a.startMs - b.startMs || (a.file < b.file ? -1 : 1));
    return { total: inRange.length, files: inRange.slice(skip, skip + count) };
  }

  /** Files that start on a day, oldest first. */
  async filesOfDay(stream: string, day: string): Promise<RecordedFile[]> {
    if (this.days.get(stream)?.has(day) !== true) return [];
    const { files } = await this.inTurn(() => this.entriesOf(stream, day));
    return [...files.values()].sort((a, b) => a.startMs - b.startMs);
  }

  /** Times in which something was lost, oldest first; a gap that lasts is told by the one who records. */
  async gaps(stream: string, fromMs: number, toMs: number): Promise<RecordedGap[]> {
    const found: RecordedGap[] = [];
    for (const { day } of this.daysOf(stream)) {
      const { gaps } = await this.inTurn(() => this.entriesOf(stream, day));
      found.push(...gaps.filter((gap) => gap.startMs < toMs && gap.endMs >= fromMs));
    }
    return found.sort((a, b) => a.startMs - b.startMs);
  }

  /** A file by its name; the newest entry when there are several. */
  async find(stream: string, name: string): Promise<RecordedFile | null> {
    const open = this.openFiles().find((file) => file.file === name);
    if (open !== undefined) return open;
    for (const { day } of this.daysOf(stream).reverse()) {
      const { files } = await this.inTurn(() => this.entriesOf(stream, day));
      const file = files.get(name);
      if (file !== undefined) return file;
    }
    return null;
  }

  /** Absolute path of a name of the index. */
  pathOf(name: string): string {
    return join(this.folder, ...name.split('/'));
  }

  /** A file that is finished, or that was continued and is finished again. */
  add(file: RecordedFile): Promise<void> {
    return this.write(file.stream, dayOf(file.startMs), { kind: 'file', file: { ...file, open: false } });
  }

  addGap(gap: RecordedGap): Promise<void> {
    return this.write(gap.stream, dayOf(gap.startMs), { kind: 'gap', gap });
  }

  /** The entry goes; the file is gone already. */
  forget(file: RecordedFile): Promise<void> {
    return this.write(file.stream, dayOf(file.startMs), { kind: 'gone', name: file.file });
  }

  /** Until `clearOpen`, the recording is listed as `describe` tells it and not removed. */
  setOpen(owner: object, describe: () => RecordedFile | null): void {
    this.open.set(owner, describe);
  }

  clearOpen(owner: object): void {
    this.open.delete(owner);
  }

  openFiles(): RecordedFile[] {
    return [...this.open.values()].map((describe) => describe()).filter((file) => file !== null);
  }

  /** Why a file cannot be removed now, as a sentence; '' when it can. */
  reasonInUse(file: RecordedFile): string {
    const names = namesOf(file);
    const isOpen = (one: RecordedFile) => namesOf(one).some((name) => names.includes(name));
    if (this.openFiles().some(isOpen)) return 'It is being recorded.';
    const isRead = names.some((name) => this.readers.count(this.pathOf(name)) > 0);
    return isRead ? 'It is being played or sent.' : '';
  }

  /** Removes a file with its parts, its entry, and folders that are empty then. '' or why it could not be done. */
  async remove(file: RecordedFile): Promise<string> {
    const reason = this.reasonInUse(file);
    if (reason !== '') return reason;
    for (const name of namesOf(file)) {
      try {
        await unlink(this.pathOf(name));
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code !== 'ENOENT' && code !== 'ENOTDIR') return `It cannot be removed (${code}).`;
      }
    }
    await this.forget(file);
    await this.removeEmptyFolders(dirname(this.pathOf(file.file)));
    return '';
  }

  private async removeEmptyFolders(from: string): Promise<void> {
    let folder = from;
    while (folder.startsWith(this.folder + sep)) {
      try {
        await rmdir(folder);
      } catch {
        // Something is in it.
        return;
      }
      folder = dirname(folder);
    }
  }

  private write(stream: string, day: string, line: IndexLine): Promise<void> {
    return this.inTurn(async () => {
      const entries = await this.entriesOf(stream, day);
      entries.apply(line);
      this.summarize(stream, day, entries);
      if (entries.files.size === 0 && line.kind === 'gone') {
        await removeDay(this.fileOf(stream, day));
        this.cache.delete(cacheKey(stream, day));
        this.dropDay(stream, day);
        await rmdir(dirname(this.fileOf(stream, day))).catch(() => undefined);
        return;
      }
      if (this.unsaved.length < MAX_UNSAVED) this.unsaved.push({ stream, day, line });
      await this.save();
    });
  }

  /** What a full disk does not take stays in memory, and is tried again with the next line. */
  private async save(): Promise<void> {
    while (this.unsaved.length > 0) {
      const { stream, day } = this.unsaved[0]!;
      const path = this.fileOf(stream, day);
      const batch = this.unsaved.filter((one) => one.stream === stream && one.day === day);
      try {
        await this.nameFolder(stream, dirname(path));
        await appendLines(
          path,
          batch.map((one) => one.line),
        );
      } catch (error) {
        const { code = '' } = error as NodeJS.ErrnoException;
        if (['ENOSPC', 'EROFS', 'EDQUOT', 'EIO', 'EACCES', 'EPERM', 'EMFILE', 'ENFILE'].includes(code))
          return;
        throw error;
      }
      this.unsaved = this.unsaved.filter((one) => !batch.includes(one));
    }
  }

  /** A name that was cut to fit stands in a file of its own. */
  private async nameFolder(stream: string, folder: string): Promise<void> {
    if (readLevel(safeLevel(stream)) !== null) return;
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, NAME_FILE), stream);
  }

  private fileOf(stream: string, day: string): string {
    return join(this.folder, INDEX_FOLDER, safeLevel(stream), `${day}${SUFFIX}`);
  }

  private async entriesOf(stream: string, day: string): Promise<DayEntries> {
    const key = cacheKey(stream, day);
    let entries = this.cache.get(key);
    if (entries === undefined) {
      entries = await readDay(this.fileOf(stream, day), stream);
      for (const one of this.unsaved) if (one.stream === stream && one.day === day) entries.apply(one.line);
      this.summarize(stream, day, entries);
    }
    this.cache.delete(key);
    this.cache.set(key, entries);
    if (this.cache.size > MAX_CACHED_DAYS) this.cache.delete(this.cache.keys().next().value!);
    return entries;
  }

  private summarize(stream: string, day: string, entries: DayEntries): void {
    if (entries.files.size === 0 && entries.gaps.length === 0) {
      this.dropDay(stream, day);
      return;
    }
    const times = entries.gaps.map((gap) => ({ startMs: gap.startMs, endMs: gap.endMs, bytes: 0 }));
    const files = [...entries.files.values()];
    const totals = { ...totalsOf([...files, ...times]), files: files.length };
    let days = this.days.get(stream);
    if (days === undefined) {
      days = new Map();
      this.days.set(stream, days);
    }
    days.set(day, { day, ...totals });
  }

  private dropDay(stream: string, day: string): void {
    const days = this.days.get(stream);
    days?.delete(day);
    if (days?.size === 0) this.days.delete(stream);
  }

  private inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.tail.then(task);
    this.tail = turn.catch(() => undefined);
    return turn;
  }
}

/** The file and its parts, without duplicates. */
export function namesOf(file: RecordedFile): string[] {
  return [...new Set([...file.parts.map((part) => part.file), file.file])];
}

function totalsOf(files: readonly Pick<RecordedFile, 'startMs' | 'endMs' | 'bytes'>[]) {
  let bytes = 0;
  let firstMs = Number.POSITIVE_INFINITY;
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const file of files) {
    bytes += file.bytes;
    firstMs = Math.min(firstMs, file.startMs);
    lastMs = Math.max(lastMs, file.endMs);
  }
  return { files: files.length, bytes, firstMs, lastMs };
}

function cacheKey(stream: string, day: string): string {
  return `${stream}\n${day}`;
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).sort();
  } catch {
    return [];
  }
}
