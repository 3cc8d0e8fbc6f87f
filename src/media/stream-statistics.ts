/** Counters of a stream that the API and the progress line read. Updated on the hot path: plain numbers only. */
import { RateMeter } from '../util/rate-meter.ts';
import { FRAME_KEY, type Frame } from './frame.ts';
import type { Track } from './track.ts';

const MAX_TRACKS = 64;

export class StreamStatistics {
  bytesIn = 0;
  videoFrames = 0;
  audioFrames = 0;
  /** Frames of the present and the last finished GOP, and its length in microseconds. */
  gopFrames = 0;
  gopUs = 0;
  private framesInGop = 0;
  private gopStartUs = -1;
  private readonly isVideoTrack = new Uint8Array(MAX_TRACKS);
  private readonly bytesByTrack = new Float64Array(MAX_TRACKS);
  /** Bytes that players of this stream were sent, kept over their end. */
  bytesOutClosed = 0;
  readonly inRate = new RateMeter();
  readonly outRate = new RateMeter();
  private firstVideoUs = -1;
  private lastVideoUs = 0;

  onTrack(track: Track): void {
    this.isVideoTrack[track.id % MAX_TRACKS] = track.kind === 'video' ? 1 : 0;
  }

  isVideo(trackId: number): boolean {
    return this.isVideoTrack[trackId % MAX_TRACKS] === 1;
  }

  onFrame(frame: Frame): void {
    const size = frame.payload.length;
    const track = frame.trackId % MAX_TRACKS;
    this.bytesIn += size;
    this.bytesByTrack[track]! += size;
    if (this.isVideoTrack[track] === 0) {
      this.audioFrames++;
      return;
    }
    this.videoFrames++;
    if (this.firstVideoUs < 0) this.firstVideoUs = frame.dts;
    this.lastVideoUs = frame.dts;
    if ((frame.flags & FRAME_KEY) !== 0) {
      if (this.gopStartUs >= 0) {
        this.gopFrames = this.framesInGop;
        this.gopUs = frame.dts - this.gopStartUs;
      }
      this.gopStartUs = frame.dts;
      this.framesInGop = 0;
    }
    this.framesInGop++;
  }

  trackBytes(trackId: number): number {
    return this.bytesByTrack[trackId % MAX_TRACKS]!;
  }

  /** Video frames per second, from the last GOP or from all frames so far; 0 = not known. */
  get frameRate(): number {
    if (this.gopUs > 0) return (this.gopFrames * 1_000_000) / this.gopUs;
    const span = this.lastVideoUs - this.firstVideoUs;
    return span > 500_000 ? ((this.videoFrames - 1) * 1_000_000) / span : 0;
  }
}
