/** What `sluice probe` finds in frames. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ProbeReport, probeTable, StreamProbe } from '../../../../src/app/command/stream-probe.ts';
import { FRAME_KEY, Frame } from '../../../../src/media/frame.ts';
import { makeTrack } from '../../../../src/media/track.ts';
import { AUDIO, VIDEO } from '../../../support/test-hub.ts';

interface Made {
  readonly kind: 'v' | 'a';
  readonly dts: number;
  readonly pts?: number;
  readonly key?: boolean;
  readonly arrival?: number;
}

function probe(made: readonly Made[], isLive = false): ProbeReport {
  const probe = new StreamProbe();
  probe.setTracks([makeTrack(0, VIDEO), makeTrack(1, AUDIO)]);
  for (const { kind, dts, pts = dts, key = false, arrival = dts } of made) {
    const [id, config] = kind === 'v' ? ([0, VIDEO] as const) : ([1, AUDIO] as const);
    const flags = key ? FRAME_KEY : 0;
    const us = (ms: number) => Math.round(ms * 1000);
    probe.add(
      new Frame(
        id,
        flags,
        us(dts),
        us(pts),
        kind === 'a' ? 20_000 : 0,
        Buffer.alloc(100),
        config,
        us(arrival),
        Number.NaN,
      ),
    );
  }
  return probe.report({ source: 'x', format: 'flv', isLive, bytes: 5, notes: [] });
}

/** Ten seconds: pictures every 40 ms, key frames every second, sound every 20 ms, one after the other by time. */
function clean(change: (one: Made) => Made | null = (one) => one): Made[] {
  const made: Made[] = [];
  for (let i = 0; i < 250; i++) {
    made.push({ kind: 'v', dts: i * 40, pts: i * 40 + 40, key: i % 25 === 0 });
    made.push({ kind: 'a', dts: i * 40 + 40 }, { kind: 'a', dts: i * 40 + 60 });
  }
  return made.map(change).filter((one) => one !== null);
}

test('probe: a clean stream', () => {
  const report = probe(clean());
  assert.deepEqual(report.notes, []);
  assert.equal(report.duration, 10);
  assert.equal(report.audioOffset, 0);
  assert.equal(report.jitterMs, null);
  assert.equal(report.bitsPerSecond, 60_000);
  const [video, audio] = report.tracks;
  assert.equal(video!.frameRate, 25);
  assert.equal(video!.frames, 250);
  assert.equal(video!.keyFrames, 10);
  assert.deepEqual(video!.gop, {
    frames: { least: 25, mean: 25, most: 25 },
    seconds: { least: 1, mean: 1, most: 1 },
  });
  assert.equal(video!.hasBFrames, false);
  assert.equal(video!.bitsPerSecond, 20_000);
  assert.equal(audio!.frames, 500);
  assert.equal(audio!.gop, null);
});

test('probe: B-frames are pictures that are shown in another order', () => {
  const report = probe(
    clean((one) => (one.kind === 'v' ? { ...one, pts: one.dts + [120, 0, 0][(one.dts / 40) % 3]! } : one)),
  );
  assert.equal(report.tracks[0]!.hasBFrames, true);
  assert.deepEqual(report.notes, []);
});

const FAULTS: readonly (readonly [string, (one: Made) => Made | null, RegExp])[] = [
  [
    'a gap',
    (one) => (one.dts >= 5000 ? { ...one, dts: one.dts + 3000, pts: one.dts + 3040 } : one),
    /video track 0: 1 gap, the longest 3\.04 s/,
  ],
  [
    'times that go back',
    (one) => (one.kind === 'v' && one.dts === 4000 ? { ...one, dts: 3000, pts: 3100 } : one),
    /video track 0: times go back 1 time/,
  ],
  [
    'shown before being decoded',
    (one) => (one.kind === 'v' && one.dts === 4000 ? { ...one, pts: 3900 } : one),
    /1 frame to be shown before being decoded/,
  ],
  [
    'late sound',
    (one) => (one.kind === 'a' ? { ...one, dts: one.dts + 400 } : one),
    /the sound begins 0\.40 s after the pictures/,
  ],
  [
    'no sound at first',
    (one) => (one.kind === 'a' && one.dts < 2000 ? null : one),
    /the sound begins 1\.96 s after/,
  ],
  [
    'key frames far apart',
    (one) => (one.key === true && one.dts % 5000 !== 0 ? { ...one, key: false } : one),
    /key frames are up to 5\.0 s apart/,
  ],
  ['no key frame', (one) => ({ ...one, key: false }), /no key frame/],
];

for (const [what, change, expected] of FAULTS) {
  test(`probe: ${what}`, () => assert.match(probe(clean(change)).notes.join('\n'), expected));
}

test('probe: sound and pictures of one time far apart in the file', () => {
  const made = clean();
  const sorted = [...made].sort(
    (a, b) => a.dts + (a.kind === 'a' ? 2000 : 0) - b.dts - (b.kind === 'a' ? 2000 : 0),
  );
  const report = probe(sorted);
  assert.ok(report.interleave! > 1.9, String(report.interleave));
  assert.match(report.notes.join('\n'), /come up to .* s apart/);
});

test('probe: jitter of a live source, without what came at once in the beginning', () => {
  const burst = (one: Made): Made => ({ ...one, arrival: Math.max(0, one.dts - 2000) });
  assert.equal(probe(clean(burst), true).jitterMs, 0);
  const late = (one: Made): Made => ({
    ...burst(one),
    arrival: Math.max(0, one.dts - 2000) + (one.dts === 8000 ? 150 : 0),
  });
  assert.equal(probe(clean(late), true).jitterMs, 150);
});

test('probe: nothing came', () => {
  const report = probe([]);
  assert.equal(report.duration, 0);
  assert.deepEqual(report.tracks, []);
});

test('probe: the table names what the report holds', () => {
  const text = probeTable(probe(clean((one) => (one.kind === 'a' ? { ...one, dts: one.dts + 400 } : one))));
  for (const word of [
    'H.264',
    '640x360',
    '25 fps',
    'AAC',
    '44100 Hz, stereo',
    'every 1 s (25 frames)',
    '! the sound begins',
  ])
    assert.ok(text.includes(word), `${word} is not in\n${text}`);
});
