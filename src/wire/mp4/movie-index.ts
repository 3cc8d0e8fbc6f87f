/**
 * The movie box of an MP4 file to tracks with their samples: ISO/IEC 14496-12 8.2 to 8.7 (headers, sample tables,
 * edit lists) and 8.8.3 (defaults of movie fragments). Tables that are shorter than they say are used as far as they go.
 * Leaves out: edits behind the first one that shows media, compressed movie boxes, data in other files.
 */
import { ByteReader } from '../../util/byte-reader.ts';
import { ProtocolError } from '../../util/errors.ts';
import { BoxCursor, findBox, u32At, u64At } from './box-reader.ts';
import { parseSampleEntries, type SampleEntry } from './sample-entry-reader.ts';
import { DESCRIPTION_SHIFT, MAX_DESCRIPTIONS, SAMPLE_SYNC, SampleTable } from './sample-table.ts';

const BAD_MOVIE = 'mp4.bad-movie';
const TOO_MANY_SAMPLES = 'mp4.too-many-samples';
const MAX_TRACKS = 64;
/** Of a whole file: ten hours of 60 pictures a second with sound have 3.9 million. */
export const MAX_SAMPLES = 4_000_000;
const NOTHING = new Uint8Array(0);

/** What a track's fragments do not say themselves (`trex`). */
export interface FragmentDefaults {
  /** From 0. */
  readonly description: number;
  /** Ticks. */
  readonly duration: number;
  /** Bytes. */
  readonly size: number;
  /** As `trun` has them. */
  readonly flags: number;
}

export interface MovieTrack {
  readonly id: number;
  /** `vide`, `soun`, or what else the file says. */
  readonly handler: string;
  /** Ticks per second. */
  readonly timescale: number;
  /** ISO 639-2, '' when the file does not say. */
  readonly language: string;
  readonly entries: readonly SampleEntry[];
  /** Added to the track's own time by its edit list, microseconds. */
  readonly shiftUs: number;
  readonly samples: SampleTable;
  readonly defaults: FragmentDefaults;
}

export interface Movie {
  readonly tracks: readonly MovieTrack[];
  /** Samples come in fragments behind the movie box as well, or alone. */
  readonly isFragmented: boolean;
  /** Samples of the tables that lie behind the end of the file. */
  readonly samplesBeyondFile: number;
}

const NO_DEFAULTS: FragmentDefaults = { description: 0, duration: 0, size: 0, flags: 0 };

/** `moov` is the contents of the box, `fileBytes` the size of the file. Throws ProtocolError. */
export function parseMovie(moov: Uint8Array, fileBytes: number): Movie {
  const header = findBox(moov, 'mvhd');
  if (header === null)
    throw new ProtocolError(BAD_MOVIE, findBox(moov, 'cmov') === null ? 'no header' : 'compressed');
  const movieTimescale = readTimescale(header);
  const extension = findBox(moov, 'mvex');
  const defaults = extension === null ? new Map<number, FragmentDefaults>() : readDefaults(extension);
  const tables = new TableReader(fileBytes);
  const tracks: MovieTrack[] = [];
  const boxes = new BoxCursor(moov);
  while (boxes.advance() && tracks.length < MAX_TRACKS) {
    if (boxes.type !== 'trak') continue;
    const trak = moov.subarray(boxes.start, boxes.end);
    let track: MovieTrack | null = null;
    try {
      track = readTrack(trak, movieTimescale, defaults, tables);
    } catch (error) {
      // The others may still be good.
      if (!(error instanceof ProtocolError) || error.code === TOO_MANY_SAMPLES) throw error;
    }
    if (track !== null) tracks.push(track);
  }
  return { tracks, isFragmented: extension !== null, samplesBeyondFile: tables.beyondFile };
}

/** Of `mvhd` and `mdhd`, which begin alike. */
function readTimescale(header: Uint8Array): number {
  const reader = new ByteReader(header, BAD_MOVIE);
  const version = reader.u8();
  reader.skip(3 + (version === 1 ? 16 : 8));
  return reader.u32();
}

function readDefaults(extension: Uint8Array): Map<number, FragmentDefaults> {
  const found = new Map<number, FragmentDefaults>();
  const boxes = new BoxCursor(extension);
  while (boxes.advance() && found.size < MAX_TRACKS) {
    if (boxes.type !== 'trex') continue;
    const reader = new ByteReader(extension, BAD_MOVIE, boxes.start, boxes.end);
    reader.skip(4);
    const id = reader.u32();
    const description = descriptionOf(reader.u32());
    found.set(id, { description, duration: reader.u32(), size: reader.u32(), flags: reader.u32() });
  }
  return found;
}

/** From 1 in the file, from 0 here; what nobody has is the first. */
export function descriptionOf(index: number): number {
  return index >= 1 && index <= MAX_DESCRIPTIONS ? index - 1 : 0;
}

/** Null for a track that is broken in itself: the others may still be good. */
function readTrack(
  trak: Uint8Array,
  movieTimescale: number,
  defaults: ReadonlyMap<number, FragmentDefaults>,
  tables: TableReader,
): MovieTrack | null {
  const header = findBox(trak, 'tkhd');
  const media = findBox(trak, 'mdia');
  if (header === null || media === null) return null;
  const mediaHeader = findBox(media, 'mdhd');
  const handlerBox = findBox(media, 'hdlr');
  const information = findBox(media, 'minf');
  const table = information === null ? null : findBox(information, 'stbl');
  if (mediaHeader === null || handlerBox === null || table === null) return null;
  const id = readTrackId(header);
  const timescale = readTimescale(mediaHeader);
  if (timescale === 0 || handlerBox.length < 12) return null;
  const handler = String.fromCharCode(...handlerBox.subarray(8, 12));
  const edits = findBox(trak, 'edts');
  const editList = edits === null ? null : findBox(edits, 'elst');
  const isMedia = handler === 'vide' || handler === 'soun';
  const entries = isMedia ? parseSampleEntries(findBox(table, 'stsd') ?? NOTHING, handler) : [];
  // Tables of tracks that cannot be used are not expanded.
  const isUsable = entries.some((entry) => entry.config !== null);
  return {
    id,
    handler,
    timescale,
    language: readLanguage(mediaHeader),
    entries,
    shiftUs: editList === null ? 0 : readEdits(editList, movieTimescale, timescale),
    samples: isUsable ? tables.read(table) : new SampleTable(),
    defaults: defaults.get(id) ?? NO_DEFAULTS,
  };
}

function readTrackId(header: Uint8Array): number {
  const reader = new ByteReader(header, BAD_MOVIE);
  const version = reader.u8();
  reader.skip(3 + (version === 1 ? 16 : 8));
  return reader.u32();
}

/** Three letters of five bits each. */
function readLanguage(header: Uint8Array): string {
  const at = header[0] === 1 ? 32 : 20;
  if (header.length < at + 2) return '';
  const packed = (header[at]! << 8) | header[at + 1]!;
  const letters = [packed >> 10, packed >> 5, packed].map((bits) => bits & 31);
  // Macintosh language codes are smaller than any packed letters.
  if (packed < 0x400 || letters.some((letter) => letter < 1 || letter > 26)) return '';
  const language = String.fromCharCode(...letters.map((letter) => letter + 0x60));
  return language === 'und' ? '' : language;
}

/** Time before the media begins, less the part of the media that is not shown. */
function readEdits(list: Uint8Array, movieTimescale: number, timescale: number): number {
  if (list.length < 8) return 0;
  const isLong = list[0] === 1;
  const rowBytes = isLong ? 20 : 12;
  const rows = Math.min(u32At(list, 4), Math.floor((list.length - 8) / rowBytes));
  let emptyUs = 0;
  for (let i = 0; i < rows; i++) {
    const at = 8 + i * rowBytes;
    const duration = isLong ? u64At(list, at) : u32At(list, at);
    const mediaTime = isLong ? signed64At(list, at + 8) : u32At(list, at + 4) | 0;
    if (mediaTime >= 0) return emptyUs - (mediaTime / timescale) * 1_000_000;
    if (movieTimescale > 0) emptyUs += (duration / movieTimescale) * 1_000_000;
  }
  return emptyUs;
}

function signed64At(bytes: Uint8Array, at: number): number {
  return (u32At(bytes, at) | 0) * 0x1_0000_0000 + u32At(bytes, at + 4);
}

/** Rows of a table behind version, flags and a count of 32 bits. */
interface Rows {
  readonly bytes: Uint8Array;
  readonly count: number;
}

function rowsOf(table: Uint8Array, type: string, rowBytes: number): Rows {
  const box = findBox(table, type);
  if (box === null || box.length < 8) return { bytes: NOTHING, count: 0 };
  const bytes = box.subarray(8);
  return { bytes, count: Math.min(u32At(box, 4), Math.floor(bytes.length / rowBytes)) };
}

/** Sample tables of all tracks of one file, within one bound. */
class TableReader {
  beyondFile = 0;
  private readonly fileBytes: number;
  private total = 0;

  constructor(fileBytes: number) {
    this.fileBytes = fileBytes;
  }

  read(table: Uint8Array): SampleTable {
    const sizes = readSizes(table, this.fileBytes);
    this.total += sizes.count;
    if (this.total > MAX_SAMPLES) throw new ProtocolError(TOO_MANY_SAMPLES, this.total);
    const samples = new SampleTable(sizes.count);
    for (let i = 0; i < sizes.count; i++) samples.sizes[i] = sizes.uniform > 0 ? sizes.uniform : sizes.at(i);
    samples.count = sizes.count;
    placeSamples(table, samples);
    timeSamples(table, samples);
    shiftSamples(table, samples);
    markSyncSamples(table, samples);
    this.dropBeyondFile(samples);
    return samples;
  }

  /** A file that was cut off: its tables may stand in front of the media that is missing. */
  private dropBeyondFile(samples: SampleTable): void {
    let kept = 0;
    for (let i = 0; i < samples.count; i++) {
      const isInside = samples.offsets[i]! + samples.sizes[i]! <= this.fileBytes;
      if (!isInside) continue;
      if (kept !== i) {
        samples.offsets[kept] = samples.offsets[i]!;
        samples.sizes[kept] = samples.sizes[i]!;
        samples.times[kept] = samples.times[i]!;
        samples.shifts[kept] = samples.shifts[i]!;
        samples.marks[kept] = samples.marks[i]!;
      }
      kept++;
    }
    if (kept === samples.count) return;
    this.beyondFile += samples.count - kept;
    samples.count = kept;
    samples.endTime = kept === 0 ? 0 : samples.times[kept - 1]!;
  }
}

interface Sizes {
  readonly count: number;
  /** Bytes of every sample; 0 = `at` tells. */
  readonly uniform: number;
  at(index: number): number;
}

const NO_SIZES: Sizes = { count: 0, uniform: 0, at: () => 0 };

function readSizes(table: Uint8Array, fileBytes: number): Sizes {
  const box = findBox(table, 'stsz');
  if (box === null) return readCompactSizes(table);
  if (box.length < 12) return NO_SIZES;
  const uniform = u32At(box, 4);
  const claimed = u32At(box, 8);
  if (uniform > 0)
    return { count: Math.min(claimed, Math.floor(fileBytes / uniform)), uniform, at: () => uniform };
  const count = Math.min(claimed, (box.length - 12) >> 2);
  return { count, uniform: 0, at: (index) => u32At(box, 12 + index * 4) };
}

/** `stz2`: sizes of 4, 8 or 16 bits. */
function readCompactSizes(table: Uint8Array): Sizes {
  const box = findBox(table, 'stz2');
  if (box === null || box.length < 12) return NO_SIZES;
  const bits = box[7]!;
  if (bits !== 4 && bits !== 8 && bits !== 16) return NO_SIZES;
  const count = Math.min(u32At(box, 8), Math.floor(((box.length - 12) * 8) / bits));
  const at = (index: number): number => {
    if (bits === 16) return (box[12 + index * 2]! << 8) | box[13 + index * 2]!;
    if (bits === 8) return box[12 + index]!;
    const pair = box[12 + (index >> 1)]!;
    return index % 2 === 0 ? pair >> 4 : pair & 15;
  };
  return { count, uniform: 0, at };
}

/** Chunks and how many samples each has; samples behind the last chunk are cut. */
function placeSamples(table: Uint8Array, samples: SampleTable): void {
  const runs = rowsOf(table, 'stsc', 12);
  const short = rowsOf(table, 'stco', 4);
  const long = short.count > 0 ? { bytes: NOTHING, count: 0 } : rowsOf(table, 'co64', 8);
  const chunks = short.count + long.count;
  let sample = 0;
  let run = -1;
  let nextRunChunk = 0;
  let perChunk = 0;
  let mark = 0;
  for (let chunk = 0; chunk < chunks && sample < samples.count; chunk++) {
    while (run + 1 < runs.count && chunk >= nextRunChunk) {
      run++;
      perChunk = u32At(runs.bytes, run * 12 + 4);
      mark = descriptionOf(u32At(runs.bytes, run * 12 + 8)) << DESCRIPTION_SHIFT;
      nextRunChunk = run + 1 < runs.count ? u32At(runs.bytes, (run + 1) * 12) - 1 : Number.POSITIVE_INFINITY;
    }
    let offset = short.count > 0 ? u32At(short.bytes, chunk * 4) : u64At(long.bytes, chunk * 8);
    const end = Math.min(samples.count, sample + perChunk);
    for (; sample < end; sample++) {
      samples.offsets[sample] = offset;
      samples.marks[sample] = mark;
      offset += samples.sizes[sample]!;
    }
  }
  samples.count = sample;
}

function timeSamples(table: Uint8Array, samples: SampleTable): void {
  const rows = rowsOf(table, 'stts', 8);
  let sample = 0;
  let time = 0;
  let delta = 0;
  for (let row = 0; row < rows.count && sample < samples.count; row++) {
    const end = Math.min(samples.count, sample + u32At(rows.bytes, row * 8));
    delta = u32At(rows.bytes, row * 8 + 4);
    // Some writers repair a clock with a negative step, which 8.6.1.2 does not allow.
    if (delta >= 0x8000_0000) delta = 0;
    for (; sample < end; sample++) {
      samples.times[sample] = time;
      time += delta;
    }
  }
  for (; sample < samples.count; sample++) {
    samples.times[sample] = time;
    time += delta;
  }
  samples.endTime = time;
}

function shiftSamples(table: Uint8Array, samples: SampleTable): void {
  const rows = rowsOf(table, 'ctts', 8);
  let sample = 0;
  for (let row = 0; row < rows.count && sample < samples.count; row++) {
    const end = Math.min(samples.count, sample + u32At(rows.bytes, row * 8));
    // Signed in version 1; in version 0 nothing real is that large, and writers put negative ones there too.
    const shift = u32At(rows.bytes, row * 8 + 4) | 0;
    for (; sample < end; sample++) samples.shifts[sample] = shift;
  }
}

/** Without the table every sample is one. */
function markSyncSamples(table: Uint8Array, samples: SampleTable): void {
  if (findBox(table, 'stss') === null) {
    for (let i = 0; i < samples.count; i++) samples.marks[i] = samples.marks[i]! | SAMPLE_SYNC;
    return;
  }
  const rows = rowsOf(table, 'stss', 4);
  for (let row = 0; row < rows.count; row++) {
    const sample = u32At(rows.bytes, row * 4) - 1;
    if (sample >= 0 && sample < samples.count) samples.marks[sample] = samples.marks[sample]! | SAMPLE_SYNC;
  }
}
