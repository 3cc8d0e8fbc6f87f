/** Numbers and facts as the pages show them. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface Format {
  bitrate(kbps: number): string;
  duration(seconds: number, t: (key: string, values: { n: number }) => string): string;
  frameRate(fps: number): string;
  trackFacts(track: Record<string, unknown>, detailed: boolean): string;
  streamFacts(stream: { tracks: readonly Record<string, unknown>[] }): string;
  protocolName(protocol: string): string;
}
const { bitrate, duration, frameRate, trackFacts, streamFacts, protocolName } =
  await loadPageModule<Format>('js/format.js');
const english = (key: string, { n }: { n: number }) => `${n} ${key.slice(5, 6)}`;

test('format: bitrate, and nothing when nothing was measured', () => {
  const cases: [number, string][] = [
    [0, ''],
    [Number.NaN, ''],
    [850, '850 kbit/s'],
    [2483, '2.5 Mbit/s'],
    [45_100, '45 Mbit/s'],
    [2_500_000, '2.5 Gbit/s'],
  ];
  for (const [kbps, text] of cases) assert.equal(bitrate(kbps), text);
});

test('format: duration in at most two units', () => {
  const cases: [number, string][] = [
    [-3, '0 s'],
    [59.9, '59 s'],
    [60, '1 m'],
    [3600, '1 h'],
    [12_000, '3 h 20 m'],
    [86_400, '1 d'],
    [353_000, '4 d 2 h'],
  ];
  for (const [seconds, text] of cases) assert.equal(duration(seconds, english), text);
});

test('format: what is unknown about a track is left out', () => {
  assert.equal(frameRate(29.970_02), '29.97 fps');
  assert.equal(frameRate(0), '');
  const video = {
    kind: 'video',
    label: 'H.264',
    width: 1280,
    height: 720,
    fps: 30,
    profile: 'High',
    level: '3.1',
  };
  assert.equal(trackFacts(video, false), 'H.264 1280×720 30 fps');
  assert.equal(trackFacts(video, true), 'H.264 High 3.1 · 1280×720 · 30 fps');
  const bare = { kind: 'video', label: 'VP8', width: 0, height: 0, fps: 0, profile: '', level: '' };
  assert.equal(trackFacts(bare, true), 'VP8');
  const audio = {
    kind: 'audio',
    label: 'AAC',
    profile: 'LC',
    level: '',
    sample_rate: 44_100,
    channels: 2,
    language: 'de',
  };
  assert.equal(trackFacts(audio, true), 'AAC LC · 44.1 kHz · 2 ch · de');
});

test('format: a stream in one line, the picture first whatever came first', () => {
  const tracks = [
    { kind: 'audio', label: 'Opus', sample_rate: 48_000 },
    { kind: 'data', label: 'Text' },
    { kind: 'video', label: 'H.264', width: 640, height: 360, fps: 30 },
  ];
  assert.equal(streamFacts({ tracks }), 'H.264 640×360 30 fps · Opus 48 kHz');
  assert.equal(tracks[0]!.kind, 'audio');
  assert.deepEqual(['webrtc', 'rtmp'].map(protocolName), ['WebRTC', 'RTMP']);
});
