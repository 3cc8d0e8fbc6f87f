/**
 * What is kept of a publisher that stands by: its tracks and its latest frames, from a random access point on, so that
 * it can go on where the active publisher stopped. Frames older than what a fail-over can need are dropped.
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import { Ring } from '../util/ring.ts';
import { SlabWriter } from '../util/slab.ts';
import { FRAME_KEY } from './frame.ts';
import type { GopLimits } from './stream.ts';
import { defaultTrack, type Track } from './track.ts';

/** How long a publisher whose metadata promise video is not taken for audio-only. */
const VIDEO_PROMISE_US = 2_000_000;

/** A frame as its publisher gave it, on the publisher's clock. */
export interface StandbyFrame {
  readonly trackId: number;
  readonly flags: number;
  readonly dtsMs: number;
  readonly ptsMs: number;
  readonly durationUs: number;
  readonly payload: Uint8Array;
  readonly config: CodecConfig;
  /** Monotonic microseconds. */
  readonly arrivalUs: number;
  /** Wall clock of capture, microseconds since 1970; NaN = not told. */
  readonly captureUs: number;
}

export class StandbyBuffer {
  tracks: readonly Track[];
  metadata: unknown;
  promisesVideo: boolean;
  private readonly keepUs: number;
  private readonly limits: GopLimits;
  private readonly frames = new Ring<StandbyFrame>(64);
  private readonly slab = new SlabWriter();
  private bytes = 0;
  private leadId = -1;
  private firstUs = -1;

  /** `keepUs`: how far back a fail-over may begin. */
  constructor(
    tracks: readonly Track[],
    metadata: unknown,
    promisesVideo: boolean,
    keepUs: number,
    limits: GopLimits,
  ) {
    this.tracks = tracks;
    this.metadata = metadata;
    this.promisesVideo = promisesVideo;
    this.keepUs = keepUs;
    this.limits = limits;
    this.leadId = defaultTrack(tracks, 'video')?.id ?? -1;
  }

  setTrack(track: Track): void {
    const isKnown = this.tracks.some(({ id }) => id === track.id);
    this.tracks = isKnown
      ? this.tracks.map((known) => (known.id === track.id ? track : known))
      : [...this.tracks, track];
    const leadId = defaultTrack(this.tracks, 'video')?.id ?? -1;
    // What was kept belongs to other tracks than what comes now.
    if (track.kind === 'video') this.clear();
    this.leadId = leadId;
  }

  resetTracks(): void {
    this.tracks = [];
    this.leadId = -1;
    this.clear();
  }

  /** Copies the payload. True when a player could start with this frame. */
  write(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
    arrivalUs: number,
    captureUs: number,
  ): boolean {
    if (this.firstUs < 0) this.firstUs = arrivalUs;
    const point = this.isPoint(trackId, flags, arrivalUs);
    if (point) this.forgetBefore(arrivalUs - this.keepUs);
    if (!point && this.frames.size === 0) return false;
    const kept = this.slab.copy(payload, arrivalUs);
    this.frames.push({
      trackId,
      flags,
      dtsMs,
      ptsMs,
      durationUs,
      payload: kept,
      config,
      arrivalUs,
      captureUs,
    });
    this.bytes += kept.length;
    this.bound(arrivalUs);
    return point;
  }

  private isPoint(trackId: number, flags: number, arrivalUs: number): boolean {
    if (this.leadId >= 0) return trackId === this.leadId && (flags & FRAME_KEY) !== 0;
    return !this.promisesVideo || arrivalUs - this.firstUs >= VIDEO_PROMISE_US;
  }

  private isPointAt(position: number): boolean {
    const { trackId, flags } = this.frames.at(position);
    return this.leadId < 0 || (trackId === this.leadId && (flags & FRAME_KEY) !== 0);
  }

  /** Keeps the last access point that came before `us`, and all after it. */
  private forgetBefore(us: number): void {
    const { frames } = this;
    let from = frames.tail;
    for (let position = frames.tail; position < frames.head; position++) {
      if (frames.at(position).arrivalUs > us) break;
      if (this.isPointAt(position)) from = position;
    }
    this.dropBefore(from);
  }

  private dropBefore(position: number): void {
    const { frames } = this;
    while (frames.tail < position) {
      this.bytes -= frames.at(frames.tail).payload.length;
      frames.dropOldest();
    }
  }

  private bound(nowUs: number): void {
    if (!this.isOver(nowUs)) return;
    const latest = this.latestPoint();
    if (latest > this.frames.tail) this.dropBefore(latest);
    if (this.isOver(nowUs)) this.clear();
  }

  private isOver(nowUs: number): boolean {
    const { frames, limits } = this;
    if (frames.size > limits.frames || this.bytes > limits.bytes) return true;
    const longest = Math.max(limits.us, this.keepUs);
    return frames.size > 0 && nowUs - frames.at(frames.tail).arrivalUs > longest;
  }

  private clear(): void {
    this.frames.clear();
    this.bytes = 0;
  }

  /** First frame that came after `us` and that a player can start with; -1 = there is none. */
  pointAfter(us: number): number {
    const { frames } = this;
    for (let position = frames.tail; position < frames.head; position++)
      if (frames.at(position).arrivalUs > us && this.isPointAt(position)) return position;
    return -1;
  }

  latestPoint(): number {
    for (let position = this.frames.head - 1; position >= this.frames.tail; position--)
      if (this.isPointAt(position)) return position;
    return -1;
  }

  framesFrom(from: number): StandbyFrame[] {
    const list: StandbyFrame[] = [];
    for (let position = from; position < this.frames.head; position++) list.push(this.frames.at(position));
    return list;
  }
}
