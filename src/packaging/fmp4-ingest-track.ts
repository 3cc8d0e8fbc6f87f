/** Samples of one track of a fragmented MP4 stream: canonical frames with their config, as src/codec/README.md says. */
import { audioFrameDuration } from '../codec/audio-frame-duration.ts';
import { type CodecConfig, isSameConfig } from '../codec/codec-config.ts';
import type { CodecId } from '../codec/codec-id.ts';
import { configFromFrame } from '../codec/describe-config.ts';
import {
  canonicalVideoSize,
  videoFrameFlags,
  videoFraming,
  writeCanonicalVideo,
} from '../codec/video-payload.ts';
import { FRAME_CONFIG, FRAME_IN_BAND_CONFIG, FRAME_KEY } from '../media/frame.ts';
import { makeTrack } from '../media/track.ts';
import type { MovieTrack } from '../wire/mp4/movie-index.ts';
import type { SampleEntry } from '../wire/mp4/sample-entry-reader.ts';
import { DESCRIPTION_SHIFT } from '../wire/mp4/sample-table.ts';
import type { TsIngestOutput } from './ts-ingest.ts';

/** A longer step to the next sample is a gap and not how long the sample lasts. */
const MAX_DURATION_US = 10_000_000;
const NAL_LENGTH_BYTES = 4;
const NO_BYTES = new Uint8Array(0);

export class Fmp4Track {
  readonly id: number;
  readonly source: MovieTrack;
  readonly isVideo: boolean;
  readonly codec: CodecId;
  /** As players were told last; null = not yet. */
  config: CodecConfig | null;
  damagedFrames: number;
  framesWithoutConfig: number;
  /** Index of the next sample of the fragment; those before have been given out. */
  next: number;
  private readonly output: TsIngestOutput;
  private readonly msPerTick: number;
  private readonly shiftMs: number;
  private entry: SampleEntry | undefined;
  private scratch: Uint8Array;

  /** `before` is the config that the track had until now, null for a new one. */
  constructor(
    source: MovieTrack,
    codec: CodecId,
    id: number,
    before: CodecConfig | null,
    output: TsIngestOutput,
  ) {
    this.id = id;
    this.source = source;
    this.isVideo = source.handler === 'vide';
    this.codec = codec;
    this.config = before;
    this.damagedFrames = 0;
    this.framesWithoutConfig = 0;
    this.next = 0;
    this.output = output;
    this.msPerTick = 1000 / source.timescale;
    this.shiftMs = source.shiftUs / 1000;
    this.entry = undefined;
    this.scratch = NO_BYTES;
  }

  /** Tells the track before its first frame, so that all tracks are told together; not where only frames tell all. */
  announce(): void {
    const config = this.source.entries.find((entry) => entry.config?.codec === this.codec)?.config;
    if (this.config !== null || config == null) return;
    if (this.isVideo ? config.width === 0 : config.sampleRate === 0 || config.channels === 0) return;
    this.tell(config);
  }

  private tell(config: CodecConfig): void {
    this.config = config;
    this.output.setTrack(makeTrack(this.id, config, this.id >> 1, this.source.language));
  }

  /** Milliseconds. */
  dtsMs(sample: number): number {
    return this.source.samples.times[sample]! * this.msPerTick + this.shiftMs;
  }

  /** Forgets the samples of the fragment; those that were not given out count as damaged. */
  clear(): void {
    const { samples } = this.source;
    this.damagedFrames += samples.count - this.next;
    samples.count = 0;
    this.next = 0;
  }

  /** One sample, given its bytes. Hot path. */
  write(sample: number, bytes: Uint8Array): void {
    const { samples, entries } = this.source;
    const entry = entries[samples.marks[sample]! >> DESCRIPTION_SHIFT];
    if (entry === undefined || entry.config === null || entry.config.codec !== this.codec) {
      this.framesWithoutConfig++;
      return;
    }
    const payload = this.canonical(entry, bytes);
    if (payload.length === 0) {
      this.damagedFrames++;
      return;
    }
    const isNewEntry = this.entry !== entry;
    let config = isNewEntry || this.config === null ? entry.config : this.config;
    let flags = FRAME_KEY;
    if (this.isVideo) {
      flags = videoFrameFlags(config, payload);
      if (isNewEntry || (flags & (FRAME_KEY | FRAME_IN_BAND_CONFIG)) !== 0)
        config = configFromFrame(config, payload);
      if (config.record.length === 0 && (this.codec === 'h264' || this.codec === 'h265')) {
        this.framesWithoutConfig++;
        return;
      }
    } else config = configFromFrame(config, payload);
    this.entry = entry;
    if (this.config === null || !isSameSignal(this.config, config)) {
      if (this.config !== null) flags |= FRAME_CONFIG;
      this.tell(config);
    }
    const dtsMs = this.dtsMs(sample);
    const ptsMs = dtsMs + samples.shifts[sample]! * this.msPerTick;
    const own = this.isVideo ? 0 : audioFrameDuration(config, payload);
    const durationUs = own > 0 ? own : this.durationUs(sample);
    this.output.write(this.id, flags, dtsMs, ptsMs, durationUs, payload, this.config ?? config);
  }

  /** By the times of its neighbours; 0 = they do not tell. */
  private durationUs(sample: number): number {
    const { count, times, endTime } = this.source.samples;
    const next = sample + 1 < count ? times[sample + 1]! : endTime;
    const duration = Math.round((next - times[sample]!) * this.msPerTick * 1000);
    return duration > 0 && duration <= MAX_DURATION_US ? duration : 0;
  }

  /** The canonical form, which is `bytes` itself where nothing is to be changed; empty when it is damaged. */
  private canonical({ lengthSize }: SampleEntry, bytes: Uint8Array): Uint8Array {
    const { codec } = this;
    if (!this.isVideo) return bytes;
    const framing = videoFraming(codec, bytes, lengthSize);
    const size = canonicalVideoSize(codec, bytes, framing);
    if (size <= 0) return NO_BYTES;
    const isNal = codec === 'h264' || codec === 'h265';
    if (isNal ? size === bytes.length && framing === NAL_LENGTH_BYTES : codec !== 'av1') return bytes;
    if (size > this.scratch.length) this.scratch = new Uint8Array(size * 2);
    return this.scratch.subarray(0, writeCanonicalVideo(codec, bytes, framing, this.scratch, 0));
  }
}

/** Facts that only frames tell count as well. */
function isSameSignal(a: CodecConfig, b: CodecConfig): boolean {
  return (
    isSameConfig(a, b) &&
    a.sampleRate === b.sampleRate &&
    a.channels === b.channels &&
    a.width === b.width &&
    a.height === b.height
  );
}
