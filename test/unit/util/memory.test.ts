import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateMeter } from '../../../src/util/rate-meter.ts';
import { Ring } from '../../../src/util/ring.ts';
import { SlabWriter } from '../../../src/util/slab.ts';

test('ring: positions are absolute, also over growing and dropping', () => {
  const ring = new Ring<number>(4);
  for (let i = 0; i < 1000; i++) {
    assert.equal(ring.push(i), i);
    if (i % 3 === 0) ring.dropOldest();
  }
  for (let position = ring.tail; position < ring.head; position++) assert.equal(ring.at(position), position);
  assert.equal(ring.size, ring.head - ring.tail);
  ring.clear();
  assert.equal(ring.size, 0);
  assert.equal(ring.push(7), 1000);
});

test('slab: copies are never overwritten, whatever is written after them', () => {
  const slab = new SlabWriter(1024);
  const kept: [Buffer, number][] = [];
  for (let i = 0; i < 5000; i++)
    kept.push([slab.copy(Buffer.alloc(1 + (i % 700), i & 255), i * 1000), i & 255]);
  for (const [bytes, value] of kept) assert.ok(bytes.every((byte) => byte === value));
});

test('slab: copies lie next to each other, so that they can be sent as one view', () => {
  const slab = new SlabWriter(4096);
  slab.copy(Buffer.from('one'), 0);
  const before = slab.used;
  slab.copy(Buffer.from('two'), 0);
  assert.equal(slab.slab.subarray(before - 3, before + 3).toString(), 'onetwo');
});

test('slab: grows with the rate and shrinks again, within its bounds', () => {
  const slab = new SlabWriter(16 * 1024);
  for (let i = 0; i < 4000; i++) slab.reserve(10_000, i * 1000);
  assert.equal(slab.slab.length, 1024 * 1024);
  for (let i = 0; i < 4000; i++) slab.reserve(10_000, 4_000_000 + i * 1_000_000);
  assert.equal(slab.slab.length, 16 * 1024);
});

test('slab: a piece larger than any slab gets memory of its own', () => {
  const slab = new SlabWriter();
  assert.equal(slab.copy(Buffer.alloc(5_000_000, 3), 0).length, 5_000_000);
});

test('rate meter: the rate over the last half minute', () => {
  const meter = new RateMeter();
  for (let second = 0; second <= 120; second++) meter.sample(second * 1000, second * 1_000_000);
  assert.ok(Math.abs(meter.perSecond(120_000, 120_000_000) - 1000) < 1);
  assert.ok(Math.abs(meter.lastPerSecond - 1000) < 1);
  for (let second = 121; second <= 180; second++) meter.sample(120_000, second * 1_000_000);
  assert.equal(meter.perSecond(120_000, 180_000_000), 0);
});

test('rate meter: nothing is said before there is something to say', () => {
  const meter = new RateMeter();
  assert.equal(meter.perSecond(5, 1), 0);
  meter.sample(5, 1);
  assert.equal(meter.perSecond(50, 100_000), 0);
  assert.equal(meter.lastPerSecond, 0);
});
