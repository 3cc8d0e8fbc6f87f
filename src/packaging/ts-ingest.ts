/**
 * PES packets of one transport stream to tracks and frames: canonical payloads (src/codec/README.md), times in
 * milliseconds of the sender's clock, its 33-bit wraps undone. Which tracks there are may change with every program
 * map; a stream that takes the place of another of its kind goes on as the same track.
 * Leaves out, by name: what ts-ingest-stream.ts has no codec for, and tracks beyond the bounds below.
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import { CODECS, type CodecId } from '../codec/codec-id.ts';
import { makeTrack, type Track } from '../media/track.ts';
import { MODULUS_33, serialDifference } from '../util/serial-number.ts';
import type { PesPacket } from '../wire/mpegts/pes-reader.ts';
import type { TsProgram, TsStream } from '../wire/mpegts/psi-reader.ts';
import type { TsReaderOutput } from '../wire/mpegts/ts-reader.ts';
import { TsAudioStream } from './ts-ingest-audio.ts';
import { meaningOf, type StreamMeaning } from './ts-ingest-stream.ts';
import type { TsIngestTrack } from './ts-ingest-track.ts';
import { TsVideoStream } from './ts-ingest-video.ts';

/** Where tracks and frames go; a Publication is one. */
export interface TsIngestOutput {
  /** A new track, or a new config of a known one (same id). */
  setTrack(track: Track): void;
  /** `payload` is valid during the call only. `durationUs` 0 = not known. */
  write(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
  ): void;
}

/** What an ingest that begins in the middle must know; made by `saveState`. */
export interface TsIngestState {
  readonly program: TsProgram | null;
  readonly slots: readonly TsSlot[];
}

interface TsSlot {
  readonly pid: number;
  readonly trackId: number;
  readonly codec: CodecId;
  readonly config: CodecConfig | null;
}

export interface TsIngestOptions {
  readonly state?: TsIngestState;
  /** A time near which the first one is meant, milliseconds. */
  readonly nearMs?: number;
  /** The way here loses packets: what is damaged is left out, and pictures up to the next key frame. */
  readonly isLossy?: boolean;
}

const MAX_VIDEO_TRACKS = 4;
const MAX_AUDIO_TRACKS = 12;
/** Of one picture: a key frame of any real encoder fits several times. */
const MAX_VIDEO_PES_BYTES = 8 * 1024 * 1024;
/** The length field of sound is never 0, so it cannot be longer (2.4.3.7). */
const MAX_AUDIO_PES_BYTES = 0x1_0006;
const TICKS_PER_MS = 90;
/** A step back that is larger is a sender that began anew, and no packet that was overtaken or came twice. */
const MAX_LATE_MS = 1000;

export class TsIngest implements TsReaderOutput {
  /** Where in the stream the frame begins that is being written, bytes. */
  position = 0;
  private readonly output: TsIngestOutput;
  private current: TsProgram | null = null;
  private streams: TsIngestTrack[] = [];
  private unused: string[] = [];
  /** Not wrapped. */
  private lastTicks: number;
  private readonly isLossy: boolean;
  private goneDropped = 0;
  private goneDamaged = 0;
  private goneWithoutConfig = 0;

  constructor(output: TsIngestOutput, options: TsIngestOptions = {}) {
    this.output = output;
    this.lastTicks = options.nearMs === undefined ? Number.NaN : Math.round(options.nearMs * TICKS_PER_MS);
    this.isLossy = options.isLossy ?? false;
    const { state } = options;
    if (state === undefined) return;
    this.current = state.program;
    for (const { pid, trackId, codec, config } of state.slots) {
      const line = state.program?.streams.find((stream) => stream.pid === pid);
      if (line === undefined) continue;
      const stream = this.makeStream(pid, trackId, codec, meaningOf(line));
      stream.config = config;
      this.streams.push(stream);
    }
  }

  /** Frames, or pieces of them, that make no sense. */
  get damagedFrames(): number {
    return this.streams.reduce((sum, stream) => sum + stream.damagedFrames, this.goneDamaged);
  }

  /** Frames left out because packets were lost in them or before them. */
  get droppedFrames(): number {
    return this.streams.reduce((sum, stream) => sum + stream.droppedFrames, this.goneDropped);
  }

  /** Frames dropped because nothing told how to decode them. */
  get framesWithoutConfig(): number {
    return this.streams.reduce((sum, stream) => sum + stream.framesWithoutConfig, this.goneWithoutConfig);
  }

  /** Sentences about streams of the present program that are not used. */
  leftOut(): readonly string[] {
    const reasons = this.streams.map(({ reason }) => reason).filter((reason) => reason !== '');
    return [...this.unused, ...reasons];
  }

  saveState(): TsIngestState {
    const slots = this.streams.map(({ pid, trackId, codec, config }) => ({ pid, trackId, codec, config }));
    return { program: this.current, slots };
  }

  maxPesBytes(stream: TsStream): number {
    const { codec } = meaningOf(stream);
    if (codec === null) return 0;
    return CODECS[codec].kind === 'video' ? MAX_VIDEO_PES_BYTES : MAX_AUDIO_PES_BYTES;
  }

  program(program: TsProgram): void {
    const meanings = program.streams.map((line) => ({ pid: line.pid, meaning: meaningOf(line) }));
    const staying = this.streams.filter((stream) =>
      meanings.some(
        ({ pid, meaning }) =>
          pid === stream.pid && meaning.codec === stream.codec && meaning.isLatm === stream.isLatm,
      ),
    );
    for (const stream of this.streams) {
      if (staying.includes(stream)) continue;
      this.goneDamaged += stream.damagedFrames;
      this.goneDropped += stream.droppedFrames;
      this.goneWithoutConfig += stream.framesWithoutConfig;
    }
    this.current = program;
    this.streams = staying;
    this.unused = [];
    for (const { pid, meaning } of meanings) {
      const { codec, name } = meaning;
      if (staying.some((stream) => stream.pid === pid)) continue;
      const trackId = codec === null ? -1 : this.freeTrackId(codec);
      if (codec === null) this.unused.push(`Sluice does not use ${name} of MPEG-TS (PID ${pid}).`);
      else if (trackId < 0) this.unused.push(`There are too many tracks for the one of PID ${pid}.`);
      else this.streams.push(this.makeStream(pid, trackId, codec, meaning));
    }
  }

  /** Lowest id that no stream of the present program has: even for video, odd for audio; -1 = there is none. */
  private freeTrackId(codec: CodecId): number {
    const isVideo = CODECS[codec].kind === 'video';
    const count = isVideo ? MAX_VIDEO_TRACKS : MAX_AUDIO_TRACKS;
    for (let index = 0; index < count; index++) {
      const id = index * 2 + (isVideo ? 0 : 1);
      if (!this.streams.some((stream) => stream.trackId === id)) return id;
    }
    return -1;
  }

  private makeStream(
    pid: number,
    trackId: number,
    codec: CodecId,
    { language, channels, isLatm }: StreamMeaning,
  ): TsIngestTrack {
    const setConfig = (config: CodecConfig): void =>
      this.output.setTrack(makeTrack(trackId, config, trackId >> 1, language));
    return CODECS[codec].kind === 'video'
      ? new TsVideoStream(this, this.output, pid, trackId, codec, setConfig)
      : new TsAudioStream(this, this.output, pid, trackId, codec, setConfig, channels, isLatm);
  }

  /** Hot path. */
  pes(packet: PesPacket): void {
    const { pts, dts } = packet;
    let dtsMs = Number.NaN;
    let ptsMs = Number.NaN;
    if (dts >= 0) {
      const ticks = this.unwrap(dts);
      dtsMs = ticks / TICKS_PER_MS;
      ptsMs = (ticks + serialDifference(pts, dts, MODULUS_33)) / TICKS_PER_MS;
    }
    for (const stream of this.streams) {
      if (stream.pid !== packet.pid) continue;
      this.position = packet.position;
      if (this.isLossy && (packet.isAfterLoss || packet.isDamaged)) stream.onLoss(packet.isDamaged);
      if (this.isLossy && (packet.isDamaged || isLate(stream, dtsMs))) return;
      stream.take(packet.payload, dtsMs, ptsMs, packet.position);
      return;
    }
  }

  private unwrap(ticks: number): number {
    const last = this.lastTicks;
    this.lastTicks = Number.isNaN(last) ? ticks : last + serialDifference(ticks, last, MODULUS_33);
    return this.lastTicks;
  }
}

/** Whether what follows it has come before, or it itself. Remembers its time otherwise. */
function isLate(stream: TsIngestTrack, dtsMs: number): boolean {
  if (Number.isNaN(dtsMs)) return false;
  if (dtsMs <= stream.latestMs && dtsMs > stream.latestMs - MAX_LATE_MS) {
    stream.droppedFrames++;
    return true;
  }
  stream.latestMs = dtsMs;
  return false;
}
