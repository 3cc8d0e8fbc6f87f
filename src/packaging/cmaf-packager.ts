/**
 * Frames of one stream to CMAF tracks, for HLS with fMP4 (also low latency) and for DASH. Every track is a list of
 * segments of its own; all tracks begin a segment of the same number at the same time, as nearly as their frames allow.
 *
 * The first video track leads (the first sound when there is none): at its cut the others follow with their first
 * frame at or after it. One packager lives as long as its stream, over republishes.
 */
import { isSameConfig } from '../codec/codec-config.ts';
import type { LeftOut } from '../media/feed.ts';
import { FRAME_KEY, type Frame } from '../media/frame.ts';
import { defaultTrack, type Track } from '../media/track.ts';
import { reasonNotInMp4 } from '../wire/mp4/sample-entry.ts';
import { CmafTrack } from './cmaf-track.ts';
import { CONTINUE, CUT_DISCONTINUITY, HARD_LIMIT, Segmenter, SKIP } from './segmenter.ts';
import { MP4_SOUND } from './sound-needs.ts';
import { firstSequence } from './ts-segment-packager.ts';
import { WallClock } from './wall-clock.ts';

/** More tracks of a stream are left out. */
const MAX_TRACKS = 16;

export interface CmafPackagerOptions {
  readonly targetDurationUs: number;
  /** Length of the first segments, until the playlist is full: a player soon has what it waits for. */
  readonly firstDurationUs?: number;
  /** Longest part; 0 = segments are made in one piece. */
  readonly partTargetUs: number;
  readonly windowCount: number;
  readonly windowUs: number;
  readonly cacheCount: number;
  /** Bytes in memory of all tracks together. */
  readonly maxBytes: number;
  /** Wall clock, microseconds since 1970, at a monotonic time such as a frame's arrival. */
  readonly wallAt: (monotonicUs: number) => number;
  /** Of the start of the server's list: numbers of segments grow with it over restarts. */
  readonly startWallUs: number;
}

export class CmafPackager {
  readonly soundNeed = MP4_SOUND;
  /** In the stream's order, the leading one first. */
  tracks: readonly CmafTrack[] = [];
  leftOut: readonly LeftOut[] = [];
  /** A part or segment of a track became complete, or a track came or went. */
  onChange: (() => void) | null = null;
  private readonly options: CmafPackagerOptions;
  private readonly segmenter: Segmenter;
  private readonly wall = new WallClock();
  private byId = new Map<number, CmafTrack>();
  /** Tracks that went, as long as their lists have media: publishers announce their tracks one after the other. */
  private readonly absent = new Map<number, CmafTrack>();
  private leader: CmafTrack | null = null;
  private leaderId = -1;
  private hasOpened: boolean = false;
  private nextSequence: number;
  private discontinuities = 0;

  constructor(options: CmafPackagerOptions) {
    this.options = options;
    this.nextSequence = firstSequence(options.startWallUs, options.targetDurationUs);
    this.segmenter = new Segmenter(
      Math.min(options.targetDurationUs, options.firstDurationUs ?? options.targetDurationUs),
      options.targetDurationUs * HARD_LIMIT,
    );
  }

  /** The list of every track that has media, the leading one first. */
  stores() {
    return this.live().map(({ name, store }) => ({ name, extension: '.m4s', store }));
  }

  /** Tracks that have more than a name: a publisher may announce sound and never send any. */
  live(): readonly CmafTrack[] {
    return this.tracks.filter((track) => track.hasMedia);
  }

  /** The tracks of the stream, all of them. */
  setTracks(tracks: readonly Track[]): void {
    const able = tracks.filter((track) => track.kind !== 'data' && reasonNotInMp4(track.config) === '');
    const carried = able.slice(0, MAX_TRACKS);
    this.leftOut = tracks
      .filter((track) => !carried.includes(track))
      .map((track) => ({ track, reason: reasonLeftOut(track) }));
    // Between two publishers there are no tracks; what was made so far stays.
    if (carried.length === 0 || this.isSame(carried)) return;
    const byId = new Map<number, CmafTrack>();
    this.endAll();
    for (const track of carried) byId.set(track.id, this.adopt(track));
    for (const [id, known] of this.byId) if (known.hasMedia && !byId.has(id)) this.absent.set(id, known);
    for (const id of byId.keys()) this.absent.delete(id);
    this.byId = byId;
    const lead = defaultTrack(carried, 'video') ?? defaultTrack(carried, 'audio');
    const kept = lead !== undefined && lead.id === this.leaderId;
    this.leaderId = lead?.id ?? -1;
    this.leader = byId.get(this.leaderId) ?? null;
    const before = this.tracks;
    this.sortTracks();
    const changed = this.tracks.length !== before.length || this.tracks.some((one) => !before.includes(one));
    if (this.hasOpened && kept) this.segmenter.breakHere();
    else this.segmenter.breakOff();
    this.segmenter.setLeader(this.leaderId, lead?.kind === 'video');
    if (changed) this.onChange?.();
  }

  private sortTracks(): void {
    const all = [...this.byId.values(), ...this.absent.values()];
    this.tracks = all.sort((a, b) => Number(b === this.leader) - Number(a === this.leader));
  }

  private isSame(carried: readonly Track[]): boolean {
    if (carried.length !== this.byId.size) return false;
    return carried.every((track) => {
      const known = this.byId.get(track.id)?.track;
      return known !== undefined && isSameConfig(known.config, track.config);
    });
  }

  /** A track of the same number goes on with its list, whatever its codec: addresses and numbers stay. */
  private adopt(track: Track): CmafTrack {
    const known = this.byId.get(track.id) ?? this.absent.get(track.id);
    if (known !== undefined && known.track.kind === track.kind) {
      if (!isSameConfig(known.track.config, track.config)) known.setTrack(track);
      return known;
    }
    const { options } = this;
    return new CmafTrack(
      track,
      {
        windowCount: options.windowCount,
        windowUs: options.windowUs,
        cacheCount: options.cacheCount,
        maxBytes: options.maxBytes,
        firstSequence: this.nextSequence,
        firstDiscontinuity: this.discontinuities,
        targetDurationUs: options.targetDurationUs,
      },
      options.partTargetUs,
      (pts) => this.wall.at(pts),
    );
  }

  /** Hot path. */
  write(frame: Frame): void {
    const track = this.byId.get(frame.trackId);
    if (track === undefined) return;
    const decision = this.segmenter.decide(frame);
    if (decision === SKIP) return;
    let hasNews = false;
    if (decision !== CONTINUE) {
      this.cut(track, frame, decision === CUT_DISCONTINUITY);
      hasNews = true;
    } else if (!Number.isNaN(track.cutAtPts)) {
      if (!this.follows(track, frame)) return;
      hasNews = Number.isNaN(track.cutAtPts);
    }
    if (track.write(frame) || hasNews) this.onChange?.();
  }

  private cut(leading: CmafTrack, frame: Frame, discontinuity: boolean): void {
    this.hasOpened = true;
    this.nextSequence++;
    if (discontinuity) {
      this.discontinuities++;
      this.wall.reset();
    }
    this.wall.observe(frame.pts, this.options.wallAt(frame.arrival));
    this.forgetAbsent();
    for (const track of this.tracks) {
      this.settle(track, frame.pts);
      if (track === leading) {
        track.begin(frame, discontinuity);
        continue;
      }
      if (discontinuity) track.end();
      track.cutAtPts = frame.pts;
      track.cutIsDiscontinuity = discontinuity;
    }
    const { options } = this;
    if ((this.leader?.store.count ?? 0) >= options.windowCount)
      this.segmenter.targetUs = options.targetDurationUs;
  }

  /** A track that has not come to the last cut before the next has nothing in between: its number becomes a gap. */
  private settle(track: CmafTrack, untilPts: number): void {
    const { cutAtPts } = track;
    if (!Number.isNaN(cutAtPts))
      track.addGap(cutAtPts, Math.max(untilPts - cutAtPts, 1000), track.cutIsDiscontinuity);
  }

  private forgetAbsent(): void {
    for (const [id, { store }] of this.absent) {
      if (store.window().some((segment) => !segment.isGap)) continue;
      this.absent.delete(id);
      this.sortTracks();
    }
  }

  /** What is open becomes a segment, and every list has as many numbers as the leading one. */
  private endAll(): void {
    this.leader?.end();
    const endPts = this.leader?.store.all().at(-1)?.endPts ?? 0;
    for (const track of this.tracks) {
      this.settle(track, endPts);
      track.end();
    }
  }

  /** A track that has a cut to follow; false when the frame belongs to nothing. */
  private follows(track: CmafTrack, frame: Frame): boolean {
    const late = frame.pts - track.cutAtPts;
    const isStart =
      late >= 0 &&
      (track.track.kind === 'audio' ||
        (frame.flags & FRAME_KEY) !== 0 ||
        (late > this.options.targetDurationUs && track.store.open !== null));
    if (isStart) {
      const { cutIsDiscontinuity } = track;
      track.cutAtPts = Number.NaN;
      track.begin(frame, cutIsDiscontinuity);
      return true;
    }
    return track.store.open !== null;
  }

  /** The publisher is gone: what is open becomes a segment. It may come back; then `write` goes on. */
  end(): void {
    this.endAll();
    this.segmenter.breakOff();
    this.onChange?.();
  }

  /** The stream is gone for good: also ends the lists. */
  close(): void {
    this.end();
    for (const track of this.tracks) track.store.end();
  }

  /** Wall clock by the arrival of frames at a stream time, microseconds since 1970; NaN before the first segment. */
  wallClockAt(pts: number): number {
    return this.wall.at(pts);
  }

  find(name: string): CmafTrack | undefined {
    return this.tracks.find((track) => track.name === name);
  }

  /** Bytes in memory. */
  get sizeBytes(): number {
    let bytes = 0;
    for (const track of this.tracks) bytes += track.store.sizeBytes;
    return bytes;
  }
}

function reasonLeftOut(track: Track): string {
  if (track.kind === 'data') return 'CMAF carries sound and pictures only.';
  const reason = reasonNotInMp4(track.config);
  return reason === '' ? `A stream has at most ${MAX_TRACKS} tracks here.` : reason;
}
