/**
 * Segments of one media playlist to frames, in the order of the segments: MPEG-TS, fragmented MP4, and packed audio
 * (AAC in ADTS, MP3, AC-3, E-AC-3) with its ID3 timestamp (RFC 8216bis section 3). The first bytes say which it is.
 * Times are those of the segments, in microseconds. Left out: WebVTT, IMSC.
 */
import { parseAc3Frame } from '../../codec/ac3.ts';
import { parseAdtsHeader } from '../../codec/adts.ts';
import { type CodecConfig, isSameConfig } from '../../codec/codec-config.ts';
import type { TrackKind } from '../../codec/codec-id.ts';
import { parseMp3Frame } from '../../codec/mp3.ts';
import { FRAME_CONFIG } from '../../media/frame.ts';
import { makeTrack, type Track } from '../../media/track.ts';
import { Fmp4Ingest } from '../../packaging/fmp4-ingest.ts';
import { TsIngest, type TsIngestOutput } from '../../packaging/ts-ingest.ts';
import { ProtocolError } from '../../util/errors.ts';
import { SlabWriter } from '../../util/slab.ts';
import { PesPacket } from '../../wire/mpegts/pes-reader.ts';
import { looksLikeTs, TsReader } from '../../wire/mpegts/ts-reader.ts';
import { readId3Timestamp } from './id3-timestamp.ts';

/** A minute of 60 pictures a second with many tracks of sound. */
const MAX_SEGMENT_FRAMES = 100_000;
const SNIFF_BYTES = 2048;
const PACKED_PID = 0x100;
const NO_TIME = -1;
/** Stream types of ISO/IEC 13818-1 and ATSC A/52. */
const PACKED_TYPES = { aac: 15, mp3: 3, ac3: 129, eac3: 135 } as const;
const NO_BYTES = new Uint8Array(0);

/** A frame on its way; its times are moved to those of the pull before it is handed out. */
export class SegmentFrame {
  readonly trackId: number;
  readonly flags: number;
  dts: number;
  pts: number;
  readonly duration: number;
  readonly payload: Uint8Array;
  readonly config: CodecConfig;
  /** All tracks of its playlist from this frame on; null = as before. */
  tracks: readonly Track[] | null;
  captureTime: number;

  constructor(
    trackId: number,
    flags: number,
    dts: number,
    pts: number,
    duration: number,
    payload: Uint8Array,
    config: CodecConfig,
  ) {
    this.trackId = trackId;
    this.flags = flags;
    this.dts = dts;
    this.pts = pts;
    this.duration = duration;
    this.payload = payload;
    this.config = config;
    this.tracks = null;
    this.captureTime = Number.NaN;
  }
}

export interface Segment {
  readonly bytes: Buffer;
  /** Initialization section; null = there is none. */
  readonly init: Buffer | null;
  /** Where in its resource it begins. */
  readonly position: number;
  /** A time near which those of MPEG-TS are meant, milliseconds; NaN = not known. */
  readonly nearMs: number;
}

export class SegmentDemuxer implements TsIngestOutput {
  private readonly kinds: ReadonlySet<TrackKind>;
  private readonly language: string;
  private readonly nowUs: () => number;
  private readonly slab = new SlabWriter();
  private reader: TsReader | null = null;
  private ingest: TsIngest | null = null;
  private movie: Fmp4Ingest | null = null;
  private lastInit: Buffer | null = null;
  private packed: PesPacket | null = null;
  private tracks: readonly Track[] = [];
  /** Config of each track as its frames had it last. */
  private readonly configs = new Map<number, CodecConfig>();
  private frames: SegmentFrame[] = [];
  private hasNewTracks = false;

  /** Tracks of other kinds are left out. `language` is that of sound that does not tell its own. */
  constructor(kinds: readonly TrackKind[], language: string, nowUs: () => number) {
    this.kinds = new Set(kinds);
    this.language = language;
    this.nowUs = nowUs;
  }

  /**
   * Frames of a whole segment, with those of the segment before that needed it. Throws ProtocolError; then nothing of
   * the segment is left, and the next one does not go on from it.
   */
  take(segment: Segment): SegmentFrame[] {
    try {
      this.feed(segment);
    } catch (error) {
      this.breakUp();
      throw error;
    }
    return this.given();
  }

  /**
   * What is left of the segments so far. The next one does not go on from them: it may begin with another clock, other
   * tables, another format.
   */
  breakUp(): SegmentFrame[] {
    this.leaveTs();
    this.movie = null;
    this.lastInit = null;
    return this.given();
  }

  private given(): SegmentFrame[] {
    const { frames } = this;
    this.frames = [];
    return frames;
  }

  private feed({ bytes, init, position, nearMs }: Segment): void {
    const isTs = looksLikeTs(bytes.subarray(0, SNIFF_BYTES));
    if (!isTs && (init !== null || isMovie(bytes))) {
      this.leaveTs();
      this.movie ??= new Fmp4Ingest(this);
      if (init !== null && init !== this.lastInit) {
        this.movie.restart();
        this.movie.push(init);
        this.lastInit = init;
      }
      this.movie.restart(position);
      this.movie.push(bytes);
      this.movie.finish();
      return;
    }
    this.movie = null;
    if (isTs) {
      this.packed = null;
      this.ingest ??= this.makeIngest(nearMs);
      this.reader ??= new TsReader(this.ingest);
      // Tables alone, which segments need not repeat.
      if (init !== null && init !== this.lastInit) this.reader.push(init);
      this.lastInit = init;
      this.reader.push(bytes);
      return;
    }
    this.lastInit = null;
    const { timestamp, audioAt } = readId3Timestamp(bytes);
    if (audioAt === 0 && frameType(bytes) === 0)
      throw new ProtocolError('hls.unknown-segment', 'neither MPEG-TS nor MP4 nor packed audio');
    this.feedPacked(bytes.subarray(audioAt), timestamp, nearMs);
  }

  private feedPacked(audio: Buffer, timestamp: number, nearMs: number): void {
    let { packed, ingest } = this;
    this.reader = null;
    if (packed === null || ingest === null) {
      packed = new PesPacket();
      packed.pid = PACKED_PID;
      this.packed = packed;
      ingest = this.makeIngest(nearMs);
      this.ingest = ingest;
      const streamType = packedType(audio);
      const stream = { pid: PACKED_PID, streamType, descriptors: NO_BYTES };
      ingest.program({ number: 1, mapPid: PACKED_PID + 1, streams: [stream] });
      // Without a time of its own the sound begins at 0 and goes on by its durations.
      packed.pts = timestamp === NO_TIME ? 0 : timestamp;
    } else packed.pts = timestamp;
    packed.dts = packed.pts;
    packed.payload = audio;
    ingest.pes(packed);
  }

  private makeIngest(nearMs: number): TsIngest {
    return new TsIngest(this, Number.isNaN(nearMs) ? {} : { nearMs });
  }

  private leaveTs(): void {
    this.reader?.finish();
    this.reader = null;
    this.ingest = null;
    this.packed = null;
  }

  setTrack(track: Track): void {
    if (!this.kinds.has(track.kind)) return;
    const { id, config, wireIndex, language } = track;
    const named =
      language === '' && track.kind === 'audio' ? makeTrack(id, config, wireIndex, this.language) : track;
    const known = this.tracks.find((other) => other.id === id);
    if (known !== undefined && isSameTrack(known, named)) return;
    this.tracks =
      known === undefined
        ? [...this.tracks, named]
        : this.tracks.map((other) => (other.id === id ? named : other));
    const first = this.frames[0];
    // Tracks that show up one after the other within a segment are told together.
    if (known === undefined && first !== undefined && !this.hasNewTracks) first.tracks = this.tracks;
    else this.hasNewTracks = true;
  }

  write(
    trackId: number,
    received: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
  ): void {
    if (!this.tracks.some(({ id }) => id === trackId)) return;
    if (this.frames.length >= MAX_SEGMENT_FRAMES)
      throw new ProtocolError('hls.too-many-frames', `more than ${MAX_SEGMENT_FRAMES} in a segment`);
    const before = this.configs.get(trackId);
    const hasChanged = before !== undefined && before !== config && !isSameConfig(before, config);
    const flags = hasChanged ? received | FRAME_CONFIG : received;
    this.configs.set(trackId, config);
    const dts = Math.round(dtsMs * 1000);
    const pts = dts + Math.round((ptsMs - dtsMs) * 1000);
    const kept = this.slab.copy(payload, this.nowUs());
    const frame = new SegmentFrame(trackId, flags, dts, pts, durationUs, kept, config);
    if (this.hasNewTracks) {
      frame.tracks = this.tracks;
      this.hasNewTracks = false;
    }
    this.frames.push(frame);
  }
}

function isSameTrack(a: Track, b: Track): boolean {
  return (
    a.language === b.language &&
    a.kind === b.kind &&
    a.config.mime === b.config.mime &&
    a.config.width === b.config.width &&
    a.config.height === b.config.height &&
    a.config.sampleRate === b.config.sampleRate &&
    a.config.channels === b.config.channels &&
    isSameConfig(a.config, b.config)
  );
}

/** A box of a type that segments begin with. */
function isMovie(bytes: Buffer): boolean {
  return /^(ftyp|styp|moov|moof|sidx|prft|emsg|free|skip)$/.test(bytes.toString('latin1', 4, 8));
}

function packedType(audio: Buffer): number {
  const type = frameType(audio);
  if (type === 0) throw new ProtocolError('hls.unknown-segment', 'packed audio of a kind that is not known');
  return type;
}

/** Stream type of the sound whose frame begins here; 0 = none. */
function frameType(bytes: Buffer): number {
  if (parseAdtsHeader(bytes, 0) !== null) return PACKED_TYPES.aac;
  if (parseMp3Frame(bytes) !== null) return PACKED_TYPES.mp3;
  const ac3 = parseAc3Frame(bytes, 0);
  return ac3 === null ? 0 : ac3.isEac3 ? PACKED_TYPES.eac3 : PACKED_TYPES.ac3;
}
