import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isWebrtcPath,
  layerLocation,
  type OfferAddress,
  sessionLocation,
  webrtcAddress,
} from '../../../../src/protocol/webrtc/webrtc-address.ts';
import { RejectedError } from '../../../../src/util/errors.ts';

const SECRET = '0123456789abcdefghjkmnpqrs';

function parse(url: string) {
  const { pathname, searchParams } = new URL(url, 'http://host');
  return webrtcAddress(decodeURIComponent(pathname), searchParams);
}

function isOurs(url: string): boolean {
  const { pathname, searchParams } = new URL(url, 'http://host');
  return isWebrtcPath(decodeURIComponent(pathname), searchParams);
}

/** Address -> role, shape, application, stream. */
const OFFERS: readonly (readonly [string, string, string, string, string])[] = [
  // This server, MediaMTX
  ['/live/cam/whip', 'publish', 'mediamtx', 'live', 'cam'],
  ['/live/cam/whep', 'play', 'mediamtx', 'live', 'cam'],
  ['/live/cam/whep/', 'play', 'mediamtx', 'live', 'cam'],
  ['/live/room/cam/whip?token=x', 'publish', 'mediamtx', 'live/room', 'cam'],
  ['/live/%E7%94%B5/whep', 'play', 'mediamtx', 'live', '电'],
  ['/whip/live/cam', 'publish', 'plain', 'live', 'cam'],
  ['/whep/live/room/cam', 'play', 'plain', 'live/room', 'cam'],
  ['/whip/live/whip', 'publish', 'plain', 'live', 'whip'],
  ['/whip?app=live&stream=cam', 'publish', 'plain', 'live', 'cam'],
  ['/whep/?app=live&stream=cam', 'play', 'plain', 'live', 'cam'],
  ['/whep?stream=live/cam', 'play', 'plain', 'live', 'cam'],
  ['/whep?stream=cam', 'play', 'plain', 'live', 'cam'],
  // SRS
  ['/rtc/v1/whip/?app=live&stream=cam', 'publish', 'srs', 'live', 'cam'],
  ['/rtc/v1/whip?app=live&stream=cam', 'publish', 'srs', 'live', 'cam'],
  ['/rtc/v1/whep/?app=live&stream=cam&eip=1.2.3.4', 'play', 'srs', 'live', 'cam'],
  ['/rtc/v1/whip-play/?app=live&stream=cam', 'play', 'srs', 'live', 'cam'],
  ['/rtc/v1/whip/', 'publish', 'srs', 'live', 'livestream'],
  ['/rtc/v1/publish/', 'publish', 'srs-json', '', ''],
  ['/rtc/v1/play', 'play', 'srs-json', '', ''],
  // ZLMediaKit
  ['/index/api/whip?app=live&stream=cam', 'publish', 'zlm', 'live', 'cam'],
  ['/index/api/whep?app=live&stream=cam', 'play', 'zlm', 'live', 'cam'],
  ['/index/api/webrtc?app=live&stream=cam&type=push', 'publish', 'zlm-json', 'live', 'cam'],
  ['/index/api/webrtc?app=live&stream=cam&type=play', 'play', 'zlm-json', 'live', 'cam'],
  // go2rtc
  ['/api/webrtc?dst=cam', 'publish', 'go2rtc', 'live', 'cam'],
  ['/api/webrtc?src=live/cam', 'play', 'go2rtc', 'live', 'cam'],
  // OvenMediaEngine
  ['/live/cam?direction=whip', 'publish', 'plain', 'live', 'cam'],
  ['/live/cam?direction=whip&transport=tcp', 'publish', 'plain', 'live', 'cam'],
  ['/live/cam?direction=whep', 'play', 'plain', 'live', 'cam'],
  // smart_rtmpd
  ['/whip/v1?app=live&name=cam', 'publish', 'plain', 'live', 'cam'],
  ['/whep/v1?app=live&name=cam', 'play', 'plain', 'live', 'cam'],
];

test('where offers go, in the shapes of all servers', () => {
  for (const [url, role, shape, app, stream] of OFFERS) {
    assert.deepEqual(parse(url), { kind: 'offer', role, shape, app, stream }, url);
    assert.ok(isOurs(url), url);
  }
});

test('sessions, in the shapes of all servers, are those that were told', () => {
  for (const [url] of OFFERS) {
    const offer = { ...(parse(url) as OfferAddress), app: 'live', stream: 'a b' };
    const location = sessionLocation(offer, SECRET, 'id123456', 'https://host:8181');
    assert.deepEqual(parse(location), { kind: 'session', secret: SECRET }, location);
    assert.ok(isOurs(location), location);
  }
});

test('the resource as each server writes it', () => {
  const at = (shape: OfferAddress['shape'], role: OfferAddress['role'] = 'publish') =>
    sessionLocation({ kind: 'offer', role, shape, app: 'live', stream: 'cam' }, SECRET, 'id', 'http://h:80');
  assert.equal(at('mediamtx', 'play'), `/live/cam/whep/${SECRET}`);
  assert.equal(at('srs'), `/rtc/v1/whip/?action=delete&token=${SECRET}&app=live&stream=cam&session=id`);
  assert.equal(at('zlm'), `http://h:80/index/api/delete_webrtc?id=id&token=${SECRET}`);
  assert.equal(at('plain'), `/webrtc/session/${SECRET}`);
});

test('addresses that name no stream are refused with a sentence', () => {
  for (const url of [
    '/whip',
    '/whip/',
    '/whip/live',
    '/whip?app=live',
    '/cam/whep',
    '/api/webrtc',
    '/live?direction=whip',
    '/index/api/webrtc?type=echo&app=live&stream=a',
  ])
    assert.throws(
      () => parse(url),
      (error: unknown) => error instanceof RejectedError && error.reason === 'bad-request',
      url,
    );
});

test('what belongs to others', () => {
  for (const url of [
    '/live/cam.flv',
    '/live/whip/cam.m3u8',
    '/live/whep/cam',
    '/api/v1/streams',
    '/api/v1/whip',
    '/vod/a/whep',
    '/',
    '/index.html',
    '/live/cam?direction=up',
    '/rtc/v1/nack',
  ]) {
    assert.equal(isOurs(url), false, url);
    assert.equal(url.startsWith('/live/') && parse(url) !== null, false, url);
  }
  // A session that cannot be one.
  assert.equal(parse('/webrtc/session/short'), null);
});

test('where a player chooses its layer is below its session', () => {
  assert.equal(layerLocation(SECRET), `/webrtc/session/${SECRET}/layer`);
  assert.deepEqual(parse(layerLocation(SECRET)), { kind: 'layer', secret: SECRET });
  assert.equal(parse(`/webrtc/session/${SECRET}/layers`), null);
  assert.equal(parse('/webrtc/session/layer'), null);
});
