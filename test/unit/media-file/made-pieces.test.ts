import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MadePieces } from '../../../src/media-file/made-pieces.ts';

test('made pieces: made once for all who ask, kept while there is room', async () => {
  const pieces = new MadePieces<string>({ room: 8, sizeOf: ({ length }) => length, maxMaking: 3 });
  const made: string[] = [];
  const ask = (key: string, piece = 'xx') =>
    pieces.get(key, async () => {
      made.push(key);
      await Promise.resolve();
      return piece;
    });
  assert.deepEqual(await Promise.all([ask('a'), ask('a'), ask('a')]), ['xx', 'xx', 'xx']);
  assert.deepEqual(made, ['a']);
  for (const key of ['b', 'c', 'd', 'a', 'e']) await ask(key);
  assert.deepEqual(made, ['a', 'b', 'c', 'd', 'e']);
  await ask('a');
  await ask('b');
  assert.deepEqual(made.slice(5), ['b'], 'the one that was not asked for went');
  await ask('big', 'xxx');
  await ask('big', 'xxx');
  assert.deepEqual(made.slice(6), ['big', 'big'], 'too large to be kept');
});

test('made pieces: a few at a time, and what fails is tried again', async () => {
  const pieces = new MadePieces<string>({ room: 0, sizeOf: () => 1, maxMaking: 3 });
  let running = 0;
  let most = 0;
  const asked = Array.from({ length: 10 }, (_, index) =>
    pieces.get(String(index), async () => {
      most = Math.max(most, ++running);
      await new Promise((done) => setImmediate(done));
      running--;
      if (index === 3) throw new Error('no');
      return 'x';
    }),
  );
  const results = await Promise.allSettled(asked);
  assert.equal(most, 3);
  assert.equal(results.filter(({ status }) => status === 'rejected').length, 1);
  assert.equal(await pieces.get('3', async () => 'y'), 'y');
});
