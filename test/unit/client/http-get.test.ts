/** What of a refusal over HTTP a person is told; errors of the system as sentences. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFailure, failureCode } from '../../../src/client/describe-failure.ts';
import { sentenceIn } from '../../../src/client/http-get.ts';

const PAGES: readonly (readonly [string, string, string])[] = [
  ['Nobody publishes live/cam now.\n', 'text/plain; charset=utf-8', 'Nobody publishes live/cam now.'],
  ['first\nsecond', 'text/plain', 'first'],
  ['{"code":404,"message":"no \\"such\\" stream"}', 'application/json', 'no "such" stream'],
  ['{"error":"denied"}', 'application/problem+json', 'denied'],
  ['{"error":{"deep":1}}', 'application/json', ''],
  ['{"message":"a\\q"}', 'application/json', ''],
  ['{"message":"a\tb"}', 'application/json', ''],
  ['<html><title>404 Not Found</title></html>', 'text/html', ''],
  ['\u001b[31mred\u0007\ttext', 'text/plain', '[31mred text'],
  ['x'.repeat(1000), 'text/plain', 'x'.repeat(300)],
  ['', '', ''],
];

for (const [body, type, expected] of PAGES) {
  test(`http refusal: ${JSON.stringify(body.slice(0, 40))}`, () => {
    assert.equal(sentenceIn(body, type), expected);
  });
}

const FAILURES: readonly (readonly [string, RegExp])[] = [
  ['ENOTFOUND', /no host named "a\.example" \(DNS\)/],
  ['EAI_AGAIN', /cannot be looked up/],
  ['ECONNREFUSED', /nothing listens at a\.example:80/],
  ['ECONNRESET', /a\.example:80 cut the connection/],
  ['ETIMEDOUT', /timed out/],
  ['ENETUNREACH', /cannot be reached \(ENETUNREACH\)/],
  ['EPROTO', /does not speak TLS/],
  ['CERT_HAS_EXPIRED', /certificate of a\.example:80 is not trusted \(CERT_HAS_EXPIRED\)/],
  ['EWHATEVER', /a\.example:80: EWHATEVER/],
];

for (const [code, expected] of FAILURES)
  test(`failure: ${code}`, () => assert.match(describeFailure(code, 'a.example', 80), expected));

test('failure: the code of an error, of several, of TLS, of none', () => {
  assert.equal(failureCode(Object.assign(new Error('x'), { code: 'ECONNREFUSED' })), 'ECONNREFUSED');
  const inner = Object.assign(new Error('x'), { code: 'ENETUNREACH' });
  assert.equal(failureCode(new AggregateError([inner, new Error('y')])), 'ENETUNREACH');
  assert.equal(
    failureCode(Object.assign(new Error('x'), { code: 'ERR_SSL_WRONG_VERSION_NUMBER' })),
    'EPROTO',
  );
  assert.equal(failureCode(new Error('plain words')), 'plain words');
  assert.match(describeFailure('ECONNREFUSED', '::1', 80), /\[::1\]:80/);
});
