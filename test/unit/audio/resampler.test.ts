import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Resampler } from '../../../src/audio/resampler.ts';
import { snr, tone } from '../../support/sound-signals.ts';

const BLOCKS = [1024, 1, 333, 960, 7];

/** Feeds blocks of many lengths; returns all that came out of the last channel. */
function resample(resampler: Resampler, samples: Float32Array): Float32Array {
  const out: number[] = [];
  for (let at = 0, i = 0; at < samples.length; i++) {
    const block = samples.subarray(at, at + BLOCKS[i % BLOCKS.length]!);
    const channels = resampler.output.map(() => block);
    const made = resampler.process(channels, block.length);
    out.push(...resampler.output.at(-1)!.subarray(0, made));
    at += block.length;
  }
  return Float32Array.from(out);
}

const PAIRS = [
  [44_100, 48_000],
  [48_000, 44_100],
  [8000, 48_000],
  [16_000, 48_000],
  [22_050, 44_100],
  [32_000, 48_000],
  [96_000, 48_000],
  [11_025, 48_000],
] as const;

test('resampler: 90 dB against the same tone at the other rate', () => {
  for (const [from, to] of PAIRS) {
    for (const part of [0.02, 0.1, 0.2]) {
      const frequency = Math.round(part * Math.min(from, to));
      const out = resample(new Resampler(from, to, 2), tone(frequency, from, 0.3));
      const expected = tone(frequency, to, 0.3);
      const skip = Math.ceil((64 * Math.max(from, to)) / from);
      const db = snr(expected, out, skip, out.length);
      assert.ok(db > 90, `${frequency} Hz from ${from} to ${to}: ${db} dB`);
    }
  }
});

test('resampler: flat in the band, silent above the lower rate', () => {
  const power = (samples: Float32Array) => samples.reduce((sum, one) => sum + one * one, 0) / samples.length;
  const inBand = resample(new Resampler(48_000, 44_100, 1), tone(16_000, 48_000, 0.3)).subarray(500);
  assert.ok(Math.abs(10 * Math.log10(power(inBand) / 0.125)) < 0.1);
  const above = resample(new Resampler(48_000, 16_000, 1), tone(11_000, 48_000, 0.3)).subarray(500);
  assert.ok(10 * Math.log10(power(above) / 0.125) < -80);
});

test('resampler: as many samples as the rates say, and the lag tells where they lie', () => {
  for (const [from, to] of PAIRS) {
    const resampler = new Resampler(from, to, 1);
    const block = new Float32Array(441);
    let taken = 0;
    let made = 0;
    for (let i = 0; i < 200; i++) {
      assert.ok(Math.abs(taken - (made * from) / to - resampler.lagSamples) < 1e-6);
      made += resampler.process([block], block.length);
      taken += block.length;
    }
    assert.ok(Math.abs(made - ((taken - 32) * to) / from) < (40 * to) / from + 40);
  }
});

test('resampler: equal rates cost nothing and change nothing', () => {
  const resampler = new Resampler(48_000, 48_000, 1);
  const samples = tone(1000, 48_000, 0.01);
  assert.equal(resampler.process([samples], samples.length), samples.length);
  assert.equal(resampler.output[0], samples);
  assert.equal(resampler.lagSamples, 0);
});

test('resampler: rates without a small ratio are met within a few ppm and a small table', () => {
  const resampler = new Resampler(44_101, 47_999, 1);
  const block = new Float32Array(4410);
  let made = 0;
  for (let i = 0; i < 100; i++) made += resampler.process([block], block.length);
  const ratio = (made + 20) / 441_000;
  assert.ok(Math.abs(ratio / (47_999 / 44_101) - 1) < 1e-4, String(ratio));
});
