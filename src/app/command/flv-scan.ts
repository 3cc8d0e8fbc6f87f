/**
 * Every tag of an FLV file in order, with its place (Adobe FLV 10.1, annex E.2 to E.4.1). Strict, since what is read
 * here is written into an index: a file that is damaged in the middle is refused, a tag that is cut off at the end is
 * told.
 */
import type { FileHandle } from 'node:fs/promises';
import { ProtocolError } from '../../util/errors.ts';
import {
  FILE_HEADER_BYTES,
  MAX_TAG_BODY_BYTES,
  TAG_AUDIO,
  TAG_HEADER_BYTES,
  TAG_SCRIPT,
  TAG_TRAILER_BYTES,
  TAG_VIDEO,
} from '../../wire/flv/tag-header.ts';

const READ_BYTES = 1024 * 1024;
const MAX_FILE_HEADER_BYTES = 1024;

export interface ScannedTag {
  readonly type: number;
  readonly timestampMs: number;
  /** Of the tag header, in the file. */
  readonly position: number;
  /** Valid during the call only. */
  readonly body: Buffer;
}

export interface FlvScan {
  /** Where the first tag begins. */
  readonly firstTag: number;
  /** Where the last whole tag ends. */
  readonly end: number;
  /** Bytes behind `end`: a tag that was cut off. */
  readonly cutBytes: number;
  /** What the size behind the last tag lacks. */
  readonly missing: Buffer;
}

/** Throws ProtocolError when this is no FLV file, or is damaged in the middle. */
export async function scanFlv(
  handle: FileHandle,
  sizeBytes: number,
  onTag: (tag: ScannedTag) => void,
): Promise<FlvScan> {
  const window = new FileWindow(handle);
  const head = await window.at(0, Math.min(FILE_HEADER_BYTES, sizeBytes));
  if (head.length < FILE_HEADER_BYTES || head.toString('latin1', 0, 3) !== 'FLV')
    throw new ProtocolError('flv.no-signature', 'This is no FLV file.');
  const headerBytes = head.readUInt32BE(5);
  if (
    headerBytes < FILE_HEADER_BYTES ||
    headerBytes > Math.min(MAX_FILE_HEADER_BYTES, sizeBytes - TAG_TRAILER_BYTES)
  )
    throw new ProtocolError('flv.bad-file-header', 'The file header is damaged.');
  const firstTag = headerBytes + TAG_TRAILER_BYTES;
  let position = firstTag;
  let lastBytes = 0;
  while (sizeBytes - position >= TAG_HEADER_BYTES) {
    const header = await window.at(position, TAG_HEADER_BYTES);
    const type = header[0]!;
    if (type !== TAG_AUDIO && type !== TAG_VIDEO && type !== TAG_SCRIPT)
      throw new ProtocolError(
        'flv.bad-tag-type',
        `There is no tag at byte ${position}; the file is damaged.`,
      );
    const bodyBytes = header.readUIntBE(1, 3);
    const timestampMs = (header.readUIntBE(4, 3) | (header[7]! << 24)) >>> 0;
    const next = position + TAG_HEADER_BYTES + bodyBytes + TAG_TRAILER_BYTES;
    // The size behind the last tag may be missing.
    if (next > sizeBytes + TAG_TRAILER_BYTES) break;
    const whole = await window.at(position, TAG_HEADER_BYTES + bodyBytes);
    if (whole.length < TAG_HEADER_BYTES + bodyBytes) break;
    onTag({ type, timestampMs, position, body: whole.subarray(TAG_HEADER_BYTES) });
    position = next;
    lastBytes = TAG_HEADER_BYTES + bodyBytes;
  }
  const end = Math.min(position, sizeBytes);
  const trailer = Buffer.alloc(TAG_TRAILER_BYTES);
  trailer.writeUInt32BE(lastBytes);
  const missing = trailer.subarray(TAG_TRAILER_BYTES - Math.max(0, position - sizeBytes));
  return { firstTag, end, cutBytes: sizeBytes - end, missing };
}

/** A piece of the file that moves forward. */
class FileWindow {
  private readonly handle: FileHandle;
  private buffer: Buffer = Buffer.allocUnsafe(READ_BYTES);
  private start = 0;
  private filled = 0;

  constructor(handle: FileHandle) {
    this.handle = handle;
  }

  /** Fewer bytes at the end of the file. Valid until the next call. */
  async at(position: number, bytes: number): Promise<Buffer> {
    if (position < this.start || position + bytes > this.start + this.filled)
      await this.move(position, bytes);
    const from = position - this.start;
    return this.buffer.subarray(from, Math.min(from + bytes, this.filled));
  }

  private async move(position: number, bytes: number): Promise<void> {
    const wanted = Math.max(READ_BYTES, bytes);
    if (wanted > TAG_HEADER_BYTES + MAX_TAG_BODY_BYTES) throw new RangeError(`a window of ${wanted} bytes`);
    if (this.buffer.length < wanted) this.buffer = Buffer.allocUnsafe(wanted);
    this.start = position;
    this.filled = 0;
    while (this.filled < wanted) {
      const { bytesRead } = await this.handle.read(
        this.buffer,
        this.filled,
        wanted - this.filled,
        position + this.filled,
      );
      if (bytesRead === 0) return;
      this.filled += bytesRead;
    }
  }
}
