/**
 * From the clocks of segments to one clock that goes on over discontinuities (RFC 8216bis section 6.3.3): each stretch
 * between two discontinuities has an offset. The leading playlist sets it, so that what follows begins where the tracks
 * ended; other playlists of the same stream take it over, and so pictures and sound stay together.
 */

interface Stretch {
  readonly number: number;
  offsetUs: number;
  /** A time of its segments, milliseconds, for the clocks of MPEG-TS that wrap. */
  readonly nearMs: number;
}

const MAX_STRETCHES = 16;

export class HlsClock {
  private stretches: Stretch[] = [];
  private waiting: (() => void)[] = [];
  private isReleased = false;

  /** Null = nobody has set it. */
  stretch(number: number): Readonly<Stretch> | null {
    return this.stretches.find((stretch) => stretch.number === number) ?? null;
  }

  set(number: number, offsetUs: number, nearMs: number): void {
    const known = this.stretches.find((stretch) => stretch.number === number);
    if (known !== undefined) known.offsetUs = offsetUs;
    else this.stretches = [...this.stretches, { number, offsetUs, nearMs }].slice(-MAX_STRETCHES);
    this.wake();
  }

  /** The leading playlist is over: nobody waits for it any more. */
  release(): void {
    this.isReleased = true;
    this.wake();
  }

  private wake(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const resume of waiting) resume();
  }

  /** Resolves when the stretch is set or will not be. */
  async ready(number: number): Promise<void> {
    while (!this.isReleased && this.stretch(number) === null)
      await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
}
