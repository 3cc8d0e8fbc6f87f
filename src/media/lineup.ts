/**
 * The publishers of one stream name: one is active, others stand by with their latest frames kept. Decides who is next
 * and when. Rules:
 *
 * - When the active one is lost, or has sent nothing for the fail-over time, the most preferred of those that send takes
 *   over: from the first key frame that it sent after the active one's last frame. While that frame is kept (fail-over
 *   by silence) nothing is missing; else (fail-over by an end) it is the next one. Nothing is ever shown twice, unless
 *   no key frame comes for LONGEST_WAIT_US: then what is kept must do.
 * - A more preferred one takes the stream back at a key frame once it has been steady for a time, which doubles
 *   with each of its falls.
 * - Whoever was chosen by hand is preferred to all until it ends.
 *
 * Nothing here costs a frame of the active publisher anything: every check hangs on frames of those that stand by.
 */
import type { Publication, PublicationOwner, PublicationWatcher } from './publication.ts';
import { StandbyBuffer } from './standby-buffer.ts';
import type { GopLimits } from './stream.ts';

export interface LineupRules {
  /** An active publisher that sends nothing for so long is left. */
  readonly failoverUs: number;
  /** How long a preferred publisher must have been steady to get the stream back; -1 = it does not. */
  readonly steadyUs: number;
  readonly gop: GopLimits;
}

/** A publisher as lists show it. */
export interface PublisherView {
  readonly owner: PublicationOwner;
  readonly state: 'active' | 'standby';
  readonly rank: number;
  readonly isChosen: boolean;
  /** Wall clock milliseconds. */
  readonly sinceMs: number;
  /** Milliseconds since its latest frame; -1 = it has sent none. */
  readonly silentMs: number;
  readonly frames: number;
  readonly bytes: number;
}

/** Called after the change; `from` is null when the active one had ended before. */
type OnSwitch = (from: Publication | null, to: Publication, reason: string) => void;

/** Without a key frame for this long after a loss, kept frames that repeat what was seen are better than nothing. */
const LONGEST_WAIT_US = 5_000_000;
/** Key frames that come while a fail-over is decided are kept this much longer than its time. */
const KEEP_MARGIN_US = 500_000;
const MAX_DOUBLINGS = 5;

export class Lineup implements PublicationWatcher {
  active: Publication | null = null;
  private standbys: Publication[] = [];
  private chosen: Publication | null = null;
  private rules: LineupRules;
  private readonly onSwitch: OnSwitch;
  private readonly onGone: (publication: Publication, reason: string) => void;
  /** Of the active publisher that is gone: when it sent its last frame, and when it ended. */
  private lastFrameUs = 0;
  private lostUs = 0;

  constructor(
    rules: LineupRules,
    onSwitch: OnSwitch,
    onGone: (publication: Publication, reason: string) => void,
  ) {
    this.rules = rules;
    this.onSwitch = onSwitch;
    this.onGone = onGone;
  }

  get isEmpty(): boolean {
    return this.active === null && this.standbys.length === 0;
  }

  /** The active one first, then those that stand by in order of preference. */
  all(): Publication[] {
    return this.active === null ? [...this.standbys] : [this.active, ...this.standbys];
  }

  views(nowUs: number): PublisherView[] {
    return this.all().map((one) => ({
      owner: one.owner,
      state: one.standby === null ? 'active' : 'standby',
      rank: one.rank,
      isChosen: one === this.chosen,
      sinceMs: one.sinceMs,
      silentMs: one.frames === 0 ? -1 : Math.round((nowUs - one.lastFrameUs) / 1000),
      frames: one.frames,
      bytes: one.bytes,
    }));
  }

  /** Whoever holds the name against others: not what only fills in. */
  get holder(): Publication | null {
    return this.all().find(({ owner }) => owner.yields !== true) ?? null;
  }

  /** When the stream last had a frame, monotonic microseconds; 0 = never. */
  get quietSinceUs(): number {
    return this.active?.lastFrameUs ?? this.lastFrameUs;
  }

  /** The first of an empty line-up. */
  begin(publication: Publication): void {
    this.active = publication;
    this.lastFrameUs = publication.lastFrameUs;
  }

  addStandby(publication: Publication, rules: LineupRules): void {
    this.rules = rules;
    this.queue(publication, [], null, false);
  }

  private queue(
    publication: Publication,
    tracks: Publication['stream']['tracks'],
    metadata: unknown,
    promisesVideo: boolean,
  ): void {
    const { failoverUs, gop } = this.rules;
    publication.standby = new StandbyBuffer(
      tracks,
      metadata,
      promisesVideo,
      failoverUs + KEEP_MARGIN_US,
      gop,
    );
    this.standbys.push(publication);
    this.standbys.sort((a, b) => this.compare(a, b));
  }

  /** Below 0: `a` is preferred. */
  private compare(a: Publication, b: Publication): number {
    if (a === this.chosen || b === this.chosen) return a === b ? 0 : a === this.chosen ? -1 : 1;
    if (a.owner.yields !== b.owner.yields) return a.owner.yields === true ? 1 : -1;
    return a.rank !== b.rank ? a.rank - b.rank : a.order - b.order;
  }

  onStandbyFrame(publication: Publication, isPoint: boolean, nowUs: number): void {
    const { active } = this;
    if (active === null || nowUs - active.lastFrameUs > this.rules.failoverUs) this.replace(nowUs);
    else if (isPoint && this.mayReturn(publication, active, nowUs))
      this.switchTo(
        publication,
        publication.standby!.latestPoint(),
        reasonOf(publication, active, this.chosen),
      ); // it stands by
  }

  private mayReturn(publication: Publication, active: Publication, nowUs: number): boolean {
    if (this.compare(publication, active) > 0) return false;
    if (publication === this.chosen || active.owner.yields === true) return true;
    const { steadyUs } = this.rules;
    const needed = steadyUs * 2 ** Math.min(publication.falls, MAX_DOUBLINGS);
    return steadyUs >= 0 && nowUs - publication.steadySinceUs >= needed;
  }

  /** The active one is lost or silent. */
  private replace(nowUs: number): void {
    const { active } = this;
    const { failoverUs } = this.rules;
    const next = this.standbys.find(
      ({ frames, lastFrameUs }) => frames > 0 && nowUs - lastFrameUs <= failoverUs,
    );
    if (next?.standby == null) return;
    let position = next.standby.pointAfter(this.quietSinceUs);
    const dueUs = active === null ? this.lostUs : active.lastFrameUs + failoverUs;
    if (position < 0 && nowUs - dueUs > LONGEST_WAIT_US) position = next.standby.latestPoint();
    if (position < 0) return;
    const silent = `${active?.owner.remote} sent nothing for ${failoverUs / 1_000_000} s`;
    this.switchTo(next, position, active === null ? 'the active publisher is gone' : silent);
  }

  private switchTo(next: Publication, position: number, reason: string): void {
    const { active } = this;
    this.standbys = this.standbys.filter((one) => one !== next);
    if (active !== null) {
      const { tracks, metadata, promisesVideo } = active.stream;
      if (this.compare(active, next) < 0) this.countFall(active);
      this.queue(active, tracks, metadata, promisesVideo);
    }
    this.active = next;
    next.activate(position);
    this.onSwitch(active, next, reason);
    next.owner.stateChanged?.('active');
    if (active === null) return;
    if (active.owner.yields === true) {
      active.end(reason);
      active.owner.revoke(reason);
    } else active.owner.stateChanged?.('standby');
  }

  /** One that held for long is forgiven what was before. */
  private countFall(publication: Publication): void {
    const heldUs = publication.lastFrameUs - publication.steadySinceUs;
    if (heldUs > this.rules.steadyUs * 2 ** MAX_DOUBLINGS) publication.falls = 0;
    publication.falls++;
  }

  /** It takes over at its next key frame, and is preferred from now on; null = by preference again. */
  choose(publication: Publication | null): void {
    this.chosen = publication;
    this.standbys.sort((a, b) => this.compare(a, b));
  }

  onEnd(publication: Publication, reason: string, nowUs: number): void {
    if (this.chosen === publication) this.choose(null);
    if (this.active === publication) {
      this.active = null;
      this.lastFrameUs = publication.lastFrameUs;
      this.lostUs = nowUs;
    } else this.standbys = this.standbys.filter((one) => one !== publication);
    this.onGone(publication, reason);
  }

  /** The active one is gone; whoever has sent a key frame since its last frame takes over now. */
  replaceLost(): void {
    if (this.active === null && this.standbys.length > 0) this.replace(this.lostUs);
  }
}

function reasonOf(next: Publication, active: Publication, chosen: Publication | null): string {
  if (active.owner.yields === true) return `${next.owner.remote} publishes`;
  return next === chosen ? `${next.owner.remote} was chosen` : `${next.owner.remote} is back and preferred`;
}
