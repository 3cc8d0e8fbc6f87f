/** Pieces of one frame that came in several packets, put together in a buffer that is kept for the next frame. */

const FIRST_BYTES = 4096;
const NO_BYTES = new Uint8Array(0);

export class PayloadPieces {
  /** Pieces lie in its first `used` bytes. */
  bytes: Uint8Array;
  used: number;
  /** RTP time of the packets. */
  timestamp: number;
  /** Bytes that the whole frame must have; 0 = not told. */
  expected: number;
  private readonly limit: number;

  /** `limit`: most bytes of a frame. */
  constructor(limit: number) {
    this.bytes = NO_BYTES;
    this.used = 0;
    this.timestamp = -1;
    this.expected = 0;
    this.limit = limit;
  }

  /** The first piece. */
  begin(payload: Uint8Array, start: number, timestamp: number, expected: number): boolean {
    this.used = 0;
    this.timestamp = timestamp;
    this.expected = expected;
    return this.append(payload, start);
  }

  /** What begins at `start`; false, and all pieces are gone, when the frame becomes too long. */
  append(payload: Uint8Array, start: number): boolean {
    const size = payload.length - start;
    const end = this.used + size;
    if (end > this.limit) {
      this.used = 0;
      return false;
    }
    if (end > this.bytes.length) this.grow(end);
    this.bytes.set(start === 0 ? payload : payload.subarray(start), this.used);
    this.used = end;
    return true;
  }

  clear(): void {
    this.used = 0;
  }

  /** All pieces: a view that is valid until the next `begin` or `append`. */
  whole(): Uint8Array {
    return this.bytes.subarray(0, this.used);
  }

  private grow(size: number): void {
    const larger = new Uint8Array(Math.min(this.limit, Math.max(FIRST_BYTES, size * 2)));
    larger.set(this.bytes.subarray(0, this.used));
    this.bytes = larger;
  }
}
