/** Second tries, for programs of others that have to keep up with real time on a machine with much else to do. */
import type { TestContext } from 'node:test';

/** A fault of ours is there again; `t` tells of the first one. */
export async function onceMore(t: TestContext, body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } catch (error) {
    t.diagnostic(`once more because of ${error instanceof Error ? error.message : String(error)}`);
    await body();
  }
}
