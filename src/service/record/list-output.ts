/**
 * A recording as HLS: MPEG-TS segments and, beside them, a list that grows with every finished segment
 * (`12-44-11.m3u8`, `12-44-11-0.ts`, ...). The list is opened first, so that its name is free for the segments too.
 */
import type { Frame } from '../../media/frame.ts';
import type { Track } from '../../media/track.ts';
import { TsFileMuxer } from '../../packaging/ts-file-muxer.ts';
import { LIST_END, listHeader, listSegment } from '../../recordings/list-file.ts';
import type { RecordedFile, RecordedPart } from '../../recordings/recording-entry.ts';
import { FileWriter } from '../../runtime/file-writer.ts';
import { TsWriter } from '../../wire/mpegts/ts-writer.ts';
import { RecordingFile } from './recording-file.ts';
import { numbered, type OutputContext, type OutputStart, type RecordingOutput } from './recording-output.ts';

export const SEGMENT_US = 6_000_000;
/** The segmenter cuts at three times the target, key frame or not; one frame more may be in it. */
const TARGET_S = Math.ceil((SEGMENT_US * 3) / 1_000_000) + 1;
/** Segments that are still being written while the next ones are recorded. */
const MAX_CLOSING = 3;
const EXTENSION = '.m3u8';

export class ListOutput implements RecordingOutput {
  readonly startMs: number;
  private readonly context: OutputContext;
  private readonly start: OutputStart;
  private readonly list: FileWriter;
  private readonly ts = new TsWriter({ groupAudio: true });
  private tracks: readonly Track[];
  private segment: RecordingFile | null = null;
  private first: RecordedFile | null = null;
  private readonly parts: RecordedPart[] = [];
  private count = 0;
  private closing = 0;
  private hasFailed: boolean = false;
  private hasStored: boolean = false;
  private tail: Promise<void> = Promise.resolve();
  private discontinuity: boolean = false;

  constructor(context: OutputContext, start: OutputStart) {
    this.context = context;
    this.start = start;
    this.tracks = start.tracks;
    this.startMs = Math.floor(start.startWallUs / 1000);
    this.list = new FileWriter({
      files: context.files,
      pathAt: (attempt) => context.pathOf(`${numbered(start.base, attempt)}${EXTENSION}`),
      startBytes: 0,
      maxBacklogBytes: context.maxBacklogBytes,
      syncMs: context.syncMs,
      nowUs: context.nowUs,
      onFailure: (error) => this.fail(error),
    });
    this.list.append([Buffer.from(listHeader(TARGET_S))]);
  }

  private fail(error: NodeJS.ErrnoException): void {
    if (this.hasFailed) return;
    this.hasFailed = true;
    this.start.onFailure(error);
  }

  get endMs(): number {
    return this.segment?.endMs ?? this.storedMs;
  }

  get takenMs(): number {
    return this.segment?.takenMs ?? this.storedMs;
  }

  get failure(): NodeJS.ErrnoException | null {
    return this.list.failure ?? this.segment?.writer.failure ?? null;
  }

  get storedMs(): number {
    if (this.segment?.hasBytes) return this.segment.storedMs;
    const last = this.parts.at(-1);
    return last === undefined ? this.startMs : last.startMs + last.durationMs;
  }

  get bytes(): number {
    const listed = this.parts.reduce((sum, part) => sum + part.bytes, 0);
    return this.list.writtenBytes + listed + (this.segment?.writer.writtenBytes ?? 0);
  }

  get backlogBytes(): number {
    return this.list.backlogBytes + (this.segment?.writer.backlogBytes ?? 0);
  }

  get name(): string {
    return this.list.path === '' ? '' : this.context.nameOf(this.list.path);
  }

  /** The next segment begins with them. */
  setTracks(tracks: readonly Track[]): boolean {
    this.tracks = tracks;
    return this.segment === null || this.segment.setTracks(tracks);
  }

  cut(_frame: Frame, startMs: number, discontinuity: boolean): void {
    this.closeSegment();
    this.discontinuity = discontinuity && this.count > 0;
    if (this.discontinuity) this.ts.markDiscontinuity();
    this.openSegment(startMs);
  }

  private openSegment(startMs: number): void {
    const { context, count } = this;
    this.count++;
    this.segment = new RecordingFile({
      muxer: new TsFileMuxer({ startWallUs: startMs * 1000 }, this.ts),
      writer: {
        files: context.files,
        // The list's name is known when the list is open, and not taken by another then.
        pathAt: () => `${this.list.path.slice(0, -EXTENSION.length)}-${count}.ts`,
        after: this.list,
        startBytes: 0,
        maxBacklogBytes: context.maxBacklogBytes,
        syncMs: context.syncMs,
        nowUs: context.nowUs,
        onFailure: (error) => this.fail(error),
      },
      nameOf: context.nameOf,
      stream: context.stream,
      recording: context.rule.name,
      format: 'hls',
      startMs,
      continues: null,
      onStored: () => {
        if (this.hasStored) return;
        this.hasStored = true;
        this.start.onStored();
      },
    });
    this.segment.setTracks(this.tracks);
  }

  /** What is written of the segment is listed when the disk has it, in order. */
  private closeSegment(): void {
    const { segment, discontinuity } = this;
    if (segment === null) return;
    this.segment = null;
    this.closing++;
    const finished = segment.finish();
    this.tail = this.tail.then(async () => {
      const entry = await finished;
      this.closing--;
      if (entry !== null) this.enter(entry, discontinuity);
      else if (segment.writer.path !== '') this.context.remove(segment.writer.path);
    });
  }

  private enter(entry: RecordedFile, discontinuity: boolean): void {
    this.first ??= entry;
    const { file, bytes, startMs } = entry;
    const durationMs = Math.max(1, Math.round(entry.endMs - startMs));
    this.parts.push({ file, offset: 0, bytes, startMs, durationMs, discontinuity });
    const uri = file.slice(file.lastIndexOf('/') + 1);
    this.list.append([Buffer.from(listSegment({ uri, startMs, durationMs, discontinuity }))]);
  }

  write(frame: Frame): boolean {
    if (this.hasFailed || this.closing > MAX_CLOSING) return false;
    return this.segment?.write(frame) ?? false;
  }

  describe(): RecordedFile | null {
    return this.entry(true);
  }

  private entry(open: boolean): RecordedFile | null {
    const last = this.segment?.describe(open) ?? null;
    const first = this.first ?? last;
    if (first === null || this.list.path === '') return null;
    const parts: RecordedPart[] = [...this.parts];
    if (last !== null) {
      const { file, bytes, startMs } = last;
      const durationMs = Math.max(1, Math.round(last.endMs - startMs));
      parts.push({ file, offset: 0, bytes, startMs, durationMs, discontinuity: this.discontinuity });
    }
    return {
      ...first,
      file: this.name,
      startMs: parts[0]?.startMs ?? this.startMs,
      endMs: this.storedMs,
      bytes: this.bytes,
      tracks: last?.tracks ?? first.tracks,
      parts,
      keys: [],
      open,
    };
  }

  async finish(): Promise<RecordedFile | null> {
    this.closeSegment();
    await this.tail;
    this.list.append([Buffer.from(LIST_END)]);
    await this.list.close();
    const entry = this.entry(false);
    if (entry === null && this.list.path !== '') this.context.remove(this.list.path);
    return entry;
  }
}
