/**
 * A stream in another codec, while somebody plays it: takes the frames of its source, has the pictures encoded anew by a
 * child process, and publishes them with the sound as it is. A child that dies is replaced, later each time; when it
 * dies again and again, players are told why.
 */
import type { SessionDetails } from '../../access/session-registry.ts';
import { isSameConfig } from '../../codec/codec-config.ts';
import { CODECS } from '../../codec/codec-id.ts';
import { FRAME_KEY, type Frame } from '../../media/frame.ts';
import type { FrameConsumer } from '../../media/frame-consumer.ts';
import type { OnDemandSource } from '../../media/on-demand.ts';
import type { Publication } from '../../media/publication.ts';
import type { Stream } from '../../media/stream.ts';
import type { StreamHub } from '../../media/stream-hub.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import { defaultTrack, type Track } from '../../media/track.ts';
import type { PictureTarget } from '../../runtime/video-conversions.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import { randomId } from '../../util/id.ts';
import type { Logger } from '../../util/log.ts';
import { isInMatroska } from '../../wire/matroska/live-writer.ts';
import { ConvertedOutput } from './converted-output.ts';
import { ffmpegArguments, type PictureJob } from './ffmpeg-arguments.ts';
import type { FoundEncoder } from './ffmpeg-program.ts';
import type { FfmpegRun, FfmpegRunEvents } from './ffmpeg-run.ts';
import { PictureEncoder } from './picture-encoder.ts';

/** What it needs of a child process. */
type Child = Pick<FfmpegRun, 'pid' | 'waitingBytes' | 'write' | 'stop'>;

/** What it needs of the server. */
export interface ConversionTools {
  readonly hub: StreamHub;
  readonly log: Logger;
  nowUs(): number;
  wallMs(): number;
  after(delayMs: number, run: () => void): { cancel(): void };
  every(periodMs: number, run: () => void): { cancel(): void };
  findEncoder(target: PictureTarget): Promise<FoundEncoder>;
  spawn(program: string, args: readonly string[], events: FfmpegRunEvents): Child;
  settings(): { readonly bitrate: number; readonly preset: string };
  /** It begins; '' or why it must not. */
  onStart(conversion: ConvertedStream): string;
  /** It is over; called once for every `onStart` that returned ''. */
  onStop(conversion: ConvertedStream): void;
  onFault(error: unknown): void;
}

/** Of two tries in a row, doubled for each further one. */
const FIRST_RETRY_MS = 250;
const LONGEST_RETRY_MS = 4000;
const MAX_FAILURES = 5;
/** A child that has worked for this long did not fail at once. */
const STEADY_US = 10_000_000;
const LOOK_MS = 1000;
/** A child that gets pictures and gives none for this long hangs. */
const MAX_SILENT_US = 10_000_000;
/** How long it goes on without players. */
const KEPT_MS = 8000;
/** Frames since a key frame, until the child has started. */
const MAX_KEPT = 600;

export class ConvertedStream implements OnDemandSource, FrameConsumer {
  readonly id = randomId();
  readonly key: StreamKey;
  readonly source: StreamKey;
  readonly target: PictureTarget;
  readonly description: string;
  readonly keptMs = KEPT_MS;
  /** Why the latest child ended; '' = none has. */
  failure = '';
  restarts = 0;
  bytesFed = 0;
  bytesMade = 0;
  readonly sinceMs: number;
  private readonly tools: ConversionTools;
  private readonly log: Logger;
  private isRunning = false;
  /** Players are about to be told why it ended. */
  private isFailing = false;
  /** Between the wish for a child and its start. */
  private isStarting = false;
  private stream: Stream | null = null;
  private detach: (() => void) | null = null;
  private track: Track | null = null;
  private kept: Frame[] = [];
  private job: PictureJob | null = null;
  private run: Child | null = null;
  private encoder: PictureEncoder | null = null;
  private runSinceUs = 0;
  private failures = 0;
  private isSlowTold = false;
  private readonly output: ConvertedOutput;
  private look: { cancel(): void } | null = null;
  private retry: { cancel(): void } | null = null;
  private picturesBefore = 0;
  private droppedBefore = 0;

  constructor(tools: ConversionTools, source: StreamKey, key: StreamKey, target: PictureTarget) {
    this.tools = tools;
    this.source = source;
    this.key = key;
    this.target = target;
    this.sinceMs = tools.wallMs();
    this.description = `${source.text} as ${CODECS[target].label}, by ffmpeg`;
    this.log = tools.log.child(this.id, { stream: key.text, source: source.text });
    this.output = new ConvertedOutput(() => this.publish());
  }

  get keepsTrying(): boolean {
    return this.isRunning || this.isFailing;
  }

  /** A player is there. */
  start(): void {
    if (this.isRunning || this.isFailing) return;
    this.isRunning = true;
    const refusal = this.tools.onStart(this);
    if (refusal !== '') {
      this.isRunning = false;
      this.refuse(refusal);
      return;
    }
    try {
      const { stream, detach } = this.tools.hub.consume(this.source, this, 0);
      this.stream = stream;
      this.detach = detach;
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      this.fail(error.message);
      return;
    }
    this.look = this.tools.every(LOOK_MS, () => this.lookAfter());
    this.begin();
  }

  /** The hub must have the player before it can be told. */
  private refuse(reason: string): void {
    this.failure = reason;
    this.isFailing = true;
    this.tools.after(0, () => {
      this.isFailing = false;
      this.tools.hub.giveUp(this.key, reason);
    });
  }

  /** The last player is gone. */
  stop(): void {
    this.close('nobody plays it any more');
  }

  /** Ends it; players are told. */
  fail(reason: string): void {
    if (!this.isRunning) return;
    this.log.warn('transcode.failed', { cause: reason });
    this.refuse(reason);
    this.close(reason);
  }

  private close(reason: string): void {
    if (!this.isRunning) return;
    this.isRunning = false;
    this.look?.cancel();
    this.retry?.cancel();
    this.endRun();
    this.detach?.();
    this.detach = null;
    this.stream = null;
    this.track = null;
    if (this.output.isPublished) this.log.info('transcode.stopped', { cause: reason });
    this.output.end(reason);
    this.tools.onStop(this);
  }

  onTracks(tracks: readonly Track[]): void {
    this.output.setSounds(tracks.filter(({ kind }) => kind !== 'video'));
    const track = defaultTrack(tracks, 'video');
    // A publisher that comes back announces one after the other.
    if (track === undefined) return;
    const known = this.track;
    this.track = track;
    if (this.run === null || (known !== null && isSameVideo(known, track))) return;
    // Another codec or size: a program that was begun for one is of no use for the other.
    this.endRun();
    this.begin();
  }

  onFrame(frame: Frame): void {
    const { track, encoder } = this;
    const nowUs = this.tools.nowUs();
    if (frame.trackId !== track?.id) {
      this.output.sound(frame, nowUs);
    } else if (encoder === null) {
      this.keep(frame);
    } else {
      this.bytesFed += frame.payload.length;
      encoder.push(frame, nowUs);
    }
  }

  /** Where the stream caches nothing. */
  private keep(frame: Frame): void {
    if ((frame.flags & FRAME_KEY) !== 0) {
      this.kept = [frame];
      this.begin();
    } else if (this.kept.length >= MAX_KEPT) {
      // What follows them could not be decoded without those that are left out: the next key frame is waited for.
      this.kept = [];
    } else if (this.kept.length > 0) {
      this.kept.push(frame);
    }
  }

  /** The publisher may come back. */
  onPause(): void {}

  /** The source is over. */
  onEnd(reason: string): void {
    this.detach = null;
    if (!this.isRunning) return;
    this.refuse(reason);
    this.close(reason);
  }

  /** Looks for the program, and starts it with what is cached. */
  private begin(): void {
    if (!this.isRunning || this.isStarting || this.run !== null || this.track === null) return;
    if (this.cached().length === 0) return;
    const { codec } = this.track.config;
    if (!isInMatroska(codec)) {
      this.fail(`${this.key.text} cannot be made: ${CODECS[codec].label} cannot be converted.`);
      return;
    }
    this.isStarting = true;
    this.retry?.cancel();
    void this.tools
      .findEncoder(this.target)
      .then((found) => {
        this.isStarting = false;
        if (!this.isRunning) return;
        if (found.reason !== '') this.fail(`${this.key.text} cannot be made: ${found.reason}.`);
        else this.startRun(found);
      })
      .catch((error: unknown) => {
        this.isStarting = false;
        this.tools.onFault(error);
      });
  }

  /** Pictures since the last key frame. */
  private cached(): Frame[] {
    const cached = this.stream?.cachedFrames() ?? [];
    const frames = cached.length > 0 ? cached : this.kept;
    const { track } = this;
    if (track === null) return [];
    return frames.filter(({ trackId, config }) => trackId === track.id && isSameConfig(config, track.config));
  }

  private startRun({ program, encoder: name }: FoundEncoder): void {
    const { track, stream } = this;
    const frames = this.cached();
    const first = frames[0];
    const newest = frames.at(-1);
    if (track === null || stream === null || first === undefined || newest === undefined) return;
    const { config } = track;
    const frameRate = config.frameRate || stream.statistics.frameRate;
    const job: PictureJob = {
      codec: config.codec,
      width: config.width,
      height: config.height,
      frameRate,
      target: this.target,
      encoder: name,
      fromUs: PictureEncoder.toldTime(newest.pts, first.pts, this.target),
      ...this.tools.settings(),
    };
    this.job = job;
    this.runSinceUs = this.tools.nowUs();
    const run = this.spawn(program, job);
    if (run === null) return;
    this.run = run;
    const encoder = new PictureEncoder(
      run,
      this.target,
      config,
      frameRate,
      first.pts,
      (flags, ptsUs, captureUs, payload, made) => {
        if (this.track !== null) this.output.picture(this.track, flags, ptsUs, captureUs, payload, made);
      },
      () => this.onSlow(),
    );
    this.encoder = encoder;
    this.kept = [];
    this.log.info('transcode.started', {
      from: CODECS[config.codec].label,
      encoder: name,
      size: `${config.width}x${config.height}`,
      pid: run.pid,
    });
    const nowUs = this.tools.nowUs();
    for (const frame of frames) encoder.push(frame, nowUs, frame.pts < newest.pts);
  }

  /** Null when the system has no room for it: it is tried again later. */
  private spawn(program: string, job: PictureJob): Child | null {
    try {
      const run = this.tools.spawn(program, ffmpegArguments(job), {
        onOutput: (bytes) => this.onOutput(run, bytes),
        onEnd: (complaint) => this.onRunEnd(run, complaint),
      });
      return run;
    } catch (error) {
      this.lose(`it could not be started (${error instanceof Error ? error.message : String(error)})`);
      return null;
    }
  }

  private onOutput(run: Child, bytes: Buffer): void {
    if (run !== this.run) return;
    this.bytesMade += bytes.length;
    try {
      this.encoder?.receive(bytes, this.tools.nowUs());
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.lose(`what it wrote makes no sense (${error.message})`);
    }
  }

  private onRunEnd(run: Child, complaint: string): void {
    if (run === this.run) this.lose(complaint);
  }

  /** The child is of no use any more: another one is tried. */
  private lose(cause: string): void {
    const wasSteady = this.tools.nowUs() - this.runSinceUs > STEADY_US && (this.encoder?.pictures ?? 0) > 0;
    this.endRun();
    this.failures = wasSteady ? 1 : this.failures + 1;
    this.failure = `${this.key.text} cannot be made: ffmpeg failed ${this.failures} times, at last with: ${cause}.`;
    if (this.failures >= MAX_FAILURES) {
      this.fail(this.failure);
      return;
    }
    this.restarts++;
    const waitMs = Math.min(FIRST_RETRY_MS * 2 ** (this.failures - 1), LONGEST_RETRY_MS);
    this.log.warn('transcode.lost', { cause, 'in-ms': waitMs });
    this.retry = this.tools.after(waitMs, () => this.begin());
  }

  private endRun(): void {
    const { run, encoder } = this;
    this.picturesBefore += encoder?.pictures ?? 0;
    this.droppedBefore += encoder?.dropped ?? 0;
    this.run = null;
    this.encoder = null;
    run?.stop();
  }

  private lookAfter(): void {
    const nowUs = this.tools.nowUs();
    if (this.encoder !== null && this.encoder.silentUs(nowUs) > MAX_SILENT_US)
      this.lose('it gave no picture for 10 seconds');
  }

  private onSlow(): void {
    if (this.isSlowTold) return;
    this.isSlowTold = true;
    this.log.warn('transcode.slow', {
      text: 'ffmpeg is slower than the pictures come; some are left out. A faster preset (<transcode> in config.xml) or a smaller picture helps.',
    });
  }

  private publish(): Publication | null {
    const { hub } = this.tools;
    const source = this.stream === null ? null : hub.publisherOf(this.stream);
    try {
      return hub.publish(this.key, {
        id: this.id,
        protocol: 'transcode',
        remote: this.remote,
        host: source?.host ?? '',
        via: source?.via ?? [],
        source: this,
        requestKeyFrame: () => this.encoder?.wantKey(),
        revoke: (reason) => this.close(reason),
      });
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      this.fail(error.message);
      return null;
    }
  }

  get remote(): string {
    return `ffmpeg:${this.run?.pid ?? 0}`;
  }

  get streamText(): string {
    return this.key.text;
  }

  get dropped(): number {
    return this.droppedBefore + (this.encoder?.dropped ?? 0) + this.output.latePictures;
  }

  details(): SessionDetails {
    const { job, encoder, track } = this;
    return {
      source: this.source.text,
      from: track?.config.codec ?? '',
      to: this.target,
      encoder: job?.encoder ?? '',
      pid: this.run?.pid ?? 0,
      pictures: this.picturesBefore + (encoder?.pictures ?? 0),
      waiting_pictures: encoder?.waiting ?? 0,
      dropped_pictures: this.dropped,
      restarts: this.restarts,
      last_error: this.failure,
    };
  }
}

function isSameVideo(a: Track, b: Track): boolean {
  return (
    a.id === b.id &&
    isSameConfig(a.config, b.config) &&
    a.config.width === b.config.width &&
    a.config.height === b.config.height
  );
}
