/** What the tests in test/fuzz share: numbers that are the same in every run, and the time that a test has. */
import { ProtocolError } from '../../src/util/errors.ts';

/** Of each test. */
export const FUZZ_SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 1);

/** xorshift32: the same numbers in every run. */
export class Random {
  private state: number;

  /** `seed`: not 0. */
  constructor(seed: number) {
    this.state = seed;
  }

  below(limit: number): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x >>> 0;
    return this.state % limit;
  }

  bytes(count: number): Buffer {
    const bytes = Buffer.alloc(count);
    for (let i = 0; i < count; i++) bytes[i] = this.below(256);
    return bytes;
  }
}

/** Some bytes changed, more often near the beginning, where headers are; sometimes cut. */
export function mutateHead(random: Random, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  const reach = random.below(2) === 0 ? Math.min(copy.length, 24) : copy.length;
  for (let i = random.below(5); i >= 0 && reach > 0; i--) copy[random.below(reach)] = random.below(256);
  return random.below(4) === 0 ? copy.subarray(0, random.below(copy.length + 1)) : copy;
}

/** Runs `step`, which must not throw, until the time is up; returns how often it ran. */
export function runFor(step: () => void, seconds = FUZZ_SECONDS): number {
  const endMs = performance.now() + seconds * 1000;
  let runs = 0;
  do {
    step();
    runs++;
  } while (performance.now() < endMs);
  return runs;
}

/** The same for what may refuse its input with a ProtocolError; returns how often it ran, and how often it did that. */
export function runParser(step: () => void, seconds = FUZZ_SECONDS): { runs: number; refused: number } {
  let refused = 0;
  const runs = runFor(() => {
    try {
      step();
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refused++;
    }
  }, seconds);
  return { runs, refused };
}
