/** A segment of a track or stream, open or complete, and its parts. */

export interface SegmentPart {
  /** Never written again. */
  readonly bytes: Buffer;
  /** Microseconds; 0 where parts are only pieces of memory. */
  readonly durationUs: number;
  /** Begins with a frame that can be decoded alone. */
  readonly independent: boolean;
}

/** What is known when a segment begins. */
export interface SegmentStart {
  /** Stream time of the first picture (or sound), microseconds. */
  readonly startPts: number;
  /** Wall clock of the same, microseconds since 1970; NaN = not known. */
  readonly wallClockUs: number;
  /** Does not go on from the segment before. */
  readonly discontinuity: boolean;
  /** Begins with a key frame. */
  readonly independent: boolean;
  /** Number of the initialization section that it needs; 0 where the format has none. */
  readonly initVersion: number;
}

export class Segment {
  /** Media sequence number. */
  readonly sequence: number;
  /** Discontinuities before and at this segment since the store began. */
  readonly discontinuitySequence: number;
  readonly startPts: number;
  readonly wallClockUs: number;
  readonly discontinuity: boolean;
  readonly independent: boolean;
  readonly initVersion: number;
  /** There is nothing of this track in this time. */
  isGap: boolean = false;
  /** Of all parts so far. */
  durationUs = 0;
  sizeBytes = 0;
  isComplete: boolean = false;
  /** In order; empty when the bytes are on disk. */
  parts: SegmentPart[] = [];
  /** The file that has the bytes; '' = they are in memory. */
  file = '';

  constructor(sequence: number, discontinuitySequence: number, start: SegmentStart) {
    this.sequence = sequence;
    this.discontinuitySequence = discontinuitySequence;
    this.startPts = start.startPts;
    this.wallClockUs = start.wallClockUs;
    this.discontinuity = start.discontinuity;
    this.independent = start.independent;
    this.initVersion = start.initVersion;
  }

  get endPts(): number {
    return this.startPts + this.durationUs;
  }
}
