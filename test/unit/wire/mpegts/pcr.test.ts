import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProgramClock, ticksFromUs, wrapTicks } from '../../../../src/wire/mpegts/pcr.ts';

const TICKS_33 = 2 ** 33;

function taken(clock: ProgramClock, dtsTicks: number, isOnClockPid: boolean): number[] {
  const count = clock.plan(dtsTicks, isOnClockPid);
  return Array.from({ length: count }, () => clock.next());
}

test('ticks: microseconds to 90 kHz are rounded to the nearest', () => {
  assert.equal(ticksFromUs(0), 90_000);
  assert.equal(ticksFromUs(1_000_000), 180_000);
  for (const [us, ticks] of [
    [5, 0],
    [6, 1],
    [33_333, 3_000],
    [33_367, 3_003],
    [21_333, 1_920],
  ] as const) {
    assert.equal(ticksFromUs(us) - 90_000, ticks, `${us} us`);
  }
});

test('ticks: a 90 kHz clock survives microseconds', () => {
  for (let i = 0; i < 100_000; i += 7) {
    assert.equal(ticksFromUs(Math.round((i * 100) / 9)) - 90_000, i);
  }
});

test('ticks: wrap at 33 bits', () => {
  assert.equal(wrapTicks(TICKS_33 - 1), TICKS_33 - 1);
  assert.equal(wrapTicks(TICKS_33), 0);
  assert.equal(wrapTicks(TICKS_33 * 3 + 5), 5);
  assert.equal(wrapTicks(-1), TICKS_33 - 1);
});

test('clock: one reference per frame of its PID, half a second behind', () => {
  const clock = new ProgramClock();
  assert.deepEqual(taken(clock, 90_000, true), [45_000]);
  assert.deepEqual(taken(clock, 93_600, true), [48_600]);
});

test('clock: frames of other PIDs bring one along after 40 ms only', () => {
  const clock = new ProgramClock();
  taken(clock, 90_000, true);
  assert.deepEqual(taken(clock, 93_599, false), []);
  assert.deepEqual(taken(clock, 93_600, false), [48_600]);
});

test('clock: a gap is filled in even steps of at most 90 ms', () => {
  const clock = new ProgramClock();
  taken(clock, 90_000, true);
  assert.deepEqual(taken(clock, 90_000 + 18_000, true), [51_000, 57_000, 63_000]);
});

test('clock: a pause of minutes costs a bounded number of packets', () => {
  const clock = new ProgramClock();
  taken(clock, 90_000, true);
  const filled = taken(clock, 90_000 + 90_000 * 600, true);
  assert.equal(filled.length, 16);
  assert.equal(filled.at(-1), 45_000 + 90_000 * 600);
});

test('clock: it always grows, even when a frame comes late', () => {
  const clock = new ProgramClock();
  taken(clock, 99_000, true);
  assert.deepEqual(taken(clock, 90_000, true), [54_001]);
});

test('clock: nothing is filled after a restart, and the first frame of another PID brings it along', () => {
  const clock = new ProgramClock();
  taken(clock, 90_000, true);
  clock.restart();
  assert.deepEqual(taken(clock, 900_000, false), [855_000]);
});

test('clock: it goes on over the wrap', () => {
  const clock = new ProgramClock();
  taken(clock, TICKS_33 + 45_000 - 3600, true);
  assert.deepEqual(taken(clock, TICKS_33 + 45_000, true), [0]);
});
