/** Low-Latency HLS, fMP4 and encryption: good lists are broken in one place each; hls-parser agrees on the good ones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hlsOpinion } from '../support/hls-oracle.ts';
import { checkPlaylist } from './m3u8-checker.ts';
import { checkBandwidth } from './m3u8-master-checker.ts';
import { checkDeltaUpdate, checkPlaylistUpdate, checkRenditionReports } from './m3u8-update-checker.ts';

const HEAD = `#EXTM3U
#EXT-X-VERSION:9
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-TARGETDURATION:1
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6.0,PART-HOLD-BACK=1.500,HOLD-BACK=3.0
#EXT-X-PART-INF:PART-TARGET=0.500
`;

/** A live list of segments `first` to `last`, complete but for `open` parts of the next. */
function live(first: number, last: number, open: number, options: { skip?: number } = {}): string {
  let text = `${HEAD}#EXT-X-MEDIA-SEQUENCE:${first}\n`;
  if (options.skip !== undefined) text += `#EXT-X-SKIP:SKIPPED-SEGMENTS=${options.skip}\n`;
  else text += '#EXT-X-MAP:URI="init1.mp4"\n';
  const date = (n: number) => `#EXT-X-PROGRAM-DATE-TIME:${new Date(1.7e12 + n * 1000).toISOString()}\n`;
  const part = (n: number, k: number) =>
    `#EXT-X-PART:DURATION=0.500,URI="s${n}.${k}.m4s"${k === 0 ? ',INDEPENDENT=YES' : ''}\n`;
  for (let n = first + (options.skip ?? 0); n <= last; n++) {
    text += date(n);
    if (n > last - 3) text += part(n, 0) + part(n, 1);
    text += `#EXTINF:1.000,\ns${n}.m4s\n`;
  }
  if (open > 0) text += date(last + 1);
  for (let k = 0; k < open; k++) text += part(last + 1, k);
  text += `#EXT-X-PRELOAD-HINT:TYPE=PART,URI="s${last + 1}.${open}.m4s"\n`;
  return `${text}#EXT-X-RENDITION-REPORT:URI="audio.m3u8",LAST-MSN=${last + (open > 0 ? 1 : 0)},LAST-PART=${open > 0 ? open - 1 : 1}\n`;
}

const LIVE = live(10, 19, 1);
const VOD = `#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:2
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-KEY:METHOD=AES-128,URI="k1.key",IV=0x000102030405060708090a0b0c0d0e0f
#EXT-X-MAP:URI="a.mp4",BYTERANGE="700@0"
#EXTINF:2.000,
#EXT-X-BYTERANGE:1000@700
a.mp4
#EXTINF:2.000,
#EXT-X-BYTERANGE:500
a.mp4
#EXT-X-KEY:METHOD=NONE
#EXTINF:1.500,
#EXT-X-BYTERANGE:500@2200
a.mp4
#EXT-X-ENDLIST
`;
const MASTER = `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2",URI="en.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="Deutsch",LANGUAGE="de",AUTOSELECT=YES,CHANNELS="2",URI="de.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=2000000,AVERAGE-BANDWIDTH=1500000,CODECS="hvc1.1.6.L93.B0,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=25.000,AUDIO="a"
v1.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=500000,CODECS="avc1.64001f,Opus",RESOLUTION=640x360,AUDIO="a"
v2.m3u8
`;

test('m3u8 checker: good low-latency, encrypted and master lists, with hls-parser of the same opinion', () => {
  for (const text of [LIVE, live(10, 19, 0), VOD, MASTER, live(10, 19, 1, { skip: 4 })]) {
    assert.deepEqual(checkPlaylist(text).violations, [], text);
    assert.equal(hlsOpinion(text), '', text);
  }
  const list = checkPlaylist(LIVE);
  assert.equal(list.openParts.length, 1);
  assert.equal(list.segments.at(-1)?.parts.length, 2);
  assert.equal(list.segments[0]?.map, 'init1.mp4');
  assert.deepEqual(list.reports, [{ uri: 'audio.m3u8', lastMsn: 20, lastPart: 0 }]);
  const [, second, third] = checkPlaylist(VOD).segments;
  assert.deepEqual(second?.byteRange, { offset: 1700, length: 500 });
  assert.match(second?.key ?? '', /k1.key/);
  assert.equal(third?.key, '');
});

const breaks: [string, RegExp, string, string, string, boolean?][] = [
  // The last column: hls-parser finds it too.
  ['part over the target', /over the part target/, LIVE, '0.500,URI="s18.0', '0.600,URI="s18.0', true],
  ['short part', /under 85 %/, LIVE, '0.500,URI="s18.0', '0.400,URI="s18.0', true],
  [
    'parts and segment',
    /parts of 's17.m4s' last/,
    LIVE,
    '#EXTINF:1.000,\ns17.m4s',
    '#EXTINF:0.900,\ns17.m4s',
  ],
  ['part twice', /part 's19.0.m4s' twice/, LIVE, 's19.1.m4s', 's19.0.m4s'],
  ['part without URI', /attribute URI is 'undefined'/, LIVE, ',URI="s19.1.m4s"', '', true],
  [
    'part without target',
    /part before #EXT-X-PART-INF/,
    LIVE,
    '#EXT-X-PART-INF:PART-TARGET=0.500\n',
    '',
    true,
  ],
  ['dependent first part', /does not say so/, LIVE, ',URI="s19.0.m4s",INDEPENDENT=YES', ',URI="s19.0.m4s"'],
  ['INDEPENDENT=NO', /INDEPENDENT is 'NO'/, LIVE, 'INDEPENDENT=YES', 'INDEPENDENT=NO'],
  ['no hint', /no preload hint/, LIVE, '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="s20.1.m4s"\n', '', true],
  ['hint of what is listed', /is listed/, LIVE, 'URI="s20.1.m4s"', 'URI="s20.0.m4s"'],
  [
    'two hints',
    /two preload hints/,
    LIVE,
    '#EXT-X-PRELOAD',
    '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="x"\n#EXT-X-PRELOAD',
    true,
  ],
  ['type of the hint', /TYPE is 'FOO'/, LIVE, 'TYPE=PART', 'TYPE=FOO'],
  ['no hold back', /no PART-HOLD-BACK/, LIVE, ',PART-HOLD-BACK=1.500', '', true],
  ['part hold back', /under three part targets/, LIVE, 'PART-HOLD-BACK=1.500', 'PART-HOLD-BACK=1.400'],
  ['hold back', /HOLD-BACK of 2 s is under three/, LIVE, ',HOLD-BACK=3.0', ',HOLD-BACK=2', true],
  ['skip until', /under six target durations/, LIVE, 'CAN-SKIP-UNTIL=6.0', 'CAN-SKIP-UNTIL=5', true],
  ['skip date ranges', /DATERANGES without/, LIVE, 'CAN-SKIP-UNTIL=6.0', 'CAN-SKIP-DATERANGES=YES'],
  ['no blocking', /without CAN-BLOCK-RELOAD/, LIVE, 'CAN-BLOCK-RELOAD=YES,', '', true],
  [
    'parts that are old',
    /parts of 's15.m4s' are 4.5 s before/,
    LIVE,
    '#EXTINF:1.000,\ns15.m4s',
    '#EXT-X-PART:DURATION=0.5,URI="o0",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.5,URI="o1"\n#EXTINF:1.000,\ns15.m4s',
  ],
  ['an attribute of others', /FOO does not belong/, LIVE, 'PART-TARGET=0.500', 'PART-TARGET=0.500,FOO=1'],
  [
    'discontinuity behind a part',
    /DISCONTINUITY behind a part/,
    LIVE,
    '#EXTINF:1.000,\ns19',
    '#EXT-X-DISCONTINUITY\n#EXTINF:1.000,\ns19',
    true,
  ],
  [
    'date behind a part',
    /DATE-TIME behind a part/,
    LIVE,
    '#EXTINF:1.000,\ns19',
    '#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:39.000Z\n#EXTINF:1.000,\ns19',
  ],
  ['no map', /has no #EXT-X-MAP/, LIVE, '#EXT-X-MAP:URI="init1.mp4"\n', ''],
  ['map of no URI', /attribute URI is 'undefined'/, LIVE, 'MAP:URI="init1.mp4"', 'MAP:BYTERANGE="1@0"'],
  ['version of the map', /MAP needs version 6/, LIVE, 'VERSION:9', 'VERSION:5', true],
  ['report elsewhere', /not relative/, LIVE, '"audio.m3u8"', '"http://x/audio.m3u8"', true],
  ['report of no number', /LAST-MSN is 'undefined'/, LIVE, ',LAST-MSN=20', ''],
  [
    'skip twice',
    /SKIP twice/,
    live(10, 19, 1, { skip: 4 }),
    '#EXT-X-SKIP',
    '#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n#EXT-X-SKIP',
    true,
  ],
  ['version of skip', /SKIP needs version 9/, live(10, 19, 1, { skip: 4 }), 'VERSION:9', 'VERSION:8', true],
  ['skip too far', /only 4.5 s stand behind/, live(10, 19, 1, { skip: 6 }), '', ''],
  ['skip without control', /without CAN-SKIP-UNTIL/, live(10, 19, 1, { skip: 4 }), 'CAN-SKIP-UNTIL=6.0,', ''],
  ['parts in an ended list', /PART in a list that is ended/, LIVE, HEAD, `${HEAD}#EXT-X-ENDLIST\n`],
  ['key of no URI', /KEY has no URI/, VOD, ',URI="k1.key"', '', true],
  ['key method', /METHOD is 'AES'/, VOD, 'AES-128', 'AES'],
  ['short IV', /IV is/, VOD, '0x0001', '0x01', true],
  ['IV beside NONE', /beside METHOD=NONE/, VOD, 'METHOD=NONE', 'METHOD=NONE,URI="x"', true],
  ['version of a range', /needs version 4|needs version 6/, VOD, 'VERSION:6', 'VERSION:3', true],
  ['range without a start', /goes on from none/, VOD, '1000@700', '1000', true],
  ['form of a range', /byte range/, VOD, '1000@700', '1000-700'],
  ['open VOD', /not ended/, VOD, '#EXT-X-ENDLIST\n', ''],
  ['type', /playlist type/, VOD, 'TYPE:VOD', 'TYPE:DVR'],
  ['audio group', /AUDIO group b, which is not there/, MASTER, 'AUDIO="a"', 'AUDIO="b"', true],
  ['unused group', /used by no variant/, MASTER.replaceAll(',AUDIO="a"', ''), '', ''],
  ['name twice', /name twice in group/, MASTER, 'NAME="Deutsch"', 'NAME="English"', true],
  ['two defaults', /more than one default/, MASTER, 'LANGUAGE="de"', 'LANGUAGE="de",DEFAULT=YES', true],
  ['nothing apart', /nothing tells apart/, MASTER, 'LANGUAGE="de"', 'LANGUAGE="en"'],
  ['URI twice', /URI twice in group/, MASTER, '"de.m3u8"', '"en.m3u8"'],
  ['no name', /NAME is 'undefined'/, MASTER, 'NAME="English",', '', true],
  [
    'default not chosen',
    /DEFAULT=YES with/,
    MASTER,
    'DEFAULT=YES,AUTOSELECT=YES',
    'DEFAULT=YES,AUTOSELECT=NO',
  ],
  ['FORCED', /FORCED of AUDIO/, MASTER, 'DEFAULT=YES', 'DEFAULT=YES,FORCED=YES', true],
  ['codec', /no name of RFC 6381/, MASTER, 'avc1.64001f', 'h264'],
  ['resolution of sound', /resolution without video/, MASTER, '"avc1.64001f,Opus"', '"Opus"'],
  [
    'other members',
    /other members/,
    MASTER,
    '#EXT-X-STREAM',
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="b",NAME="x"\n#EXT-X-STREAM',
  ],
  ['variant twice', /variant twice/, MASTER, 'v2.m3u8', 'v1.m3u8'],
];

for (const [name, expected, text, from, to, foreign = false] of breaks) {
  test(`m3u8 checker: finds ${name}`, () => {
    assert.ok(text.includes(from));
    const broken = text.replace(from, to);
    assert.match(checkPlaylist(broken).violations.join('\n'), expected);
    if (foreign) assert.notEqual(hlsOpinion(broken), '', 'hls-parser');
  });
}

test('m3u8 checker: parts may end short at the end of their segment only', () => {
  const text = LIVE.replace(
    'PART:DURATION=0.500,URI="s19.1.m4s"',
    'PART:DURATION=0.100,URI="s19.1.m4s"',
  ).replace('#EXTINF:1.000,\ns19', '#EXTINF:0.600,\ns19');
  assert.deepEqual(
    checkPlaylist(text).violations.filter((one) => !/off the durations/.test(one)),
    [],
  );
});

const step = (before: string, after: string) =>
  checkPlaylistUpdate(checkPlaylist(before), checkPlaylist(after)).join('\n');

test('m3u8 checker: good steps of a low-latency list', () => {
  assert.equal(step(live(10, 19, 0), live(10, 19, 1)), '');
  assert.equal(step(live(10, 19, 1), live(10, 20, 0)), '');
  assert.equal(step(live(10, 19, 1), live(11, 20, 1)), '');
  assert.equal(step(live(10, 19, 1), live(14, 24, 1)), '');
});

const steps: [string, RegExp, string, string][] = [
  [
    'a part changes',
    /parts of segment 19 change/,
    live(10, 19, 0),
    live(10, 19, 1).replace('s19.1.m4s', 's19.x.m4s'),
  ],
  ['a part is lost', /segment that is not complete change/, live(10, 19, 2), live(10, 19, 1)],
  [
    'parts go too soon',
    /gone too soon/,
    live(10, 19, 1),
    live(10, 20, 1).replace(/#EXT-X-PART:DURATION=0.500,URI="s19.*\n/g, ''),
  ],
  [
    'the hint was wrong',
    /the next part is 's20.1.m4s', the hint said 's20.9.m4s'/,
    live(10, 19, 1).replace('URI="s20.1', 'URI="s20.9'),
    live(10, 19, 2),
  ],
  [
    'the hint of the next segment was wrong',
    /the hint said 's20.2/,
    live(10, 19, 2).replace('s20.2', 's20.2'),
    live(10, 20, 1),
  ],
  ['the part target changes', /part target changes/, LIVE, LIVE.replace('TARGET=0.500', 'TARGET=0.510')],
  ['the map changes', /segment 10 changes/, LIVE, LIVE.replace('init1', 'init2')],
  ['a VOD loses', /loses segments/, VOD, VOD.replace('#EXT-X-PLAY', '#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-PLAY')],
  ['a delta update is taken for a list', /not a whole list/, LIVE, live(10, 19, 1, { skip: 4 })],
  ['an end is taken back', /goes on/, VOD, VOD.replace('#EXT-X-ENDLIST\n', '')],
];
for (const [name, expected, before, after] of steps) {
  test(`m3u8 checker: finds a step where ${name}`, () => assert.match(step(before, after), expected));
}

test('m3u8 checker: delta updates', () => {
  const full = checkPlaylist(live(10, 20, 1));
  const delta = checkPlaylist(live(10, 20, 1, { skip: 5 }));
  const before = checkPlaylist(live(10, 18, 0));
  assert.deepEqual(checkDeltaUpdate(before, delta, full), []);
  const against = (text: string) => checkDeltaUpdate(before, checkPlaylist(text), full).join('\n');
  assert.match(against(live(10, 20, 1, { skip: 5 }).replace('\ns18.m4s', '\nsX.m4s')), /segment 18 differs/);
  assert.match(against(live(10, 20, 1, { skip: 7 })), /begins 5.5 s before the end/);
  assert.match(against(live(10, 20, 2, { skip: 5 })), /parts at the end differ/);
  assert.match(against(live(11, 20, 1, { skip: 5 })), /mediaSequence is 11/);
  const other = checkPlaylist(live(12, 18, 0));
  assert.match(checkDeltaUpdate(other, delta, full).join(), /segment 10 is neither/);
});

test('m3u8 checker: rendition reports', () => {
  const list = checkPlaylist(LIVE);
  const pair = (first: string, second: string) =>
    new Map([['audio.m3u8', { before: checkPlaylist(first), after: checkPlaylist(second) }]]);
  assert.deepEqual(checkRenditionReports(list, pair(live(10, 19, 0), live(10, 19, 1))), []);
  assert.match(
    checkRenditionReports(list, pair(live(10, 19, 2), live(10, 19, 2))).join(),
    /says 20, its list went/,
  );
  assert.match(checkRenditionReports(list, new Map()).join(), /no rendition/);
  const none = checkPlaylist(LIVE.replace(/#EXT-X-REND.*\n/, ''));
  assert.match(checkRenditionReports(none, pair(LIVE, LIVE)).join(), /no report of/);
});

test('m3u8 checker: bandwidth against segments', () => {
  const variant = checkPlaylist(MASTER).variants[0]!;
  const of = (...bytes: number[]) => bytes.map((one) => ({ seconds: 2, bytes: one }));
  assert.deepEqual(checkBandwidth(variant, 2, of(375_000, 375_000, 300_000)), []);
  assert.match(checkBandwidth(variant, 2, of(375_000, 550_000, 100_000)).join(), /segments reach 2200000/);
  assert.match(
    checkBandwidth(variant, 2, of(450_000, 450_000, 450_000)).join(),
    /AVERAGE-BANDWIDTH is 1500000/,
  );
});
