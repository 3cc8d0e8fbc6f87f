/**
 * One run of ffmpeg for one track of pictures: frames in, frames of the target codec out, each with the time of the frame that
 * it was made of. Begins with the frames since the last key frame, of which all but the newest are decoded only. When the
 * program is slower than the pictures come, it gets none until the next key frame.
 */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { configFromFrame, configFromRecord } from '../../codec/describe-config.ts';
import { videoFrameFlags } from '../../codec/video-payload.ts';
import { FRAME_KEY, type Frame } from '../../media/frame.ts';
import { FlvIngest } from '../../packaging/flv-ingest.ts';
import type { PictureTarget } from '../../runtime/video-conversions.ts';
import { FlvTagReader } from '../../wire/flv/tag-reader.ts';
import { IvfReader } from '../../wire/ivf/ivf-reader.ts';
import { matroskaHeader, matroskaPictureHeader } from '../../wire/matroska/live-writer.ts';
import { DEFAULT_FRAME_RATE, TICKS } from './ffmpeg-arguments.ts';
import { PictureTimes } from './picture-times.ts';

/** Where the bytes of the program go and come from. */
export interface PictureProgram {
  readonly waitingBytes: number;
  write(head: Uint8Array, body: Uint8Array | null): void;
}

/** `ptsUs` on the stream's timeline; the payload is valid during the call only. */
export type PictureOutput = (
  flags: number,
  ptsUs: number,
  captureUs: number,
  payload: Uint8Array,
  config: CodecConfig,
) => void;

/** The time of the first picture for the program, so that none before it is negative. */
const LEAD_US = 10_000_000;
const KEY_INTERVAL_US = 2_000_000;
/** Key frames that players ask for are not made more often. */
const MIN_KEY_INTERVAL_US = 500_000;
/** Pictures that the program has and has not given back, in seconds of them: more is too slow. */
const MAX_BEHIND_S = 2;
const GOOD_BEHIND_S = 0.5;
/** What a decoder keeps for pictures that are shown in another order (H.264 A.3.1). */
const DECODER_DEPTH = 16;
/** A program that has given nothing for this long, and got nothing, has nothing more to give. */
const RESTED_US = 2_000_000;
/** Holds the frames since a key frame as streams keep them. */
const MAX_WAITING_BYTES = 32 * 1024 * 1024;
/** Times of FLV are 31 bits of milliseconds as FFmpeg writes them. */
const FLV_WRAP_US = 0x8000_0000 * 1000;
/** Less than half of what is between two pictures, more than any rounding. */
const TOLERANCE_US = 2000;
const NO_RECORD = new Uint8Array(0);

export class PictureEncoder {
  pictures = 0;
  /** Left out because the program was too slow. */
  dropped = 0;
  private readonly program: PictureProgram;
  private readonly output: PictureOutput;
  private readonly onSlow: () => void;
  private readonly times: PictureTimes;
  private readonly target: PictureTarget;
  private readonly tickUs: number;
  private readonly frameRate: number;
  private readonly firstUs: number;
  private readonly reader: { receive(bytes: Uint8Array): void };
  private config: CodecConfig;
  private lastKeyUs: number;
  private isKeyWanted = false;
  private isDropping = false;
  private lastPushUs = 0;
  /** When the first picture went in since the latest came out; 0 = none has. */
  private unansweredUs = 0;
  private lastOutUs = 0;

  /** `frameRate`: pictures per second; 0 = not known. `firstUs`: time of the first picture. */
  constructor(
    program: PictureProgram,
    target: PictureTarget,
    source: CodecConfig,
    frameRate: number,
    firstUs: number,
    output: PictureOutput,
    onSlow: () => void,
  ) {
    this.program = program;
    this.output = output;
    this.onSlow = onSlow;
    this.target = target;
    this.tickUs = tickUsOf(target);
    this.firstUs = firstUs;
    this.lastKeyUs = Number.NaN;
    this.times = new PictureTimes(target === 'h264' ? FLV_WRAP_US : 0);
    this.config = configFromRecord('vp8', NO_RECORD);
    this.frameRate = frameRate || DEFAULT_FRAME_RATE;
    this.reader = target === 'h264' ? this.flvReader() : new IvfReader((us, bytes) => this.take(us, bytes));
    program.write(matroskaHeader({ ...source, frameRate }), null);
  }

  /**
   * What the program is told for a time of the stream's timeline: an even number of ticks. `PictureJob.fromUs` is that of
   * the newest picture that is known at the beginning.
   */
  static toldTime(ptsUs: number, firstUs: number, target: PictureTarget): number {
    const step = 2 * tickUsOf(target);
    return Math.max(0, Math.round((ptsUs - firstUs + LEAD_US) / step) * step);
  }

  /** The picture that comes next is to be a key frame. */
  wantKey(): void {
    this.isKeyWanted = true;
  }

  /** How long it has given nothing though it gets pictures, microseconds. */
  silentUs(nowUs: number): number {
    const isFed = nowUs - this.lastPushUs < RESTED_US;
    return isFed && this.unansweredUs > 0 ? nowUs - this.unansweredUs : 0;
  }

  /** Pictures that it has and has not given back. */
  get waiting(): number {
    return this.times.count;
  }

  /** `isDecodedOnly`: nothing will come out for it. */
  push(frame: Frame, nowUs: number, isDecodedOnly = false): void {
    const isKey = (frame.flags & FRAME_KEY) !== 0;
    if (this.isLeftOut(isKey, nowUs)) {
      this.dropped++;
      return;
    }
    this.lastPushUs = nowUs;
    if (this.unansweredUs === 0) this.unansweredUs = nowUs;
    let toldUs = PictureEncoder.toldTime(frame.pts, this.firstUs, this.target);
    if (!isDecodedOnly) {
      this.times.put(toldUs, frame.pts, frame.captureTime);
      if (this.isKeyDue(frame.pts)) {
        this.isKeyWanted = false;
        this.lastKeyUs = frame.pts;
        toldUs += this.tickUs;
      }
    }
    const { payload } = frame;
    this.program.write(matroskaPictureHeader(toldUs, isKey, payload.length), payload);
  }

  private isKeyDue(ptsUs: number): boolean {
    if (Number.isNaN(this.lastKeyUs)) {
      // The first is one by itself, and must not be marked: ffmpeg counts time from it.
      this.lastKeyUs = ptsUs;
      return false;
    }
    const sinceUs = ptsUs - this.lastKeyUs;
    return sinceUs >= (this.isKeyWanted ? MIN_KEY_INTERVAL_US : KEY_INTERVAL_US);
  }

  private isLeftOut(isKey: boolean, nowUs: number): boolean {
    const { program, times, frameRate } = this;
    if (!this.isDropping) {
      const isSlow = this.pictures > 0 && times.count > frameRate * MAX_BEHIND_S + DECODER_DEPTH;
      if (!isSlow && program.waitingBytes <= MAX_WAITING_BYTES) return false;
      this.isDropping = true;
      this.onSlow();
      return true;
    }
    if (!isKey || program.waitingBytes > 0) return true;
    const isRested = nowUs - this.lastPushUs > RESTED_US && nowUs - this.lastOutUs > RESTED_US;
    if (isRested) times.clear();
    if (times.count > frameRate * GOOD_BEHIND_S + DECODER_DEPTH) return true;
    this.isDropping = false;
    return false;
  }

  /** Bytes of the program. Throws ProtocolError when they make no sense. */
  receive(bytes: Uint8Array, nowUs: number): void {
    this.lastOutUs = nowUs;
    this.reader.receive(bytes);
  }

  private flvReader(): FlvTagReader {
    const ingest = new FlvIngest({
      setTrack: () => undefined,
      metadata: () => undefined,
      write: (_id, flags, _dtsMs, ptsMs, _durationUs, payload, config) =>
        this.give(flags, ptsMs * 1000, payload, config),
    });
    return new FlvTagReader((type, timestampMs, body) => ingest.tag(type, timestampMs, body));
  }

  /** A picture of IVF. */
  private take(us: number, payload: Uint8Array): void {
    const flags = videoFrameFlags(this.config, payload);
    if ((flags & FRAME_KEY) !== 0) this.config = configFromFrame(this.config, payload);
    this.give(flags, us, payload, this.config);
  }

  private give(flags: number, us: number, payload: Uint8Array, config: CodecConfig): void {
    const known = this.times.take(us, TOLERANCE_US);
    if (known === null) return;
    this.unansweredUs = 0;
    this.pictures++;
    this.output(flags, known.ptsUs, known.captureUs, payload, config);
  }
}

function tickUsOf(target: PictureTarget): number {
  return 1_000_000 / TICKS[target];
}
