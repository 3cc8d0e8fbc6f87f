import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCodecConfig } from '../../../../src/codec/codec-config.ts';
import type { CodecId } from '../../../../src/codec/codec-id.ts';
import { makeTrack } from '../../../../src/media/track.ts';
import { hlsAddress } from '../../../../src/protocol/hls/hls-address.ts';
import { chooseFormat } from '../../../../src/protocol/hls/hls-format.ts';

test('HLS addresses: what each path means', () => {
  const cases: [string, string][] = [
    ['/live/cam.m3u8', 'master live cam'],
    ['/live/cam.ll.m3u8', 'master live cam ll'],
    ['/live/cam.fmp4.m3u8', 'master live cam fmp4'],
    ['/live/a.b.m3u8', 'master live a.b'],
    ['/live/yard/cam.m3u8', 'master live/yard cam'],
    ['/live/cam.ts.m3u8', 'media live cam'],
    ['/live/cam.cmaf/v0.m3u8', 'media live cam v0'],
    ['/live/cam.cmaf/a31.m3u8', 'media live cam a31'],
    ['/live/cam-12.ts', 'segment live cam 12'],
    ['/live/cam-1-12.ts', 'segment live cam-1 12'],
    ['/live/cam-9.key', 'key live cam 9'],
    ['/live/cam.ts', ''],
    ['/cam.m3u8', ''],
    ['/vod/a.mp4.m3u8', ''],
    ['/docs/x.m3u8', ''],
    ['/live/cam-1234567890123456.ts', ''],
  ];
  for (const [path, expected] of cases) {
    const found = hlsAddress(path);
    const said =
      found === null
        ? ''
        : [
            found.kind,
            found.app,
            found.stream,
            found.format,
            found.track,
            found.number >= 0 ? found.number : '',
          ]
            .filter((word) => word !== '')
            .join(' ');
    assert.equal(said, expected, path);
  }
});

test('HLS formats: MPEG-TS where every player can decode it, MP4 for all else', () => {
  const tracks = (...codecs: CodecId[]) =>
    codecs.map((codec, id) => makeTrack(id, makeCodecConfig(codec, new Uint8Array(0), codec)));
  const cases: [string, CodecId[], string][] = [
    ['auto', ['h264', 'aac'], 'ts'],
    ['auto', ['h264', 'mp3'], 'ts'],
    ['auto', ['aac'], 'ts'],
    ['auto', [], 'ts'],
    ['auto', ['h265', 'aac'], 'fmp4'],
    ['auto', ['av1', 'opus'], 'fmp4'],
    ['auto', ['h264', 'opus'], 'fmp4'],
    ['auto', ['h264', 'aac', 'aac'], 'fmp4'],
    ['ts', ['h265', 'aac'], 'ts'],
    ['ll', ['h264', 'aac'], 'fmp4'],
    ['fmp4', ['h264', 'aac'], 'fmp4'],
  ];
  for (const [wanted, codecs, expected] of cases)
    assert.equal(chooseFormat(wanted, tracks(...codecs)), expected, `${wanted} ${codecs}`);
});
