/**
 * One track as CMAF (ISO/IEC 23000-19): its frames become samples, samples become parts (a `moof` and its `mdat`
 * each), parts fill the segments of a SegmentStore. Parts are what low-latency HLS lists and low-latency DASH sends
 * chunk by chunk; a segment is nothing but its parts one after the other.
 *
 * A sample is written when the next frame tells how long it lasts. Where segments begin is decided by CmafPackager.
 */
import { FRAME_DISCONTINUITY, FRAME_KEY, type Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import { SlabWriter } from '../util/slab.ts';
import { serializeInitSegment } from '../wire/mp4/init-segment.ts';
import { type FragmentSample, fragmentBytes, writeFragment } from '../wire/mp4/movie-fragment.ts';
import { mp4Timescale } from '../wire/mp4/sample-entry.ts';
import { SegmentStore, type SegmentStoreOptions } from './segment-store.ts';

/** Every track is a file of its own. */
const FILE_TRACK_ID = 1;
/** A part is at least this share of the part target (RFC 8216bis 4.4.4.9), unless a segment ends. */
const MIN_PART_SHARE = 0.85;
/** A longer step between frames tells nothing about how long one lasts. */
const MAX_FRAME_US = 1_000_000;
const DEFAULT_FRAME_US = 40_000;
/** What times that were rounded to milliseconds may add to a part. */
const ROUNDING_US = 1000;
/** How long the first frames are watched before the part target is fixed. */
const LEARNT_STEPS = 8;

export class CmafTrack {
  /** For addresses: `v` or `a` and the track's id. */
  readonly name: string;
  readonly store: SegmentStore;
  /** Ticks per second. */
  readonly timescale: number;
  track: Track;
  /** A frame came at least once. */
  hasMedia = false;
  /** Initialization sections by number, the newest last; as many as the kept segments need. */
  readonly inits = new Map<number, Buffer>();
  /** The track as it was with each of these. */
  readonly described = new Map<number, Track>();
  /** Longest part, microseconds; 0 = there are no parts. Fixed with the first segment. */
  partTargetUs: number;
  /** A cut that this track has still to follow: stream time from which its frames belong to the next segment; NaN = none. */
  cutAtPts = Number.NaN;
  cutIsDiscontinuity = false;
  private readonly wantedPartUs: number;
  private readonly slab = new SlabWriter();
  private readonly wallOf: (pts: number) => number;
  private initVersion = 0;
  private samples: FragmentSample[] = [];
  private samplesUs = 0;
  private samplesTicks = 0;
  private baseTicks = 0;
  private partIsIndependent = false;
  private fragmentNumber = 0;
  private pending: Frame | null = null;
  private pendingTicks = 0;
  private stepUs = DEFAULT_FRAME_US;
  private stepSumUs = 0;
  private steps = 0;
  private startPts = 0;
  private hasEnded: boolean = true;

  constructor(
    track: Track,
    options: SegmentStoreOptions,
    partTargetUs: number,
    wallOf: (pts: number) => number,
  ) {
    this.name = `${track.kind === 'video' ? 'v' : 'a'}${track.id}`;
    this.track = track;
    this.timescale = mp4Timescale(track.config);
    this.store = new SegmentStore(options);
    this.wantedPartUs = partTargetUs;
    this.partTargetUs = partTargetUs;
    this.wallOf = wallOf;
    this.addInit();
  }

  /** A new config of the same track: the next segment needs another initialization section. */
  setTrack(track: Track): void {
    this.track = track;
    this.addInit();
  }

  private addInit(): void {
    this.initVersion++;
    const { config, language } = this.track;
    const init = serializeInitSegment([{ id: FILE_TRACK_ID, timescale: this.timescale, config, language }]);
    this.inits.set(this.initVersion, init);
    this.described.set(this.initVersion, this.track);
  }

  /** Forgets sections that no kept segment needs. */
  trimInits(): void {
    const oldest = this.store.all()[0]?.initVersion ?? this.initVersion;
    for (const version of this.inits.keys()) {
      if (version >= oldest) continue;
      this.inits.delete(version);
      this.described.delete(version);
    }
  }

  toTicks(us: number): number {
    return Math.round((us * this.timescale) / 1_000_000);
  }

  /** Stream time where the open segment begins; NaN when none is open. */
  get openPts(): number {
    return this.store.open === null ? Number.NaN : this.startPts;
  }

  /** The frame begins a segment. What came before is complete. */
  begin(frame: Frame, discontinuity: boolean): void {
    this.takePending(discontinuity ? null : frame);
    this.finish(discontinuity ? Number.NaN : frame.pts);
    const isKey = (frame.flags & FRAME_KEY) !== 0 || this.track.kind === 'audio';
    this.startPts = frame.pts;
    this.hasEnded = false;
    this.hasMedia = true;
    this.store.begin({
      startPts: frame.pts,
      wallClockUs: Number.isNaN(frame.captureTime) ? this.wallOf(frame.pts) : frame.captureTime,
      discontinuity,
      independent: isKey,
      initVersion: this.initVersion,
    });
  }

  /** Nothing of this track came in the time of a segment: its number stays in the list as a gap. */
  addGap(pts: number, durationUs: number, discontinuity: boolean): void {
    this.end();
    const { initVersion } = this;
    const gap = this.store.begin({
      startPts: pts,
      wallClockUs: this.wallOf(pts),
      discontinuity,
      independent: false,
      initVersion,
    });
    gap.isGap = true;
    this.store.complete(durationUs);
  }

  /** Hot path. The frame belongs to the open segment. True when a part became complete. */
  write(frame: Frame): boolean {
    const before = this.store.open?.parts.length ?? 0;
    this.takePending(frame);
    this.pending = frame;
    this.pendingTicks = this.toTicks(frame.dts);
    return (this.store.open?.parts.length ?? 0) > before;
  }

  /** The pending frame lasts until `next`, or as long as the ones before when there is none. */
  private takePending(next: Frame | null): void {
    const frame = this.pending;
    if (frame === null) return;
    this.pending = null;
    let us = frame.duration > 0 ? frame.duration : this.stepUs;
    let ticks = Math.max(1, this.toTicks(us));
    if (next !== null && (next.flags & FRAME_DISCONTINUITY) === 0 && next.dts >= frame.dts) {
      us = next.dts - frame.dts;
      ticks = Math.max(1, this.toTicks(next.dts) - this.pendingTicks);
      if (us > 0 && us < MAX_FRAME_US) this.stepUs = us;
    }
    this.add(frame, us, ticks);
  }

  private add(frame: Frame, us: number, ticks: number): void {
    if (this.partTargetUs > 0) {
      this.learn(us);
      if (this.samples.length > 0 && this.samplesUs + us > this.partTargetUs + ROUNDING_US) this.finishPart();
    }
    if (this.samples.length === 0) {
      this.baseTicks = this.pendingTicks;
      this.partIsIndependent = this.track.kind === 'audio' || (frame.flags & FRAME_KEY) !== 0;
    }
    this.samples.push({
      duration: ticks,
      compositionOffset: this.toTicks(frame.pts) - this.pendingTicks,
      isSync: this.track.kind === 'audio' || (frame.flags & FRAME_KEY) !== 0,
      payload: frame.payload,
    });
    this.samplesUs += us;
    this.samplesTicks += ticks;
    const isFull = this.samplesUs >= this.partTargetUs * MIN_PART_SHARE;
    if (this.partTargetUs > 0 && isFull && this.samplesUs + us > this.partTargetUs + ROUNDING_US)
      this.finishPart();
  }

  /** The longest part is a whole number of frames, so that all of them come near to it. */
  private learn(us: number): void {
    if (this.steps >= LEARNT_STEPS) return;
    this.steps++;
    this.stepSumUs += us;
    const usual = this.stepSumUs / this.steps;
    if (this.store.count === 0)
      this.partTargetUs = Math.max(1, Math.floor((this.wantedPartUs + ROUNDING_US) / usual)) * usual;
  }

  private finishPart(): void {
    const { samples } = this;
    if (samples.length === 0) return;
    const runs = [{ trackId: FILE_TRACK_ID, baseTime: this.baseTicks, samples }];
    const size = fragmentBytes(runs);
    const at = this.slab.reserve(size, this.pendingTicks);
    const target = this.slab.slab;
    writeFragment(target, at, ++this.fragmentNumber, runs);
    this.store.append({
      bytes: target.subarray(at, at + size),
      durationUs: Math.round((this.samplesTicks * 1_000_000) / this.timescale),
      independent: this.partIsIndependent,
    });
    this.samples = [];
    this.samplesUs = 0;
    this.samplesTicks = 0;
  }

  /** `nextPts`: where the next segment begins; NaN when it does not go on from this one. */
  private finish(nextPts: number): void {
    const { open } = this.store;
    if (open === null) return;
    this.finishPart();
    const own = open.durationUs;
    const length = nextPts - this.startPts;
    // Pictures are reordered, so the sum of the samples and the distance to the next key frame may differ a little.
    this.store.complete(length > 0 && Math.abs(length - own) < MAX_FRAME_US ? length : Math.max(own, 1000));
    this.trimInits();
  }

  /** No frame goes on from here: what is open becomes a segment. */
  end(): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    this.takePending(null);
    this.finish(Number.NaN);
    this.cutAtPts = Number.NaN;
  }
}
