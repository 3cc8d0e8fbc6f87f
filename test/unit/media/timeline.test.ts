import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type JitterMode, Timeline } from '../../../src/media/timeline.ts';

/** Steps are [track, publisher's ms, arrival ms, expected stream ms, jumped?]. */
type Step = readonly [number, number, number, number, boolean?];

function run(mode: JitterMode, absolute: boolean, steps: readonly Step[]): void {
  const timeline = new Timeline(mode, absolute);
  timeline.begin();
  for (const [track, rawMs, arrivalMs, expectedMs, jumped = false] of steps) {
    assert.equal(
      timeline.map(track, rawMs, arrivalMs * 1000, 0),
      Math.round(expectedMs * 1000),
      `at ${rawMs}`,
    );
    assert.equal(timeline.jumped, jumped, `jump at ${rawMs}`);
  }
}

test('timeline: the first frame is 0, later ones keep their distance', () => {
  run('full', false, [
    [0, 5000, 0, 0],
    [1, 5010, 10, 10],
    [0, 5040, 40, 40],
  ]);
});

test('timeline: audio slightly older than the first video frame starts at 0, never below', () => {
  run('full', false, [
    [0, 100, 0, 0],
    [1, 80, 0, 0],
    [1, 103, 3, 3],
  ]);
});

test('timeline: ATC keeps the absolute time of the publisher', () => {
  run('full', true, [
    [0, 5000, 0, 5000],
    [0, 5040, 40, 5040],
  ]);
});

test('timeline: off keeps the start and every jump forward', () => {
  run('off', false, [
    [0, 5000, 0, 5000],
    [0, 65_000, 40, 65_000],
  ]);
});

test('timeline: zero moves the start but repairs nothing', () => {
  run('zero', false, [
    [0, 5000, 0, 0],
    [0, 65_000, 40, 60_000],
  ]);
});

test('timeline: full re-anchors a jump forward by the time that really passed', () => {
  run('full', false, [
    [0, 0, 0, 0],
    [0, 40, 40, 40],
    [0, 100_000, 80, 80, true],
    [0, 100_040, 120, 120],
  ]);
});

test('timeline: full re-anchors a jump backwards', () => {
  run('full', false, [
    [0, 10_000, 0, 0],
    [0, 10_040, 40, 40],
    [0, 0, 80, 80, true],
    [0, 40, 120, 120],
  ]);
});

test('timeline: a slow stream (a picture every five seconds) is no jump', () => {
  run('full', false, [
    [0, 0, 0, 0],
    [0, 5000, 5000, 5000],
    [0, 10_000, 10_000, 10_000],
  ]);
});

test('timeline: a publisher that stalled and catches up is no jump', () => {
  run('full', false, [
    [0, 0, 0, 0],
    [0, 40, 4000, 40],
    [0, 80, 4001, 80],
  ]);
});

test('timeline: the 32-bit clock wraps without a jump', () => {
  const top = 0xffff_ffff;
  run('full', false, [
    [0, top - 39, 0, 0],
    [0, top, 39, 39],
    [0, 30, 70, 70],
    [1, top - 5, 71, 34],
    [0, 70, 110, 110],
  ]);
});

test('timeline: never goes back within a track', () => {
  run('full', false, [
    [0, 100, 0, 0],
    [0, 140, 40, 40],
    [0, 120, 41, 40],
  ]);
});

test('timeline: a republish goes on where the stream was, by the time that passed', () => {
  const timeline = new Timeline('full', false);
  timeline.begin();
  timeline.map(0, 0, 0, 0);
  assert.equal(timeline.map(0, 1000, 1_000_000, 0), 1_000_000);
  timeline.begin();
  assert.equal(timeline.map(0, 77, 3_000_000, 0), 3_000_000);
  assert.equal(timeline.jumped, true);
  assert.equal(timeline.map(0, 117, 3_040_000, 0), 3_040_000);
});

test('timeline: AAC stamped in whole milliseconds gets its exact spacing back', () => {
  const timeline = new Timeline('full', false);
  timeline.begin();
  const frameUs = (1024 * 1_000_000) / 44_100;
  for (let i = 0; i < 20_000; i++) {
    const stampedMs = Math.floor((i * frameUs) / 1000);
    const us = timeline.map(1, stampedMs, i * frameUs, frameUs);
    assert.ok(Math.abs(us - i * frameUs) <= 1, `frame ${i}: ${us}`);
  }
});

test('timeline: audio that drifts away from its sample count follows its stamps again', () => {
  const timeline = new Timeline('full', false);
  timeline.begin();
  const frameUs = 20_000;
  let us = 0;
  // 21 ms are stamped for every 20 ms of samples.
  for (let i = 0; i < 1000; i++) us = timeline.map(1, i * 21, i * 21_000, frameUs);
  assert.ok(Math.abs(us - 999 * 21_000) <= frameUs / 2, String(us));
});
