/**
 * One attempt with one source: opened, published under the stream's name with its first frame, ended. The name is not
 * held before and not afterwards, so that nobody else is kept out of it by a source that gives nothing.
 */
import { isUntrusted } from '../../client/describe-failure.ts';
import type { Pull, PullDetails, PullEnd, PullHandlers, PullOptions } from '../../client/pull.ts';
import type { Frame } from '../../media/frame.ts';
import type { OnDemandSource } from '../../media/on-demand.ts';
import type { Publication } from '../../media/publication.ts';
import type { StreamHub } from '../../media/stream-hub.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import type { Track } from '../../media/track.ts';
import type { RtcCallsHolder } from '../../rtc/rtc-calls.ts';
import { RejectedError } from '../../util/errors.ts';
import { shownUrl, withoutSecrets } from '../../util/shown-url.ts';
import type { PullSource } from './pull-config.ts';
import { PullPacer } from './pull-pacer.ts';

/** Pulled sources come after publishers where both may stand beside each other. */
const FIRST_PULL_RANK = 1000;
/** A live source may send what it has kept at once; what is further ahead of the clock is a file. */
const LEAD_US = 10_000_000;

export interface PullTools {
  readonly hub: StreamHub;
  readonly nowUs: () => number;
  readonly wallMs: () => number;
  readonly after: (delayMs: number, run: () => void) => { cancel(): void };
  /** Who holds the name so that nothing pulled may be published there, a sentence; '' = nobody. */
  readonly heldBy: (key: StreamKey, source: OnDemandSource) => string;
  /** Whether the policy lets a preferred source take the stream back. */
  readonly returns: (key: StreamKey) => boolean;
  /** What Sluice servers are told of who asks, last the stream here. */
  readonly askersOf: (key: StreamKey) => readonly string[];
  /** 0 to 1. */
  readonly random: () => number;
  readonly open: (url: string, handlers: PullHandlers, options: PullOptions) => Pull;
  readonly userAgent: string;
  readonly rtcCalls: RtcCallsHolder;
  readonly onFault: (error: unknown) => void;
}

export interface RunOptions {
  readonly id: string;
  readonly key: StreamKey;
  readonly source: PullSource;
  /** With the stream's name filled in. */
  readonly url: string;
  readonly place: number;
  readonly owner: OnDemandSource;
  /** It has given its first frame. */
  readonly onLive: (run: SourceRun) => void;
  /** It is what players see. */
  readonly onActive: (run: SourceRun) => void;
  /** Over, with a sentence; called once, unless `close` was called. */
  readonly onEnd: (run: SourceRun, reason: string) => void;
}

export class SourceRun implements PullHandlers {
  readonly options: RunOptions;
  readonly shown: string;
  /** Wall clock milliseconds of the first frame; 0 = none yet. */
  liveSinceMs = 0;
  private readonly tools: PullTools;
  private readonly pacer: PullPacer;
  private pull: Pull | null = null;
  private publication: Publication | null = null;
  private tracks: readonly Track[] | null = null;
  private published: readonly Track[] = [];
  private metadata: unknown = null;
  private isEnded = false;
  /** What the source is told of who asks, and what it tells of the stream's way. */
  private readonly asked: readonly string[];
  private via: readonly string[] = [];

  constructor(tools: PullTools, options: RunOptions) {
    this.tools = tools;
    this.options = options;
    this.asked = tools.askersOf(options.key);
    this.shown = shownUrl(options.url);
    this.pacer = new PullPacer({
      leadUs: LEAD_US,
      nowUs: tools.nowUs,
      after: tools.after,
      write: (frame, tracks) => this.write(frame, tracks),
      hold: (held) => (held ? this.pull?.pause() : this.pull?.resume()),
    });
  }

  get bytesReceived(): number {
    return this.pull?.bytesReceived ?? 0;
  }

  details(): PullDetails {
    return this.pull?.details?.() ?? {};
  }

  get isActive(): boolean {
    return this.publication !== null && this.publication.standby === null && !this.publication.ended;
  }

  /** Begins; what goes wrong at once is told by `onEnd` too. */
  start(): void {
    const { tools } = this;
    const { url, source } = this.options;
    try {
      const pull = tools.open(url, this, {
        verifies: source.verify,
        connectMs: source.connectMs,
        silenceMs: source.silenceMs,
        transport: source.transport,
        userAgent: tools.userAgent,
        via: this.asked,
        rtcCalls: tools.rtcCalls,
        nowUs: tools.nowUs,
        after: tools.after,
        onFault: tools.onFault,
      });
      if (this.isEnded) pull.close();
      else this.pull = pull;
    } catch (error) {
      if (!(error instanceof RejectedError)) tools.onFault(error);
      this.end((error as Error).message);
    }
  }

  onTracks(tracks: readonly Track[]): void {
    this.tracks = tracks;
  }

  onMetadata(values: unknown): void {
    this.metadata = values;
    this.publication?.metadata(values, false);
  }

  onVia(via: readonly string[]): void {
    const own = this.asked.at(-1);
    if (own !== undefined && via.includes(own))
      this.end(`the stream that ${this.shown} has comes from here: it is pulled in a circle`);
    else this.via = via;
  }

  onFrame(frame: Frame): void {
    if (this.isEnded) return;
    const { tracks } = this;
    this.tracks = null;
    this.pacer.push(frame, tracks);
  }

  private write(frame: Frame, tracks: readonly Track[] | null): void {
    if (this.isEnded) return;
    const publication = this.publication ?? this.publish();
    if (publication === null) return;
    if (tracks !== null) this.setTracks(publication, tracks);
    const { trackId, flags, dts, pts, duration, payload, config, captureTime } = frame;
    publication.write(trackId, flags, dts / 1000, pts / 1000, duration, payload, config, captureTime);
  }

  private publish(): Publication | null {
    const { id, key, place, owner, url } = this.options;
    const canAsk = this.pull?.requestKeyFrame !== undefined;
    const carrier = this.pull?.carrier;
    try {
      const publication = this.tools.hub.publish(key, {
        id,
        protocol: 'pull',
        ...(carrier === undefined ? {} : { carrier }),
        remote: this.shown,
        host: '',
        via: this.via,
        rank: FIRST_PULL_RANK + place,
        source: owner,
        ...(canAsk ? { requestKeyFrame: () => this.pull?.requestKeyFrame?.() } : {}),
        stateChanged: (state) => {
          if (state === 'active') this.options.onActive(this);
        },
        revoke: (reason) => this.end(reason),
      });
      this.publication = publication;
      if (this.metadata !== null) publication.metadata(this.metadata, false);
      this.liveSinceMs = this.tools.wallMs();
      this.options.onLive(this);
      return this.isEnded ? null : publication;
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      this.end(withoutSecrets(error.message, url));
      return null;
    }
  }

  private setTracks(publication: Publication, tracks: readonly Track[]): void {
    const isGone = this.published.some(({ id }) => !tracks.some((track) => track.id === id));
    if (isGone) publication.resetTracks();
    this.published = tracks;
    for (const track of tracks) publication.setTrack(track);
  }

  onEnd({ reason }: PullEnd): void {
    // What has come and is not due yet still plays.
    this.pacer.drain(() => this.end(reason));
  }

  private end(reason: string): void {
    if (this.isEnded) return;
    this.close(reason);
    const hint = isUntrusted(reason) ? '; verify="off" of the source takes it all the same' : '';
    this.options.onEnd(this, withoutSecrets(reason, this.options.url) + hint);
  }

  /** `onEnd` is not called. May be called twice. */
  close(reason: string): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.pacer.close();
    this.pull?.close();
    this.publication?.end(withoutSecrets(reason, this.options.url));
  }
}
