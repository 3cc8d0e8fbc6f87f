import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TickWheel } from '../../../src/util/tick-wheel.ts';
import { FakeClock } from '../../support/fake-clock.ts';

function wheel() {
  const clock = new FakeClock();
  const faults: unknown[] = [];
  const tick = new TickWheel(clock, (error) => faults.push(error));
  const advance = (ms: number) => {
    clock.advanceMs(ms);
    tick.tick();
  };
  return { tick, advance, faults };
}

test('tick wheel: fires once, not before its time and within a tick after it', () => {
  const { tick, advance } = wheel();
  let fired = 0;
  tick.after(1000, () => fired++);
  advance(999);
  assert.equal(fired, 0);
  advance(101);
  assert.equal(fired, 1);
  advance(100_000);
  assert.equal(fired, 1);
  assert.equal(tick.pending, 0);
});

test('tick wheel: a timeout longer than a turn of the wheel waits for its turn', () => {
  const { tick, advance } = wheel();
  let fired = 0;
  tick.after(200_000, () => fired++);
  for (let i = 0; i < 1999; i++) advance(100);
  assert.equal(fired, 0);
  advance(200);
  assert.equal(fired, 1);
});

test('tick wheel: a period goes on until it is cancelled', () => {
  const { tick, advance } = wheel();
  let fired = 0;
  const timeout = tick.every(1000, () => fired++);
  for (let i = 0; i < 105; i++) advance(100);
  assert.ok(fired >= 9 && fired <= 10, String(fired));
  timeout.cancel();
  advance(5000);
  assert.ok(fired <= 10);
  assert.equal(tick.pending, 0);
});

test('tick wheel: cancelling from inside the callback ends a period', () => {
  const { tick, advance } = wheel();
  let fired = 0;
  const timeout = tick.every(100, () => {
    fired++;
    timeout.cancel();
  });
  for (let i = 0; i < 20; i++) advance(100);
  assert.equal(fired, 1);
});

test('tick wheel: a fault of one timeout does not stop the others', () => {
  const { tick, advance, faults } = wheel();
  let fired = 0;
  tick.after(100, () => {
    throw new Error('broken');
  });
  tick.after(100, () => fired++);
  advance(300);
  assert.equal(fired, 1);
  assert.equal(faults.length, 1);
});

test('tick wheel: ten thousand timeouts of which half are cancelled', () => {
  const { tick, advance } = wheel();
  let fired = 0;
  for (let i = 0; i < 10_000; i++) {
    const timeout = tick.after(1 + (i % 3000), () => fired++);
    if (i % 2 === 0) timeout.cancel();
  }
  advance(4000);
  assert.equal(fired, 5000);
  assert.equal(tick.pending, 0);
});
