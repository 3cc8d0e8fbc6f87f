/** Whatever an address holds, it leads to what lies in the folder or is refused; ranges stay in their file. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { answerConditions } from '../../src/runtime/http-conditions.ts';
import { reasonNotCreatable, reasonNotSafe, resolveInside } from '../../src/runtime/safe-path.ts';
import { RejectedError } from '../../src/util/errors.ts';

const TIME_MS = Number(process.env['FUZZ_SECONDS'] ?? 1) * 1000;
const PIECES = [
  '..',
  '.',
  '/',
  '//',
  '\\',
  'a.mp4',
  'dir',
  'out',
  'up',
  'secret',
  '%2e',
  '%2f',
  '%252e',
  '%00',
  '\0',
  '\u2025',
  '\uff0e',
  '\uff0f',
  '\u2215',
  '\u0301',
  ' ',
  ':',
  '~',
  'CON',
  '\ud800',
  '\u202e',
  'C:',
  '\\\\?\\',
  '%c0%ae',
  'x',
];
const fragment = fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 5, unit: 'binary' }));
const path = fc.array(fragment, { maxLength: 10 }).map((parts) => parts.join(''));

test('fuzz: no address leads out of its folder', async () => {
  const base = realpathSync(mkdtempSync(join(tmpdir(), 'sluice-fuzz-')));
  const root = join(base, 'vod');
  mkdirSync(join(root, 'dir'), { recursive: true });
  writeFileSync(join(root, 'a.mp4'), '');
  writeFileSync(join(base, 'secret'), '');
  if (process.platform !== 'win32') {
    symlinkSync(join(base, 'secret'), join(root, 'out'));
    symlinkSync('..', join(root, 'up'));
  }
  const property = fc.asyncProperty(path, async (relative) => {
    try {
      const place = await resolveInside(root, relative);
      assert.ok(place.path === root || place.path.startsWith(root + sep), place.path);
    } catch (error) {
      assert.ok(error instanceof RejectedError, `${JSON.stringify(relative)}: ${error}`);
    }
  });
  await fc.assert(property, {
    interruptAfterTimeLimit: TIME_MS,
    numRuns: 1_000_000,
    markInterruptAsFailure: false,
  });
  rmSync(base, { recursive: true, force: true });
});

test('fuzz: what may be made may also be asked for', () => {
  const property = fc.property(path, (name) => {
    if (reasonNotCreatable(name) === '') assert.equal(reasonNotSafe(name), '');
  });
  fc.assert(property, {
    interruptAfterTimeLimit: TIME_MS,
    numRuns: 1_000_000,
    markInterruptAsFailure: false,
  });
});

test('fuzz: ranges stay in their file', () => {
  const number = fc.oneof(fc.nat(2000).map(String), fc.constantFrom('', '-1', '99999999999999999999', 'x'));
  const range = fc.tuple(number, number).map(([first, last]) => `bytes=${first}-${last}`);
  const property = fc.property(fc.oneof(range, fc.string()), fc.nat(1500), (text, sizeBytes) => {
    const one = { sizeBytes, etag: '"a"', modifiedMs: 0 };
    const { status, start, end } = answerConditions('GET', { range: text }, one);
    assert.ok(start >= 0 && start <= end && end <= sizeBytes);
    if (status === 206) assert.ok(end > start);
    if (status === 200) assert.deepEqual([start, end], [0, sizeBytes]);
  });
  fc.assert(property, {
    interruptAfterTimeLimit: TIME_MS,
    numRuns: 1_000_000,
    markInterruptAsFailure: false,
  });
});
