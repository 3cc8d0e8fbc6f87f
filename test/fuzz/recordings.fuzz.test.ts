/** Index lines, lists, names and torn files: random, cut and flipped. Nothing throws, hangs or leads out. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { listSegment, parseList } from '../../src/recordings/list-file.ts';
import { parseLine, serializeLine } from '../../src/recordings/recording-entry.ts';
import { repairTail } from '../../src/recordings/repair-file.ts';
import { readLevel, readPath, safeLevel, safePath } from '../../src/recordings/safe-name.ts';
import { reasonNotCreatable, safeLevels } from '../../src/runtime/safe-path.ts';
import { NameReader, renderPath } from '../../src/service/record/file-naming.ts';
import { parseRecAddress } from '../../src/service/record/record-places.ts';

const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 1);

function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor(((state >>> 8) / 0x100_0000) * below);
  };
}

function forAWhile(run: (random: (below: number) => number) => void): void {
  const end = Date.now() + SECONDS * 1000;
  for (let seed = 1; Date.now() < end; seed++) run(randomFrom(seed));
}

const LETTERS = [
  'a',
  'Z',
  '0',
  '-',
  '_',
  '.',
  '..',
  '/',
  '\\',
  '~',
  '%',
  '%2f',
  ':',
  '*',
  ' ',
  '\0',
  '\n',
  'é',
  '摄',
  '\u202e',
  '\ud83d\ude00',
  '\ud800',
  '[2006]',
  'con',
  '\uff0e',
  '"',
  '{',
  '}',
  ',',
];

function text(random: (below: number) => number, longest = 40): string {
  let made = '';
  for (let left = random(longest); left > 0; left--) made += LETTERS[random(LETTERS.length)]!;
  return made;
}

function damaged(good: string, random: (below: number) => number): string {
  const at = random(good.length);
  return good.slice(0, at) + text(random, 4) + good.slice(at + random(4));
}

test('fuzz: names of peers make levels that every system takes, and are read back', () => {
  forAWhile((random) => {
    const name = text(random, random(10) === 0 ? 300 : 30);
    if (name === '') return;
    const level = safeLevel(name);
    assert.equal(reasonNotCreatable(level), '', JSON.stringify(name));
    const back = readLevel(level);
    const isWhole = name === Buffer.from(name, 'utf8').toString('utf8');
    if (back !== null && isWhole) assert.equal(back, name);
    readPath(text(random));
    const path = renderPath('[vhost]/[app]/x[stream]-%path/[seq]', {
      vhost: name,
      app: text(random) || 'a',
      stream: text(random) || 's',
      seq: 1,
      startMs: random(2_000_000_000) * 1000,
      durationMs: 0,
    });
    const levels = path.split('/').filter((one) => one !== '');
    assert.deepEqual(safeLevels(levels.join('/')), levels, path);
    assert.equal(safePath(text(random)).split('/').includes('..'), false);
  });
});

test('fuzz: lines of the index', () => {
  const good = serializeLine({
    kind: 'file',
    file: {
      file: 'h/live/cam/2026-11-21/10-00-00.m3u8',
      stream: 'live/cam',
      recording: 'hls',
      format: 'hls',
      startMs: 1,
      endMs: 2,
      bytes: 3,
      tracks: [
        {
          kind: 'video',
          codec: 'h264',
          mime: '',
          width: 1,
          height: 1,
          sampleRate: 0,
          channels: 0,
          language: '',
        },
      ],
      parts: [{ file: 'h/a.ts', offset: 0, bytes: 1, startMs: 1, durationMs: 1, discontinuity: false }],
      keys: [{ offset: 0, atMs: 0 }],
      open: false,
    },
  });
  forAWhile((random) => {
    const line = parseLine(random(4) === 0 ? text(random, 200) : damaged(good, random), 'live/cam');
    if (line?.kind !== 'file') return;
    for (const name of [line.file.file, ...line.file.parts.map((part) => part.file)])
      assert.equal(
        name.split('/').some((level) => level === '..' || level === ''),
        false,
        name,
      );
    assert.ok(Number.isFinite(line.file.bytes) && Number.isFinite(line.file.startMs));
  });
});

test('fuzz: lists', () => {
  const good = [1, 2, 3]
    .map((n) =>
      listSegment({ uri: `a-${n}.ts`, startMs: n * 1000, durationMs: 1000, discontinuity: n === 2 }),
    )
    .join('');
  let found = 0;
  forAWhile((random) => {
    const { segments } = parseList(random(4) === 0 ? text(random, 200) : damaged(good, random));
    for (const segment of segments) assert.ok(segment.durationMs > 0);
    found += segments.length;
  });
  assert.ok(found > 100, `${found} segments`);
});

test('fuzz: addresses and templates', () => {
  const reader = new NameReader('[vhost]/[app]/[stream]/[2006]-[01]-[02]/[15]-[04]-[05]', '');
  let read = 0;
  forAWhile((random) => {
    const address = parseRecAddress(text(random, 60));
    if (address.kind === 'day' || address.kind === 'file') assert.match(address.day, /^\d{4}-\d{2}-\d{2}$/);
    const found = reader.read(
      random(2) === 0 ? text(random, 80) : damaged('h/live/cam/2026-11-21/10-00-00', random),
    );
    if (found === null) return;
    assert.ok(!`/${found.app}/${found.stream}/`.includes('/../'), found.stream);
    read++;
  });
  assert.ok(read > 100, `${read} names`);
});

test('fuzz: torn MP4 files', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-fuzz-'));
  const path = join(folder, 'a.mp4');
  try {
    const end = Date.now() + SECONDS * 1000;
    for (let seed = 1; Date.now() < end; seed++) {
      const random = randomFrom(seed);
      const bytes = Buffer.alloc(random(400));
      for (let at = 0; at + 8 <= bytes.length; at += 8 + random(40)) {
        bytes.writeUInt32BE(random(3) === 0 ? random(0xffff_ffff) : random(60), at);
        bytes.write(['moof', 'mdat', 'moov', 'prft'][random(4)]!, at + 4);
      }
      writeFileSync(path, bytes);
      const size = await repairTail(path, bytes.length);
      assert.deepEqual(readFileSync(path), bytes.subarray(0, size));
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});
