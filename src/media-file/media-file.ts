/**
 * A media file on disk as tracks, access points and frames: FLV, MP4 (progressive and in fragments, and QuickTime
 * files of the same codecs) and MPEG-TS. What a file is, is read from its bytes and not from its name. A file that
 * grows is what it was when it was opened.
 */
import type { Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import { ProtocolError } from '../util/errors.ts';
import { looksLikeTs, MAX_TS_STRIDE } from '../wire/mpegts/ts-reader.ts';
import { FileSource } from './file-source.ts';
import { flvDemuxer } from './flv-demuxer.ts';
import { openMp4File } from './mp4-file.ts';
import { openStreamFile } from './stream-file.ts';
import { tsDemuxer } from './ts-demuxer.ts';

type MediaFormat = 'flv' | 'mp4' | 'ts';

/** Where decoding can begin. */
export interface FilePoint {
  /** Presentation time of the key frame, microseconds on the file's timeline. */
  readonly timeUs: number;
  /** FLV and TS: the byte where the key frame begins. MP4: of no meaning outside. */
  readonly position: number;
}

export interface FrameReader {
  /**
   * The next frames in decode order, about 256 KiB or one second at most; none at the end of the file. Payloads may be
   * kept. Times are microseconds on the file's timeline, where the earliest presentation time is 0: decode times in
   * front of it are negative. Not to be called again before the last call has ended. Throws ProtocolError when the
   * file is no longer what it was, and the errors of the file system.
   */
  read(): Promise<readonly Frame[]>;
  close(): void;
}

export interface MediaFile {
  readonly path: string;
  readonly format: MediaFormat;
  /** At the time of opening. */
  readonly sizeBytes: number;
  /** Those that have frames. Configs are those of the file's start. */
  readonly tracks: readonly Track[];
  /** End of the last frame. */
  readonly durationUs: number;
  /** Ascending; never empty. Key frames of the leading video track, or one a second when there is only sound. */
  readonly points: readonly FilePoint[];
  /** A sentence about what is broken or cut off and was left out; '' = nothing. */
  readonly damage: string;
  /** Sentences about tracks that cannot be used. */
  readonly leftOut: readonly string[];
  /** Frames from an access point on; of other tracks than the leading one those that are decoded from then on. */
  open(pointIndex: number): FrameReader;
  /** Frees the file handle; readers that are still open fail. */
  close(): Promise<void>;
}

/** A MediaFile as the cache handles it. */
export interface IndexedFile extends MediaFile {
  /** What its tables take in memory, bytes. */
  readonly memoryBytes: number;
  /** Whether what the file was is still there; more may have come behind it. */
  isIntact(): Promise<boolean>;
  /** Closes the file handle; the next read opens it again. */
  rest(): Promise<void>;
}

/** Enough to tell formats apart, TS in the largest packets included. */
const HEAD_BYTES = MAX_TS_STRIDE * 6;

/** Throws ProtocolError with a sentence when the file cannot be played, and the errors of the file system. */
export async function openMediaFile(path: string): Promise<MediaFile> {
  return await openIndexedFile(path);
}

/** As `openMediaFile`. */
export async function openIndexedFile(path: string): Promise<IndexedFile> {
  const source = await FileSource.open(path);
  try {
    return await openSource(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openSource(source: FileSource): Promise<IndexedFile> {
  const head = await source.read(0, HEAD_BYTES);
  if (head.length === 0) throw new ProtocolError('media-file.empty', 'The file is empty.');
  if (head.toString('latin1', 0, 3) === 'FLV') return await openStreamFile(source, 'flv', flvDemuxer);
  if (isMp4(head)) return await openMp4File(source);
  if (looksLikeTs(head)) return await openStreamFile(source, 'ts', tsDemuxer);
  throw new ProtocolError('media-file.unknown', `${nameOf(head)} Sluice plays FLV, MP4 and MPEG-TS files.`);
}

const FIRST_BOXES: ReadonlySet<string> = new Set(
  'ftyp styp moov mdat moof free skip wide pnot sidx uuid emsg prft'.split(' '),
);

function isMp4(head: Buffer): boolean {
  return head.length >= 8 && FIRST_BOXES.has(head.toString('latin1', 4, 8));
}

/** What the first bytes of other usual files say. */
const SIGNATURES: readonly (readonly [at: number, bytes: string, name: string])[] = [
  [0, '\x1a\x45\xdf\xa3', 'This is a Matroska or WebM file.'],
  [0, 'OggS', 'This is an Ogg file.'],
  [0, 'fLaC', 'This is a bare FLAC file.'],
  [0, 'ID3', 'This is a bare MP3 or AAC file.'],
  [8, 'AVI ', 'This is an AVI file.'],
  [8, 'WAVE', 'This is a WAVE file.'],
  [0, '\x30\x26\xb2\x75', 'This is a Windows Media file.'],
  [0, '\x00\x00\x01\xba', 'This is an MPEG program stream.'],
  [0, '\x00\x00\x00\x01', 'This is a bare video stream.'],
  [0, '\x00\x00\x01', 'This is a bare video stream.'],
  [0, '\x0b\x77', 'This is a bare AC-3 file.'],
  [0, '\xff\xd8\xff', 'This is a JPEG picture.'],
  [0, '\x89PNG', 'This is a PNG picture.'],
  [0, '#EXTM3U', 'This is a playlist.'],
];

function nameOf(head: Buffer): string {
  for (const [at, bytes, name] of SIGNATURES) {
    if (head.toString('latin1', at, at + bytes.length) === bytes) return name;
  }
  // Eleven set bits begin a frame of MPEG audio or ADTS.
  if (head.length > 1 && head[0] === 0xff && head[1]! >= 0xe0) return 'This is a bare MP3 or AAC file.';
  return 'This is no media file that we know.';
}
