/**
 * Decode times for wires that carry presentation times only (RTP): frames come in decoding order, and where pictures
 * are reordered the decode time of the n-th is the presentation time of the (n - depth)-th in output order. That is
 * what encoders write, and it is never later than the picture's own time.
 *
 * The depth is told by the sequence parameter set: H.265 7.4.3.2.1 sps_max_num_reorder_pics, H.264 E.2.1
 * max_num_reorder_frames, and none where the profile has no reordering (A.2.1; intra profiles). An H.264 stream that
 * does not tell is watched: a step over more than a picture may be the begin of reordering, so times after it wait
 * for the next frames. Slices stay closed: no picture order count is read.
 */
import { parseAvcConfig } from '../codec/avc-config.ts';
import type { CodecConfig } from '../codec/codec-config.ts';
import { parseH264Sps } from '../codec/h264-sps.ts';
import { H265_SPS } from '../codec/h265.ts';
import { parseH265Sps } from '../codec/h265-sps.ts';
import { hevcNalsOf, parseHevcConfig } from '../codec/hevc-config.ts';
import { ProtocolError } from '../util/errors.ts';

/** No codec reorders deeper (H.264 E.2.1, H.265 A.4.2). */
const MAX_DEPTH = 16;
const WINDOW = MAX_DEPTH + 1;
/** Step between the first frames of a stream that does not tell its frame rate. */
const DEFAULT_FRAME_US = 40_000;
/** What a stream tells may be wrong: no more than this is made up before the first picture. */
const MAX_LEAD_US = 2_500_000;
/** After so many frames in order, a stream that does not tell its depth is taken for one that never reorders. */
const SETTLED_FRAMES = 50;
const BASELINE = 66;
const CONSTRAINT_SET_3 = 0x10;
const PROFILES_WITH_INTRA_FORM: ReadonlySet<number> = new Set([44, 86, 100, 110, 122, 244]);

export class DtsFromPts {
  /** Told by the parameter sets; -1 = not told. */
  private declaredDepth: number;
  private frameUs: number;
  /** The highest presentation times so far, rising. */
  private readonly window: Float64Array;
  private count: number;
  private seen: number;
  private lastDts: number;
  /** For a stream that does not tell. */
  private depth: number;
  private smallestStepUs: number;
  private isLearning: boolean;
  private learningStepUs: number;

  constructor() {
    this.declaredDepth = -1;
    this.frameUs = 0;
    this.window = new Float64Array(WINDOW);
    this.count = 0;
    this.seen = 0;
    this.lastDts = Number.NEGATIVE_INFINITY;
    this.depth = 0;
    this.smallestStepUs = 0;
    this.isLearning = false;
    this.learningStepUs = 0;
  }

  /** The config of the frames that follow. Frames before it count no more when the depth is another one. */
  configure(config: CodecConfig): void {
    const depth = reorderDepth(config);
    if (depth !== this.declaredDepth) this.forget();
    this.declaredDepth = depth;
    this.frameUs = config.frameRate > 0 ? 1_000_000 / config.frameRate : 0;
  }

  /** The timeline jumps: the next frame may have any time. */
  reset(): void {
    this.forget();
    this.lastDts = Number.NEGATIVE_INFINITY;
  }

  /**
   * Decode time of the next frame in decoding order, microseconds; never decreases. It is higher than `pts` only
   * where a stream breaks what it declared: no picture can then be shown at its time.
   */
  next(pts: number): number {
    const later = this.insert(pts);
    if (this.declaredDepth >= 0 && later > this.declaredDepth) {
      this.depth = Math.max(this.depth, this.declaredDepth);
      this.declaredDepth = -1;
    }
    const found = this.declaredDepth >= 0 ? this.declared(this.declaredDepth) : this.watched(pts, later);
    const dts = Math.max(Math.min(found, pts), this.lastDts);
    this.lastDts = dts;
    return dts;
  }

  private declared(depth: number): number {
    if (this.seen > depth) return this.window[this.count - 1 - depth]!;
    // The time that a frame would have that was output before all of these.
    const step = Math.min(this.frameDurationUs(), MAX_LEAD_US / (depth + 1));
    return this.window[0]! - (depth + 1 - this.seen) * step;
  }

  private watched(pts: number, later: number): number {
    if (this.seen === 1) return pts;
    if (later > this.depth) {
      this.depth = later;
      this.isLearning = true;
    } else if (later === 0) this.isLearning = this.depth === 0 && this.isSuspicious(pts);
    if (this.isLearning) return this.lastDts + this.learningStepUs;
    return this.window[Math.max(0, this.count - 1 - this.depth)]!;
  }

  /** Whether pictures may come that are shown between the latest two. */
  private isSuspicious(pts: number): boolean {
    if (this.seen > SETTLED_FRAMES) return false;
    const gap = pts - this.window[this.count - 2]!;
    const step = this.stepUs(gap);
    // Sixteen such steps, one for each picture of the deepest pyramid, stay below the first that is shown.
    this.learningStepUs = Math.min(step, gap / MAX_DEPTH) / MAX_DEPTH;
    return this.seen === 2 ? this.frameUs === 0 || gap > this.frameUs * 1.5 : gap > step * 1.5;
  }

  private stepUs(gap: number): number {
    if (this.frameUs > 0 && this.smallestStepUs > 0) return Math.min(this.frameUs, this.smallestStepUs);
    return this.frameUs > 0 ? this.frameUs : this.smallestStepUs > 0 ? this.smallestStepUs : gap;
  }

  private frameDurationUs(): number {
    if (this.frameUs > 0) return this.frameUs;
    return this.smallestStepUs > 0 ? this.smallestStepUs : DEFAULT_FRAME_US;
  }

  /** Returns how many pictures that came before are shown later. */
  private insert(pts: number): number {
    const { window } = this;
    this.seen++;
    let later = 0;
    while (later < this.count && window[this.count - 1 - later]! > pts) later++;
    if (this.count === WINDOW) {
      // What is lower than all of these is not needed.
      if (later === WINDOW) return later;
      window.copyWithin(0, 1, WINDOW - later);
    } else {
      window.copyWithin(this.count - later + 1, this.count - later, this.count);
      this.count++;
    }
    const at = this.count - 1 - later;
    window[at] = pts;
    if (at > 0) this.noteStep(pts - window[at - 1]!);
    if (later > 0) this.noteStep(window[at + 1]! - pts);
    return later;
  }

  private noteStep(us: number): void {
    if (us > 0 && (this.smallestStepUs === 0 || us < this.smallestStepUs)) this.smallestStepUs = us;
  }

  private forget(): void {
    this.count = 0;
    this.seen = 0;
    this.depth = 0;
    this.smallestStepUs = 0;
    this.isLearning = false;
  }
}

/** Pictures that may come before another and be shown after it; -1 = the parameter sets do not tell. */
export function reorderDepth(config: CodecConfig): number {
  try {
    if (config.record.length === 0) return config.codec === 'h264' || config.codec === 'h265' ? -1 : 0;
    if (config.codec === 'h264') return avcDepth(config.record);
    return config.codec === 'h265' ? hevcDepth(config.record) : 0;
  } catch (error) {
    if (error instanceof ProtocolError) return -1;
    throw error;
  }
}

function avcDepth(record: Uint8Array): number {
  let depth = 0;
  for (const nal of parseAvcConfig(record).sps) {
    const { profileIdc, constraints, maxReorderFrames } = parseH264Sps(nal);
    const isIntra = (constraints & CONSTRAINT_SET_3) !== 0 && PROFILES_WITH_INTRA_FORM.has(profileIdc);
    const isInOrder = profileIdc === BASELINE || isIntra;
    if (maxReorderFrames < 0 && !isInOrder) return -1;
    depth = Math.max(depth, maxReorderFrames);
  }
  return depth;
}

function hevcDepth(record: Uint8Array): number {
  let depth = 0;
  for (const nal of hevcNalsOf(parseHevcConfig(record), H265_SPS)) {
    depth = Math.max(depth, parseH265Sps(nal).maxReorderFrames);
  }
  return depth;
}
