/** Ports that are taken, and more connections than allowed. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { ConfigError } from '../../src/util/errors.ts';
import { ask } from '../support/http-client.ts';
import { RtmpPeer } from '../support/rtmp-peer.ts';
import { TestServer } from '../support/test-server.ts';
import { refusal } from '../support/until.ts';

for (const element of ['rtmp', 'http'] as const) {
  test(`a port of ${element} that is taken: the message names port, process and what to do`, async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const own = `<ip>127.0.0.1</ip><port>${port}</port><sport>0</sport>`;
    try {
      await assert.rejects(TestServer.start({ [`${element}Ports`]: own }), (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, new RegExp(`Port 127\\.0\\.0\\.1:${port} \\(${element}\\) is in use`));
        if (process.platform === 'linux')
          assert.match(error.message, new RegExp(`process ${process.pid}\\)`));
        assert.match(error.message, new RegExp(`<${element}><port>`));
        return true;
      });
    } finally {
      other.close();
    }
  });
}

async function open(port: number, localAddress: string): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

test('connections per address: the next one is closed at once, other addresses are not touched', async () => {
  const server = await TestServer.start({ config: '<limits><per-address>4</per-address></limits>' });
  const { limits } = server.application.context;
  const held: Socket[] = [];
  for (const port of [server.rtmpPort, server.rtmpPort, server.httpPort, server.httpPort]) {
    held.push(await open(port, '127.0.0.1'));
  }
  await server.until('four connections', () => limits.open === 4);
  for (const port of [server.rtmpPort, server.httpPort]) {
    const refused = await open(port, '127.0.0.1');
    await once(refused, 'close');
  }
  assert.equal(limits.refused, 2);
  const lines = server.lines.filter((line) => line.event.endsWith('.refused'));
  assert.equal(lines.length, 2);
  for (const line of lines)
    assert.match(String(line.fields['cause']), /127\.0\.0\.1 has 4 connections.*config\.xml/);
  if (process.platform === 'linux') {
    const peer = await RtmpPeer.open({ port: server.rtmpPort, localAddress: '127.0.0.2' });
    peer.close();
  }
  held.pop()!.destroy();
  await server.until('a free place', () => limits.open < 4);
  assert.equal((await ask({ port: server.httpPort, path: '/api/v1/versions' })).status, 200);
  for (const socket of held) socket.destroy();
  await server.close();
});

test('connections in total: half-open TLS connections count as well', async () => {
  const server = await TestServer.start({ config: '<limits><connections>6</connections></limits>' });
  const { limits } = server.application.context;
  const held: Socket[] = [];
  for (const port of [
    server.rtmpPort,
    server.rtmpsPort,
    server.httpsPort,
    server.httpPort,
    server.rtmpsPort,
    server.rtmpPort,
  ]) {
    held.push(await open(port, '127.0.0.1'));
  }
  await server.until('six connections', () => limits.open === 6, 2000);
  assert.match(await refusal(RtmpPeer.open({ port: server.rtmpPort })), /closed/);
  for (const socket of held) socket.destroy();
  await server.until('free places', () => limits.open === 0);
  const peer = await RtmpPeer.open({ port: server.rtmpPort });
  peer.close();
  await server.close();
});
