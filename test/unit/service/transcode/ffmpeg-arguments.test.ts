/** What ffmpeg is told: the options that the times, the delay and the key frames hang on. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bitrateFor,
  ffmpegArguments,
  type PictureJob,
} from '../../../../src/service/transcode/ffmpeg-arguments.ts';

const JOB: PictureJob = {
  codec: 'h265',
  width: 1280,
  height: 720,
  frameRate: 25,
  target: 'h264',
  encoder: 'libx264',
  fromUs: 10_480_000,
  bitrate: 0,
  preset: 'superfast',
};

/** Value behind an option; the last one counts. */
function value(job: PictureJob, option: string): string | undefined {
  const args = ffmpegArguments(job);
  const at = args.lastIndexOf(option);
  return at < 0 ? undefined : args[at + 1];
}

const cases: readonly [string, Partial<PictureJob>, string, string | undefined][] = [
  ['every picture goes through', {}, '-fps_mode', 'passthrough'],
  ['nothing is decoded before its time', {}, '-bf', '0'],
  ['no delay in x264', {}, '-tune', 'zerolatency'],
  ['a profile that all browsers have', {}, '-profile:v', 'baseline'],
  ['key frames by ticks', {}, '-force_key_frames', 'expr:mod(round(t*1000000),2)'],
  ['ticks of the times', {}, '-enc_time_base', '1:1000000'],
  ['what is before is left out', {}, '-vf', 'select=gte(t\\,10.479999)'],
  [
    'odd sizes lose a line',
    { width: 641 },
    '-vf',
    'select=gte(t\\,10.479999),crop=trunc(iw/2)*2:trunc(ih/2)*2',
  ],
  ['a bitrate of the configuration', { bitrate: 1234 }, '-maxrate', '1234k'],
  ['a bitrate by size', {}, '-maxrate', '2223k'],
  ['the preset', { preset: 'fast' }, '-preset', 'fast'],
  ['AV1 decodes without delay', { codec: 'av1' }, '-flags', 'low_delay'],
  ['no such flag for others: it would break the order', {}, '-flags', undefined],
  ['openh264', { encoder: 'libopenh264' }, '-profile:v', 'constrained_baseline'],
  ['VP8 in IVF', { target: 'vp8', encoder: 'libvpx' }, '-f', 'ivf'],
  ['VP8 by milliseconds', { target: 'vp8', encoder: 'libvpx' }, '-enc_time_base', '1:1000'],
  ['VP8 without looking ahead', { target: 'vp8', encoder: 'libvpx' }, '-lag-in-frames', '0'],
];

for (const [what, change, option, expected] of cases) {
  test(`${what}: ${option} ${expected}`, () => assert.equal(value({ ...JOB, ...change }, option), expected));
}

test('bitrates by size', () => {
  assert.ok(Math.abs(bitrateFor({ width: 1920, height: 1080, frameRate: 30 }) - 6000) < 20);
  assert.equal(bitrateFor({ width: 160, height: 90, frameRate: 10 }), 300);
  assert.equal(
    bitrateFor({ width: 1280, height: 720, frameRate: 0 }),
    bitrateFor({ width: 1280, height: 720, frameRate: 30 }),
  );
});
