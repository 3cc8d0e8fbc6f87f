/** The port of one call: its own, told once, silent after it is closed. Loopback only. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { test } from 'node:test';
import { RtcCallPort } from '../../../src/rtc/rtc-call-port.ts';
import { until } from '../../support/until.ts';

test('call port: each has its own, and packets go both ways', async () => {
  const troubles: string[] = [];
  const ports = [0, 1].map(() => new RtcCallPort((event, cause) => troubles.push(`${event} ${cause}`)));
  const [first = 0, second = 0] = await Promise.all(ports.map((port) => port.open(['127.0.0.1'])));
  assert.ok(first > 0 && second > 0 && first !== second);
  assert.equal(ports[0]!.port, first);
  const heard: string[] = [];
  for (const port of ports)
    port.onPacket = (bytes, from) => heard.push(`${Buffer.from(bytes).toString()} ${from.port}`);
  ports[0]!.send(Buffer.from('one'), { address: '127.0.0.1', port: second, transport: 'udp' });
  await until('the packet', () => heard.length === 1);
  assert.deepEqual(heard, [`one ${first}`]);
  for (const port of ports) port.close();
  for (const port of ports) port.close();
  assert.deepEqual(troubles, []);
});

test('call port: what is sent last still goes out, then the number is free', async () => {
  const peer = createSocket('udp4');
  await new Promise<void>((done) => peer.bind(0, '127.0.0.1', done));
  const said: string[] = [];
  peer.on('message', (bytes) => said.push(bytes.toString()));
  const port = new RtcCallPort(() => undefined);
  const number = await port.open(['127.0.0.1']);
  port.send(Buffer.from('goodbye'), { address: '127.0.0.1', port: peer.address().port, transport: 'udp' });
  port.close();
  await until('the last packet', () => said.length === 1);
  const again = createSocket('udp4');
  await new Promise<void>((done) => again.bind(number, '127.0.0.1', done));
  again.close();
  peer.close();
});

test('call port: closed before it is open, or not to be had', async () => {
  const early = new RtcCallPort(() => assert.fail('no trouble'));
  const opened = early.open(['127.0.0.1']);
  early.close();
  assert.equal(await opened, 0);
  const troubles: string[] = [];
  const nowhere = new RtcCallPort((event) => troubles.push(event));
  assert.equal(await nowhere.open(['192.0.2.1']), 0);
  assert.deepEqual(troubles, ['webrtc.call-port']);
});
