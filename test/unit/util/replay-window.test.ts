import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReplayWindow } from '../../../src/util/replay-window.ts';
import { SeededRandom } from '../../support/lossy-path.ts';

for (const size of [32, 64, 1024]) {
  test(`${size}: the same as a list of everything that came`, () => {
    for (let seed = 1; seed <= 20; seed++) {
      const random = new SeededRandom(seed);
      const window = new ReplayWindow(size);
      const seen = new Set<number>();
      const reach = Math.ceil(size * 1.1);
      let newest = -1;
      let tooOld = 0;
      let base = [0, 2 ** 31 - 100, 2 ** 32 - 100, 2 ** 48 - 8000][seed % 4]!;
      for (let i = 0; i < 2000; i++) {
        if (random.next() < 0.3) base += Math.floor(random.next() * (random.next() < 0.05 ? 2.4 * size : 4));
        const number = Math.max(0, base + Math.floor(random.next() * (reach + 10)) - reach);
        const isNew = !seen.has(number) && newest - number < size;
        assert.equal(window.isNew(number), isNew, `seed ${seed}, ${number} after ${newest}`);
        if (newest - number >= size) tooOld++;
        if (!isNew) continue;
        window.add(number);
        seen.add(number);
        newest = Math.max(newest, number);
      }
      assert.ok(tooOld > 0 && seen.size > 100, `${tooOld} too old, ${seen.size} taken`);
    }
  });

  test(`${size}: asking changes nothing`, () => {
    const window = new ReplayWindow(size);
    assert.ok(window.isNew(1_000_000));
    assert.ok(window.isNew(0));
  });

  for (const jump of [1, 31, 32, 33, size - 1, size, size + 1, 1000, 5000])
    test(`${size}: a jump by ${jump}`, () => {
      const window = new ReplayWindow(size);
      for (let i = 0; i < size; i += 2) window.add(i);
      const before = size - 2;
      const newest = before + jump;
      window.add(newest);
      for (let i = 0; i <= newest; i++)
        assert.equal(
          window.isNew(i),
          newest - i < size && i !== newest && (i > before || i % 2 === 1),
          `${i}`,
        );
    });
}
