/**
 * Files as a live stream: takes the lease of a name like any publisher and plays a supply into it at the pace of the
 * clock. Begins when it is told to, or as an on-demand source with the first viewer.
 */
import type { Frame } from '../media/frame.ts';
import type { OnDemandSource } from '../media/on-demand.ts';
import type { Publication, PublicationOwner } from '../media/publication.ts';
import type { StreamHub } from '../media/stream-hub.ts';
import type { StreamKey } from '../media/stream-key.ts';
import type { Track } from '../media/track.ts';
import type { Clock } from '../util/clock.ts';
import type { FrameSupply } from './frame-supply.ts';
import { PacedPlayback, type PlaybackOutput } from './paced-playback.ts';

/** How far ahead of real time frames are published, so that a coarse timer never lets a player run dry. */
const LEAD_US = 120_000;
/** About one GOP at once: the first viewer sees a picture without waiting. */
const BURST_US = 1_000_000;

export interface FileChannelOptions {
  readonly hub: StreamHub;
  readonly clock: Clock;
  /** One line for lists. */
  readonly description: string;
  readonly owner: Omit<PublicationOwner, 'revoke' | 'host' | 'via' | 'source'>;
  /** A new supply, from the start. */
  readonly open: () => FrameSupply;
  /** It is over: the supply has no more, or the name was taken away (`isRevoked`). Not called after `stop`. */
  readonly onEnd: (reason: string, isRevoked: boolean) => void;
  /** The supply rejected. */
  readonly onFault: (error: unknown) => void;
  readonly wait: (ms: number) => Promise<void>;
  /** What is published at once at the beginning, microseconds; not set: about one GOP. */
  readonly burstUs?: number;
}

export class FileChannel implements OnDemandSource {
  readonly description: string;
  private readonly options: FileChannelOptions;
  private publication: Publication | null = null;
  private playback: PacedPlayback | null = null;

  constructor(options: FileChannelOptions) {
    this.options = options;
    this.description = options.description;
  }

  /** Throws RejectedError when the name is taken. */
  start(key: StreamKey): void {
    if (this.publication !== null) return;
    const { hub, clock, owner, open, wait } = this.options;
    const publication = hub.publish(key, {
      ...owner,
      source: this,
      host: '',
      via: [],
      revoke: (reason) => {
        if (this.halt(publication)) this.options.onEnd(reason, true);
      },
    });
    const playback = new PacedPlayback({
      supply: open(),
      output: new PublicationOutput(publication),
      nowUs: () => clock.nowUs(),
      leadUs: LEAD_US,
      burstUs: this.options.burstUs ?? BURST_US,
      wait,
    });
    this.publication = publication;
    this.playback = playback;
    playback.run().then(
      () => this.finish(publication, 'The channel has come to its end.'),
      (error: unknown) => {
        this.options.onFault(error);
        this.finish(publication, 'The channel cannot be played any further.');
      },
    );
  }

  private finish(publication: Publication, reason: string): void {
    if (!this.halt(publication)) return;
    publication.end(reason);
    this.options.onEnd(reason, false);
  }

  stop(): void {
    const { publication } = this;
    if (publication === null) return;
    this.halt(publication);
    publication.end(`${this.description} was stopped`);
  }

  /** False when it had ended before. */
  private halt(publication: Publication): boolean {
    if (this.publication !== publication) return false;
    this.playback?.close();
    this.playback = null;
    this.publication = null;
    return true;
  }
}

class PublicationOutput implements PlaybackOutput {
  private readonly publication: Publication;
  private tracks: readonly Track[] = [];

  constructor(publication: Publication) {
    this.publication = publication;
  }

  setTracks(tracks: readonly Track[]): void {
    const { publication } = this;
    const isGone = this.tracks.some(({ id }) => !tracks.some((track) => track.id === id));
    if (isGone) publication.resetTracks();
    this.tracks = tracks;
    for (const track of tracks) publication.setTrack(track);
  }

  write(frame: Frame): void {
    const { trackId, flags, dts, pts, duration, payload, config } = frame;
    this.publication.write(trackId, flags, dts / 1000, pts / 1000, duration, payload, config);
  }

  writable(): boolean {
    return true;
  }
}
