/**
 * What a demultiplexer gives, as frames of one steady clock: payloads copied, 32-bit milliseconds unwrapped. Nothing is
 * smoothed, so that `sluice probe` sees what the source does.
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import { Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import type { FlvIngestOutput } from '../packaging/flv-ingest.ts';
import { SlabWriter } from '../util/slab.ts';
import type { AmfValue } from '../wire/amf/amf-value.ts';
import type { PullHandlers } from './pull.ts';

const WRAP_US = 0x1_0000_0000 * 1000;

export class PulledFrames implements FlvIngestOutput {
  private readonly handlers: PullHandlers;
  private readonly nowUs: () => number;
  private readonly slab = new SlabWriter();
  private tracks: readonly Track[] = [];
  private tracksChanged = false;
  private wrapsUs = 0;
  private lastUs = Number.NaN;

  constructor(handlers: PullHandlers, nowUs: () => number) {
    this.handlers = handlers;
    this.nowUs = nowUs;
  }

  setTrack(track: Track): void {
    const isKnown = this.tracks.some((known) => known.id === track.id);
    this.tracks = isKnown
      ? this.tracks.map((known) => (known.id === track.id ? track : known))
      : [...this.tracks, track];
    this.tracksChanged = true;
  }

  metadata(values: AmfValue): void {
    this.handlers.onMetadata?.(values);
  }

  write(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
    captureUs = Number.NaN,
  ): void {
    if (this.tracksChanged) {
      this.tracksChanged = false;
      this.handlers.onTracks(this.tracks);
    }
    const now = this.nowUs();
    const dts = this.unwrap(Math.round(dtsMs * 1000));
    const pts = dts + Math.round((ptsMs - dtsMs) * 1000);
    const kept = this.slab.copy(payload, now);
    this.handlers.onFrame(new Frame(trackId, flags, dts, pts, durationUs, kept, config, now, captureUs));
  }

  private unwrap(rawUs: number): number {
    let us = rawUs + this.wrapsUs;
    if (us - this.lastUs < -WRAP_US / 2) {
      this.wrapsUs += WRAP_US;
      us += WRAP_US;
    } else if (us - this.lastUs > WRAP_US / 2 && this.wrapsUs > 0) {
      // A late frame from before the wrap; the clock stays behind it.
      return us - WRAP_US;
    }
    this.lastUs = us;
    return us;
  }
}
