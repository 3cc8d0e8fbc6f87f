/** What an address says of the transport. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { transportOf } from '../../../../src/client/rtsp/rtsp-pull.ts';
import { formatRtspUrl, parseRtspUrl } from '../../../../src/wire/rtsp/rtsp-url.ts';

test('rtsp pull: the word for the transport in an address', () => {
  const cases: readonly (readonly [text: string, transport: string | null, url: string])[] = [
    ['rtsp://h/a', null, 'rtsp://h/a'],
    ['rtsp://h/a#tcp', 'tcp', 'rtsp://h/a'],
    ['rtsp://h/a#transport=UDP', 'udp', 'rtsp://h/a'],
    ['rtsp://h/a#backchannel=0', null, 'rtsp://h/a'],
    ['rtsp://h/a?tcp', 'tcp', 'rtsp://h/a'],
    ['rtsp://h/a?x=tcp&multicast&y', 'multicast', 'rtsp://h/a?x=tcp&y'],
    ['rtsp://h/a?udp#tcp', 'tcp', 'rtsp://h/a'],
  ];
  for (const [text, transport, url] of cases) {
    const found = transportOf(parseRtspUrl(text));
    assert.deepEqual([found.transport, formatRtspUrl(found.url)], [transport, url], text);
  }
});
