import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplayWindow } from '../../../src/dtls/replay-window.ts';
import { SeededRandom } from '../../support/lossy-path.ts';

test('the same as a list of everything that came', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const window = new ReplayWindow();
    const seen = new Set<number>();
    let newest = -1;
    let base = seed % 2 === 0 ? 0 : 2 ** 32 - 100;
    for (let i = 0; i < 2000; i++) {
      if (random.next() < 0.3) base += Math.floor(random.next() * (random.next() < 0.05 ? 150 : 4));
      const sequence = Math.max(0, base + Math.floor(random.next() * 80) - 70);
      const isNew = !seen.has(sequence) && newest - sequence < 64;
      assert.equal(window.isNew(sequence), isNew, `seed ${seed}, ${sequence} after ${newest}`);
      if (!isNew) continue;
      window.add(sequence);
      seen.add(sequence);
      newest = Math.max(newest, sequence);
    }
  }
});

test('asking changes nothing', () => {
  const window = new ReplayWindow();
  assert.ok(window.isNew(1_000_000));
  assert.ok(window.isNew(0));
});

for (const jump of [1, 31, 32, 33, 63, 64, 65, 1000])
  test(`a jump by ${jump}`, () => {
    const window = new ReplayWindow();
    for (let i = 0; i < 64; i += 2) window.add(i);
    const newest = 62 + jump;
    window.add(newest);
    for (let i = 0; i <= newest; i++)
      assert.equal(window.isNew(i), newest - i < 64 && i !== newest && (i > 62 || i % 2 === 1), `${i}`);
  });
