import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FileClock } from '../../../src/media-file/file-clock.ts';

type Step = readonly [track: number, rawMs: number, expectedMs: number];

const CASES: readonly (readonly [name: string, steps: readonly Step[]])[] = [
  [
    'begins at 0',
    [
      [0, 5000, 0],
      [0, 5040, 40],
      [1, 5020, 20],
    ],
  ],
  [
    'a little disorder is left',
    [
      [0, 0, 0],
      [0, 900, 900],
      [0, 100, 100],
    ],
  ],
  [
    'a gap is left',
    [
      [0, 0, 0],
      [0, 9000, 9000],
    ],
  ],
  [
    'a jump ahead is closed',
    [
      [0, 0, 0],
      [0, 40, 40],
      [0, 600_000, 80],
      [0, 600_040, 120],
    ],
  ],
  [
    'tracks jump one after the other and stay together',
    [
      [0, 100_000, 0],
      [1, 100_000, 0],
      [1, 100_020, 20],
      [0, 0, 60],
      [1, 100_040, 40],
      [1, 5, 65],
      [0, 40, 100],
    ],
  ],
  [
    'a short clip twice',
    [
      [0, 0, 0],
      [1, 0, 0],
      [0, 1500, 1500],
      [1, 1510, 1510],
      [0, 0, 1550],
      [1, 0, 1550],
    ],
  ],
  [
    'a wild stamp of one track is forgotten',
    [
      [0, 0, 0],
      [1, 0, 0],
      [0, 4_000_000, 40],
      [1, 40, 40],
      [0, 80, 80],
    ],
  ],
  [
    'a track that comes late with its own clock',
    [
      [0, 0, 0],
      [0, 1000, 1000],
      [1, 900_000, 1040],
      [1, 900_020, 1060],
    ],
  ],
  [
    'a track that comes late',
    [
      [0, 0, 0],
      [0, 1000, 1000],
      [1, 1010, 1010],
    ],
  ],
];

describe('file clock', () => {
  for (const [name, steps] of CASES) {
    test(name, () => {
      const clock = new FileClock();
      for (const [index, [track, rawMs, expectedMs]] of steps.entries()) {
        assert.equal(clock.map(track, rawMs * 1000, index), expectedMs * 1000, `step ${index}`);
      }
      // A reader that begins anywhere says the same.
      for (let start = 0; start < steps.length; start++) {
        const map = clock.replay();
        for (const [index, [track, rawMs, expectedMs]] of steps.entries()) {
          if (index >= start)
            assert.equal(map(track, rawMs * 1000, index), expectedMs * 1000, `${index} from ${start}`);
        }
      }
    });
  }

  test('a file that only jumps stays within bounds', () => {
    const clock = new FileClock();
    for (let i = 0; i < 100_000; i++) clock.map(0, (i % 2) * 1e9, i);
    assert.ok(clock.memoryBytes < 1_000_000);
  });
});
