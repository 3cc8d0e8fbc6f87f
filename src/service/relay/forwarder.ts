/**
 * One forward of one stream to one target: opens it, retries with a growing delay for as long as the stream lives,
 * and tells its state. The target's protocol comes from the registry of URL schemes.
 */
import type { StreamKey } from '../../media/stream-key.ts';
import type { ForwardRequest, ModuleContext, OutgoingForward } from '../../runtime/module.ts';
import { randomId } from '../../util/id.ts';
import type { Logger } from '../../util/log.ts';
import type { Timeout } from '../../util/tick-wheel.ts';
import type { ForwardTarget } from './forward-target.ts';

const FIRST_RETRY_MS = 1000;
const LONGEST_RETRY_MS = 30_000;
/** A forward that ran this long starts with the short delay again. */
const STABLE_MS = 60_000;

export type ForwardState = 'connecting' | 'live' | 'waiting' | 'refused';

export class Forwarder {
  readonly id = randomId();
  readonly source: StreamKey;
  readonly target: ForwardTarget;
  state: ForwardState = 'connecting';
  /** Why the last attempt ended; '' before. */
  lastError = '';
  attempts = 0;
  private readonly context: ModuleContext;
  private readonly log: Logger;
  private running: OutgoingForward | null = null;
  private retry: Timeout | null = null;
  private delayMs = FIRST_RETRY_MS;
  private liveSinceMs = 0;
  private bytesBefore = 0;
  private closed = false;

  constructor(context: ModuleContext, source: StreamKey, target: ForwardTarget) {
    this.context = context;
    this.source = source;
    this.target = target;
    this.log = context.log.child(this.id, { stream: source.text, target: target.shown });
  }

  /** `refusal` is set when the target leads back here: then it is only listed. */
  start(refusal: string): void {
    if (refusal !== '') {
      this.state = 'refused';
      this.lastError = refusal;
      this.log.error('forward.refused', { cause: refusal, where: this.target.where });
      return;
    }
    this.open();
  }

  private open(): void {
    if (this.closed) return;
    const openTarget = this.context.targets.find(this.target.scheme);
    if (openTarget === undefined) {
      this.state = 'refused';
      this.lastError = `nothing here can send to ${this.target.scheme}://`;
      this.log.error('forward.refused', { cause: this.lastError, where: this.target.where });
      return;
    }
    this.state = 'connecting';
    this.attempts++;
    const request: ForwardRequest = {
      source: this.source,
      url: this.target.url,
      host: this.target.host,
      port: this.target.port,
      log: this.log,
      onLive: () => this.onLive(),
      onEnd: (reason) => this.onEnd(reason),
    };
    this.running = openTarget(request);
  }

  private onLive(): void {
    this.state = 'live';
    this.lastError = '';
    this.liveSinceMs = Date.now();
    this.log.info('forward.live', { attempt: this.attempts });
  }

  private onEnd(reason: string): void {
    if (this.closed) return;
    this.bytesBefore += this.running?.bytesSent() ?? 0;
    this.running = null;
    if (this.state === 'live' && Date.now() - this.liveSinceMs > STABLE_MS) this.delayMs = FIRST_RETRY_MS;
    this.state = 'waiting';
    this.lastError = reason;
    // Some jitter, so that a hundred forwards do not knock at a target that came back at the same moment.
    const delayMs = Math.round(this.delayMs * (0.8 + Math.random() * 0.4));
    this.delayMs = Math.min(this.delayMs * 2, LONGEST_RETRY_MS);
    this.log.warn('forward.retry', {
      cause: reason,
      'in-ms': delayMs,
      attempt: this.attempts,
      where: this.target.where,
    });
    this.retry = this.context.tick.after(delayMs, () => this.open());
  }

  bytesSent(): number {
    return this.bytesBefore + (this.running?.bytesSent() ?? 0);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.retry?.cancel();
    this.running?.close();
    if (this.state === 'live') this.log.info('forward.stopped', { bytes: this.bytesSent() });
  }
}
