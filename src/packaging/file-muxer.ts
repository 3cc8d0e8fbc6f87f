/**
 * Frames to the bytes of one file. Bytes come out in fragments of about a
 * second (or up to a key frame), each with a mark: a file that ends after any fragment can be read to its end, so
 * whoever writes a fragment in one piece loses no more than the one that is being made.
 *
 * A muxer knows nothing of files, names or when a file ends.
 */
import type { LeftOut } from '../media/feed.ts';
import type { Frame } from '../media/frame.ts';
import type { SoundNeed } from '../media/sound-conversion.ts';
import type { Track } from '../media/track.ts';
import { reasonNotInTs } from '../wire/mpegts/elementary-stream.ts';
import type { FileMark } from './file-fragment.ts';
import { FlvFileMuxer, reasonNotInFlv } from './flv-file-muxer.ts';
import { Fmp4FileMuxer, reasonNotInFmp4 } from './fmp4-file-muxer.ts';
import { FLV_SOUND, MP4_SOUND, TS_SOUND } from './sound-needs.ts';
import { TsFileMuxer } from './ts-file-muxer.ts';

export type FileFormat = 'flv' | 'ts' | 'fmp4';

/** The file goes on from one that was ended before. */
interface FileContinuation {
  /** Size so far; marks count from there. */
  readonly bytes: number;
  /** Where its time ends, microseconds from its start. */
  readonly durationUs: number;
}

export interface FileMuxerOptions {
  /** Wall clock of the first frame, microseconds since 1970; 0 = not known. */
  readonly startWallUs: number;
  /** Publisher's metadata, for formats that have a place for them. */
  readonly metadata?: unknown;
  readonly continues?: FileContinuation;
}

export interface FileMuxer {
  readonly format: FileFormat;
  /** Tracks that are not in the file. */
  readonly leftOut: readonly LeftOut[];
  /** Stream time of the first frame and the end of the last, microseconds; NaN before the first. */
  readonly startUs: number;
  readonly endUs: number;
  /** The tracks from now on, all of them. False: the format needs a new file for this change, nothing was done. */
  setTracks(tracks: readonly Track[]): boolean;
  /** Hot path. Frames of tracks that are left out are ignored. */
  write(frame: Frame): void;
  /** Bytes that are ready. */
  readonly readyBytes: number;
  /** Whole fragments that are ready, to be appended in this order; often none. */
  take(): Buffer[];
  /** Marks of what `take` gave since the last call. */
  takeMarks(): FileMark[];
  /** No frame will come: what is left is ready afterwards. */
  finish(): void;
}

/** What an extension of a file name says, without dot. */
export const FILE_EXTENSIONS: Readonly<Record<FileFormat, string>> = { flv: 'flv', ts: 'ts', fmp4: 'mp4' };

export function openFileMuxer(format: FileFormat, options: FileMuxerOptions): FileMuxer {
  if (format === 'flv') return new FlvFileMuxer(options);
  return format === 'ts' ? new TsFileMuxer(options) : new Fmp4FileMuxer(options);
}

/** What a file wants of sound. */
export const FILE_SOUND: Readonly<Record<FileFormat, SoundNeed>> = {
  flv: FLV_SOUND,
  ts: TS_SOUND,
  fmp4: MP4_SOUND,
};

/** Why the format cannot hold this track, a sentence for a person; '' when it can. */
export function reasonNotInFile(format: FileFormat, track: Track): string {
  if (format === 'flv') return reasonNotInFlv(track);
  return format === 'ts' ? reasonNotInTs(track) : reasonNotInFmp4(track);
}
