/**
 * Frames of one stream to MPEG-TS segments in a SegmentStore, for HLS. One video and one audio track, as players of
 * such segments expect; what is left out is told in words.
 *
 * One packager lives as long as its stream: numbers, continuity counters and the timeline go on over a republish,
 * which players see as a discontinuity.
 */
import { isSameConfig } from '../codec/codec-config.ts';
import type { TrackKind } from '../codec/codec-id.ts';
import type { LeftOut } from '../media/feed.ts';
import { FRAME_KEY, type Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import { reasonNotInTs } from '../wire/mpegts/elementary-stream.ts';
import { TsWriter } from '../wire/mpegts/ts-writer.ts';
import { SegmentStore } from './segment-store.ts';
import { CONTINUE, CUT_DISCONTINUITY, HARD_LIMIT, Segmenter, SKIP } from './segmenter.ts';
import { SlabParts } from './slab-parts.ts';
import { HLS_TS_SOUND } from './sound-needs.ts';
import { WallClock } from './wall-clock.ts';

/** A longer step between frames tells nothing about the frame rate. */
const MAX_FRAME_US = 1_000_000;
/** Length of a last frame whose successor is not known. */
const DEFAULT_FRAME_US = 40_000;

export interface TsSegmentPackagerOptions {
  readonly targetDurationUs: number;
  /** Length of the first segments, until the playlist is full: a player soon has what it waits for. */
  readonly firstDurationUs?: number;
  /** Segments in the playlist. */
  readonly windowCount: number;
  /** The playlist also reaches back at least this far. */
  readonly windowUs: number;
  /** Older segments that can still be fetched. */
  readonly cacheCount: number;
  /** Bytes of all segments in memory. */
  readonly maxBytes: number;
  /** A segment is cut, key frame or not, before it grows over this. */
  readonly maxSegmentBytes: number;
  /** Microseconds since 1970. */
  readonly wallClock: () => number;
}

export class TsSegmentPackager {
  readonly soundNeed = HLS_TS_SOUND;
  readonly store: SegmentStore;
  /** Tracks that are not in the segments. */
  leftOut: readonly LeftOut[] = [];
  /** Called after a segment was finished and stored. */
  onChange: (() => void) | null = null;
  private readonly options: TsSegmentPackagerOptions;
  private readonly segmenter: Segmenter;
  private readonly writer = new TsWriter({ groupAudio: true });
  private readonly bytes = new SlabParts();
  private carried: readonly Track[] = [];
  private leaderId = -1;
  private audioId = -1;

  // The open segment.
  private isOpen: boolean = false;
  private discontinuity: boolean = false;
  private independent: boolean = false;
  private startPts = 0;
  private hasLead: boolean = false;
  private captureTime = Number.NaN;
  /** Where the leading track ends as far as it is known, stream time. */
  private endPts = 0;
  private lastLeadDts = Number.NaN;
  private leadStepUs = DEFAULT_FRAME_US;
  private leadOffsetUs = 0;
  private readonly wall = new WallClock();

  constructor(options: TsSegmentPackagerOptions) {
    this.options = options;
    this.segmenter = new Segmenter(
      Math.min(options.targetDurationUs, options.firstDurationUs ?? options.targetDurationUs),
      options.targetDurationUs * HARD_LIMIT,
    );
    this.store = new SegmentStore({
      windowCount: options.windowCount,
      windowUs: options.windowUs,
      cacheCount: options.cacheCount,
      maxBytes: options.maxBytes,
      firstSequence: firstSequence(options.wallClock(), options.targetDurationUs),
      firstDiscontinuity: 0,
      targetDurationUs: options.targetDurationUs,
    });
  }

  /** The one list, for what serves lists of any format. */
  stores() {
    return [{ name: 'ts', extension: '.ts', store: this.store }];
  }

  /** The tracks of the stream, all of them. A change of what is carried starts a new segment. */
  setTracks(tracks: readonly Track[]): void {
    const video = pickTrack(tracks, 'video');
    const audio = pickTrack(tracks, 'audio');
    const carried: Track[] = [];
    if (video !== undefined) carried.push(video);
    if (audio !== undefined) carried.push(audio);
    this.leftOut = tracks
      .filter((track) => track !== video && track !== audio)
      .map((track) => ({ track, reason: reasonLeftOut(track) }));
    if (isSameTracks(carried, this.carried)) return;
    this.finishSegment(Number.NaN);
    const leader = carried[0];
    // While the pictures stay as they are, they go on without waiting for a key frame.
    if (isSameTracks(carried.slice(0, 1), this.carried.slice(0, 1))) this.segmenter.breakHere();
    else this.segmenter.breakOff();
    this.carried = carried;
    this.leaderId = leader?.id ?? -1;
    this.audioId = audio?.id ?? -1;
    this.lastLeadDts = Number.NaN;
    this.leadStepUs = DEFAULT_FRAME_US;
    this.segmenter.setLeader(this.leaderId, leader?.kind === 'video');
    // Between two publishers there are no tracks; the program map then stays what it was.
    if (leader !== undefined) this.writer.setTracks(carried);
  }

  /** Hot path. */
  write(frame: Frame): void {
    if (frame.trackId !== this.leaderId && frame.trackId !== this.audioId) return;
    const decision = this.segmenter.decide(frame);
    if (decision === SKIP) return;
    if (decision !== CONTINUE) this.cut(frame, decision === CUT_DISCONTINUITY);
    else if (this.bytes.sizeBytes + frame.payload.length > this.options.maxSegmentBytes) {
      this.segmenter.restart(frame);
      this.cut(frame, false);
    }
    if (frame.trackId === this.leaderId) this.follow(frame);
    this.writer.write(frame, this.bytes);
  }

  /** The publisher is gone: what is open becomes a segment. It may come back; then `write` goes on. */
  end(): void {
    this.finishSegment(Number.NaN);
    this.segmenter.breakOff();
  }

  /** The stream is gone for good: also ends the list. */
  close(): void {
    this.end();
    this.store.end();
  }

  private cut(frame: Frame, discontinuity: boolean): void {
    const isKey = (frame.flags & FRAME_KEY) !== 0;
    const isLead = frame.trackId === this.leaderId;
    // Where the segment ends is where the next begins, if it goes on: of a key frame the PTS is the first to be shown.
    const next = isKey ? frame.pts : frame.dts + this.leadOffsetUs;
    this.finishSegment(discontinuity || !isLead ? Number.NaN : next);
    if (discontinuity) {
      this.writer.markDiscontinuity();
      this.wall.reset();
    }
    this.open(frame, discontinuity, isLead && (isKey || frame.trackId === this.audioId));
  }

  private open(frame: Frame, discontinuity: boolean, independent: boolean): void {
    this.isOpen = true;
    this.discontinuity = discontinuity;
    this.independent = independent;
    this.hasLead = false;
    this.startPts = frame.pts;
    this.endPts = frame.pts + frame.duration;
    this.captureTime = frame.captureTime;
    this.writer.requestTables();
  }

  /** Keeps track of where the leading track stands. */
  private follow(frame: Frame): void {
    const step = frame.dts - this.lastLeadDts;
    if (step > 0 && step < MAX_FRAME_US) this.leadStepUs = step;
    this.lastLeadDts = frame.dts;
    const isKey = (frame.flags & FRAME_KEY) !== 0;
    if (isKey) this.leadOffsetUs = frame.pts - frame.dts;
    if (!this.hasLead) {
      this.hasLead = true;
      this.startPts = isKey ? frame.pts : frame.dts + this.leadOffsetUs;
      this.captureTime = frame.captureTime;
      this.endPts = this.startPts;
      this.wall.observe(frame.pts, this.options.wallClock());
    }
    const end = frame.pts + (frame.duration > 0 ? frame.duration : this.leadStepUs);
    if (end > this.endPts) this.endPts = end;
  }

  /** `nextPts` is where the next segment begins; NaN when it does not go on from this one. */
  private finishSegment(nextPts: number): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.writer.flush(this.bytes);
    const { sizeBytes } = this.bytes;
    const parts = this.bytes.take();
    if (sizeBytes === 0) return;
    const { startPts } = this;
    const end = nextPts > startPts ? nextPts : this.endPts;
    if (end === nextPts) this.wall.observe(end, this.options.wallClock());
    this.store.begin({
      startPts,
      wallClockUs: Number.isNaN(this.captureTime) ? this.wall.at(startPts) : this.captureTime,
      discontinuity: this.discontinuity,
      independent: this.independent,
      initVersion: 0,
    });
    for (const bytes of parts) this.store.append({ bytes, durationUs: 0, independent: false });
    this.store.complete(Math.max(end - startPts, 1000));
    if (this.store.count >= this.options.windowCount) this.segmenter.targetUs = this.options.targetDurationUs;
    this.onChange?.();
  }
}

/**
 * Numbers that start at the seconds since 1970 grow slower than the clock, so they also grow over a restart of the
 * server, and no cache on the way takes a new segment for an old one of the same name.
 */
export function firstSequence(wallUs: number, targetDurationUs: number): number {
  return Math.floor(wallUs / Math.min(1_000_000, targetDurationUs / 2));
}

/** The first track of a kind that MPEG-TS can carry, by wire index and then by id. */
function pickTrack(tracks: readonly Track[], kind: TrackKind): Track | undefined {
  let picked: Track | undefined;
  for (const track of tracks) {
    if (track.kind !== kind || reasonNotInTs(track) !== '') continue;
    if (picked === undefined || track.wireIndex < picked.wireIndex) picked = track;
  }
  return picked;
}

function reasonLeftOut(track: Track): string {
  const reason = reasonNotInTs(track);
  return reason === '' ? `HLS with MPEG-TS segments carries one ${track.kind} track` : reason;
}

function isSameTracks(a: readonly Track[], b: readonly Track[]): boolean {
  return (
    a.length === b.length &&
    a.every((track, index) => {
      const other = b[index];
      return other !== undefined && track.id === other.id && isSameConfig(track.config, other.config);
    })
  );
}
