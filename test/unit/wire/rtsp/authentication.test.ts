import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  answerChallenge,
  type Challenge,
  type DigestChallenge,
  isRightAnswer,
  parseAnswer,
  parseChallenges,
  serializeChallenge,
  strongestChallenge,
} from '../../../../src/wire/rtsp/authentication.ts';
import type { RtspRequest } from '../../../../src/wire/rtsp/rtsp-message.ts';
import { RtspReader } from '../../../../src/wire/rtsp/rtsp-reader.ts';

const LOGIN = { user: 'user', password: 'secret' };
const DIGEST: DigestChallenge = {
  scheme: 'digest',
  realm: 'r',
  nonce: 'n',
  algorithm: 'MD5',
  isSessionKey: false,
  hasQop: false,
  opaque: '',
  isStale: false,
};

function requestsOf(file: string): RtspRequest[] {
  const requests: RtspRequest[] = [];
  const reader = new RtspReader({ request: (one) => requests.push(one), response() {}, interleaved() {} });
  reader.receive(readFileSync(new URL(`../../../vectors/rtsp/${file}`, import.meta.url)));
  return requests;
}

for (const file of ['rtsp-play-ffmpeg51-digest.c2s.bin', 'rtsp-play-gst-basic.c2s.bin']) {
  test(`authentication: every answer in ${file} is right for its password and for no other`, () => {
    let answers = 0;
    for (const { method, headers } of requestsOf(file)) {
      const answer = parseAnswer(headers.get('Authorization'));
      if (answer === null) continue;
      answers++;
      assert.equal(isRightAnswer(answer, LOGIN, method), true);
      assert.equal(isRightAnswer(answer, { ...LOGIN, password: 'Secret' }, method), false);
      assert.equal(isRightAnswer(answer, { ...LOGIN, user: 'other' }, method), false);
    }
    assert.ok(answers >= 4, String(answers));
  });
}

test('authentication: our answer is the one that ffmpeg gave', () => {
  const challenge = { ...DIGEST, realm: 'cam', nonce: '0a079d35e515431f' };
  const expected = requestsOf('rtsp-play-ffmpeg51-digest.c2s.bin')[2]!.headers.get('Authorization');
  const request = { method: 'DESCRIBE', uri: 'rtsp://127.0.0.1:8554/cam', cnonce: '', count: 1 };
  assert.equal(answerChallenge(challenge, LOGIN, request), expected);
});

// RFC 7616 section 3.9.1.
test('authentication: the examples of RFC 7616', () => {
  const challenges = parseChallenges([
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=MD5, nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"',
  ]);
  const responses = [
    '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
    '8ca523f5e9506fed4657c9700eebdbec',
  ];
  const cnonce = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ';
  const login = { user: 'Mufasa', password: 'Circle of Life' };
  challenges.forEach((challenge, i) => {
    const text = answerChallenge(challenge, login, {
      method: 'GET',
      uri: '/dir/index.html',
      cnonce,
      count: 1,
    });
    assert.match(text, new RegExp(`response="${responses[i]}"`));
    assert.match(
      text,
      /opaque="FQhe\/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS", qop=auth, nc=00000001, cnonce=/,
    );
  });
});

const VARIANTS: readonly Challenge[] = [
  { scheme: 'basic', realm: 'a "quoted" realm' },
  DIGEST,
  { ...DIGEST, hasQop: true, opaque: 'o' },
  { ...DIGEST, algorithm: 'SHA-256' },
  { ...DIGEST, algorithm: 'SHA-256', hasQop: true, isStale: true },
  { ...DIGEST, isSessionKey: true },
  { ...DIGEST, algorithm: 'SHA-256', isSessionKey: true, hasQop: true },
];

for (const challenge of VARIANTS) {
  test(`authentication: both sides agree on ${serializeChallenge(challenge)}`, () => {
    const [parsed] = parseChallenges([serializeChallenge(challenge)]);
    assert.deepEqual(parsed, challenge);
    const request = { method: 'SETUP', uri: 'rtsp://h/a', cnonce: 'c"n', count: 10 };
    const login = { user: 'Zoë "z"', password: 'p:ä\\' };
    const answer = parseAnswer(answerChallenge(parsed!, login, request))!;
    assert.equal(isRightAnswer(answer, login, 'SETUP'), true);
    assert.equal(isRightAnswer(answer, { ...login, password: 'p' }, 'SETUP'), false);
    assert.equal(isRightAnswer(answer, login, 'PLAY'), challenge.scheme === 'basic');
  });
}

test('authentication: several challenges in one field or more, the strongest wins', () => {
  const one = 'Basic realm="x, y=z", Digest realm="d", nonce="n1", algorithm="md5", stale="FALSE"';
  const found = parseChallenges([
    one,
    'Digest nonce=n2, algorithm=SHA-256',
    'Digest nonce=n3,algorithm=FOO',
    'Negotiate',
    'Digest nonce=n4, qop="auth-int"',
  ]);
  assert.deepEqual(
    found.map((challenge) => (challenge.scheme === 'basic' ? challenge.realm : challenge.nonce)),
    ['x, y=z', 'n1', 'n2'],
  );
  assert.equal(strongestChallenge(found), found[2]);
  assert.equal(strongestChallenge(found.slice(0, 2)), found[1]);
  assert.equal(strongestChallenge([]), null);
});

test('authentication: what is no answer', () => {
  for (const text of [
    '',
    'Basic',
    'Basic dXNlcg==',
    'Digest',
    'Digest username="a"',
    'Bearer x',
    `Basic ${'a'.repeat(9000)}`,
  ])
    assert.equal(parseAnswer(text), null, text.slice(0, 20));
});

test('authentication: upper case digits in an answer are right as well', () => {
  const md5 = (text: string) => createHash('md5').update(text).digest('hex');
  const response = md5(`${md5('user:r:secret')}:n:${md5('PLAY:u')}`).toUpperCase();
  const answer = parseAnswer(`digest username=user,realm=r,nonce=n,uri=u,response=${response}`)!;
  assert.equal(isRightAnswer(answer, LOGIN, 'PLAY'), true);
});
