/**
 * Samples of one MP4 track as frames: times on the file's timeline and payloads in canonical form
 * (src/codec/README.md).
 */
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
import { FRAME_CONFIG, FRAME_IN_BAND_CONFIG, FRAME_KEY, Frame } from '../media/frame.ts';
import { makeTrack, type Track } from '../media/track.ts';
import type { MovieTrack } from '../wire/mp4/movie-index.ts';
import type { SampleEntry } from '../wire/mp4/sample-entry-reader.ts';
import { DESCRIPTION_SHIFT, SAMPLE_SYNC, type SampleTable } from '../wire/mp4/sample-table.ts';

/** A longer step to the next sample is a gap and not how long the sample lasts. */
const MAX_DURATION_US = 10_000_000;
const NAL_LENGTH_BYTES = 4;

export class Mp4Track {
  readonly track: Track;
  readonly samples: SampleTable;
  readonly isVideo: boolean;
  private readonly entries: readonly SampleEntry[];
  private readonly usPerTick: number;
  private readonly shiftUs: number;
  /** Added to all times, so that the earliest presentation time of the file is 0. */
  originUs = 0;

  constructor(movieTrack: MovieTrack, track: Track) {
    this.track = track;
    this.samples = movieTrack.samples;
    this.isVideo = track.kind === 'video';
    this.entries = movieTrack.entries;
    this.usPerTick = 1_000_000 / movieTrack.timescale;
    this.shiftUs = movieTrack.shiftUs;
  }

  dts(sample: number): number {
    return Math.round(this.samples.times[sample]! * this.usPerTick + this.shiftUs) - this.originUs;
  }

  pts(sample: number): number {
    const { times, shifts } = this.samples;
    return Math.round((times[sample]! + shifts[sample]!) * this.usPerTick + this.shiftUs) - this.originUs;
  }

  isSync(sample: number): boolean {
    return (this.samples.marks[sample]! & SAMPLE_SYNC) !== 0;
  }

  /** First sample that is decoded at this time or later. */
  sampleAt(dtsUs: number): number {
    let low = 0;
    let high = this.samples.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.dts(middle) < dtsUs) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** How long the sample is shown by the times of its neighbours; 0 = they do not tell. */
  durationUs(sample: number): number {
    const { count, times, endTime } = this.samples;
    const next = sample + 1 < count ? times[sample + 1]! : endTime;
    const duration = Math.round((next - times[sample]!) * this.usPerTick);
    return duration > 0 && duration <= MAX_DURATION_US ? duration : 0;
  }

  entryOf(sample: number): SampleEntry | undefined {
    return this.entries[this.samples.marks[sample]! >> DESCRIPTION_SHIFT];
  }
}

/** Configs change while a file is read from one place on; so each reader has one of these per track. */
export class Mp4FrameMaker {
  readonly source: Mp4Track;
  private entry: SampleEntry | undefined;
  private config: CodecConfig | null;

  constructor(source: Mp4Track) {
    this.source = source;
    this.entry = undefined;
    this.config = null;
  }

  /** `bytes` may be kept by the frame. Null when the sample cannot be used. */
  frame(sample: number, bytes: Uint8Array): Frame | null {
    const { source } = this;
    const { track } = source;
    const entry = source.entryOf(sample);
    if (entry === undefined || entry.config === null || entry.config.codec !== track.config.codec)
      return null;
    const payload = canonicalSample(track.config.codec, entry, bytes);
    if (payload === null || payload.length === 0) return null;
    let flags = 0;
    let config = this.config;
    if (config === null || this.entry !== entry) {
      const isFirst = this.entry === undefined;
      this.entry = entry;
      // The track's config is the entry's, completed by what the first frame tells.
      config = entry === source.entryOf(0) ? track.config : configFromFrame(entry.config, payload);
      if (!isFirst) flags |= FRAME_CONFIG;
    }
    if (source.isVideo) {
      const inBits = videoFrameFlags(config, payload);
      flags |= (inBits & ~FRAME_KEY) | (source.isSync(sample) ? FRAME_KEY : 0);
      if ((inBits & FRAME_IN_BAND_CONFIG) !== 0) {
        const found = configFromFrame(config, payload);
        if (this.config !== null && !isSameConfig(found, config)) flags |= FRAME_CONFIG;
        config = found;
      }
    } else flags |= FRAME_KEY;
    this.config = config;
    const own = source.isVideo ? 0 : audioFrameDuration(config, payload);
    const duration = own > 0 ? own : source.durationUs(sample);
    return new Frame(
      track.id,
      flags,
      source.dts(sample),
      source.pts(sample),
      duration,
      payload,
      config,
      0,
      Number.NaN,
    );
  }
}

/** The canonical form, which is `bytes` itself where nothing is to be changed; null when it is damaged. */
function canonicalSample(codec: CodecId, entry: SampleEntry, bytes: Uint8Array): Uint8Array | null {
  const framing = videoFraming(codec, bytes, entry.lengthSize);
  const size = canonicalVideoSize(codec, bytes, framing);
  if (size < 0) return null;
  const isNal = codec === 'h264' || codec === 'h265';
  if (isNal ? size === bytes.length && framing === NAL_LENGTH_BYTES : codec !== 'av1') return bytes;
  const canonical = Buffer.allocUnsafeSlow(size);
  return canonical.subarray(0, writeCanonicalVideo(codec, bytes, framing, canonical, 0));
}

/** The track, its config completed by its first good sync sample; null when nothing tells how to decode it. */
export function describeTrack(
  movieTrack: MovieTrack,
  entry: SampleEntry,
  id: number,
  wireIndex: number,
  firstSample: Uint8Array,
): Track | null {
  if (entry.config === null) return null;
  const payload = canonicalSample(entry.config.codec, entry, firstSample);
  // The record leaves to the frames: sizes of VP8 and VP9, all of MP3 and AC-3, parameter sets in band.
  const config = payload === null ? entry.config : configFromFrame(entry.config, payload);
  const { codec, record } = config;
  if ((codec === 'h264' || codec === 'h265') && record.length === 0) return null;
  return makeTrack(id, config, wireIndex, movieTrack.language);
}
