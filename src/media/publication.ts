/**
 * What a publisher holds: a place in the line-up of a stream name. Of the active one, frames go in with the publisher's
 * own millisecond clock and come out on the stream's timeline; of one that stands by they are kept for a take-over.
 * `end` gives the place back and may be called any number of times.
 */
import { audioFrameDuration } from '../codec/audio-frame-duration.ts';
import type { CodecConfig } from '../codec/codec-config.ts';
import type { Clock } from '../util/clock.ts';
import { FRAME_CONFIG, FRAME_DISCONTINUITY } from './frame.ts';
import type { OnDemandSource } from './on-demand.ts';
import type { StandbyBuffer } from './standby-buffer.ts';
import type { Stream } from './stream.ts';
import type { Track } from './track.ts';

/** A longer pause starts the time anew for which a publisher must have been steady. */
const STEADY_GAP_US = 1_000_000;

/** Who is told what happens to a publication. */
export interface PublicationWatcher {
  /** `isPoint`: a player could start with this frame. Called after it was kept. */
  onStandbyFrame(publication: Publication, isPoint: boolean, nowUs: number): void;
  onEnd(publication: Publication, reason: string, nowUs: number): void;
}

export class Publication {
  readonly stream: Stream;
  /** Session that publishes: id, protocol and address, for the API and for refusals that say who is there. */
  readonly owner: PublicationOwner;
  /** Place by preference; the lowest is preferred, of equal ones the first that came. */
  readonly rank: number;
  /** Counts the publications of the server. */
  readonly order: number;
  /** Wall clock milliseconds. */
  readonly sinceMs: number;
  ended = false;
  /** Null while it is the active one. */
  standby: StandbyBuffer | null = null;
  frames = 0;
  bytes = 0;
  /** Monotonic microseconds of the latest frame; before the first, of the beginning. */
  lastFrameUs: number;
  /** Since when it has been active, or has sent frames without a pause; monotonic microseconds. */
  steadySinceUs: number;
  /** How often it was left because it failed. */
  falls = 0;
  private readonly clock: Clock;
  private readonly watcher: PublicationWatcher;
  private audioTracks = 0;

  constructor(
    stream: Stream,
    owner: PublicationOwner,
    rank: number,
    order: number,
    clock: Clock,
    watcher: PublicationWatcher,
  ) {
    this.stream = stream;
    this.owner = owner;
    this.rank = rank;
    this.order = order;
    this.clock = clock;
    this.watcher = watcher;
    this.sinceMs = clock.wallUs() / 1000;
    this.lastFrameUs = clock.nowUs();
    this.steadySinceUs = this.lastFrameUs;
  }

  setTrack(track: Track): void {
    if (this.ended) return;
    if (track.kind === 'audio') this.audioTracks |= 1 << (track.id & 31);
    if (this.standby === null) this.stream.setTrack(track, this.clock.nowUs());
    else this.standby.setTrack(track);
  }

  /** Tracks that were set are gone; new ones follow. */
  resetTracks(): void {
    if (this.ended) return;
    if (this.standby === null) this.stream.resetTracks();
    else this.standby.resetTracks();
  }

  metadata(values: unknown, promisesVideo: boolean): void {
    if (this.ended) return;
    if (this.standby === null) {
      this.stream.setMetadata(values, promisesVideo, this.clock.nowUs());
      return;
    }
    this.standby.metadata = values;
    this.standby.promisesVideo = promisesVideo;
  }

  /**
   * Hot path. `payload` is copied; times are milliseconds of the publisher's 32-bit clock, fractions allowed.
   * `captureUs`: wall clock of capture, microseconds since 1970; NaN = not told.
   */
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
    if (this.ended) return;
    const nowUs = this.clock.nowUs();
    this.frames++;
    this.bytes += payload.length;
    const { standby } = this;
    if (standby === null) {
      this.lastFrameUs = nowUs;
      this.forward(trackId, flags, dtsMs, ptsMs, durationUs, payload, config, nowUs, captureUs);
      return;
    }
    if (nowUs - this.lastFrameUs > STEADY_GAP_US || this.frames === 1) this.steadySinceUs = nowUs;
    this.lastFrameUs = nowUs;
    const isPoint = standby.write(
      trackId,
      flags,
      dtsMs,
      ptsMs,
      durationUs,
      payload,
      config,
      nowUs,
      captureUs,
    );
    this.watcher.onStandbyFrame(this, isPoint, nowUs);
  }

  private forward(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
    arrivalUs: number,
    captureUs: number,
  ): void {
    const { stream } = this;
    const { timeline } = stream;
    let duration = durationUs;
    const isAudio = (this.audioTracks & (1 << (trackId & 31))) !== 0;
    if (isAudio && duration === 0) duration = audioFrameDuration(config, payload);
    const dts = timeline.map(trackId, dtsMs, arrivalUs, isAudio ? duration : 0);
    const pts = dts + Math.round((ptsMs - dtsMs) * 1000);
    const marked = timeline.jumped ? flags | FRAME_DISCONTINUITY : flags;
    stream.write(trackId, marked, dts, pts, duration, payload, config, arrivalUs, captureUs);
  }

  /** Takes over from whoever was active: its tracks are the stream's, and what was kept from `position` on goes out. */
  activate(position: number): void {
    const { standby, stream } = this;
    if (standby === null) return;
    this.standby = null;
    const nowUs = this.clock.nowUs();
    this.steadySinceUs = nowUs;
    const { tracks, metadata, promisesVideo } = standby;
    stream.carrier = carrierOf(this.owner);
    const isSame = stream.takeTracks(tracks, metadata, promisesVideo, nowUs);
    stream.timeline.begin(isSame);
    let added = isSame ? 0 : FRAME_DISCONTINUITY | FRAME_CONFIG;
    // Nothing changes for players that decode the same configuration already.
    const removed = isSame ? FRAME_CONFIG : 0;
    for (const frame of standby.framesFrom(position)) {
      const { trackId, flags, dtsMs, ptsMs, durationUs, payload, config, arrivalUs, captureUs } = frame;
      const changed = (flags & ~removed) | added;
      this.forward(trackId, changed, dtsMs, ptsMs, durationUs, payload, config, arrivalUs, captureUs);
      added = 0;
    }
  }

  /** Gives the place back. `reason` is a sentence for the log. */
  end(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    this.watcher.onEnd(this, reason, this.clock.nowUs());
  }
}

export interface PublicationOwner {
  readonly id: string;
  readonly protocol: string;
  /** What brings the media, where the protocol does not tell that (a pull). */
  readonly carrier?: string;
  readonly remote: string;
  /** Host that the publisher typed, '' when there is none: policy rules may name it. */
  readonly host: string;
  /** Ids of the Sluice servers that the stream came through before this one. */
  readonly via: readonly string[];
  /** Instead of the place that the policy gives to publishers. */
  readonly rank?: number;
  /** What it belongs to: publications of one source may stand beside each other whatever the policy says. */
  readonly source?: OnDemandSource;
  /** Fills in for publishers: it stands beside anybody, gives way to anybody, and is ended then. */
  readonly yields?: boolean;
  /** Asks the publisher for a key frame; it limits how often it does. Not there: it cannot. */
  requestKeyFrame?(): void;
  /** It became the active one, or stands by again. */
  stateChanged?(state: 'active' | 'standby'): void;
  /** Called when the name is taken away (take-over, kick, shutdown): the session must close. */
  revoke(reason: string): void;
}

export function carrierOf({ carrier, protocol }: PublicationOwner): string {
  return carrier ?? protocol;
}

/** The test channel, or another form of a stream: rules for forwards and recordings do not mean it. */
export function isMadeHere({ protocol }: PublicationOwner): boolean {
  return protocol === 'demo' || protocol === 'transcode';
}
