import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GAP_US, MOST_SILENCE_US, SoundClock } from '../../../src/transcode/sound-clock.ts';

const RATE = 48_000;
const BLOCK = 960;
const BLOCK_US = 20_000;

/** Places blocks as a conversion does; returns what became of each. */
function place(clock: SoundClock, startUs: number, samples = BLOCK): string {
  const placing = clock.place(startUs, samples);
  if (placing !== 'overlap') clock.advance(clock.silence + samples + clock.stretch);
  return placing;
}

test('24 hours of a source whose clock is off stay in sync, one sample at a time', () => {
  for (const ppm of [50, -50, 200]) {
    const clock = new SoundClock(RATE);
    let worst = 0;
    let changes = 0;
    const blocks = (24 * 3600 * 1_000_000) / BLOCK_US;
    for (let i = 0; i < blocks; i++) {
      const startUs = 5_000_000 + Math.round(i * BLOCK_US * (1 + ppm / 1e6));
      const placing = place(clock, startUs);
      assert.equal(placing, i === 0 ? 'jump' : 'follows');
      assert.ok(Math.abs(clock.stretch) <= 1);
      changes += clock.stretch;
      const endUs = startUs + BLOCK_US * (1 + ppm / 1e6);
      worst = Math.max(worst, Math.abs(clock.nextUs - endUs));
    }
    assert.ok(worst < 3000, `${ppm} ppm: ${worst} us`);
    const expected = (blocks * BLOCK * ppm) / 1e6;
    assert.ok(Math.abs(changes - expected) < 150, `${changes} of ${expected} samples`);
  }
});

test('24 hours of a steady source change no sample and end where they should', () => {
  const clock = new SoundClock(44_100);
  const blocks = Math.floor((24 * 3600 * 44_100) / 1024);
  let us = 0;
  for (let i = 0; i < blocks; i++) {
    // Milliseconds, as RTMP has them.
    us = Math.round((i * 1024 * 1000) / 44_100) * 1000;
    place(clock, us, 1024);
    assert.equal(clock.stretch, 0);
  }
  assert.ok(Math.abs(clock.nextUs - (blocks * 1024 * 1e6) / 44_100) < 1);
});

test('jitter below the bound is not followed', () => {
  const clock = new SoundClock(RATE);
  let seed = 7;
  for (let i = 0; i < 20_000; i++) {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
    const jitterUs = (seed % 50_000) - 25_000;
    assert.equal(place(clock, 1_000_000 + i * BLOCK_US + jitterUs), i === 0 ? 'jump' : 'follows');
  }
  const offUs = clock.nextUs - (1_000_000 + 20_000 * BLOCK_US);
  assert.ok(Math.abs(offUs) < 10_000, String(offUs));
});

test('an offset is drawn back, faster when it is large', () => {
  const clock = new SoundClock(RATE);
  place(clock, 0);
  let blocks = 0;
  while (Math.abs(clock.nextUs - (BLOCK_US * (blocks + 1) + 40_000)) > 3000) {
    blocks++;
    assert.equal(place(clock, blocks * BLOCK_US + 40_000), 'follows');
    assert.ok(clock.stretch >= 0 && clock.stretch <= 4);
    assert.ok(blocks < 2000);
  }
});

test('gaps are filled up to a second, jumped over beyond, overlaps dropped', () => {
  const cases = [
    [GAP_US - 1000, 'follows', 0],
    [GAP_US + 1000, 'gap', ((GAP_US + 1000) * RATE) / 1e6],
    [MOST_SILENCE_US, 'gap', RATE],
    [MOST_SILENCE_US + 1, 'jump', 0],
    [3600e6, 'jump', 0],
    [-GAP_US + 1000, 'follows', 0],
    [-GAP_US - 1000, 'overlap', 0],
    [-3600e6, 'overlap', 0],
  ] as const;
  for (const [offUs, placing, silence] of cases) {
    const clock = new SoundClock(RATE);
    place(clock, 10_000_000);
    const before = clock.nextUs;
    assert.equal(clock.place(before + offUs, BLOCK), placing, String(offUs));
    assert.equal(clock.silence, silence);
    if (placing === 'jump') assert.equal(clock.nextUs, before + offUs);
    else assert.equal(clock.nextUs, before);
  }
});
