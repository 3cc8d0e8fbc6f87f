/** Playlists read: golden ones of FFmpeg and by hand, tables of single rules, and all that our own writers make. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ProtocolError } from '../../../../src/util/errors.ts';
import { serializeMasterPlaylist } from '../../../../src/wire/hls/master-playlist.ts';
import { type MediaPlaylist, serializeMediaPlaylist } from '../../../../src/wire/hls/media-playlist.ts';
import {
  type ReadMasterPlaylist,
  type ReadMediaPlaylist,
  readPlaylist,
} from '../../../../src/wire/hls/playlist-reader.ts';

const vector = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../../vectors/hls/${name}`, import.meta.url)), 'utf8');

function media(text: string, query = ''): ReadMediaPlaylist {
  const list = readPlaylist(text, { query: new URLSearchParams(query) });
  assert.equal(list.kind, 'media');
  return list as ReadMediaPlaylist;
}

function master(text: string): ReadMasterPlaylist {
  const list = readPlaylist(text);
  assert.equal(list.kind, 'master');
  return list as ReadMasterPlaylist;
}

const head = '#EXTM3U\n#EXT-X-TARGETDURATION:2\n';

describe('playlist reader: golden', () => {
  test('FFmpeg, MPEG-TS', () => {
    const list = media(vector('ffmpeg-ts.m3u8'));
    assert.deepEqual([list.version, list.mediaSequence, list.isEnded, list.segments.length], [3, 0, true, 8]);
    assert.deepEqual(
      list.segments.slice(0, 2).map(({ uri, sequence, map, key, range }) => [uri, sequence, map, key, range]),
      [
        ['a0.ts', 0, null, null, null],
        ['a1.ts', 1, null, null, null],
      ],
    );
    const total = list.segments.reduce((sum, { durationUs }) => sum + durationUs, 0);
    assert.ok(Math.abs(total - 30_000_000) < 100_000, `${total}`);
  });

  test('FFmpeg, fragmented MP4 in one file', () => {
    const { segments } = media(vector('ffmpeg-fmp4-ranges.m3u8'));
    const { map } = segments[0]!;
    assert.equal(map?.uri, segments[0]!.uri);
    assert.equal(map.range?.offset, 0);
    let end = map.range.length;
    for (const { range, map: own } of segments) {
      assert.equal(range?.offset, end);
      assert.equal(own, map);
      end += range.length;
    }
  });

  test('FFmpeg, live and encrypted', () => {
    const list = media(vector('ffmpeg-live-encrypted.m3u8'));
    assert.equal(list.segments.length, 4);
    assert.ok(list.mediaSequence > 0);
    for (const { key, wallClockUs, sequence } of list.segments) {
      assert.equal(key?.method, 'AES-128');
      assert.equal(key.uri, 'https://keys.example/k?id=1');
      assert.ok(wallClockUs > Date.UTC(2020, 0) * 1000);
      assert.ok(sequence >= list.mediaSequence);
    }
  });

  test('FFmpeg, master', () => {
    const list = master(vector('ffmpeg-master.m3u8'));
    assert.ok(list.variants.length >= 2);
    for (const variant of list.variants) {
      assert.ok(variant.bandwidthBps > 0);
      assert.deepEqual([variant.width, variant.height], [640, 360]);
      assert.equal(variant.audio, 'group_aud');
      assert.deepEqual(variant.codecs, [], 'it knows none when it copies');
    }
    const [sound] = list.renditions;
    assert.deepEqual(
      [sound?.type, sound?.uri, sound?.isDefault, sound?.language],
      ['AUDIO', 'v1.m3u8', true, 'en'],
    );
  });

  test('low latency', () => {
    const list = media(vector('low-latency.m3u8'));
    assert.deepEqual(
      [list.canBlockReload, list.holdBackUs, list.partHoldBackUs, list.partTargetUs],
      [true, 12_000_000, 1_000_000, 333_340],
    );
    assert.deepEqual(
      list.segments.map(({ sequence, parts, discontinuitySequence }) => [
        sequence,
        parts.length,
        discontinuitySequence,
      ]),
      [
        [266, 0, 3],
        [267, 2, 3],
      ],
    );
    assert.equal(list.segments[0]!.wallClockUs, Date.UTC(2019, 1, 14, 2, 13, 36, 106) * 1000);
    assert.deepEqual(list.open?.parts, [
      {
        uri: '268.mp4',
        range: { offset: 0, length: 2000 },
        durationUs: 333_340,
        isIndependent: true,
        isGap: false,
      },
      {
        uri: '268.mp4',
        range: { offset: 2000, length: 2100 },
        durationUs: 333_340,
        isIndependent: false,
        isGap: false,
      },
      {
        uri: '268.mp4',
        range: { offset: 4100, length: 2200 },
        durationUs: 333_340,
        isIndependent: false,
        isGap: true,
      },
    ]);
    assert.deepEqual(list.preloadHint, { uri: '268.mp4', range: null });
    assert.equal(list.isEnded, false);
  });

  test('odd servers', () => {
    const list = media(vector('odd-servers.m3u8'), 'token=s3cret');
    assert.deepEqual(
      [
        list.version,
        list.targetDurationUs,
        list.mediaSequence,
        list.startUs,
        list.isStartPrecise,
        list.isEnded,
      ],
      [1, 5_000_000, 7, -12_500_000, true, true],
    );
    assert.deepEqual(
      list.segments.map(({ uri, durationUs, isGap }) => [uri, durationUs, isGap]),
      [
        ['https://cdn.example/a b.ts?t=s3cret&x=1,2', 5_000_000, false],
        ['sub/../seg 8.ts', 4_980_000, false],
        ['https://other.example/9.ts', 500_000, true],
      ],
    );
    const [first, , last] = list.segments;
    assert.equal(first!.key?.iv?.toString('hex'), `${'0'.repeat(30)}ab`);
    assert.equal(last!.key, null);
    assert.equal(last!.wallClockUs, Date.UTC(2024, 1, 29, 18, 29, 59) * 1000 + 123_456);
  });
});

describe('playlist reader: rules', () => {
  test('keys hold until they change, also for initialization sections', () => {
    const list = media(`${head}#EXT-X-KEY:METHOD=AES-128,URI="a"
#EXT-X-MAP:URI="i"
#EXTINF:2,
0.mp4
#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"
#EXTINF:2,
1.mp4
#EXT-X-KEY:METHOD=NONE
#EXT-X-MAP:URI="j"
#EXTINF:2,
2.mp4
`);
    assert.deepEqual(
      list.segments.map(({ key, map }) => [key?.uri, map?.uri, map?.key?.uri]),
      [
        ['a', 'i', 'a'],
        ['a', 'i', 'a'],
        [undefined, 'j', undefined],
      ],
    );
  });

  test('discontinuities are counted from what has gone', () => {
    const list = media(`${head}#EXT-X-DISCONTINUITY-SEQUENCE:5
#EXT-X-DISCONTINUITY
#EXTINF:2,
0
#EXTINF:2,
1
#EXT-X-DISCONTINUITY
#EXTINF:2,
2
`);
    assert.deepEqual(
      list.segments.map((one) => [one.discontinuitySequence, one.isDiscontinuity]),
      [
        [6, true],
        [6, false],
        [7, true],
      ],
    );
  });

  test('a delta update counts what it left out', () => {
    const list = media(`${head}#EXT-X-MEDIA-SEQUENCE:10\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n#EXTINF:2,\na\n`);
    assert.deepEqual([list.skipped, list.segments[0]!.sequence], [3, 13]);
  });

  test('variables: imported ones, in attributes, in later ones', () => {
    const list = readPlaylist(
      '#EXTM3U\n#EXT-X-DEFINE:IMPORT="cdn"\n#EXT-X-DEFINE:NAME="dir",VALUE="{$cdn}/d"\n#EXT-X-MAP:URI="{$dir}/i"\n#EXTINF:1,\n{$dir}/{$cdn}\n',
      {
        variables: new Map([['cdn', 'c']]),
      },
    );
    assert.ok(list.kind === 'media');
    assert.deepEqual([list.segments[0]!.uri, list.segments[0]!.map?.uri], ['c/d/c', 'c/d/i']);
  });

  test('a target duration that is missing is the longest segment', () => {
    const text = '#EXTM3U\n#EXTINF:3.5,\na\n#EXTINF:2,\nb\n';
    assert.equal(media(text).targetDurationUs, 3_500_000);
    assert.equal(media(`${text}#EXT-X-TARGETDURATION:0\n`).targetDurationUs, 3_500_000);
    assert.equal(media('#EXTM3U\n').targetDurationUs, 1_000_000);
  });

  const clocks: readonly (readonly [string, number])[] = [
    ['2024-01-02T03:04:05Z', Date.UTC(2024, 0, 2, 3, 4, 5) * 1000],
    ['2024-01-02T03:04:05', Date.UTC(2024, 0, 2, 3, 4, 5) * 1000],
    ['2024-01-02T03:04:05.5-08:00', Date.UTC(2024, 0, 2, 11, 4, 5, 500) * 1000],
    ['2024-01-02T03:04:05+01', Date.UTC(2024, 0, 2, 2, 4, 5) * 1000],
    ['yesterday', Number.NaN],
  ];
  for (const [text, expected] of clocks)
    test(`wall clock ${text}`, () => {
      const list = media(`${head}#EXT-X-PROGRAM-DATE-TIME:${text}\n#EXTINF:2,\na\n`);
      assert.equal(list.segments[0]!.wallClockUs, expected);
    });

  const refused: readonly (readonly [string, string, string])[] = [
    ['no playlist', '<html>', 'hls.no-playlist'],
    ['nothing', '', 'hls.no-playlist'],
    ['a plain M3U', '#EXTM3U\na.mp3\n', 'hls.no-duration'],
    ['a duration that is none', `${head}#EXTINF:abc,\na\n`, 'hls.no-duration'],
    ['an endless duration', `${head}#EXTINF:1e30,\na\n`, 'hls.no-duration'],
    ['a range that is none', `${head}#EXT-X-BYTERANGE:12-40\n#EXTINF:2,\na\n`, 'hls.bad-range'],
    ['a map without address', `${head}#EXT-X-MAP:BYTERANGE="3@0"\n`, 'hls.bad-map'],
    ['a variable that nobody defines', `${head}#EXTINF:2,\n{$a}.ts\n`, 'hls.unknown-variable'],
    ['an import without master', `${head}#EXT-X-DEFINE:IMPORT="a"\n`, 'hls.unknown-variable'],
    ['a parameter that the address lacks', `${head}#EXT-X-DEFINE:QUERYPARAM="a"\n`, 'hls.unknown-variable'],
    [
      'variables that multiply',
      `#EXTM3U\n${Array.from({ length: 99 }, (_, i) => `#EXT-X-DEFINE:NAME="v${i}",VALUE="${i === 0 ? 'x'.repeat(99) : `{$v${i - 1}}`.repeat(9)}"\n`).join('')}`,
      'hls.too-long',
    ],
    ['too many segments', `${head}${'#EXTINF:1,\na\n'.repeat(100_001)}`, 'hls.too-many-segments'],
  ];
  for (const [name, text, code] of refused)
    test(`refused: ${name}`, () => {
      assert.throws(
        () => readPlaylist(text),
        (error) => error instanceof ProtocolError && error.code === code,
      );
    });
});

/** The same numbers in every run. */
function numbers(start: number): (below: number) => number {
  let seed = start;
  return (below) => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return (seed >>> 8) % below;
  };
}

describe('playlist reader: what our writers make comes back', () => {
  test('media playlists', () => {
    for (let round = 0; round < 300; round++) {
      const below = numbers(round);
      const isEncrypted = below(2) === 1;
      const isMp4 = below(2) === 1;
      let wallUs = Date.UTC(2024, 0) * 1000;
      const entries = Array.from({ length: below(6) }, (_, i) => {
        wallUs += 2_000_000;
        return {
          uri: `s${i}.m4s`,
          durationUs: 1_000_000 + below(4000) * 1000,
          discontinuity: below(4) === 0,
          wallClockUs: below(2) === 0 ? Number.NaN : wallUs,
          mapUri: isMp4 ? `init${below(2)}.mp4` : undefined,
          keyUri: isEncrypted ? `key${below(2)}` : undefined,
          isGap: below(5) === 0,
          parts: Array.from({ length: below(3) }, (_none, part) => ({
            uri: `s${i}.${part}.m4s`,
            durationUs: below(100_000) * 10,
            independent: part === 0,
          })),
        };
      });
      const made: MediaPlaylist = {
        targetDurationSeconds: 5,
        mediaSequence: below(1_000_000),
        discontinuitySequence: below(10),
        entries,
        ended: below(2) === 0,
        independent: below(2) === 0,
        lowLatency:
          below(2) === 0
            ? undefined
            : {
                partTargetUs: 500_000,
                openParts: [{ uri: 'open.0.m4s', durationUs: 400_000, independent: true }],
                open: null,
                hintUri: 'open.1.m4s',
                reports: [],
              },
      };
      const text = serializeMediaPlaylist(made, 'id=1');
      const list = media(text);
      assert.equal(list.mediaSequence, made.mediaSequence);
      assert.equal(list.isEnded, made.ended);
      assert.equal(list.isIndependent, made.independent);
      assert.equal(list.targetDurationUs, 5_000_000);
      let discontinuities = made.discontinuitySequence;
      assert.equal(list.segments.length, entries.length);
      for (const [i, segment] of list.segments.entries()) {
        const entry = entries[i]!;
        if (entry.discontinuity) discontinuities++;
        assert.equal(segment.uri, `${entry.uri}?id=1`, text);
        assert.equal(segment.durationUs, entry.durationUs);
        assert.equal(segment.sequence, made.mediaSequence + i);
        assert.equal(segment.isDiscontinuity, entry.discontinuity);
        assert.equal(segment.discontinuitySequence, discontinuities);
        assert.deepEqual(segment.wallClockUs, entry.wallClockUs);
        assert.equal(segment.map?.uri, entry.mapUri === undefined ? undefined : `${entry.mapUri}?id=1`);
        assert.equal(segment.map?.key ?? null, null);
        assert.equal(segment.key?.uri, entry.keyUri === undefined ? undefined : `${entry.keyUri}?id=1`, text);
        assert.equal(segment.isGap, entry.isGap);
        assert.deepEqual(
          segment.parts.map(({ uri, durationUs, isIndependent }) => [uri, durationUs, isIndependent]),
          entry.parts.map(({ uri, durationUs, independent }) => [`${uri}?id=1`, durationUs, independent]),
        );
      }
      if (made.lowLatency === undefined || made.ended) continue;
      assert.deepEqual([list.partTargetUs, list.canBlockReload], [500_000, true]);
      assert.equal(list.partHoldBackUs, 1_501_000);
      assert.equal(list.preloadHint?.uri, 'open.1.m4s?id=1');
      assert.equal(list.open?.parts[0]?.durationUs, 400_000);
    }
  });

  test('master playlists', () => {
    const variant = {
      uri: 'v0.m3u8',
      peakBitrateBps: 1_234_567.4,
      averageBitrateBps: 1_000_000,
      codecs: ['avc1.64001f', 'mp4a.40.2'],
      width: 1280,
      height: 720,
      frameRate: 29.97,
      audioGroup: 'aud',
    };
    const rendition = {
      group: 'aud',
      uri: 'a0.m3u8',
      name: 'Deu"tsch',
      language: 'de',
      channels: 2,
      isDefault: true,
    };
    const list = master(
      serializeMasterPlaylist([variant, { ...variant, uri: 'v1.m3u8', audioGroup: '' }], 'x=1', [rendition]),
    );
    assert.deepEqual(list.variants, [
      {
        uri: 'v0.m3u8?x=1',
        bandwidthBps: 1_234_568,
        codecs: variant.codecs,
        width: 1280,
        height: 720,
        frameRate: 29.97,
        audio: 'aud',
        video: '',
      },
      { ...list.variants[0], uri: 'v1.m3u8?x=1', audio: '' },
    ]);
    assert.deepEqual(list.renditions, [
      {
        type: 'AUDIO',
        group: 'aud',
        name: "Deu'tsch",
        language: 'de',
        uri: 'a0.m3u8?x=1',
        isDefault: true,
        isAutoselect: true,
        channels: 2,
      },
    ]);
  });
});
