/**
 * Frames to a fragmented MP4 file (ISO/IEC 14496-12 8.8) with all tracks that the format can carry: an initialization
 * section and one movie fragment per key frame, or per second where GOPs are longer. Times count from the first frame;
 * the wall clock of the start stands as creation time in the movie header and as producer reference time (`prft`,
 * 8.16.5) before the first fragment, to the microsecond.
 *
 * A sample is written when the next one of its track tells how long it lasts; at the end of the file the last one
 * lasts as long as the one before it.
 */
import { FRAME_DISCONTINUITY, FRAME_KEY, type Frame } from '../media/frame.ts';
import { defaultTrack, type Track } from '../media/track.ts';
import { BoxWriter } from '../wire/mp4/box-writer.ts';
import { serializeInitSegment } from '../wire/mp4/init-segment.ts';
import {
  type FragmentRun,
  type FragmentSample,
  fragmentBytes,
  writeFragment,
} from '../wire/mp4/movie-fragment.ts';
import { mp4Timescale, reasonNotInMp4 } from '../wire/mp4/sample-entry.ts';
import { FragmentedFile, isExtended, isSameTracks, leftOutOf } from './file-fragment.ts';
import type { FileMuxer, FileMuxerOptions } from './file-muxer.ts';

const DEFAULT_FRAME_US = 40_000;
const MAX_FRAME_US = 1_000_000;
/** Seconds between 1900, where NTP begins to count, and 1970. */
const EPOCH_1900_S = 2_208_988_800;

/** Samples of one track that wait for their fragment. */
class TrackSamples {
  readonly track: Track;
  /** In the file, from 1. */
  readonly fileId: number;
  readonly timescale: number;
  readonly isVideo: boolean;
  samples: FragmentSample[] = [];
  sampleBytes = 0;
  /** Stream time of the first of them. */
  firstUs = 0;
  /** The frame whose length is not known yet. */
  pending: Frame | null = null;
  private stepUs = DEFAULT_FRAME_US;

  constructor(track: Track, fileId: number) {
    this.track = track;
    this.fileId = fileId;
    this.timescale = mp4Timescale(track.config);
    this.isVideo = track.kind === 'video';
  }

  ticks(us: number): number {
    return Math.round((us * this.timescale) / 1_000_000);
  }

  /** The pending frame lasts until `next`, or as long as usual when there is none. */
  settle(next: Frame | null): void {
    const frame = this.pending;
    if (frame === null) return;
    this.pending = next;
    let endUs = frame.dts + (frame.duration > 0 ? frame.duration : this.stepUs);
    if (next !== null && next.dts >= frame.dts) {
      const step = next.dts - frame.dts;
      if (step > 0 && step < MAX_FRAME_US) this.stepUs = step;
      // Over a jump, too, the next sample is found by adding up the lengths.
      if (step > 0 || (next.flags & FRAME_DISCONTINUITY) === 0) endUs = next.dts;
    }
    if (this.samples.length === 0) this.firstUs = frame.dts;
    const dts = this.ticks(frame.dts);
    this.samples.push({
      duration: Math.max(0, this.ticks(endUs) - dts),
      compositionOffset: this.ticks(frame.pts) - dts,
      isSync: !this.isVideo || (frame.flags & FRAME_KEY) !== 0,
      payload: frame.payload,
    });
    this.sampleBytes += frame.payload.length;
  }

  take(): FragmentSample[] {
    const { samples } = this;
    this.samples = [];
    this.sampleBytes = 0;
    return samples;
  }
}

export class Fmp4FileMuxer extends FragmentedFile implements FileMuxer {
  readonly format = 'fmp4';
  private readonly options: FileMuxerOptions;
  private carried: readonly Track[] = [];
  private tracks: TrackSamples[] = [];
  private waitingBytes = 0;
  private hasHeader: boolean = false;
  private sequence = 0;
  /** Stream time that is the file's 0. */
  private zeroUs = Number.NaN;

  constructor(options: FileMuxerOptions) {
    super(options.continues?.bytes ?? 0);
    this.options = options;
    this.hasHeader = options.continues !== undefined;
  }

  /** Tracks and configurations stand at the start of the file alone; until that is written, tracks may be added. */
  setTracks(tracks: readonly Track[]): boolean {
    const carried = tracks.filter((track) => reasonNotInFmp4(track) === '');
    const isSame = isSameTracks(carried, this.carried);
    const canAdd = !this.hasHeader && isExtended(this.carried, carried);
    if (!isSame && !canAdd && !Number.isNaN(this.startUs)) return false;
    this.leftOut = leftOutOf(tracks, reasonNotInFmp4);
    if (isSame) return true;
    this.carried = carried;
    const kept = Number.isNaN(this.startUs) ? [] : this.tracks;
    const added = carried.filter((track) => kept.every((one) => one.track.id !== track.id));
    this.tracks = [...kept, ...added.map((track, index) => new TrackSamples(track, kept.length + index + 1))];
    this.clock.setTracks(carried);
    return true;
  }

  /** The initialization section of these tracks; a file that is to be continued must begin with the same bytes. */
  header(): Buffer {
    const init = serializeInitSegment(
      this.tracks.map(({ track, fileId, timescale }) => ({
        id: fileId,
        timescale,
        config: track.config,
        language: track.language,
      })),
      this.options.startWallUs,
    );
    return init;
  }

  write(frame: Frame): void {
    const track = this.find(frame.trackId);
    if (track === undefined) return;
    const ends = this.clock.endsBefore(frame, this.waitingBytes);
    track.settle(frame);
    if (ends) this.close(frame.dts);
    track.pending = frame;
    this.clock.onFrame(frame);
    this.waitingBytes += frame.payload.length;
  }

  private find(id: number): TrackSamples | undefined {
    const { tracks } = this;
    for (let i = 0; i < tracks.length; i++) if (tracks[i]!.track.id === id) return tracks[i];
    return undefined;
  }

  protected override close(nextUs: number): void {
    const first = this.tracks.filter((track) => track.samples.length > 0);
    if (first.length === 0) return;
    if (Number.isNaN(this.zeroUs)) {
      const starts = first.map((track) => track.firstUs);
      for (const { pending } of this.tracks) if (pending !== null) starts.push(pending.dts);
      this.zeroUs = Math.min(...starts);
    }
    const arrival = this.tracks.find((track) => track.pending !== null)?.pending?.arrival ?? 0;
    if (!this.hasHeader) {
      this.bytes.copy(this.header(), arrival);
      if (this.options.startWallUs > 0) this.bytes.copy(this.referenceTime(first), arrival);
      this.hasHeader = true;
    }
    const fromUs = this.options.continues?.durationUs ?? 0;
    const runs: FragmentRun[] = first.map((track) => ({
      trackId: track.fileId,
      baseTime: Math.max(0, track.ticks(track.firstUs - this.zeroUs + fromUs)),
      samples: track.take(),
    }));
    const size = fragmentBytes(runs);
    const at = this.bytes.reserve(size, arrival);
    writeFragment(this.bytes.slab, at, ++this.sequence, runs);
    this.closeFragment(nextUs);
    this.waitingBytes = 0;
    for (const { pending } of this.tracks) this.waitingBytes += pending?.payload.length ?? 0;
  }

  /** The wall clock of the first sample of the leading track. */
  private referenceTime(first: readonly TrackSamples[]): Buffer {
    const lead =
      defaultTrack(
        first.map((one) => one.track),
        'video',
      ) ?? first[0]!.track;
    const track = first.find((one) => one.track === lead)!;
    const wallUs = this.options.startWallUs + (track.firstUs - this.startUs);
    const seconds = Math.floor(wallUs / 1_000_000);
    const fraction = Math.round(((wallUs - seconds * 1_000_000) / 1_000_000) * 0x1_0000_0000);
    return new BoxWriter(32)
      .beginFull('prft', 1, 0)
      .u32(track.fileId)
      .u32(seconds + EPOCH_1900_S)
      .u32(Math.min(fraction, 0xffff_ffff))
      .u64(Math.max(0, track.ticks(track.firstUs - this.zeroUs)))
      .end()
      .finish();
  }

  override finish(): void {
    for (const track of this.tracks) track.settle(null);
    super.finish();
  }
}

export function reasonNotInFmp4(track: Track): string {
  return track.kind === 'data' ? 'Recordings keep pictures and sound.' : reasonNotInMp4(track.config);
}
