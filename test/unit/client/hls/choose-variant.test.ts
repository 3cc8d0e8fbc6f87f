/** Which variant and sound of a master playlist, which first segment, and timestamps of packed audio. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { soundOf, usableVariants } from '../../../../src/client/hls/choose-variant.ts';
import { readId3Timestamp } from '../../../../src/client/hls/id3-timestamp.ts';
import { firstCursor, holdBackOf } from '../../../../src/client/hls/start-point.ts';
import { readPlaylist } from '../../../../src/wire/hls/playlist-reader.ts';
import { playlist } from '../../../support/hls-rig.ts';

function master(...lines: readonly string[]) {
  const list = readPlaylist(['#EXTM3U', ...lines, ''].join('\n'));
  assert.ok(list.kind === 'master');
  return list;
}

const variant = (uri: string, attributes: string) => `#EXT-X-STREAM-INF:${attributes}\n${uri}`;

describe('variants', () => {
  const cases: readonly (readonly [string, readonly string[], string])[] = [
    [
      'by bandwidth',
      [variant('a', 'BANDWIDTH=1'), variant('b', 'BANDWIDTH=3'), variant('c', 'BANDWIDTH=2')],
      'b c a',
    ],
    [
      'pictures before sound',
      [
        variant('a', 'BANDWIDTH=9,CODECS="mp4a.40.2"'),
        variant('b', 'BANDWIDTH=1,CODECS="avc1.4d401f,mp4a.40.2"'),
      ],
      'b a',
    ],
    [
      'a size means pictures',
      [
        variant('a', 'BANDWIDTH=9,CODECS="mp4a.40.2"'),
        variant('b', 'BANDWIDTH=1,CODECS="mp4a.40.2",RESOLUTION=2x2'),
      ],
      'b a',
    ],
    [
      'codecs that are not known are left out',
      [
        variant('a', 'BANDWIDTH=9,CODECS="vvc1.1,mp4a.40.2"'),
        variant('b', 'BANDWIDTH=8,CODECS="avc1.4d401f,dtsc"'),
        variant('c', 'BANDWIDTH=1,CODECS="hvc1.1,ec-3,wvtt"'),
      ],
      'c',
    ],
    [
      'all that can be passed on',
      ['avc3.4d401f', 'hev1.1', 'av01.0', 'vp09.00', 'ac-3', 'Opus', 'fLaC', 'mp4a.40.34', 'dvh1.05'].map(
        (codec, i) => variant(`${i}`, `BANDWIDTH=1,RESOLUTION=2x2,CODECS="${codec}"`),
      ),
      '0 1 2 3 4 5 6 7 8',
    ],
  ];
  for (const [name, lines, expected] of cases)
    test(name, () =>
      assert.equal(
        usableVariants(master(...lines))
          .map(({ uri }) => uri)
          .join(' '),
        expected,
      ),
    );

  const media = (name: string, more: string) => `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="${name}",${more}`;
  const sounds: readonly (readonly [string, readonly string[], string | null])[] = [
    ['none of that group', ['#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="h",NAME="x",URI="x"'], null],
    ['the default', [media('a', 'URI="a",AUTOSELECT=YES'), media('b', 'URI="b",DEFAULT=YES')], 'b'],
    ['what may be chosen', [media('a', 'URI="a"'), media('b', 'URI="b",AUTOSELECT=YES')], 'b'],
    ['the first', [media('a', 'URI="a"'), media('b', 'URI="b"')], 'a'],
    ['in the variant itself', [media('a', 'DEFAULT=YES'), media('b', 'URI="b"')], null],
    ['the variant itself', [media('a', 'URI="v"')], null],
    ['subtitles are no sound', ['#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="g",NAME="x",URI="x"'], null],
  ];
  for (const [name, lines, expected] of sounds)
    test(`sound: ${name}`, () => {
      const list = master(...lines, variant('v', 'BANDWIDTH=1,AUDIO="g"'));
      assert.equal(soundOf(list, list.variants[0]!)?.uri ?? null, expected);
    });
});

test('sound: a variant of sound alone needs no other', () => {
  const list = master(
    '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="g",NAME="a",URI="a"',
    variant('v', 'BANDWIDTH=1,CODECS="mp4a.40.2",AUDIO="g"'),
  );
  assert.equal(soundOf(list, list.variants[0]!), null);
});

describe('where to begin', () => {
  const six = Array.from({ length: 6 }, (_, i) => ({ uri: `${i}` }));
  const cases: readonly (readonly [string, boolean, readonly string[], number])[] = [
    ['on demand: at the start', true, [], 0],
    ['live: three target durations back', false, [], 3],
    ['live: where the server says', false, ['#EXT-X-SERVER-CONTROL:HOLD-BACK=8.5'], 1],
    ['on demand: told', true, ['#EXT-X-START:TIME-OFFSET=5'], 2],
    ['on demand: told from the end', true, ['#EXT-X-START:TIME-OFFSET=-3'], 4],
    ['told beyond the end', true, ['#EXT-X-START:TIME-OFFSET=500'], 5],
    ['told before the start', true, ['#EXT-X-START:TIME-OFFSET=-500'], 0],
    ['live: told', false, ['#EXT-X-START:TIME-OFFSET=-10'], 1],
    ['live: not at the very end', false, ['#EXT-X-START:TIME-OFFSET=-0.1'], 5],
  ];
  for (const [name, ended, tags, expected] of cases)
    test(name, () => {
      const list = readPlaylist(playlist(six, { ended, tags }));
      assert.ok(list.kind === 'media');
      assert.deepEqual(firstCursor(list), { sequence: expected, part: 0 });
    });

  test('a short live list, and an empty one', () => {
    for (const [entries, expected] of [
      [six.slice(0, 2), 0],
      [[], 0],
    ] as const) {
      const list = readPlaylist(playlist(entries, { ended: false }));
      assert.ok(list.kind === 'media');
      assert.deepEqual(firstCursor(list), { sequence: expected, part: 0 });
      assert.equal(holdBackOf(list), 6_000_000);
    }
  });
});

describe('timestamps of packed audio', () => {
  const owner = 'com.apple.streaming.transportStreamTimestamp\0';
  const frame = (id: string, body: Buffer) =>
    Buffer.concat([Buffer.from(id), Buffer.from([0, 0, body.length >> 7, body.length & 127, 0, 0]), body]);
  const tag = (...frames: readonly Buffer[]) => {
    const body = Buffer.concat(frames);
    return Buffer.concat([
      Buffer.from('ID3'),
      Buffer.from([4, 0, 0, 0, 0, body.length >> 7, body.length & 127]),
      body,
    ]);
  };
  const stamp = frame('PRIV', Buffer.concat([Buffer.from(owner), Buffer.from('00000001fffffff0', 'hex')]));
  const text = frame('TIT2', Buffer.from('a title'));
  const cases: readonly (readonly [string, Buffer, number, number])[] = [
    ['alone', tag(stamp), 2 ** 33 - 16, 73],
    ['behind another frame', tag(text, stamp), 2 ** 33 - 16, 90],
    ['none', tag(text), -1, 27],
    ['of another owner', tag(frame('PRIV', Buffer.from('com.example\0abcdefgh'))), -1, 40],
    ['in the second tag', Buffer.concat([tag(text), tag(stamp)]), 2 ** 33 - 16, 100],
    ['no tag', Buffer.from('fff15080', 'hex'), -1, 0],
    ['cut off', tag(stamp).subarray(0, 40), -1, 40],
    ['nothing', Buffer.alloc(0), -1, 0],
  ];
  for (const [name, bytes, timestamp, audioAt] of cases)
    test(name, () => assert.deepEqual(readId3Timestamp(bytes), { timestamp, audioAt }));
});
