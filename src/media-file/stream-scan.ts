/**
 * One pass over an FLV or TS file: its tracks, its length, its access points, and what a reader needs to begin at one.
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import { FRAME_KEY } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import type { Checkpoint, DemuxerSink } from './demuxer.ts';
import { FileClock } from './file-clock.ts';
import { MAX_POINTS } from './point-list.ts';

/** Access points of tracks that are no pictures. */
const SOUND_POINT_US = 1_000_000;
const MAX_CHECKPOINTS = 4096;
/** Frames in front of a key frame among which sound of its time is looked for. */
const RECENT_FRAMES = 256;
/** Of a last frame whose length nothing tells. */
const DEFAULT_FRAME_US = 40_000;
const MAX_FRAME_US = 1_000_000;

export interface ScannedPoint {
  /** Presentation and decode time on the timeline of the scan, whose origin is not yet that of the file. */
  readonly ptsUs: number;
  readonly dtsUs: number;
  /** Where the frame begins. */
  readonly position: number;
  /** Where a reader begins: sound of the same time may stand in front of the picture. */
  startPosition: number;
  /** The file's own clock. */
  readonly rawMs: number;
}

/** Points of one track, thinned out when there are too many. */
class TrackScan {
  readonly track: Track;
  points: ScannedPoint[] = [];
  frames = 0;
  earliestUs = Number.POSITIVE_INFINITY;
  endUs = 0;
  lastDtsUs = Number.NEGATIVE_INFINITY;
  lastGapUs = DEFAULT_FRAME_US;
  private keep = 1;
  private seen = 0;

  constructor(track: Track) {
    this.track = track;
  }

  addPoint(point: ScannedPoint): void {
    if (this.seen++ % this.keep !== 0) return;
    this.points.push(point);
    if (this.points.length < MAX_POINTS) return;
    this.points = this.points.filter((_, index) => index % 2 === 0);
    this.keep *= 2;
  }
}

export class StreamScan implements DemuxerSink {
  readonly clock = new FileClock();
  readonly tracks = new Map<number, TrackScan>();
  private readonly checkpoints: { readonly position: number; readonly checkpoint: Checkpoint }[] = [];
  private readonly recentTrack = new Int32Array(RECENT_FRAMES).fill(-1);
  private readonly recentDts = new Float64Array(RECENT_FRAMES);
  private readonly recentPosition = new Float64Array(RECENT_FRAMES);
  private recent = 0;

  setTrack(track: Track): void {
    const known = this.tracks.get(track.id);
    // Files are described by what they begin with.
    if (known === undefined || known.frames === 0) this.tracks.set(track.id, new TrackScan(track));
  }

  checkpoint(position: number, checkpoint: Checkpoint): void {
    if (this.checkpoints.length < MAX_CHECKPOINTS) this.checkpoints.push({ position, checkpoint });
  }

  /** The last one at or before the place, or the first there is. */
  checkpointFor(position: number): Checkpoint | undefined {
    let low = 0;
    let high = this.checkpoints.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.checkpoints[middle]!.position <= position) low = middle;
      else high = middle - 1;
    }
    return this.checkpoints[low]?.checkpoint;
  }

  frame(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    _payload: Uint8Array,
    _config: CodecConfig,
    position: number,
  ): void {
    const scan = this.tracks.get(trackId);
    if (scan === undefined) return;
    const mapped = this.clock.map(trackId, Math.round(dtsMs * 1000), position);
    const dtsUs = Math.max(mapped, scan.lastDtsUs);
    const ptsUs = dtsUs + Math.round((ptsMs - dtsMs) * 1000);
    const gapUs = dtsUs - scan.lastDtsUs;
    if (gapUs > 0 && gapUs < MAX_FRAME_US) scan.lastGapUs = gapUs;
    scan.lastDtsUs = dtsUs;
    scan.frames++;
    if (ptsUs < scan.earliestUs) scan.earliestUs = ptsUs;
    scan.endUs = Math.max(scan.endUs, ptsUs + (durationUs > 0 ? durationUs : scan.lastGapUs));
    this.lowerLatePoints(trackId, dtsUs, position);
    if (this.isPoint(scan, flags, ptsUs)) {
      const startPosition = this.startFor(trackId, dtsUs, position);
      scan.addPoint({ ptsUs, dtsUs, position, startPosition, rawMs: dtsMs });
    }
    const slot = this.recent++ % RECENT_FRAMES;
    this.recentTrack[slot] = trackId;
    this.recentDts[slot] = dtsUs;
    this.recentPosition[slot] = position;
  }

  private isPoint({ track, points }: TrackScan, flags: number, ptsUs: number): boolean {
    if (track.kind === 'data') return false;
    const lastUs = points.at(-1)?.ptsUs ?? Number.NEGATIVE_INFINITY;
    if (track.kind === 'video') return (flags & FRAME_KEY) !== 0 && ptsUs > lastUs;
    return ptsUs >= lastUs + SOUND_POINT_US;
  }

  /** The earliest place of a frame of another track that is decoded with or after this one. */
  private startFor(trackId: number, dtsUs: number, position: number): number {
    let start = position;
    for (let slot = 0; slot < RECENT_FRAMES; slot++) {
      const other = this.recentTrack[slot]!;
      if (other < 0 || other === trackId || this.recentDts[slot]! < dtsUs) continue;
      start = Math.min(start, this.recentPosition[slot]!);
    }
    return start;
  }

  /** Frames of TS come out when they are complete, so sound in front of a key frame may come out after it. */
  private lowerLatePoints(trackId: number, dtsUs: number, position: number): void {
    for (const scan of this.tracks.values()) {
      const point = scan.points.at(-1);
      if (point === undefined || scan.track.id === trackId) continue;
      if (position < point.startPosition && dtsUs >= point.dtsUs) point.startPosition = position;
    }
  }
}
