/** One channel of the policy: plays for ever, once, or while somebody watches; says what it has to pass over. */
import type { StreamKey } from '../../media/stream-key.ts';
import { FileChannel } from '../../media-file/file-channel.ts';
import { FileSupply } from '../../media-file/file-supply.ts';
import type { ModuleContext } from '../../runtime/module.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import { randomId } from '../../util/id.ts';
import type { Logger } from '../../util/log.ts';
import type { Timeout } from '../../util/tick-wheel.ts';
import type { ChannelRule } from './channel-config.ts';
import { listItems } from './vod-list.ts';

/** How often it looks whether a publisher has left the name, or a missing file has come. */
const RETRY_MS = 5000;
/** Items that were reported; a playlist may name more. */
const MAX_REPORTED = 1000;

export class Channel {
  readonly rule: ChannelRule;
  private readonly context: ModuleContext;
  private readonly key: StreamKey;
  private readonly log: Logger;
  private readonly source: FileChannel;
  private readonly reported = new Map<string, string>();
  private retry: Timeout | null = null;
  private isStopped = false;

  constructor(context: ModuleContext, key: StreamKey, rule: ChannelRule) {
    this.context = context;
    this.key = key;
    this.rule = rule;
    const id = randomId();
    const from = `vod:${rule.file}`;
    this.log = context.log.child(id, { stream: key.text, source: from });
    this.source = new FileChannel({
      hub: context.hub,
      clock: context.clock,
      description: from,
      owner: { id, protocol: 'channel', remote: from },
      open: () => this.openSupply(),
      onEnd: (reason, isRevoked) => this.onEnd(reason, isRevoked),
      onFault: context.onFault,
      wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    });
  }

  start(): void {
    if (this.rule.onDemand) this.context.hub.registerOnDemand(this.key, this.source);
    else this.play();
  }

  private play(): void {
    if (this.isStopped) return;
    const { hub } = this.context;
    const stream = hub.find(this.key.text);
    if (stream !== undefined && hub.publisherOf(stream) !== null) {
      this.playLater();
      return;
    }
    try {
      this.source.start(this.key);
      this.log.info('channel.started');
    } catch (error) {
      if (!(error instanceof RejectedError)) throw error;
      this.playLater();
    }
  }

  private playLater(): void {
    this.retry = this.context.tick.after(RETRY_MS, () => this.play());
  }

  private openSupply(): FileSupply {
    const { vod } = this.context.configuration().server;
    const folder = this.context.pathBeside(vod.dir);
    return new FileSupply({
      name: this.rule.file,
      list: () => listItems(folder, this.rule.file),
      loop: this.rule.loop,
      onItem: ({ name }) => {
        this.reported.delete(name);
        this.log.debug('channel.item', { item: name });
      },
      onSkipped: (name, error) => this.report(name, error),
      pause: () => new Promise((resolve) => this.context.tick.after(RETRY_MS, resolve)),
    });
  }

  /** Once, and not again in every round. */
  private report(item: string, error: unknown): void {
    const cause = describe(error);
    if (cause === null) this.context.onFault(error);
    const text = cause ?? String(error);
    if (this.reported.get(item) === text) return;
    if (this.reported.size < MAX_REPORTED) this.reported.set(item, text);
    this.log.warn('channel.skipped', { item, cause: text, where: this.rule.where });
  }

  private onEnd(reason: string, isRevoked: boolean): void {
    this.log.info('channel.ended', { cause: reason });
    // A publisher took the name: the channel comes back after it.
    if (isRevoked && !this.rule.onDemand) this.playLater();
  }

  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    this.retry?.cancel();
    if (this.rule.onDemand) this.context.hub.unregisterOnDemand(this.key);
    this.source.stop();
  }
}

/** Null when the fault is ours. */
function describe(error: unknown): string | null {
  if (error instanceof RejectedError || error instanceof ProtocolError) return error.message;
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' ? code : null;
}
