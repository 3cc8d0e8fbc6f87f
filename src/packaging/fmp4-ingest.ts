/**
 * Fragmented MP4 (CMAF) as a stream of bytes to tracks and frames: `ftyp` and `moov`, then `moof` and `mdat` again and
 * again, in pieces of any size (ISO/IEC 14496-12 8.8, ISO/IEC 23000-19). Frames come when their `mdat` is complete,
 * those of several tracks by decode time; edit lists are applied. A new `moov` may come at any time: a track that takes
 * the place of another of its kind goes on as the same track.
 * Leaves out: movies with sample tables instead of fragments, encryption, sample groups; `styp`, `sidx`, `prft`, `emsg`
 * and all other boxes are skipped.
 */
import { CODECS, type CodecId } from '../codec/codec-id.ts';
import { ProtocolError } from '../util/errors.ts';
import { MAX_BOX_HEADER_BYTES, parseBoxHeader, printable } from '../wire/mp4/box-reader.ts';
import { FragmentReader } from '../wire/mp4/fragment-reader.ts';
import { type MovieTrack, parseMovie } from '../wire/mp4/movie-index.ts';
import { Fmp4Track } from './fmp4-ingest-track.ts';
import type { TsIngestOutput } from './ts-ingest.ts';

/** Of a movie box without sample tables. */
const MAX_MOVIE_BYTES = 1024 * 1024;
const MAX_FRAGMENT_BYTES = 2 * 1024 * 1024;
/** Of one `mdat`: ten seconds of 50 Mbit/s. */
const MAX_MEDIA_BYTES = 64 * 1024 * 1024;
/** Of one fragment: five minutes of 60 pictures with sound. */
const MAX_FRAGMENT_SAMPLES = 32_768;
const MAX_VIDEO_TRACKS = 4;
const MAX_AUDIO_TRACKS = 12;
/** Memory for a box that comes in pieces grows with what has come, not with what its header says. */
const FIRST_STORE_BYTES = 64 * 1024;
/** What may come before the movie box; anything else is no MP4. */
const FIRST_TYPES: ReadonlySet<string> = new Set([
  'ftyp',
  'styp',
  'sidx',
  'prft',
  'emsg',
  'free',
  'skip',
  'wide',
  'pdin',
  'uuid',
  'meta',
  'udta',
  'ssix',
]);
const NO_BYTES = new Uint8Array(0);

export class Fmp4Ingest {
  /** Fragments that came before any movie box. */
  fragmentsWithoutMovie = 0;
  private readonly output: TsIngestOutput;
  private tracks: Fmp4Track[] = [];
  private movieTracks: readonly MovieTrack[] = [];
  private unused: readonly string[] = [];
  private lastMovie: Uint8Array = NO_BYTES;
  /** Place of the next byte in its resource. */
  private position = 0;
  private readonly header = new Uint8Array(MAX_BOX_HEADER_BYTES);
  private headerBytes = 0;
  /** Place of the header of the present box. */
  private boxPosition = 0;
  private boxType = '';
  /** Of the present box's contents, still to come; Infinity = to the end. */
  private left = 0;
  private isKept = false;
  private store: Uint8Array = NO_BYTES;
  private stored = 0;
  private goneDamaged = 0;
  private goneWithoutConfig = 0;

  constructor(output: TsIngestOutput) {
    this.output = output;
  }

  /** Samples that make no sense, or whose bytes did not come. */
  get damagedFrames(): number {
    return this.tracks.reduce((sum, track) => sum + track.damagedFrames, this.goneDamaged);
  }

  /** Samples dropped because nothing told how to decode them. */
  get framesWithoutConfig(): number {
    return this.tracks.reduce((sum, track) => sum + track.framesWithoutConfig, this.goneWithoutConfig);
  }

  /** Whether a movie box came. */
  get hasMovie(): boolean {
    return this.lastMovie.length > 0;
  }

  /** Sentences about tracks of the present movie that are not used. */
  leftOut(): readonly string[] {
    return this.unused;
  }

  /** Takes the next bytes. Throws ProtocolError. Hot path. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.left === 0) {
        at += this.takeHeader(bytes, at);
        continue;
      }
      const count = Math.min(this.left, bytes.length - at);
      if (this.isKept && this.stored === 0 && count === this.left) {
        this.left = 0;
        this.position += count;
        this.box(bytes.subarray(at, at + count));
      } else {
        if (this.isKept) this.keep(bytes, at, count);
        this.left -= count;
        this.position += count;
        if (this.left === 0 && this.isKept) this.boxFromStore();
      }
      at += count;
    }
  }

  /** No more bytes follow. Returns whether they may end here, that is behind a box. */
  finish(): boolean {
    const isEndless = this.left === Number.POSITIVE_INFINITY;
    if (isEndless && this.isKept) this.boxFromStore();
    const isWhole = this.headerBytes === 0 && (this.left === 0 || isEndless);
    this.restart();
    return isWhole;
  }

  /**
   * The next bytes are not what follows: they begin a resource of their own (a segment), or the part of one at
   * `position`. Tracks stay as they are; what is not complete is dropped.
   */
  restart(position = 0): void {
    for (const track of this.tracks) track.clear();
    this.position = position;
    this.headerBytes = 0;
    this.left = 0;
    this.stored = 0;
    this.isKept = false;
  }

  /** Returns how many bytes were taken. */
  private takeHeader(bytes: Uint8Array, at: number): number {
    const wanted = this.headerBytes < 8 ? 8 : MAX_BOX_HEADER_BYTES;
    const count = Math.min(wanted - this.headerBytes, bytes.length - at);
    if (this.headerBytes === 0) this.boxPosition = this.position;
    for (let i = 0; i < count; i++) this.header[this.headerBytes + i] = bytes[at + i]!;
    this.headerBytes += count;
    this.position += count;
    const header = parseBoxHeader(this.header.subarray(0, this.headerBytes), 0);
    if (header === null) return count;
    this.headerBytes = 0;
    this.stored = 0;
    this.boxType = header.type;
    const isEndless = header.sizeBytes === 0;
    this.left = isEndless ? Number.POSITIVE_INFINITY : header.sizeBytes - header.headerBytes;
    const maxBytes = this.limitOf(header.type);
    this.isKept = maxBytes > 0;
    if (this.isKept && this.left > maxBytes && !(isEndless && header.type === 'mdat'))
      throw new ProtocolError('mp4.box-too-big', `${printable(header.type)} of ${header.sizeBytes} bytes`);
    if (this.left === 0 && this.isKept) this.box(NO_BYTES);
    return count;
  }

  /** Contents that are collected, bytes at most; 0 = the box is skipped. Throws ProtocolError for what is none. */
  private limitOf(type: string): number {
    switch (type) {
      case 'moov':
        return MAX_MOVIE_BYTES;
      case 'moof':
        return MAX_FRAGMENT_BYTES;
      case 'mdat':
        return this.tracks.some((track) => track.next < track.source.samples.count) ? MAX_MEDIA_BYTES : 0;
      default:
        if (!this.hasMovie ? !FIRST_TYPES.has(type) : printable(type) !== type)
          throw new ProtocolError('mp4.bad-box', `type "${printable(type)}"`);
        return 0;
    }
  }

  private keep(bytes: Uint8Array, at: number, count: number): void {
    const needed = this.stored + count;
    if (needed > MAX_MEDIA_BYTES)
      throw new ProtocolError('mp4.box-too-big', `${this.boxType} of ${needed} bytes`);
    if (needed > this.store.length) {
      const grown = new Uint8Array(Math.max(needed, this.store.length * 2, FIRST_STORE_BYTES));
      grown.set(this.store.subarray(0, this.stored));
      this.store = grown;
    }
    this.store.set(at === 0 && count === bytes.length ? bytes : bytes.subarray(at, at + count), this.stored);
    this.stored = needed;
  }

  private boxFromStore(): void {
    const contents = this.store.subarray(0, this.stored);
    this.stored = 0;
    this.isKept = false;
    this.left = 0;
    this.box(contents);
  }

  /** A box that is complete; `contents` stay valid during the call. The next byte is the one behind it. */
  private box(contents: Uint8Array): void {
    switch (this.boxType) {
      case 'moov':
        this.movie(contents);
        break;
      case 'moof':
        this.fragment(contents);
        break;
      default:
        this.media(contents, this.position - contents.length);
    }
  }

  private movie(contents: Uint8Array): void {
    // Segments of a list and senders that say it again have the same one every time.
    if (Buffer.compare(contents, this.lastMovie) === 0) return;
    // Without samples of its own: their bytes would have to lie in a file of no size.
    const { tracks, isFragmented } = parseMovie(contents, 0);
    if (!isFragmented)
      throw new ProtocolError('mp4.not-fragmented', 'only fragments can be sent as a stream');
    this.lastMovie = Uint8Array.from(contents);
    const before = this.tracks;
    const unused: string[] = [];
    const counts = [0, 0];
    const found: Fmp4Track[] = [];
    for (const source of tracks) {
      for (const { reason } of source.entries)
        if (reason !== '' && !unused.includes(reason)) unused.push(reason);
      const codec = codecOf(source);
      if (codec === null) continue;
      const kind = source.handler === 'vide' ? 0 : 1;
      const index = counts[kind]!;
      if (index >= (kind === 0 ? MAX_VIDEO_TRACKS : MAX_AUDIO_TRACKS)) {
        unused.push(`There are too many tracks for track ${source.id}.`);
        continue;
      }
      counts[kind] = index + 1;
      const id = index * 2 + kind;
      const old = before.find((track) => track.id === id);
      found.push(new Fmp4Track(source, codec, id, old?.config ?? null, this.output));
    }
    for (const track of before) {
      track.clear();
      this.goneDamaged += track.damagedFrames;
      this.goneWithoutConfig += track.framesWithoutConfig;
    }
    this.tracks = found;
    this.unused = unused;
    this.movieTracks = found.map((track) => track.source);
    for (const track of found) track.announce();
  }

  private fragment(contents: Uint8Array): void {
    if (!this.hasMovie) {
      this.fragmentsWithoutMovie++;
      return;
    }
    for (const track of this.tracks) track.clear();
    const reader = new FragmentReader(this.movieTracks, Number.POSITIVE_INFINITY, MAX_FRAGMENT_SAMPLES);
    reader.read(contents, this.boxPosition);
    if (reader.isFull)
      throw new ProtocolError('mp4.too-many-samples', `more than ${MAX_FRAGMENT_SAMPLES} in a fragment`);
  }

  /** Samples that lie in these bytes, by decode time. */
  private media(bytes: Uint8Array, position: number): void {
    let room = bytes.length;
    for (;;) {
      let first: Fmp4Track | null = null;
      let firstMs = Number.POSITIVE_INFINITY;
      for (const track of this.tracks) {
        const { samples } = track.source;
        // Where each sample lies is the sender's word.
        while (track.next < samples.count && samples.offsets[track.next]! < position) {
          track.damagedFrames++;
          track.next++;
        }
        if (track.next >= samples.count) continue;
        const { next } = track;
        // The rest may be in another box of media.
        if (samples.offsets[next]! + samples.sizes[next]! > position + bytes.length) continue;
        const ms = track.dtsMs(next);
        if (first !== null && ms >= firstMs) continue;
        first = track;
        firstMs = ms;
      }
      if (first === null) return;
      const sample = first.next++;
      const { offsets, sizes } = first.source.samples;
      const start = offsets[sample]! - position;
      room -= sizes[sample]!;
      // A few bytes that stand for many samples would cost far more than they did to send.
      if (room < 0) throw new ProtocolError('mp4.bad-fragment', 'samples overlap');
      first.write(sample, bytes.subarray(start, start + sizes[sample]!));
    }
  }
}

/** Of the track's first usable description; null when there is none, or the track is of another kind than it says. */
function codecOf({ entries, handler }: MovieTrack): CodecId | null {
  const codec = entries.find((entry) => entry.config !== null)?.config?.codec ?? null;
  if (codec === null) return null;
  return CODECS[codec].kind === (handler === 'vide' ? 'video' : 'audio') ? codec : null;
}
