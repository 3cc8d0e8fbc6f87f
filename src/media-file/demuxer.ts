/** What FLV and TS have in common for a file: bytes in, frames with their place in the file out. */
import type { CodecConfig } from '../codec/codec-config.ts';
import type { Track } from '../media/track.ts';

export interface DemuxerSink {
  /** A new track, or a new config of a known one. */
  setTrack(track: Track): void;
  /**
   * Times are milliseconds of the file's own clock, wraps undone; `payload` is valid during the call only; `position`
   * is the byte where a reader must begin to get the frame.
   */
  frame(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
    position: number,
  ): void;
  /** From this byte on readers can begin with this. */
  checkpoint(position: number, checkpoint: Checkpoint): void;
}

export interface Demuxer {
  push(bytes: Uint8Array): void;
  /** The file ends here. */
  finish(): void;
  /** A sentence, '' = all was well. */
  damage(): string;
  /** Sentences about what is not used. */
  leftOut(): readonly string[];
}

/** What a reader that begins in the middle must know. */
export interface Checkpoint {
  /** `position` is the place of the first byte; `nearMs` a time of the file's clock near which the first one is. */
  open(sink: DemuxerSink, position: number, nearMs: number): Demuxer;
}

export type OpenDemuxer = (sink: DemuxerSink) => Demuxer;
