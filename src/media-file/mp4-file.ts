/**
 * MP4 files: finds the movie box wherever it stands and the fragments behind it, and gives the samples of all tracks
 * merged by decode time, whatever their order in the file (ISO/IEC 14496-12).
 * A file cut off in the middle is played as far as it goes, as long as its movie box is there.
 */
import type { TrackKind } from '../codec/codec-id.ts';
import { defaultTrack, type Track } from '../media/track.ts';
import { InvariantError, ProtocolError } from '../util/errors.ts';
import { MAX_BOX_HEADER_BYTES, parseBoxHeader, printable } from '../wire/mp4/box-reader.ts';
import { FragmentReader } from '../wire/mp4/fragment-reader.ts';
import { type Movie, type MovieTrack, parseMovie } from '../wire/mp4/movie-index.ts';
import { DESCRIPTION_SHIFT } from '../wire/mp4/sample-table.ts';
import type { FileSource } from './file-source.ts';
import type { FilePoint, FrameReader, IndexedFile } from './media-file.ts';
import { MAX_SAMPLE_BYTES, Mp4Reader } from './mp4-reader.ts';
import { describeTrack, Mp4Track } from './mp4-samples.ts';
import { thinPoints } from './point-list.ts';

const MAX_MOVIE_BYTES = 128 * 1024 * 1024;
const MAX_FRAGMENT_BYTES = 16 * 1024 * 1024;
/** A fragment has two; ten hours of fragments of 100 ms fit. */
const MAX_BOXES = 1_000_000;
/** Headers are read this much at a time, so that a short `moof` comes with its header. */
const HEAD_BYTES = 4096;
const MAX_TRACKS_PER_KIND = 15;
/** Access points of a file that has only sound. */
const SOUND_POINT_US = 1_000_000;

interface Found {
  readonly movie: Movie;
  readonly damage: string;
}

export async function openMp4File(source: FileSource): Promise<IndexedFile> {
  const { movie, damage } = await readBoxes(source);
  const leftOut: string[] = [];
  const tracks = await readTracks(source, movie.tracks, leftOut);
  if (tracks.length === 0) {
    const reasons = leftOut.length === 0 ? 'It has no samples.' : leftOut.join(' ');
    throw new ProtocolError('media-file.nothing-playable', `This MP4 file has nothing to play: ${reasons}`);
  }
  return new Mp4File(source, tracks, damage, leftOut);
}

/** Walks the outer boxes. Throws ProtocolError when there is no usable movie box. */
async function readBoxes(source: FileSource): Promise<Found> {
  let movie: Movie | null = null;
  let fragments: FragmentReader | null = null;
  let damage = '';
  let position = 0;
  for (let boxes = 0; boxes < MAX_BOXES && position < source.sizeBytes; boxes++) {
    const head = await source.read(position, HEAD_BYTES);
    let header = null;
    try {
      header = parseBoxHeader(head, 0);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
    if (header === null) {
      damage =
        head.length < MAX_BOX_HEADER_BYTES ? 'The file was cut off.' : `There is no box at byte ${position}.`;
      break;
    }
    const { type, headerBytes } = header;
    const size = header.sizeBytes === 0 ? source.sizeBytes - position : header.sizeBytes;
    if (position + size > source.sizeBytes) damage = 'The file was cut off.';
    if (type === 'moov' || type === 'moof') {
      if (position + size > source.sizeBytes) break;
      if (size > (type === 'moov' ? MAX_MOVIE_BYTES : MAX_FRAGMENT_BYTES))
        throw new ProtocolError('mp4.box-too-big', `${printable(type)} of ${size} bytes`);
      const box = size <= head.length ? head.subarray(0, size) : await source.read(position, size);
      const contents = box.subarray(headerBytes);
      if (type === 'moov') {
        // A second one is what an interrupted writer left behind.
        movie ??= parseMovie(contents, source.sizeBytes);
      } else if (movie !== null) {
        fragments ??= new FragmentReader(movie.tracks, source.sizeBytes);
        try {
          fragments.read(contents, position);
        } catch (error) {
          if (!(error instanceof ProtocolError)) throw error;
          damage = `A fragment is broken (${error.message}).`;
        }
        if (fragments.isFull) {
          damage = 'The file has too many samples; the rest is left out.';
          break;
        }
      }
    }
    position += size;
  }
  if (movie === null)
    throw new ProtocolError(
      'media-file.no-movie',
      'This MP4 file has no movie box: it was cut off, or is still written.',
    );
  const lost = movie.samplesBeyondFile + (fragments?.samplesBeyondFile ?? 0);
  if (lost > 0) damage = `The file was cut off: ${lost} samples are missing.`;
  return { movie, damage };
}

async function readTracks(
  source: FileSource,
  movieTracks: readonly MovieTrack[],
  leftOut: string[],
): Promise<Mp4Track[]> {
  const tracks: Mp4Track[] = [];
  const counts: Record<TrackKind, number> = { video: 0, audio: 0, data: 0 };
  for (const movieTrack of movieTracks) {
    const { samples, entries } = movieTrack;
    for (const { reason } of entries) if (reason !== '' && !leftOut.includes(reason)) leftOut.push(reason);
    const usable = entries.find((entry) => entry.config !== null);
    if (usable?.config == null || samples.count === 0) continue;
    const kind: TrackKind = movieTrack.handler === 'vide' ? 'video' : 'audio';
    const wireIndex = counts[kind];
    if (wireIndex === MAX_TRACKS_PER_KIND) continue;
    // As those of FLV: even numbers are pictures.
    const id = wireIndex * 2 + (kind === 'video' ? 0 : 1);
    const track = await describeFirst(source, movieTrack, id, wireIndex);
    if (track === null) leftOut.push(`Nothing tells how track ${movieTrack.id} is to be decoded.`);
    else if (track.kind !== kind) leftOut.push(`Track ${movieTrack.id} is not what its handler says.`);
    else {
      counts[kind]++;
      tracks.push(new Mp4Track(movieTrack, track));
    }
  }
  return tracks;
}

async function describeFirst(
  source: FileSource,
  movieTrack: MovieTrack,
  id: number,
  wireIndex: number,
): Promise<Track | null> {
  const { samples, entries } = movieTrack; // there is at least one sample
  const entry = entries[samples.marks[0]! >> DESCRIPTION_SHIFT];
  if (entry === undefined || entry.config === null) return null;
  const bytes = await source.read(samples.offsets[0]!, Math.min(samples.sizes[0]!, MAX_SAMPLE_BYTES));
  return describeTrack(movieTrack, entry, id, wireIndex, bytes);
}

class Mp4File implements IndexedFile {
  readonly format = 'mp4';
  readonly path: string;
  readonly sizeBytes: number;
  readonly tracks: readonly Track[];
  readonly durationUs: number;
  readonly points: readonly FilePoint[];
  readonly damage: string;
  readonly leftOut: readonly string[];
  private readonly source: FileSource;
  private readonly parts: readonly Mp4Track[];
  private readonly leader: Mp4Track;

  constructor(source: FileSource, parts: readonly Mp4Track[], damage: string, leftOut: readonly string[]) {
    this.source = source;
    this.path = source.path;
    this.sizeBytes = source.sizeBytes;
    this.leftOut = leftOut;
    this.damage = damage;
    const originUs = Math.min(...parts.map(earliestPts));
    for (const part of parts) part.originUs += originUs;
    // Pictures without a key frame do not lead: nobody could begin.
    const tracks = parts.map((part) => part.track);
    const video = defaultTrack(tracks, 'video');
    const candidates = [video, defaultTrack(tracks, 'audio')].filter((track) => track !== undefined);
    let leader: Mp4Track | undefined;
    let points: FilePoint[] = [];
    for (const track of candidates) {
      leader = parts.find((part) => part.track === track)!; // a track is one of a part
      points = pointsOf(leader);
      if (points.length > 0) break;
    }
    if (leader === undefined || points.length === 0)
      throw new ProtocolError(
        'media-file.nothing-playable',
        'No sample of this MP4 file is a place to begin.',
      );
    this.leader = leader;
    this.points = points;
    this.parts = video === undefined || leader.isVideo ? parts : parts.filter((part) => part.track !== video);
    this.tracks = this.parts.map((part) => part.track);
    this.durationUs = Math.max(...this.parts.map(endOf));
  }

  get memoryBytes(): number {
    let bytes = this.points.length * 48;
    for (const { samples } of this.parts) bytes += samples.memoryBytes;
    return bytes;
  }

  open(pointIndex: number): FrameReader {
    const point = this.points[pointIndex];
    if (point === undefined) throw new InvariantError(`access point ${pointIndex} of ${this.points.length}`);
    const { leader, parts } = this;
    const dts = leader.dts(point.position);
    // What comes before the first picture belongs to the start.
    const first = (part: Mp4Track) =>
      part === leader ? point.position : pointIndex === 0 ? 0 : part.sampleAt(dts);
    // Of frames of one time the leader's comes first.
    const ordered = [leader, ...parts.filter((part) => part !== leader)];
    return new Mp4Reader(this.source, ordered, ordered.map(first));
  }

  async isIntact(): Promise<boolean> {
    return await this.source.isIntact();
  }

  async rest(): Promise<void> {
    await this.source.rest();
  }

  async close(): Promise<void> {
    await this.source.close();
  }
}

function earliestPts(part: Mp4Track): number {
  let earliest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < part.samples.count; i++) earliest = Math.min(earliest, part.pts(i));
  return earliest;
}

/** Presentation end of the track. */
function endOf(part: Mp4Track): number {
  let end = 0;
  const { count } = part.samples;
  // Only the last pictures can be the last to be shown.
  for (let i = Math.max(0, count - 64); i < count; i++) end = Math.max(end, part.pts(i) + part.durationUs(i));
  return end;
}

function pointsOf(leader: Mp4Track): FilePoint[] {
  const points: FilePoint[] = [];
  let last = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < leader.samples.count; i++) {
    if (!leader.isSync(i)) continue;
    const timeUs = leader.pts(i);
    if (leader.isVideo ? timeUs <= last : timeUs < last + SOUND_POINT_US) continue;
    last = timeUs;
    points.push({ timeUs, position: i });
  }
  return thinPoints(points);
}
