/** Texts of <forward>: which target they name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeStreamKey } from '../../../../src/media/stream-key.ts';
import { parseForward } from '../../../../src/service/relay/forward-config.ts';
import { resolveTarget } from '../../../../src/service/relay/forward-target.ts';

const CASES: readonly (readonly [
  target: string,
  rewrite: string,
  connect: string,
  url: string,
  shown: string,
])[] = [
  ['10.0.0.1', '', 'rtmp 10.0.0.1 1935', 'rtmp://pub.example/live/cam', 'rtmp://pub.example/live/cam'],
  [
    '10.0.0.1',
    'rtmps://b.example/app',
    'rtmps 10.0.0.1 1935',
    'rtmps://b.example/app',
    'rtmps://b.example/app',
  ],
  ['10.0.0.1', 'rtsp://b.example/app', 'rtsp 10.0.0.1 554', 'rtsp://b.example/app', 'rtsp://b.example/app'],
  ['[::1]:8554', 'rtsps://b.example/app', 'rtsps ::1 8554', 'rtsps://b.example/app', 'rtsps://b.example/app'],
  [
    'rtmps://b.example/app/s',
    '',
    'rtmps b.example 443',
    'rtmps://b.example/app/s',
    'rtmps://b.example/app/s',
  ],
  ['rtsp://b.example/cam?k=v', '', 'rtsp b.example 554', 'rtsp://b.example/cam?k=v', 'rtsp://b.example/cam'],
  [
    'rtsps://b.example',
    '',
    'rtsps b.example 322',
    'rtsps://pub.example/live/cam',
    'rtsps://pub.example/live/cam',
  ],
  [
    'rtsp://me:p%40w@b.example:8554/cam',
    '',
    'rtsp b.example 8554',
    'rtsp://me:p%40w@b.example:8554/cam',
    'rtsp://b.example:8554/cam',
  ],
  [
    'whip://tok@b.example:8080/in/cam/whip?k=v',
    '',
    'whip b.example 8080',
    'whip://tok@b.example:8080/in/cam/whip?k=v',
    'whip://b.example:8080/in/cam/whip',
  ],
  ['whips://[::1]', '', 'whip ::1 443', 'whips://[::1]/live/cam/whip', 'whips://[::1]/live/cam/whip'],
  [
    'webrtc://b.example',
    '',
    'whip b.example 1985',
    'webrtc://b.example/live/cam',
    'webrtc://b.example/live/cam',
  ],
  [
    'https://b.example/in/whip',
    '',
    'whip b.example 443',
    'https://b.example/in/whip',
    'https://b.example/in/whip',
  ],
];

for (const [target, rewrite, connect, url, shown] of CASES) {
  test(`forward: ${target} ${rewrite}`, () => {
    const rule = parseForward(target, rewrite, false, 'policy.xml:1:1');
    assert.ok(rule);
    assert.equal(`${rule.scheme} ${rule.host} ${rule.port}`, connect);
    const resolved = resolveTarget(rule, makeStreamKey('live', 'cam'), 'pub.example');
    assert.equal(resolved.url, url);
    assert.equal(resolved.shown.split(' ')[0], shown);
  });
}

test('forward: over WebRTC for a whole application', () => {
  const targets: readonly (readonly [target: string, url: string, streamText: string])[] = [
    ['whip://b.example/in', 'whip://b.example/in/cam/whip', 'in/cam'],
    ['webrtc://b.example/in', 'webrtc://b.example/in/cam', 'in/cam'],
    ['http://b.example/whip', 'http://b.example/live/cam/whip', 'live/cam'],
  ];
  for (const [target, url, streamText] of targets) {
    const rule = parseForward(target, '', true, 'policy.xml:1:1');
    assert.ok(rule, target);
    const resolved = resolveTarget(rule, makeStreamKey('live', 'cam'), 'pub.example');
    assert.equal(resolved.url, url);
    assert.equal(resolved.streamText, streamText);
  }
});

test('forward: what names no target', () => {
  for (const target of [
    '',
    'http://x/y',
    'rtsp://',
    'rtsp://@/x',
    'rtsp://h:0/x',
    'rtsp:h/x',
    'rtsp://u:p@/x',
    'whip://',
    'whip://h:0/x',
    'whep://h/x/whep',
    'http://h/x/whep',
    'webrtc://h/x',
  ])
    assert.equal(parseForward(target, '', false, ''), null, target);
});
