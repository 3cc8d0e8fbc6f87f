/**
 * The frames of one segment out of a file. Pictures go from one key frame up to the next; everything else goes to the
 * segment in whose decode times it lies, wherever in the file it stands, so that segments that are made one by one
 * join without a gap and without an overlap.
 */
import { FRAME_KEY, Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import { RejectedError } from '../util/errors.ts';
import type { MediaFile } from './media-file.ts';

/** Times of access points may be rounded by the container. */
const POINT_TOLERANCE_US = 1000;
/** How far sound may stand behind the pictures of its time in a file. */
const MAX_INTERLEAVE_US = 3_000_000;
/** Longest segment; a second of 8K at 100 Mbit/s has a tenth of it. */
const MAX_SEGMENT_BYTES = 128 * 1024 * 1024;

export interface SegmentFrames {
  /** By decode time; of equal ones the pictures first. Times of the file. */
  readonly frames: readonly Frame[];
  /** Decode time of the first frame behind the segment, by track id. */
  readonly nextDts: ReadonlyMap<number, number>;
}

/** `carried`: the tracks that are wanted, video first. Throws RejectedError when the segment is too large. */
export async function readSegmentFrames(
  file: MediaFile,
  carried: readonly Track[],
  fromPoint: number,
  toPoint: number,
): Promise<SegmentFrames> {
  const collector = new SegmentCollector(file, carried, fromPoint, toPoint);
  const reader = file.open(fromPoint);
  try {
    while (!collector.isComplete) {
      const frames = await reader.read();
      if (frames.length === 0) break;
      for (const frame of frames) collector.take(frame);
    }
  } finally {
    reader.close();
  }
  return collector.finish();
}

class SegmentCollector {
  isComplete = false;
  private readonly tracks: ReadonlySet<number>;
  private readonly leaderId: number;
  private readonly leaderIsVideo: boolean;
  /** Where the leader begins and ends, times of access points. */
  private readonly startUs: number;
  private readonly endUs: number;
  private readonly kept: Frame[] = [];
  private sizeBytes = 0;
  private hasBegun = false;
  /** Decode times between which the other tracks belong to the segment. */
  private fromDts = Number.NEGATIVE_INFINITY;
  private toDts = Number.POSITIVE_INFINITY;
  private readonly waiting: Set<number>;
  private readonly nextDts = new Map<number, number>();

  constructor(file: MediaFile, carried: readonly Track[], fromPoint: number, toPoint: number) {
    const leader = carried[0]!; // callers carry at least one track
    this.tracks = new Set(carried.map((track) => track.id));
    this.waiting = new Set(this.tracks);
    this.leaderId = leader.id;
    this.leaderIsVideo = leader.kind === 'video';
    const { points } = file;
    this.startUs =
      fromPoint === 0 ? Number.NEGATIVE_INFINITY : points[fromPoint]!.timeUs - POINT_TOLERANCE_US;
    this.endUs =
      toPoint < points.length ? points[toPoint]!.timeUs - POINT_TOLERANCE_US : Number.POSITIVE_INFINITY;
  }

  take(frame: Frame): void {
    if (this.isComplete || !this.tracks.has(frame.trackId)) return;
    if (frame.trackId === this.leaderId) this.takeLeader(frame);
    else this.takeOther(frame);
    if (frame.dts > this.toDts + MAX_INTERLEAVE_US) this.isComplete = true;
  }

  private takeLeader(frame: Frame): void {
    if (this.toDts !== Number.POSITIVE_INFINITY) return;
    const isPoint = !this.leaderIsVideo || (frame.flags & FRAME_KEY) !== 0;
    if (isPoint && frame.pts >= this.endUs) {
      this.toDts = frame.dts;
      if (!this.hasBegun) this.fromDts = frame.dts;
      this.pass(frame);
      return;
    }
    if (!this.hasBegun) {
      if (!isPoint || frame.pts < this.startUs) return;
      this.hasBegun = true;
      if (this.startUs !== Number.NEGATIVE_INFINITY) this.fromDts = frame.dts;
    }
    this.keep(frame);
  }

  private takeOther(frame: Frame): void {
    // Before the leader's first picture its decode time is not known; what is too early goes at the end.
    if (frame.dts < this.toDts) this.keep(frame);
    else this.pass(frame);
  }

  private keep(frame: Frame): void {
    this.sizeBytes += frame.payload.length;
    if (this.sizeBytes > MAX_SEGMENT_BYTES)
      throw new RejectedError('limit', 'The key frames of this file are too far apart to cut it.');
    this.kept.push(frame);
  }

  /** A track has reached what lies behind the segment. */
  private pass(frame: Frame): void {
    if (!this.waiting.delete(frame.trackId)) return;
    this.nextDts.set(frame.trackId, frame.dts);
    if (this.waiting.size === 0) this.isComplete = true;
  }

  finish(): SegmentFrames {
    const { leaderId, fromDts, toDts } = this;
    const late = new Map<number, number>();
    const frames = this.kept.filter((frame) => {
      if (frame.trackId === leaderId) return true;
      // It came before the end of the leader was known.
      if (frame.dts >= toDts)
        late.set(frame.trackId, Math.min(frame.dts, late.get(frame.trackId) ?? frame.dts));
      return frame.dts >= fromDts && frame.dts < toDts;
    });
    for (const [trackId, dts] of late) this.nextDts.set(trackId, dts);
    const isLeader = (frame: Frame) => (frame.trackId === leaderId ? 0 : 1);
    frames.sort((a, b) => a.dts - b.dts || isLeader(a) - isLeader(b));
    return { frames, nextDts: this.nextDts };
  }
}

/** The frame at another time. */
export function shiftFrame(frame: Frame, shiftUs: number): Frame {
  return new Frame(
    frame.trackId,
    frame.flags,
    frame.dts + shiftUs,
    frame.pts + shiftUs,
    frame.duration,
    frame.payload,
    frame.config,
    frame.arrival,
    frame.captureTime,
  );
}
