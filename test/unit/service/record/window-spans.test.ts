import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RecordedFile, RecordedPart } from '../../../../src/recordings/recording-entry.ts';
import { chooseSpans, spansOf } from '../../../../src/service/record/window-spans.ts';

function file(name: string, startMs: number, endMs: number, more: Partial<RecordedFile> = {}): RecordedFile {
  return {
    file: name,
    stream: 'live/cam',
    recording: 'a',
    format: 'fmp4',
    startMs,
    endMs,
    bytes: 1000,
    tracks: [],
    parts: [],
    keys: [],
    open: false,
    ...more,
  };
}

const part = (name: string, startMs: number, durationMs: number, discontinuity = false): RecordedPart => ({
  file: name,
  offset: 0,
  bytes: 100,
  startMs,
  durationMs,
  discontinuity,
});

const lines = (chosen: ReturnType<typeof chooseSpans>) =>
  chosen.map(
    ({ span, fromMs, toMs, isInnerStart, isInnerEnd }) =>
      `${span.file} ${isInnerStart ? '<' : ''}${fromMs}-${toMs}${isInnerEnd ? '>' : ''}`,
  );

test('window spans: a file, a list and a file that was continued', () => {
  assert.deepEqual(
    spansOf(file('a.mp4', 1000, 9000, { open: true })).map(({ startMs, endMs, fromUs, untilUs, open }) => [
      startMs,
      endMs,
      fromUs,
      untilUs,
      open,
    ]),
    [[1000, 9000, 0, Number.NaN, true]],
  );
  const list = file('l.m3u8', 0, 20_000, {
    format: 'hls',
    open: true,
    parts: [part('l-0.ts', 0, 6000), part('l-1.ts', 6000, 6000), part('l-2.ts', 14_000, 6000, true)],
  });
  assert.deepEqual(
    spansOf(list).map((one) => [one.file, one.startMs, one.fromUs, one.untilUs, one.discontinuity, one.open]),
    [
      ['l-0.ts', 0, 0, Number.NaN, true, false],
      ['l-1.ts', 6000, 0, Number.NaN, false, false],
      ['l-2.ts', 14_000, 0, Number.NaN, true, true],
    ],
  );
  const continued = file('all.mp4', 0, 60_000, {
    parts: [part('all.mp4', 0, 5000), part('all.mp4', 50_000, 10_000, true)],
  });
  assert.deepEqual(
    spansOf(continued).map((one) => [one.startMs, one.fromUs, one.untilUs]),
    [
      [0, 0, 5_000_000],
      [50_000, 5_000_000, Number.NaN],
    ],
  );
  assert.deepEqual(spansOf(file('empty.m3u8', 0, 1, { format: 'hls' })), []);
});

test('window spans: what lies in the window, in order', () => {
  const files = [file('c', 20_000, 30_000), file('a', 0, 10_000), file('b', 10_000, 20_000)];
  assert.deepEqual(lines(chooseSpans(files, 5000, 15_000, '')), ['a 5000-10000', 'b 10000-15000']);
  assert.deepEqual(lines(chooseSpans(files, 10_000, 20_000, '')), ['b 10000-20000']);
  assert.deepEqual(lines(chooseSpans(files, 40_000, 50_000, '')), []);
  // Clocks leave a little overlap; a file within another one is not shown twice.
  const overlapping = [file('a', 0, 10_020), file('b', 10_000, 20_000), file('in', 2000, 9000)];
  assert.deepEqual(lines(chooseSpans(overlapping, 0, 20_000, '')), ['a 0-10020', 'b 10000-20000']);
  const half = [file('a', 0, 10_000), file('b', 5000, 20_000)];
  assert.deepEqual(lines(chooseSpans(half, 0, 20_000, '')), ['a 0-10000', 'b <10000-20000']);
});

test('window spans: of several recordings the one with most, and others where it has nothing', () => {
  const files = [
    file('a0', 0, 10_000),
    file('a1', 20_000, 40_000),
    file('b', 5000, 25_000, { recording: 'b' }),
    file('c', 0, 60_000, { recording: 'c', startMs: 50_000 }),
  ];
  assert.deepEqual(lines(chooseSpans(files, 0, 60_000, '')), [
    'a0 0-10000',
    'b <10000-20000>',
    'a1 20000-40000',
    'c 50000-60000',
  ]);
  assert.deepEqual(lines(chooseSpans(files, 0, 60_000, 'b')), ['b 5000-25000']);
  assert.deepEqual(lines(chooseSpans(files, 0, 60_000, 'none')), []);
  // The same from two recordings: always the same one.
  const twins = [file('y', 0, 10_000, { recording: 'y' }), file('x', 0, 10_000, { recording: 'x' })];
  assert.deepEqual(lines(chooseSpans(twins, 0, 10_000, '')), ['x 0-10000']);
});
