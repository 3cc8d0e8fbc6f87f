/**
 * Opened media files, shared: what was found by scanning a file is kept as long as the file is the same, the file
 * handle while somebody reads and a little longer. Least recently used files go first when there are too many.
 */
import { stat } from 'node:fs/promises';
import { ProtocolError } from '../util/errors.ts';
import { type IndexedFile, type MediaFile, openIndexedFile } from './media-file.ts';

const MAX_FILES = 256;
/** Of the indexes of all files together, except those that are being read. */
const MAX_MEMORY_BYTES = 128 * 1024 * 1024;
const IDLE_MS = 5000;
/** A file that grows is looked at again when the time since then is this many times what looking took. */
const REST_FACTOR = 20;
const MIN_REST_MS = 1000;

export interface MediaFileCacheOptions {
  readonly maxFiles?: number;
  readonly maxMemoryBytes?: number;
  /** Runs something later (`TickWheel.after` is one). Without it handles are closed as soon as nobody reads. */
  readonly after?: (delayMs: number, run: () => void) => unknown;
  readonly idleMs?: number;
  /** Monotonic milliseconds. */
  readonly nowMs?: () => number;
}

class Entry {
  readonly path: string;
  readonly file: Promise<IndexedFile>;
  readonly inode: number;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
  readonly openedMs: number;
  openTookMs = 0;
  memoryBytes = 0;
  users = 0;
  /** Another version of the file has taken its place, or there was no room. */
  isDropped = false;
  /** Counts the times that somebody began to read. */
  turn = 0;

  constructor(path: string, file: Promise<IndexedFile>, facts: FileFacts, openedMs: number) {
    this.path = path;
    this.file = file;
    this.inode = facts.ino;
    this.sizeBytes = facts.size;
    this.modifiedMs = facts.mtimeMs;
    this.openedMs = openedMs;
  }
}

interface FileFacts {
  readonly ino: number;
  readonly size: number;
  readonly mtimeMs: number;
}

export class MediaFileCache {
  private readonly options: MediaFileCacheOptions;
  private readonly nowMs: () => number;
  /** Least recently used first. */
  private readonly entries = new Map<string, Entry>();
  private isClosed = false;

  constructor(options: MediaFileCacheOptions = {}) {
    this.options = options;
    this.nowMs = options.nowMs ?? (() => performance.now());
  }

  /**
   * Runs the action with the file open. `path` is a real path. Throws what `openMediaFile` throws, and what the action
   * does. A file that grows may be given as it was a moment ago.
   */
  async use<T>(path: string, action: (file: MediaFile) => Promise<T>): Promise<T> {
    const facts = await stat(path);
    const known = this.entries.get(path);
    const entry = this.find(
      path,
      facts,
      known !== undefined && (await this.mayStay(known, facts)) ? known : null,
    );
    entry.users++;
    entry.turn++;
    try {
      return await action(await entry.file);
    } finally {
      entry.users--;
      if (entry.users === 0) await this.release(entry);
    }
  }

  /** Files that are known. */
  get size(): number {
    return this.entries.size;
  }

  /** `fresh` is the entry that may still be used. */
  private find(path: string, facts: FileFacts, fresh: Entry | null): Entry {
    if (this.isClosed) throw new ProtocolError('media-file.closed', 'The server is shutting down.');
    const known = this.entries.get(path);
    if (known !== undefined && (known === fresh || isSameFile(known, facts))) {
      this.entries.delete(path);
      this.entries.set(path, known);
      return known;
    }
    if (known !== undefined) this.drop(known);
    const openedMs = this.nowMs();
    const entry: Entry = new Entry(path, openIndexedFile(path), facts, openedMs);
    this.entries.set(path, entry);
    entry.file.then(
      (file) => {
        entry.openTookMs = this.nowMs() - openedMs;
        entry.memoryBytes = file.memoryBytes;
        this.makeRoom();
      },
      () => {
        // Who asked is told; the next one tries again.
        entry.isDropped = true;
        if (this.entries.get(path) === entry) this.entries.delete(path);
      },
    );
    return entry;
  }

  /** The same file, or one that has grown a little since. */
  private async mayStay(entry: Entry, facts: FileFacts): Promise<boolean> {
    if (isSameFile(entry, facts)) return true;
    if (entry.inode !== facts.ino || facts.size <= entry.sizeBytes) return false;
    if (this.nowMs() - entry.openedMs >= Math.max(MIN_REST_MS, entry.openTookMs * REST_FACTOR)) return false;
    entry.users++;
    try {
      return await (await entry.file).isIntact();
    } catch {
      return false;
    } finally {
      entry.users--;
      if (entry.users === 0 && entry.isDropped) await closeFile(entry);
    }
  }

  private makeRoom(): void {
    const { maxFiles = MAX_FILES, maxMemoryBytes = MAX_MEMORY_BYTES } = this.options;
    let memoryBytes = 0;
    for (const entry of this.entries.values()) memoryBytes += entry.memoryBytes;
    for (const entry of this.entries.values()) {
      if (this.entries.size <= maxFiles && memoryBytes <= maxMemoryBytes) return;
      if (entry.users > 0) continue;
      memoryBytes -= entry.memoryBytes;
      this.drop(entry);
    }
  }

  private drop(entry: Entry): void {
    entry.isDropped = true;
    if (this.entries.get(entry.path) === entry) this.entries.delete(entry.path);
    if (entry.users === 0) void closeFile(entry);
  }

  private async release(entry: Entry): Promise<void> {
    if (entry.isDropped) {
      await closeFile(entry);
      return;
    }
    this.makeRoom();
    if (entry.isDropped) return;
    const { after, idleMs = IDLE_MS } = this.options;
    const { turn } = entry;
    const rest = async (): Promise<void> => {
      if (entry.users === 0 && entry.turn === turn) await (await entry.file).rest();
    };
    if (after === undefined) await rest();
    else after(idleMs, () => void rest());
  }

  /** Forgets everything. Files that are being read are closed when that ends. */
  async close(): Promise<void> {
    this.isClosed = true;
    const idle = [...this.entries.values()].filter((entry) => entry.users === 0);
    for (const entry of this.entries.values()) entry.isDropped = true;
    this.entries.clear();
    await Promise.all(idle.map(closeFile));
  }
}

function isSameFile(entry: Entry, { ino, size, mtimeMs }: FileFacts): boolean {
  return entry.inode === ino && entry.sizeBytes === size && entry.modifiedMs === mtimeMs;
}

async function closeFile(entry: Entry): Promise<void> {
  try {
    await (await entry.file).close();
  } catch {
    // It was never open.
  }
}
