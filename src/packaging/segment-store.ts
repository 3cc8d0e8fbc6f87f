/**
 * The segments of one track (CMAF) or of a whole stream (MPEG-TS): those of the playlist window, some older ones for
 * players that are late, and the one being made. Bounded in count, time and bytes. Numbers go on for the life of the
 * store, so a republish continues the list.
 */
import { Segment, type SegmentPart, type SegmentStart } from './segment.ts';

/** A live list lasts at least this many target durations. */
const MIN_WINDOW_TARGETS = 3;

export interface SegmentStoreOptions {
  /** Segments that a playlist lists at least. */
  readonly windowCount: number;
  /** The list also reaches back at least this far, microseconds: how much of the past a player can seek in. */
  readonly windowUs: number;
  /** Older segments that can still be fetched. */
  readonly cacheCount: number;
  /** Bytes in memory; the oldest go first, the newest always stays. */
  readonly maxBytes: number;
  readonly firstSequence: number;
  /** Discontinuities that other tracks of the stream had before this one came. */
  readonly firstDiscontinuity: number;
  /** The playlist never promises less than this, microseconds. */
  readonly targetDurationUs: number;
}

export class SegmentStore {
  private readonly options: SegmentStoreOptions;
  /** Complete ones, oldest first; numbers without holes. */
  private readonly segments: Segment[] = [];
  private current: Segment | null = null;
  private nextSequence: number;
  /** Sequence number of the first segment of the window. */
  private firstListed: number;
  private discontinuities: number;
  private memory = 0;
  private ended: boolean = false;
  private target: number;
  /** Of what the window lists, so that bit rates cost nothing to ask for. */
  private peakBps = 0;
  /** Told of every segment that is forgotten. */
  onDropped: ((segment: Segment) => void) | null = null;

  constructor(options: SegmentStoreOptions) {
    this.options = options;
    this.nextSequence = options.firstSequence;
    this.firstListed = options.firstSequence;
    this.discontinuities = options.firstDiscontinuity;
    this.target = Math.max(1, roundedSeconds(options.targetDurationUs));
  }

  /** Begins a segment; the one before must be complete. Opens a store that was ended. */
  begin(start: SegmentStart): Segment {
    this.ended = false;
    if (start.discontinuity) this.discontinuities++;
    this.current = new Segment(this.nextSequence++, this.discontinuities, start);
    return this.current;
  }

  /** Adds finished bytes to the open segment. */
  append(part: SegmentPart): void {
    const { current } = this;
    if (current === null) return;
    current.parts.push(part);
    current.durationUs += part.durationUs;
    current.sizeBytes += part.bytes.length;
    this.memory += part.bytes.length;
  }

  /** The open segment is complete, with this duration; what no longer fits is forgotten. */
  complete(durationUs: number): Segment | null {
    const segment = this.current;
    if (segment === null) return null;
    this.current = null;
    segment.durationUs = durationUs;
    segment.isComplete = true;
    this.segments.push(segment);
    // Some players read the target once, so it only grows, and only when a GOP is longer than all before it.
    this.target = Math.max(this.target, roundedSeconds(durationUs));
    this.moveWindow();
    this.trim();
    this.peakBps = 0;
    return segment;
  }

  /** The bytes of a complete segment are in a file now and leave the memory. */
  moveToFile(segment: Segment, file: string): void {
    this.memory -= segment.sizeBytes;
    segment.file = file;
    segment.parts = [];
  }

  /**
   * The window is `windowCount` segments, and more where these are short: a live list must not lose a segment while it
   * is shorter than three target durations (RFC 8216 6.2.2). What has left the list never comes back.
   */
  private moveWindow(): void {
    const neededUs = Math.max(MIN_WINDOW_TARGETS * this.target * 1_000_000, this.options.windowUs);
    let count = 0;
    let us = 0;
    while (count < this.segments.length && (count < this.options.windowCount || us < neededUs)) {
      us += this.segments[this.segments.length - 1 - count]!.durationUs;
      count++;
    }
    this.firstListed = Math.max(this.firstListed, this.nextSequence - count);
  }

  private trim(): void {
    const { cacheCount, maxBytes } = this.options;
    while (this.segments.length > 1) {
      const oldest = this.segments[0]!;
      const isTooOld = oldest.sequence < this.firstListed - cacheCount;
      if (!isTooOld && this.memory <= maxBytes) break;
      this.segments.shift();
      if (oldest.file === '') this.memory -= oldest.sizeBytes;
      this.onDropped?.(oldest);
    }
  }

  /** The publisher is gone: the list is complete until a segment begins again. */
  end(): void {
    this.ended = true;
  }

  get isEnded(): boolean {
    return this.ended;
  }

  /** The segment being made; null between two. */
  get open(): Segment | null {
    return this.current;
  }

  /** The complete segments to list, oldest first. */
  window(): readonly Segment[] {
    const first = this.segments[0];
    if (first === undefined) return [];
    return this.segments.slice(Math.max(0, this.firstListed - first.sequence));
  }

  /** What a player that wants to be `delayUs` behind is shown: the segments that were the window then. */
  windowAt(delayUs: number): readonly Segment[] {
    const newest = this.segments.at(-1);
    if (newest === undefined) return [];
    const edge = newest.endPts - delayUs;
    let end = this.segments.length;
    while (end > 0 && this.segments[end - 1]!.endPts > edge) end--;
    let start = end;
    const neededUs = MIN_WINDOW_TARGETS * this.target * 1_000_000;
    let us = 0;
    while (start > 0 && (end - start < this.options.windowCount || us < neededUs)) {
      start--;
      us += this.segments[start]!.durationUs;
    }
    return this.segments.slice(start, end);
  }

  /** A segment by its number, also behind the window and while it is made; undefined when it is gone or never was. */
  find(sequence: number): Segment | undefined {
    if (this.current?.sequence === sequence) return this.current;
    const first = this.segments[0];
    return first === undefined ? undefined : this.segments[sequence - first.sequence];
  }

  /** The segment that begins at this stream time, also the open one. */
  findAt(matches: (segment: Segment) => boolean): Segment | undefined {
    if (this.current !== null && matches(this.current)) return this.current;
    return this.segments.findLast(matches);
  }

  /** All that are kept, complete ones, oldest first. */
  all(): readonly Segment[] {
    return this.segments;
  }

  /** Complete segments kept, with those behind the window. */
  get count(): number {
    return this.segments.length;
  }

  /** Bytes in memory. */
  get sizeBytes(): number {
    return this.memory;
  }

  /** Number of the newest segment, open or complete; one below the first number when there is none. */
  get lastSequence(): number {
    return this.nextSequence - 1;
  }

  /** Seconds: no listed duration, rounded, is above it (RFC 8216bis 4.4.3.1). Never shrinks. */
  get targetDurationSeconds(): number {
    return this.target;
  }

  /** Highest bit rate of a listed segment, in bits per second; 0 when there is none. */
  get peakBitrateBps(): number {
    if (this.peakBps > 0) return this.peakBps;
    let peak = 0;
    for (const segment of this.window()) {
      if (segment.durationUs > 0) peak = Math.max(peak, (segment.sizeBytes * 8e6) / segment.durationUs);
    }
    this.peakBps = Math.ceil(peak);
    return this.peakBps;
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
