/** The last picture of each stream, so that many viewers of a page cost one decoding. */
import type { Clock } from '../../util/clock.ts';

/** A newer key frame is not looked at before this time is over. */
const FRESH_US = 1_000_000;
const MAX_STREAMS = 32;

interface Entry {
  /** Which key frame it shows. */
  readonly mark: string;
  readonly madeUs: number;
  readonly picture: Promise<Buffer>;
  failed: boolean;
}

export class PictureCache {
  private readonly clock: Clock;
  private readonly entries = new Map<string, Entry>();

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** `mark` names the key frame; `make` is called when there is no picture of it. A failure is kept for a while too. */
  get(stream: string, mark: string, make: () => Promise<Buffer>): Promise<Buffer> {
    const nowUs = this.clock.nowUs();
    const known = this.entries.get(stream);
    if (known !== undefined) {
      const isFresh = nowUs - known.madeUs < FRESH_US;
      if (isFresh || (known.mark === mark && !known.failed)) return known.picture;
    }
    const entry: Entry = { mark, madeUs: nowUs, picture: make(), failed: false };
    entry.picture.catch(() => {
      entry.failed = true;
    });
    this.entries.delete(stream);
    this.entries.set(stream, entry);
    for (const oldest of this.entries.keys()) {
      if (this.entries.size <= MAX_STREAMS) break;
      this.entries.delete(oldest);
    }
    return entry.picture;
  }
}
