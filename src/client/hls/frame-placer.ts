/**
 * Puts the frames of one playlist on the clock of the pull: which offset a segment has, what to do when times jump
 * although no tag says so, and the wall clock of the pictures (EXT-X-PROGRAM-DATE-TIME).
 */
import type { HlsClock } from './hls-clock.ts';
import type { SegmentFrame } from './segment-demuxer.ts';

/** More than any real segment is off its place; encoders that were started again begin anywhere. */
const MIN_JUMP_US = 10_000_000;

export interface Place {
  /** Number of the stretch between two discontinuities. */
  readonly stretch: number;
  /** Of media that was left out before the segment, microseconds. */
  readonly missingUs: number;
  /** Wall clock of its first frame, NaN = not told. */
  readonly wallClockUs: number;
  /** A larger step than this is a jump, microseconds. */
  readonly toleranceUs: number;
  /** The frames end what came before rather than begin something. */
  readonly isRest: boolean;
}

interface TrackEnd {
  readonly trackId: number;
  dts: number;
  endUs: number;
  stepUs: number;
}

export class FramePlacer {
  private readonly clock: HlsClock;
  private readonly isLeading: boolean;
  private readonly ends: TrackEnd[] = [];
  private stretch = Number.NaN;
  /** Added to the offset of the stretch where this playlist's times jumped alone. */
  private shiftUs = 0;
  /** Wall clock less time of the pull. */
  private wallUs = Number.NaN;

  constructor(clock: HlsClock, isLeading: boolean) {
    this.clock = clock;
    this.isLeading = isLeading;
  }

  /** Moves the times, and sorts the frames by decode time: containers have sound in groups. */
  place(frames: SegmentFrame[], place: Place): void {
    if (frames.length === 0) return;
    const offset = place.isRest ? this.lastOffset() : this.offsetFor(frames, place);
    let firstPts = Number.POSITIVE_INFINITY;
    for (const frame of frames) {
      const end = this.endOf(frame.trackId);
      const shown = frame.pts - frame.dts;
      const step = frame.dts + offset - end.dts;
      // Decode times never go back within a track.
      const dts = step < 0 ? end.dts : frame.dts + offset;
      if (step > 0 && step < MIN_JUMP_US) end.stepUs = step;
      end.dts = dts;
      end.endUs = dts + (frame.duration > 0 ? frame.duration : end.stepUs);
      frame.dts = dts;
      frame.pts = dts + shown;
      if (frame.pts < firstPts) firstPts = frame.pts;
    }
    if (!Number.isNaN(place.wallClockUs)) this.wallUs = place.wallClockUs - firstPts;
    for (const frame of frames) frame.captureTime = frame.pts + this.wallUs;
    const { tracks } = frames[0]!;
    frames[0]!.tracks = null;
    frames.sort((a, b) => a.dts - b.dts);
    frames[0]!.tracks ??= tracks;
  }

  private endOf(trackId: number): TrackEnd {
    let end = this.ends.find((one) => one.trackId === trackId);
    if (end === undefined) {
      end = { trackId, dts: Number.NEGATIVE_INFINITY, endUs: Number.NaN, stepUs: 0 };
      this.ends.push(end);
    }
    return end;
  }

  private lastOffset(): number {
    return (this.clock.stretch(this.stretch)?.offsetUs ?? 0) + this.shiftUs;
  }

  private offsetFor(frames: readonly SegmentFrame[], place: Place): number {
    const isNew = place.stretch !== this.stretch;
    if (isNew) {
      this.stretch = place.stretch;
      this.shiftUs = 0;
      this.wallUs = Number.NaN;
    }
    const known = this.clock.stretch(place.stretch);
    const following = this.following(frames, place.missingUs);
    if (known === null) {
      this.clock.set(place.stretch, following, frames[0]!.dts / 1000);
      return following;
    }
    const tolerance = Math.max(MIN_JUMP_US, place.toleranceUs);
    const hasEnds = this.ends.length > 0;
    // The leader's word first: after a jump that it has followed already, this playlist fits again without a shift.
    for (const shift of [0, this.shiftUs]) {
      if (hasEnds && Math.abs(known.offsetUs + shift - following) > tolerance) continue;
      this.shiftUs = shift;
      return known.offsetUs + shift;
    }
    if (this.isLeading) {
      this.clock.set(place.stretch, following, frames[0]!.dts / 1000);
      this.shiftUs = 0;
    } else this.shiftUs = following - known.offsetUs;
    return following;
  }

  /** Offset with which no track goes back; 0 = these are the first frames of all. */
  private following(frames: readonly SegmentFrame[], missingUs: number): number {
    let offset = Number.NEGATIVE_INFINITY;
    for (const end of this.ends) {
      const first = frames.find((frame) => frame.trackId === end.trackId);
      if (first !== undefined) offset = Math.max(offset, end.endUs + missingUs - first.dts);
    }
    if (Number.isFinite(offset)) return offset;
    const endUs = this.ends.reduce((latest, end) => Math.max(latest, end.endUs), Number.NEGATIVE_INFINITY);
    // Sound may begin a little before 0 by its edit list.
    const firstUs = frames.reduce((earliest, { dts }) => Math.min(earliest, dts), Number.POSITIVE_INFINITY);
    return Number.isFinite(endUs) ? endUs + missingUs - firstUs : Math.max(0, -firstUs);
  }
}
