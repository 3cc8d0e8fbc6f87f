import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCandidate } from '../../../../src/ice/candidate.ts';
import {
  type CandidateRules,
  localCandidates,
  PublicAddresses,
  type RequestWay,
} from '../../../../src/protocol/webrtc/local-candidates.ts';

const INTERFACES = {
  lo: [
    { address: '127.0.0.1', internal: true },
    { address: '::1', internal: true },
  ],
  eth0: [
    { address: '2001:db8::5', internal: false },
    { address: '192.0.2.5', internal: false },
    { address: 'fe80::1', internal: false },
  ],
  wlan1: [{ address: '198.51.100.9', internal: false }],
};
const RULES: CandidateRules = {
  hosts: [],
  publicOnes: [],
  interfaces: '',
  port: 8000,
  portOffset: 0,
  tcp: false,
};
const WAY: RequestWay = { localAddress: '', remoteAddress: '203.0.113.1', wished: [], transport: '' };

/** `address:port transport`, the best first. */
function listed(
  rules: Partial<CandidateRules>,
  way: Partial<RequestWay> = {},
  interfaces: Parameters<typeof localCandidates>[2] = INTERFACES,
): string[] {
  return localCandidates({ ...RULES, ...rules }, { ...WAY, ...way }, interfaces).map((line) => {
    const { address, port, transport, tcpType } = parseCandidate(line)!;
    return `${address}:${port} ${transport}${tcpType === null ? '' : ` ${tcpType}`}`;
  });
}

test('all interfaces, IPv4 first, without loopback and link-local addresses', () => {
  assert.deepEqual(listed({}), ['192.0.2.5:8000 udp', '198.51.100.9:8000 udp', '2001:db8::5:8000 udp']);
});

test('what the request reached comes first', () => {
  assert.deepEqual(listed({}, { localAddress: '198.51.100.9' })[0], '198.51.100.9:8000 udp');
});

test('loopback for a peer on this machine, or where there is nothing else', () => {
  const near = listed({}, { remoteAddress: '127.0.0.1', localAddress: '127.0.0.1' });
  assert.deepEqual(near.slice(0, 2), ['127.0.0.1:8000 udp', '::1:8000 udp']);
  assert.equal(near.length, 5);
  assert.deepEqual(listed({}, {}, { lo: INTERFACES.lo }), ['127.0.0.1:8000 udp', '::1:8000 udp']);
});

test('bound addresses and families', () => {
  assert.deepEqual(listed({ hosts: ['10.0.0.1'] }, { remoteAddress: '127.0.0.1' }), ['10.0.0.1:8000 udp']);
  assert.deepEqual(listed({ hosts: ['0.0.0.0'] }), ['192.0.2.5:8000 udp', '198.51.100.9:8000 udp']);
  assert.deepEqual(listed({ hosts: ['::'] }), ['2001:db8::5:8000 udp']);
});

test('interfaces by name', () => {
  assert.deepEqual(listed({ interfaces: 'wlan*' }), ['198.51.100.9:8000 udp']);
  assert.deepEqual(listed({ interfaces: 'eth0 tun0' }), ['192.0.2.5:8000 udp', '2001:db8::5:8000 udp']);
});

test('public addresses first, with their own ports, which go with the thread', () => {
  const publicOnes = [
    { host: '203.0.113.7', port: 0 },
    { host: '203.0.113.8', port: 18_000 },
  ];
  assert.deepEqual(listed({ publicOnes, port: 8001, portOffset: 1, hosts: ['10.0.0.1'] }), [
    '203.0.113.7:8001 udp',
    '203.0.113.8:18001 udp',
    '10.0.0.1:8001 udp',
  ]);
});

test('what a peer wishes for', () => {
  const wished = [
    { host: '203.0.113.99', port: 9000 },
    { host: 'media.example.org', port: 0 },
  ];
  assert.deepEqual(listed({ hosts: ['10.0.0.1'] }, { wished }), [
    '203.0.113.99:9000 udp',
    '10.0.0.1:8000 udp',
  ]);
  assert.deepEqual(listed({ hosts: ['10.0.0.1'], tcp: true }), [
    '10.0.0.1:8000 udp',
    '10.0.0.1:8000 tcp passive',
  ]);
  assert.deepEqual(listed({ hosts: ['10.0.0.1'], tcp: true }, { transport: 'tcp' }), [
    '10.0.0.1:8000 tcp passive',
  ]);
});

test('names of public addresses are looked up, and an unknown one is told', async () => {
  const troubles: string[] = [];
  const addresses = new PublicAddresses(
    [
      { host: 'media.example.org', port: 1 },
      { host: '203.0.113.7', port: 0 },
      { host: 'no.such.name.invalid', port: 0 },
    ],
    (name, cause) => troubles.push(`${name} ${cause}`),
    async (name) => {
      if (name === 'media.example.org') return [{ address: '203.0.113.9' }, { address: '2001:db8::9' }];
      throw Object.assign(new Error(name), { code: 'ENOTFOUND' });
    },
  );
  assert.equal(addresses.hasNames, true);
  assert.deepEqual(addresses.all(), [{ host: '203.0.113.7', port: 0 }]);
  await addresses.refresh();
  assert.deepEqual(addresses.all(), [
    { host: '203.0.113.9', port: 1 },
    { host: '2001:db8::9', port: 1 },
    { host: '203.0.113.7', port: 0 },
  ]);
  assert.deepEqual(troubles, ['no.such.name.invalid ENOTFOUND']);
});
