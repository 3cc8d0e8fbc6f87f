/**
 * One pulled stream: tries its sources in order of preference, goes on with the next when one is lost, waits longer
 * and longer when none is there, and looks for a better one while another plays. What players see in between is the
 * line-up's business (media/lineup.ts): a better source stands by until it is steady. Knows no clock but the given one.
 */
import type { OnDemandSource } from '../../media/on-demand.ts';
import type { StreamKey } from '../../media/stream-key.ts';
import { randomId } from '../../util/id.ts';
import type { Logger } from '../../util/log.ts';
import { shownUrl } from '../../util/shown-url.ts';
import type { PullRule } from './pull-config.ts';
import { type PullTools, SourceRun } from './source-run.ts';

/** A source that gave media this long did not fail at once: it is tried again without waiting. */
const STABLE_MS = 10_000;
/** How often a better source is looked for, and how rarely at most. */
const FIRST_PROBE_MS = 15_000;
const LONGEST_PROBE_MS = 240_000;
/** A viewer that comes while a retry is waited for brings it forward, but not more often than this. */
const RETRY_FOR_VIEWER_US = 2_000_000;
/** Part of a wait that chance decides. */
const JITTER = 0.2;

export type PullState = 'idle' | 'connecting' | 'live' | 'retrying' | 'stopped';

export interface PullOrigin {
  readonly key: StreamKey;
  readonly rule: PullRule;
  /** The rule's URLs, preferred first, with the stream's name filled in. */
  readonly urls: readonly string[];
  readonly by: 'policy' | 'api';
}

export interface PullWatcher {
  /** It is about to begin. */
  onStart(channel: PullChannel): void;
  /** Nobody watches an on-demand pull any more. */
  onIdle(channel: PullChannel): void;
}

type Timer = { cancel(): void } | null;

export class PullChannel implements OnDemandSource {
  readonly id = randomId();
  readonly origin: PullOrigin;
  readonly description: string;
  readonly keptMs: number;
  state: PullState = 'idle';
  /** Why the last attempt ended, a sentence that begins in lower case; '' = nothing failed since it was live. */
  lastError = '';
  attempts = 0;
  /** Monotonic microseconds of the next attempt; 0 = none is planned. */
  nextAttemptUs = 0;
  /** Of each source, why it failed last. */
  readonly errors: string[];
  private readonly tools: PullTools;
  private readonly log: Logger;
  private readonly watcher: PullWatcher;
  private current: SourceRun | null = null;
  private probe: SourceRun | null = null;
  /** Places that are still to be tried before the next wait. */
  private round: number[] = [];
  private delayMs: number;
  private probeMs = FIRST_PROBE_MS;
  private bytesBefore = 0;
  private lastAttemptUs = 0;
  private retryTimer: Timer = null;
  private probeTimer: Timer = null;
  private viewerTimer: Timer = null;

  constructor(tools: PullTools, log: Logger, origin: PullOrigin, watcher: PullWatcher) {
    this.tools = tools;
    this.origin = origin;
    this.watcher = watcher;
    this.description = origin.urls.map(shownUrl).join(', ');
    this.log = log.child(this.id, { stream: origin.key.text });
    this.keptMs = origin.rule.closeMs;
    this.delayMs = origin.rule.retryMs;
    this.errors = origin.urls.map(() => '');
  }

  get keepsTrying(): boolean {
    return this.isRunning;
  }

  get failure(): string {
    const { key } = this.origin;
    return this.lastError === '' ? '' : `${key.text} cannot be had from its source: ${this.lastError}.`;
  }

  private get isRunning(): boolean {
    return this.state !== 'idle' && this.state !== 'stopped';
  }

  /** The run that players see, or that is being opened. */
  get run(): SourceRun | null {
    return this.current;
  }

  get standby(): SourceRun | null {
    return this.probe;
  }

  get bytesReceived(): number {
    return this.bytesBefore + (this.current?.bytesReceived ?? 0) + (this.probe?.bytesReceived ?? 0);
  }

  /** Begins without waiting for a viewer. */
  open(): void {
    if (this.state !== 'idle') return;
    this.begin();
  }

  /** A viewer is there. */
  start(): void {
    if (this.state === 'stopped') return;
    this.armViewerTimer();
    if (this.state === 'idle') this.begin();
    else if (this.state === 'retrying' && this.tools.nowUs() - this.lastAttemptUs > RETRY_FOR_VIEWER_US) {
      // Somebody waits, or a publisher has left the name.
      this.retryTimer?.cancel();
      this.round = this.origin.urls.map((_, place) => place);
      this.tryNext();
    }
  }

  /** The last viewer is gone. */
  stop(): void {
    this.viewerTimer?.cancel();
    this.viewerTimer = null;
    if (!this.origin.rule.onDemand || !this.isRunning) return;
    this.halt('nobody watches any more');
    this.state = 'idle';
    this.log.info('pull.idle');
    this.watcher.onIdle(this);
  }

  /** For good. */
  close(reason: string): void {
    if (this.state === 'stopped') return;
    this.halt(reason);
    this.state = 'stopped';
    this.viewerTimer?.cancel();
    this.log.info('pull.stopped', { cause: reason });
  }

  private halt(reason: string): void {
    this.retryTimer?.cancel();
    this.probeTimer?.cancel();
    this.nextAttemptUs = 0;
    const runs = [this.current, this.probe];
    this.current = null;
    this.probe = null;
    // From here on nothing is tried, so that players are not kept waiting.
    this.state = 'idle';
    for (const run of runs) this.drop(run, reason);
  }

  private drop(run: SourceRun | null, reason: string): void {
    if (run === null) return;
    this.bytesBefore += run.bytesReceived;
    run.close(reason);
  }

  private armViewerTimer(): void {
    const { startMs } = this.origin.rule;
    if (this.state === 'live' || this.viewerTimer !== null) return;
    this.viewerTimer = this.tools.after(startMs, () => {
      this.viewerTimer = null;
      if (this.state === 'live' || !this.isRunning) return;
      const { key } = this.origin;
      const waited = `${key.text} did not start within ${startMs / 1000} s`;
      const cause = this.lastError === '' ? 'its source has not answered yet' : this.lastError;
      this.log.warn('pull.no-start', { cause });
      this.tools.hub.giveUp(key, `${waited}: ${cause}.`);
    });
  }

  private begin(): void {
    this.watcher.onStart(this);
    this.delayMs = this.origin.rule.retryMs;
    this.round = this.origin.urls.map((_, place) => place);
    this.tryNext();
  }

  private tryNext(): void {
    const heldBy = this.tools.heldBy(this.origin.key, this);
    if (heldBy !== '') {
      this.lastError = heldBy;
      this.round = [];
    }
    const place = this.round.shift();
    if (place === undefined) {
      this.retryLater();
      return;
    }
    this.state = 'connecting';
    this.nextAttemptUs = 0;
    this.attempts++;
    this.lastAttemptUs = this.tools.nowUs();
    const run = this.makeRun(place);
    this.current = run;
    this.log.debug('pull.connecting', { source: run.shown, attempt: this.attempts });
    run.start();
  }

  private makeRun(place: number): SourceRun {
    const { key, rule, urls } = this.origin;
    return new SourceRun(this.tools, {
      id: `${this.id}-${place}`,
      key,
      source: rule.sources[place]!, // as many as there are URLs
      url: urls[place]!,
      place,
      owner: this,
      onLive: (run) => this.onLive(run),
      onActive: (run) => this.onActive(run),
      onEnd: (run, reason) => this.onEnd(run, reason),
    });
  }

  private retryLater(): void {
    const waitMs = Math.round(this.delayMs * (1 - JITTER + 2 * JITTER * this.tools.random()));
    this.delayMs = Math.min(this.delayMs * 2, this.origin.rule.retryMaxMs);
    this.state = 'retrying';
    this.nextAttemptUs = this.tools.nowUs() + waitMs * 1000;
    this.log.warn('pull.retry', {
      cause: this.lastError,
      'in-ms': waitMs,
      attempt: this.attempts,
      where: this.origin.rule.where,
    });
    this.retryTimer = this.tools.after(waitMs, () => {
      this.round = this.origin.urls.map((_, place) => place);
      this.tryNext();
    });
  }

  private onLive(run: SourceRun): void {
    this.errors[run.options.place] = '';
    if (run !== this.current) return;
    this.state = 'live';
    this.lastError = '';
    this.viewerTimer?.cancel();
    this.viewerTimer = null;
    this.log.info('pull.live', { source: run.shown, attempt: this.attempts });
    this.planProbe(FIRST_PROBE_MS);
  }

  /** A better source has become what players see. */
  private onActive(run: SourceRun): void {
    if (run !== this.probe) return;
    const left = this.current;
    this.current = run;
    this.probe = null;
    this.log.info('pull.returned', { source: run.shown, left: left?.shown ?? '' });
    this.drop(left, 'a preferred source is back');
    this.planProbe(FIRST_PROBE_MS);
  }

  private planProbe(afterMs: number): void {
    this.probeTimer?.cancel();
    this.probeMs = afterMs;
    if ((this.current?.options.place ?? 0) === 0 || !this.tools.returns(this.origin.key)) return;
    this.probeTimer = this.tools.after(this.probeMs, () => this.lookForBetter(0));
  }

  private lookForBetter(place: number): void {
    if (this.state !== 'live' || this.probe !== null || place >= this.current!.options.place) return; // live has a run
    this.probe = this.makeRun(place);
    this.probe.start();
  }

  private onEnd(run: SourceRun, reason: string): void {
    this.bytesBefore += run.bytesReceived;
    const { place } = run.options;
    this.errors[place] = reason;
    if (run === this.probe) {
      this.probe = null;
      const isLast = place + 1 >= (this.current?.options.place ?? 0);
      if (isLast) this.planProbe(Math.min(this.probeMs * 2, LONGEST_PROBE_MS));
      else this.lookForBetter(place + 1);
      return;
    }
    if (run !== this.current) return;
    this.current = null;
    this.lastError = reason;
    this.probeTimer?.cancel();
    const livedMs = run.liveSinceMs === 0 ? -1 : this.tools.wallMs() - run.liveSinceMs;
    if (livedMs >= 0) this.log.warn('pull.lost', { source: run.shown, cause: reason, after: livedMs });
    else this.log.debug('pull.failed', { source: run.shown, cause: reason });
    this.goOn(place, livedMs);
  }

  /** After the source at `place` is lost. */
  private goOn(place: number, livedMs: number): void {
    const { probe } = this;
    if (probe !== null) {
      this.probe = null;
      if (probe.liveSinceMs > 0) {
        // It stands by, and takes over by itself.
        this.current = probe;
        this.state = 'live';
        this.lastError = '';
        this.planProbe(FIRST_PROBE_MS);
        return;
      }
      this.drop(probe, 'the source in use is lost');
    }
    if (livedMs >= STABLE_MS) {
      this.delayMs = this.origin.rule.retryMs;
      // The others first: they are more likely to be there than the one that was just lost.
      const count = this.origin.urls.length;
      this.round = this.origin.urls.map((_, step) => (place + 1 + step) % count);
    }
    if (livedMs >= 0) this.state = 'connecting';
    this.tryNext();
  }
}
