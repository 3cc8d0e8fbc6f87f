/** Takes what FlvIngest gives, for tests. */
import type { CodecConfig } from '../../../src/codec/codec-config.ts';
import type { Track } from '../../../src/media/track.ts';
import { FlvIngest, type FlvIngestOutput } from '../../../src/packaging/flv-ingest.ts';
import type { AmfValue } from '../../../src/wire/amf/amf-value.ts';

export interface RecordedFrame {
  readonly trackId: number;
  readonly flags: number;
  readonly dtsMs: number;
  readonly ptsMs: number;
  readonly durationUs: number;
  readonly payload: Buffer;
  readonly config: CodecConfig;
}

export class FlvRecorder implements FlvIngestOutput {
  /** Every setTrack, in order. */
  readonly announced: Track[] = [];
  readonly frames: RecordedFrame[] = [];
  readonly metadatas: { values: AmfValue; promisesVideo: boolean }[] = [];
  readonly ingest = new FlvIngest(this);

  setTrack(track: Track): void {
    this.announced.push(track);
  }

  write(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
  ): void {
    this.frames.push({ trackId, flags, dtsMs, ptsMs, durationUs, payload: Buffer.from(payload), config });
  }

  metadata(values: AmfValue, promisesVideo: boolean): void {
    this.metadatas.push({ values, promisesVideo });
  }

  /** The track as it was announced last. */
  track(id: number): Track {
    return this.announced.findLast((track) => track.id === id)!;
  }
}
