/** Addresses of SRT as other programs write them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseSrtAddress, type SrtAddress, streamIdOf } from '../../../../src/client/srt/srt-address.ts';

const DEFAULTS: SrtAddress = {
  host: 'host',
  port: 9000,
  mode: 'caller',
  localPort: 0,
  streamId: '',
  path: '',
  latencyMs: -1,
  peerLatencyMs: -1,
  passphrase: '',
  keyBytes: 0,
  gcm: false,
  maxBandwidth: -1,
};

const CASES: readonly (readonly [text: string, want: Partial<SrtAddress>])[] = [
  ['srt://host:9000', {}],
  ['SRT://host:9000/', {}],
  ['srt://192.0.2.1:1', { host: '192.0.2.1', port: 1 }],
  ['srt://[2001:db8::1]:9000', { host: '2001:db8::1' }],
  ['srt://host:9000?streamid=#!::r=live/x,m=request', { streamId: '#!::r=live/x,m=request' }],
  ['srt://host:9000?streamid=%23!::r=live/x', { streamId: '#!::r=live/x' }],
  ['srt://host:9000?srt_streamid=live/a+b', { streamId: 'live/a+b' }],
  ['srt://host:9000?latency=200', { latencyMs: 200, peerLatencyMs: 200 }],
  // FFmpeg and OBS count microseconds.
  ['srt://host:9000?latency=200000', { latencyMs: 200, peerLatencyMs: 200 }],
  ['srt://host:9000?latency=20000', { latencyMs: 20_000, peerLatencyMs: 20_000 }],
  ['srt://host:9000?rcvlatency=80&peerlatency=300', { latencyMs: 80, peerLatencyMs: 300 }],
  ['srt://host:9000?passphrase=0123456789&pbkeylen=32', { passphrase: '0123456789', keyBytes: 32 }],
  ['srt://host:9000?passphrase=with%20a%26blank', { passphrase: 'with a&blank' }],
  ['srt://host:9000?cryptomode=2', { gcm: true }],
  ['srt://host:9000?cryptomode=1', {}],
  ['srt://host:9000?maxbw=1000000', { maxBandwidth: 1_000_000 }],
  ['srt://host:9000?pkt_size=1316&transtype=live', {}],
  ['srt://:9000?mode=listener', { host: '', mode: 'listener' }],
  ['srt://:9000', { host: '', mode: 'listener' }],
  ['srt://0.0.0.0:9000?mode=listener', { host: '0.0.0.0', mode: 'listener' }],
  ['srt://host:9000?mode=rendezvous', { mode: 'rendezvous', localPort: 9000 }],
  ['srt://host:9000?mode=rendezvous&localport=9001', { mode: 'rendezvous', localPort: 9001 }],
  ['srt://host:9000/live/x', { path: 'live/x' }],
  ['srt://host:9000/live/x?latency=99', { path: 'live/x', latencyMs: 99, peerLatencyMs: 99 }],
];

describe('addresses of SRT', () => {
  for (const [text, part] of CASES) {
    test(text, () => assert.deepEqual(parseSrtAddress(text), { ...DEFAULTS, ...part }));
  }

  for (const text of [
    'udp://host:9000',
    'srt://host',
    'srt://host:99999',
    'srt://host:0',
    'srt://:9000?mode=caller',
    'srt://host:9000?mode=server',
    'srt://host:9000?passphrase=short',
    `srt://host:9000?passphrase=${'x'.repeat(80)}`,
    'srt://host:9000?passphrase=0123456789&pbkeylen=17',
    'srt://host:9000?cryptomode=3',
    `srt://host:9000?streamid=${'x'.repeat(513)}`,
    'srt://[host]:9000',
    'srt://host:9000?mode=rendezvous&localport=70000',
  ]) {
    test(`${text.slice(0, 60)} is none`, () => assert.equal(parseSrtAddress(text), null));
  }

  test('a path stands for a stream id, unless there is one', () => {
    const of = (text: string, mode: 'publish' | 'request') => streamIdOf(parseSrtAddress(text)!, mode);
    assert.equal(of('srt://h:1/live/x', 'publish'), '#!::r=live/x,m=publish');
    assert.equal(of('srt://h:1/live/x', 'request'), '#!::r=live/x,m=request');
    assert.equal(of('srt://h:1/live/x?streamid=other', 'request'), 'other');
    assert.equal(of('srt://h:1', 'request'), '');
  });
});
