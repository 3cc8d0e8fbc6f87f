import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { baseOf, findControl, parseAddress, splitTrack } from '../../../../src/protocol/rtsp/rtsp-address.ts';

describe('addresses', () => {
  const cases: readonly [url: string, host: string, app: string, stream: string, query: string][] = [
    ['rtsp://Host:8554/live/cam', 'host', 'live', 'cam', ''],
    ['rtsp://host/live/cam/', 'host', 'live', 'cam', ''],
    ['rtsps://host/cams/yard/north', 'host', 'cams/yard', 'north', ''],
    ['rtsp://host/live/cam?token=a/b', 'host', 'live', 'cam', 'token=a/b'],
    ['rtsp://host/live/cam?x=1/', 'host', 'live', 'cam', 'x=1'],
    ['rtsp://host/live/cam?vhost=other.test', 'other.test', 'live', 'cam', 'vhost=other.test'],
    ['rtsp://user:p%40ss@host:1/live/cam', 'host', 'live', 'cam', ''],
    ['rtsp://[::1]:8554/live/cam', '::1', 'live', 'cam', ''],
    ['rtsp://host/live/caf%C3%A9', 'host', 'live', 'café', ''],
    ['rtsp://host/live/100%', 'host', 'live', '100%', ''],
  ];
  for (const [url, host, app, stream, query] of cases) {
    test(url, () => {
      const { base, ...rest } = parseAddress(url);
      assert.deepEqual(rest, { host, app, stream, query });
      assert.equal(base, baseOf(url));
    });
  }

  for (const url of ['*', 'rtsp://host', 'rtsp://host/', 'rtsp://host/cam', 'live/cam', '']) {
    test(`"${url}" names no stream`, () =>
      assert.throws(() => parseAddress(url), /rtsp:\/\/host\/live\/cam/));
  }
});

describe('tracks of ours', () => {
  const cases: readonly [url: string, rest: string, position: number][] = [
    ['rtsp://h/live/cam/trackID=1', 'rtsp://h/live/cam', 1],
    ['rtsp://h/live/cam/trackID=12/', 'rtsp://h/live/cam', 12],
    ['rtsp://h/live/cam?a=b/trackID=0', 'rtsp://h/live/cam?a=b', 0],
    ['rtsp://h/live/cam', 'rtsp://h/live/cam', -1],
    ['rtsp://h/live/cam/trackID=', 'rtsp://h/live/cam/trackID=', -1],
    ['rtsp://h/live/cam/trackID=1x', 'rtsp://h/live/cam/trackID=1x', -1],
    ['rtsp://h/live/cam/trackID=1234', 'rtsp://h/live/cam/trackID=1234', -1],
  ];
  for (const [url, rest, position] of cases) {
    test(url, () => assert.deepEqual(splitTrack(url), { url: rest, position }));
  }
});

describe('controls of a publisher', () => {
  const base = 'rtsp://h/live/cam';
  const cases: readonly [url: string, controls: readonly string[], position: number][] = [
    [`${base}/streamid=1`, ['streamid=0', 'streamid=1'], 1],
    [`${base}/streamid=11`, ['streamid=1', 'streamid=11'], 1],
    [`${base}?t=1/stream=0`, ['stream=1', 'stream=0'], 1],
    [`${base}/video/`, ['audio', 'video'], 1],
    [`${base}/x/track1`, [`${base}/x/track1`, 'track2'], 0],
    [`${base}/myaudio`, ['audio'], -1],
    [base, ['', ''], -1],
    [`${base}/?trackID=2`, ['trackID=2'], 0],
  ];
  for (const [url, controls, position] of cases) {
    test(`${url} of ${controls.join(', ')}`, () => assert.equal(findControl(url, controls), position));
  }
});
