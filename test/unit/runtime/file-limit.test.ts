import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectionRoom } from '../../../src/runtime/file-limit.ts';

test('file limit: enough files leave the configured number alone', () => {
  assert.deepEqual(connectionRoom(20_000, 65_535), { connections: 20_000, warning: '' });
  assert.deepEqual(connectionRoom(20_000, null), { connections: 20_000, warning: '' });
});

test('file limit: too few files bound the connections, and a small number is said with the cure', () => {
  assert.deepEqual(connectionRoom(20_000, 20_000), { connections: 19_872, warning: '' });
  const { connections, warning } = connectionRoom(20_000, 1024);
  assert.equal(connections, 896);
  assert.match(warning, /1024 open files.*896 connections.*ulimit -n 65535/);
});
