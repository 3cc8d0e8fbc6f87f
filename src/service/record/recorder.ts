/**
 * One recording of one stream: takes every frame, decides where files begin and end, and lives on when the disk does
 * not. What the disk refuses is a gap: the file that was open is closed, and a new one begins at the first key frame
 * at which the disk takes bytes again. The live stream never waits.
 */
import { rename } from 'node:fs/promises';
import type { LeftOut } from '../../media/feed.ts';
import { FRAME_KEY, type Frame } from '../../media/frame.ts';
import type { FrameConsumer } from '../../media/frame-consumer.ts';
import type { SoundNeed } from '../../media/sound-conversion.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import { defaultTrack, type Track } from '../../media/track.ts';
import { isSameTracks } from '../../packaging/file-fragment.ts';
import { FILE_EXTENSIONS, FILE_SOUND, reasonNotInFile } from '../../packaging/file-muxer.ts';
import { CONTINUE, CUT, CUT_DISCONTINUITY, Segmenter, SKIP } from '../../packaging/segmenter.ts';
import { HLS_TS_SOUND } from '../../packaging/sound-needs.ts';
import type { RecordedFile, RecordedGap } from '../../recordings/recording-entry.ts';
import type { RecordingIndex } from '../../recordings/recording-index.ts';
import type { FileSystem } from '../../runtime/file-writer.ts';
import type { Clock } from '../../util/clock.ts';
import { randomId } from '../../util/id.ts';
import type { Logger } from '../../util/log.ts';
import { renderPath, usualPath } from './file-naming.ts';
import { ListOutput, SEGMENT_US } from './list-output.ts';
import type { RecordRule } from './record-config.ts';
import {
  type Continuation,
  FileOutput,
  type OutputContext,
  type RecordingOutput,
} from './recording-output.ts';

/** Longer than anything: a file that is not cut by time. */
const NEVER_US = 1e15;
/** A key frame this little too early (one 40th) ends a list. */
const EARLY_SHARE = 40;
const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 10_000;
/** The clock of the stream is believed while the wall clock is no further away from it than this. */
const CLOCK_STEP_MS = 2000;
const MAX_LISTED_GAPS = 20;
/** How long a file that is to go on waits for the tracks that it had. */
const TRACKS_WAIT_US = 2_000_000;

export type RecorderState = 'waiting' | 'recording' | 'gap' | 'unable' | 'stopped';

export interface RecorderOptions {
  readonly key: StreamKey;
  readonly rule: RecordRule;
  /** Length of a file or list by the plan `segment`. */
  readonly durationMs: number;
  /** Host that the publisher typed. */
  readonly vhost: string;
  readonly metadata: () => unknown;
  readonly index: RecordingIndex;
  readonly files: FileSystem;
  readonly maxBacklogBytes: number;
  readonly syncMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  /** File of an earlier session that the plan `append` goes on with. */
  readonly continuation: Continuation | null;
  readonly removeFile: (path: string) => void;
  /** A file is finished and in the index. */
  readonly onFile: (file: RecordedFile, rule: RecordRule) => void;
  readonly onFault: (error: unknown) => void;
}

export class Recorder implements FrameConsumer {
  readonly id = randomId();
  readonly options: RecorderOptions;
  readonly soundNeed: SoundNeed;
  state: RecorderState = 'waiting';
  /** Files that were finished. */
  fileCount = 0;
  /** Bytes of finished files. */
  finishedBytes = 0;
  lastError = '';
  leftOut: readonly LeftOut[] = [];
  gapCount = 0;
  /** The latest gaps; of one that lasts the end is NaN. */
  readonly gaps: RecordedGap[] = [];
  private readonly context: OutputContext;
  private readonly segmenter: Segmenter;
  private readonly isList: boolean;
  private output: RecordingOutput | null = null;
  private tracks: readonly Track[] = [];
  private announced: readonly Track[] | null = null;
  private leadId = -1;
  private leadIsVideo = false;
  /** The next cut comes from a new leading track, with which the open output can go on. */
  private joinsAtCut: boolean = false;
  /** Start of the open output, stream time. */
  private outputUs = 0;
  /** What ties the wall clock to the stream's: microseconds; NaN = not known. */
  private wallOffsetUs = Number.NaN;
  private continuation: Continuation | null;
  private waitingSinceUs = -1;
  private seq = 0;
  private outputSeq = 0;
  private wantedFile = '';
  private closing = 0;
  private tail: Promise<void> = Promise.resolve();
  private retryAtUs = 0;
  private retryMs = FIRST_RETRY_MS;

  constructor(options: RecorderOptions) {
    const { rule, index } = options;
    this.options = options;
    this.isList = rule.format === 'hls';
    this.soundNeed = rule.format === 'hls' ? HLS_TS_SOUND : FILE_SOUND[rule.format];
    this.continuation = options.continuation;
    const bySegment = rule.plan === 'segment';
    const fileUs = bySegment ? options.durationMs * 1000 : NEVER_US;
    this.segmenter = new Segmenter(this.isList ? Math.min(SEGMENT_US, fileUs) : fileUs);
    this.context = {
      files: options.files,
      rule,
      stream: options.key.text,
      maxBacklogBytes: options.maxBacklogBytes,
      syncMs: options.syncMs,
      nowUs: () => options.clock.nowUs(),
      pathOf: (name) => index.pathOf(name),
      nameOf: (path) => path.slice(index.folder.length + 1).replaceAll('\\', '/'),
      remove: options.removeFile,
    };
    index.setOpen(this, () => this.output?.describe() ?? null);
  }

  /** Relative name of the file that is open, or was last; while it is being opened, the one that is wanted. */
  get lastFile(): string {
    return this.fileName || this.wantedFile;
  }

  /** Relative name of the file that is open; ''. */
  get fileName(): string {
    return this.output?.name ?? '';
  }

  get openBytes(): number {
    return this.output?.bytes ?? 0;
  }

  get backlogBytes(): number {
    return this.output?.backlogBytes ?? 0;
  }

  /** Wall clock of the open file's start, milliseconds since 1970; 0 = none is open. */
  get openSinceMs(): number {
    return this.output?.startMs ?? 0;
  }

  get openDurationMs(): number {
    return this.output === null ? 0 : this.output.endMs - this.output.startMs;
  }

  onTracks(tracks: readonly Track[]): void {
    this.announced = tracks;
  }

  onFrame(frame: Frame): void {
    if (this.state === 'stopped') return;
    if (this.announced !== null) this.adoptTracks(this.announced);
    if (this.leadId < 0 || !this.isCarried(frame.trackId)) return;
    let decision = this.segmenter.decide(frame);
    if (decision === SKIP) {
      if (this.options.rule.waitKey || this.state === 'gap') return;
      this.segmenter.restart(frame);
      decision = CUT_DISCONTINUITY;
    }
    if (this.joinsAtCut && decision !== CONTINUE) {
      this.joinsAtCut = false;
      decision = CONTINUE;
    }
    if (decision === CONTINUE && this.isList && this.endsList(frame)) {
      this.segmenter.restart(frame);
      decision = CUT;
    }
    if (this.output === null) {
      if (!this.begin(frame)) return;
    } else if (decision !== CONTINUE) this.cut(frame, decision === CUT_DISCONTINUITY);
    const { output } = this;
    if (output === null || output.write(frame)) return;
    const { failure } = output;
    this.loseDisk(output, failure === null ? 'the disk is slower than the stream' : describeFailure(failure));
  }

  private isCarried(id: number): boolean {
    const { tracks } = this;
    for (let i = 0; i < tracks.length; i++) if (tracks[i]!.id === id) return true;
    return false;
  }

  /** Between two publishers tracks come one by one; they count when a frame comes. */
  private adoptTracks(announced: readonly Track[]): void {
    this.announced = null;
    const { format } = this.options.rule;
    const reasonOf = (track: Track) => reasonNotInFile(format === 'hls' ? 'ts' : format, track);
    const carried = announced.filter((track) => reasonOf(track) === '');
    this.leftOut = announced
      .map((track) => ({ track, reason: reasonOf(track) }))
      .filter((one) => one.reason !== '');
    if (carried.length > 0 && isSameTracks(carried, this.tracks)) return;
    const lead = defaultTrack(carried, 'video') ?? defaultTrack(carried, 'audio');
    const before = this.leadId;
    this.tracks = carried;
    this.leadId = lead?.id ?? -1;
    this.leadIsVideo = lead?.kind === 'video';
    if (lead === undefined) {
      if (this.state === 'unable' || announced.length === 0) return;
      this.endOutput();
      this.state = 'unable';
      this.lastError = this.leftOut[0]?.reason ?? 'The stream has neither pictures nor sound.';
      this.options.log.warn('record.unable', { cause: this.lastError });
      return;
    }
    if (this.state === 'unable') this.state = 'waiting';
    const goesOn = this.output === null || this.output.setTracks(carried);
    if (!goesOn && !this.isList) {
      this.endOutput();
      this.segmenter.breakOff();
    }
    this.segmenter.setLeader(this.leadId, this.leadIsVideo);
    // Publishers announce their tracks one after the other, and some send sound before they name the pictures.
    this.joinsAtCut = goesOn && this.output !== null && lead.id !== before;
    if (!goesOn && this.isList) this.segmenter.breakHere();
  }

  private cut(frame: Frame, discontinuity: boolean): void {
    const { plan } = this.options.rule;
    const output = this.output!; // the caller has looked
    if (this.isList && !this.isListDue(frame)) {
      output.setTracks(this.tracks);
      output.cut(frame, this.wallMs(frame), discontinuity);
      return;
    }
    if (plan === 'segment') {
      this.endOutput();
      this.begin(frame);
    } else if (discontinuity) output.cut(frame, 0, true);
  }

  /** A list ends at its time, though its last segment is short then. */
  private endsList(frame: Frame): boolean {
    const isKey = frame.trackId === this.leadId && (frame.flags & FRAME_KEY) !== 0;
    return isKey && this.output !== null && this.isListDue(frame);
  }

  private isListDue(frame: Frame): boolean {
    if (this.options.rule.plan !== 'segment') return false;
    const targetUs = this.options.durationMs * 1000;
    return frame.dts - this.outputUs >= targetUs - targetUs / EARLY_SHARE;
  }

  /** Opens the next file with this frame; false when it must wait for another. */
  private begin(frame: Frame): boolean {
    const { clock } = this.options;
    const isStart = frame.trackId === this.leadId && (!this.leadIsVideo || (frame.flags & FRAME_KEY) !== 0);
    const isWaitingForTracks = this.continuation !== null && this.waitsForTracks(this.continuation, frame);
    const mayStart =
      this.state !== 'gap' || (isStart && clock.nowUs() >= this.retryAtUs && this.closing === 0);
    if (!mayStart || isWaitingForTracks) {
      this.segmenter.breakOff();
      return false;
    }
    const startWallUs = this.wallMs(frame) * 1000;
    const output = this.openOutput(startWallUs);
    this.output = output;
    this.outputUs = frame.dts;
    if (this.isList) output.cut(frame, startWallUs / 1000, false);
    if (this.state !== 'gap') this.state = 'recording';
    return true;
  }

  /** A file can go on with the tracks that it has, and a publisher announces its own one after the other. */
  private waitsForTracks({ entry }: Continuation, frame: Frame): boolean {
    if (this.waitingSinceUs < 0) this.waitingSinceUs = frame.dts;
    const isComplete = entry.tracks.every((track) =>
      this.tracks.some((one) => one.config.codec === track.codec),
    );
    return !isComplete && frame.dts - this.waitingSinceUs < TRACKS_WAIT_US;
  }

  private openOutput(startWallUs: number): RecordingOutput {
    const { rule, key, vhost, metadata } = this.options;
    this.outputSeq = this.seq++;
    const startMs = Math.floor(startWallUs / 1000);
    const facts = { vhost, app: key.app, stream: key.name, seq: this.outputSeq, startMs };
    const template = rule.path === '' ? usualPath(key.app, rule.plan) : rule.path;
    const extension = rule.format === 'hls' ? 'm3u8' : FILE_EXTENSIONS[rule.format];
    const base = renderPath(withoutExtension(template, extension), { ...facts, durationMs: 0 });
    this.wantedFile = `${base}.${extension}`;
    const start = {
      startWallUs,
      base,
      metadata: metadata(),
      tracks: this.tracks,
      onStored: () => this.onStored(output),
      onFailure: (error: NodeJS.ErrnoException) => this.loseDisk(output, describeFailure(error)),
    };
    const { continuation } = this;
    this.continuation = null;
    const output: RecordingOutput = this.isList
      ? new ListOutput(this.context, start)
      : new FileOutput(this.context, start, extension, continuation);
    return output;
  }

  /** Wall clock of a frame, milliseconds: steady with the stream, unless the clock was set or the stream jumped. */
  private wallMs(frame: Frame): number {
    const { clock } = this.options;
    const heardUs = clock.wallUs() - Math.max(0, clock.nowUs() - frame.arrival);
    const offsetUs = heardUs - frame.dts;
    const isSteady = Math.abs(offsetUs - this.wallOffsetUs) < CLOCK_STEP_MS * 1000;
    if (!isSteady) this.wallOffsetUs = offsetUs;
    return Math.floor((frame.dts + this.wallOffsetUs) / 1000);
  }

  /** The disk took the first bytes of an output. */
  private onStored(output: RecordingOutput): void {
    this.retryMs = FIRST_RETRY_MS;
    if (this.state !== 'gap' || output !== this.output) return;
    this.state = 'recording';
    this.closeGap(output.startMs);
    this.options.log.info('record.resumed', { file: output.name });
  }

  private loseDisk(output: RecordingOutput, cause: string): void {
    if (output !== this.output) {
      // A file that was ended already: what was still to be written of it is lost.
      this.lastError = cause;
      if (this.state === 'gap') return;
      this.options.log.counted('record.lost', { cause, file: output.name });
      return;
    }
    const { clock, log } = this.options;
    this.retryAtUs = clock.nowUs() + this.retryMs * 1000;
    this.retryMs = Math.min(this.retryMs * 2, LONGEST_RETRY_MS);
    this.lastError = cause;
    if (this.state !== 'gap') {
      this.openGap(output.failure === null ? output.takenMs : output.storedMs, cause);
      log.warn('record.gap', { cause, file: output.name });
    }
    this.state = 'gap';
    this.endOutput();
    this.segmenter.breakOff();
  }

  private openGap(startMs: number, cause: string): void {
    const { key, rule } = this.options;
    this.gapCount++;
    this.gaps.push({ stream: key.text, recording: rule.name, startMs, endMs: Number.NaN, cause });
    if (this.gaps.length > MAX_LISTED_GAPS) this.gaps.shift();
  }

  private closeGap(endMs: number): void {
    const gap = this.gaps.at(-1);
    if (gap === undefined || !Number.isNaN(gap.endMs)) return;
    const closed = { ...gap, endMs: Math.max(endMs, gap.startMs) };
    this.gaps[this.gaps.length - 1] = closed;
    this.options.index.addGap(closed).catch(this.options.onFault);
  }

  private endOutput(): void {
    const { output, outputSeq } = this;
    if (output === null) return;
    this.wantedFile = output.name || this.wantedFile;
    this.output = null;
    this.closing++;
    // Until its entry is in the index the file must not look like one that nobody writes.
    this.options.index.setOpen(output, () => output.describe());
    const finished = output.finish();
    this.tail = this.tail
      .then(async () => this.enter(await finished, outputSeq))
      .catch(this.options.onFault)
      .finally(() => {
        this.closing--;
        this.options.index.clearOpen(output);
      });
  }

  private async enter(finished: RecordedFile | null, seq: number): Promise<void> {
    if (finished === null) return;
    const { index, rule, log, onFile } = this.options;
    const entry = await this.withDuration(finished, seq);
    await index.add(entry);
    this.fileCount++;
    this.finishedBytes += entry.bytes;
    log.info('record.file', {
      file: entry.file,
      seconds: Math.round((entry.endMs - entry.startMs) / 1000),
      bytes: entry.bytes,
    });
    onFile(entry, rule);
  }

  /** Only now the length is known; the names of a list's segments are in the list and stay. */
  private async withDuration(entry: RecordedFile, seq: number): Promise<RecordedFile> {
    const { rule, key, vhost, index } = this.options;
    if (!/\[duration\]/.test(rule.path) || this.isList || entry.parts.length > 0) return entry;
    const facts = { vhost, app: key.app, stream: key.name, seq, startMs: entry.startMs };
    const extension = entry.file.slice(entry.file.lastIndexOf('.'));
    const durationMs = Math.round(entry.endMs - entry.startMs);
    const base = renderPath(withoutExtension(rule.path, extension.slice(1)), { ...facts, durationMs });
    const file = `${base}${extension}`;
    try {
      await rename(index.pathOf(entry.file), index.pathOf(file));
      return { ...entry, file };
    } catch {
      return entry;
    }
  }

  /** The publisher may come back: the file stays open, and what is known so far stays true. */
  onPause(): void {
    this.announced = null;
  }

  onEnd(): void {
    this.stop();
  }

  /** Ends the recording. Idempotent. */
  stop(): void {
    if (this.state === 'stopped') return;
    const { clock, index } = this.options;
    if (this.state === 'gap') this.closeGap(Math.floor(clock.wallUs() / 1000));
    this.state = 'stopped';
    this.endOutput();
    index.clearOpen(this);
  }

  /** Resolves when everything is on the disk and in the index. */
  get settled(): Promise<void> {
    return this.tail;
  }
}

/** A template may have the extension or not. */
function withoutExtension(template: string, extension: string): string {
  return template.endsWith(`.${extension}`) ? template.slice(0, -extension.length - 1) : template;
}

function describeFailure(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return 'the disk is full';
    case 'EROFS':
      return 'the disk is read-only';
    case 'EACCES':
    case 'EPERM':
      return 'the folder of recordings cannot be written to';
    default:
      return `the disk refuses (${error.code ?? error.message})`;
  }
}
