/** Addresses of WHIP and WHEP in all their forms: where the offer goes, with which credentials, of which stream. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CallRole,
  callAddressOfStream,
  namesRole,
  parseCallAddress,
  streamOfCall,
} from '../../../../src/client/webrtc/call-address.ts';

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

const ADDRESSES: readonly (readonly [text: string, role: CallRole, url: string, authorization: string])[] = [
  ['whep://h:8080/live/cam/whep', 'play', 'http://h:8080/live/cam/whep', ''],
  ['WHEP://h/live/cam', 'play', 'http://h/live/cam', ''],
  ['wheps://h/cam/whep?x=1#frag', 'play', 'https://h/cam/whep?x=1', ''],
  ['whip://[::1]:81/in/whip', 'publish', 'http://[::1]:81/in/whip', ''],
  ['whips://tok%2B1@h/in', 'publish', 'https://h/in', 'Bearer tok+1'],
  ['whips://me:p%40w@h/in', 'publish', 'https://h/in', basic('me:p@w')],
  ['whep://h/cam/whep?token=abc', 'play', 'http://h/cam/whep?token=abc', 'Bearer abc'],
  ['whep://tok@h/cam/whep?token=abc', 'play', 'http://h/cam/whep?token=abc', 'Bearer tok'],
  ['whep://h/cam/whep?token=a%20b', 'play', 'http://h/cam/whep?token=a%20b', ''],
  ['http://h/live/cam/whep', 'play', 'http://h/live/cam/whep', ''],
  ['https://h/whip/live/cam', 'publish', 'https://h/whip/live/cam', ''],
  ['webrtc://h/live/cam', 'play', 'http://h:1985/rtc/v1/whep/?app=live&stream=cam', ''],
  ['webrtc://h:8080/a/b/cam?k=v', 'publish', 'http://h:8080/rtc/v1/whip/?app=a%2Fb&stream=cam&k=v', ''],
  ['webrtc://h:80/live/cam', 'play', 'http://h/rtc/v1/whep/?app=live&stream=cam', ''],
  ['webrtc://h:80/live/cam?schema=https', 'play', 'https://h:80/rtc/v1/whep/?app=live&stream=cam', ''],
  ['webrtc://[::1]/live/cam', 'play', 'http://[::1]:1985/rtc/v1/whep/?app=live&stream=cam', ''],
  [
    'webrtc://tok@h/live/cam?schema=https',
    'play',
    'https://h/rtc/v1/whep/?app=live&stream=cam',
    'Bearer tok',
  ],
];

for (const [text, role, url, authorization] of ADDRESSES) {
  test(`call address: ${text} to ${role}`, () => {
    const address = parseCallAddress(text, role);
    assert.equal(address?.url.href, url);
    assert.equal(address?.authorization, authorization);
  });
}

test('call address: what is none', () => {
  const none: readonly (readonly [text: string, role: CallRole])[] = [
    ['whip://h/live/cam', 'play'],
    ['whep://h/live/cam', 'publish'],
    ['http://h/live/cam.flv', 'play'],
    ['http://h/live/cam/whep', 'publish'],
    ['rtmp://h/live/cam', 'play'],
    ['whep://', 'play'],
    ['whep://h:0/x', 'play'],
    ['whep://h:99999/x', 'play'],
    ['whep://%zz@h/x', 'play'],
    ['whep://a%0ab@h/x', 'play'],
    ['webrtc://h', 'play'],
    ['webrtc://h/cam', 'play'],
    ['webrtc://h/live/', 'play'],
    ['webrtc://h/%zz/cam', 'play'],
    ['whep:h/x', 'play'],
    ['', 'play'],
    [`whep://h/${'x'.repeat(5000)}`, 'play'],
  ];
  for (const [text, role] of none) assert.equal(parseCallAddress(text, role), null, text);
});

test('call address: which addresses of HTTP say what they are', () => {
  const roles: readonly (readonly [text: string, isPlay: boolean, isPublish: boolean])[] = [
    ['http://h/cam/whep', true, false],
    ['http://h/cam/WHEP/', true, false],
    ['http://h/cam/whip?x=1', false, true],
    ['http://h/rtc/v1/whep/?app=a&stream=b', true, false],
    ['http://h/rtc/v1/whip-play/?app=a&stream=b', true, false],
    ['http://h/index/api/whip?app=a&stream=b', false, true],
    ['http://h/api/webrtc?src=cam', true, false],
    ['http://h/api/webrtc?dst=cam', false, true],
    ['http://h/app/cam?direction=whip', false, true],
    ['http://h/whip/v1?app=a&name=b', false, true],
    ['http://h/whep/cam.flv', false, false],
    ['http://h/live/whepper', false, false],
    ['http://h/live/cam.m3u8?next=/whep', false, false],
    ['no address', false, false],
  ];
  for (const [text, isPlay, isPublish] of roles) {
    assert.equal(namesRole(text, 'play'), isPlay, text);
    assert.equal(namesRole(text, 'publish'), isPublish, text);
  }
});

test('call address: one target for many streams, and the stream that an address names', () => {
  const named: readonly (readonly [target: string, isForMany: boolean, url: string, stream: string])[] = [
    ['whip://h', false, 'whip://h/live/c%20m/whip', 'live/c m'],
    ['whip://h/?k=v', true, 'whip://h/live/c%20m/whip?k=v', 'live/c m'],
    ['whip://h/in', true, 'whip://h/in/c%20m/whip', 'in/c m'],
    ['whips://h:81/in/whip/', true, 'whips://h:81/in/c%20m/whip', 'in/c m'],
    ['whip://h/in/one/whip', false, 'whip://h/in/one/whip', 'in/one'],
    ['webrtc://h', true, 'webrtc://h/live/c%20m', 'live/c m'],
    ['webrtc://h/in?k=v', true, 'webrtc://h/in/c%20m?k=v', 'in/c m'],
    ['http://h/rtc/v1/whip/?app=in', true, 'http://h/rtc/v1/whip/?app=in&stream=c%20m', 'in/c m'],
    ['http://h/whip/v1?app=in', true, 'http://h/whip/v1?app=in&name=c%20m', 'in/c m'],
    ['http://h/in?direction=whip', true, 'http://h/in/c%20m?direction=whip', 'in/c m'],
    ['http://h/api/webrtc?dst=x', true, 'http://h/api/webrtc?dst=x', 'api/webrtc'],
  ];
  for (const [target, isForMany, url, stream] of named) {
    assert.equal(callAddressOfStream(target, 'live', 'c m', isForMany), url);
    assert.equal(streamOfCall(url), stream, url);
  }
  assert.equal(streamOfCall('whip://['), '');
});
