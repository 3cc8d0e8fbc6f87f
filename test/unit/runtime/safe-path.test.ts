import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  findTwin,
  reasonNotCreatable,
  reasonNotSafe,
  resolveInside,
  safeLevels,
} from '../../../src/runtime/safe-path.ts';
import { RejectedError } from '../../../src/util/errors.ts';

const isPosix = process.platform !== 'win32';
let base = '';
let root = '';

before(() => {
  base = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-safe-')));
  root = join(base, 'vod');
  mkdirSync(join(root, 'film', 'deep'), { recursive: true });
  mkdirSync(join(base, 'vod-other'));
  writeFileSync(join(base, 'secret.txt'), 'secret');
  writeFileSync(join(base, 'vod-other', 'near.txt'), 'near');
  writeFileSync(join(root, 'a.mp4'), 'abc');
  writeFileSync(join(root, '.hidden'), 'h');
  writeFileSync(join(root, 'caf\u00e9.mp4'), 'nfc');
  writeFileSync(join(root, '\u5f55\u50cf \u{1f3ac} 100%.mp4'), 'zh');
  if (!isPosix) return;
  symlinkSync(join(base, 'secret.txt'), join(root, 'out.txt'));
  symlinkSync(base, join(root, 'up'));
  symlinkSync(join(base, 'vod-other'), join(root, 'sibling'));
  symlinkSync('a.mp4', join(root, 'in.mp4'));
  symlinkSync('loop', join(root, 'loop'));
  symlinkSync('/dev/zero', join(root, 'zero'));
  symlinkSync('nowhere', join(root, 'broken'));
});

after(() => rmSync(base, { recursive: true, force: true }));

async function reasonOf(relative: string): Promise<string> {
  try {
    await resolveInside(root, relative);
    return 'found';
  } catch (error) {
    assert.ok(error instanceof RejectedError, String(error));
    return error.reason;
  }
}

test('safe path: what is there is found, by its real path', async () => {
  for (const path of ['/a.mp4', 'a.mp4', '/a.mp4/']) {
    const place = await resolveInside(root, path);
    assert.deepEqual(
      { path: place.path, name: place.name, size: place.sizeBytes, isFolder: place.isFolder },
      { path: join(root, 'a.mp4'), name: 'a.mp4', size: 3, isFolder: false },
      path,
    );
  }
  const film = await resolveInside(root, '/film/deep/');
  assert.equal(film.isFolder, true);
  assert.equal(film.name, 'deep');
  const whole = await resolveInside(root, '/');
  assert.equal(whole.path, root);
  assert.equal((await resolveInside(root, '/\u5f55\u50cf \u{1f3ac} 100%.mp4')).sizeBytes, 2);
});

test('safe path: a link inside leads to the file that it means', { skip: !isPosix }, async () => {
  const place = await resolveInside(root, 'in.mp4');
  assert.equal(place.path, join(root, 'a.mp4'));
  assert.equal(place.name, 'in.mp4');
});

test('safe path: tricks', async () => {
  const tricks: readonly (readonly [string, string])[] = [
    ['../secret.txt', 'bad-request'],
    ['film/../../secret.txt', 'bad-request'],
    ['./a.mp4', 'bad-request'],
    ['film//a.mp4', 'bad-request'],
    ['film\\..\\a.mp4', 'bad-request'],
    ['..\\secret.txt', 'bad-request'],
    ['.hidden', 'bad-request'],
    ['a.mp4\0.txt', 'bad-request'],
    ['a.mp4\n', 'bad-request'],
    ['%2e%2e/secret.txt', 'bad-request'],
    ['%2E%2E%2Fsecret.txt', 'bad-request'],
    ['%5csecret.txt', 'bad-request'],
    ['a.mp4%00', 'bad-request'],
    ['%c0%ae%c0%ae/secret.txt', 'bad-request'],
    ['%e0%80%ae%e0%80%ae/secret.txt', 'bad-request'],
    ['%u002e%u002e/secret.txt', 'bad-request'],
    ['\uff0e\uff0e/secret.txt', 'bad-request'],
    ['\u2025/secret.txt', 'bad-request'],
    ['\u2024\u2024/secret.txt', 'bad-request'],
    ['\u2026', 'bad-request'],
    ['..\uff0fsecret.txt', 'bad-request'],
    ['x\uff0f..\uff0f..\uff0fsecret.txt', 'bad-request'],
    ['..\uff3csecret.txt', 'bad-request'],
    ['a\u202e4pm.exe', 'bad-request'],
    ['\ufeffa.mp4', 'bad-request'],
    ['a\ud800.mp4', 'bad-request'],
    ['CON', 'bad-request'],
    ['con.mp4', 'bad-request'],
    ['film/NUL.txt', 'bad-request'],
    ['COM1', 'bad-request'],
    ['lpt\u00b9.log', 'bad-request'],
    ['CONIN$', 'bad-request'],
    ['a.mp4:stream', 'bad-request'],
    ['a.mp4::$DATA', 'bad-request'],
    ['C:/windows', 'bad-request'],
    ['a.mp4.', 'bad-request'],
    ['a.mp4 ', 'bad-request'],
    ['x'.repeat(256), 'bad-request'],
    [Array.from({ length: 40 }, () => 'd').join('/'), 'bad-request'],
    ['nothing.mp4', 'not-found'],
    ['a.mp4/below', 'not-found'],
    // The other Unicode form of a name is another name, unless the file system says otherwise.
    ...(process.platform === 'linux' ? [['cafe\u0301.mp4', 'not-found'] as const] : []),
    ['caf\u00e9.mp4', 'found'],
  ];
  for (const [path, expected] of tricks) assert.equal(await reasonOf(path), expected, JSON.stringify(path));
});

test('safe path: links that lead out, and what is no file', { skip: !isPosix }, async () => {
  for (const path of ['out.txt', 'up', 'up/secret.txt', 'sibling/near.txt', 'zero', 'loop'])
    assert.equal(await reasonOf(path), 'denied', path);
  assert.equal(await reasonOf('broken'), 'not-found');
  execFileSync('mkfifo', [join(root, 'pipe.mp4')]);
  assert.equal(await reasonOf('pipe.mp4'), 'denied');
  const server = createServer();
  await new Promise<void>((done) => server.listen(join(root, 'socket.mp4'), done));
  assert.equal(await reasonOf('socket.mp4'), 'denied');
  await new Promise((done) => server.close(done));
});

test('safe path: names that people use are let through', () => {
  const names = [
    'a.mp4',
    'My film (1999) [1080p].mkv',
    '50% off.mp4',
    'console.log',
    'com10.ts',
    'nullify.mp4',
    'AC\uff0fDC.mp4',
    '12\uff1a30.mp4',
    'Wait\u2026.mp4',
    '\u65e5\u672c\u8a9e.flv',
    '\u{1f468}\u200d\u{1f469}\u200d\u{1f467}.mp4',
    'what?.mp4',
    'a%20b.mp4',
  ];
  for (const name of names) assert.equal(reasonNotSafe(name), '', name);
});

test('safe path: names that are made must fit every system', () => {
  for (const name of ['what?.mp4', 'a|b.mp4', '"a".mp4', ' a.mp4', 'cafe\u0301.mp4', '../a', 'a/b', 'NUL'])
    assert.notEqual(reasonNotCreatable(name), '', name);
  for (const name of ['a.mp4', 'caf\u00e9.mp4', '\u65e5\u672c\u8a9e.flv'])
    assert.equal(reasonNotCreatable(name), '');
});

test('safe path: twins of a name', async () => {
  const folder = join(base, 'twins');
  mkdirSync(folder);
  writeFileSync(join(folder, 'Caf\u00e9.mp4'), '');
  assert.equal(await findTwin(folder, 'Caf\u00e9.mp4'), 'Caf\u00e9.mp4');
  assert.equal(
    await findTwin(folder, 'CAFE\u0301.MP4'),
    process.platform === 'darwin' ? 'CAFE\u0301.MP4' : 'Caf\u00e9.mp4',
  );
  assert.equal(await findTwin(folder, 'cafe.mp4'), null);
});

test('safe path: levels', () => {
  assert.deepEqual(safeLevels('/a/b.mp4/'), ['a', 'b.mp4']);
  assert.deepEqual(safeLevels('/'), []);
  assert.throws(() => safeLevels('/a/../b'), RejectedError);
});
