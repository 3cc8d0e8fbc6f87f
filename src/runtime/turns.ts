/** Work that is done a few at a time; what comes meanwhile waits in order, within a bound. */
import { RejectedError } from '../util/errors.ts';

export class Turns {
  private readonly atOnce: number;
  private readonly maxWaiting: number;
  private readonly refusal: string;
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  /** `refusal`: the sentence for what would have to wait and may not. */
  constructor(atOnce: number, maxWaiting: number, refusal: string) {
    this.atOnce = atOnce;
    this.maxWaiting = maxWaiting;
    this.refusal = refusal;
  }

  /** Does it when it has its turn. Rejects with RejectedError('limit') when too many wait. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.running >= this.atOnce) {
      if (this.waiting.length >= this.maxWaiting) throw new RejectedError('limit', this.refusal);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    } else this.running++;
    try {
      return await work();
    } finally {
      // The turn is handed on, so the count stays.
      const next = this.waiting.shift();
      if (next === undefined) this.running--;
      else next();
    }
  }
}
