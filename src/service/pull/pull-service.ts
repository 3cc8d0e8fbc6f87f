/** All pulled streams: those of the policy, kept in step with it, and those that the API added. */
import { openPull } from '../../client/pull.ts';
import { NamePattern } from '../../config/name-pattern.ts';
import type { OnDemandSource } from '../../media/on-demand.ts';
import { type StreamKey, streamKeyOf } from '../../media/stream-key.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { askersOf } from '../../runtime/stream-loop.ts';
import { RejectedError } from '../../util/errors.ts';
import { PullChannel, type PullOrigin, type PullWatcher } from './pull-channel.ts';
import type { PullRule } from './pull-config.ts';
import { fillUrl } from './pull-variables.ts';
import type { PullTools } from './source-run.ts';

/** Pulls that viewers started by names that a rule with `*` fits. */
const MAX_BY_PATTERN = 1000;
/** Pulls that the API may add. */
const MAX_BY_API = 1000;

export class PullService implements PullWatcher {
  private readonly context: ModuleContext;
  private readonly tools: PullTools;
  /** Of rules without `*` and of the API, by stream. */
  private readonly named = new Map<string, PullChannel>();
  private readonly byPattern = new Map<string, PullChannel>();
  private patterns: readonly { readonly pattern: NamePattern; readonly rule: PullRule }[] = [];
  private isClosed = false;

  constructor(context: ModuleContext) {
    this.context = context;
    this.tools = {
      hub: context.hub,
      nowUs: () => context.clock.nowUs(),
      wallMs: () => context.clock.wallUs() / 1000,
      after: (delayMs, run) => context.tick.after(delayMs, run),
      heldBy: (key, source) => this.heldBy(key, source),
      returns: (key) => context.configuration().resolver.resolve('', key.app, key.name).publish.return,
      askersOf: (key) => askersOf(context, key),
      random: Math.random,
      open: openPull,
      userAgent: `Sluice/${context.version}`,
      rtcCalls: context.rtcCalls,
      onFault: context.onFault,
    };
    context.hub.addOnDemandFinder((key) => this.find(key));
  }

  private heldBy(key: StreamKey, source: OnDemandSource): string {
    const { hub } = this.context;
    const stream = hub.find(key.text);
    const holder = stream === undefined ? null : hub.publisherOf(stream);
    if (holder === null || holder.yields === true || holder.source === source) return '';
    const { busy } = this.context.configuration().resolver.resolve('', key.app, key.name).publish;
    return busy === 'standby' ? '' : `${key.text} is published by ${holder.remote} (${holder.protocol})`;
  }

  /** Takes the present policy into use: what is new starts, what is gone or different is ended. */
  apply(): void {
    if (this.isClosed) return;
    const { pulls } = this.context.configuration();
    const exact = pulls.filter(({ stream }) => !stream.includes('*'));
    this.patterns = pulls
      .filter(({ stream }) => stream.includes('*'))
      .map((rule) => ({ pattern: new NamePattern(rule.stream), rule }));
    for (const channel of [...this.named.values(), ...this.byPattern.values()]) {
      const { rule, by } = channel.origin;
      if (by === 'api' || pulls.some((one) => isSameRule(one, rule))) continue;
      this.remove(channel, 'the policy has changed');
    }
    for (const rule of exact) {
      if (this.named.has(rule.stream)) continue;
      try {
        this.add(rule, 'policy');
      } catch (error) {
        if (!(error instanceof RejectedError)) throw error;
        this.context.log.error('pull.refused', { cause: error.message, where: rule.where });
      }
    }
  }

  /** Throws RejectedError. */
  addByApi(rule: PullRule): PullChannel {
    const present = this.named.get(rule.stream);
    if (present !== undefined)
      throw new RejectedError(
        'busy',
        `${rule.stream} is pulled already (pull ${present.id}, by ${present.origin.by}).`,
      );
    const count = [...this.named.values()].filter(({ origin }) => origin.by === 'api').length;
    if (count >= MAX_BY_API)
      throw new RejectedError('limit', `There are ${MAX_BY_API} pulls of the API already.`);
    const channel = this.add(rule, 'api');
    this.context.log.info('pull.added', { stream: rule.stream, source: channel.description });
    return channel;
  }

  private add(rule: PullRule, by: 'policy' | 'api'): PullChannel {
    const key = streamKeyOf(rule.stream);
    const urls = rule.sources.map(({ url }) => fillUrl(url, rule.stream, []));
    const channel = this.make({ key, rule, urls, by });
    this.named.set(rule.stream, channel);
    this.context.hub.registerOnDemand(key, channel);
    if (!rule.onDemand) channel.open();
    return channel;
  }

  private make(origin: PullOrigin): PullChannel {
    return new PullChannel(this.tools, this.context.log, origin, this);
  }

  /** Of the rules with `*` the one that fixes most. */
  private find(key: StreamKey): PullChannel | null {
    const running = this.byPattern.get(key.text);
    if (running !== undefined) return running;
    if (this.patterns.length === 0 || this.byPattern.size >= MAX_BY_PATTERN || this.isClosed) return null;
    const path = `${key.app}/${key.name}`;
    let best: PullRule | null = null;
    let stars: string[] = [];
    for (const { pattern, rule } of this.patterns) {
      const found = rule.stream.length > (best?.stream.length ?? 0) ? pattern.stars(path) : null;
      if (found === null) continue;
      best = rule;
      stars = found;
    }
    if (best === null) return null;
    const urls = best.sources.map(({ url }) => fillUrl(url, path, stars));
    return this.make({ key, rule: best, urls, by: 'policy' });
  }

  onStart(channel: PullChannel): void {
    if (channel.origin.rule.stream.includes('*')) this.byPattern.set(channel.origin.key.text, channel);
  }

  onIdle(channel: PullChannel): void {
    if (channel.origin.rule.stream.includes('*')) this.byPattern.delete(channel.origin.key.text);
  }

  /** In the order of names. */
  all(): PullChannel[] {
    const all = [...this.named.values(), ...this.byPattern.values()];
    return all.sort((a, b) => (a.origin.key.text < b.origin.key.text ? -1 : 1));
  }

  findById(id: string): PullChannel | undefined {
    return this.all().find((channel) => channel.id === id || channel.origin.key.text === id);
  }

  remove(channel: PullChannel, reason: string): void {
    const { key } = channel.origin;
    if (this.named.get(key.text) === channel) {
      this.named.delete(key.text);
      this.context.hub.unregisterOnDemand(key);
    } else this.byPattern.delete(key.text);
    channel.close(reason);
    this.context.hub.giveUp(key, `${key.text} is not pulled any more: ${reason}.`);
  }

  close(): void {
    this.isClosed = true;
    for (const channel of this.all()) this.remove(channel, 'the server is shutting down');
  }
}

function isSameRule(a: PullRule, b: PullRule): boolean {
  const text = (rule: PullRule) => JSON.stringify({ ...rule, where: '' });
  return text(a) === text(b);
}
