/**
 * Spans as media: their tracks, where they can be cut, and the frames of a part of one. Times of files and the wall
 * clock meet here: a file's first frame has the time at which the file began.
 */
import type { Frame } from '../../media/frame.ts';
import type { Track } from '../../media/track.ts';
import type { FilePoint, MediaFile } from '../../media-file/media-file.ts';
import { MediaFileCache, type MediaFileCacheOptions } from '../../media-file/media-file-cache.ts';
import { readSegmentFrames, type SegmentFrames } from '../../media-file/vod-frames.ts';
import { readableError } from '../../media-file/vod-library.ts';
import { pointBefore } from '../../media-file/vod-plan.ts';
import { type Container, carriedTracks } from '../../media-file/vod-segment.ts';
import type { RecordingIndex } from '../../recordings/recording-index.ts';
import { RejectedError } from '../../util/errors.ts';
import type { RecordedSpan } from './window-spans.ts';

/** Access points of all kept facts, some 50 bytes each. */
const MAX_KEPT_POINTS = 300_000;
const MAX_KEPT = 5000;
/** Rounding of the index and of containers: a continued part begins at the first key frame from here on. */
const PART_TOLERANCE_US = 500_000;
const POINT_TOLERANCE_US = 500;
/** Sound this much in front of the first picture was there before the pictures. */
const MAX_LEAD_US = 1_000_000;

export interface SpanFacts {
  readonly tracks: readonly Track[];
  /** Access points of the span; times of the file. Never empty. */
  readonly points: readonly FilePoint[];
  readonly startUs: number;
  readonly endUs: number;
  /** Microseconds since 1970 of the file's time 0, as this span counts it. */
  readonly zeroWallUs: number;
}

/** A part of a span, from one of its access points on. */
export interface SpanCut {
  readonly span: RecordedSpan;
  /** Times of the file, microseconds; `toUs` NaN = to the end of the span. */
  readonly fromUs: number;
  readonly toUs: number;
}

export interface CutFrames extends SegmentFrames {
  /** Tracks of the frames, pictures first. */
  readonly tracks: readonly Track[];
  readonly zeroWallUs: number;
}

export class SpanReader {
  private readonly index: RecordingIndex;
  private readonly files: MediaFileCache;
  /** Least recently used first. */
  private readonly kept = new Map<string, SpanFacts>();
  private keptPoints = 0;

  constructor(index: RecordingIndex, options: MediaFileCacheOptions) {
    this.index = index;
    this.files = new MediaFileCache(options);
  }

  /** Throws RejectedError when the file is gone or broken. */
  async facts(span: RecordedSpan): Promise<SpanFacts> {
    const key = `${span.startMs} ${span.version} ${span.file}`;
    const known = this.kept.get(key);
    if (known !== undefined) {
      this.kept.delete(key);
      this.kept.set(key, known);
      return known;
    }
    const facts = await this.use(span, (file) => readFacts(file, span));
    if (!this.kept.has(key)) this.keptPoints += facts.points.length;
    this.kept.set(key, facts);
    for (const [oldest, { points }] of this.kept) {
      if (this.kept.size <= MAX_KEPT && this.keptPoints <= MAX_KEPT_POINTS) break;
      this.kept.delete(oldest);
      this.keptPoints -= points.length;
    }
    return facts;
  }

  /** The frames of a cut for a container; the span need not be as it was when the cut was planned. */
  async frames({ span, fromUs, toUs }: SpanCut, container: Container): Promise<CutFrames> {
    const { zeroWallUs, points: own } = await this.facts(span);
    return await this.use(span, async (file) => {
      const tracks = carriedTracks(file.tracks, container);
      if (tracks.length === 0)
        throw new RejectedError('unsupported', 'The codecs of this recording do not fit into this format.');
      const { points } = file;
      const fromPoint = pointBefore(points, Math.max(fromUs, own[0]!.timeUs) + POINT_TOLERANCE_US);
      const limitUs = Number.isNaN(toUs) ? endOfPart(points, span) : toUs - POINT_TOLERANCE_US;
      const toPoint = firstFrom(points, limitUs);
      const all = await readSegmentFrames(file, tracks, fromPoint, Math.max(toPoint, fromPoint + 1));
      const isAtPoint =
        toPoint < points.length && Math.abs(points[toPoint]!.timeUs - toUs) < 2 * POINT_TOLERANCE_US;
      if (Number.isNaN(toUs) || isAtPoint) return { ...all, tracks, zeroWallUs };
      // The end of what was there when the cut was planned.
      const frames = all.frames.filter((frame: Frame) => frame.dts < toUs);
      return { frames, nextDts: new Map(), tracks, zeroWallUs };
    });
  }

  /** Counts as a reader, so that the file is not removed meanwhile. */
  private async use<T>(span: RecordedSpan, action: (file: MediaFile) => Promise<T>): Promise<T> {
    const path = this.index.pathOf(span.file);
    this.index.readers.enter(path);
    try {
      return await this.files.use(path, action);
    } catch (error) {
      throw readableError(error);
    } finally {
      this.index.readers.leave(path);
    }
  }

  async close(): Promise<void> {
    this.kept.clear();
    await this.files.close();
  }
}

async function readFacts(file: MediaFile, span: RecordedSpan): Promise<SpanFacts> {
  const { tracks, durationUs } = file;
  const fromPoint = span.fromUs === 0 ? 0 : firstFrom(file.points, span.fromUs - PART_TOLERANCE_US);
  const toPoint = firstFrom(file.points, endOfPart(file.points, span));
  const points = file.points.slice(fromPoint, toPoint);
  const first = points[0];
  if (first === undefined) throw new RejectedError('not-found', 'Nothing of this recording can be played.');
  // Pictures are shown some time after they are decoded, and a recording begins when its first one comes.
  const fileLeadUs = (await firstFrameUs(file)) - file.points[0]!.timeUs; // there is a point
  const leadUs = fromPoint > 0 ? Math.max(fileLeadUs, -MAX_LEAD_US) : fileLeadUs;
  const startUs = fromPoint === 0 ? 0 : first.timeUs;
  const endUs =
    toPoint < file.points.length ? file.points[toPoint]!.timeUs : Math.max(durationUs, startUs + 1);
  return {
    tracks,
    points,
    startUs,
    endUs,
    zeroWallUs: Math.round(span.startMs * 1000) - (first.timeUs + leadUs),
  };
}

/** Decode time of the frame that a file began with. */
async function firstFrameUs(file: MediaFile): Promise<number> {
  const [leader] = carriedTracks(file.tracks, 'mp4').concat(file.tracks);
  const reader = file.open(0);
  try {
    const frames = await reader.read();
    const earliestUs = frames.reduce((least, frame) => Math.min(least, frame.dts), Number.POSITIVE_INFINITY);
    const leadUs = frames.find((frame) => frame.trackId === leader?.id)?.dts ?? earliestUs;
    if (!Number.isFinite(earliestUs)) return file.points[0]!.timeUs; // a file has an access point
    return leadUs - earliestUs < MAX_LEAD_US ? leadUs : earliestUs;
  } finally {
    reader.close();
  }
}

function endOfPart(points: readonly FilePoint[], { untilUs }: RecordedSpan): number {
  if (Number.isNaN(untilUs)) return Number.POSITIVE_INFINITY;
  const next = points[firstFrom(points, untilUs - PART_TOLERANCE_US)];
  return next === undefined ? Number.POSITIVE_INFINITY : next.timeUs;
}

/** The first access point at or behind a time; their count when there is none. */
function firstFrom(points: readonly FilePoint[], timeUs: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (points[middle]!.timeUs < timeUs) low = middle + 1;
    else high = middle;
  }
  return low;
}
