/**
 * One media file that is being recorded: muxer, writer, and what the index will say of it. Bytes go to the disk a
 * fragment at a time. The file may go on from one of an earlier publishing session.
 */
import type { Frame } from '../../media/frame.ts';
import type { Track } from '../../media/track.ts';
import type { FileMark } from '../../packaging/file-fragment.ts';
import type { FileMuxer } from '../../packaging/file-muxer.ts';
import { TsFileMuxer } from '../../packaging/ts-file-muxer.ts';
import {
  addKey,
  describeTracks,
  type RecordedFile,
  type RecordedKey,
  type RecordedPart,
  type RecordedTrack,
  type RecordingFormat,
} from '../../recordings/recording-entry.ts';
import { FileWriter, type FileWriterOptions } from '../../runtime/file-writer.ts';

/** Marks whose bytes are not on the disk yet are kept up to this many, far more than the backlog can hold. */
const MAX_PENDING_MARKS = 100_000;

export interface RecordingFileOptions {
  readonly muxer: FileMuxer;
  readonly writer: Omit<FileWriterOptions, 'onProgress'>;
  /** Absolute path to the name in the index. */
  readonly nameOf: (path: string) => string;
  readonly stream: string;
  readonly recording: string;
  readonly format: RecordingFormat;
  /** Wall clock of the first frame, milliseconds since 1970. */
  readonly startMs: number;
  /** The entry of the file that goes on. */
  readonly continues: RecordedFile | null;
  /** The first bytes are on the disk. */
  readonly onStored: () => void;
}

export class RecordingFile {
  readonly writer: FileWriter;
  readonly startMs: number;
  private readonly options: RecordingFileOptions;
  private readonly muxer: FileMuxer;
  private tracks: readonly RecordedTrack[] = [];
  private readonly pending: FileMark[] = [];
  private readonly keys: RecordedKey[];
  /** Stream time up to which everything waits for the disk or is there; NaN = nothing. */
  private takenUs = Number.NaN;
  /** Stream time up to which everything is on the disk; NaN = nothing is. */
  private storedUs = Number.NaN;
  private hasStored: boolean = false;

  constructor(options: RecordingFileOptions) {
    this.options = options;
    this.muxer = options.muxer;
    this.startMs = options.startMs;
    this.keys = [...(options.continues?.keys ?? [])];
    this.writer = new FileWriter({ ...options.writer, onProgress: () => this.onProgress() });
  }

  setTracks(tracks: readonly Track[]): boolean {
    if (!this.muxer.setTracks(tracks)) return false;
    this.tracks = describeTracks(tracks);
    return true;
  }

  /** The timeline jumps before the next frame. */
  markDiscontinuity(): void {
    if (this.muxer instanceof TsFileMuxer) this.muxer.markDiscontinuity();
  }

  /** False when the disk does not take what is ready: then no more may be written, only `finish` called. */
  write(frame: Frame): boolean {
    this.muxer.write(frame);
    return this.muxer.readyBytes === 0 || this.drain();
  }

  private drain(): boolean {
    const parts = this.muxer.take();
    const marks = this.muxer.takeMarks();
    if (!this.writer.append(parts)) return false;
    const last = marks.at(-1);
    if (last !== undefined) this.takenUs = last.startUs + last.durationUs;
    if (this.pending.length < MAX_PENDING_MARKS) this.pending.push(...marks);
    return true;
  }

  private onProgress(): void {
    const { pending, writer } = this;
    while (pending.length > 0 && pending[0]!.offset + pending[0]!.length <= writer.writtenBytes) {
      const mark = pending.shift()!; // it is there
      this.storedUs = mark.startUs + mark.durationUs;
      if (mark.isKey) addKey(this.keys, { offset: mark.offset, atMs: this.sinceStartMs(mark.startUs) });
    }
    if (this.hasStored || Number.isNaN(this.storedUs)) return;
    this.hasStored = true;
    this.options.onStored();
  }

  private sinceStartMs(us: number): number {
    const before = this.options.continues;
    const fromMs = before === null ? 0 : this.startMs - before.startMs;
    return fromMs + Math.round((us - this.muxer.startUs) / 1000);
  }

  /** Wall clock of the end of what was written to it, milliseconds since 1970. */
  get endMs(): number {
    const { startUs, endUs } = this.muxer;
    return Number.isNaN(endUs) ? this.startMs : this.startMs + Math.round((endUs - startUs) / 1000);
  }

  /** The same of what the disk was given and did not refuse. */
  get takenMs(): number {
    return this.wallMs(this.takenUs);
  }

  /** The same of what is surely on the disk. */
  get storedMs(): number {
    return this.wallMs(this.storedUs);
  }

  private wallMs(us: number): number {
    return Number.isNaN(us) ? this.startMs : this.startMs + Math.round((us - this.muxer.startUs) / 1000);
  }

  get hasBytes(): boolean {
    return this.hasStored;
  }

  /** As the index lists it while it is open; null until there is something of it. */
  describe(open: boolean): RecordedFile | null {
    if (!this.hasStored || this.writer.path === '') return null;
    const { continues, stream, recording, format, nameOf } = this.options;
    const file = continues?.file ?? nameOf(this.writer.path);
    return {
      file,
      stream,
      recording,
      format,
      startMs: continues?.startMs ?? this.startMs,
      endMs: this.storedMs,
      bytes: this.writer.writtenBytes,
      tracks: this.tracks,
      parts: continues === null ? [] : this.partsWith(continues, file),
      keys: this.keys,
      open,
    };
  }

  private partsWith(before: RecordedFile, file: string): RecordedPart[] {
    const whole = { file, offset: 0, bytes: before.bytes, startMs: before.startMs, discontinuity: false };
    const parts =
      before.parts.length > 0
        ? before.parts
        : [{ ...whole, durationMs: Math.round(before.endMs - before.startMs) }];
    const last = {
      file,
      offset: before.bytes,
      bytes: this.writer.writtenBytes - before.bytes,
      startMs: this.startMs,
      durationMs: this.storedMs - this.startMs,
      discontinuity: true,
    };
    return [...parts, last];
  }

  /** Writes what is left and closes. Null when nothing came to be on the disk. */
  async finish(): Promise<RecordedFile | null> {
    this.muxer.finish();
    if (this.muxer.readyBytes > 0) this.drain();
    await this.writer.close();
    this.onProgress();
    return this.describe(false);
  }
}
