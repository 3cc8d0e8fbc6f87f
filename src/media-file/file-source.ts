/**
 * Bytes of a file by position. The handle is opened when it is needed and may be closed in between; a file that was
 * replaced meanwhile is not read. One that only grew is: what was there when it was opened has not changed.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { InvariantError, ProtocolError } from '../util/errors.ts';

/** At both ends, to see whether what was there is still the same. */
const PRINT_BYTES = 64;

export class FileSource {
  readonly path: string;
  /** At the time of opening. */
  readonly sizeBytes: number;
  private readonly inode: number;
  private readonly modifiedMs: number;
  private print: Buffer = Buffer.alloc(0);
  private handle: Promise<FileHandle> | null;
  private isClosed = false;

  private constructor(
    path: string,
    handle: FileHandle,
    sizeBytes: number,
    inode: number,
    modifiedMs: number,
  ) {
    this.path = path;
    this.handle = Promise.resolve(handle);
    this.sizeBytes = sizeBytes;
    this.inode = inode;
    this.modifiedMs = modifiedMs;
  }

  /** Throws ProtocolError for what is no file, and the errors of the file system. */
  static async open(path: string): Promise<FileSource> {
    const handle = await open(path, 'r');
    try {
      const facts = await handle.stat();
      if (!facts.isFile()) throw new ProtocolError('media-file.no-file', 'This is no file.');
      const source = new FileSource(path, handle, facts.size, facts.ino, facts.mtimeMs);
      source.print = await source.readPrint(handle);
      return source;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  private async readPrint(handle: FileHandle): Promise<Buffer> {
    const print = Buffer.alloc(PRINT_BYTES * 2);
    await handle.read(print, 0, Math.min(PRINT_BYTES, this.sizeBytes), 0);
    const tail = Math.max(0, this.sizeBytes - PRINT_BYTES);
    await handle.read(print, PRINT_BYTES, this.sizeBytes - tail, tail);
    return print;
  }

  /** Whether the file still begins with what it was when it was opened, as far as its ends show. */
  async isIntact(): Promise<boolean> {
    return Buffer.compare(await this.readPrint(await this.opened()), this.print) === 0;
  }

  /** Bytes in memory of their own, which may be kept; fewer than asked for at the end of the file. */
  async read(position: number, length: number): Promise<Buffer> {
    const wanted = Math.max(0, Math.min(length, this.sizeBytes - position));
    const buffer = Buffer.allocUnsafeSlow(wanted);
    const got = await this.readInto(buffer, position);
    return got === wanted ? buffer : buffer.subarray(0, got);
  }

  /** Fills the buffer as far as the file goes; returns the bytes read. */
  async readInto(buffer: Uint8Array, position: number): Promise<number> {
    const handle = await this.opened();
    const wanted = Math.max(0, Math.min(buffer.length, this.sizeBytes - position));
    let filled = 0;
    while (filled < wanted) {
      const { bytesRead } = await handle.read(buffer, filled, wanted - filled, position + filled);
      if (bytesRead === 0) break;
      filled += bytesRead;
    }
    return filled;
  }

  private opened(): Promise<FileHandle> {
    if (this.isClosed) throw new InvariantError('the file is closed');
    this.handle ??= this.reopen();
    return this.handle;
  }

  private async reopen(): Promise<FileHandle> {
    try {
      const handle = await open(this.path, 'r');
      const { ino, size, mtimeMs } = await handle.stat();
      const isSame = size === this.sizeBytes && mtimeMs === this.modifiedMs;
      if (ino === this.inode && isSame) return handle;
      const hasGrown = ino === this.inode && size > this.sizeBytes;
      if (hasGrown && Buffer.compare(await this.readPrint(handle), this.print) === 0) return handle;
      await handle.close();
      throw new ProtocolError('media-file.changed', 'The file has changed since it was opened.');
    } catch (error) {
      this.handle = null;
      throw error;
    }
  }

  /** Closes the handle until the next read. */
  async rest(): Promise<void> {
    const { handle } = this;
    this.handle = null;
    try {
      await (await handle)?.close();
    } catch {
      // It could not be opened, which the reader was told; there is nothing to close.
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.rest();
  }
}
