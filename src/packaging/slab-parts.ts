/** Bytes of a fragment or a segment in the making: views of slabs, as few as possible. */
import { SlabWriter } from '../util/slab.ts';

export class SlabParts {
  sizeBytes = 0;
  private readonly writer = new SlabWriter();
  private parts: Buffer[] = [];
  private partSlab: Buffer | null = null;
  private partStart = 0;
  private partEnd = 0;

  get slab(): Buffer {
    return this.writer.slab;
  }

  /** Makes room in one piece and returns its offset in `slab`. */
  reserve(bytes: number, nowUs: number): number {
    const { writer } = this;
    const at = writer.reserve(bytes, nowUs);
    if (writer.slab !== this.partSlab) {
      this.closePart();
      this.partSlab = writer.slab;
      this.partStart = at;
    }
    this.partEnd = at + bytes;
    this.sizeBytes += bytes;
    return at;
  }

  /** Appends a copy and returns its offset in `slab`. */
  copy(bytes: Uint8Array, nowUs: number): number {
    const at = this.reserve(bytes.length, nowUs);
    this.slab.set(bytes, at);
    return at;
  }

  /** The parts so far; the next fragment or segment begins. */
  take(): Buffer[] {
    this.closePart();
    const { parts } = this;
    this.parts = [];
    this.sizeBytes = 0;
    return parts;
  }

  private closePart(): void {
    if (this.partSlab !== null) this.parts.push(this.partSlab.subarray(this.partStart, this.partEnd));
    this.partSlab = null;
  }
}
