/**
 * AES-128 of HLS (RFC 8216 5.2): whole segments with CBC and PKCS7 padding, a new key every so many segments. Keys
 * live in memory only, as long as the segments that need them.
 */
import { createCipheriv, randomBytes } from 'node:crypto';
import type { Segment } from '../packaging/segment.ts';

const KEY_BYTES = 16;
/** Keys of segments that left the list long ago. */
const MAX_KEYS = 64;

export class SegmentKeys {
  private readonly segmentsPerKey: number;
  private readonly keys = new Map<number, Buffer>();
  /** The encrypted bytes are made once, by the first request. */
  private readonly done = new WeakMap<Segment, Buffer>();

  constructor(segmentsPerKey: number) {
    this.segmentsPerKey = segmentsPerKey;
  }

  /** Number of the key that a segment needs. */
  idOf(sequence: number): number {
    return Math.floor(sequence / this.segmentsPerKey);
  }

  find(id: number): Buffer | undefined {
    return this.keys.get(id);
  }

  /** Makes sure that the key is there before a list names it. */
  prepare(sequence: number): number {
    const id = this.idOf(sequence);
    if (!this.keys.has(id)) {
      this.keys.set(id, randomBytes(KEY_BYTES));
      const oldest = this.keys.keys().next().value;
      if (this.keys.size > MAX_KEYS && oldest !== undefined) this.keys.delete(oldest);
    }
    return id;
  }

  /** The bytes to send in place of `clear`. */
  encrypt(segment: Segment, clear: readonly Uint8Array[]): Buffer {
    const known = this.done.get(segment);
    if (known !== undefined) return known;
    const key = this.keys.get(this.prepare(segment.sequence))!; // prepare made it
    // The sequence number, as RFC 8216 5.2 has it where a list names no IV.
    const iv = Buffer.from(segment.sequence.toString(16).padStart(KEY_BYTES * 2, '0'), 'hex');
    const cipher = createCipheriv('aes-128-cbc', key, iv);
    const parts = clear.map((part) => cipher.update(part));
    parts.push(cipher.final());
    const bytes = Buffer.concat(parts);
    this.done.set(segment, bytes);
    return bytes;
  }
}
