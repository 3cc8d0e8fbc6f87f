/** What can be started when somebody wants to watch: by name, or made for a name when it is asked for. */
import type { StreamKey } from './stream-key.ts';

/** Starts what an on-demand stream is fed by; `stop` is called some seconds after the last player left. */
export interface OnDemandSource {
  /** One line for lists: `built-in test channel`. */
  readonly description: string;
  /**
   * Between start and stop it may publish later, or again after an end, and players wait for it. It calls
   * `StreamHub.giveUp` when they have waited long enough. Not set: a stream that it ends is over.
   */
  readonly keepsTrying?: boolean;
  /** Why there is nothing at the moment: a sentence for players that have waited in vain; '' = not known. */
  readonly failure?: string;
  /** How long it goes on without players, milliseconds; not set: 10 s. */
  readonly keptMs?: number;
  /** Called for every player that finds nothing there. */
  start(key: StreamKey): void;
  /** May be called twice, and without a start. */
  stop(): void;
}

export class OnDemandSources {
  readonly named = new Map<string, OnDemandSource>();
  private readonly finders: ((key: StreamKey) => OnDemandSource | null)[] = [];

  addFinder(find: (key: StreamKey) => OnDemandSource | null): void {
    this.finders.push(find);
  }

  find(key: StreamKey): OnDemandSource | null {
    const named = this.named.get(key.text);
    if (named !== undefined) return named;
    for (const find of this.finders) {
      const found = find(key);
      if (found !== null) return found;
    }
    return null;
  }
}
