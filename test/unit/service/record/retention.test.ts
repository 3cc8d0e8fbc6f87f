import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { RecordedFile } from '../../../../src/recordings/recording-entry.ts';
import { RecordingIndex } from '../../../../src/recordings/recording-index.ts';
import { FileReaders } from '../../../../src/runtime/file-response.ts';
import { freeBytesOf, Retention, type RetentionSettings } from '../../../../src/service/record/retention.ts';
import { LogHub, type LogLine } from '../../../../src/util/log.ts';

const HOUR = 3_600_000;
const NOW = new Date(2026, 10, 21, 12).getTime();
const NONE: RetentionSettings = { maxAgeMs: 0, maxBytes: 0, minFreeBytes: 0, goodFreeBytes: 0 };

let folder: string;
let index: RecordingIndex;
let lines: LogLine[];
let settings: RetentionSettings;
let disk: { free: number };
let nowMs: number;
const ages = new Map<string, number>();
const needed = new Set<string>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-retention-'));
  index = new RecordingIndex(folder, new FileReaders());
  lines = [];
  settings = NONE;
  nowMs = NOW;
  ages.clear();
  needed.clear();
  disk = { free: 1000 };
});

afterEach(() => rmSync(folder, { recursive: true }));

function retention(): Retention {
  return new Retention({
    index,
    settings: () => settings,
    maxAgeOf: (file) => ages.get(file.recording) ?? 0,
    isNeeded: (file) => needed.has(file.file),
    freeBytes: () => Promise.resolve(disk.free),
    nowMs: () => nowMs,
    log: new LogHub('debug', (line) => lines.push(line)).logger(),
  });
}

/** A file of a stream that ended so many hours ago and is an hour long. */
async function add(stream: string, hoursAgo: number, bytes = 100, recording = 'fmp4'): Promise<RecordedFile> {
  const endMs = NOW - hoursAgo * HOUR;
  const file: RecordedFile = {
    file: `${stream}/${hoursAgo}-${recording}.mp4`,
    stream,
    recording,
    format: 'fmp4',
    startMs: endMs - HOUR,
    endMs,
    bytes,
    tracks: [],
    parts: [],
    keys: [],
    open: false,
  };
  const path = join(folder, file.file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, 'x');
  await index.add(file);
  return file;
}

const removed = () =>
  lines
    .filter((line) => line.event === 'record.removed')
    .map((line) => `${line.fields['file']} ${line.fields['cause']}`);

test('retention: nothing is removed unless it was asked for', async () => {
  await add('live/a', 1000);
  disk.free = 0;
  assert.equal(await retention().run(), 0);
});

test('retention: by age, that of the recording before that of the server', async () => {
  for (const hours of [1, 30, 60]) {
    await add('live/a', hours);
    await add('live/b', hours, 100, 'long');
  }
  settings = { ...NONE, maxAgeMs: 24 * HOUR };
  ages.set('long', 48 * HOUR);
  const one = retention();
  assert.equal(await one.run(), 3);
  assert.deepEqual(
    removed().sort((a, b) => (a < b ? -1 : 1)),
    ['live/a/30-fmp4.mp4 age', 'live/a/60-fmp4.mp4 age', 'live/b/60-long.mp4 age'],
  );
  assert.equal(existsSync(join(folder, 'live/a/60-fmp4.mp4')), false);
  assert.equal((await index.files('live/b', 0, NOW)).total, 2);
  nowMs += 19 * HOUR;
  assert.equal(await one.run(), 1, 'what has become too old since');
  assert.equal(removed().at(-1), 'live/b/30-long.mp4 age');
});

test('retention: by size, the oldest of all streams first', async () => {
  for (const hours of [2, 5, 9]) await add('live/a', hours);
  for (const hours of [3, 4, 30]) await add('live/b', hours);
  settings = { ...NONE, maxBytes: 250 };
  assert.equal(await retention().run(), 4);
  assert.deepEqual(removed(), [
    'live/b/30-fmp4.mp4 size',
    'live/a/9-fmp4.mp4 size',
    'live/a/5-fmp4.mp4 size',
    'live/b/4-fmp4.mp4 size',
  ]);
  assert.equal(index.totalBytes(), 200);
});

test('retention: by free space, from the low mark up to the high one', async () => {
  for (let hours = 1; hours <= 30; hours++) await add(hours % 2 === 0 ? 'live/a' : 'live/b', hours);
  settings = { ...NONE, minFreeBytes: 500, goodFreeBytes: 1200 };
  disk.free = 501;
  const one = retention();
  assert.equal(await one.run(), 0, 'the low mark is not reached');
  disk.free = 450;
  const { remove } = index;
  index.remove = async (file) => {
    // The disk has other users: a removal frees half of what it should.
    disk.free += 50;
    return remove.call(index, file);
  };
  assert.equal(await one.run(), 15);
  assert.equal(disk.free, 1200);
  assert.equal(removed()[0], 'live/a/30-fmp4.mp4 space');
  assert.equal(removed().at(-1), 'live/a/16-fmp4.mp4 space');
});

test('retention: what is played, recorded or waits to be sent is left alone', async () => {
  const played = await add('live/a', 50);
  const recorded = await add('live/a', 40);
  const waiting = await add('live/a', 30);
  await add('live/a', 20);
  index.readers.enter(index.pathOf(played.file));
  index.setOpen({}, () => ({ ...recorded, open: true }));
  needed.add(waiting.file);
  settings = { ...NONE, maxAgeMs: HOUR };
  await retention().run();
  assert.deepEqual(removed(), ['live/a/20-fmp4.mp4 age']);
  settings = { ...NONE, maxBytes: 1 };
  await retention().run();
  assert.deepEqual(removed().slice(1), ['live/a/30-fmp4.mp4 size'], 'space wins over what waits to be sent');
  index.readers.leave(index.pathOf(played.file));
  await retention().run();
  assert.deepEqual(removed().slice(2), ['live/a/50-fmp4.mp4 size']);
});

test('retention: a pass is limited, and only one runs', async () => {
  for (let i = 0; i < 510; i++) await add('live/a', 1000 + i);
  settings = { ...NONE, maxAgeMs: HOUR };
  const one = retention();
  const [first, second] = await Promise.all([one.run(), one.run()]);
  assert.deepEqual([first, second], [500, 0]);
  assert.equal(await one.run(), 10);
});

test('retention: what the disk says about a folder that is there, and one that is not', async () => {
  assert.ok((await freeBytesOf(folder)) > 0);
  assert.equal(await freeBytesOf(join(folder, 'none')), Number.POSITIVE_INFINITY);
});
