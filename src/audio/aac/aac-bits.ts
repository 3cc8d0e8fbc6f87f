/**
 * Cursor over the bits of one AAC frame. The frame is copied into a buffer with zeros behind it, so the loops that read
 * codes may run past its end for a moment and look afterwards whether they did. Nothing here throws.
 */

/** 6144 bits per channel (ISO/IEC 14496-3 4.5.3.1) for 16 channels, and room for data elements. */
const MAX_FRAME_BYTES = 16_384;
/** More than what is read between two looks at `isOverrun`. */
const SLACK_BYTES = 1024;

export class AacBits {
  /** The frame, zeros behind it. */
  readonly bytes: Uint8Array;
  /** Bits read. Readers of codes keep it in a variable of their own and put it back. */
  position: number;
  /** Bits of the frame. */
  end: number;
  private isPast: boolean;

  constructor() {
    this.bytes = new Uint8Array(MAX_FRAME_BYTES + SLACK_BYTES);
    this.position = 0;
    this.end = 0;
    this.isPast = false;
  }

  /** Takes a copy of a frame; false when it is too long. */
  load(frame: Uint8Array): boolean {
    this.position = 0;
    this.end = 0;
    this.isPast = false;
    const size = frame.length;
    if (size > MAX_FRAME_BYTES) return false;
    this.bytes.set(frame);
    this.bytes.fill(0, size, size + SLACK_BYTES);
    this.end = size * 8;
    return true;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  /** More was read than there is; all that was read since is worthless. */
  get isOverrun(): boolean {
    return this.isPast || this.position > this.end;
  }

  /** Unsigned value of 1 to 25 bits; 0 behind the end. */
  bits(count: number): number {
    const { position, bytes } = this;
    if (position + count > this.end) {
      this.isPast = true;
      return 0;
    }
    this.position = position + count;
    return wordAt(bytes, position) >>> (32 - count);
  }

  flag(): boolean {
    return this.bits(1) === 1;
  }

  skip(count: number): void {
    if (this.position + count > this.end) this.isPast = true;
    else this.position += count;
  }

  /** Moves to the next byte boundary. */
  align(): void {
    this.position = (this.position + 7) & ~7;
  }
}

/** The bits from `position` on at the top of a word of 32: 25 of them at least, zeros behind. */
export function wordAt(bytes: Uint8Array, position: number): number {
  const i = position >>> 3;
  const word = (bytes[i]! << 24) | (bytes[i + 1]! << 16) | (bytes[i + 2]! << 8) | bytes[i + 3]!;
  return word << (position & 7);
}
