/**
 * A player of a file on one message stream: media at the pace of the clock with a small lead, pause, seek to the key
 * frame at or before, and the messages that players expect around them (RTMP 1.0 section 7.2.2, as Adobe's server sends
 * them). A slow player gets what it takes and loses nothing.
 */

import type { RtmpConnection } from '../../client/rtmp/rtmp-connection.ts';
import type { FeedEncoder } from '../../media/feed.ts';
import { FRAME_KEY, Frame } from '../../media/frame.ts';
import { defaultTrack } from '../../media/track.ts';
import type { FrameReader, MediaFile } from '../../media-file/media-file.ts';
import { pointBefore } from '../../media-file/vod-plan.ts';
import { FlvTagBuilder } from '../../packaging/flv-tag-builder.ts';
import { type RtmpFormatOptions, rtmpFormat } from '../../packaging/rtmp-feed.ts';
import { SlabWriter } from '../../util/slab.ts';
import type { Timeout } from '../../util/tick-wheel.ts';
import { isAmfObject } from '../../wire/amf/amf-value.ts';
import { ON_META_DATA, parseScript, serializeScript } from '../../wire/flv/script-tag.ts';
import { amfObject, onStatus, STATUS, serializeData } from '../../wire/rtmp/command.ts';
import {
  MESSAGE_DATA_AMF0,
  USER_CONTROL_STREAM_BEGIN,
  USER_CONTROL_STREAM_EOF,
  USER_CONTROL_STREAM_IS_RECORDED,
} from '../../wire/rtmp/message.ts';
import type { RtmpPlayer } from './rtmp-play.ts';

/** Media that a player gets ahead of the clock. */
const LEAD_US = 2_000_000;
const WAKE_MS = 100;
/** Times of access points may be rounded by the container. */
const POINT_TOLERANCE_US = 1000;
const SLAB_BYTES = 256 * 1024;
/** One write at most; a full socket then shows before the next. */
const MAX_RUN_BYTES = 128 * 1024;
/** Those of the feeds: the same track comes on the same chunk stream. */
const AUDIO_CHUNK_STREAM = 4;
const DATA_CHUNK_STREAM = 5;
const VIDEO_CHUNK_STREAM = 6;
const NOTHING: readonly string[] = [];

/** A file that stays open until `release`. */
export interface HeldFile {
  /** `vod/film/a.mp4`: what lists of sessions show. */
  readonly text: string;
  readonly file: MediaFile;
  readonly sizeBytes: number;
  release(): void;
}

export interface RtmpVodOptions extends RtmpFormatOptions {
  readonly held: HeldFile;
  readonly connection: RtmpConnection;
  /** Where to begin, milliseconds. */
  readonly startMs: number;
  /** How much to play, milliseconds; negative = to the end. */
  readonly lengthMs: number;
  readonly nowUs: () => number;
  readonly after: (delayMs: number, run: () => void) => Timeout;
  /** All was sent, or the file broke in the middle: a sentence. Called once per play or seek. */
  readonly onFinished: (reason: string, isFault: boolean) => void;
  readonly onFault: (error: unknown) => void;
}

export class RtmpVod implements RtmpPlayer {
  private readonly options: RtmpVodOptions;
  private readonly encoder: FeedEncoder;
  private readonly builder: FlvTagBuilder;
  private readonly slab = new SlabWriter(SLAB_BYTES);
  private reader: FrameReader | null = null;
  /** Which play or seek is going on; what belongs to an earlier one stops by itself. */
  private turn = 0;
  /** Added to times of the file, so that decode times do not begin below 0. */
  private shiftUs = 0;
  /** File time that belongs to the clock's `clockUs`. */
  private mediaUs = 0;
  /** Nothing is sent before the key frame of this time; -1 = it came. */
  private fromUs = -1;
  /** The track whose key frames are the access points; -1 = all are sound. */
  private readonly leaderId: number;
  private clockUs = 0;
  private endUs = Number.POSITIVE_INFINITY;
  private pausedSinceUs = -1;
  private wake: (() => void) | null = null;
  private timer: Timeout | null = null;
  private bytes = 0;
  private frames = 0;
  private isClosed = false;
  private toldLeftOut = false;
  private isFinished: boolean = false;

  constructor(options: RtmpVodOptions) {
    this.options = options;
    const { tracks } = options.held.file;
    this.leaderId = defaultTrack(tracks, 'video')?.id ?? -1;
    this.encoder = rtmpFormat(options).open({ tracks, metadata: null, label: options.held.text });
    this.builder = new FlvTagBuilder({
      enhanced: options.fourCcs === null || options.fourCcs.size > 0,
      multitrack: options.multitrack,
      fourCcs: options.fourCcs,
    });
  }

  /** Announces the stream and begins to send. */
  async start(): Promise<void> {
    const { held, startMs, lengthMs, connection, messageStreamId } = this.options;
    const first = held.file.open(0);
    try {
      for (const { dts } of await first.read()) this.shiftUs = Math.max(this.shiftUs, -dts);
    } finally {
      first.close();
    }
    if (this.isClosed) return;
    if (lengthMs >= 0) this.endUs = (Math.max(0, startMs) + lengthMs) * 1000;
    connection.sendUserControl(USER_CONTROL_STREAM_IS_RECORDED, messageStreamId);
    connection.sendUserControl(USER_CONTROL_STREAM_BEGIN, messageStreamId);
    this.status(STATUS.playReset, `Playing and resetting ${held.text}.`);
    this.status(STATUS.playStart, `Started playing ${held.text}.`);
    this.data(serializeData('|RtmpSampleAccess', true, true));
    this.data(this.metadata());
    this.playFrom(Math.max(0, startMs));
  }

  /** onMetaData as for a live stream, with what only a file has. */
  private metadata(): Buffer {
    const { file, sizeBytes } = this.options.held;
    const tracks = file.tracks.filter((track) => this.builder.canCarry(track));
    const { value } = parseScript(this.builder.metadata(tracks, null));
    const values = isAmfObject(value) ? value : amfObject({});
    return serializeScript(
      ON_META_DATA,
      Object.assign(values, { duration: file.durationUs / 1_000_000, filesize: sizeBytes }),
    );
  }

  private playFrom(ms: number): void {
    const { held } = this.options;
    const { file } = held;
    this.stopReading();
    const point = pointBefore(file.points, ms * 1000 - this.shiftUs);
    this.mediaUs = point === 0 ? 0 : file.points[point]!.timeUs;
    this.fromUs = point === 0 ? -1 : this.mediaUs;
    this.clockUs = this.options.nowUs();
    if (this.pausedSinceUs >= 0) this.pausedSinceUs = this.clockUs;
    this.frames = 0;
    this.isFinished = false;
    this.sendHeaders(this.mediaUs + this.shiftUs);
    this.reader = file.open(point);
    const turn = ++this.turn;
    this.run(this.reader, turn).catch((error: unknown) => {
      if (turn !== this.turn) return;
      this.options.onFault(error);
      this.finish('The file cannot be read any further.', true);
    });
  }

  private async run(reader: FrameReader, turn: number): Promise<void> {
    while (turn === this.turn) {
      const frames = await reader.read();
      if (turn !== this.turn) return;
      if (frames.length === 0) {
        this.finish('The end of the file.', false);
        return;
      }
      let at = 0;
      while (at < frames.length) {
        const next = this.sendDue(frames, at);
        if (this.isFinished) return;
        at = next;
        if (at < frames.length && !this.canSend(frames[at]!)) await this.untilWake();
        if (turn !== this.turn) return;
      }
    }
  }

  /** Sends the frames that are due; returns the first that is not. */
  private sendDue(frames: readonly Frame[], from: number): number {
    let at = from;
    let slab = this.slab.slab;
    let start = this.slab.used;
    let end = start;
    while (at < frames.length && end - start < MAX_RUN_BYTES) {
      const frame = frames[at]!; // below the length
      if (this.isTooEarly(frame)) {
        at++;
        continue;
      }
      if (!this.canSend(frame)) break;
      if (frame.dts + this.shiftUs >= this.endUs) {
        this.write(slab, start, end);
        this.finish('The end of the part that was asked for.', false);
        return at;
      }
      at++;
      const shifted = this.shift(frame);
      if (!this.encoder.encode(shifted, this.slab)) continue;
      this.frames++;
      if (this.slab.slab !== slab) {
        this.write(slab, start, end);
        slab = this.slab.slab;
        start = 0;
      }
      end = this.slab.used;
    }
    this.write(slab, start, end);
    return at;
  }

  private write(slab: Buffer, start: number, end: number): void {
    if (end === start) return;
    this.bytes += end - start;
    this.options.connection.output.write(slab.subarray(start, end));
  }

  private shift(frame: Frame): Frame {
    const { shiftUs } = this;
    if (shiftUs === 0) return frame;
    const { trackId, flags, dts, pts, duration, payload, config, arrival, captureTime } = frame;
    return new Frame(
      trackId,
      flags,
      Math.max(0, dts + shiftUs),
      pts + shiftUs,
      duration,
      payload,
      config,
      arrival,
      captureTime,
    );
  }

  /** Readers of some containers begin before the access point that was asked for. */
  private isTooEarly(frame: Frame): boolean {
    if (this.fromUs < 0) return false;
    const isLeader = this.leaderId < 0 || frame.trackId === this.leaderId;
    const isKey = this.leaderId < 0 || (frame.flags & FRAME_KEY) !== 0;
    if (!isLeader || !isKey || frame.pts < this.fromUs - POINT_TOLERANCE_US) return true;
    this.fromUs = -1;
    return false;
  }

  /** Whether the player takes more and the frame is due. */
  private canSend(frame: Frame): boolean {
    if (!this.options.connection.output.writable()) return false;
    // A picture is shown after a seek even while the player is paused.
    if (this.pausedSinceUs >= 0) return this.frames === 0;
    return frame.dts <= this.mediaUs + this.options.nowUs() - this.clockUs + LEAD_US;
  }

  private untilWake(): Promise<void> {
    return new Promise((resolve) => {
      this.wake = resolve;
      this.timer = this.options.after(WAKE_MS, () => this.wakeUp());
    });
  }

  private wakeUp(): void {
    const { wake } = this;
    this.wake = null;
    this.timer?.cancel();
    this.timer = null;
    wake?.();
  }

  private finish(reason: string, isFault: boolean): void {
    this.isFinished = true;
    this.stopReading();
    if (!isFault) this.tellComplete();
    this.options.connection.sendUserControl(USER_CONTROL_STREAM_EOF, this.options.messageStreamId);
    this.options.onFinished(reason, isFault);
  }

  /** A command, not the data message onPlayStatus of Adobe's server: FFmpeg takes that for a track of its own. */
  private tellComplete(): void {
    const { held, connection, messageStreamId } = this.options;
    const extra = amfObject({ duration: held.file.durationUs / 1_000_000, bytes: this.bytes });
    const body = onStatus('status', STATUS.playComplete, 'All of it was sent.', extra);
    connection.sendCommand(messageStreamId, body);
  }

  pause(paused: boolean): void {
    const { connection, messageStreamId, nowUs } = this.options;
    const isPaused = this.pausedSinceUs >= 0;
    if (paused !== isPaused) {
      connection.sendUserControl(
        paused ? USER_CONTROL_STREAM_EOF : USER_CONTROL_STREAM_BEGIN,
        messageStreamId,
      );
      // The clock stood still meanwhile.
      if (!paused) this.clockUs += nowUs() - this.pausedSinceUs;
      this.pausedSinceUs = paused ? nowUs() : -1;
    }
    if (paused) this.status(STATUS.pauseNotify, 'Paused.');
    else this.status(STATUS.unpauseNotify, 'Playing goes on.');
    if (!paused) this.wakeUp();
  }

  /** To the key frame at or before. */
  seek(ms: number): void {
    const { connection, messageStreamId } = this.options;
    if (this.isClosed || this.turn === 0) return;
    connection.sendUserControl(USER_CONTROL_STREAM_EOF, messageStreamId);
    connection.sendUserControl(USER_CONTROL_STREAM_IS_RECORDED, messageStreamId);
    connection.sendUserControl(USER_CONTROL_STREAM_BEGIN, messageStreamId);
    this.status(STATUS.seekNotify, `Playing goes on at ${Math.round(ms)} ms.`);
    this.status(STATUS.playStart, `Started playing ${this.options.held.text}.`);
    this.playFrom(Math.max(0, ms));
  }

  /** Decoder configurations, in front of every run of frames. */
  private sendHeaders(timeUs: number): void {
    const { messageStreamId, connection } = this.options;
    for (const track of this.options.held.file.tracks) {
      const header = this.builder.canCarry(track) ? this.builder.sequenceHeader(track) : null;
      if (header === null) continue;
      const chunkStream = track.kind === 'video' ? VIDEO_CHUNK_STREAM : AUDIO_CHUNK_STREAM;
      connection.send(chunkStream, header.typeId, messageStreamId, header.bytes, Math.round(timeUs / 1000));
      this.bytes += header.bytes.length;
    }
  }

  private status(code: string, description: string): void {
    const { connection, messageStreamId } = this.options;
    connection.sendCommand(messageStreamId, onStatus('status', code, description));
  }

  private data(body: Buffer): void {
    const { connection, messageStreamId } = this.options;
    connection.send(DATA_CHUNK_STREAM, MESSAGE_DATA_AMF0, messageStreamId, body);
  }

  private stopReading(): void {
    this.turn++;
    this.reader?.close();
    this.reader = null;
    this.wakeUp();
  }

  isOver(): boolean {
    return this.isFinished;
  }

  hasStarted(): boolean {
    return this.turn > 0;
  }

  bytesSent(): number {
    return this.bytes;
  }

  dropped(): number {
    return 0;
  }

  newlyLeftOut(): readonly string[] {
    if (this.toldLeftOut) return NOTHING;
    this.toldLeftOut = true;
    return this.encoder.leftOut().map(({ reason }) => reason);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.stopReading();
    this.options.held.release();
  }
}
