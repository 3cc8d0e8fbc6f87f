import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, fullNames, parseRecAddress } from '../../../../src/service/record/record-places.ts';

test('addresses of recordings: what stands behind /rec/', () => {
  const cases: [string, object][] = [
    ['', { kind: 'root' }],
    ['/', { kind: 'root' }],
    ['cam', { kind: 'stream', stream: 'cam' }],
    ['live/cam/', { kind: 'stream', stream: 'live/cam' }],
    ['2026-11-21', { kind: 'stream', stream: '2026-11-21' }],
    ['cam/2026-11-21', { kind: 'day', stream: 'cam', day: '2026-11-21' }],
    ['live/cam/2026-11-21', { kind: 'day', stream: 'live/cam', day: '2026-11-21' }],
    [
      'cam/2026-11-21/12-44-11.m3u8',
      { kind: 'file', stream: 'cam', day: '2026-11-21', name: '12-44-11.m3u8' },
    ],
    ['cam/2026-11-2/x.m3u8', { kind: 'stream', stream: 'cam/2026-11-2/x.m3u8' }],
    ['-/a/b.mp4', { kind: 'exact', path: 'a/b.mp4' }],
    ['-', { kind: 'stream', stream: '-' }],
  ];
  for (const [path, expected] of cases) assert.deepEqual(parseRecAddress(path), expected, path);
});

test('addresses of recordings: a file leads to its address and back', () => {
  assert.equal(addressOf('h/cam/2026-11-21/12-44-11.m3u8'), '/rec/cam/2026-11-21/12-44-11.m3u8');
  assert.equal(addressOf('h/live/a b/2026-11-21/x.2.mp4'), '/rec/live/a%20b/2026-11-21/x.2.mp4');
  assert.equal(addressOf('flat/cam~3a1.ts'), '/rec/-/flat/cam~3a1.ts');
  assert.equal(addressOf('cam/2026-11-21/x.mp4'), '/rec/-/cam/2026-11-21/x.mp4');
});

test('addresses of recordings: a name may be one of the application rec, or have its application', () => {
  assert.deepEqual(fullNames('cam'), ['rec/cam', 'cam']);
  assert.deepEqual(fullNames('live/cam'), ['rec/live/cam', 'live/cam']);
  assert.deepEqual(fullNames('live/a~3ab'), ['rec/live/a~3ab', 'live/a~3ab', 'rec/live/a:b', 'live/a:b']);
});
