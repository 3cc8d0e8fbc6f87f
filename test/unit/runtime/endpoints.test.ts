import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionLimits } from '../../../src/runtime/connection-limits.ts';
import { type Endpoint, EndpointList } from '../../../src/runtime/endpoints.ts';
import { splitStreamPath } from '../../../src/runtime/stream-path.ts';

const RTMP: Endpoint = {
  type: 'rtmp',
  direction: 'both',
  scheme: 'rtmp',
  port: 1935,
  defaultPort: 1935,
  suffix: '',
  publicAddress: '',
};

test('endpoints: a usual port is left out, another is written, IPv6 stands in brackets', () => {
  const list = new EndpointList();
  assert.equal(list.base(RTMP, '10.0.0.1'), 'rtmp://10.0.0.1');
  assert.equal(list.base({ ...RTMP, port: 1999 }, '10.0.0.1'), 'rtmp://10.0.0.1:1999');
  assert.equal(list.base(RTMP, 'fd00::2'), 'rtmp://[fd00::2]');
});

test('endpoints: the nat address is what people are told', () => {
  const list = new EndpointList();
  assert.equal(
    list.base({ ...RTMP, publicAddress: 'media.example:9' }, '10.0.0.1'),
    'rtmp://media.example:9',
  );
});

test('endpoints: URLs of a stream hold no character that breaks them', () => {
  const list = new EndpointList();
  list.add(RTMP);
  list.add({
    ...RTMP,
    type: 'http-flv',
    direction: 'play',
    scheme: 'http',
    port: 8080,
    defaultPort: 80,
    suffix: '.flv',
  });
  list.add({ ...RTMP, type: 'in', direction: 'publish' });
  list.add({ ...RTMP, type: 'srt', scheme: 'srt', port: 9000, defaultPort: 0, prefix: '?streamid=read:' });
  assert.deepEqual(list.playUrls('h', 'live/a b', '摄 像?'), [
    { type: 'rtmp', url: 'rtmp://h/live/a%20b/%E6%91%84%20%E5%83%8F%3F' },
    { type: 'http-flv', url: 'http://h:8080/live/a%20b/%E6%91%84%20%E5%83%8F%3F.flv' },
    { type: 'srt', url: 'srt://h:9000?streamid=read:live/a%20b/%E6%91%84%20%E5%83%8F%3F' },
  ]);
});

test('connection limits: total and per address, and every leave counts', () => {
  const limits = new ConnectionLimits(3, 2);
  assert.equal(limits.enter('a'), '');
  assert.equal(limits.enter('a'), '');
  assert.match(limits.enter('a'), /a has 2 connections/);
  assert.equal(limits.enter('b'), '');
  assert.match(limits.enter('c'), /The server has 3 connections/);
  limits.leave('a');
  assert.equal(limits.enter('a'), '');
  limits.leave('nobody');
  assert.equal(limits.open, 3);
  assert.equal(limits.refused, 2);
});

test('stream path: application and stream of an HTTP address', () => {
  assert.deepEqual(splitStreamPath('/live/cam.flv', '.flv'), { app: 'live', stream: 'cam' });
  assert.deepEqual(splitStreamPath('/live/room/cam.flv', '.flv'), { app: 'live/room', stream: 'cam' });
  for (const path of ['/cam.flv', '/.flv', '/live/.flv'])
    assert.throws(() => splitStreamPath(path, '.flv'), /\/application\/stream\.flv/);
});
