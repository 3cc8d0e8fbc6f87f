import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Frame } from '../../../src/media/frame.ts';
import type { MediaFile } from '../../../src/media-file/media-file.ts';
import { readSegmentFrames } from '../../../src/media-file/vod-frames.ts';
import { planSegments, pointBefore } from '../../../src/media-file/vod-plan.ts';
import { type FilePlan, VodTimeline, type VodWindow } from '../../../src/media-file/vod-timeline.ts';
import { RejectedError } from '../../../src/util/errors.ts';
import { checkPlaylist } from '../../conformance/m3u8-checker.ts';
import { TsChecker } from '../../conformance/ts-checker.ts';
import { type FakeFile, fakeFile } from './fake-media-file.ts';

const OPEN: VodWindow = { startMs: Number.NaN, endMs: Number.NaN };

function pointsAt(...seconds: number[]) {
  return seconds.map((second, position) => ({ timeUs: second * 1_000_000, position }));
}

test('vod plan: cuts at the first access point at or behind the target', () => {
  const table: readonly (readonly [readonly number[], number, readonly (readonly [number, number])[]])[] = [
    [
      [0, 2, 4, 6, 8, 10, 12],
      13,
      [
        [0, 6],
        [6, 12],
        [12, 13],
      ],
    ],
    [
      [0, 4, 8, 12],
      16,
      [
        [0, 8],
        [8, 16],
      ],
    ],
    [
      [0, 5.9, 11.8],
      20,
      [
        [0, 5.9],
        [5.9, 11.8],
        [11.8, 20],
      ],
    ],
    [
      [0, 5.8, 11.6],
      20,
      [
        [0, 11.6],
        [11.6, 20],
      ],
    ],
    [[0], 3, [[0, 3]]],
    [
      [1.5, 7.5],
      9,
      [
        [0, 7.5],
        [7.5, 9],
      ],
    ],
    [
      [0, 30, 31],
      31,
      [
        [0, 30],
        [30, 31],
      ],
    ],
    [[], 10, []],
  ];
  for (const [points, duration, expected] of table) {
    const planned = planSegments(pointsAt(...points), duration * 1_000_000, 6_000_000);
    assert.deepEqual(
      planned.map(({ startUs, endUs }) => [startUs / 1_000_000, endUs / 1_000_000]),
      expected,
      points.join(),
    );
    for (const [index, one] of planned.entries())
      assert.equal(one.toPoint, planned[index + 1]?.fromPoint ?? points.length);
  }
  assert.ok(
    planSegments(pointsAt(0, 6), 6_000_000, 6_000_000)[1]!.endUs > 6_000_000,
    'no segment without length',
  );
});

test('vod plan: the access point before a time', () => {
  const points = pointsAt(0, 2, 4);
  for (const [time, expected] of [
    [-1, 0],
    [0, 0],
    [1.9, 0],
    [2, 1],
    [3.9, 1],
    [4, 2],
    [99, 2],
  ] as const)
    assert.equal(pointBefore(points, time * 1_000_000), expected, String(time));
});

const key = (frame: Frame) => `${frame.trackId} ${frame.dts}`;

test('vod frames: every frame is in one segment, however sound and pictures stand in the file', async () => {
  for (const audioLagUs of [0, 300_000, -300_000, 1_200_000]) {
    const file = fakeFile({ audioLagUs });
    const planned = planSegments(file.points, file.durationUs, 6_000_000);
    assert.ok(planned.length > 2);
    const seen: string[] = [];
    let before: { nextDts: ReadonlyMap<number, number> } | null = null;
    for (const { fromPoint, toPoint } of planned) {
      const segment = await readSegmentFrames(file, file.tracks, fromPoint, toPoint);
      seen.push(...segment.frames.map(key));
      for (const { id } of file.tracks) {
        const first = segment.frames.find(({ trackId }) => trackId === id)!;
        if (before !== null) assert.equal(before.nextDts.get(id), first.dts, `lag ${audioLagUs}`);
      }
      before = segment;
    }
    assert.deepEqual([...seen].sort(), file.frames.map(key).sort(), `lag ${audioLagUs}`);
    assert.equal(file.openReaders(), 0);
  }
});

test('vod frames: sound alone', async () => {
  const file = fakeFile({ kinds: ['audio'] });
  const seen: string[] = [];
  for (const { fromPoint, toPoint } of planSegments(file.points, file.durationUs, 6_000_000))
    seen.push(...(await readSegmentFrames(file, file.tracks, fromPoint, toPoint)).frames.map(key));
  assert.deepEqual(seen, file.frames.map(key));
});

function planOf(file: FakeFile): FilePlan {
  const { path, tracks, durationUs, points } = file;
  const segments = planSegments(points, durationUs, 6_000_000);
  return { path, version: `v-${path}`, tracks, durationUs, points, segments };
}

function timelineOf(files: readonly (readonly [FakeFile, number])[], window = OPEN): VodTimeline {
  return new VodTimeline(
    files.map(([file, startMs]) => ({ plan: planOf(file), startMs })),
    window,
    (path, action) => action(files.find(([file]) => file.path === path)![0] as MediaFile),
  );
}

function textOf(timeline: VodTimeline, hasWallClock = false): string {
  return timeline.playlist(
    ({ index }) => `seg-${index}.ts`,
    (map) => `init-${map}.mp4`,
    hasWallClock,
  );
}

test('vod timeline: MPEG-TS segments that were made alone join without a fault', async () => {
  const file = fakeFile({ audioLagUs: 200_000 });
  const timeline = timelineOf([[file, 0]]);
  assert.equal(timeline.container, 'ts');
  const checker = new TsChecker();
  // From the last to the first: no segment may know of another.
  const made = new Map<number, Buffer>();
  for (const segment of [...timeline.segments].reverse())
    made.set(segment.index, await timeline.makeSegment(segment));
  for (const { index } of timeline.segments) checker.segment(made.get(index)!, `seg-${index}.ts`);
  assert.deepEqual(checker.finish(), []);
  const seen = [...checker.streams.values()];
  assert.equal(
    seen.reduce((sum, { accessUnits }) => sum + accessUnits, 0),
    file.frames.length,
  );
  const list = checkPlaylist(textOf(timeline));
  assert.deepEqual(list.violations, []);
  assert.equal(list.ended, true);
  const seconds = list.segments.reduce((sum, segment) => sum + segment.seconds, 0);
  assert.ok(Math.abs(seconds - file.durationUs / 1_000_000) < 0.01);
  assert.match(textOf(timeline), /#EXT-X-PLAYLIST-TYPE:VOD\n/);
});

interface Fragment {
  readonly trackId: number;
  readonly baseTime: number;
  readonly duration: number;
  readonly samples: number;
}

/** What the runs of a fragment say; knows only the tables that a writer of ours makes. */
function readFragment(bytes: Buffer): Fragment[] {
  const found: Fragment[] = [];
  const walk = (from: number, to: number) => {
    for (let at = from; at < to; at += bytes.readUInt32BE(at)) {
      const type = bytes.toString('latin1', at + 4, at + 8);
      if (type === 'moof') walk(at + 8, at + bytes.readUInt32BE(at));
      if (type === 'traf') found.push(readTraf(bytes, at));
    }
  };
  walk(0, bytes.length);
  return found;
}

function readTraf(bytes: Buffer, traf: number): Fragment {
  const tfhd = traf + 8;
  const tfdt = tfhd + bytes.readUInt32BE(tfhd);
  const trun = tfdt + bytes.readUInt32BE(tfdt);
  const flags = bytes.readUIntBE(trun + 9, 3);
  const samples = bytes.readUInt32BE(trun + 12);
  const row = 8 + ((flags & 0x400) === 0 ? 0 : 4) + ((flags & 0x800) === 0 ? 0 : 4);
  let duration = 0;
  for (let i = 0; i < samples; i++) duration += bytes.readUInt32BE(trun + 20 + i * row);
  return {
    trackId: bytes.readUInt32BE(tfhd + 12),
    baseTime: Number(bytes.readBigUInt64BE(tfdt + 12)),
    duration,
    samples,
  };
}

test('vod timeline: a clip is one fragmented MP4 without gaps that begins at 0', async () => {
  const file = fakeFile({ audioLagUs: 400_000 });
  const timeline = timelineOf([[file, 0]]);
  const pieces: Buffer[] = [];
  for await (const piece of timeline.clip(7_000_000, 15_000_000)) pieces.push(piece);
  assert.equal(pieces[0]!.toString('latin1', 4, 8), 'ftyp');
  const runs = pieces.slice(1).flatMap(readFragment);
  assert.ok(runs.length >= 4);
  for (const id of [1, 2]) {
    const own = runs.filter(({ trackId }) => trackId === id);
    const scale = id === 1 ? 90_000 : timeline.tracks[1]!.config.sampleRate;
    assert.ok(own[0]!.baseTime / scale < 0.05, `track ${id} begins at ${own[0]!.baseTime}`);
    for (const [index, run] of own.entries()) {
      const next = own[index + 1];
      if (next !== undefined) assert.equal(run.baseTime + run.duration, next.baseTime, `track ${id}`);
    }
    const last = own.at(-1)!;
    const point = file.points[pointBefore(file.points, 7_000_000)]!.timeUs / 1_000_000;
    assert.ok(
      Math.abs((last.baseTime + last.duration) / scale - (15 - point)) < 0.15,
      `track ${id} ends wrong`,
    );
  }
  assert.equal(file.openReaders(), 0);
  await assert.rejects(async () => {
    for await (const _ of timeline.clip(1e12, 2e12));
  }, RejectedError);
});

test('vod timeline: a clip that nobody reads to its end leaves nothing open', async () => {
  const file = fakeFile();
  for await (const _ of timelineOf([[file, 0]]).clip(0, Number.POSITIVE_INFINITY)) break;
  assert.equal(file.openReaders(), 0);
});

test('vod timeline: files of one recording go on, others are a discontinuity', async () => {
  const first = fakeFile({ path: '/1', rounds: 1 });
  const second = fakeFile({ path: '/2', rounds: 1 });
  const third = fakeFile({ path: '/3', rounds: 1 });
  const silent = fakeFile({ path: '/4', rounds: 1, kinds: ['video'] });
  const startMs = Date.UTC(2026, 10, 21);
  const lengthMs = first.durationUs / 1000;
  const timeline = timelineOf([
    [first, startMs],
    [second, startMs + lengthMs + 400],
    [third, startMs + 2 * lengthMs + 60_000],
    [silent, startMs + 3 * lengthMs + 60_000],
  ]);
  const list = checkPlaylist(textOf(timeline, true));
  assert.deepEqual(list.violations, []);
  const count = planOf(first).segments.length;
  const breaks = list.segments.flatMap((segment, index) => (segment.discontinuity ? [index] : []));
  assert.deepEqual(breaks, [2 * count, 3 * count]);
  assert.equal(list.segments[0]!.dateTime, startMs);
  assert.equal(list.segments[2 * count]!.dateTime, startMs + 2 * lengthMs + 60_000);
  const checker = new TsChecker();
  for (const segment of timeline.segments.slice(0, 3 * count))
    checker.segment(await timeline.makeSegment(segment), `seg-${segment.index}.ts`);
  assert.deepEqual(checker.finish(), []);
  assert.equal(checker.discontinuities.length, 1);
});

test('vod timeline: a window grows to whole segments', () => {
  const file = fakeFile();
  const whole = timelineOf([[file, 1000]]);
  assert.ok(whole.segments.length >= 4);
  const [, second, third] = whole.segments;
  const startMs = 1000 + second!.startUs / 1000 + 10;
  const part = timelineOf([[file, 1000]], { startMs, endMs: 1000 + third!.startUs / 1000 + 1 });
  assert.deepEqual(
    part.segments.map(({ fromPoint, index, startUs }) => [fromPoint, index, startUs]),
    [
      [second!.fromPoint, 0, 0],
      [third!.fromPoint, 1, third!.startUs - second!.startUs],
    ],
  );
  assert.notEqual(part.version, whole.version);
  assert.throws(() => timelineOf([[file, 1000]], { startMs: 0, endMs: 500 }), RejectedError);
});
