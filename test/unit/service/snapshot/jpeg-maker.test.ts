import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { findProgram } from '../../../../src/runtime/find-program.ts';
import { JpegMaker } from '../../../../src/service/snapshot/jpeg-maker.ts';
import { PictureCache } from '../../../../src/service/snapshot/picture-cache.ts';
import { FakeClock } from '../../../support/fake-clock.ts';

const SHEBANG = process.platform === 'win32' ? 'no scripts that run by themselves on Windows' : false;

let folder: string;

before(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-maker-'));
});

after(() => rmSync(folder, { recursive: true, force: true }));

function script(name: string, body: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!${process.execPath}\n${body}\n`);
  chmodSync(path, 0o755);
  return path;
}

describe('jpeg maker', { skip: SHEBANG }, () => {
  test('what goes in comes out of the program', async () => {
    const program = script('echo', 'process.stdin.pipe(process.stdout);');
    const maker = new JpegMaker();
    const bytes = Buffer.alloc(300_000, 7);
    assert.ok((await maker.make(program, bytes)).equals(bytes));
    await maker.close();
  });

  test('a program that takes too long is killed', async () => {
    const maker = new JpegMaker(50);
    const program = script('slow', 'setInterval(() => undefined, 1000);');
    await assert.rejects(maker.make(program, Buffer.alloc(1)), /longer than 50 ms/);
    await maker.close();
  });

  test('a program that writes without end is killed', async () => {
    const maker = new JpegMaker(20_000);
    const program = script(
      'flood',
      'const part = Buffer.alloc(65536); const go = () => { while (process.stdout.write(part)); }; process.stdout.on("drain", go); go();',
    );
    await assert.rejects(maker.make(program, Buffer.alloc(1)), /larger than 8388608 bytes/);
    await maker.close();
  });

  test('a program that is not there, and one that writes nothing', async () => {
    const maker = new JpegMaker();
    await assert.rejects(maker.make(join(folder, 'absent'), Buffer.alloc(1)), /ENOENT/);
    await assert.rejects(maker.make(script('silent', ''), Buffer.alloc(1)), /it ended with 0/);
    await maker.close();
  });

  test('two run at once, sixteen wait, more are refused; close ends them all', async () => {
    const maker = new JpegMaker(20_000);
    const program = script('endless', 'setInterval(() => undefined, 1000);');
    const asked = Array.from({ length: 18 }, () =>
      maker.make(program, Buffer.alloc(1)).then(
        () => 'made',
        (error: Error) => error.message,
      ),
    );
    await assert.rejects(maker.make(program, Buffer.alloc(1)), { reason: 'limit' });
    await maker.close();
    const outcomes = await Promise.all(asked);
    assert.equal(outcomes.filter((text) => text === 'The server is shutting down.').length, 16);
  });
});

test('picture cache: one decoding per key frame, and at most one a second', async () => {
  const clock = new FakeClock();
  const cache = new PictureCache(clock);
  const made: string[] = [];
  const get = (mark: string) =>
    cache
      .get('live/cam', mark, async () => {
        made.push(mark);
        if (mark.startsWith('bad')) throw new Error(mark);
        return Buffer.from(mark);
      })
      .then(String, (error: Error) => `failed: ${error.message}`);
  assert.equal(await get('1'), '1');
  assert.equal(await get('1'), '1');
  clock.advanceMs(500);
  assert.equal(await get('2'), '1', 'younger than a second');
  clock.advanceMs(600);
  assert.equal(await get('2'), '2');
  clock.advanceMs(60_000);
  assert.equal(await get('2'), '2', 'still the same key frame');
  assert.equal(await get('bad'), 'failed: bad');
  assert.equal(await get('bad'), 'failed: bad');
  assert.deepEqual(made, ['1', '2', 'bad']);
  clock.advanceMs(1100);
  await get('bad');
  assert.deepEqual(made, ['1', '2', 'bad', 'bad']);
});

test('picture cache: of many streams the last ones are kept', async () => {
  const cache = new PictureCache(new FakeClock());
  let made = 0;
  const get = (stream: string) =>
    cache.get(stream, 'k', async () => {
      made++;
      return Buffer.alloc(1);
    });
  for (let i = 0; i < 33; i++) await get(`live/${i}`);
  await get('live/32');
  assert.equal(made, 33);
  await get('live/0');
  assert.equal(made, 34);
});

test('find program: in PATH by name, beside the executable by path, never in the current folder', {
  skip: SHEBANG,
}, async (t) => {
  const path = script('tool', '');
  const before = process.env['PATH'];
  t.after(() => {
    process.env['PATH'] = before;
  });
  const beside = (name: string) => join(folder, name);
  process.env['PATH'] = `/nowhere::${folder}`;
  assert.equal(await findProgram('tool', beside), path);
  assert.equal(await findProgram('absent', beside), '');
  assert.equal(await findProgram('./tool', beside), path);
  process.env['PATH'] = '';
  assert.equal(await findProgram('tool', beside), '');
});
