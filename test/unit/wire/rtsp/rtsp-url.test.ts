import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RejectedError } from '../../../../src/util/errors.ts';
import {
  controlBase,
  formatRtspUrl,
  parseRequestUri,
  parseRtspUrl,
  resolveControl,
} from '../../../../src/wire/rtsp/rtsp-url.ts';

const EMPTY = { scheme: 'rtsp', user: '', password: '', port: 554, path: '', query: '', fragment: '' };

const URLS: readonly (readonly [string, object, string])[] = [
  ['rtsp://h', { ...EMPTY, host: 'h' }, 'rtsp://h'],
  [
    'RTSP://Cam.Local:8554/live/s?token=x/y&z',
    { ...EMPTY, host: 'cam.local', port: 8554, path: '/live/s', query: 'token=x/y&z' },
    'rtsp://cam.local:8554/live/s?token=x/y&z',
  ],
  [
    'rtsps://[2001:DB8::1]/a#tcp',
    { ...EMPTY, scheme: 'rtsps', host: '2001:db8::1', port: 322, path: '/a', fragment: 'tcp' },
    'rtsps://[2001:db8::1]/a',
  ],
  [
    'rtsp://us%40er:p%3Aw@d@10.0.0.5:554/a b',
    { ...EMPTY, user: 'us@er', password: 'p:w@d', host: '10.0.0.5', path: '/a b' },
    'rtsp://10.0.0.5/a b',
  ],
  ['rtsp://me@h?x', { ...EMPTY, user: 'me', host: 'h', query: 'x' }, 'rtsp://h?x'],
  ['rtsp://u:100%@h:/', { ...EMPTY, user: 'u', password: '100%', host: 'h', path: '/' }, 'rtsp://h/'],
];

for (const [text, url, written] of URLS) {
  test(`rtsp url: ${text}`, () => {
    assert.deepEqual(parseRtspUrl(text), url);
    assert.equal(formatRtspUrl(parseRtspUrl(text)), written);
  });
}

test('rtsp url: what is none is refused without its password', () => {
  for (const text of [
    '',
    '*',
    'http://h/a',
    'rtsp://',
    'rtsp:///a',
    'rtsp://u:pw@h:0/',
    'rtsp://h:99999',
    'rtsp://u:pw@a"b/',
    `rtsp://h/${'a'.repeat(4096)}`,
  ]) {
    assert.throws(
      () => parseRtspUrl(text),
      (error) => error instanceof RejectedError && !error.message.includes('pw'),
      text.slice(0, 20),
    );
  }
});

test('rtsp url: what a request line names', () => {
  assert.equal(parseRequestUri('*', 'h'), null);
  assert.deepEqual(parseRequestUri('/live/a?b', '::1'), {
    ...EMPTY,
    host: '::1',
    path: '/live/a',
    query: 'b',
  });
  assert.equal(parseRequestUri('rtsp://other:1/x', 'h')?.host, 'other');
});

const CONTROLS: readonly (readonly [base: string, control: string, resolved: string])[] = [
  ['rtsp://h/cam/', 'stream=0', 'rtsp://h/cam/stream=0'],
  ['rtsp://h/cam', 'trackID=1', 'rtsp://h/cam/trackID=1'],
  ['rtsp://h/cam/', '*', 'rtsp://h/cam/'],
  ['rtsp://h/cam', '', 'rtsp://h/cam'],
  // live555, Hikvision and Dahua want tracks behind the query.
  ['rtsp://h/cam?a=1&b=2', 'trackID=1', 'rtsp://h/cam?a=1&b=2/trackID=1'],
  ['rtsp://h/cam/', '/trackID=1', 'rtsp://h/cam/trackID=1'],
  ['rtsp://h/cam', '/trackID=1', 'rtsp://h/cam/trackID=1'],
  ['rtsp://h/live/cam', '/live/cam/track1', 'rtsp://h/live/cam/track1'],
  ['rtsp://h/cam', '?ctype=video', 'rtsp://h/cam?ctype=video'],
  ['rtsp://h:8554/cam', 'rtsp://h:8554/cam/t1', 'rtsp://h:8554/cam/t1'],
  // Cameras behind a router name their inner address.
  ['rtsp://public:5554/cam', 'rtsp://192.168.1.9:554/cam/t1?x', 'rtsp://public:5554/cam/t1?x'],
  ['rtsps://h/cam', 'rtsp://h/cam/t1', 'rtsps://h/cam/t1'],
];

for (const [base, control, resolved] of CONTROLS) {
  test(`control ${control || 'empty'} of ${base}`, () =>
    assert.equal(resolveControl(base, control), resolved));
}

test('control base', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['rtsp://h/cam', '', 'rtsp://h/cam'],
    ['rtsp://h:8554/cam', 'rtsp://192.168.0.2/cam/', 'rtsp://h:8554/cam/'],
    ['rtsp://h/cam', '/cam/sub/', 'rtsp://h/cam/sub/'],
    ['rtsp://h/cam', 'nonsense', 'rtsp://h/cam'],
  ];
  for (const [asked, contentBase, base] of cases) assert.equal(controlBase(asked, contentBase), base);
});
