/**
 * Thousands of coarse timeouts on one timer. A timeout fires within one tick (100 ms) after its time; that is
 * enough for idle times and graces, and far cheaper than a timer per session. One of the two places that own a timer.
 */
import type { Clock } from './clock.ts';

const TICK_MS = 100;
const SLOTS = 512;

export class Timeout {
  /** Monotonic microseconds at which it is due; moving it later costs nothing until the old time comes. */
  dueUs: number;
  active = true;
  private readonly run: () => void;

  constructor(dueUs: number, run: () => void) {
    this.dueUs = dueUs;
    this.run = run;
  }

  cancel(): void {
    this.active = false;
  }

  fire(): void {
    this.active = false;
    this.run();
  }
}

export class TickWheel {
  private readonly clock: Clock;
  private readonly onFault: (error: unknown) => void;
  private readonly slots: Timeout[][] = Array.from({ length: SLOTS }, () => []);
  private position = 0;
  private lastTickUs: number;
  private timer: NodeJS.Timeout | null = null;

  constructor(clock: Clock, onFault: (error: unknown) => void) {
    this.clock = clock;
    this.onFault = onFault;
    this.lastTickUs = clock.nowUs();
  }

  /** Runs `run` once, `delayMs` from now. */
  after(delayMs: number, run: () => void): Timeout {
    const timeout = new Timeout(this.clock.nowUs() + delayMs * 1000, run);
    this.place(timeout);
    return timeout;
  }

  /** Runs `run` every `periodMs` until the returned timeout is cancelled. */
  every(periodMs: number, run: () => void): Timeout {
    const timeout: Timeout = new Timeout(this.clock.nowUs() + periodMs * 1000, () => {
      timeout.dueUs = this.clock.nowUs() + periodMs * 1000;
      timeout.active = true;
      this.place(timeout);
      run();
    });
    this.place(timeout);
    return timeout;
  }

  start(): void {
    this.timer ??= setInterval(() => this.tick(), TICK_MS);
  }

  stop(): void {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** Timeouts that wait; for leak tests. */
  get pending(): number {
    let count = 0;
    for (const slot of this.slots) for (const timeout of slot) if (timeout.active) count++;
    return count;
  }

  /** Advances to the clock's present; called by the timer, or by a test with its own clock. */
  tick(): void {
    const nowUs = this.clock.nowUs();
    while (this.lastTickUs + TICK_MS * 1000 <= nowUs) {
      this.lastTickUs += TICK_MS * 1000;
      this.position = (this.position + 1) % SLOTS;
      const due = this.slots[this.position]!;
      if (due.length > 0) this.visit(due, nowUs);
    }
  }

  private visit(slot: Timeout[], nowUs: number): void {
    const visited = slot.splice(0);
    for (const timeout of visited) {
      if (!timeout.active) continue;
      if (timeout.dueUs > nowUs) {
        this.place(timeout);
        continue;
      }
      try {
        timeout.fire();
      } catch (error) {
        this.onFault(error);
      }
    }
  }

  private place(timeout: Timeout): void {
    const ticks = Math.ceil((timeout.dueUs - this.lastTickUs) / (TICK_MS * 1000));
    const ahead = Math.min(Math.max(ticks, 1), SLOTS - 1);
    this.slots[(this.position + ahead) % SLOTS]!.push(timeout);
  }
}
