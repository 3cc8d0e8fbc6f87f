/**
 * Makes the index true again after a power cut, the loss of it, or changes by hand: files that it does not know are
 * entered by what their names and sizes tell, entries whose files are gone are taken out. Walks the folder slowly, one
 * directory at a time. Leaves out: tracks and key frames of such files, which whoever opens them finds.
 */
import { appendFile, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { LIST_END, type ListSegment, listSegment, parseList } from './list-file.ts';
import type { RecordedFile, RecordedPart, RecordingFormat } from './recording-entry.ts';
import { namesOf, type RecordingIndex } from './recording-index.ts';
import { repairTail } from './repair-file.ts';

/** What the path of a file tells about it. */
interface NamedFile {
  /** `app/name`. */
  readonly stream: string;
  /** NaN when the name has no time. */
  readonly startMs: number;
}

/** Null for a path that is none of ours; it has no extension. */
export type ReadFileName = (path: string) => NamedFile | null;

export interface RebuildResult {
  readonly added: number;
  readonly removed: number;
  /** Media whose names tell nothing. */
  readonly unknown: number;
}

const FORMATS: Readonly<Record<string, RecordingFormat>> = {
  '.m3u8': 'hls',
  '.mp4': 'fmp4',
  '.flv': 'flv',
  '.ts': 'ts',
};
const MAX_DEPTH = 32;
const MAX_LIST_BYTES = 16 * 1024 * 1024;
/** Of a segment whose end nobody noted. */
const MAX_SEGMENT_MS = 18_000;
const SEGMENT_NAME = /^(.*)-(\d+)\.ts$/;

/** Files that changed at `beforeMs` or later are left alone: somebody writes them now. */
export async function rebuildIndex(
  index: RecordingIndex,
  readName: ReadFileName,
  beforeMs: number,
): Promise<RebuildResult> {
  const present = new Set<string>();
  const known = new Set<string>();
  const entries: RecordedFile[] = [];
  for (const { stream } of index.streams()) {
    for (const { day } of index.daysOf(stream)) {
      for (const file of await index.filesOfDay(stream, day)) {
        entries.push(file);
        for (const name of namesOf(file)) known.add(name);
      }
    }
  }
  const walk = new Walk(index, readName, beforeMs, known, present);
  await walk.folder('', 0);
  let removed = 0;
  for (const file of entries) {
    // Unless it came back meanwhile, or was removed already.
    if (present.has(file.file) || (await exists(index.pathOf(file.file)))) continue;
    await index.forget(file);
    removed++;
  }
  return { added: walk.added, unknown: walk.unknown, removed };
}

class Walk {
  added = 0;
  unknown = 0;
  private readonly index: RecordingIndex;
  private readonly readName: ReadFileName;
  private readonly beforeMs: number;
  private readonly known: Set<string>;
  private readonly present: Set<string>;

  constructor(
    index: RecordingIndex,
    readName: ReadFileName,
    beforeMs: number,
    known: Set<string>,
    present: Set<string>,
  ) {
    this.index = index;
    this.readName = readName;
    this.beforeMs = beforeMs;
    this.known = known;
    this.present = present;
  }

  /** `path` is relative; '' is the folder of recordings. */
  async folder(path: string, depth: number): Promise<void> {
    const found = await readdir(join(this.index.folder, path), { withFileTypes: true }).catch(() => []);
    const names = found.filter((one) => one.isFile()).map((one) => one.name);
    for (const name of names) this.present.add(joined(path, name));
    const lists = names.filter((name) => name.endsWith('.m3u8'));
    const isSegment = (name: string) => lists.includes(`${SEGMENT_NAME.exec(name)?.[1] ?? ''}.m3u8`);
    for (const name of names.sort()) {
      if (!this.known.has(joined(path, name)) && !isSegment(name)) await this.file(path, name, names);
    }
    if (depth === MAX_DEPTH) return;
    for (const one of found)
      if (one.isDirectory() && !one.name.startsWith('.'))
        await this.folder(joined(path, one.name), depth + 1);
  }

  private async file(folder: string, name: string, beside: readonly string[]): Promise<void> {
    const dot = name.lastIndexOf('.');
    const format = FORMATS[name.slice(dot)];
    if (format === undefined) return;
    const path = joined(folder, name);
    const { size: found, mtimeMs, birthtimeMs } = await stat(this.index.pathOf(path));
    const isOpen = this.index.openFiles().some((file) => namesOf(file).includes(path));
    if (found === 0 || isOpen || mtimeMs >= this.beforeMs) return;
    const named = this.readName(path.slice(0, path.length - (name.length - dot)));
    if (named === null) {
      this.unknown++;
      return;
    }
    if ((await this.index.find(named.stream, path)) !== null) return;
    const startMs = Number.isNaN(named.startMs) ? birthtimeMs || mtimeMs : named.startMs;
    const common = {
      file: path,
      stream: named.stream,
      recording: '',
      format,
      tracks: [],
      keys: [],
      open: false,
    };
    const size =
      format === 'fmp4' ? await repairTail(this.index.pathOf(path), found).catch(() => found) : found;
    const parts = format === 'hls' ? await this.list(folder, name, beside, startMs) : [];
    if (format === 'hls' && parts.length === 0) return;
    await this.index.add({
      ...common,
      parts,
      startMs: Math.round(parts[0]?.startMs ?? startMs),
      endMs: Math.round(endOf(parts) ?? Math.max(startMs, mtimeMs)),
      bytes: size + parts.reduce((sum, part) => sum + part.bytes, 0),
    });
    this.added++;
  }

  /** The segments of a list that was left open are found beside it; the list is ended, so that it can be played. */
  private async list(
    folder: string,
    name: string,
    beside: readonly string[],
    startMs: number,
  ): Promise<RecordedPart[]> {
    const path = this.index.pathOf(joined(folder, name));
    const bytes = await readFile(path);
    if (bytes.length > MAX_LIST_BYTES) return [];
    const { segments, ended } = parseList(bytes.toString('utf8'));
    const all = segments.filter((segment) => beside.includes(segment.uri));
    if (!ended) {
      const late = await this.unlisted(folder, name, beside, all, startMs);
      all.push(...late);
      await appendFile(path, `\n${late.map(listSegment).join('')}${LIST_END}`).catch(() => undefined);
    }
    const parts: RecordedPart[] = [];
    for (const segment of all) {
      const file = joined(folder, segment.uri);
      const { size } = await stat(this.index.pathOf(file));
      const { durationMs, discontinuity } = segment;
      parts.push({ file, offset: 0, bytes: size, startMs: segment.startMs, durationMs, discontinuity });
    }
    return parts;
  }

  /** Segments that were written but not listed: the one that was open when the power went. */
  private async unlisted(
    folder: string,
    name: string,
    beside: readonly string[],
    listed: readonly ListSegment[],
    startMs: number,
  ): Promise<ListSegment[]> {
    const base = name.slice(0, -'.m3u8'.length);
    const late: ListSegment[] = [];
    const numbered = beside
      .filter((one) => SEGMENT_NAME.exec(one)?.[1] === base && listed.every((segment) => segment.uri !== one))
      .sort((a, b) => Number(SEGMENT_NAME.exec(a)![2]) - Number(SEGMENT_NAME.exec(b)![2])); // they match
    for (const uri of numbered) {
      const { size, mtimeMs } = await stat(this.index.pathOf(joined(folder, uri)));
      if (size === 0) continue;
      const before = late.at(-1) ?? listed.at(-1);
      const from = before === undefined ? startMs : before.startMs + before.durationMs;
      // The last byte was written when the last frame was there.
      late.push({
        uri,
        startMs: from,
        durationMs: Math.min(Math.max(mtimeMs - from, 100), MAX_SEGMENT_MS),
        discontinuity: false,
      });
    }
    return late;
  }
}

function endOf(parts: readonly RecordedPart[]): number | undefined {
  const last = parts.at(-1);
  return last === undefined ? undefined : last.startMs + last.durationMs;
}

function joined(folder: string, name: string): string {
  return folder === '' ? name : `${folder}/${name}`;
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
