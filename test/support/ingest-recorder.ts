/** Keeps all that an ingest of any format gives. */
import type { CodecConfig } from '../../src/codec/codec-config.ts';
import type { Track } from '../../src/media/track.ts';

export interface IngestedFrame {
  readonly trackId: number;
  readonly flags: number;
  readonly dtsMs: number;
  readonly ptsMs: number;
  readonly durationUs: number;
  readonly payload: Buffer;
  readonly config: CodecConfig;
  /** NaN of formats that tell no wall clock. */
  readonly captureUs: number;
}

export class IngestRecorder {
  /** Every setTrack, in order. */
  readonly tracks: Track[] = [];
  readonly frames: IngestedFrame[] = [];

  setTrack(track: Track): void {
    this.tracks.push(track);
  }

  write(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    bytes: Uint8Array,
    config: CodecConfig,
    captureUs = Number.NaN,
  ): void {
    const payload = Buffer.from(bytes);
    this.frames.push({ trackId, flags, dtsMs, ptsMs, durationUs, payload, config, captureUs });
  }

  of(trackId: number): IngestedFrame[] {
    return this.frames.filter((frame) => frame.trackId === trackId);
  }
}
