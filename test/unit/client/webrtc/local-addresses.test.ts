/** Which addresses of ours an offer holds. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callAddresses } from '../../../../src/client/webrtc/local-addresses.ts';

const LAN = ['192.0.2.5', '2001:db8::5'];

const CASES: readonly (readonly [hosts: readonly string[], target: string, expected: readonly string[]])[] = [
  [[''], 'media.example', LAN],
  [[], 'media.example', LAN],
  [['0.0.0.0'], 'media.example', ['192.0.2.5']],
  [['::'], '198.51.100.1', ['2001:db8::5']],
  [['192.0.2.9'], 'media.example', ['192.0.2.9']],
  [['127.0.0.1'], '127.0.0.1', ['127.0.0.1']],
  [['127.0.0.1'], 'media.example', ['127.0.0.1']],
  [[''], 'localhost', ['127.0.0.1', '::1', ...LAN]],
  [[''], '127.9.9.9', ['127.0.0.1', '::1', ...LAN]],
  [['0.0.0.0'], '[::1]', ['127.0.0.1', '192.0.2.5']],
  [['192.0.2.9', '0.0.0.0'], 'media.example', ['192.0.2.9', '192.0.2.5']],
];

for (const [hosts, target, expected] of CASES) {
  test(`local addresses: bound to [${hosts.join(' ')}], calling ${target}`, () => {
    assert.deepEqual(callAddresses(hosts, target, LAN), expected);
  });
}

test('local addresses: a machine without a network has loopback', () => {
  assert.deepEqual(callAddresses([''], 'media.example', []), ['127.0.0.1', '::1']);
});
