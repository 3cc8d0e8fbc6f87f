import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type NewSegment,
  SegmentStore,
  type SegmentStoreOptions,
} from '../../../src/packaging/segment-store.ts';

const OPTIONS: SegmentStoreOptions = {
  windowCount: 3,
  cacheCount: 2,
  maxBytes: 1_000_000,
  firstSequence: 100,
  extension: '.ts',
  targetDurationUs: 2_000_000,
};

function made(durationUs = 2_000_000, sizeBytes = 1000, discontinuity = false): NewSegment {
  const parts = [Buffer.alloc(sizeBytes)];
  return { durationUs, startPts: 0, wallClockUs: 0, discontinuity, independent: true, parts, sizeBytes };
}

const listed = (store: SegmentStore) => store.window().map((segment) => segment.sequence);

test('store: an empty one', () => {
  const store = new SegmentStore(OPTIONS);
  assert.deepEqual(store.window(), []);
  assert.equal(store.lastSequence, 99);
  assert.equal(store.targetDurationSeconds, 2);
  assert.equal(store.peakBitrateBps, 0);
  assert.equal(store.averageBitrateBps, 0);
  assert.equal(store.find('100.ts'), undefined);
});

test('store: lists the window and keeps the cache behind it', () => {
  const store = new SegmentStore(OPTIONS);
  for (let i = 0; i < 8; i++) store.add(made());
  assert.deepEqual(listed(store), [105, 106, 107]);
  assert.equal(store.find('103.ts')?.sequence, 103);
  assert.equal(store.find('102.ts'), undefined);
  assert.equal(store.count, 5);
  assert.equal(store.sizeBytes, 5000);
  assert.equal(store.lastSequence, 107);
});

test('store: bounded in bytes, but the newest always stays', () => {
  const store = new SegmentStore({ ...OPTIONS, maxBytes: 2500 });
  for (let i = 0; i < 4; i++) store.add(made());
  assert.equal(store.count, 2);
  assert.deepEqual(listed(store), [102, 103]);
  store.add(made(2_000_000, 9000));
  assert.deepEqual(listed(store), [104]);
  assert.equal(store.sizeBytes, 9000);
});

test('store: a list is never shorter than three target durations while there is more', () => {
  const store = new SegmentStore(OPTIONS);
  for (let i = 0; i < 5; i++) store.add(made(1_950_000));
  assert.deepEqual(listed(store), [101, 102, 103, 104]);
});

test('store: what has left the list does not come back when the target grows', () => {
  const store = new SegmentStore({ ...OPTIONS, windowCount: 2, cacheCount: 8 });
  for (let i = 0; i < 5; i++) store.add(made());
  assert.deepEqual(listed(store), [102, 103, 104]);
  store.add(made(5_000_000));
  assert.equal(store.targetDurationSeconds, 5);
  assert.deepEqual(listed(store), [102, 103, 104, 105]);
});

test('store: the target is that of the rounded durations as they are printed, and never shrinks', () => {
  for (const [durationUs, target] of [
    [2_499_499, 2],
    [2_499_500, 3],
    [6_000_000, 6],
    [100_000, 2],
  ] as const) {
    const store = new SegmentStore(OPTIONS);
    store.add(made(durationUs));
    for (let i = 0; i < 9; i++) store.add(made(1_000_000));
    assert.equal(store.targetDurationSeconds, target, `${durationUs} us`);
  }
  assert.equal(new SegmentStore({ ...OPTIONS, targetDurationUs: 200_000 }).targetDurationSeconds, 1);
});

test('store: discontinuities are counted for good', () => {
  const store = new SegmentStore(OPTIONS);
  for (let i = 0; i < 9; i++) store.add(made(2_000_000, 1000, i % 3 === 1));
  assert.deepEqual(
    store.window().map((segment) => segment.discontinuitySequence),
    [2, 3, 3],
  );
});

test('store: an ended one goes on with the next segment', () => {
  const store = new SegmentStore(OPTIONS);
  store.add(made());
  store.end();
  assert.equal(store.isEnded, true);
  assert.equal(store.add(made()).sequence, 101);
  assert.equal(store.isEnded, false);
});

test('store: bit rates of what is listed', () => {
  const store = new SegmentStore(OPTIONS);
  store.add(made(2_000_000, 999_999));
  store.add(made(2_000_000, 1000));
  store.add(made(2_000_000, 3000));
  store.add(made(2_000_000, 2000));
  assert.equal(store.peakBitrateBps, 12_000);
  assert.equal(store.averageBitrateBps, 8000);
});
