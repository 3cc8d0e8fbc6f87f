import assert from 'node:assert/strict';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { rebuildIndex } from '../../../src/recordings/index-rebuild.ts';
import {
  addKey,
  dayOf,
  type RecordedFile,
  type RecordedKey,
} from '../../../src/recordings/recording-entry.ts';
import { RecordingIndex } from '../../../src/recordings/recording-index.ts';
import { repairTail } from '../../../src/recordings/repair-file.ts';
import { FileReaders } from '../../../src/runtime/file-response.ts';
import { readFileName } from '../../../src/service/record/file-naming.ts';

let folder: string;
let index: RecordingIndex;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-index-'));
  index = new RecordingIndex(folder, new FileReaders());
});

afterEach(() => rmSync(folder, { recursive: true }));

const at = (day: number, hour: number, minute = 0) => new Date(2026, 10, day, hour, minute).getTime();

function entry(file: string, startMs: number, over: Partial<RecordedFile> = {}): RecordedFile {
  return {
    file,
    stream: 'live/cam',
    recording: 'fmp4',
    format: 'fmp4',
    startMs,
    endMs: startMs + 60_000,
    bytes: 1000,
    tracks: [],
    parts: [],
    keys: [],
    open: false,
    ...over,
  };
}

function put(name: string, text = 'media'): void {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

async function again(): Promise<RecordingIndex> {
  const next = new RecordingIndex(folder, new FileReaders());
  await next.load();
  return next;
}

const namesIn = async (one: RecordingIndex, stream: string, from = 0, to = Number.MAX_SAFE_INTEGER) =>
  (await one.files(stream, from, to)).files.map((file) => file.file);

test('recording index: what was added is there after a restart, by stream and time', async () => {
  const parts = [
    { file: 'c-0.ts', offset: 0, bytes: 500, startMs: at(20, 12), durationMs: 6000, discontinuity: true },
  ];
  const tracks = [
    {
      kind: 'video',
      codec: 'h264',
      mime: 'avc1.42c00c',
      width: 320,
      height: 180,
      sampleRate: 0,
      channels: 0,
      language: '',
    },
  ];
  const keys = [
    { offset: 0, atMs: 0 },
    { offset: 700, atMs: 2000 },
  ];
  const full = entry('c', at(20, 12), { parts, tracks, keys, format: 'hls' });
  await index.add(full);
  await index.add(entry('b', at(20, 10)));
  await index.add(entry('d', at(21, 9)));
  await index.add(entry('other', at(21, 9), { stream: 'rec/a:b' }));
  await index.addGap({
    stream: 'live/cam',
    recording: 'fmp4',
    startMs: at(20, 11),
    endMs: at(20, 11, 5),
    cause: 'the disk is full',
  });
  for (const one of [index, await again()]) {
    assert.deepEqual(await namesIn(one, 'live/cam'), ['b', 'c', 'd']);
    assert.deepEqual(await namesIn(one, 'live/cam', at(20, 10, 1), at(20, 12)), ['b']);
    assert.deepEqual(await namesIn(one, 'live/cam', at(20, 10) + 30_000, at(20, 12) + 1), ['b', 'c']);
    assert.deepEqual(await namesIn(one, 'rec/a:b'), ['other']);
    assert.deepEqual(await namesIn(one, 'live/none'), []);
    const { total, files } = await one.files('live/cam', 0, Number.MAX_SAFE_INTEGER, 1, 1);
    assert.deepEqual([total, files], [3, [full]]);
    const [gap, ...more] = await one.gaps('live/cam', at(20, 0), at(20, 23));
    assert.deepEqual([gap!.cause, gap!.endMs, more], ['the disk is full', at(20, 11, 5), []]);
    assert.deepEqual(await one.gaps('live/cam', at(20, 12), at(20, 23)), []);
    const [cam] = one.streams();
    const { stream, days, files: count, bytes, firstMs, lastMs } = cam!;
    assert.deepEqual(
      [stream, days, count, bytes, firstMs, lastMs],
      ['live/cam', 2, 3, 3000, at(20, 10), at(21, 9, 1)],
    );
    assert.equal(one.totalBytes(), 4000);
  }
});

test('recording index: one append-only file per stream and day', async () => {
  await index.add(entry('a', at(20, 23, 59)));
  const path = join(folder, '.index', 'live~2fcam', `${dayOf(at(20, 23, 59))}.jsonl`);
  const before = readFileSync(path);
  await index.add(entry('b', at(20, 1)));
  assert.deepEqual(readFileSync(path).subarray(0, before.length), before);
  await index.add(entry('c', at(21, 0)));
  assert.deepEqual(readdirSync(dirname(path)), ['2026-11-20.jsonl', '2026-11-21.jsonl']);
});

test('recording index: damaged lines are skipped, and a torn one does not swallow the next', async () => {
  await index.add(entry('a', at(20, 1)));
  const path = join(folder, '.index', 'live~2fcam', '2026-11-20.jsonl');
  appendFileSync(path, '{"k":"file","file":"torn');
  const second = await again();
  await second.add(entry('b', at(20, 2)));
  appendFileSync(
    path,
    [
      'null',
      '7',
      '{"k":"file"}',
      '{"k":"file","file":"../x","format":"ts","start":1,"end":2,"bytes":3}',
      '\0',
      '',
    ].join('\n'),
  );
  assert.deepEqual(await namesIn(await again(), 'live/cam'), ['a', 'b']);
});

test('recording index: an entry that is added again replaces the one before', async () => {
  await index.add(entry('a', at(20, 1)));
  await index.add(entry('a', at(20, 1), { bytes: 5000, endMs: at(20, 3) }));
  for (const one of [index, await again()]) {
    const { files } = await one.files('live/cam', 0, Number.MAX_SAFE_INTEGER);
    assert.deepEqual([files.length, files[0]!.bytes, one.totalBytes()], [1, 5000, 5000]);
  }
});

test('recording index: removing takes file, parts, entry and empty folders', async () => {
  const parts = ['x/cam/2026-11-20/a-0.ts', 'x/cam/2026-11-20/a-1.ts'].map((file) => ({
    file,
    offset: 0,
    bytes: 1,
    startMs: 0,
    durationMs: 1,
    discontinuity: false,
  }));
  const list = entry('x/cam/2026-11-20/a.m3u8', at(20, 1), { parts, format: 'hls' });
  for (const name of [list.file, ...parts.map((part) => part.file)]) put(name);
  put('x/cam/2026-11-21/b.mp4');
  await index.add(list);
  await index.add(entry('x/cam/2026-11-21/b.mp4', at(21, 1)));
  assert.equal(await index.remove(list), '');
  assert.equal(existsSync(join(folder, 'x/cam/2026-11-20')), false);
  assert.equal(existsSync(join(folder, 'x/cam/2026-11-21/b.mp4')), true);
  assert.equal(existsSync(join(folder, '.index/live~2fcam/2026-11-20.jsonl')), false);
  assert.deepEqual(await namesIn(await again(), 'live/cam'), ['x/cam/2026-11-21/b.mp4']);
});

test('recording index: what is played or recorded is not removed', async () => {
  put('a.mp4');
  const file = entry('a.mp4', at(20, 1));
  await index.add(file);
  index.readers.enter(index.pathOf('a.mp4'));
  assert.match(await index.remove(file), /played/);
  index.readers.leave(index.pathOf('a.mp4'));
  const owner = {};
  index.setOpen(owner, () => ({ ...file, open: true }));
  assert.match(await index.remove(file), /recorded/);
  index.clearOpen(owner);
  assert.equal(existsSync(join(folder, 'a.mp4')), true);
  assert.equal(await index.remove(file), '');
  assert.equal(existsSync(join(folder, 'a.mp4')), false);
});

test('recording index: what is open is listed', async () => {
  index.setOpen({}, () => entry('now.mp4', at(21, 10), { open: true }));
  index.setOpen({}, () => null);
  assert.deepEqual(await namesIn(index, 'live/cam'), ['now.mp4']);
  assert.equal((await index.find('live/cam', 'now.mp4'))?.open, true);
  assert.deepEqual(
    index.streams().map((one) => one.stream),
    ['live/cam'],
  );
});

test('recording index: a long stream name is found again', async () => {
  const stream = `live/${'長'.repeat(200)}`;
  await index.add(entry('a', at(20, 1), { stream }));
  assert.deepEqual(await namesIn(await again(), stream), ['a']);
  assert.equal((await again()).streams()[0]!.stream, stream);
});

test('recording index: very many key frames are thinned out', () => {
  const keys: RecordedKey[] = [];
  for (let i = 0; i < 20_000; i++) addKey(keys, { offset: i * 10, atMs: i });
  assert.ok(keys.length <= 2000 && keys.length > 500, String(keys.length));
  assert.equal(keys[0]!.offset, 0);
  assert.ok(keys.every((key, i) => i === 0 || key.atMs > keys[i - 1]!.atMs));
});

const readName = (path: string) => {
  const read = readFileName(path, ['flat/[app]-[stream]-%s'], (app) => app === 'live');
  return read === null ? null : { stream: `${read.app}/${read.stream}`, startMs: read.startMs };
};
const LATER = Date.now() + 3_600_000;

test('index rebuild: a lost index is made again from names and sizes', async () => {
  put(
    'h/cam/2026-11-20/10-00-00.m3u8',
    '#EXTM3U\n#EXT-X-PROGRAM-DATE-TIME:2026-11-20T10:00:00.500Z\n#EXTINF:6.000,\n10-00-00-0.ts\n',
  );
  put('h/cam/2026-11-20/10-00-00-0.ts', 'x'.repeat(100));
  put('h/cam/2026-11-20/10-00-00-1.ts', 'x'.repeat(50));
  put('h/live/cam/2026-11-20/11-00-00.mp4', 'x'.repeat(300));
  put('h/live/room/a~3ab/2026-11-20/11-00-00.2.flv', 'x'.repeat(7));
  put('flat/live-cam-1795000000.ts', 'x');
  put('stray.mp4');
  put('h/live/cam/2026-11-20/notes.txt');
  put('h/live/cam/2026-11-20/12-00-00.mp4', '');
  assert.deepEqual(await rebuildIndex(index, readName, LATER), { added: 4, removed: 0, unknown: 1 });
  for (const one of [index, await again()]) {
    assert.deepEqual(
      one.streams().map((found) => found.stream),
      ['live/cam', 'live/room/a:b', 'rec/cam'],
    );
    const [list] = (await one.files('rec/cam', 0, Number.MAX_SAFE_INTEGER)).files;
    assert.equal(list!.startMs, Date.parse('2026-11-20T10:00:00.500Z'));
    assert.deepEqual(
      list!.parts.map((part) => [part.file.slice(-13), part.bytes]),
      [
        ['10-00-00-0.ts', 100],
        ['10-00-00-1.ts', 50],
      ],
    );
    const { files } = await one.files('live/cam', 0, Number.MAX_SAFE_INTEGER);
    assert.deepEqual(
      files.map((file) => [file.file, file.startMs, file.bytes]),
      [
        ['flat/live-cam-1795000000.ts', 1_795_000_000_000, 1],
        ['h/live/cam/2026-11-20/11-00-00.mp4', at(20, 11), 300],
      ].sort((a, b) => Number(a[1]) - Number(b[1])),
    );
  }
  // A list that was left open is ended, so that players do not wait for more.
  assert.match(
    readFileSync(join(folder, 'h/cam/2026-11-20/10-00-00.m3u8'), 'utf8'),
    /10-00-00-1\.ts\n#EXT-X-ENDLIST\n$/,
  );
  assert.deepEqual(await rebuildIndex(index, readName, LATER), { added: 0, removed: 0, unknown: 1 });
});

test('index rebuild: entries of files that are gone are taken out, what is new or open is left alone', async () => {
  await index.add(entry('h/live/cam/2026-11-20/gone.mp4', at(20, 1)));
  put('h/live/cam/2026-11-20/11-00-00.mp4');
  put('h/live/cam/2026-11-20/12-00-00.mp4');
  index.setOpen({}, () => entry('h/live/cam/2026-11-20/11-00-00.mp4', at(20, 11), { open: true }));
  assert.deepEqual(await rebuildIndex(index, readName, 1000), { added: 0, removed: 1, unknown: 0 });
  assert.deepEqual(await rebuildIndex(index, readName, LATER), { added: 1, removed: 0, unknown: 0 });
  assert.deepEqual(
    (await index.filesOfDay('live/cam', '2026-11-20')).map((file) => file.file),
    ['h/live/cam/2026-11-20/12-00-00.mp4'],
  );
});

test('repair: an fMP4 file that was cut anywhere ends with its last whole fragment', async () => {
  const box = (type: string, bytes: number) => {
    const made = Buffer.alloc(bytes, 1);
    made.writeUInt32BE(bytes, 0);
    made.write(type, 4, 'latin1');
    return made;
  };
  const head = Buffer.concat([box('ftyp', 24), box('moov', 100)]);
  const fragment = Buffer.concat([box('moof', 60), box('mdat', 90)]);
  const file = Buffer.concat([head, box('prft', 32), fragment, fragment]);
  const path = join(folder, 'a.mp4');
  for (let cut = 124; cut <= file.length; cut++) {
    writeFileSync(path, file.subarray(0, cut));
    const whole = cut === file.length ? cut : cut >= 306 ? 306 : 124;
    assert.equal(await repairTail(path, cut), whole, `cut at ${cut}`);
    assert.deepEqual(readFileSync(path), file.subarray(0, whole));
  }
  for (const other of [Buffer.alloc(50), Buffer.from('FLV'), file.subarray(0, 10)]) {
    writeFileSync(path, other);
    assert.equal(await repairTail(path, other.length), other.length);
  }
});
