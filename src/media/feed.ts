/**
 * A Feed turns the frames of a stream once into the ready bytes of one format; all players of that format share
 * them. The bytes of consecutive chunks lie next to each other in a slab, so what a player gets in one flush is
 * one view in the usual case: no joining, no queue per player, a player is a position in the ring.
 */
import { Ring } from '../util/ring.ts';
import { type ByteTarget, SlabWriter } from '../util/slab.ts';
import { FRAME_KEY, type Frame } from './frame.ts';
import type { SoundNeed } from './sound-conversion.ts';
import type { Subscription } from './subscription.ts';
import type { Track } from './track.ts';

/** What an encoder may see of its stream. */
export interface FeedSource {
  readonly tracks: readonly Track[];
  /** Publisher's metadata, opaque here; the RTMP and FLV encoders know its shape. */
  readonly metadata: unknown;
  readonly label: string;
}

export interface LeftOut {
  readonly track: Track;
  /** A sentence for a person. */
  readonly reason: string;
}

/** Makes the bytes of one format. Synchronous, on the hot path. */
export interface FeedEncoder {
  /** What a joiner needs before a random access point with this dts, for the tracks as they are now. */
  prologue(dts: number): Uint8Array;
  /**
   * Appends the frame's bytes; false when this format does not carry the frame.
   * It reserves once per frame, so that the bytes of a chunk lie in one slab.
   */
  encode(frame: Frame, target: ByteTarget): boolean;
  /** Tracks were added or changed: what must be sent inline to players that are already playing. */
  tracksChanged(dts: number): Uint8Array;
  /** The publisher is gone for good. */
  epilogue(dts: number): Uint8Array;
  /** Tracks that this format cannot carry. */
  leftOut(): readonly LeftOut[];
}

export interface FeedFormat {
  /** Unique name with its variant, for example `rtmp`, `rtmp+enhanced`, `flv`. */
  readonly name: string;
  /** What it wants of sound; without it every track comes as it is. */
  readonly sound?: SoundNeed;
  /** Its bytes go to other threads. */
  readonly isShared?: boolean;
  open(source: FeedSource): FeedEncoder;
}

export interface FeedLimits {
  /** A player further behind than this jumps to the newest random access point. */
  readonly queueUs: number;
  readonly queueBytes: number;
  /** Longest time that bytes may wait for company, microseconds; 0 = never wait. */
  readonly mergeUs: number;
  /** As soon as this much waits it is sent. */
  readonly mergeBytes: number;
  /** A sink that takes nothing for this long is closed. */
  readonly stallUs: number;
}

/** Ready bytes of one frame. */
export class Chunk {
  readonly slab: Buffer;
  readonly start: number;
  readonly end: number;
  readonly flags: number;
  readonly dts: number;

  constructor(slab: Buffer, start: number, end: number, flags: number, dts: number) {
    this.slab = slab;
    this.start = start;
    this.end = end;
    this.flags = flags;
    this.dts = dts;
  }
}

interface AccessPoint {
  readonly position: number;
  readonly prologue: Uint8Array;
}

/** One write of a catching-up player at most; a full socket then shows before the next. */
const MAX_RUN_BYTES = 256 * 1024;
const MAX_ACCESS_POINTS = 512;
const MAX_PICTURE_GAP_US = 200_000;
const FEED_SLAB_BYTES = 512 * 1024;
const NOTHING = new Uint8Array(0);

export class Feed {
  readonly format: FeedFormat;
  readonly limits: FeedLimits;
  /** What it is made from. */
  readonly source: FeedSource;
  readonly chunks = new Ring<Chunk>(64);
  readonly subscriptions: Subscription[] = [];
  readonly encoder: FeedEncoder;
  /** Chunks below this position have been offered to everybody at least once. */
  flushedTo = 0;
  /** Bytes that were appended since the last flush. */
  pendingBytes = 0;
  bytesHeld = 0;
  /** Usual time between two pictures of the stream, microseconds; 0 = not known. */
  pictureGapUs = 0;
  private lastPictureUs = 0;
  /** A random access point of the stream was not carried; the next frame that is takes its place. */
  private pointIsDue = false;
  /** For the pump: monotonic microseconds of the last flush, its usual cost, and whether one is due. */
  lastFlushUs = 0;
  /** Where the rhythm of flushes stands; the flush that goes with a picture is a little before or after it. */
  rhythmUs = 0;
  flushCostUs = 0;
  flushStartUs = 0;
  flushCostNowUs = 0;
  queued = false;
  /** Next subscription of a flush that was interrupted to let others run; -1 = none. */
  resumeAt = -1;
  ended = false;
  private readonly slab: SlabWriter;
  private points: AccessPoint[] = [];
  private runFrom = -1;
  private runLimit = -1;
  private runTo = -1;
  private runViews: Uint8Array[] = [];

  constructor(format: FeedFormat, source: FeedSource, limits: FeedLimits) {
    this.format = format;
    this.limits = limits;
    this.source = source;
    this.slab = new SlabWriter(FEED_SLAB_BYTES, format.isShared);
    this.encoder = format.open(source);
  }

  /** `isAccessPoint`: a player may start with this frame (the stream decides; audio counts when there is no video). */
  append(frame: Frame, isAccessPoint: boolean, isVideo: boolean): void {
    if (isVideo) this.measureGap(frame.arrival);
    const slab = this.slab;
    const before = slab.used;
    const slabBefore = slab.slab;
    if (!this.encoder.encode(frame, slab)) {
      // This format leaves out the video: players of it start with the sound that follows the key frame.
      if (isAccessPoint) this.pointIsDue = true;
      return;
    }
    const isPoint = isAccessPoint || (this.pointIsDue && (frame.flags & FRAME_KEY) !== 0);
    if (isPoint) this.pointIsDue = false;
    // A frame that did not fit began a new slab at 0.
    const start = slab.slab === slabBefore ? before : 0;
    this.push(start, slab.used, isPoint ? frame.flags | FRAME_KEY : frame.flags & ~FRAME_KEY, frame.dts);
    if (isPoint) {
      this.points.push({ position: this.chunks.head - 1, prologue: this.encoder.prologue(frame.dts) });
    }
    this.trim();
  }

  private measureGap(arrivalUs: number): void {
    const gap = arrivalUs - this.lastPictureUs;
    this.lastPictureUs = arrivalUs;
    // A burst or a pause tells nothing of the rhythm.
    if (gap < 2000 || gap > MAX_PICTURE_GAP_US) return;
    this.pictureGapUs = this.pictureGapUs === 0 ? gap : this.pictureGapUs + (gap - this.pictureGapUs) / 8;
  }

  /** Tracks or metadata changed: players get the new headers inline, joiners in their prologue. */
  tracksChanged(dts: number, nowUs: number): void {
    this.appendBytes(this.encoder.tracksChanged(dts), dts, nowUs);
  }

  appendEpilogue(dts: number, nowUs: number): void {
    this.appendBytes(this.encoder.epilogue(dts), dts, nowUs);
  }

  private appendBytes(bytes: Uint8Array, dts: number, nowUs: number): void {
    if (bytes.length === 0) return;
    const at = this.slab.reserve(bytes.length, nowUs);
    this.slab.slab.set(bytes, at);
    this.push(at, at + bytes.length, 0, dts);
  }

  private push(start: number, end: number, flags: number, dts: number): void {
    this.chunks.push(new Chunk(this.slab.slab, start, end, flags, dts));
    this.bytesHeld += end - start;
    this.pendingBytes += end - start;
  }

  /** Newest random access point that is held, or -1. */
  get latestPoint(): number {
    return this.points.length === 0 ? -1 : this.points[this.points.length - 1]!.position;
  }

  prologueAt(position: number): Uint8Array {
    for (let i = this.points.length - 1; i >= 0; i--) {
      if (this.points[i]!.position <= position) return this.points[i]!.prologue;
    }
    return NOTHING;
  }

  /**
   * The bytes from a position on, as few views as possible, at most MAX_RUN_BYTES but at least one chunk.
   * `runEnd` tells where they end. Players at the same position get the very same views.
   */
  run(from: number, to: number): readonly Uint8Array[] {
    if (from === this.runFrom && to === this.runLimit) return this.runViews;
    const views: Uint8Array[] = [];
    let position = from;
    let bytes = 0;
    while (position < to) {
      const first = this.chunks.at(position);
      let end = first.end;
      bytes += end - first.start;
      position++;
      while (position < to && bytes < MAX_RUN_BYTES) {
        const next = this.chunks.at(position);
        if (next.slab !== first.slab || next.start !== end) break;
        end = next.end;
        bytes += next.end - next.start;
        position++;
      }
      views.push(first.slab.subarray(first.start, end));
      if (bytes >= MAX_RUN_BYTES) break;
    }
    this.runFrom = from;
    this.runLimit = to;
    this.runTo = position;
    this.runViews = views;
    return views;
  }

  get runEnd(): number {
    return this.runTo;
  }

  /** Forgets the shared views, so that they do not pin slabs while nothing is sent. */
  forgetRun(): void {
    this.runFrom = -1;
    this.runViews = [];
  }

  /** Keeps what a slow player may still need: the last GOP, and up to the queue time and size before it. */
  private trim(): void {
    const chunks = this.chunks;
    const keepFrom = this.latestPoint;
    const newestDts = chunks.at(chunks.head - 1).dts;
    while (chunks.tail < chunks.head - 1) {
      const oldest = chunks.at(chunks.tail);
      const tooMuch = this.bytesHeld > this.limits.queueBytes;
      const tooOld = newestDts - oldest.dts > this.limits.queueUs && (keepFrom < 0 || chunks.tail < keepFrom);
      if (!tooMuch && !tooOld) break;
      this.bytesHeld -= oldest.end - oldest.start;
      chunks.dropOldest();
    }
    let stale = 0;
    while (stale < this.points.length && this.points[stale]!.position < chunks.tail) stale++;
    if (this.points.length - stale > MAX_ACCESS_POINTS) stale = this.points.length - MAX_ACCESS_POINTS;
    if (stale > 0) this.points.splice(0, stale);
  }
}
