/**
 * Files that are to be sent to the storage, on disk: an append-only list of JSON lines, one for each file that is to
 * go and one for each that is done, so that a restart forgets nothing. It is written anew, short, when it is loaded.
 */
import { appendFile, mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** One recorded file; its parts go with it. */
export interface SpoolItem {
  /** Name in the index. */
  readonly file: string;
  readonly stream: string;
}

/** A longer list is not ours. */
const MAX_SPOOL_BYTES = 512 * 1024 * 1024;

export class UploadSpool {
  private readonly path: string;
  private readonly waiting = new Map<string, SpoolItem>();
  private tail: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.path = path;
  }

  get size(): number {
    return this.waiting.size;
  }

  has(file: string): boolean {
    return this.waiting.has(file);
  }

  /** Oldest first. */
  items(): SpoolItem[] {
    return [...this.waiting.values()];
  }

  async load(): Promise<void> {
    const bytes = await readFile(this.path).catch(() => Buffer.alloc(0));
    if (bytes.length > MAX_SPOOL_BYTES) return;
    for (const line of bytes.toString('utf8').split('\n')) this.applyLine(line);
    if (bytes.length === 0) return;
    const text = this.items()
      .map((item) => lineOf(item))
      .join('');
    const part = `${this.path}.new`;
    await writeFile(part, text);
    await rename(part, this.path);
  }

  private applyLine(line: string): void {
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      return;
    }
    if (typeof value !== 'object' || value === null) return;
    const { put, stream, done } = value as Readonly<Record<string, unknown>>;
    if (typeof done === 'string') this.waiting.delete(done);
    else if (typeof put === 'string' && typeof stream === 'string')
      this.waiting.set(put, { file: put, stream });
  }

  /** Others go first. */
  postpone(item: SpoolItem): void {
    if (this.waiting.delete(item.file)) this.waiting.set(item.file, item);
  }

  add(item: SpoolItem): Promise<void> {
    this.waiting.set(item.file, item);
    return this.append(lineOf(item));
  }

  remove(file: string): Promise<void> {
    this.waiting.delete(file);
    return this.append(`${JSON.stringify({ done: file })}\n`);
  }

  /** A full disk costs the memory over a restart, nothing else. */
  private append(line: string): Promise<void> {
    this.tail = this.tail.then(async () => {
      try {
        await mkdir(dirname(this.path), { recursive: true });
        await appendFile(this.path, line);
      } catch {
        // It is in memory all the same.
      }
    });
    return this.tail;
  }
}

function lineOf({ file, stream }: SpoolItem): string {
  return `${JSON.stringify({ put: file, stream })}\n`;
}
