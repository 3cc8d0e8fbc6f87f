/**
 * Boxes of the ISO base media file format: ISO/IEC 14496-12 4.2, with 32-bit and 64-bit sizes and the size 0 that
 * means "to the end". Walks them by index; what is inside a box is read by others. Extended types (`uuid`) stay boxes
 * of that name.
 */
import { ProtocolError } from '../../util/errors.ts';

/** What a header needs at most: 64-bit size. */
export const MAX_BOX_HEADER_BYTES = 16;
const SHORT_HEADER_BYTES = 8;

export interface BoxHeader {
  /** Four characters, as Latin-1. */
  readonly type: string;
  /** 8 or 16. */
  readonly headerBytes: number;
  /** Whole box with its header; 0 = to the end of the file. */
  readonly sizeBytes: number;
}

/** The header at `at`; null when the bytes end before it does. Throws ProtocolError for an impossible size. */
export function parseBoxHeader(bytes: Uint8Array, at: number): BoxHeader | null {
  if (bytes.length - at < SHORT_HEADER_BYTES) return null;
  const type = typeAt(bytes, at + 4);
  const size = u32At(bytes, at);
  if (size === 0) return { type, headerBytes: SHORT_HEADER_BYTES, sizeBytes: 0 };
  if (size >= SHORT_HEADER_BYTES) return { type, headerBytes: SHORT_HEADER_BYTES, sizeBytes: size };
  if (size !== 1) throw new ProtocolError('mp4.bad-box', `${printable(type)} of ${size} bytes`);
  if (bytes.length - at < MAX_BOX_HEADER_BYTES) return null;
  const sizeBytes = u64At(bytes, at + 8);
  if (sizeBytes < MAX_BOX_HEADER_BYTES || !Number.isSafeInteger(sizeBytes))
    throw new ProtocolError('mp4.bad-box', `${printable(type)} of ${sizeBytes} bytes`);
  return { type, headerBytes: MAX_BOX_HEADER_BYTES, sizeBytes };
}

/** Cursor over the boxes between two offsets: `while (boxes.advance()) use(boxes.type, boxes.start, boxes.end)`. */
export class BoxCursor {
  readonly bytes: Uint8Array;
  type: string;
  /** First byte of the present box's contents. */
  start: number;
  end: number;
  /** True after the walk when a box ran over the end: it and what follows are not told. */
  isCut: boolean;
  private next: number;
  private readonly limit: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.type = '';
    this.start = start;
    this.end = start;
    this.isCut = false;
    this.next = start;
    this.limit = end;
  }

  advance(): boolean {
    const { bytes, next, limit } = this;
    const left = limit - next;
    // QuickTime ends some lists of boxes with four zero bytes.
    if (left < SHORT_HEADER_BYTES) return false;
    let size = u32At(bytes, next);
    let headerBytes = SHORT_HEADER_BYTES;
    if (size === 1 && left >= MAX_BOX_HEADER_BYTES) {
      size = u64At(bytes, next + 8);
      headerBytes = MAX_BOX_HEADER_BYTES;
    } else if (size === 0) size = left;
    if (size < headerBytes || size > left) {
      this.isCut = true;
      this.next = limit;
      return false;
    }
    this.type = typeAt(bytes, next + 4);
    this.start = next + headerBytes;
    this.end = next + size;
    this.next = this.end;
    return true;
  }
}

/** Contents of the first box of a type between two offsets; null when there is none. */
export function findBox(bytes: Uint8Array, type: string, start = 0, end = bytes.length): Uint8Array | null {
  const boxes = new BoxCursor(bytes, start, end);
  while (boxes.advance()) if (boxes.type === type) return bytes.subarray(boxes.start, boxes.end);
  return null;
}

/** Big-endian, unsigned. The caller has checked the length. */
export function u32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Big-endian, as a number: exact up to 2^53. The caller has checked the length. */
export function u64At(bytes: Uint8Array, at: number): number {
  return u32At(bytes, at) * 0x1_0000_0000 + u32At(bytes, at + 4);
}

function typeAt(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
}

/** A type from a peer, for a sentence. */
export function printable(type: string): string {
  return type.replaceAll(/[^\x20-\x7e]/g, '?');
}
