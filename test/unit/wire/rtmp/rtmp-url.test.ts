import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RejectedError } from '../../../../src/util/errors.ts';
import {
  formatStreamName,
  formatTcUrl,
  parseRtmpUrl,
  parseStreamAddress,
} from '../../../../src/wire/rtmp/rtmp-url.ts';

/** tcUrl, app, stream name; vhost, app, stream, query. */
const REQUESTS: readonly (readonly [string, string, string, string, string, string, string])[] = [
  ['rtmp://ip/live', 'live', 'cam', 'ip', 'live', 'cam', ''],
  ['rtmp://ip:1936/live/', 'live', 'cam', 'ip', 'live', 'cam', ''],
  ['rtmp://IP/live', '', 'cam?token=x', 'ip', 'live', 'cam', 'token=x'],
  ['rtmp://ip/a/b/c', 'a/b/c', 'cam', 'ip', 'a/b/c', 'cam', ''],
  ['rtmp://ip/a/b', 'a/b', 'c/cam?k=a/b', 'ip', 'a/b/c', 'cam', 'k=a/b'],
  ['rtmp://ip/live', 'live', 'cam?vhost=V.example', 'v.example', 'live', 'cam', 'vhost=V.example'],
  ['rtmp://ip/live', 'live', 'cam?domain=d&vhost=v', 'v', 'live', 'cam', 'domain=d&vhost=v'],
  ['rtmp://ip/live', 'live', 'cam?domain=d', 'd', 'live', 'cam', 'domain=d'],
  ['rtmp://ip/live?vhost=v', 'live?vhost=v', 'cam', 'v', 'live', 'cam', 'vhost=v'],
  ['rtmp://ip/live?vhost=v&token=1', '', 'cam?x=2', 'v', 'live', 'cam', 'x=2&vhost=v&token=1'],
  ['rtmp://ip/live?token=a/b', '', 'cam', 'ip', 'live', 'cam', 'token=a/b'],
  ['rtmp://ip/live?vhost=v/cam', '', '', 'v', 'live/cam', '', 'vhost=v'],
  ['rtmp://ip/live?token=1', '', 'cam?token=1', 'ip', 'live', 'cam', 'token=1'],
  ['rtmp://ip/live...vhost...v', '', 'cam', 'v', 'live', 'cam', 'vhost=v'],
  ['rtmp://ip/live...vhost...v/sub', '', 'cam?t=1', 'v', 'live/sub', 'cam', 't=1&vhost=v'],
  ['rtmp://ip/live', '', 'cam...vhost...v', 'v', 'live', 'cam', 'vhost=v'],
  ['rtmp://ip/live/_definst_', '', 'cam', 'ip', 'live', 'cam', ''],
  ['rtmp://ip/live/_definst_', '', '_definst_/cam', 'ip', 'live', 'cam', ''],
  ['rtmp://ip', '', 'cam', 'ip', '__defaultApp__', 'cam', ''],
  ['rtmp://ip/', 'live', 'cam', 'ip', 'live', 'cam', ''],
  ['', 'live', 'cam', '', 'live', 'cam', ''],
  ['', '', '', '', '__defaultApp__', '', ''],
  ['rtmp://ip/live', 'live', '', 'ip', 'live', '', ''],
  ['rtmp://ip/live', 'live', '?token=1', 'ip', 'live', '', 'token=1'],
  ['rtmps://[2001:DB8::1]:1936/live', '', 'cam', '2001:db8::1', 'live', 'cam', ''],
  ['rtmp://user:secret@ip/live', '', 'cam', 'ip', 'live', 'cam', ''],
  ['rtmp://ip/live', '', 'cam?vhost=%E0%A4%A', '%e0%a4%a', 'live', 'cam', 'vhost=%E0%A4%A'],
  ['rtmp://ip/live', '', 'cam?vhost=a%20b', 'ip', 'live', 'cam', 'vhost=a%20b'],
  ['rtmp://ip/live', '', 'mp4:cam.mp4', 'ip', 'live', 'mp4:cam.mp4', ''],
];

for (const [tcUrl, app, name, vhost, expectedApp, stream, query] of REQUESTS) {
  test(`stream address: ${JSON.stringify([tcUrl, app, name])}`, () => {
    const address = parseStreamAddress(tcUrl, app, name);
    assert.deepEqual(
      [address.vhost, address.app, address.stream, address.query],
      [vhost, expectedApp, stream, query],
    );
  });
}

test('stream address: host and port', () => {
  for (const [tcUrl, scheme, host, port] of [
    ['rtmp://h/live', 'rtmp', 'h', 1935],
    ['RTMPS://h/live', 'rtmps', 'h', 443],
    ['rtmpt://h:80/live', 'rtmpt', 'h', 80],
    ['rtmp://[::1]/live', 'rtmp', '::1', 1935],
    ['rtmp://fe80::1/live', 'rtmp', 'fe80::1', 1935],
    ['rtmp://h:65535', 'rtmp', 'h', 65535],
  ] as const) {
    const address = parseStreamAddress(tcUrl, '', 'x');
    assert.deepEqual([address.scheme, address.host, address.port], [scheme, host, port], tcUrl);
  }
});

test('stream address: refused', () => {
  for (const tcUrl of [
    'live',
    '://h/live',
    'rtmp://h:0/live',
    'rtmp://h:65536/',
    'rtmp://h:12x/',
    'rtmp://[::1/live',
    'rtmp://[::1]x/',
    'rtmp://a b/live',
    `rtmp://${'h'.repeat(254)}/`,
    `rtmp://h/${'x'.repeat(4096)}`,
  ]) {
    assert.throws(() => parseStreamAddress(tcUrl, 'live', 'cam'), RejectedError, tcUrl.slice(0, 40));
  }
  assert.throws(() => parseStreamAddress('rtmp://h/live', 'live', 'x'.repeat(4097)), RejectedError);
  assert.throws(() => parseStreamAddress('rtmp://h/live', 'x'.repeat(4097), 'cam'), RejectedError);
});

test('rtmp url: targets of forwards', () => {
  for (const [url, scheme, host, port, vhost, app, stream, query] of [
    ['rtmp://h/live/cam', 'rtmp', 'h', 1935, 'h', 'live', 'cam', ''],
    ['rtmps://h:1936/a/b/cam?key=1&sig=a/b', 'rtmps', 'h', 1936, 'h', 'a/b', 'cam', 'key=1&sig=a/b'],
    ['rtmp://[2001:db8::1]:1937/live/cam', 'rtmp', '2001:db8::1', 1937, '2001:db8::1', 'live', 'cam', ''],
    ['rtmps://[::1]/live/cam', 'rtmps', '::1', 443, '::1', 'live', 'cam', ''],
    ['rtmp://h/live', 'rtmp', 'h', 1935, 'h', 'live', '', ''],
    ['rtmp://h', 'rtmp', 'h', 1935, 'h', '__defaultApp__', '', ''],
    ['rtmp://h/live?vhost=v/cam', 'rtmp', 'h', 1935, 'v', 'live', 'cam', 'vhost=v'],
    ['rtmp://h/live?token=x/cam', 'rtmp', 'h', 1935, 'h', 'live', 'cam', 'token=x'],
    ['rtmp://h/live...vhost...v/cam', 'rtmp', 'h', 1935, 'v', 'live', 'cam', 'vhost=v'],
  ] as const) {
    assert.deepEqual(parseRtmpUrl(url), { scheme, host, port, vhost, app, stream, query }, url);
  }
});

test('rtmp url: refused', () => {
  for (const url of [
    '',
    'h/live',
    'http://h/live/cam',
    'rtmpt://h/live',
    'rtmp:///live/cam',
    'rtmp://h:0/live',
    `rtmp://h/${'x'.repeat(4096)}`,
  ]) {
    assert.throws(() => parseRtmpUrl(url), RejectedError, url.slice(0, 30));
  }
});

test('rtmp url: what a client sends for it', () => {
  for (const [url, tcUrl, name] of [
    ['rtmp://h/a/b/cam?k=1', 'rtmp://h/a/b', 'cam?k=1'],
    ['rtmp://[::1]:1936/live/cam', 'rtmp://[::1]:1936/live', 'cam'],
    ['rtmps://h:443/live/cam', 'rtmps://h/live', 'cam'],
    ['rtmps://h:1935/live/cam', 'rtmps://h:1935/live', 'cam'],
  ] as const) {
    const parsed = parseRtmpUrl(url);
    assert.deepEqual([formatTcUrl(parsed), formatStreamName(parsed)], [tcUrl, name]);
  }
});

test('rtmp url: parse of what was formatted is the same (property)', () => {
  const word = fc
    .stringMatching(/^[a-z0-9_.:-]{1,12}$/)
    .filter((text) => text !== '_definst_' && !text.includes('...vhost...'));
  const host = fc.constantFrom('h', 'media.example.com', '10.0.0.1', '::1', '2001:db8::1');
  const property = fc.property(
    fc.constantFrom('rtmp', 'rtmps'),
    host,
    fc.integer({ min: 1, max: 65535 }),
    fc.array(word, { minLength: 1, maxLength: 3 }),
    word,
    fc.stringMatching(/^[a-z0-9=&/?]{0,20}$/),
    (scheme, name, port, app, stream, query) => {
      fc.pre(!/vhost=|domain=/.test(query));
      const authority = name.includes(':') ? `[${name}]` : name;
      const url = parseRtmpUrl(
        `${scheme}://${authority}:${port}/${app.join('/')}/${stream}${query === '' ? '' : `?${query}`}`,
      );
      assert.deepEqual(url, { scheme, host: name, port, vhost: name, app: app.join('/'), stream, query });
      assert.deepEqual(parseRtmpUrl(`${formatTcUrl(url)}/${formatStreamName(url)}`), url);
    },
  );
  fc.assert(property, { numRuns: 200 });
});

test('addresses: junk gives an address without slashes at the ends or a refusal (property)', () => {
  const piece = fc.constantFrom(
    'rtmp://',
    '/',
    '?',
    '&',
    '=',
    'vhost',
    'vhost=',
    '...vhost...',
    '_definst_',
    '[',
    ']',
    ':',
    '@',
    '%',
    'a',
    '\0',
    '\u{1F600}',
    '..',
    '__proto__',
  );
  const junk = fc.oneof(
    fc.string(),
    fc.array(piece, { maxLength: 12 }).map((parts) => parts.join('')),
  );
  const property = fc.property(junk, junk, junk, (tcUrl, app, name) => {
    for (const parse of [() => parseStreamAddress(tcUrl, app, name), () => parseRtmpUrl(tcUrl)]) {
      try {
        const address = parse();
        assert.ok(address.app !== '' && !address.app.startsWith('/') && !address.app.endsWith('/'));
        assert.ok(!address.stream.includes('/'));
        assert.ok(address.port > 0 && address.port < 65536);
      } catch (error) {
        assert.ok(error instanceof RejectedError, String(error));
      }
    }
  });
  fc.assert(property, { numRuns: 2000 });
});
