/**
 * Which other servers asked for streams lately, so that two servers that would get a stream from each other, while
 * nobody else has it, are told instead of waiting for each other.
 */
import type { Clock } from '../util/clock.ts';

/** Longer than a server waits for a stream that it asked for. */
const KEPT_US = 30_000_000;
const MAX_STREAMS = 1000;
const MAX_PER_STREAM = 16;

export class StreamAskers {
  private readonly clock: Clock;
  /** Stream -> name of the server -> monotonic microseconds. */
  private readonly asked = new Map<string, Map<string, number>>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  note(streamText: string, names: readonly string[]): void {
    const nowUs = this.clock.nowUs();
    this.forgetBefore(nowUs - KEPT_US);
    let known = this.asked.get(streamText);
    if (known === undefined) {
      if (this.asked.size >= MAX_STREAMS) return;
      known = new Map();
      this.asked.set(streamText, known);
    }
    for (const name of names) if (known.has(name) || known.size < MAX_PER_STREAM) known.set(name, nowUs);
  }

  of(streamText: string): string[] {
    this.forgetBefore(this.clock.nowUs() - KEPT_US);
    return [...(this.asked.get(streamText)?.keys() ?? [])];
  }

  private forgetBefore(us: number): void {
    for (const [streamText, names] of this.asked) {
      for (const [name, atUs] of names) if (atUs < us) names.delete(name);
      if (names.size === 0) this.asked.delete(streamText);
    }
  }
}
