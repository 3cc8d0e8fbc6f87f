/** H.264 and H.265 of a transport stream: access units in Annex B to canonical frames with their config. */
import { type CodecConfig, isSameConfig, makeCodecConfig } from '../codec/codec-config.ts';
import type { CodecId } from '../codec/codec-id.ts';
import { configFromFrame } from '../codec/describe-config.ts';
import { ANNEX_B } from '../codec/nal-unit.ts';
import { canonicalVideoSize, videoFrameFlags, writeCanonicalVideo } from '../codec/video-payload.ts';
import { FRAME_CONFIG, FRAME_IN_BAND_CONFIG, FRAME_KEY } from '../media/frame.ts';
import { hasPicture } from './flv-ingest-frame.ts';
import type { TsIngest, TsIngestOutput } from './ts-ingest.ts';
import { TsIngestTrack } from './ts-ingest-track.ts';

/** A longer step tells nothing about the frame rate. */
const MAX_STEP_MS = 1000;
const DEFAULT_STEP_MS = 40;
/** After so long without a key frame the stream has none (gradual refresh). */
const MAX_KEY_WAIT_MS = 10_000;
const NO_BYTES = new Uint8Array(0);

export class TsVideoStream extends TsIngestTrack {
  private readonly bare: CodecConfig;
  /** Of the last frame, for frames that come without a time. */
  private lastDtsMs: number;
  private stepMs: number;
  /** Since a loss nothing can be decoded before a key frame. */
  private isLossDue: boolean;
  /** Time of the first picture that was left out for it; NaN = none was. */
  private leftOutSinceMs: number;
  private scratch: Uint8Array;

  constructor(
    owner: TsIngest,
    output: TsIngestOutput,
    pid: number,
    trackId: number,
    codec: CodecId,
    setConfig: (config: CodecConfig) => void,
  ) {
    super(owner, output, pid, trackId, codec, setConfig, false);
    this.bare = makeCodecConfig(codec, NO_BYTES, '');
    this.lastDtsMs = Number.NaN;
    this.stepMs = DEFAULT_STEP_MS;
    this.isLossDue = false;
    this.leftOutSinceMs = Number.NaN;
    this.scratch = NO_BYTES;
  }

  override onLoss(isDamaged: boolean): void {
    super.onLoss(isDamaged);
    this.isLossDue = true;
  }

  /** One access unit. */
  override take(received: Uint8Array, dtsMs: number, ptsMs: number, position: number): void {
    const { codec } = this;
    const size = canonicalVideoSize(codec, received, ANNEX_B);
    if (size < 0) {
      this.damagedFrames++;
      return;
    }
    if (size === 0) return;
    if (size > this.scratch.length) this.scratch = new Uint8Array(size * 2);
    const payload = this.scratch.subarray(0, writeCanonicalVideo(codec, received, ANNEX_B, this.scratch, 0));
    let config = this.config ?? this.bare;
    let flags = videoFrameFlags(config, payload);
    if ((flags & FRAME_IN_BAND_CONFIG) !== 0) {
      const found = configFromFrame(config, payload);
      if (found !== config) {
        if (this.config !== null && !isSameConfig(this.config, found)) flags |= FRAME_CONFIG;
        config = found;
        this.config = found;
        this.setConfig(found);
      }
      // Parameter sets may come alone.
      if ((flags & FRAME_KEY) === 0 && !hasPicture(codec, payload)) return;
    }
    if (this.config === null) {
      this.framesWithoutConfig++;
      return;
    }
    const dts = this.timeOf(dtsMs);
    if (Number.isNaN(dts)) return;
    if (this.isLossDue && this.isLeftOut(flags, dts)) {
      this.droppedFrames++;
      return;
    }
    this.owner.position = position;
    const pts = Number.isNaN(ptsMs) ? dts : ptsMs;
    this.output.write(this.trackId, flags, dts, pts, 0, payload, config);
  }

  private isLeftOut(flags: number, dtsMs: number): boolean {
    if (Number.isNaN(this.leftOutSinceMs)) this.leftOutSinceMs = dtsMs;
    if ((flags & FRAME_KEY) === 0 && dtsMs - this.leftOutSinceMs <= MAX_KEY_WAIT_MS) return true;
    this.isLossDue = false;
    this.leftOutSinceMs = Number.NaN;
    return false;
  }

  /** Senders may leave out times for 700 ms (ISO/IEC 13818-1 2.7.4). */
  private timeOf(dtsMs: number): number {
    const last = this.lastDtsMs;
    const dts = Number.isNaN(dtsMs) ? last + this.stepMs : dtsMs;
    const step = dts - last;
    if (step > 0 && step < MAX_STEP_MS) this.stepMs = step;
    this.lastDtsMs = dts;
    return dts;
  }
}
