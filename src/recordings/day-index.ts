/** The index of one stream and day: its entries in memory, its lines on disk. */
import { appendFile, mkdir, readFile, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  type IndexLine,
  parseLine,
  type RecordedFile,
  type RecordedGap,
  serializeLine,
} from './recording-entry.ts';

/** Larger files are not read: an index of a day with a file every second is far smaller. */
const MAX_INDEX_BYTES = 256 * 1024 * 1024;

export class DayEntries {
  /** By name. */
  readonly files = new Map<string, RecordedFile>();
  readonly gaps: RecordedGap[] = [];
  /** Lines that could not be read. */
  damaged = 0;

  apply(line: IndexLine): void {
    if (line.kind === 'file') this.files.set(line.file.file, line.file);
    else if (line.kind === 'gap') this.gaps.push(line.gap);
    else this.files.delete(line.name);
  }
}

/** An empty list when there is no such file. */
export async function readDay(path: string, stream: string): Promise<DayEntries> {
  const entries = new DayEntries();
  const text = await readText(path);
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const parsed = parseLine(line, stream);
    if (parsed === null) entries.damaged++;
    else entries.apply(parsed);
  }
  return entries;
}

async function readText(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    return bytes.length > MAX_INDEX_BYTES ? '' : bytes.toString('utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}

/** A line that was cut off by a power cut before it must not swallow this one: every write begins a new line. */
export async function appendLines(path: string, lines: readonly IndexLine[]): Promise<void> {
  const text = lines.map((line) => `\n${serializeLine(line)}`).join('');
  try {
    await appendFile(path, `${text}\n`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await mkdir(dirname(path), { recursive: true });
    await appendFile(path, `${text}\n`);
  }
}

export async function removeDay(path: string): Promise<void> {
  await rm(path, { force: true });
}
