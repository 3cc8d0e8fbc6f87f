/** Connections of one socket group: every packet once and in order, whatever each of them loses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GroupMerge } from '../../../../src/protocol/srt/group-merge.ts';

function merged(links: number) {
  const got: number[] = [];
  const merge = new GroupMerge((payload) => got.push(payload[0]!));
  merge.links = links;
  return {
    got,
    merge,
    push: (sequence: number, nowUs = 0) => merge.push(Uint8Array.of(sequence & 0xff), sequence, nowUs),
  };
}

test('group: two connections that bring the same', () => {
  const { got, merge, push } = merged(2);
  for (const sequence of [1, 1, 2, 3, 2, 3, 4]) push(sequence);
  assert.deepEqual(got, [1, 2, 3, 4]);
  assert.equal(merge.repeated, 3);
  assert.equal(merge.lost, 0);
});

test('group: what one loses comes from the other, in order', () => {
  const { got, merge, push } = merged(2);
  for (const sequence of [1, 2, 4, 5, 1, 2, 3, 4]) push(sequence);
  assert.deepEqual(got, [1, 2, 3, 4, 5]);
  assert.equal(merge.lost, 0);
});

test('group: numbers wrap', () => {
  const { got, push } = merged(2);
  for (const sequence of [0x7fff_fffe, 0x7fff_ffff, 1, 0, 2]) push(sequence);
  assert.deepEqual(got, [0xfe, 0xff, 0, 1, 2]);
});

test('group: a single connection is not waited for', () => {
  const { got, merge, push } = merged(1);
  for (const sequence of [1, 2, 5, 6]) push(sequence);
  assert.deepEqual(got, [1, 2, 5, 6]);
  assert.equal(merge.lost, 2);
});

test('group: a gap that nobody fills is given up after its time', () => {
  const { got, merge, push } = merged(2);
  push(1, 0);
  push(3, 1000);
  push(4, 200_000);
  assert.deepEqual(got, [1]);
  push(5, 202_000);
  assert.deepEqual(got, [1, 3, 4, 5]);
  assert.equal(merge.lost, 1);
});

test('group: a gap is given up with the last other connection', () => {
  const { got, merge, push } = merged(2);
  for (const sequence of [1, 3, 6]) push(sequence);
  merge.left(0);
  assert.deepEqual(got, [1, 3, 6]);
  assert.equal(merge.lost, 3);
});

test('group: what is held is bounded', () => {
  const { got, push } = merged(2);
  push(0);
  for (let sequence = 2; sequence < 1100; sequence++) push(sequence);
  assert.ok(got.length > 1000, String(got.length));
});
