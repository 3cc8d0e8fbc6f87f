import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIVE_FORMATS, liveAddress } from '../../../../src/protocol/http-live/live-format.ts';

const LIVE = new Set(['live/cam-12', 'live/odd.live']);

/** Path -> format and suffix, or null when somebody else answers. */
const CASES: readonly (readonly [string, readonly [string, string] | null])[] = [
  ['/live/cam.flv', ['flv', '.flv']],
  ['/live/cam.ts', ['ts', '.ts']],
  ['/live/cam.mp4', ['fmp4', '.mp4']],
  ['/live/cam.aac', ['aac', '.aac']],
  ['/live/cam.mp3', ['mp3', '.mp3']],
  ['/a/b/cam.flv', ['flv', '.flv']],
  ['/live/cam.live.flv', ['flv', '.live.flv']],
  ['/live/cam.live.ts', ['ts', '.live.ts']],
  ['/live/cam.live.mp4', ['fmp4', '.live.mp4']],
  // ZLMediaKit has no such form of these.
  ['/live/cam.live.aac', ['aac', '.aac']],
  ['/live/odd.live.flv', ['flv', '.flv']],
  ['/rec/cam.flv', ['flv', '.flv']],
  ['/live/cam-x.ts', ['ts', '.ts']],
  ['/live/cam-12.ts', ['ts', '.ts']],
  ['/live/cam-13.ts', null],
  ['/live/cam-13.mp4', ['fmp4', '.mp4']],
  ['/live/cam.keyframe.mp4', null],
  ['/live/cam.cmaf/v0-12.mp4', null],
  ['/vod/film.mp4', null],
  ['/docs/film.mp4', null],
  ['/api/film.mp4', null],
  ['/live/cam.m3u8', null],
  ['/live/cam', null],
  ['/live/camflv', null],
];

for (const [path, expected] of CASES) {
  test(`${path}: ${expected === null ? 'not ours' : expected.join(', ')}`, () => {
    const address = liveAddress(path, (stream) => LIVE.has(stream));
    assert.deepEqual(address && [address.format.name, address.suffix], expected);
  });
}

test('every format has an address and bytes of its own', () => {
  for (const key of ['name', 'suffix', 'contentType'] as const)
    assert.equal(new Set(LIVE_FORMATS.map((format) => format[key])).size, LIVE_FORMATS.length);
  const feeds = LIVE_FORMATS.flatMap((format) => [format.http.name, format.webSocket.name]);
  assert.equal(new Set(feeds).size, 2 * LIVE_FORMATS.length);
  for (const format of LIVE_FORMATS) assert.equal(format.webSocket.name, `ws-${format.http.name}`);
});
