import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serializeMediaPlaylist } from '../../../../src/wire/hls/media-playlist.ts';

const entry = (uri: string, durationUs: number, wallClockUs = Number.NaN, discontinuity = false) => ({
  uri,
  durationUs,
  wallClockUs,
  discontinuity,
});

test('media playlist: a live list, byte by byte', () => {
  const text = serializeMediaPlaylist({
    targetDurationSeconds: 2,
    mediaSequence: 1_700_000_000,
    discontinuitySequence: 0,
    entries: [
      entry('a.ts', 2_000_000, 1_700_000_000_123_456),
      entry('b.ts', 1_950_476, 1_700_000_002_123_456),
    ],
    ended: false,
  });
  assert.equal(
    text,
    [
      '#EXTM3U',
      '#EXT-X-VERSION:3',
      '#EXT-X-TARGETDURATION:2',
      '#EXT-X-MEDIA-SEQUENCE:1700000000',
      '#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z',
      '#EXTINF:2.000,',
      'a.ts',
      '#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:22.123Z',
      '#EXTINF:1.950,',
      'b.ts',
      '',
    ].join('\n'),
  );
});

test('media playlist: discontinuities, end, query', () => {
  const text = serializeMediaPlaylist(
    {
      targetDurationSeconds: 6,
      mediaSequence: 7,
      discontinuitySequence: 3,
      entries: [entry('a.ts', 6_499_499), entry('b.ts', 40_000, Number.NaN, true)],
      ended: true,
    },
    'session=x&token=y',
  );
  assert.equal(
    text,
    [
      '#EXTM3U',
      '#EXT-X-VERSION:3',
      '#EXT-X-TARGETDURATION:6',
      '#EXT-X-MEDIA-SEQUENCE:7',
      '#EXT-X-DISCONTINUITY-SEQUENCE:3',
      '#EXTINF:6.499,',
      'a.ts?session=x&token=y',
      '#EXT-X-DISCONTINUITY',
      '#EXTINF:0.040,',
      'b.ts?session=x&token=y',
      '#EXT-X-ENDLIST',
      '',
    ].join('\n'),
  );
});

test('media playlist: low latency, byte by byte', () => {
  const part = (uri: string, independent = false) => ({ uri, durationUs: 200_000, independent });
  const head = { discontinuity: false, mapUri: 'v0/init-1.mp4' };
  const text = serializeMediaPlaylist({
    targetDurationSeconds: 2,
    mediaSequence: 7,
    discontinuitySequence: 3,
    entries: [
      { ...head, uri: 'v0/7.m4s', durationUs: 2_000_000, wallClockUs: Number.NaN },
      {
        ...head,
        uri: 'v0/8.m4s',
        durationUs: 400_000,
        wallClockUs: Number.NaN,
        parts: [part('v0/8.0.m4s', true), part('v0/8.1.m4s')],
      },
    ],
    ended: false,
    independent: true,
    lowLatency: {
      partTargetUs: 201_000,
      open: { ...head, mapUri: 'v0/init-2.mp4', discontinuity: true, wallClockUs: 1_700_000_000_000_000 },
      openParts: [part('v0/9.0.m4s', true)],
      hintUri: 'v0/9.1.m4s',
      reports: [{ uri: 'a1.m3u8', lastSequence: 9, lastPart: 0 }],
    },
  });
  assert.equal(
    text,
    [
      '#EXTM3U',
      '#EXT-X-VERSION:9',
      '#EXT-X-TARGETDURATION:2',
      '#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.604,CAN-SKIP-UNTIL=12.0',
      '#EXT-X-PART-INF:PART-TARGET=0.201',
      '#EXT-X-INDEPENDENT-SEGMENTS',
      '#EXT-X-MEDIA-SEQUENCE:7',
      '#EXT-X-DISCONTINUITY-SEQUENCE:3',
      '#EXT-X-MAP:URI="v0/init-1.mp4"',
      '#EXTINF:2.000,',
      'v0/7.m4s',
      '#EXT-X-PART:DURATION=0.20000,URI="v0/8.0.m4s",INDEPENDENT=YES',
      '#EXT-X-PART:DURATION=0.20000,URI="v0/8.1.m4s"',
      '#EXTINF:0.400,',
      'v0/8.m4s',
      '#EXT-X-DISCONTINUITY',
      '#EXT-X-MAP:URI="v0/init-2.mp4"',
      '#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.000Z',
      '#EXT-X-PART:DURATION=0.20000,URI="v0/9.0.m4s",INDEPENDENT=YES',
      '#EXT-X-PRELOAD-HINT:TYPE=PART,URI="v0/9.1.m4s"',
      '#EXT-X-RENDITION-REPORT:URI="a1.m3u8",LAST-MSN=9,LAST-PART=0',
      '',
    ].join('\n'),
  );
});

test('media playlist: a delta update, gaps, keys that change', () => {
  const text = serializeMediaPlaylist({
    targetDurationSeconds: 2,
    mediaSequence: 1,
    discontinuitySequence: 0,
    entries: [
      { ...entry('1.m4s', 2_000_000), mapUri: 'i1', keyUri: 'k1' },
      { ...entry('2.m4s', 2_000_000), mapUri: 'i1', keyUri: 'k1' },
      { ...entry('3.m4s', 2_000_000), mapUri: 'i1', keyUri: 'k2', isGap: true },
      { ...entry('4.m4s', 2_000_000), mapUri: 'i2', keyUri: 'k2' },
    ],
    ended: true,
    skipped: 1,
  });
  assert.equal(
    text,
    [
      '#EXTM3U',
      '#EXT-X-VERSION:9',
      '#EXT-X-TARGETDURATION:2',
      '#EXT-X-MEDIA-SEQUENCE:1',
      '#EXT-X-SKIP:SKIPPED-SEGMENTS=1',
      '#EXTINF:2.000,',
      '2.m4s',
      '#EXT-X-KEY:METHOD=AES-128,URI="k2"',
      '#EXT-X-GAP',
      '#EXTINF:2.000,',
      '3.m4s',
      '#EXT-X-KEY:METHOD=NONE',
      '#EXT-X-MAP:URI="i2"',
      '#EXT-X-KEY:METHOD=AES-128,URI="k2"',
      '#EXTINF:2.000,',
      '4.m4s',
      '#EXT-X-ENDLIST',
      '',
    ].join('\n'),
  );
});
