/** Mixing down. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Downmixer } from '../../../src/audio/mix.ts';
import type { Speaker } from '../../../src/audio/pcm.ts';

const SURROUND: readonly Speaker[] = ['C', 'L', 'R', 'Ls', 'Rs', 'LFE'];
const NORM = 1 + Math.SQRT1_2 + Math.SQRT1_2;

/** A mix of one sample per channel. */
function mixed(speakers: readonly Speaker[], values: readonly number[], channels: 1 | 2): number[] {
  const block = { sampleRate: 48_000, samples: 1, channels: values.map((value) => Float32Array.of(value)) };
  const result = new Downmixer(speakers, channels).mix(block);
  assert.equal(result.sampleRate, 48_000);
  assert.equal(result.samples, 1);
  return result.channels.map((channel) => channel[0]!);
}

const near = (actual: readonly number[], expected: readonly number[]): void => {
  assert.equal(actual.length, expected.length);
  actual.forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]!) < 1e-6, `${actual} for ${expected}`);
  });
};

for (const [name, values, expected] of [
  ['centre', [1, 0, 0, 0, 0, 0], [Math.SQRT1_2 / NORM, Math.SQRT1_2 / NORM]],
  ['left', [0, 1, 0, 0, 0, 0], [1 / NORM, 0]],
  ['right', [0, 0, 1, 0, 0, 0], [0, 1 / NORM]],
  ['left surround', [0, 0, 0, 1, 0, 0], [Math.SQRT1_2 / NORM, 0]],
  ['right surround', [0, 0, 0, 0, 1, 0], [0, Math.SQRT1_2 / NORM]],
  ['low frequencies', [0, 0, 0, 0, 0, 1], [0, 0]],
  ['all at full scale', [1, 1, 1, 1, 1, 1], [1, 1]],
] as const) {
  test(`5.1 to stereo: ${name}`, () => near(mixed(SURROUND, values, 2), expected));
}

test('to mono nothing is louder than full scale and left weighs as much as right', () => {
  near(mixed(SURROUND, [1, 1, 1, 1, 1, 1], 1), [1]);
  near(mixed(['L', 'R'], [1, 0], 1), [0.5]);
  near(mixed(['L', 'R'], [0, 1], 1), [0.5]);
});

test('stereo stays as it is, mono goes to both sides', () => {
  near(mixed(['L', 'R'], [0.25, -0.5], 2), [0.25, -0.5]);
  near(mixed(['C'], [0.75], 2), [0.75, 0.75]);
  near(mixed(['C'], [0.75], 1), [0.75]);
});

test('a longer block after a short one', () => {
  const mixer = new Downmixer(['L', 'R'], 1);
  const block = (samples: number, value: number) => ({
    sampleRate: 8000,
    samples,
    channels: [new Float32Array(samples).fill(value), new Float32Array(samples).fill(value)],
  });
  mixer.mix(block(2, 1));
  const longer = mixer.mix(block(4, 0.5));
  assert.deepEqual(Array.from(longer.channels[0]!.subarray(0, longer.samples)), [0.5, 0.5, 0.5, 0.5]);
});
