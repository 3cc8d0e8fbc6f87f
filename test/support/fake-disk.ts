/** A disk in memory that can be full, read-only, slow, or hang. */
import type { FileSystem } from '../../src/runtime/file-writer.ts';

function failure(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(code), { code });
}

export class FakeDisk implements FileSystem {
  readonly files = new Map<string, Buffer>();
  readonly failures: string[] = [];
  freeBytes = Number.POSITIVE_INFINITY;
  largestWrite = Number.POSITIVE_INFINITY;
  /** Error of every open; ''. */
  openError = '';
  /** Writes wait for `release`. */
  hold = false;
  writes = 0;
  syncs = 0;
  openFiles = 0;
  nowUs = 0;
  private readonly paths = new Map<number, string>();
  private nextFd = 3;
  private held: (() => void)[] = [];

  private later(run: () => void): void {
    if (this.hold) this.held.push(run);
    else setImmediate(run);
  }

  /** What was held goes on, and nothing is held any more. */
  release(): void {
    this.hold = false;
    for (const run of this.held.splice(0)) setImmediate(run);
  }

  /** Lets everything that was begun be finished. */
  async settle(): Promise<void> {
    for (let i = 0; i < 12; i++) await new Promise((resolve) => setImmediate(resolve));
  }

  text(path: string): string {
    return this.files.get(path)?.toString('utf8') ?? '(no file)';
  }

  open(path: string, append: boolean, done: (error: NodeJS.ErrnoException | null, fd: number) => void): void {
    this.later(() => {
      if (this.openError !== '') return done(failure(this.openError), -1);
      if (!append && this.files.has(path)) return done(failure('EEXIST'), -1);
      if (!this.files.has(path)) this.files.set(path, Buffer.alloc(0));
      const fd = this.nextFd++;
      this.paths.set(fd, path);
      this.openFiles++;
      done(null, fd);
    });
  }

  write(
    fd: number,
    parts: readonly Buffer[],
    done: (error: NodeJS.ErrnoException | null, bytes: number) => void,
  ): void {
    this.writes++;
    this.later(() => {
      const path = this.paths.get(fd)!; // it was opened
      const all = Buffer.concat(parts);
      const taken = Math.min(all.length, this.largestWrite, this.freeBytes);
      if (taken === 0 && all.length > 0) return done(failure('ENOSPC'), 0);
      this.freeBytes -= taken;
      this.files.set(path, Buffer.concat([this.files.get(path)!, all.subarray(0, taken)]));
      done(null, taken);
    });
  }

  sync(_fd: number, done: (error: NodeJS.ErrnoException | null) => void): void {
    this.syncs++;
    this.later(() => done(null));
  }

  truncate(fd: number, bytes: number, done: (error: NodeJS.ErrnoException | null) => void): void {
    this.later(() => {
      const path = this.paths.get(fd)!; // it was opened
      this.files.set(path, this.files.get(path)!.subarray(0, bytes));
      done(null);
    });
  }

  close(fd: number, done: () => void): void {
    this.paths.delete(fd);
    this.openFiles--;
    this.later(done);
  }
}
