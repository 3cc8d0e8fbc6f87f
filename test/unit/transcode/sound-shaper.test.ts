import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PcmBlock } from '../../../src/audio/pcm.ts';
import { FrameFiller, Stretcher } from '../../../src/transcode/frame-filler.ts';
import { SoundShaper } from '../../../src/transcode/sound-shaper.ts';
import { snr, tone } from '../../support/sound-signals.ts';

function block(sampleRate: number, ...channels: number[][]): PcmBlock {
  return {
    sampleRate,
    channels: channels.map((one) => Float32Array.from(one)),
    samples: channels[0]!.length,
  };
}

function shaped(shaper: SoundShaper, from: PcmBlock): number[][] {
  const made = shaper.shape(from);
  return shaper.output.map((channel) =>
    Array.from(channel.subarray(0, made), (one) => Math.round(one * 1000) / 1000),
  );
}

test('channels become one or two', () => {
  const cases: [PcmBlock, 1 | 2, number[][]][] = [
    [block(48_000, [0.5, 0.25]), 1, [[0.5, 0.25]]],
    [block(48_000, [0.5]), 2, [[0.5], [0.5]]],
    [block(48_000, [0.5], [-0.5]), 2, [[0.5], [-0.5]]],
    [block(48_000, [0.5], [0.25]), 1, [[0.375]]],
    // Centre, left, right.
    [block(48_000, [0], [0.5], [-0.5]), 2, [[0.293], [-0.293]]],
    [block(48_000, [0.5], [0], [0]), 2, [[0.207], [0.207]]],
    // Quadrophony in AAC's order has one channel behind.
    [block(48_000, [0], [0], [0], [1]), 2, [[0.227], [0.227]]],
    // 5.1: the surrounds to their sides, no LFE.
    [block(48_000, [0], [0], [0], [1], [0], [1]), 2, [[0.293], [0]]],
    [block(48_000, [1], [1], [1], [1], [1], [1]), 2, [[1], [1]]],
    [block(48_000, [0], [1], [0], [0], [0], [0]), 1, [[0.207]]],
  ];
  for (const [from, channels, expected] of cases) {
    assert.deepEqual(shaped(new SoundShaper(48_000, channels), from), expected);
  }
});

test('what the channels are for is taken from the decoder', () => {
  const shaper = new SoundShaper(48_000, 2);
  const from = block(48_000, [1], [0], [0], [0]);
  const at = () => Array.from(shaper.output, (channel) => Math.round(channel[0]! * 1000) / 1000);
  shaper.shape(from, ['L', 'R', 'Ls', 'Rs']);
  assert.deepEqual(at(), [0.586, 0]);
  shaper.shape(from, ['Rs', 'L', 'R', 'Ls']);
  assert.deepEqual(at(), [0, 0.414]);
  shaper.shape(from, ['LFE', 'L', 'R', 'C']);
  assert.deepEqual(at(), [0, 0]);
});

test('what is no number becomes silence, what is far too loud is held', () => {
  const shaper = new SoundShaper(48_000, 1);
  const from = block(48_000, [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e30, 0.5]);
  assert.deepEqual(shaped(shaper, from), [[0, 4, -4, 4, 0.5]]);
  assert.equal(shaper.damaged, 4);
  shaper.shape(block(48_000, [0.1]));
  assert.equal(shaper.damaged, 0);
});

test('a source that changes rate and channels is followed', () => {
  const shaper = new SoundShaper(48_000, 2);
  let made = 0;
  for (const [rate, channels] of [
    [44_100, 2],
    [22_050, 1],
    [48_000, 6],
    [8000, 1],
  ] as const) {
    const before = made;
    for (let i = 0; i < 10; i++) {
      const from = Array.from({ length: channels }, () => new Array<number>(rate / 50).fill(0.25));
      made += shaper.shape(block(rate, ...from));
    }
    assert.ok(Math.abs(made - before - 9600) < 200, `${rate}: ${made - before}`);
  }
});

test('frames are filled, clipped and handed on when full', () => {
  const filler = new FrameFiller(4, 2);
  const left = Float32Array.of(0.1, 2, -3, 0.4, 0.5);
  const right = Float32Array.of(0.5, 0.5, 0.5, 0.5, 0.5);
  assert.equal(filler.add([left, right], 0, 2), 2);
  assert.equal(filler.isFull, false);
  assert.equal(filler.add([left, right], 2, 5), 2);
  assert.equal(filler.isFull, true);
  assert.deepEqual(
    [...filler.frame],
    [0.1, 0.5, 1, 0.5, -1, 0.5, 0.4, 0.5].map((one) => Math.fround(one)),
  );
  filler.empty();
  assert.equal(filler.addSilence(10), 4);
  assert.ok(filler.frame.every((one) => one === 0));
});

test('a stretched block is the same sound, a little slower or faster', () => {
  const stretcher = new Stretcher(1);
  for (const change of [1, -1, 4, -4]) {
    const samples = tone(1000, 48_000, 0.02);
    const made = stretcher.stretch([samples], samples.length, change);
    assert.equal(made, 960 + change);
    const expected = tone((1000 * 959) / (made - 1), 48_000, made / 48_000);
    assert.ok(snr(expected, stretcher.output[0]!, 2, made - 2) > 70);
    assert.equal(stretcher.output[0]![made - 1], samples[959]);
  }
  assert.equal(stretcher.stretch([Float32Array.of(1, 2)], 2, 1), 2);
});
