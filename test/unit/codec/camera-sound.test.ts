/** Facts and durations of the codecs that cameras have and FLV has not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { audioFrameDuration } from '../../../src/codec/audio-frame-duration.ts';
import { type CodecConfig, makeCodecConfig } from '../../../src/codec/codec-config.ts';
import { configFromRecord } from '../../../src/codec/describe-config.ts';

const NO_BYTES = new Uint8Array(0);

const cases: readonly [
  config: CodecConfig,
  rate: number,
  channels: number,
  record: number[],
  bytes: number,
  us: number,
][] = [
  [configFromRecord('g722', Uint8Array.of(1)), 16_000, 1, [], 160, 20_000],
  [configFromRecord('g726', Uint8Array.of(2)), 8000, 1, [2], 40, 20_000],
  [configFromRecord('g726', Uint8Array.of(3)), 8000, 1, [3], 60, 20_000],
  [configFromRecord('g726', Uint8Array.of(5)), 8000, 1, [5], 100, 20_000],
  [configFromRecord('g726', NO_BYTES), 8000, 1, [4], 80, 20_000],
  [configFromRecord('g726', Uint8Array.of(9)), 8000, 1, [4], 80, 20_000],
  [configFromRecord('l16', Uint8Array.of(9)), 0, 0, [], 160, 0],
  [makeCodecConfig('l16', NO_BYTES, '', { sampleRate: 44_100, channels: 2 }), 44_100, 2, [], 1764, 10_000],
  [makeCodecConfig('g711a', NO_BYTES, '', { sampleRate: 16_000, channels: 1 }), 16_000, 1, [], 160, 10_000],
  [configFromRecord('mjpeg', Uint8Array.of(1)), 0, 0, [], 160, 0],
];
for (const [config, rate, channels, record, bytes, us] of cases) {
  test(`${config.codec} ${[...config.record]} ${rate}/${channels}`, () => {
    assert.deepEqual([config.sampleRate, config.channels, [...config.record]], [rate, channels, record]);
    assert.equal(audioFrameDuration(config, new Uint8Array(bytes)), us);
  });
}
