import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AUTO_LAYER, LayerChooser, type LayerState } from '../../../../src/rtc/send/layer-chooser.ts';

const STEP_US = 100_000;
const [BEST, MIDDLE, SMALL] = [0, 1, 2];

/** A player whose estimate the test sets; time goes on in steps. */
class World {
  nowUs = 1_000_000;
  readonly chooser = new LayerChooser();
  layers: LayerState[] = [2_000_000, 700_000, 200_000].map((bitrateBps) => ({ bitrateBps, isLive: true }));
  current = -1;
  estimateBps = 5_000_000;
  isUnproven = false;

  /** Microseconds until the layer is another one; `limitS` without a change: NaN. */
  untilChange(limitS: number): number {
    const { current, nowUs } = this;
    while (this.nowUs < nowUs + limitS * 1_000_000) {
      this.step();
      if (this.current !== current) return this.nowUs - nowUs;
    }
    return Number.NaN;
  }

  step(): number {
    this.nowUs += STEP_US;
    const { layers, current, estimateBps, isUnproven, nowUs } = this;
    this.current = this.chooser.choose(layers, current, estimateBps, isUnproven, nowUs);
    return this.current;
  }

  setLive(...live: readonly boolean[]): void {
    this.layers = this.layers.map((layer, at) => ({ ...layer, isLive: live[at]! }));
  }
}

for (const [estimateBps, expected] of [
  [5_000_000, BEST],
  [2_000_000, BEST],
  [1_999_999, MIDDLE],
  [300_000, SMALL],
  // The smallest is always better than nothing.
  [50_000, SMALL],
] as const)
  test(`with ${estimateBps} bit/s the first choice is ${expected}`, () => {
    const world = new World();
    world.estimateBps = estimateBps;
    assert.equal(world.step(), expected);
  });

test('layers that nobody measured yet are thought to fit; without any there is none', () => {
  const world = new World();
  world.layers = world.layers.map((layer) => ({ ...layer, bitrateBps: 0 }));
  assert.equal(world.step(), BEST);
  const nothing = new World();
  nothing.setLive(false, false, false);
  assert.equal(nothing.step(), -1);
  nothing.setLive(false, false, true);
  assert.equal(nothing.step(), SMALL);
});

test('down at once when the way carries far too little, to what it carries', () => {
  const world = new World();
  world.step();
  world.estimateBps = 800_000;
  assert.equal(world.untilChange(1), STEP_US);
  assert.equal(world.current, MIDDLE);
  world.estimateBps = 100_000;
  assert.equal(world.untilChange(1), STEP_US);
  assert.equal(world.current, SMALL);
  assert.ok(Number.isNaN(world.untilChange(60)), 'and stays there');
});

test('down after a while when it carries a little less, and not for one decrease that grows back', () => {
  const world = new World();
  world.step();
  world.estimateBps = 1_800_000;
  const waitedUs = world.untilChange(5);
  assert.ok(waitedUs > 1_000_000 && waitedUs < 2_500_000, `${waitedUs}`);
  assert.equal(world.current, MIDDLE);
  const other = new World();
  other.step();
  other.estimateBps = 0.85 * 2_000_000;
  for (let i = 0; i < 100; i++) {
    other.estimateBps *= 1.08 ** 0.1;
    assert.equal(other.step(), BEST);
  }
});

test('up only when the way has carried enough for a while, and not soon after going down', () => {
  const world = new World();
  world.step();
  world.estimateBps = 300_000;
  world.step();
  assert.equal(world.current, SMALL);
  // Enough for the middle one, but not by much.
  world.estimateBps = 800_000;
  assert.ok(Number.isNaN(world.untilChange(30)));
  world.estimateBps = 1_000_000;
  const waitedUs = world.untilChange(10);
  assert.ok(waitedUs >= 2_000_000 && waitedUs < 3_000_000, `${waitedUs}`);
  assert.equal(world.current, MIDDLE);
  world.estimateBps = 300_000;
  world.step();
  world.estimateBps = 9_000_000;
  const restedUs = world.untilChange(20);
  assert.ok(restedUs >= 5_000_000, `${restedUs}`);
  assert.equal(world.current, BEST, 'as far up as it carries');
});

test('an estimate around what is needed makes no switch after switch', () => {
  const world = new World();
  world.step();
  let changes = 0;
  for (let i = 0; i < 1200; i++) {
    world.estimateBps = i % 20 < 10 ? 1_950_000 : 2_300_000;
    const before = world.current;
    if (world.step() !== before) changes++;
  }
  assert.equal(changes, 0);
});

test('where nothing speaks against more a better one is tried; it stays when the estimate does not fall', () => {
  const world = new World();
  world.estimateBps = 250_000;
  world.step();
  world.isUnproven = true;
  const waitedUs = world.untilChange(20);
  assert.ok(waitedUs >= 8_000_000, `${waitedUs}`);
  assert.equal(world.current, MIDDLE, 'one step');
  // The estimate finds out slowly.
  for (let i = 0; i < 80; i++) {
    world.estimateBps *= 1.015;
    assert.equal(world.step(), MIDDLE);
  }
  world.estimateBps = 720_000;
  assert.ok(Number.isNaN(world.untilChange(8)));
});

test('a try that fails is followed by longer and longer rest, up to a bound', () => {
  const world = new World();
  world.estimateBps = 250_000;
  world.step();
  world.isUnproven = true;
  const waits: number[] = [];
  for (let i = 0; i < 8; i++) {
    world.estimateBps = 250_000;
    waits.push(world.untilChange(200) / 1_000_000);
    assert.equal(world.current, MIDDLE);
    world.estimateBps = 200_000;
    world.step();
    assert.equal(world.current, SMALL, 'it fails at once');
  }
  for (let i = 2; i < waits.length; i++) assert.ok(waits[i]! >= waits[i - 1]!, waits.join(' '));
  assert.ok(waits[1]! > waits[0]! * 1.5, waits.join(' '));
  assert.ok(waits.at(-1)! > 100 && waits.at(-1)! < 130, waits.join(' '));
});

test('a layer that is not sent any more is left for the best one that is, and comes back after a while', () => {
  const world = new World();
  world.step();
  world.setLive(false, true, true);
  assert.equal(world.step(), MIDDLE);
  world.setLive(true, true, true);
  const waitedUs = world.untilChange(10);
  assert.ok(waitedUs >= 2_000_000, `${waitedUs}`);
  assert.equal(world.current, BEST);
  world.setLive(false, false, false);
  assert.equal(world.step(), BEST, 'nothing is better than what there was');
});

for (const [wish, live, expected] of [
  [BEST, [true, true, true], BEST],
  [SMALL, [true, true, true], SMALL],
  [MIDDLE, [true, false, true], SMALL],
  [SMALL, [true, true, false], MIDDLE],
  [BEST, [false, false, true], SMALL],
  // Of a publisher that had more of them.
  [7, [true, true, true], SMALL],
] as const)
  test(`who wants ${wish} of ${live} gets ${expected}, whatever the estimate`, () => {
    const world = new World();
    world.setLive(...live);
    world.chooser.wish = wish;
    world.estimateBps = 10;
    assert.equal(world.step(), expected);
    assert.ok(Number.isNaN(world.untilChange(20)));
    world.chooser.wish = AUTO_LAYER;
    world.step();
    assert.equal(
      world.current,
      world.layers.findLastIndex(({ isLive }) => isLive),
    );
  });
