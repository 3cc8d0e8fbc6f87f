/**
 * One access unit of one track: a video picture, an AV1 temporal unit, one audio frame, one data message.
 * Immutable after it was written to a Stream; shared by reference by every feed and recorder.
 * Times are integer microseconds on the stream's timeline. The payload is the canonical bitstream of
 * src/codec/README.md: a view into a slab that is never written again.
 */
import type { CodecConfig } from '../codec/codec-config.ts';

/** Random access point: decoding can start here. */
export const FRAME_KEY = 1;
/** The track's config changed with this frame. */
export const FRAME_CONFIG = 2;
/** Parameter sets are inside the payload too. */
export const FRAME_IN_BAND_CONFIG = 4;
/** The timeline jumps before this frame. */
export const FRAME_DISCONTINUITY = 8;
/** No other frame refers to it. */
export const FRAME_DISPOSABLE = 16;

export class Frame {
  readonly trackId: number;
  readonly flags: number;
  /** Decode time, microseconds; never decreases within a track. */
  readonly dts: number;
  /** Presentation time, microseconds. */
  readonly pts: number;
  /** Microseconds; 0 = unknown. */
  readonly duration: number;
  readonly payload: Uint8Array;
  readonly config: CodecConfig;
  /** Monotonic microseconds at reception. */
  readonly arrival: number;
  /** Wall clock of capture in microseconds since 1970 if the source told it, else NaN. */
  readonly captureTime: number;

  constructor(
    trackId: number,
    flags: number,
    dts: number,
    pts: number,
    duration: number,
    payload: Uint8Array,
    config: CodecConfig,
    arrival: number,
    captureTime: number,
  ) {
    this.trackId = trackId;
    this.flags = flags;
    this.dts = dts;
    this.pts = pts;
    this.duration = duration;
    this.payload = payload;
    this.config = config;
    this.arrival = arrival;
    this.captureTime = captureTime;
  }
}
