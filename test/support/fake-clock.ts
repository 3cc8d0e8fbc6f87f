/** A clock that stands still until a test moves it. */
import type { Clock } from '../../src/util/clock.ts';

export class FakeClock implements Clock {
  us = 1_000_000_000;

  nowUs(): number {
    return this.us;
  }

  wallUs(): number {
    return 1_700_000_000_000_000 + this.us;
  }

  advanceMs(ms: number): void {
    this.us += ms * 1000;
  }
}
