/**
 * Frames to a live fragmented MP4 (ISO/IEC 14496-12 8.8): HTTP-fMP4 and WS-fMP4 for MediaSource. A joiner gets `ftyp`
 * and `moov`, then every frame is a fragment (`moof` and `mdat`) of its own and goes out at once. Its decode time is
 * exact; how long it lasts is not known yet, so that follows the codec or the step before it.
 * When tracks change, a new `moov` stands before the next fragment. Leaves out: the wall clock (`prft`).
 */
import type { FeedEncoder, FeedFormat, FeedSource, LeftOut } from '../media/feed.ts';
import { FRAME_KEY, type Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';
import type { ByteTarget } from '../util/slab.ts';
import { serializeInitSegment } from '../wire/mp4/init-segment.ts';
import {
  type FragmentRun,
  type FragmentSample,
  fragmentBytes,
  writeFragment,
} from '../wire/mp4/movie-fragment.ts';
import { mp4Timescale, reasonNotInMp4 } from '../wire/mp4/sample-entry.ts';
import { CarriedTracks } from './carried-tracks.ts';
import { MP4_SOUND } from './sound-needs.ts';
import { webSocketFormat } from './websocket-feed.ts';

const NOTHING = new Uint8Array(0);
const MAX_TRACKS = 64;
const DEFAULT_FRAME_US = 40_000;
/** A longer step between frames tells nothing about how long one lasts. */
const MAX_FRAME_US = 1_000_000;

export const fmp4Format: FeedFormat = {
  name: 'fmp4',
  sound: MP4_SOUND,
  open: (source) => new Fmp4FeedEncoder(source),
};
export const wsFmp4Format: FeedFormat = webSocketFormat(fmp4Format);

/** The one sample of a fragment; refilled for every frame. */
class OneSample implements FragmentSample {
  duration = 0;
  compositionOffset = 0;
  isSync = false;
  payload: Uint8Array = NOTHING;
}

class OneSampleRun implements FragmentRun {
  trackId = 0;
  baseTime = 0;
  readonly sample = new OneSample();
  readonly samples: readonly OneSample[] = [this.sample];
}

class Fmp4FeedEncoder implements FeedEncoder {
  private readonly tracks: CarriedTracks;
  private readonly run = new OneSampleRun();
  private readonly runs: readonly FragmentRun[] = [this.run];
  private readonly lastDts = new Float64Array(MAX_TRACKS).fill(Number.NaN);
  /** 0 = no step was seen yet. */
  private readonly stepUs = new Float64Array(MAX_TRACKS);
  private sequence = 0;
  private described: readonly Track[] | null = null;
  private init: Buffer = Buffer.alloc(0);
  /** Players have the `moov` of other tracks: the next fragment brings the new one. */
  private initIsDue: boolean = false;
  /** The fragment that was written last brought it. */
  private initWasSent: boolean = false;

  constructor(source: FeedSource) {
    this.tracks = new CarriedTracks(source, reasonNotInLiveMp4);
  }

  encode(frame: Frame, target: ByteTarget): boolean {
    const track = this.tracks.find(frame.trackId);
    if (track === undefined) return false;
    if (this.tracks.all() !== this.described) this.describe();
    this.fill(frame, track);
    const initBytes = this.initIsDue ? this.init.length : 0;
    const at = target.reserve(initBytes + fragmentBytes(this.runs), frame.arrival);
    if (this.initIsDue) target.slab.set(this.init, at);
    this.initWasSent = this.initIsDue;
    this.initIsDue = false;
    writeFragment(target.slab, at + initBytes, ++this.sequence, this.runs);
    this.run.sample.payload = NOTHING;
    return true;
  }

  private fill(frame: Frame, track: Track): void {
    const { run } = this;
    const { sample } = run;
    const scale = mp4Timescale(track.config) / 1_000_000;
    const dts = Math.round(frame.dts * scale);
    run.trackId = fileId(track);
    run.baseTime = dts;
    sample.duration = Math.max(1, Math.round(this.durationUs(frame) * scale));
    sample.compositionOffset = Math.round(frame.pts * scale) - dts;
    sample.isSync = track.kind !== 'video' || (frame.flags & FRAME_KEY) !== 0;
    sample.payload = frame.payload;
  }

  private durationUs(frame: Frame): number {
    const slot = frame.trackId % MAX_TRACKS;
    const step = frame.dts - this.lastDts[slot]!;
    this.lastDts[slot] = frame.dts;
    if (step > 0 && step < MAX_FRAME_US) this.stepUs[slot] = step;
    if (frame.duration > 0) return frame.duration;
    if (this.stepUs[slot]! > 0) return this.stepUs[slot]!;
    const { frameRate } = frame.config;
    return frameRate > 0 ? 1_000_000 / frameRate : DEFAULT_FRAME_US;
  }

  private describe(): void {
    const carried = this.tracks.all();
    this.described = carried;
    const init = serializeInitSegment(
      carried.map((track) => ({
        id: fileId(track),
        timescale: mp4Timescale(track.config),
        config: track.config,
        language: track.language,
      })),
    );
    if (this.init.equals(init)) return;
    this.initIsDue = this.sequence > 0;
    this.init = init;
  }

  prologue(): Uint8Array {
    return this.initWasSent ? NOTHING : this.init;
  }

  tracksChanged(): Uint8Array {
    return NOTHING;
  }

  epilogue(): Uint8Array {
    return NOTHING;
  }

  leftOut(): readonly LeftOut[] {
    return this.tracks.leftOut();
  }
}

/** Ids of MP4 count from 1. */
function fileId(track: Track): number {
  return track.id + 1;
}

function reasonNotInLiveMp4(track: Track): string {
  return track.kind === 'data' ? 'Live MP4 carries pictures and sound.' : reasonNotInMp4(track.config);
}
