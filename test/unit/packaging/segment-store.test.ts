import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Segment } from '../../../src/packaging/segment.ts';
import { SegmentStore, type SegmentStoreOptions } from '../../../src/packaging/segment-store.ts';

const OPTIONS: SegmentStoreOptions = {
  windowCount: 3,
  windowUs: 0,
  cacheCount: 2,
  maxBytes: 1_000_000,
  firstSequence: 100,
  firstDiscontinuity: 0,
  targetDurationUs: 2_000_000,
};

/** One more complete segment, in one part. */
function add(store: SegmentStore, durationUs = 2_000_000, sizeBytes = 1000, discontinuity = false): Segment {
  const startPts = store.all().at(-1)?.endPts ?? 0;
  store.begin({ startPts, wallClockUs: 0, discontinuity, independent: true, initVersion: 0 });
  store.append({ bytes: Buffer.alloc(sizeBytes), durationUs: 0, independent: true });
  return store.complete(durationUs)!; // it was begun
}

const listed = (store: SegmentStore) => store.window().map((segment) => segment.sequence);

test('store: an empty one', () => {
  const store = new SegmentStore(OPTIONS);
  assert.deepEqual(store.window(), []);
  assert.equal(store.lastSequence, 99);
  assert.equal(store.targetDurationSeconds, 2);
  assert.equal(store.peakBitrateBps, 0);
  assert.equal(store.averageBitrateBps, 0);
  assert.equal(store.find(100), undefined);
});

test('store: lists the window and keeps the cache behind it', () => {
  const store = new SegmentStore(OPTIONS);
  for (let i = 0; i < 8; i++) add(store);
  assert.deepEqual(listed(store), [105, 106, 107]);
  assert.equal(store.find(103)?.sequence, 103);
  assert.equal(store.find(102), undefined);
  assert.equal(store.count, 5);
  assert.equal(store.sizeBytes, 5000);
  assert.equal(store.lastSequence, 107);
});

test('store: bounded in bytes, but the newest always stays', () => {
  const store = new SegmentStore({ ...OPTIONS, maxBytes: 2500 });
  for (let i = 0; i < 4; i++) add(store);
  assert.equal(store.count, 2);
  assert.deepEqual(listed(store), [102, 103]);
  add(store, 2_000_000, 9000);
  assert.deepEqual(listed(store), [104]);
  assert.equal(store.sizeBytes, 9000);
});

test('store: a list is never shorter than three target durations while there is more', () => {
  const store = new SegmentStore(OPTIONS);
  for (let i = 0; i < 5; i++) add(store, 1_950_000);
  assert.deepEqual(listed(store), [101, 102, 103, 104]);
});

test('store: what has left the list does not come back when the target grows', () => {
  const store = new SegmentStore({ ...OPTIONS, windowCount: 2, cacheCount: 8 });
  for (let i = 0; i < 5; i++) add(store);
  assert.deepEqual(listed(store), [102, 103, 104]);
  add(store, 5_000_000);
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
    add(store, durationUs);
    for (let i = 0; i < 9; i++) add(store, 1_000_000);
    assert.equal(store.targetDurationSeconds, target, `${durationUs} us`);
  }
  assert.equal(new SegmentStore({ ...OPTIONS, targetDurationUs: 200_000 }).targetDurationSeconds, 1);
});

test('store: discontinuities are counted for good', () => {
  const store = new SegmentStore(OPTIONS);
  for (let i = 0; i < 9; i++) add(store, 2_000_000, 1000, i % 3 === 1);
  assert.deepEqual(
    store.window().map((segment) => segment.discontinuitySequence),
    [2, 3, 3],
  );
});

test('store: an ended one goes on with the next segment', () => {
  const store = new SegmentStore(OPTIONS);
  add(store);
  store.end();
  assert.equal(store.isEnded, true);
  assert.equal(add(store).sequence, 101);
  assert.equal(store.isEnded, false);
});

test('store: bit rates of what is listed', () => {
  const store = new SegmentStore(OPTIONS);
  add(store, 2_000_000, 999_999);
  add(store, 2_000_000, 1000);
  add(store, 2_000_000, 3000);
  add(store, 2_000_000, 2000);
  assert.equal(store.peakBitrateBps, 12_000);
  assert.equal(store.averageBitrateBps, 8000);
});

test('store: a window in time lists as much as it asks for, and a delayed one what was listed then', () => {
  const store = new SegmentStore({ ...OPTIONS, windowUs: 12_000_000 });
  for (let i = 0; i < 10; i++) add(store);
  assert.deepEqual(listed(store), [104, 105, 106, 107, 108, 109]);
  const delayed = (us: number) => store.windowAt(us).map((segment) => segment.sequence);
  assert.deepEqual(delayed(0), [107, 108, 109]);
  assert.deepEqual(delayed(3_000_000), [105, 106, 107], 'nothing that ends later than then');
  assert.deepEqual(delayed(14_000_000), [102]);
  assert.deepEqual(delayed(60_000_000), []);
});

test('store: a segment is found while it is made, with the parts that are there', () => {
  const store = new SegmentStore(OPTIONS);
  add(store);
  const open = store.begin({
    startPts: 2_000_000,
    wallClockUs: 0,
    discontinuity: false,
    independent: true,
    initVersion: 1,
  });
  store.append({ bytes: Buffer.alloc(10), durationUs: 200_000, independent: true });
  assert.equal(store.find(101), open);
  assert.equal(
    store.findAt((one) => one.startPts === 2_000_000),
    open,
  );
  assert.deepEqual([open.parts.length, open.durationUs, open.isComplete], [1, 200_000, false]);
  assert.equal(store.lastSequence, 101);
  assert.deepEqual(listed(store), [100]);
  store.complete(2_000_000);
  assert.deepEqual([open.durationUs, open.isComplete, store.open], [2_000_000, true, null]);
});

test('store: what went to disk costs no memory, and who keeps files is told what is forgotten', () => {
  const store = new SegmentStore({ ...OPTIONS, maxBytes: 2500 });
  const dropped: number[] = [];
  store.onDropped = (segment) => dropped.push(segment.sequence);
  for (let i = 0; i < 5; i++) store.moveToFile(add(store), `/tmp/${i}`);
  assert.equal(store.sizeBytes, 0);
  assert.equal(store.count, 5);
  add(store);
  assert.deepEqual([store.sizeBytes, dropped], [1000, [100]]);
});
