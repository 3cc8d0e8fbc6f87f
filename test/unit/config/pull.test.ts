/** `<stream source="URL">` and `<source>`: pulled streams. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffConfiguration } from '../../../src/config/configuration.ts';
import { publisherRank } from '../../../src/config/publisher-rank.ts';
import { load, refusal } from './load.ts';

const pulls = (inner: string) =>
  load('', `<policy>${inner}</policy>`).pulls.map(
    ({ stream, sources, onDemand, startMs, closeMs }) =>
      `${stream} ${sources.map(({ url, transport, verify }) => `${url}|${transport}|${verify}`).join(' ')}` +
      ` ${onDemand ? 'on-demand' : 'always'} ${startMs}/${closeMs}`,
  );

const GOOD: readonly (readonly [string, readonly string[]])[] = [
  [
    '<stream name="live/cam" source="rtsp://u:p@192.0.2.20:554/main?x=1"/>',
    ['live/cam rtsp://u:p@192.0.2.20:554/main?x=1|auto|true always 10000/10000'],
  ],
  [
    '<application name="live"><stream name="cam" source="rtmps://h/a/b" on-demand="on" start-timeout="5s" close-after="0"/></application>',
    ['live/cam rtmps://h/a/b|auto|true on-demand 5000/0'],
  ],
  [
    '<stream name="live/cam"><source url="udp://@239.1.1.1:5000" priority="2"/><source verify="off" transport="tcp">rtsps://h/b</source></stream>',
    ['live/cam rtsps://h/b|tcp|false udp://@239.1.1.1:5000|auto|true always 10000/10000'],
  ],
  [
    '<stream name="live/cam" source="http://h/a.m3u8"><source url="http://h/b.flv"/><gop frames="9"/></stream>',
    ['live/cam http://h/a.m3u8|auto|true http://h/b.flv|auto|true always 10000/10000'],
  ],
  [
    '<stream name="live/edge-*" source="rtmp://origin/live/$1"/>',
    ['live/edge-* rtmp://origin/live/$1|auto|true on-demand 10000/10000'],
  ],
];

for (const [inner, expected] of GOOD) test(`pull: ${inner}`, () => assert.deepEqual(pulls(inner), expected));

const BAD: readonly (readonly [string, RegExp])[] = [
  ['<stream name="live/a" source="gopher://h/x"/>', /source="gopher:\/\/h\/x" is no URL that can be pulled/],
  [
    '<stream name="live/a"><source url="rtps://h/x"/></stream>',
    /url="rtps:\/\/h\/x" is no URL that can be pulled/,
  ],
  [
    '<stream name="live/a"><slate source="file:a.mp4"/></stream>',
    /is neither embedded nor of the form vod:FILE/,
  ],
  ['<stream name="live/a"><publish prefer="a,b"/></stream>', /is no list of addresses or protocols/],
  ['<stream name="live/a"><source priority="1"/></stream>', /<source> needs a URL/],
  [
    '<stream name="live/a" source="vod:a.mp4"><source url="rtmp://h/a"/></stream>',
    /does not go with a file channel/,
  ],
  ['<stream name="live/*" source="rtmp://$1/live/a"/>', /has a variable in its host/],
  [
    '<stream name="live/a" source="rtsp://h/a"/><stream name="live/a" source="vod:b.mp4"/>',
    /has a source already/,
  ],
  ['<application name="live"><source url="rtmp://h/a"/></application>', /unknown element <source>/],
  [
    '<stream name="live/a"><source url="rtmp://h/a" transport="sctp"/></stream>',
    /transport="sctp" is none of auto, tcp, udp, multicast/,
  ],
];

for (const [inner, message] of BAD) {
  test(`pull: ${inner} is refused`, () => {
    const lines = refusal('', `<policy>${inner}</policy>`);
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0]!, message);
  });
}

test('pull: what is printed loads again and shows no password; changes are told without one', () => {
  const policy = (password: string) =>
    `<policy><stream name="live/cam" on-demand="on"><source url="rtsp://admin:${password}@nvr/1?key=${password}" transport="tcp"/></stream></policy>`;
  const first = load('', policy('secret1'));
  const printed = first.print();
  assert.doesNotMatch(printed, /secret1@/);
  const text = printed.slice(printed.indexOf('<policy>'));
  assert.match(text, /<source url="rtsp:\/\/\(hidden\)@nvr\/1/);
  assert.equal(load('', text.replaceAll(/<!--.*?-->/g, '')).pulls.length, 1);
  const changes = diffConfiguration(first, load('', policy('secret2')));
  assert.deepEqual(
    changes.map(({ name, reload }) => [name, reload]),
    [['stream live/cam source', 'live']],
  );
  assert.doesNotMatch(JSON.stringify(changes), /secret/);
});

test('prefer: protocols and addresses, in order; all others after them', () => {
  const rank = (remote: string, protocol = 'rtmp') =>
    publisherRank('192.0.2.7 10.0.* ::1 srt', { remote, protocol });
  assert.deepEqual(
    [
      rank('192.0.2.7:5000'),
      rank('10.0.3.4:1'),
      rank('[::1]:99'),
      rank('198.51.100.1:1', 'srt'),
      rank('198.51.100.1:1'),
    ],
    [0, 1, 2, 3, 4],
  );
  assert.equal(publisherRank('', { remote: '192.0.2.7:5000', protocol: 'rtmp' }), 0);
});
