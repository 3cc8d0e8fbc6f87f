import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answerPublish } from '../../../../src/rtc/negotiation/answer.ts';
import { parseFragment, printFragment, renegotiateIce } from '../../../../src/rtc/negotiation/fragment.ts';
import { parseOffer } from '../../../../src/rtc/negotiation/offer.ts';
import { ProtocolError } from '../../../../src/util/errors.ts';
import { LOCAL, recorded } from '../../../support/webrtc-sdp.ts';

/** As in RFC 9725 section 4.3.1, with a section of another transport behind. */
const FRAGMENT = `a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 111
a=mid:0
a=ice-ufrag:EsAw
a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1
a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1
a=candidate:1387637174 2 udp 2122260222 192.0.2.1 61765 typ host
a=candidate:nonsense
a=candidate:2 1 udp 1 f2b3.local 61766 typ host
a=end-of-candidates
m=audio 9 UDP/TLS/RTP/SAVPF 111
a=ice-ufrag:Else
a=candidate:3 1 udp 1 192.0.2.9 1 typ host
`;
const { description } = answerPublish(parseOffer(recorded('whip-chromium-h264-srs.offer')), LOCAL, {
  stream: 'a/b',
  preferred: [],
});

test('fragment: candidates of later', () => {
  const expected = {
    ufrag: 'EsAw',
    password: 'P2uYro0UCOQ4zxjKXaWCBui1',
    candidates: [
      'candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1',
      'candidate:2 1 udp 1 f2b3.local 61766 typ host',
    ],
    isEnd: true,
  };
  assert.deepEqual(parseFragment(FRAGMENT), expected);
  assert.deepEqual(parseFragment(Buffer.from(FRAGMENT.replaceAll('\n', '\r\n'))), expected);
  assert.deepEqual(parseFragment('a=candidate:2 1 udp 1 192.0.2.1 6 typ host\r\n'), {
    ufrag: '',
    password: '',
    candidates: ['candidate:2 1 udp 1 192.0.2.1 6 typ host'],
    isEnd: false,
  });
});

test('fragment: what is printed is read', () => {
  const fragment = { ...LOCAL.ice, candidates: LOCAL.candidates, isEnd: true };
  const text = printFragment(fragment, description);
  assert.equal(
    text,
    [
      'a=ice-ufrag:abcdefgh',
      'a=ice-pwd:0123456789abcdefghijkl',
      'm=audio 9 UDP/TLS/RTP/SAVPF 111',
      'a=mid:0',
      'a=candidate:1 1 udp 2130706431 127.0.0.1 8000 typ host',
      'a=candidate:2 1 tcp 1671430143 127.0.0.1 8000 typ host tcptype passive',
      'a=end-of-candidates',
      '',
    ].join('\r\n'),
  );
  assert.deepEqual(parseFragment(text), fragment);
  assert.equal(parseFragment(printFragment({ ...fragment, isEnd: false }, description)).isEnd, false);
});

test('fragment: ICE starts again with new credentials', () => {
  const ours = { ufrag: 'newnewnew', password: 'newpasswordnewpassword00' };
  const restart = renegotiateIce(parseFragment(FRAGMENT), description, () => ({ ...LOCAL, ice: ours }));
  assert.deepEqual(restart?.remoteIce, { ufrag: 'EsAw', password: 'P2uYro0UCOQ4zxjKXaWCBui1' });
  assert.equal(restart?.remoteCandidates.length, 2);
  assert.match(
    restart!.body,
    /^a=ice-ufrag:newnewnew\r\na=ice-pwd:\S+\r\na=ice-lite\r\na=ice-options:trickle\r\nm=audio/,
  );
  assert.deepEqual(parseFragment(restart!.body), { ...ours, candidates: LOCAL.candidates, isEnd: true });
});

test('fragment: the same credentials or none are no new start', () => {
  const never = () => assert.fail('nothing to make');
  const same = FRAGMENT.replaceAll('EsAw', 'pSkX');
  assert.equal(renegotiateIce(parseFragment(same), description, never), null);
  assert.equal(renegotiateIce(parseFragment('a=end-of-candidates'), description, never), null);
  const half = parseFragment('a=ice-ufrag:EsAw');
  assert.throws(() => renegotiateIce(half, description, never), ProtocolError);
});

test('fragment: refused', () => {
  assert.throws(() => parseFragment(''), ProtocolError);
  assert.throws(() => parseFragment('{}'), ProtocolError);
  assert.throws(() => parseFragment('a=ice-ufrag:x\r\na=ice-pwd:y'), /webrtc\.sdp-bad-ice/);
});

test('fragment: candidates are bounded', () => {
  const many = Array.from({ length: 200 }, (_, i) => `a=candidate:${i} 1 udp 1 192.0.2.1 ${i} typ host`);
  assert.equal(parseFragment(many.join('\n')).candidates.length, 64);
});
