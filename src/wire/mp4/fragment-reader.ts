/**
 * Movie fragments to samples: `moof` with `traf`, `tfhd`, `tfdt` and `trun`, ISO/IEC 14496-12 8.8. The media itself is
 * not touched: a sample is where it lies. Leaves out: the segment index (`sidx`), which repeats what fragments say,
 * encryption, sample groups.
 */
import { ByteReader } from '../../util/byte-reader.ts';
import { BoxCursor, findBox } from './box-reader.ts';
import { descriptionOf, type FragmentDefaults, MAX_SAMPLES, type MovieTrack } from './movie-index.ts';
import { DESCRIPTION_SHIFT, SAMPLE_SYNC, type SampleTable } from './sample-table.ts';

const BAD_FRAGMENT = 'mp4.bad-fragment';
/** Of one run whose rows say nothing, so that no byte of the file stands for a sample. */
const MAX_EMPTY_ROWS = 65_536;

const HEAD_BASE_OFFSET = 0x01;
const HEAD_DESCRIPTION = 0x02;
const HEAD_DURATION = 0x08;
const HEAD_SIZE = 0x10;
const HEAD_FLAGS = 0x20;
const HEAD_BASE_IS_MOOF = 0x02_0000;

const RUN_DATA_OFFSET = 0x0001;
const RUN_FIRST_FLAGS = 0x0004;
const RUN_DURATIONS = 0x0100;
const RUN_SIZES = 0x0200;
const RUN_FLAGS = 0x0400;
const RUN_SHIFTS = 0x0800;

const NON_SYNC = 0x0001_0000;

interface Target {
  readonly samples: SampleTable;
  readonly defaults: FragmentDefaults;
  /** Added to the times of fragments, so that a clock that starts again goes on. */
  offset: number;
}

export class FragmentReader {
  /** Samples that lie behind the end of the file. */
  samplesBeyondFile = 0;
  /** No more samples are taken: the file has too many. */
  isFull = false;
  private readonly fileBytes: number;
  private readonly maxSamples: number;
  private readonly targets = new Map<number, Target>();
  private total = 0;
  /** Rows that were read, also those of tracks that are not used. */
  private rows = 0;

  /** Samples are added to those of the tracks. */
  constructor(tracks: readonly MovieTrack[], fileBytes: number, maxSamples = MAX_SAMPLES) {
    this.fileBytes = fileBytes;
    this.maxSamples = maxSamples;
    for (const { id, samples, defaults, entries } of tracks) {
      this.total += samples.count;
      if (entries.some((entry) => entry.config !== null))
        this.targets.set(id, { samples, defaults, offset: 0 });
    }
  }

  /** `moof` is the contents of the box, `position` the place of its header in the file. Throws ProtocolError. */
  read(moof: Uint8Array, position: number): void {
    const boxes = new BoxCursor(moof);
    // Where a track fragment begins that does not say it: behind the data of the one before.
    let next = position;
    while (boxes.advance()) {
      if (boxes.type === 'traf') next = this.readTrack(moof.subarray(boxes.start, boxes.end), position, next);
    }
  }

  private readTrack(traf: Uint8Array, moofPosition: number, behindLast: number): number {
    const header = findBox(traf, 'tfhd');
    if (header === null) return behindLast;
    const reader = new ByteReader(header, BAD_FRAGMENT);
    const flags = reader.u32() & 0xff_ffff;
    const target = this.targets.get(reader.u32());
    let base = (flags & HEAD_BASE_IS_MOOF) !== 0 ? moofPosition : behindLast;
    if ((flags & HEAD_BASE_OFFSET) !== 0) base = readU64(reader);
    const fallback = target?.defaults ?? { description: 0, duration: 0, size: 0, flags: 0 };
    const defaults: FragmentDefaults = {
      description: (flags & HEAD_DESCRIPTION) !== 0 ? descriptionOf(reader.u32()) : fallback.description,
      duration: (flags & HEAD_DURATION) !== 0 ? reader.u32() : fallback.duration,
      size: (flags & HEAD_SIZE) !== 0 ? reader.u32() : fallback.size,
      flags: (flags & HEAD_FLAGS) !== 0 ? reader.u32() : fallback.flags,
    };
    if (target !== undefined) startTime(target, findBox(traf, 'tfdt'));
    const boxes = new BoxCursor(traf);
    let next = base;
    while (boxes.advance()) {
      if (boxes.type !== 'trun') continue;
      next = this.readRun(
        new ByteReader(traf, BAD_FRAGMENT, boxes.start, boxes.end),
        target,
        defaults,
        base,
        next,
      );
    }
    return next;
  }

  /** Returns the place behind the run's data. */
  private readRun(
    reader: ByteReader,
    target: Target | undefined,
    defaults: FragmentDefaults,
    base: number,
    behindLast: number,
  ): number {
    const flags = reader.u32() & 0xff_ffff;
    const claimed = reader.u32();
    let offset = (flags & RUN_DATA_OFFSET) !== 0 ? base + (reader.u32() | 0) : behindLast;
    const firstFlags = (flags & RUN_FIRST_FLAGS) !== 0 ? reader.u32() : -1;
    const columns = (flags & (RUN_DURATIONS | RUN_SIZES | RUN_FLAGS | RUN_SHIFTS)) >>> 8;
    const rowBytes = ((columns & 1) + ((columns >> 1) & 1) + ((columns >> 2) & 1) + (columns >> 3)) * 4;
    const fitting = rowBytes === 0 ? MAX_EMPTY_ROWS : Math.floor(reader.remaining / rowBytes);
    const count = Math.min(claimed, fitting);
    this.rows += count;
    if (this.rows > this.maxSamples) {
      this.isFull = true;
      return offset;
    }
    const mark = defaults.description << DESCRIPTION_SHIFT;
    for (let i = 0; i < count; i++) {
      const duration = (flags & RUN_DURATIONS) !== 0 ? reader.u32() : defaults.duration;
      const size = (flags & RUN_SIZES) !== 0 ? reader.u32() : defaults.size;
      const own = (flags & RUN_FLAGS) !== 0 ? reader.u32() : defaults.flags;
      const sampleFlags = i === 0 && firstFlags >= 0 ? firstFlags : own;
      const shift = (flags & RUN_SHIFTS) !== 0 ? reader.u32() | 0 : 0;
      const isSync = (sampleFlags & NON_SYNC) === 0;
      if (target !== undefined)
        this.add(target.samples, offset, size, duration, shift, isSync ? mark | SAMPLE_SYNC : mark);
      offset += size;
    }
    return offset;
  }

  private add(
    samples: SampleTable,
    offset: number,
    size: number,
    duration: number,
    shift: number,
    mark: number,
  ): void {
    const time = samples.endTime;
    // Its time passes, whether its bytes are there or not.
    samples.endTime = time + duration;
    if (offset < 0 || offset + size > this.fileBytes) {
      this.samplesBeyondFile++;
      return;
    }
    if (this.total >= this.maxSamples) {
      this.isFull = true;
      return;
    }
    this.total++;
    samples.push(offset, size, time, shift, mark);
  }
}

function readU64(reader: ByteReader): number {
  const high = reader.u32();
  return high * 0x1_0000_0000 + reader.u32();
}

/** `tfdt`: without it a fragment follows the one before. */
function startTime(target: Target, box: Uint8Array | null): void {
  if (box === null) return;
  const reader = new ByteReader(box, BAD_FRAGMENT);
  const version = reader.u8();
  reader.skip(3);
  const told = version === 1 ? readU64(reader) : reader.u32();
  const { samples } = target;
  const last = samples.count === 0 ? Number.NEGATIVE_INFINITY : samples.times[samples.count - 1]!;
  // A writer that was started again begins at 0 once more; what it writes goes on behind what is there.
  if (told + target.offset < last) target.offset = samples.endTime - told;
  samples.endTime = told + target.offset;
}
