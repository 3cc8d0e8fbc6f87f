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
