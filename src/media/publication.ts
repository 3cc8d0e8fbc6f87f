/**
 * What a publisher holds: the lease of a stream name. Frames go in with the publisher's own millisecond clock and
 * come out on the stream's timeline. `end` gives the name back and may be called any number of times.
 */
import { audioFrameDuration } from '../codec/audio-frame-duration.ts';
import type { CodecConfig } from '../codec/codec-config.ts';
import type { Clock } from '../util/clock.ts';
import { FRAME_DISCONTINUITY } from './frame.ts';
import type { Stream } from './stream.ts';
import type { Track } from './track.ts';

export class Publication {
  readonly stream: Stream;
  /** Session that publishes: id, protocol and address, for the API and for refusals that say who is there. */
  readonly owner: PublicationOwner;
  ended = false;
  private readonly clock: Clock;
  private readonly onEnd: (publication: Publication, reason: string) => void;
  private audioTracks = 0;

  constructor(
    stream: Stream,
    owner: PublicationOwner,
    clock: Clock,
    onEnd: (publication: Publication, reason: string) => void,
  ) {
    this.stream = stream;
    this.owner = owner;
    this.clock = clock;
    this.onEnd = onEnd;
  }

  setTrack(track: Track): void {
    if (this.ended) return;
    if (track.kind === 'audio') this.audioTracks |= 1 << (track.id & 31);
    this.stream.setTrack(track, this.clock.nowUs());
  }

  metadata(values: unknown, promisesVideo: boolean): void {
    if (!this.ended) this.stream.setMetadata(values, promisesVideo, this.clock.nowUs());
  }

  /** Hot path. `payload` is copied; times are milliseconds of the publisher's 32-bit clock, fractions allowed. */
  write(
    trackId: number,
    flags: number,
    dtsMs: number,
    ptsMs: number,
    durationUs: number,
    payload: Uint8Array,
    config: CodecConfig,
  ): void {
    if (this.ended) return;
    const nowUs = this.clock.nowUs();
    const { stream } = this;
    const { timeline } = stream;
    let duration = durationUs;
    const isAudio = (this.audioTracks & (1 << (trackId & 31))) !== 0;
    if (isAudio && duration === 0) duration = audioFrameDuration(config, payload);
    const dts = timeline.map(trackId, dtsMs, nowUs, isAudio ? duration : 0);
    const pts = dts + Math.round((ptsMs - dtsMs) * 1000);
    const marked = timeline.jumped ? flags | FRAME_DISCONTINUITY : flags;
    stream.write(trackId, marked, dts, pts, duration, payload, config, nowUs);
  }

  /** Gives the name back. `reason` is a sentence for the log. */
  end(reason: string): void {
    if (this.ended) return;
    this.ended = true;
    this.onEnd(this, reason);
  }
}

export interface PublicationOwner {
  readonly id: string;
  readonly protocol: string;
  readonly remote: string;
  /** Host that the publisher typed, '' when there is none: policy rules may name it. */
  readonly host: string;
  /** Ids of the Sluice servers that the stream came through before this one. */
  readonly via: readonly string[];
  /** Called when the name is taken away (take-over, kick, shutdown): the session must close. */
  revoke(reason: string): void;
}
