/**
 * One media of an RTP source: packets to frames. Puts packets in order, finds their payload format, joins what the
 * format gives with its config and its times. A camera that changes its SSRC, starts its numbers again or sends
 * another payload type than it announced is followed.
 */
import { audioFrameDuration } from '../codec/audio-frame-duration.ts';
import { type CodecConfig, isSameConfig, makeCodecConfig } from '../codec/codec-config.ts';
import { CODECS, type CodecId, type TrackKind } from '../codec/codec-id.ts';
import { configFromFrame, configFromRecord } from '../codec/describe-config.ts';
import { videoFrameFlags } from '../codec/video-payload.ts';
import { DtsFromPts } from '../media/dts-from-pts.ts';
import { FRAME_CONFIG, FRAME_DISCONTINUITY, FRAME_IN_BAND_CONFIG, FRAME_KEY } from '../media/frame.ts';
import { MODULUS_16, serialDifference } from '../util/serial-number.ts';
import type {
  RtpDepacketizer,
  RtpMapping,
  RtpPayloadFormat,
  RtpUnitOutput,
} from '../wire/rtp/payload-format.ts';
import { ReceiveStatistics } from '../wire/rtp/receive-statistics.ts';
import {
  MAX_SEQUENCE_STEP,
  ReorderBuffer,
  type ReorderLimits,
  type ReorderOutput,
} from '../wire/rtp/reorder-buffer.ts';
import { RtpPacket } from '../wire/rtp/rtp-packet.ts';
import { hasPicture } from './flv-ingest-frame.ts';
import { RtpTrackTime } from './rtp-ingest-time.ts';

/**
 * What happens to video after a loss. `until-key`: nothing is written before the next key frame; `frame`: only frames
 * that are damaged themselves are left out; `keep`: everything is written. Damaged sound is never written but with `keep`.
 */
export type RtpDamagePolicy = 'until-key' | 'frame' | 'keep';

/** Where the frames of a track go. */
export interface RtpFrameOutput {
  /** The config of the frames that follow. */
  config(track: RtpIngestTrack, config: CodecConfig): void;
  frame(
    track: RtpIngestTrack,
    flags: number,
    dtsUs: number,
    ptsUs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
    captureUs: number,
  ): void;
  /** The first frame of the track has this time on its own clock. */
  began(track: RtpIngestTrack, us: number, nowUs: number): void;
}

/** One payload type that is understood. */
export interface RtpIngestFormat {
  readonly mapping: RtpMapping;
  readonly format: RtpPayloadFormat;
}

export interface RtpTrackOptions {
  readonly trackId: number;
  readonly kind: TrackKind;
  readonly language: string;
  /** All of one kind; the first is the usual one. */
  readonly formats: readonly RtpIngestFormat[];
  /** Null on TCP: nothing comes out of order there. */
  readonly reorder: ReorderLimits | null;
  readonly damage: RtpDamagePolicy;
}

/** After so long without a key frame the stream has none (gradual refresh). */
const MAX_KEY_WAIT_US = 10_000_000;
const FIRST_DYNAMIC_TYPE = 96;
const NEEDS_RECORD: ReadonlySet<CodecId> = new Set(['h264', 'h265', 'av1', 'aac', 'flac']);
const NO_BYTES = new Uint8Array(0);

export class RtpIngestTrack implements ReorderOutput, RtpUnitOutput {
  readonly trackId: number;
  readonly kind: TrackKind;
  readonly language: string;
  readonly time: RtpTrackTime;
  readonly statistics: ReceiveStatistics;
  /** Config of the frames that come now; null while nothing tells it. */
  config: CodecConfig | null;
  /** Frames with pieces missing, and pieces and packets that made no sense. */
  damaged: number;
  /** Frames left out because of a loss before them. */
  dropped: number;
  framesWithoutConfig: number;
  /** Packets of payload types that are not understood. */
  foreignPackets: number;
  ssrcChanges: number;
  /** The source said goodbye, and nothing has come since. */
  hasLeft: boolean;
  private readonly output: RtpFrameOutput;
  private readonly formats: readonly RtpIngestFormat[];
  private readonly depacketizers: (RtpDepacketizer | null)[];
  private readonly damage: RtpDamagePolicy;
  private readonly buffer: ReorderBuffer | null;
  private readonly packetView: RtpPacket;
  private readonly dts: DtsFromPts;
  private codec: CodecId;
  private bare: CodecConfig;
  /** Index in `formats` of the last packet. */
  private current: number;
  /** The one announced payload type came: others are no mistake of the announcement. */
  private hasAnnounced: boolean;
  private adoptedType: number;
  private ssrc: number;
  /** A packet of another SSRC, until the next one tells whether the source changed it. */
  private stray: Uint8Array | null;
  private nowUs: number;
  /** TCP only. */
  private expected: number;
  private gapLost: number;
  private gapRestarts: number;
  /** Packets were lost before the next frame. */
  private isLossDue: boolean;
  private waitsForKeySinceUs: number;
  /** The times jumped, and no frame told it yet. */
  private isJumpDue: boolean;
  private isConfigChanged: boolean;

  constructor(options: RtpTrackOptions, output: RtpFrameOutput) {
    const first = options.formats[0]!; // whoever makes a track has a format for it
    this.trackId = options.trackId;
    this.kind = options.kind;
    this.language = options.language;
    this.time = new RtpTrackTime(first.mapping.clockRate, options.kind === 'video');
    this.statistics = new ReceiveStatistics(first.mapping.clockRate);
    this.config = null;
    this.damaged = 0;
    this.dropped = 0;
    this.framesWithoutConfig = 0;
    this.foreignPackets = 0;
    this.ssrcChanges = 0;
    this.hasLeft = false;
    this.output = output;
    this.formats = options.formats;
    this.depacketizers = options.formats.map(() => null);
    this.damage = options.damage;
    this.buffer = options.reorder === null ? null : new ReorderBuffer(this, options.reorder);
    this.packetView = new RtpPacket();
    this.dts = new DtsFromPts();
    this.codec = first.format.codec;
    this.bare = bareConfig(this.codec);
    this.current = -1;
    this.hasAnnounced = false;
    this.adoptedType = -1;
    this.ssrc = -1;
    this.stray = null;
    this.nowUs = 0;
    this.expected = -1;
    this.gapLost = 0;
    this.gapRestarts = 0;
    this.isLossDue = false;
    this.waitsForKeySinceUs = Number.NaN;
    this.isJumpDue = false;
    this.isConfigChanged = false;
  }

  /** Packets that did not come, as far as it is known. */
  get lost(): number {
    return this.buffer === null ? this.gapLost : this.buffer.lost;
  }

  get late(): number {
    return this.buffer === null ? 0 : this.buffer.late;
  }

  get duplicates(): number {
    return this.buffer === null ? 0 : this.buffer.duplicates;
  }

  /** How often the source began anew, in numbers or in times. */
  get restarts(): number {
    return this.time.jumps + (this.buffer === null ? this.gapRestarts : this.buffer.restarts);
  }

  /** Pieces and frames that made no sense. */
  get damagedFrames(): number {
    return this.depacketizers.reduce((sum, one) => sum + (one?.damaged ?? 0), this.damaged);
  }

  /** Prepares the first format, which tells the config if the announcement does. Throws ProtocolError. */
  open(): void {
    this.use(0);
  }

  /** Hot path. */
  receive(bytes: Uint8Array, nowUs: number): void {
    const view = this.packetView;
    if (!view.parse(bytes)) {
      this.damaged++;
      return;
    }
    this.nowUs = nowUs;
    this.hasLeft = false;
    const { ssrc, sequence } = view;
    if (ssrc !== this.ssrc && !this.acceptSource(bytes, ssrc)) return;
    this.statistics.onPacket(ssrc, sequence, view.timestamp, bytes.length, nowUs);
    this.stray = null;
    if (this.buffer === null) this.packetInOrder(bytes, sequence);
    else this.buffer.push(bytes, sequence, nowUs);
  }

  tick(nowUs: number): void {
    this.nowUs = nowUs;
    this.buffer?.tick(nowUs);
  }

  /** The source ended: gives what waits. */
  flush(): void {
    this.buffer?.flush();
    for (const depacketizer of this.depacketizers) depacketizer?.flush(this);
  }

  /** False for a packet of a source that is not followed (yet). */
  private acceptSource(bytes: Uint8Array, ssrc: number): boolean {
    if (this.ssrc < 0) {
      this.ssrc = ssrc;
      return true;
    }
    const { stray } = this;
    if (stray === null) {
      this.stray = Uint8Array.from(bytes);
      return false;
    }
    this.stray = null;
    this.ssrcChanges++;
    this.ssrc = ssrc;
    this.flush();
    this.buffer?.reset();
    this.expected = -1;
    this.isLossDue = true;
    this.time.restart();
    this.packetView.parse(stray);
    if (this.packetView.ssrc === ssrc) this.receive(stray, this.nowUs);
    return this.packetView.parse(bytes);
  }

  /** TCP keeps the order, but what is between the camera and us may have lost something. */
  private packetInOrder(bytes: Uint8Array, sequence: number): void {
    const ahead = this.expected < 0 ? 0 : serialDifference(sequence, this.expected, MODULUS_16);
    this.expected = (sequence + 1) & 0xffff;
    if (ahead > 0 && ahead <= MAX_SEQUENCE_STEP) this.gapLost += ahead;
    else if (ahead !== 0) this.gapRestarts++;
    this.packet(bytes, ahead !== 0);
  }

  /** One packet in order. */
  packet(bytes: Uint8Array, isAfterLoss: boolean): void {
    const view = this.packetView;
    // It may have waited while others were parsed.
    if (view.bytes !== bytes) view.parse(bytes);
    if (isAfterLoss) this.isLossDue = true;
    const { payloadStart, payloadEnd, timestamp, marker } = view;
    const index = this.formatOf(view.payloadType);
    if (index < 0) {
      this.foreignPackets++;
      return;
    }
    if (payloadStart === payloadEnd) return;
    if (index !== this.current) this.use(index);
    const depacketizer = this.depacketizers[index]!;
    if (depacketizer !== null) {
      depacketizer.push(bytes.subarray(payloadStart, payloadEnd), timestamp, marker, isAfterLoss, this);
    }
  }

  /** Index of the format of a payload type; -1 = none. */
  private formatOf(payloadType: number): number {
    const { formats } = this;
    for (let index = 0; index < formats.length; index++) {
      if (formats[index]!.mapping.payloadType !== payloadType) continue;
      this.hasAnnounced = true;
      return index;
    }
    // Cameras announce one dynamic type and send another; then the announced one never comes.
    if (formats.length > 1 || this.hasAnnounced || payloadType < FIRST_DYNAMIC_TYPE) return -1;
    if (this.adoptedType < 0) this.adoptedType = payloadType;
    return this.adoptedType === payloadType ? 0 : -1;
  }

  private use(index: number): void {
    const { mapping, format } = this.formats[index]!;
    if (this.current >= 0) this.depacketizers[this.current]?.flush(this);
    this.current = index;
    this.depacketizers[index] ??= format.depacketizer(mapping);
    if (this.codec !== format.codec) {
      this.codec = format.codec;
      this.bare = bareConfig(format.codec);
      this.config = null;
      this.dts.reset();
    }
    const config = format.config(mapping);
    if (config !== null && this.config === null) this.setConfig(config);
  }

  private setConfig(config: CodecConfig): void {
    if (this.config !== null && !isSameConfig(this.config, config)) this.isConfigChanged = true;
    this.config = config;
    if (this.kind === 'video') this.dts.configure(config);
    this.output.config(this, config);
  }

  /** One canonical payload of a depacketizer. */
  unit(payload: Uint8Array, timestamp: number, isDamaged: boolean): void {
    if (payload.length === 0) return;
    if (isDamaged) this.damaged++;
    if (this.kind === 'video') this.picture(payload, timestamp, isDamaged);
    else this.sound(payload, timestamp, isDamaged);
  }

  private sound(payload: Uint8Array, timestamp: number, isDamaged: boolean): void {
    if (isDamaged && this.damage !== 'keep') {
      this.dropped++;
      return;
    }
    const told = this.depacketizers[this.current]?.config ?? null;
    const known = told ?? this.config ?? this.bare;
    const config = this.kind === 'audio' ? configFromFrame(known, payload) : known;
    if (config !== this.config && isComplete(config)) this.setConfig(config);
    if (this.config === null) {
      this.framesWithoutConfig++;
      return;
    }
    const us = this.mapTime(timestamp);
    const duration = this.kind === 'audio' ? audioFrameDuration(this.config, payload) : 0;
    this.emit(FRAME_KEY, us, us, duration, payload, this.config);
  }

  private picture(payload: Uint8Array, timestamp: number, isDamaged: boolean): void {
    const { codec } = this;
    const known = this.config ?? this.bare;
    const flags = codec === 'mjpeg' ? FRAME_KEY : videoFrameFlags(known, payload);
    if ((flags & (FRAME_IN_BAND_CONFIG | FRAME_KEY)) !== 0 && !isDamaged) {
      const found = configFromFrame(known, payload);
      if (found !== known || (this.config === null && isComplete(found))) this.setConfig(found);
    }
    const hasSlices = codec === 'h264' || codec === 'h265';
    // Cameras send parameter sets and SEI alone, often with a time of their own.
    if (hasSlices && !hasPicture(codec, payload)) return;
    const config = this.config;
    if (config === null) {
      this.framesWithoutConfig++;
      return;
    }
    const us = this.mapTime(timestamp);
    if (this.time.jumped) this.dts.reset();
    const dts = this.dts.next(us);
    if (this.isLeftOut(flags, isDamaged)) {
      this.dropped++;
      return;
    }
    this.emit(flags, dts, Math.max(us, dts), 0, payload, config);
  }

  private isLeftOut(flags: number, isDamaged: boolean): boolean {
    const isKey = (flags & FRAME_KEY) !== 0;
    const isFirstAfterLoss = this.isLossDue;
    this.isLossDue = false;
    if (this.damage === 'keep') return false;
    if (this.damage === 'frame') return isDamaged;
    if (isDamaged || (isFirstAfterLoss && !isKey)) {
      if (Number.isNaN(this.waitsForKeySinceUs)) this.waitsForKeySinceUs = this.nowUs;
    }
    if (Number.isNaN(this.waitsForKeySinceUs)) return false;
    const isOver = this.nowUs - this.waitsForKeySinceUs > MAX_KEY_WAIT_US;
    if (!isDamaged && (isKey || isOver)) {
      this.waitsForKeySinceUs = Number.NaN;
      return false;
    }
    return true;
  }

  private mapTime(timestamp: number): number {
    const { time, nowUs } = this;
    const isFirst = !time.hasStarted;
    const us = time.map(timestamp, nowUs);
    if (isFirst) this.output.began(this, us, nowUs);
    if (time.jumped) this.isJumpDue = true;
    return us;
  }

  private emit(
    flags: number,
    dts: number,
    pts: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
  ): void {
    let marked = flags;
    if (this.isJumpDue) marked |= FRAME_DISCONTINUITY;
    if (this.isConfigChanged) marked |= FRAME_CONFIG;
    this.isJumpDue = false;
    this.isConfigChanged = false;
    const { offsetUs } = this.time;
    const captureUs = this.time.captureOf(pts);
    this.output.frame(this, marked, dts + offsetUs, pts + offsetUs, durationUs, payload, config, captureUs);
  }
}

/** What is known of a codec before its first frame. */
function bareConfig(codec: CodecId): CodecConfig {
  return NEEDS_RECORD.has(codec) ? makeCodecConfig(codec, NO_BYTES, '') : configFromRecord(codec, NO_BYTES);
}

/** Whether a decoder could begin with it. */
function isComplete(config: CodecConfig): boolean {
  if (NEEDS_RECORD.has(config.codec)) return config.record.length > 0;
  return CODECS[config.codec].kind !== 'audio' || config.sampleRate > 0;
}
