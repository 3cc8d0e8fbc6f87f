/** What a recorder writes to: one file, or a list with its segments. */
import type { Frame } from '../../media/frame.ts';
import type { Track } from '../../media/track.ts';
import { type FileMuxer, openFileMuxer } from '../../packaging/file-muxer.ts';
import { Fmp4FileMuxer } from '../../packaging/fmp4-file-muxer.ts';
import type { RecordedFile } from '../../recordings/recording-entry.ts';
import type { FileSystem } from '../../runtime/file-writer.ts';
import type { RecordRule } from './record-config.ts';
import { RecordingFile } from './recording-file.ts';

export interface RecordingOutput {
  /** Wall clock of the first frame, milliseconds since 1970. */
  readonly startMs: number;
  /** Of the last frame, of what the disk was given, and of what is surely there. */
  readonly endMs: number;
  readonly takenMs: number;
  readonly storedMs: number;
  /** Why the disk takes nothing any more. */
  readonly failure: NodeJS.ErrnoException | null;
  /** Bytes on the disk. */
  readonly bytes: number;
  /** Relative name; '' while it is being opened. */
  readonly name: string;
  /** Bytes that wait for the disk. */
  readonly backlogBytes: number;
  /** The tracks from now on. False: this output cannot go on with them. */
  setTracks(tracks: readonly Track[]): boolean;
  /** A key frame after the time of a segment, or a jump of the timeline. */
  cut(frame: Frame, startMs: number, discontinuity: boolean): void;
  /** False: the disk does not take it. Then nothing may be written any more. */
  write(frame: Frame): boolean;
  describe(): RecordedFile | null;
  /** Resolves with the entry when all is written; null when there is nothing. */
  finish(): Promise<RecordedFile | null>;
}

/** What outputs of one recording have in common. */
export interface OutputContext {
  readonly files: FileSystem;
  readonly rule: RecordRule;
  /** `app/name`. */
  readonly stream: string;
  readonly maxBacklogBytes: number;
  readonly syncMs: number;
  readonly nowUs: () => number;
  /** Name in the index to absolute path, and back. */
  readonly pathOf: (name: string) => string;
  readonly nameOf: (path: string) => string;
  /** A file in which nothing came to be. */
  readonly remove: (path: string) => void;
}

export interface OutputStart {
  /** Wall clock of the first frame, microseconds since 1970. */
  readonly startWallUs: number;
  /** Relative path without extension. */
  readonly base: string;
  readonly metadata: unknown;
  readonly tracks: readonly Track[];
  readonly onStored: () => void;
  readonly onFailure: (error: NodeJS.ErrnoException) => void;
}

/** A file of an earlier session that is to go on, and its first bytes. */
export interface Continuation {
  readonly entry: RecordedFile;
  readonly head: Buffer;
}

/** `base` at an attempt: a number goes behind a name that is taken. */
export function numbered(base: string, attempt: number): string {
  return attempt === 0 ? base : `${base}.${attempt + 1}`;
}

export class FileOutput implements RecordingOutput {
  readonly startMs: number;
  private readonly file: RecordingFile;
  private readonly context: OutputContext;
  private readonly isContinued: boolean;

  constructor(
    context: OutputContext,
    start: OutputStart,
    extension: string,
    continuation: Continuation | null,
  ) {
    this.context = context;
    this.startMs = Math.floor(start.startWallUs / 1000);
    const continued = continuation === null ? null : continuedMuxer(context, start, continuation);
    const muxer = continued ?? this.newMuxer(start);
    const before = continued === null ? null : continuation!.entry; // it was given when there is a muxer for it
    this.isContinued = before !== null;
    this.file = new RecordingFile({
      muxer,
      writer: {
        files: context.files,
        pathAt: (attempt) => context.pathOf(before?.file ?? `${numbered(start.base, attempt)}.${extension}`),
        startBytes: before?.bytes ?? 0,
        maxBacklogBytes: context.maxBacklogBytes,
        syncMs: context.syncMs,
        nowUs: context.nowUs,
        onFailure: start.onFailure,
      },
      nameOf: context.nameOf,
      stream: context.stream,
      recording: context.rule.name,
      format: context.rule.format,
      startMs: this.startMs,
      continues: before,
      onStored: start.onStored,
    });
    this.file.setTracks(start.tracks);
  }

  private newMuxer({ startWallUs, metadata }: OutputStart): FileMuxer {
    const { format } = this.context.rule;
    return openFileMuxer(format === 'hls' ? 'ts' : format, { startWallUs, metadata });
  }

  get endMs(): number {
    return this.file.endMs;
  }

  get takenMs(): number {
    return this.file.takenMs;
  }

  get storedMs(): number {
    return this.file.storedMs;
  }

  get failure(): NodeJS.ErrnoException | null {
    return this.file.writer.failure;
  }

  get bytes(): number {
    return this.file.writer.writtenBytes;
  }

  get backlogBytes(): number {
    return this.file.writer.backlogBytes;
  }

  get name(): string {
    const { path } = this.file.writer;
    return path === '' ? '' : this.context.nameOf(path);
  }

  setTracks(tracks: readonly Track[]): boolean {
    return this.file.setTracks(tracks);
  }

  cut(_frame: Frame, _startMs: number, discontinuity: boolean): void {
    if (discontinuity) this.file.markDiscontinuity();
  }

  write(frame: Frame): boolean {
    return this.file.write(frame);
  }

  describe(): RecordedFile | null {
    return this.file.describe(true);
  }

  async finish(): Promise<RecordedFile | null> {
    const entry = await this.file.finish();
    const { path } = this.file.writer;
    if (entry === null && path !== '' && !this.isContinued) this.context.remove(path);
    return entry;
  }
}

/** Null when the file cannot go on with these tracks. */
function continuedMuxer(
  context: OutputContext,
  start: OutputStart,
  { entry, head }: Continuation,
): FileMuxer | null {
  const { format } = context.rule;
  if (format === 'hls' || entry.format !== format) return null;
  const mediaMs =
    entry.parts.length === 0
      ? entry.endMs - entry.startMs
      : entry.parts.reduce((sum, part) => sum + part.durationMs, 0);
  const options = {
    startWallUs: entry.startMs * 1000,
    metadata: start.metadata,
    continues: { bytes: entry.bytes, durationUs: Math.ceil(mediaMs * 1000) },
  };
  if (format !== 'fmp4') return hasTracksOf(entry, start.tracks) ? openFileMuxer(format, options) : null;
  const muxer = new Fmp4FileMuxer(options);
  muxer.setTracks(start.tracks);
  const header = muxer.header();
  return head.subarray(0, header.length).equals(header) ? muxer : null;
}

function hasTracksOf(entry: RecordedFile, tracks: readonly Track[]): boolean {
  return (
    entry.tracks.length === tracks.length &&
    entry.tracks.every((track, index) => track.codec === tracks[index]!.config.codec)
  );
}
