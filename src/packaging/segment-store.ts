/**
 * Finished segments in memory: those of the playlist window, and some older ones for players that are late. Bounded
 * in count and bytes. Numbers go on for the life of the store, so a republish continues the list.
 */

export interface Segment {
  /** Media sequence number. */
  readonly sequence: number;
  /** Discontinuities before and at this segment since the store began. */
  readonly discontinuitySequence: number;
  /** File name for the playlist: unique in the store, safe in a URL. */
  readonly name: string;
  readonly durationUs: number;
  /** Stream time of the first picture (or sound), microseconds. */
  readonly startPts: number;
  /** Wall clock of the same, microseconds since 1970. */
  readonly wallClockUs: number;
  /** Does not go on from the segment before. */
  readonly discontinuity: boolean;
  /** Begins with a key frame. */
  readonly independent: boolean;
  /** The bytes, in order. Never written again. */
  readonly parts: readonly Buffer[];
  readonly sizeBytes: number;
}

/** A live list lasts at least this many target durations. */
const MIN_WINDOW_TARGETS = 3;

/** What the maker of a segment knows; the store adds the numbers. */
export type NewSegment = Omit<Segment, 'sequence' | 'discontinuitySequence' | 'name'>;

export interface SegmentStoreOptions {
  /** Segments that a playlist lists at least. */
  readonly windowCount: number;
  /** Older segments that can still be fetched. */
  readonly cacheCount: number;
  /** Bytes of all segments together; the oldest go first, the newest always stays. */
  readonly maxBytes: number;
  readonly firstSequence: number;
  /** File name extension with its dot. */
  readonly extension: string;
  /** The playlist never promises less than this, microseconds. */
  readonly targetDurationUs: number;
}

export class SegmentStore {
  private readonly options: SegmentStoreOptions;
  /** Oldest first. */
  private readonly segments: Segment[] = [];
  private readonly byName = new Map<string, Segment>();
  private nextSequence: number;
  /** Sequence number of the first segment of the window. */
  private firstListed: number;
  private discontinuities = 0;
  private bytes = 0;
  private ended: boolean = false;
  private target: number;

  constructor(options: SegmentStoreOptions) {
    this.options = options;
    this.nextSequence = options.firstSequence;
    this.firstListed = options.firstSequence;
    this.target = Math.max(1, roundedSeconds(options.targetDurationUs));
  }

  /** Numbers and keeps a segment; what no longer fits is forgotten. Opens a store that was ended. */
  add(made: NewSegment): Segment {
    this.ended = false;
    if (made.discontinuity) this.discontinuities++;
    const sequence = this.nextSequence++;
    const segment: Segment = {
      ...made,
      sequence,
      discontinuitySequence: this.discontinuities,
      name: `${sequence}${this.options.extension}`,
    };
    this.segments.push(segment);
    this.byName.set(segment.name, segment);
    this.bytes += segment.sizeBytes;
    // Some players read the target once, so it only grows, and only when a GOP is longer than all before it.
    this.target = Math.max(this.target, roundedSeconds(segment.durationUs));
    this.moveWindow();
    this.trim();
    return segment;
  }

  /**
   * The window is `windowCount` segments, and more where these are short: a live list must not lose a segment while it
   * is shorter than three target durations (RFC 8216 6.2.2). What has left the list never comes back.
   */
  private moveWindow(): void {
    const neededUs = MIN_WINDOW_TARGETS * this.target * 1_000_000;
    let count = 0;
    let us = 0;
    while (count < this.segments.length && (count < this.options.windowCount || us < neededUs)) {
      us += this.segments[this.segments.length - 1 - count]!.durationUs;
      count++;
    }
    this.firstListed = Math.max(this.firstListed, this.nextSequence - count);
  }

  private trim(): void {
    const { windowCount, cacheCount, maxBytes } = this.options;
    while (
      this.segments.length > windowCount + cacheCount ||
      (this.bytes > maxBytes && this.segments.length > 1)
    ) {
      const oldest = this.segments.shift()!; // the loop runs only while there is one
      this.byName.delete(oldest.name);
      this.bytes -= oldest.sizeBytes;
    }
  }

  /** The publisher is gone: the list is complete until a segment is added again. */
  end(): void {
    this.ended = true;
  }

  get isEnded(): boolean {
    return this.ended;
  }

  /** The segments to list, oldest first. */
  window(): readonly Segment[] {
    const count = Math.min(this.nextSequence - this.firstListed, this.segments.length);
    return count === 0 ? [] : this.segments.slice(-count);
  }

  /** A segment by its file name, also behind the window; undefined when it is gone or never was. */
  find(name: string): Segment | undefined {
    return this.byName.get(name);
  }

  /** Segments kept, with those behind the window. */
  get count(): number {
    return this.segments.length;
  }

  get sizeBytes(): number {
    return this.bytes;
  }

  /** Number of the newest segment; one below the first number when there is none. Changes with every segment. */
  get lastSequence(): number {
    return this.nextSequence - 1;
  }

  /** Seconds: no listed duration, rounded, is above it (RFC 8216bis 4.4.3.1). Never shrinks. */
  get targetDurationSeconds(): number {
    return this.target;
  }

  /** Highest bit rate of a listed segment, in bits per second; 0 when there is none. */
  get peakBitrateBps(): number {
    let peak = 0;
    for (const segment of this.window()) {
      if (segment.durationUs > 0) peak = Math.max(peak, (segment.sizeBytes * 8e6) / segment.durationUs);
    }
    return Math.ceil(peak);
  }

  /** Bit rate over all listed segments, in bits per second; 0 when there is none. */
  get averageBitrateBps(): number {
    let bytes = 0;
    let us = 0;
    for (const segment of this.window()) {
      bytes += segment.sizeBytes;
      us += segment.durationUs;
    }
    return us === 0 ? 0 : Math.ceil((bytes * 8e6) / us);
  }
}

/** Rounded as a reader of the playlist does it, which sees milliseconds. */
function roundedSeconds(us: number): number {
  return Math.round(Math.round(us / 1000) / 1000);
}
