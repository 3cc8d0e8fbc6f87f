/**
 * A window of one or more files as one timeline: which segments it has, the bytes of each, the playlist text, and the
 * whole as one MP4. Holds no file open: what it knows are plans, and frames are read when somebody asks for a segment.
 * Made by VodLibrary.
 */
import { createHash } from 'node:crypto';
import { isSameConfig } from '../codec/codec-config.ts';
import type { Track } from '../media/track.ts';
import { InvariantError, RejectedError } from '../util/errors.ts';
import type { FilePoint, MediaFile } from './media-file.ts';
import { readSegmentFrames, type SegmentFrames } from './vod-frames.ts';
import { type PlannedSegment, pointBefore } from './vod-plan.ts';
import { serializeVodPlaylist } from './vod-playlist.ts';
import {
  type Container,
  carriedTracks,
  containerFor,
  makeInitSegment,
  makeMp4Segment,
  makeTsSegment,
} from './vod-segment.ts';

/** Timeline time 0 on the clock of the segments: decode times before the first picture stay above zero. */
const LEAD_IN_US = 10_000_000;
/** Files whose wall clocks leave a gap (or an overlap) up to this are one recording that was cut. */
const JOIN_TOLERANCE_MS = 1500;

/** What is known of a file without holding it open. */
export interface FilePlan {
  readonly path: string;
  /** Changes when the file does. */
  readonly version: string;
  readonly tracks: readonly Track[];
  readonly durationUs: number;
  readonly points: readonly FilePoint[];
  readonly segments: readonly PlannedSegment[];
}

/** A file and when it began. */
export interface PlacedFile {
  readonly plan: FilePlan;
  /** Milliseconds since 1970 of the file's time 0; 0 when it does not matter. */
  readonly startMs: number;
}

/** On the clock of the files' `startMs`; NaN = open. The window grows to whole segments. */
export interface VodWindow {
  readonly startMs: number;
  readonly endMs: number;
}

export interface VodSegment {
  readonly index: number;
  /** Which of the timeline's files. */
  readonly file: number;
  readonly fromPoint: number;
  readonly toPoint: number;
  /** Timeline time: 0 is the start of the first segment. */
  readonly startUs: number;
  readonly durationUs: number;
  readonly discontinuity: boolean;
  /** Number of the initialization section. */
  readonly map: number;
  /** Milliseconds since 1970; meaningless when the files have no `startMs`. */
  readonly wallClockMs: number;
}

interface UsedFile {
  readonly plan: FilePlan;
  readonly carried: readonly Track[];
  /** Timeline time minus time of the file. */
  readonly shiftUs: number;
  readonly map: number;
}

/** Opens a file for as long as the action runs. */
export type UseFile = <T>(path: string, action: (file: MediaFile) => Promise<T>) => Promise<T>;

export class VodTimeline {
  readonly container: Container;
  readonly segments: readonly VodSegment[];
  readonly durationUs: number;
  /** Changes when anything of the timeline does: part of an ETag or of an address. */
  readonly version: string;
  private readonly files: readonly UsedFile[];
  private readonly maps: readonly (readonly Track[])[];
  private readonly useFile: UseFile;

  /** Throws RejectedError when nothing of the files can be played, or nothing lies in the window. */
  constructor(placed: readonly PlacedFile[], window: VodWindow, useFile: UseFile) {
    this.useFile = useFile;
    this.container = placed.every(({ plan }) => containerFor(plan.tracks) === 'ts') ? 'ts' : 'mp4';
    const files: UsedFile[] = [];
    const maps: (readonly Track[])[] = [];
    const segments: VodSegment[] = [];
    let nowUs = 0;
    let endMs = Number.NaN;
    for (const { plan, startMs } of placed) {
      const carried = carriedTracks(plan.tracks, this.container);
      const wanted = plan.segments.filter(
        (one) =>
          !(startMs + one.endUs / 1000 <= window.startMs) && !(startMs + one.startUs / 1000 >= window.endMs),
      );
      const first = wanted[0];
      if (carried.length === 0 || first === undefined) continue;
      let map = maps.findIndex((one) => isSameTracks(one, carried));
      if (map < 0) map = maps.push(carried) - 1;
      const isJoined =
        map === files.at(-1)?.map && Math.abs(startMs + first.startUs / 1000 - endMs) <= JOIN_TOLERANCE_MS;
      const shiftUs = nowUs - first.startUs;
      for (const one of wanted) {
        const durationUs = one.endUs - one.startUs;
        segments.push({
          index: segments.length,
          file: files.length,
          fromPoint: one.fromPoint,
          toPoint: one.toPoint,
          startUs: nowUs,
          durationUs,
          discontinuity: one === first && segments.length > 0 && !isJoined,
          map,
          wallClockMs: startMs + one.startUs / 1000,
        });
        nowUs += durationUs;
        endMs = startMs + one.endUs / 1000;
      }
      files.push({ plan, carried, shiftUs, map });
    }
    if (segments.length === 0) throw refusal(placed);
    this.files = files;
    this.maps = maps;
    this.segments = segments;
    this.durationUs = nowUs;
    this.version = versionOf(files, segments);
  }

  /** The file that a segment is made of; real path. */
  pathOf(segment: VodSegment): string {
    return this.files[segment.file]!.plan.path; // segments name files of ours
  }

  /** Tracks that every player gets, of the first file. */
  get tracks(): readonly Track[] {
    return this.maps[0]!; // a timeline without segments is refused
  }

  /** Initialization sections that there are; 0 for MPEG-TS. */
  get mapCount(): number {
    return this.container === 'ts' ? 0 : this.maps.length;
  }

  /** `uriOf` and `mapUriOf` give what stands in the playlist. Dates are written when `hasWallClock`. */
  playlist(
    uriOf: (segment: VodSegment) => string,
    mapUriOf: (map: number) => string,
    hasWallClock: boolean,
  ): string {
    return serializeVodPlaylist(
      this.segments.map((segment) => ({
        uri: uriOf(segment),
        durationUs: segment.durationUs,
        discontinuity: segment.discontinuity,
        mapUri: this.container === 'ts' ? '' : mapUriOf(segment.map),
        wallClockMs: hasWallClock ? segment.wallClockMs : Number.NaN,
      })),
    );
  }

  initSegment(map: number): Buffer {
    const tracks = this.maps[map];
    if (tracks === undefined) throw new InvariantError(`initialization section ${map}`);
    return makeInitSegment(tracks);
  }

  /** What names the bytes of a segment whatever timeline it is in: key of a cache. */
  segmentKey(segment: VodSegment): string {
    const { plan, shiftUs } = this.files[segment.file]!;
    const { fromPoint, toPoint, index, discontinuity } = segment;
    const place = `${fromPoint}-${toPoint}+${shiftUs}`;
    return `${this.container} ${plan.version} ${place} ${index}${discontinuity ? 'd' : ''} ${plan.path}`;
  }

  /** Makes the bytes of a segment. Throws RejectedError when its file is gone or broken. */
  async makeSegment(segment: VodSegment): Promise<Buffer> {
    const { carried, shiftUs } = this.files[segment.file]!;
    const frames = await this.readFrames(segment, segment.fromPoint, segment.toPoint);
    const shift = LEAD_IN_US + shiftUs;
    return this.container === 'ts'
      ? makeTsSegment(carried, frames, shift, segment.discontinuity)
      : makeMp4Segment(carried, frames, shift, segment.index + 1);
  }

  private async readFrames(segment: VodSegment, fromPoint: number, toPoint: number): Promise<SegmentFrames> {
    const { plan, carried } = this.files[segment.file]!;
    return await this.useFile(plan.path, (file) => readSegmentFrames(file, carried, fromPoint, toPoint));
  }

  /**
   * Part of the timeline as one fragmented MP4 that begins at time 0, piece by piece: from the access point at or
   * before `startUs` to the frame before `endUs`. Where the tracks change, the file ends, since it has one
   * description of them. Throws RejectedError when no track goes into MP4.
   */
  async *clip(startUs: number, endUs: number): AsyncGenerator<Buffer, void, void> {
    const inside = this.segments.filter(
      (one) => one.startUs + one.durationUs > startUs && one.startUs < endUs,
    );
    const first = inside[0];
    if (first === undefined) throw new RejectedError('not-found', 'There is nothing at that time.');
    const tracks = carriedTracks(this.files[first.file]!.plan.tracks, 'mp4');
    if (tracks.length === 0)
      throw new RejectedError('unsupported', 'MP4 cannot hold the codecs of this file.');
    yield makeInitSegment(tracks);
    let originUs = Number.NaN;
    let sequence = 1;
    for (const segment of inside) {
      const { plan, shiftUs, map } = this.files[segment.file]!;
      if (map !== first.map) return;
      const fromPoint =
        segment === first
          ? Math.max(segment.fromPoint, pointBefore(plan.points, startUs - shiftUs))
          : segment.fromPoint;
      const all = await this.useFile(plan.path, (file) =>
        readSegmentFrames(file, tracks, fromPoint, segment.toPoint),
      );
      const frames = all.frames.filter((frame) => frame.dts + shiftUs < endUs);
      if (frames.length === 0) continue;
      if (Number.isNaN(originUs)) originUs = frames[0]!.dts + shiftUs;
      const nextDts = frames.length === all.frames.length ? all.nextDts : NOTHING_BEHIND;
      yield makeMp4Segment(tracks, { frames, nextDts }, shiftUs - originUs, sequence++);
    }
  }
}

const NOTHING_BEHIND: ReadonlyMap<number, number> = new Map();

function isSameTracks(a: readonly Track[], b: readonly Track[]): boolean {
  return (
    a.length === b.length &&
    a.every((track, index) => track.kind === b[index]!.kind && isSameConfig(track.config, b[index]!.config))
  );
}

function refusal(placed: readonly PlacedFile[]): RejectedError {
  if (placed.length === 0 || placed.some(({ plan }) => plan.segments.length > 0 && hasMedia(plan)))
    return new RejectedError('not-found', 'Nothing lies in that time.');
  return new RejectedError('unsupported', 'This file has nothing that HLS can carry.');
}

function hasMedia(plan: FilePlan): boolean {
  return carriedTracks(plan.tracks, 'mp4').length + carriedTracks(plan.tracks, 'ts').length > 0;
}

/** Short, and different when any file or the window is. */
function versionOf(files: readonly UsedFile[], segments: readonly VodSegment[]): string {
  const hash = createHash('sha256');
  for (const { plan, shiftUs } of files) hash.update(`${plan.path}\n${plan.version}\n${shiftUs}\n`);
  return hash.update(String(segments.length)).digest('base64url').slice(0, 12);
}
