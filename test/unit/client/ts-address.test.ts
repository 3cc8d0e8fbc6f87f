import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMulticastAddress, parseTsAddress } from '../../../src/client/mpegts/ts-address.ts';

const NOTHING = { isMulticast: false, networkInterface: '', source: '', ttl: 0, stream: '' };

for (const [text, expected] of [
  ['udp://127.0.0.1:1234', { ...NOTHING, scheme: 'udp', host: '127.0.0.1', port: 1234 }],
  ['udp://:1234', { ...NOTHING, scheme: 'udp', host: '', port: 1234 }],
  ['UDP://@:1234', { ...NOTHING, scheme: 'udp', host: '', port: 1234 }],
  ['udp://host', { ...NOTHING, scheme: 'udp', host: 'host', port: -1 }],
  ['rtp://[::1]:5000/', { ...NOTHING, scheme: 'rtp', host: '::1', port: 5000 }],
  [
    'udp://@239.1.1.1:1234?interface=eth0&source=192.0.2.1&pkt_size=1316&ttl=8',
    {
      scheme: 'udp',
      host: '239.1.1.1',
      port: 1234,
      isMulticast: true,
      networkInterface: 'eth0',
      source: '192.0.2.1',
      ttl: 8,
      stream: '',
    },
  ],
  [
    'udp://[ff15::7]:1234?localaddr=fe80::1;stream=/live/room/cam',
    {
      ...NOTHING,
      scheme: 'udp',
      host: 'ff15::7',
      port: 1234,
      isMulticast: true,
      networkInterface: 'fe80::1',
      stream: 'live/room/cam',
    },
  ],
  [
    'udp+mpegts://238.0.0.1:1234',
    { ...NOTHING, scheme: 'udp', host: '238.0.0.1', port: 1234, isMulticast: true },
  ],
  ['tcp://host.example:9999', { ...NOTHING, scheme: 'tcp', host: 'host.example', port: 9999 }],
  ['unix+mpegts:///run/ts.sock', { ...NOTHING, scheme: 'unix', host: '/run/ts.sock', port: -1 }],
  ['udp://h:1?ttl=0', { ...NOTHING, scheme: 'udp', host: 'h', port: 1 }],
  ['udp://h:1?ttl=999', { ...NOTHING, scheme: 'udp', host: 'h', port: 1 }],
  ['udp://h:65536', null],
  ['udp://[1.2.3.4]:5', null],
  ['udp://a b:5', null],
  ['udp://user@host:5', null],
  ['udp://h:5/path', null],
  ['http://h:5', null],
  ['h:5', null],
  [`udp://${'h'.repeat(2000)}:5`, null],
] as const) {
  test(`ts address: ${text.slice(0, 80)}`, () => assert.deepEqual(parseTsAddress(text), expected));
}

test('multicast addresses', () => {
  for (const address of ['224.0.0.1', '239.255.255.255', 'ff02::1', 'FF15::7'])
    assert.ok(isMulticastAddress(address));
  for (const address of ['223.1.1.1', '240.0.0.1', '::1', 'fe80::1', 'ff', 'host', ''])
    assert.ok(!isMulticastAddress(address));
});
