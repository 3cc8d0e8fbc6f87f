import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RtcTurns } from '../../../src/rtc/rtc-turns.ts';

/** Pieces of work that take 1 ms each, on a clock of the test; turns of 2 ms. */
class World {
  nowUs = 0;
  left = 0;
  /** Pieces that were done in each turn of the loop. */
  readonly done: number[] = [];
  readonly turns = new RtcTurns(
    () => this.nowUs,
    2000,
    (untilUs) => {
      while (this.left > 0) {
        if (this.nowUs >= untilUs) return false;
        this.left--;
        this.nowUs += 1000;
        this.done[this.done.length - 1]!++;
      }
      return true;
    },
  );

  async loop(): Promise<void> {
    this.done.push(0);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('work is done at once as far as a turn has room, and then in further turns', async () => {
  const world = new World();
  world.done.push(0);
  world.left = 5;
  world.turns.wake();
  assert.deepEqual(world.done, [2]);
  // More work in the same turn waits, too.
  world.left += 2;
  world.turns.wake();
  assert.deepEqual(world.done, [2]);
  for (let i = 0; i < 5; i++) await world.loop();
  assert.equal(world.left, 0);
  assert.ok(
    world.done.every((count) => count <= 2),
    world.done.join(),
  );
  assert.equal(
    world.done.reduce((sum, count) => sum + count),
    7,
  );
});

test('a turn with room takes what comes later in it', () => {
  const world = new World();
  world.done.push(0);
  for (const count of [1, 1, 1]) {
    world.left += count;
    world.turns.wake();
  }
  assert.deepEqual([world.done, world.left], [[2], 1]);
  world.turns.close();
});

test('what is left when it is closed is not done', async () => {
  const world = new World();
  world.done.push(0);
  world.left = 9;
  world.turns.wake();
  world.turns.close();
  await world.loop();
  await world.loop();
  assert.equal(world.left, 7);
});
