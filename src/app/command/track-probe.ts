/** What the frames of one track tell: counts, rates, key frames, and what is wrong with their times. */
import type { CodecConfig } from '../../codec/codec-config.ts';
import { CODECS } from '../../codec/codec-id.ts';
import { FRAME_KEY, type Frame } from '../../media/frame.ts';
import type { Track } from '../../media/track.ts';

/** A step this much longer than the usual one is a gap. */
const GAP_FACTOR = 2.5;
const LEAST_GAP_US = 100_000;
/** Steps of which the usual one is taken. */
const MAX_STEPS = 4096;

export interface TrackReport {
  readonly id: number;
  readonly kind: string;
  readonly codec: string;
  /** RFC 6381, '' when there is none. */
  readonly mime: string;
  readonly profile: string;
  readonly level: string;
  readonly width: number;
  readonly height: number;
  readonly sampleRate: number;
  readonly channels: number;
  readonly language: string;
  readonly frames: number;
  readonly bytes: number;
  readonly bitsPerSecond: number;
  /** Frames a second as they come; 0 = not known. */
  readonly frameRate: number;
  /** As the bitstream declares it; 0 when it does not. */
  readonly declaredFrameRate: number;
  /** Seconds on the source's clock: first presentation time and the end of the last frame. */
  readonly start: number;
  readonly end: number;
  readonly keyFrames: number;
  /** Between key frames, in frames and in seconds; null when there were fewer than two. */
  readonly gop: GopReport | null;
  readonly hasBFrames: boolean;
  /** How often the configuration changed after the first frame. */
  readonly configChanges: number;
  readonly faults: TrackFaults;
}

interface GopReport {
  readonly frames: { readonly least: number; readonly mean: number; readonly most: number };
  readonly seconds: { readonly least: number; readonly mean: number; readonly most: number };
}

interface TrackFaults {
  /** Decode times that go back. */
  readonly backwards: number;
  /** Steps that are far longer than usual. */
  readonly gaps: number;
  readonly longestGapSeconds: number;
  /** Frames that are to be shown before they are decoded. */
  readonly shownBeforeDecoded: number;
}

class Range {
  least = Number.POSITIVE_INFINITY;
  most = 0;
  sum = 0;
  count = 0;

  add(value: number): void {
    if (value < this.least) this.least = value;
    if (value > this.most) this.most = value;
    this.sum += value;
    this.count++;
  }

  scaled(factor: number) {
    const round = (value: number) => Math.round(value * factor * 1000) / 1000;
    return { least: round(this.least), mean: round(this.sum / this.count), most: round(this.most) };
  }
}

export class TrackProbe {
  track: Track;
  frames = 0;
  firstDts = Number.NaN;
  lastDts = Number.NaN;
  firstPts = Number.POSITIVE_INFINITY;
  private lastPts = Number.NEGATIVE_INFINITY;
  private bytes = 0;
  private keyFrames = 0;
  private framesSinceKey = 0;
  private lastKeyDts = Number.NaN;
  private readonly gopFrames = new Range();
  private readonly gopUs = new Range();
  private reordered = 0;
  private configChanges = 0;
  private config: CodecConfig | null = null;
  private readonly steps: number[] = [];
  private readonly longSteps: number[] = [];
  private backwards = 0;
  private shownBeforeDecoded = 0;
  private durationUs = 0;

  constructor(track: Track) {
    this.track = track;
  }

  add(frame: Frame): void {
    const { dts, pts } = frame;
    if (this.frames === 0) this.firstDts = dts;
    else this.step(dts - this.lastDts);
    this.frames++;
    this.lastDts = dts;
    this.bytes += frame.payload.length;
    this.durationUs = frame.duration;
    if (pts < this.lastPts) this.reordered++;
    if (pts < dts) this.shownBeforeDecoded++;
    if (pts > this.lastPts) this.lastPts = pts;
    if (pts < this.firstPts) this.firstPts = pts;
    if (this.config !== null && this.config !== frame.config) this.configChanges++;
    this.config = frame.config;
    this.countKey(frame);
  }

  private step(us: number): void {
    if (us < 0) this.backwards++;
    else if (this.steps.length < MAX_STEPS) this.steps.push(us);
    if (us >= LEAST_GAP_US && this.longSteps.length < MAX_STEPS) this.longSteps.push(us);
  }

  private countKey(frame: Frame): void {
    if ((frame.flags & FRAME_KEY) !== 0) {
      if (this.keyFrames > 0) {
        this.gopFrames.add(this.framesSinceKey);
        this.gopUs.add(frame.dts - this.lastKeyDts);
      }
      this.keyFrames++;
      this.framesSinceKey = 0;
      this.lastKeyDts = frame.dts;
    }
    this.framesSinceKey++;
  }

  /** Microseconds; 0 when there was one frame at most. */
  private usualStep(): number {
    const sorted = [...this.steps].sort((a, b) => a - b);
    return sorted[sorted.length >> 1] ?? 0;
  }

  report(): TrackReport {
    const { track, frames } = this;
    const config = this.config ?? track.config;
    const step = this.usualStep();
    const lastUs = this.durationUs > 0 ? this.durationUs : step;
    const seconds = frames === 0 ? 0 : (this.lastDts - this.firstDts + lastUs) / 1e6;
    const gaps = this.longSteps.filter((us) => us > step * GAP_FACTOR);
    const isVideo = track.kind === 'video';
    const spanUs = this.lastDts - this.firstDts - gaps.reduce((sum, us) => sum + us - step, 0);
    return {
      id: track.id,
      kind: track.kind,
      codec: CODECS[config.codec].label,
      mime: config.mime,
      profile: config.profile,
      level: config.level,
      width: config.width,
      height: config.height,
      sampleRate: config.sampleRate,
      channels: config.channels,
      language: track.language,
      frames,
      bytes: this.bytes,
      bitsPerSecond: seconds > 0 ? Math.round((this.bytes * 8) / seconds) : 0,
      frameRate: spanUs > 0 ? Math.round(((frames - 1) * 1e9) / spanUs) / 1000 : 0,
      declaredFrameRate: config.frameRate,
      start: frames === 0 ? 0 : this.firstPts / 1e6,
      end: frames === 0 ? 0 : (this.lastPts + lastUs) / 1e6,
      keyFrames: isVideo ? this.keyFrames : frames,
      gop:
        isVideo && this.gopFrames.count > 0
          ? { frames: this.gopFrames.scaled(1), seconds: this.gopUs.scaled(1e-6) }
          : null,
      hasBFrames: isVideo && this.reordered > 0,
      configChanges: this.configChanges,
      faults: {
        backwards: this.backwards,
        gaps: gaps.length,
        longestGapSeconds: Math.max(0, ...gaps) / 1e6,
        shownBeforeDecoded: this.shownBeforeDecoded,
      },
    };
  }
}
