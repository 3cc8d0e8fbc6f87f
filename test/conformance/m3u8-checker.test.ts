/** The checker must find what is wrong: good lists are broken in one place each. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkPlaylist, checkPlaylistUpdate } from './m3u8-checker.ts';

const MEDIA = [
  '#EXTM3U',
  '#EXT-X-VERSION:3',
  '#EXT-X-TARGETDURATION:2',
  '#EXT-X-MEDIA-SEQUENCE:5',
  '#EXT-X-DISCONTINUITY-SEQUENCE:1',
  '#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z',
  '#EXTINF:2.000,',
  'a.ts',
  '#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:22.000Z',
  '#EXTINF:2.000,',
  'b.ts',
  '#EXT-X-DISCONTINUITY',
  '#EXTINF:2.000,',
  'c.ts?x=1',
  '',
].join('\n');
const MASTER =
  '#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=100,AVERAGE-BANDWIDTH=90,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=2x2,FRAME-RATE=29.970\nv.m3u8\n';

test('m3u8 checker: good lists', () => {
  const media = checkPlaylist(MEDIA);
  assert.deepEqual(media.violations, []);
  assert.deepEqual(
    media.segments.map(({ uri, sequence }) => [uri, sequence]),
    [
      ['a.ts', 5],
      ['b.ts', 6],
      ['c.ts?x=1', 7],
    ],
  );
  assert.equal(media.segments[2]!.discontinuity, true);
  const master = checkPlaylist(MASTER);
  assert.deepEqual(master.violations, []);
  assert.equal(master.variants[0]?.attributes.get('CODECS'), '"avc1.64001f,mp4a.40.2"');
});

const breaks: [string, RegExp, string, string, string][] = [
  ['byte order mark', /byte order mark/, MEDIA, '#EXTM3U', '\ufeff#EXTM3U'],
  ['no head', /begin with #EXTM3U/, MEDIA, '#EXTM3U\n', ''],
  ['last line', /not ended/, MEDIA, 'c.ts?x=1\n', 'c.ts?x=1'],
  ['no target', /no #EXT-X-TARGETDURATION/, MEDIA, '#EXT-X-TARGETDURATION:2\n', ''],
  ['target with a fraction', /not a whole number/, MEDIA, 'DURATION:2', 'DURATION:2.5'],
  ['over the target', /over the target/, MEDIA, '#EXTINF:2.000', '#EXTINF:2.500'],
  ['version 2', /needs version 3/, MEDIA, 'VERSION:3', 'VERSION:2'],
  ['version twice', /VERSION twice/, MEDIA, '#EXT-X-VERSION:3\n', '#EXT-X-VERSION:3\n#EXT-X-VERSION:3\n'],
  ['no comma', /#EXTINF '2.000'/, MEDIA, '#EXTINF:2.000,', '#EXTINF:2.000'],
  ['no duration', /without duration/, MEDIA, '#EXTINF:2.000,', '#EXTINF:0.000,'],
  ['no #EXTINF', /without #EXTINF/, MEDIA, '#EXTINF:2.000,\na.ts', 'a.ts'],
  ['#EXTINF twice', /#EXTINF twice/, MEDIA, 'a.ts\n', ''],
  ['#EXTINF at the end', /#EXTINF without URI/, MEDIA, 'c.ts?x=1\n', '\n'],
  ['URI twice', /'a.ts' twice/, MEDIA, 'b.ts', 'a.ts'],
  ['space in a URI', /white space/, MEDIA, 'b.ts', 'b c.ts'],
  [
    'sequence behind a segment',
    /behind the first segment/,
    MEDIA,
    'a.ts\n',
    'a.ts\n#EXT-X-MEDIA-SEQUENCE:5\n',
  ],
  [
    'discontinuity first',
    /behind a discontinuity/,
    MEDIA,
    '#EXT-X-DISCONTINUITY-S',
    '#EXT-X-DISCONTINUITY\n#EXT-X-DISCONTINUITY-S',
  ],
  ['two discontinuities', /two discontinuities/, MEDIA, 'NUITY\n', 'NUITY\n#EXT-X-DISCONTINUITY\n'],
  ['date', /not ISO 8601/, MEDIA, '20.000Z', '20.000'],
  ['date goes back', /dates do not grow/, MEDIA, '22:13:22', '22:13:19'],
  ['date off', /ms off/, MEDIA, '22:13:22', '22:13:25'],
  ['unknown tag', /does not belong/, MEDIA, '#EXTINF', '#EXT-X-FOO\n#EXTINF'],
  ['end twice', /ENDLIST twice/, MEDIA, 'c.ts?x=1\n', 'c.ts?x=1\n#EXT-X-ENDLIST\n#EXT-X-ENDLIST\n'],
  ['master and media', /does not belong/, MASTER, 'v.m3u8', '#EXTINF:2,\nv.m3u8'],
  ['no bandwidth', /BANDWIDTH is 'undefined'/, MASTER, 'BANDWIDTH=100,', ''],
  ['average over peak', /over the peak/, MASTER, '=90', '=110'],
  ['codecs without quotes', /CODECS is/, MASTER, '"avc1.64001f,mp4a.40.2"', 'avc1.64001f'],
  ['resolution', /RESOLUTION is/, MASTER, '2x2', '2X2'],
  ['frame rate', /FRAME-RATE is/, MASTER, '29.970', '29.97003'],
  ['attribute list', /attribute list/, MASTER, 'BANDWIDTH=100', 'BANDWIDTH=100,,'],
  ['attribute twice', /twice/, MASTER, 'BANDWIDTH=100', 'BANDWIDTH=100,BANDWIDTH=100'],
  ['no variant', /no variant|without URI/, MASTER, 'v.m3u8\n', '\n'],
];

for (const [name, expected, text, from, to] of breaks) {
  test(`m3u8 checker: finds ${name}`, () => {
    assert.ok(text.includes(from));
    assert.match(checkPlaylist(text.replace(from, to)).violations.join('\n'), expected);
  });
}

const NEXT = MEDIA.replace('SEQUENCE:5', 'SEQUENCE:6')
  .replace(/#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z\n#EXTINF:2.000,\na.ts\n/, '')
  .concat('#EXTINF:2.000,\nd.ts\n');

test('m3u8 checker: a good update', () => {
  assert.deepEqual(checkPlaylist(NEXT).violations, []);
  assert.deepEqual(checkPlaylistUpdate(checkPlaylist(MEDIA), checkPlaylist(NEXT)), []);
  assert.deepEqual(checkPlaylistUpdate(checkPlaylist(MEDIA), checkPlaylist(MEDIA.replace('x=1', 'x=2'))), []);
});

const updates: [string, RegExp, (next: string) => string][] = [
  ['target changes', /target duration changes/, (next) => next.replace('DURATION:2', 'DURATION:3')],
  ['sequence goes back', /goes back/, (next) => next.replace('MEDIA-SEQUENCE:6', 'MEDIA-SEQUENCE:4')],
  ['segment changes', /segment 6 changes/, (next) => next.replace('b.ts', 'x.ts')],
  ['duration changes', /segment 6 changes/, (next) => next.replace('2.000', '1.900')],
  [
    'discontinuity sequence',
    /discontinuity sequence is 2/,
    (next) => next.replace('NUITY-SEQUENCE:1', 'NUITY-SEQUENCE:2'),
  ],
  ['newest is gone', /newest segment is gone/, (next) => next.replace(/#EXT-X-DISCONTINUITY\n.*/s, '')],
  ['too short', /only 4 s are left/, (next) => next.replace('#EXTINF:2.000,\nd.ts\n', '')],
];

for (const [name, expected, change] of updates) {
  test(`m3u8 checker: finds an update where ${name}`, () => {
    const violations = checkPlaylistUpdate(checkPlaylist(MEDIA), checkPlaylist(change(NEXT)));
    assert.match(violations.join('\n'), expected);
  });
}

test('m3u8 checker: a list that has ended does not grow', () => {
  const ended = checkPlaylist(`${MEDIA}#EXT-X-ENDLIST\n`);
  assert.match(checkPlaylistUpdate(ended, checkPlaylist(NEXT)).join(), /was ended/);
});

test('m3u8 checker: a removed discontinuity must be counted', () => {
  const later =
    '#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:8\n#EXT-X-DISCONTINUITY-SEQUENCE:1\n';
  const violations = checkPlaylistUpdate(checkPlaylist(MEDIA), checkPlaylist(`${later}#EXT-X-ENDLIST\n`));
  assert.match(violations.join(), /instead of 2/);
});
