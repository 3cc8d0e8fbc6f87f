import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Turns } from '../../../src/runtime/turns.ts';
import { RejectedError } from '../../../src/util/errors.ts';

test('turns: so many at once, the others in order, and not more than may wait', async () => {
  const turns = new Turns(2, 2, 'Too many.');
  const begun: number[] = [];
  const ends: (() => void)[] = [];
  const ask = (id: number) =>
    turns.run(async () => {
      begun.push(id);
      await new Promise<void>((done) => ends.push(done));
      if (id === 1) throw new Error('no');
      return id;
    });
  const asked = [ask(0), ask(1), ask(2), ask(3), ask(4)];
  await assert.rejects(asked[4]!, (error) => error instanceof RejectedError && error.reason === 'limit');
  assert.deepEqual(begun, [0, 1]);
  ends[1]!();
  await assert.rejects(asked[1]!, /no/);
  assert.deepEqual(begun, [0, 1, 2], 'one that fails hands its turn on');
  ends[0]!();
  assert.equal(await asked[0], 0);
  assert.deepEqual(begun, [0, 1, 2, 3]);
  ends[2]!();
  ends[3]!();
  assert.deepEqual(await Promise.all([asked[2], asked[3]]), [2, 3]);
  const last = ask(5);
  ends[4]!();
  assert.equal(await last, 5);
});
