/** Forwarding by policy: every published stream is sent to the targets that its rules name. */
import { hostname } from 'node:os';
import { isMadeHere, type PublicationOwner } from '../../media/publication.ts';
import type { Stream } from '../../media/stream.ts';
import { lanAddresses } from '../../runtime/endpoints.ts';
import type { ModuleContext, RunningModule, ServerModule } from '../../runtime/module.ts';
import { type ForwardTarget, resolveTarget } from './forward-target.ts';
import { Forwarder } from './forwarder.ts';

export const relayModule: ServerModule = { name: 'relay', start };

async function start(context: ModuleContext): Promise<RunningModule> {
  const relay = new Relay(context);
  context.hub.addListener({
    onPublish: (stream) => relay.onPublish(stream),
    onUnpublish: () => undefined,
    onClosed: (stream) => relay.onClosed(stream),
  });
  return {
    reload: () => {
      relay.reload();
      return [];
    },
    stop: async () => relay.close(),
  };
}

class Relay {
  private readonly context: ModuleContext;
  private readonly forwarders = new Map<string, Forwarder[]>();

  constructor(context: ModuleContext) {
    this.context = context;
  }

  /** A republish within the grace time finds its forwards still there. */
  onPublish(stream: Stream): void {
    this.adjust(stream);
  }

  onClosed(stream: Stream): void {
    for (const forwarder of this.forwarders.get(stream.key.text) ?? []) forwarder.close();
    this.forwarders.delete(stream.key.text);
  }

  reload(): void {
    for (const stream of this.context.hub.streams()) if (stream.state === 'live') this.adjust(stream);
  }

  close(): void {
    for (const list of this.forwarders.values()) for (const forwarder of list) forwarder.close();
    this.forwarders.clear();
  }

  /** Starts what the policy names and is not there, ends what it no longer names. */
  private adjust(stream: Stream): void {
    const { key } = stream;
    const publisher: PublicationOwner | null = this.context.hub.publisherOf(stream);
    if (publisher === null || isMadeHere(publisher)) return;
    const { host } = publisher;
    const { forwards } = this.context.configuration().resolver.resolve(host, key.app, key.name);
    const wanted = forwards.map((rule) => resolveTarget(rule, key, host));
    const present = this.forwarders.get(key.text) ?? [];
    const kept = present.filter((forwarder) =>
      wanted.some((target) => isSameTarget(target, forwarder.target)),
    );
    for (const forwarder of present) if (!kept.includes(forwarder)) forwarder.close();
    for (const target of wanted) {
      if (kept.some((forwarder) => isSameTarget(target, forwarder.target))) continue;
      const forwarder = new Forwarder(this.context, key, target);
      kept.push(forwarder);
      forwarder.start(this.refusalOf(target, key.text));
    }
    if (kept.length > 0) this.forwarders.set(key.text, kept);
    else this.forwarders.delete(key.text);
  }

  /** '' unless the target is this very stream on this very server. */
  private refusalOf(target: ForwardTarget, streamText: string): string {
    if (target.streamText !== streamText) return '';
    const ownPorts = this.context.endpoints
      .all()
      .filter((one) => one.direction !== 'play')
      .map((one) => one.port);
    if (!ownPorts.includes(target.port) || !this.isOwnAddress(target.host)) return '';
    return `the forward leads back to ${streamText} on this server; it would publish to itself`;
  }

  private isOwnAddress(host: string): boolean {
    return (
      host === 'localhost' ||
      host === '::1' ||
      host.startsWith('127.') ||
      host === hostname() ||
      lanAddresses().includes(host)
    );
  }
}

function isSameTarget(a: ForwardTarget, b: ForwardTarget): boolean {
  return a.url === b.url && a.host === b.host && a.port === b.port;
}
