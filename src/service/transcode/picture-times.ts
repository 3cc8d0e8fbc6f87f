/**
 * The times of pictures on their way through a program that rounds them: what goes in is remembered, what comes out gets
 * the time of the one that it is nearest to. Pictures in between that never come out (left out, broken) are forgotten.
 */

interface Waiting {
  /** What the program was told, microseconds. */
  readonly toldUs: number;
  /** On the stream's timeline, microseconds. */
  readonly ptsUs: number;
  /** Wall clock of capture, microseconds; NaN = not known. */
  readonly captureUs: number;
}

/** More than any backlog that is let grow. */
const MAX_WAITING = 4096;

export class PictureTimes {
  /** By time, the earliest first. */
  private readonly waiting: Waiting[] = [];
  private readonly wrapUs: number;

  /** `wrapUs`: after this much what comes out begins at 0 again; 0 = never. */
  constructor(wrapUs: number) {
    this.wrapUs = wrapUs;
  }

  get count(): number {
    return this.waiting.length;
  }

  clear(): void {
    this.waiting.length = 0;
  }

  put(toldUs: number, ptsUs: number, captureUs: number): void {
    const { waiting } = this;
    let at = waiting.length;
    while (at > 0 && waiting[at - 1]!.toldUs > toldUs) at--;
    waiting.splice(at, 0, { toldUs, ptsUs, captureUs });
    if (waiting.length > MAX_WAITING) waiting.shift();
  }

  /** The picture that came out at this time; null when none is known that could be it. */
  take(outUs: number, toleranceUs: number): Waiting | null {
    const { waiting } = this;
    if (waiting.length === 0) return null;
    const us = this.unwrap(outUs, waiting[0]!.toldUs);
    let nearest = 0;
    while (
      nearest + 1 < waiting.length &&
      Math.abs(waiting[nearest + 1]!.toldUs - us) <= Math.abs(waiting[nearest]!.toldUs - us)
    )
      nearest++;
    const found = waiting[nearest]!;
    if (Math.abs(found.toldUs - us) > toleranceUs) return null;
    waiting.splice(0, nearest + 1);
    return found;
  }

  private unwrap(us: number, nearUs: number): number {
    return this.wrapUs === 0 ? us : us + Math.round((nearUs - us) / this.wrapUs) * this.wrapUs;
  }
}
