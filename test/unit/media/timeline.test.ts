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

test('timeline: sound that is delivered 1.5 s ahead of the picture is no jump', () => {
  const timeline = new Timeline('full', false);
  timeline.begin();
  for (let ms = 0; ms < 20_000; ms += 40) {
    for (const [track, rawMs] of [
      [1, 5000 + ms + 1500],
      [0, 5000 + ms],
    ] as const) {
      const us = timeline.map(track, rawMs, ms * 1000, 0);
      assert.equal(timeline.jumped, false, `track ${track} at ${ms}`);
      // The first sound, at 0, came before anybody knew that the picture is behind it.
      if (ms > 0) assert.equal(us, (track === 1 ? ms + 1500 : ms) * 1000, `track ${track} at ${ms}`);
    }
  }
});

test('timeline: a burst of sound before the picture is no jump', () => {
  const steps: Step[] = [];
  for (let ms = 0; ms < 1200; ms += 20) steps.push([1, ms, 0, ms]);
  for (let ms = 0; ms < 10_000; ms += 20) {
    if (ms % 40 === 0) steps.push([0, ms, ms, ms]);
    steps.push([1, ms + 1200, ms, ms + 1200]);
  }
  run('full', false, steps);
});

test('timeline: when the clock of the publisher restarts, all tracks go on together', () => {
  for (const leadMs of [0, 1500]) {
    const timeline = new Timeline('full', false);
    timeline.begin();
    const jumps: number[] = [];
    const last = [0, 0];
    for (let ms = 0; ms < 10_000; ms += 40) {
      const rawMs = ms < 5000 ? 700_000 + ms : ms - 5000;
      for (const track of [0, 1]) {
        const us = timeline.map(track, rawMs + track * leadMs, ms * 1000, 0);
        if (timeline.jumped) jumps.push(ms);
        assert.ok(us >= last[track]!, `track ${track} goes back at ${ms}`);
        last[track] = us;
      }
      // One after the jump, the distance of the tracks is what the publisher says again.
      assert.equal(last[1]! - last[0]!, leadMs * 1000, `at ${ms}`);
    }
    assert.deepEqual(jumps, [5000]);
  }
});

test('timeline: sound of the old clock may follow pictures of the new one', () => {
  run('full', false, [
    [0, 90_000, 0, 0],
    [1, 90_000, 0, 0],
    [0, 90_040, 40, 40],
    [1, 90_040, 40, 40],
    [0, 0, 80, 80, true],
    [1, 90_080, 80, 80],
    [0, 40, 120, 120],
    [1, 90_120, 120, 120],
    [0, 80, 160, 160],
    [1, 80, 160, 160],
    [0, 120, 200, 200],
    [1, 120, 200, 200],
  ]);
});

test('timeline: tracks with clocks of their own keep them after one jump', () => {
  run('full', false, [
    [0, 500_000, 0, 0],
    [1, 0, 0, 40, true],
    [0, 500_040, 40, 40],
    [1, 40, 40, 80],
    [0, 500_080, 80, 80],
    [1, 80, 80, 120],
  ]);
});

test('timeline: a jump that is just over a second for one track and just below for the other moves both', () => {
  run('full', false, [
    [0, 0, 0, 0],
    [1, 0, 0, 0],
    [0, 40, 40, 40],
    [1, 40, 40, 40],
    // 1010 and 990 ms more than passed.
    [0, 1090, 80, 80, true],
    [1, 1090, 100, 80],
    [0, 1130, 120, 120],
    [1, 1130, 140, 120],
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
