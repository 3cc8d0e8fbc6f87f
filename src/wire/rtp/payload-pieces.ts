/** Pieces of one frame that came in several packets, with what the first of them told of it. */
import { UnitBuffer } from './unit-buffer.ts';

export class PayloadPieces extends UnitBuffer {
  /** RTP time of the packets; stays after `clear`. */
  timestamp: number;
  /** Bytes that the whole frame must have; 0 = not told. */
  expected: number;

  constructor(limit: number) {
    super(limit);
    this.timestamp = -1;
    this.expected = 0;
  }

  /** The first piece. */
  begin(payload: Uint8Array, start: number, timestamp: number, expected: number): boolean {
    this.used = 0;
    this.timestamp = timestamp;
    this.expected = expected;
    return this.add(payload, start);
  }

  /** What begins at `start`; false, and all pieces are gone, when the frame becomes too long. */
  add(payload: Uint8Array, start: number): boolean {
    if (this.append(payload, start, payload.length)) return true;
    this.used = 0;
    return false;
  }

  clear(): void {
    this.used = 0;
  }
}
