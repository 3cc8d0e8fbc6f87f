/** Time as an argument: monotonic microseconds for durations, wall microseconds for what people read. */

export interface Clock {
  /** Monotonic microseconds since some start; never goes back, whatever happens to the system's clock. */
  nowUs(): number;
  /** Microseconds since 1970; jumps when the system's clock is set. */
  wallUs(): number;
}

export const systemClock: Clock = {
  nowUs: () => Math.round(performance.now() * 1000),
  wallUs: () => Date.now() * 1000,
};
