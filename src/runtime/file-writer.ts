/**
 * Appends to one file in order, without ever holding up the caller: what the disk has not taken yet is bounded, and a
 * full, read-only or slow disk is told by `append` returning false. Pieces that are appended in one call are written in
 * one call to the system where it takes them whole; a piece that could not be written whole is cut off again.
 */
import { close, fdatasync, ftruncate, mkdir, open, writev } from 'node:fs';
import { dirname } from 'node:path';

/** What the writer needs of the system; tests have disks of their own. */
export interface FileSystem {
  /** Makes the folder and opens a file: a new one, or at its end when `append`. */
  open(path: string, append: boolean, done: (error: NodeJS.ErrnoException | null, fd: number) => void): void;
  write(
    fd: number,
    parts: readonly Buffer[],
    done: (error: NodeJS.ErrnoException | null, bytes: number) => void,
  ): void;
  sync(fd: number, done: (error: NodeJS.ErrnoException | null) => void): void;
  truncate(fd: number, bytes: number, done: (error: NodeJS.ErrnoException | null) => void): void;
  close(fd: number, done: () => void): void;
}

export const systemFiles: FileSystem = {
  open: (path, append, done) => {
    mkdir(dirname(path), { recursive: true }, (error) => {
      if (error !== null) done(error, -1);
      else open(path, append ? 'a' : 'ax', 0o644, done);
    });
  },
  write: (fd, parts, done) => writev(fd, parts, done),
  sync: (fd, done) => fdatasync(fd, done),
  truncate: (fd, bytes, done) => ftruncate(fd, bytes, done),
  close: (fd, done) => close(fd, () => done()),
};

export interface FileWriterOptions {
  readonly files: FileSystem;
  /** The file's path at an attempt, from 0: another when that is taken. */
  readonly pathAt: (attempt: number) => string;
  /** Opened first; when it cannot be, neither is this one. */
  readonly after?: FileWriter;
  /** Goes on with a file of this size; 0 = it must not be there yet. */
  readonly startBytes: number;
  /** Bytes that may wait for the disk. */
  readonly maxBacklogBytes: number;
  /** How often what was written is forced to the disk; 0 = never. */
  readonly syncMs: number;
  /** Monotonic microseconds. */
  readonly nowUs: () => number;
  /** The disk refused; called once, and nothing is written any more. */
  readonly onFailure: (error: NodeJS.ErrnoException) => void;
  /** `writtenBytes` has grown. */
  readonly onProgress?: () => void;
}

/** Names that are tried when files of the same name are there. */
const MAX_ATTEMPTS = 1000;
/** Parts in one call to the system; IOV_MAX of the systems we know is at least this. */
const MAX_PARTS = 512;

export class FileWriter {
  /** '' until the file is open. */
  path = '';
  /** Size of the file, as far as the disk has taken whole pieces; counts `startBytes`. */
  writtenBytes: number;
  /** What waits for the disk. */
  backlogBytes = 0;
  failure: NodeJS.ErrnoException | null = null;
  private readonly options: FileWriterOptions;
  private fd = -1;
  private queue: Buffer[][] = [];
  private isBusy: boolean = true;
  private isClosing: boolean = false;
  private isClosed: boolean = false;
  private whenClosed: (() => void)[] = [];
  private readonly openWaiters: ((error: NodeJS.ErrnoException | null) => void)[] = [];
  private lastSyncUs: number;

  /** Begins to open the file at once. */
  constructor(options: FileWriterOptions) {
    this.options = options;
    this.writtenBytes = options.startBytes;
    this.lastSyncUs = options.nowUs();
    const { after } = options;
    if (after === undefined) this.open(0);
    else
      after.whenOpen((error) => {
        if (error === null) return this.open(0);
        this.isBusy = false;
        this.fail(error);
      });
  }

  private open(attempt: number): void {
    const { files, pathAt, startBytes } = this.options;
    const path = pathAt(attempt);
    files.open(path, startBytes > 0, (error, fd) => {
      if (error === null) {
        this.path = path;
        this.fd = fd;
        this.isBusy = false;
        if (startBytes === 0) return this.opened();
        // Whatever lies behind the known end came from a write that was cut off.
        this.isBusy = true;
        files.truncate(fd, startBytes, (cut) => {
          this.isBusy = false;
          if (cut === null) this.opened();
          else this.fail(cut);
        });
      } else if (error.code === 'EEXIST' && attempt + 1 < MAX_ATTEMPTS) this.open(attempt + 1);
      else {
        this.isBusy = false;
        this.fail(error);
      }
    });
  }

  private opened(): void {
    for (const run of this.openWaiters.splice(0)) run(null);
    this.advance();
  }

  /** Runs when the file is open (at once when it is), or with the error when it cannot be opened. */
  private whenOpen(run: (error: NodeJS.ErrnoException | null) => void): void {
    if (this.failure !== null || this.path !== '') run(this.failure);
    else this.openWaiters.push(run);
  }

  /** Takes the parts, which must not change any more, or none of them: false = the disk is too slow or refuses. */
  append(parts: Buffer[]): boolean {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (this.failure !== null || this.isClosing) return false;
    if (this.backlogBytes + bytes > this.options.maxBacklogBytes) return false;
    if (bytes === 0) return true;
    for (let at = 0; at < parts.length; at += MAX_PARTS) this.queue.push(parts.slice(at, at + MAX_PARTS));
    this.backlogBytes += bytes;
    this.advance();
    return true;
  }

  private advance(): void {
    if (this.isBusy) return;
    const parts = this.queue.shift();
    if (parts !== undefined) this.write(parts);
    else if (this.isClosing) this.finish();
    else this.syncIfDue();
  }

  private write(parts: readonly Buffer[]): void {
    this.isBusy = true;
    const size = sizeOf(parts);
    this.options.files.write(this.fd, parts, (error, bytes) => {
      this.isBusy = false;
      if (error !== null) return this.fail(error);
      if (bytes < size) {
        // The disk took a part: the rest is tried once more, which then tells why.
        if (bytes === 0)
          return this.fail(Object.assign(new Error('no byte was written'), { code: 'ENOSPC' }));
        return this.writeRest(parts, bytes, bytes);
      }
      this.done(size);
    });
  }

  private writeRest(parts: readonly Buffer[], skip: number, total: number): void {
    const rest = withoutFirst(parts, skip);
    const size = sizeOf(rest);
    this.isBusy = true;
    this.options.files.write(this.fd, rest, (error, bytes) => {
      this.isBusy = false;
      if (error !== null) return this.fail(error);
      if (bytes === 0) return this.fail(Object.assign(new Error('no byte was written'), { code: 'ENOSPC' }));
      if (bytes < size) return this.writeRest(rest, bytes, total + bytes);
      this.done(total + bytes);
    });
  }

  private done(bytes: number): void {
    this.writtenBytes += bytes;
    this.backlogBytes -= bytes;
    this.options.onProgress?.();
    this.advance();
  }

  private syncIfDue(): void {
    const { files, nowUs, syncMs } = this.options;
    if (syncMs === 0 || this.fd < 0 || this.failure !== null) return;
    const now = nowUs();
    if (now - this.lastSyncUs < syncMs * 1000) return;
    this.lastSyncUs = now;
    this.isBusy = true;
    files.sync(this.fd, (error) => {
      this.isBusy = false;
      if (error !== null) this.fail(error);
      else this.advance();
    });
  }

  private fail(error: NodeJS.ErrnoException): void {
    if (this.failure !== null) return;
    this.failure = error;
    this.queue = [];
    this.backlogBytes = 0;
    for (const run of this.openWaiters.splice(0)) run(error);
    const finish = () => {
      this.options.onFailure(error);
      this.finish();
    };
    if (this.fd < 0) finish();
    else this.options.files.truncate(this.fd, this.writtenBytes, finish);
  }

  /** Resolves when everything is written (or refused) and the file is closed. Idempotent. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.isClosed) return resolve();
      this.whenClosed.push(resolve);
      if (this.isClosing) return;
      this.isClosing = true;
      this.advance();
    });
  }

  private finish(): void {
    if (this.isClosed) return;
    this.isClosing = true;
    this.isClosed = true;
    const done = () => {
      for (const run of this.whenClosed.splice(0)) run();
    };
    const { files, syncMs } = this.options;
    const { fd } = this;
    this.fd = -1;
    if (fd < 0) done();
    else if (syncMs === 0 || this.failure !== null) files.close(fd, done);
    else files.sync(fd, () => files.close(fd, done));
  }
}

function sizeOf(parts: readonly Buffer[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}

function withoutFirst(parts: readonly Buffer[], bytes: number): Buffer[] {
  const rest: Buffer[] = [];
  let skip = bytes;
  for (const part of parts) {
    if (skip >= part.length) skip -= part.length;
    else {
      rest.push(skip > 0 ? part.subarray(skip) : part);
      skip = 0;
    }
  }
  return rest;
}
