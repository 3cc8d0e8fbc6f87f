/** Targets of requests: what is refused, what is shared, and that hostile ones cannot fill the memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HttpTargets } from '../../../src/runtime/http-targets.ts';

test('http targets: split, decoded, and the same object for the same target', () => {
  const targets = new HttpTargets();
  const target = targets.parse('/live/a%20b.m3u8?x=1&y=%2F');
  assert.equal(target?.path, '/live/a b.m3u8');
  assert.equal(target?.rawQuery, 'x=1&y=%2F');
  assert.equal(target?.query.get('y'), '/');
  assert.equal(targets.parse('/live/a%20b.m3u8?x=1&y=%2F'), target);
  assert.notEqual(targets.parse('/live/a%20b.m3u8?x=2'), target);
});

for (const raw of [
  'live',
  '*',
  'http://h/x',
  '/a/../b',
  '/a/%2e%2e/b',
  '/a\\b',
  '/a%00',
  '/%zz',
  '/a%0d%0ab',
  '/./a',
])
  test(`http targets: ${JSON.stringify(raw)} is refused, again and again`, () => {
    const targets = new HttpTargets();
    assert.equal(targets.parse(raw), null);
    assert.equal(targets.parse(raw), null);
  });

test('http targets: only so many are kept, and no long ones', () => {
  const targets = new HttpTargets();
  const first = targets.parse('/first');
  for (let i = 0; i < 1023; i++) targets.parse(`/n${i}`);
  assert.equal(targets.parse('/first'), first);
  targets.parse('/one-more');
  assert.notEqual(targets.parse('/first'), first);
  const long = `/${'x'.repeat(600)}`;
  assert.notEqual(targets.parse(long), targets.parse(long));
});
