/** Rates from the times between packets: pauses left out, pairs for the link. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArrivalWindow, isSecondOfPair } from '../../../src/srt/arrival-window.ts';

function rates(window: ArrivalWindow): number[] {
  return [window.packetsPerSecond, window.bytesPerSecond, window.linkPacketsPerSecond];
}

test('before enough has come nothing is told', () => {
  const window = new ArrivalWindow();
  assert.deepEqual(rates(window), [0, 0, 0]);
  for (let i = 2; i < 18; i++) window.add(2, 1000, i * 1000);
  assert.deepEqual(rates(window), [0, 0, 0]);
  window.add(2, 1000, 18_000);
  assert.deepEqual(rates(window), [1000, 1_000_000, 0]);
});

test('pauses and bunches do not count', () => {
  const window = new ArrivalWindow();
  let nowUs = 0;
  for (let i = 2; i < 40; i++) {
    nowUs += i % 5 === 0 ? 100_000 : i % 5 === 1 ? 10 : 1000;
    window.add(i, i % 5 < 2 ? 1 : 500, nowUs);
  }
  const [packets, bytes] = rates(window);
  assert.deepEqual([packets, bytes], [1000, 500_000]);
});

test('intervals of which less than half agree tell nothing', () => {
  const window = new ArrivalWindow();
  let nowUs = 0;
  for (let i = 0; i < 17; i++) {
    nowUs += 10 ** (i % 4);
    window.add(2, 1000, nowUs);
  }
  assert.deepEqual(rates(window), [0, 0, 0]);
});

test('the link: pairs that come whole, their median', () => {
  const window = new ArrivalWindow();
  for (const [sequence, gapUs] of [
    [16, 100],
    [32, 100],
    [48, 5000],
    [64, 1],
    [80, 100],
  ] as const) {
    window.add(sequence, 1316, sequence * 10_000);
    window.add(sequence + 1, 1316, sequence * 10_000 + gapUs);
  }
  assert.equal(window.linkPacketsPerSecond, 10_000);
  const torn = new ArrivalWindow();
  torn.add(16, 1316, 1000);
  torn.add(33, 1316, 1100);
  assert.equal(torn.linkPacketsPerSecond, 0);
  assert.deepEqual([16, 17, 18, 33].map(isSecondOfPair), [false, true, false, true]);
});
