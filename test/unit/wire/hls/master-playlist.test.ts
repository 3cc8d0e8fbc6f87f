import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serializeMasterPlaylist, type Variant } from '../../../../src/wire/hls/master-playlist.ts';
import { checkPlaylist } from '../../../conformance/m3u8-checker.ts';

const FULL: Variant = {
  uri: 'index.m3u8',
  peakBitrateBps: 2_500_000.2,
  averageBitrateBps: 2_000_000,
  codecs: ['avc1.64001f', 'mp4a.40.2'],
  width: 1280,
  height: 720,
  frameRate: 29.97,
};

test('master playlist: attributes', () => {
  const cases: [string, Variant, string][] = [
    [
      'all that is known',
      FULL,
      'BANDWIDTH=2500001,AVERAGE-BANDWIDTH=2000000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=29.970',
    ],
    [
      'a codec without a name',
      { ...FULL, codecs: ['avc1.64001f', ''], frameRate: 0 },
      'BANDWIDTH=2500001,AVERAGE-BANDWIDTH=2000000,RESOLUTION=1280x720',
    ],
    [
      'nothing known',
      { ...FULL, peakBitrateBps: 0, averageBitrateBps: 0, codecs: [], width: 0, frameRate: 0 },
      'BANDWIDTH=1',
    ],
  ];
  for (const [name, variant, expected] of cases) {
    const text = serializeMasterPlaylist([variant]);
    assert.equal(text, `#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-STREAM-INF:${expected}\nindex.m3u8\n`, name);
    assert.deepEqual(checkPlaylist(text).violations, [], name);
  }
});

test('master playlist: several variants with a query', () => {
  const text = serializeMasterPlaylist([FULL, { ...FULL, uri: 'low.m3u8' }], 'k=v');
  const checked = checkPlaylist(text);
  assert.deepEqual(checked.violations, []);
  assert.deepEqual(
    checked.variants.map((variant) => variant.uri),
    ['index.m3u8?k=v', 'low.m3u8?k=v'],
  );
});
