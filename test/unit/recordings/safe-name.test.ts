import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readLevel, readPath, safeLevel, safePath } from '../../../src/recordings/safe-name.ts';
import { reasonNotCreatable } from '../../../src/runtime/safe-path.ts';

const HOSTILE = [
  '..',
  '.',
  '.hidden',
  'con',
  'NUL.txt',
  'com1',
  'a/b',
  'a\\b',
  'a:b',
  'a*b?c"d<e>f|g',
  'a\0b',
  'a\nb',
  'trailing.',
  'trailing ',
  ' leading',
  '%2e%2e',
  '%252f',
  '~7e',
  '~',
  '\u202egpj.exe',
  '\uff0e\uff0e',
  'e\u0301',
  '[vhost]',
  'a~~b',
];

test('safe names: whatever a peer calls a stream, the level can be made on every system and read back', () => {
  const seen = new Map<string, string>();
  for (const name of HOSTILE) {
    const level = safeLevel(name);
    assert.equal(reasonNotCreatable(level), '', `${JSON.stringify(name)} -> ${level}`);
    assert.doesNotMatch(level, /[/\\:*?"<>|%]/);
    assert.equal(seen.get(level), undefined, `${name} and ${seen.get(level)} share a folder`);
    seen.set(level, name);
    if (!level.includes('~~')) assert.equal(readLevel(level), name);
  }
});

test('safe names: what every system takes stays as it is', () => {
  for (const name of ['cam', 'Cam-1_2.x', 'Kamera Hof', '摄像机', 'é', 'a&b=c'])
    assert.deepEqual([safeLevel(name), readLevel(name)], [name, name]);
  assert.equal(safePath('live/room 1/cam:2'), 'live/room 1/cam~3a2');
  assert.equal(readPath('live/room 1/cam~3a2'), 'live/room 1/cam:2');
});

test('safe names: long ones are cut and told apart', () => {
  const levels = ['x'.repeat(300), `${'x'.repeat(299)}y`, '摄'.repeat(256), ':'.repeat(256)].map(safeLevel);
  for (const level of levels) {
    assert.ok(Buffer.byteLength(level) <= 160, level);
    assert.equal(reasonNotCreatable(level), '');
    assert.equal(readLevel(level), null);
  }
  assert.equal(new Set(levels).size, levels.length);
});

test('safe names: what we would not write is not read', () => {
  for (const level of ['~41', 'a~2', 'a~zz', 'a:b', '~~0123']) assert.notEqual(readLevel(level), 'A', level);
  assert.equal(readLevel('~41'), null);
});
