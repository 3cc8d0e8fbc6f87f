import assert from 'node:assert/strict';
import { test } from 'node:test';
import { iceServerLinks, parseIceServer } from '../../../../src/protocol/webrtc/ice-servers.ts';

test('addresses of STUN and TURN servers', () => {
  const cases: readonly (readonly [string, ReturnType<typeof parseIceServer>])[] = [
    ['stun:stun.example.org', { url: 'stun:stun.example.org', user: '', password: '' }],
    ['STUNS:stun.example.org:5349', { url: 'stuns:stun.example.org:5349', user: '', password: '' }],
    ['stun:[2001:db8::1]:3478', { url: 'stun:[2001:db8::1]:3478', user: '', password: '' }],
    [
      'turn:me:pw/+=@turn.example.org:3478?transport=udp',
      { url: 'turn:turn.example.org:3478?transport=udp', user: 'me', password: 'pw/+=' },
    ],
    ['turns:me:pw@10.0.0.1', { url: 'turns:10.0.0.1', user: 'me', password: 'pw' }],
    // TURN without a user helps nobody; STUN asks for none.
    ['turn:turn.example.org', null],
    ['stun:me:pw@stun.example.org', null],
    ['stun:', null],
    ['http://stun.example.org', null],
    ['stun:a b', null],
    ['turn:me:p"w@host', null],
    ['stun:host?transport=sctp', null],
  ];
  for (const [text, expected] of cases) assert.deepEqual(parseIceServer(text), expected, text);
});

test('Link headers as RFC 9725 section 4.6 has them', () => {
  const servers = ['stun:a.example', 'turn:me:pw@b.example?transport=tcp'].map((one) => parseIceServer(one)!);
  assert.deepEqual(iceServerLinks(servers), [
    '<stun:a.example>; rel="ice-server"',
    '<turn:b.example?transport=tcp>; rel="ice-server"; username="me"; credential="pw"; credential-type="password"',
  ]);
});
