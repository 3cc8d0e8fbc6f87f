/**
 * The samples of one track in decode order, in columns: where each lies in the file and when it is due. Filled from
 * the tables of a movie (movie-index.ts) or from movie fragments (fragment-reader.ts).
 */

/** A decoder can begin here. */
export const SAMPLE_SYNC = 1;
/** The other bits of a mark: which of the track's sample entries describes the sample, from 0. */
export const DESCRIPTION_SHIFT = 1;
export const MAX_DESCRIPTIONS = 127;

const FIRST_CAPACITY = 64;

export class SampleTable {
  count: number;
  /** Bytes from the start of the file. */
  offsets: Float64Array;
  /** Bytes. */
  sizes: Uint32Array;
  /** Decode times, ticks of the track; never decreasing. */
  times: Float64Array;
  /** Presentation minus decode time, ticks. */
  shifts: Int32Array;
  marks: Uint8Array;
  /** Decode time behind the last sample. */
  endTime: number;

  constructor(capacity = 0) {
    this.count = 0;
    this.offsets = new Float64Array(capacity);
    this.sizes = new Uint32Array(capacity);
    this.times = new Float64Array(capacity);
    this.shifts = new Int32Array(capacity);
    this.marks = new Uint8Array(capacity);
    this.endTime = 0;
  }

  push(offset: number, size: number, time: number, shift: number, mark: number): void {
    const at = this.count;
    if (at === this.sizes.length) this.grow();
    this.offsets[at] = offset;
    this.sizes[at] = size;
    this.times[at] = time;
    this.shifts[at] = shift;
    this.marks[at] = mark;
    this.count = at + 1;
  }

  get memoryBytes(): number {
    return this.sizes.length * 25;
  }

  private grow(): void {
    const capacity = Math.max(FIRST_CAPACITY, Math.ceil(this.sizes.length * 1.5));
    this.offsets = grown(this.offsets, new Float64Array(capacity));
    this.sizes = grown(this.sizes, new Uint32Array(capacity));
    this.times = grown(this.times, new Float64Array(capacity));
    this.shifts = grown(this.shifts, new Int32Array(capacity));
    this.marks = grown(this.marks, new Uint8Array(capacity));
  }
}

function grown<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
