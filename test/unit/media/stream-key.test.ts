import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeStreamKey, splitStreamText, streamKeyOf } from '../../../src/media/stream-key.ts';

test('a name is split at its last slash', () => {
  assert.deepEqual(splitStreamText('live/cam'), { app: 'live', name: 'cam' });
  assert.deepEqual(splitStreamText('cam/yard/north'), { app: 'cam/yard', name: 'north' });
  assert.deepEqual(splitStreamText('cam'), { app: '', name: 'cam' });
  assert.deepEqual(splitStreamText('/cam'), { app: '', name: 'cam' });
  assert.deepEqual(splitStreamText('live/'), { app: 'live', name: '' });
  assert.deepEqual(splitStreamText(''), { app: '', name: '' });
});

test('the key of a text is that of its parts', () => {
  assert.deepEqual(streamKeyOf('cam/yard/north'), makeStreamKey('cam/yard', 'north'));
  assert.deepEqual(streamKeyOf('live/room/cam'), makeStreamKey('live', 'room/cam'));
  for (const text of ['', 'cam', '/cam', 'live/', 'live//cam', 'live/../cam', 'live/<cam'])
    assert.throws(() => streamKeyOf(text), { reason: 'bad-request' }, text);
});
