/** `<srt>` of the server and of streams: two sections of one name whose settings differ. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfiguration } from '../../../../src/config/configuration.ts';
import { passphraseOf } from '../../../../src/protocol/srt/srt-config.ts';

function load(config: string, policy = '', environment: Record<string, string> = {}) {
  return loadConfiguration(
    {
      configText: `<config>${config}</config>`,
      configName: 'config.xml',
      policyText: `<policy>${policy}</policy>`,
      policyName: 'policy.xml',
    },
    environment,
  );
}

test('srt: the file of smart_rtmpd, and the environment', () => {
  const { server, warnings } = load(
    '<srt><port>9001</port><enable>true</enable><has_rtmp>true</has_rtmp></srt>',
  );
  assert.deepEqual([server.srt.port, server.srt.enable], [9001, true]);
  assert.equal(warnings.length, 1);
  assert.equal(load('', '', { SLUICE_SRT_PORT: '10080' }).server.srt.port, 10_080);
  assert.equal(load('').server.srt.port, 9000);
});

test('srt: latency of all streams stands in config.xml, of some in policy.xml', () => {
  const { resolver, server } = load(
    '<srt latency="250ms" idle="9s"/>',
    '<application name="live"><stream name="far"><srt latency="2000"/></stream></application>',
  );
  assert.equal(server.srt.idle, 9000);
  assert.equal(resolver.resolve('', 'live', 'near').srt.latencyMs, 250);
  assert.equal(resolver.resolve('', 'live', 'far').srt.latencyMs, 2000);
  assert.throws(() => load('<srt latency="31s"/>'), /is not a duration/);
});

test('srt: which passphrase holds', () => {
  const { resolver, server } = load(
    '<srt passphrase="of the server"/>',
    `<application name="live"><srt play-passphrase="of its players"/>
       <stream name="open"><srt passphrase="off" play-passphrase="off"/></stream>
       <stream name="own"><srt passphrase="of the stream" play-passphrase=""/></stream>
     </application>`,
  );
  const of = (role: 'publish' | 'play', name: string) =>
    passphraseOf(role, server.srt, resolver.resolve('', 'live', name).srt);
  assert.equal(of('publish', 'any'), 'of the server');
  assert.equal(of('play', 'any'), 'of its players');
  assert.equal(of('publish', 'open'), '');
  assert.equal(of('play', 'open'), '');
  assert.equal(of('publish', 'own'), 'of the stream');
  assert.equal(of('play', 'own'), 'of the stream');
  const printed = load('<srt passphrase="of the server"/>').print();
  assert.ok(!printed.includes('of the server'));
  for (const bad of ['short', 'x'.repeat(80)])
    assert.throws(() => load(`<srt passphrase="${bad}"/>`), /is not a passphrase of 10 to 79 characters/);
});

test('srt: ports of one stream', () => {
  const { listen } = load(
    '<srt><listen>srt://:9001?stream=live/cam</listen><listen>srt://[::1]:9002?stream=/live/cam;mode=play</listen></srt>',
  ).server.srt;
  assert.deepEqual(listen, [
    { host: '', port: 9001, stream: 'live/cam', role: 'publish' },
    { host: '::1', port: 9002, stream: 'live/cam', role: 'play' },
  ]);
  for (const bad of [
    'srt://:9001',
    'srt://:9001?stream=cam',
    'srt://:9001?stream=live/cam;mode=both',
    'udp://:9001?stream=live/cam',
    'srt://:99999?stream=live/cam',
  ])
    assert.throws(() => load(`<srt><listen>${bad}</listen></srt>`), /is not an address such as srt:/, bad);
});

test('srt: forwards name their stream by id, or by a path', () => {
  const { resolver } = load(
    '',
    `<application name="live"><forward>srt://192.0.2.7:9000/push</forward>
       <stream name="cam"><forward>srt://192.0.2.8:9001?streamid=publish:live/x&amp;latency=200</forward></stream></application>`,
  );
  const rules = resolver.resolve('', 'live', 'cam').forwards;
  assert.deepEqual(
    rules.map(({ scheme, host, port, appendsStream }) => [scheme, host, port, appendsStream]),
    [
      ['srt', '192.0.2.7', 9000, true],
      ['srt', '192.0.2.8', 9001, false],
    ],
  );
});
