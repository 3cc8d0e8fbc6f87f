/** Requests that come while the server starts: its port is open before all routes are there. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { CertificateStore } from '../../src/runtime/certificate-store.ts';
import { ConnectionLimits } from '../../src/runtime/connection-limits.ts';
import { HttpListener, sendText } from '../../src/runtime/http-listener.ts';
import { LogHub } from '../../src/util/log.ts';
import { ask } from '../support/http-client.ts';

function makeListener(limits = new ConnectionLimits(20, 0)): HttpListener {
  const log = new LogHub('error', () => {}).logger();
  return new HttpListener({
    addresses: ['127.0.0.1'],
    port: 0,
    tlsPort: -1,
    certificates: new CertificateStore({ folder: tmpdir(), key: '', cert: '', ca: '' }, log),
    limits,
    handshakeMs: 1000,
    corsOrigin: '',
    log,
    onFault: (error) => assert.fail(String(error)),
  });
}

test('a request that comes before its route waits for it', async () => {
  const listener = makeListener();
  listener.hold();
  await listener.open();
  const early = [
    ask({ port: listener.port, path: '/late' }),
    ask({ port: listener.port, path: '/late', method: 'PUT', headers: { Expect: '100-continue' } }),
  ];
  const isAnswered = await Promise.race([
    ...early.map((one) => one.then(() => true)),
    new Promise<boolean>((done) => setTimeout(() => done(false), 150)),
  ]);
  assert.equal(isAnswered, false);
  listener.route({
    name: 'late',
    accepts: (_, path) => path === '/late',
    handle: ({ response }) => sendText(response, 200, 'here'),
  });
  listener.release();
  for (const answer of early) assert.equal((await answer).status, 200);
  assert.equal((await ask({ port: listener.port, path: '/other' })).status, 404);
  await listener.close();
  listener.destroyConnections();
});

test('a peer that asks for a WebSocket before its route is there, and breaks off, harms nobody', async () => {
  const limits = new ConnectionLimits(20, 0);
  const listener = makeListener(limits);
  listener.hold();
  await listener.open();
  const peer = connect(listener.port, '127.0.0.1');
  await once(peer, 'connect');
  peer.write('GET /late HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
  // What is no HTTP is answered at once: when it is, the request before it has come.
  const other = connect(listener.port, '127.0.0.1', () => other.write('nonsense\r\n\r\n'));
  const [answer] = (await once(other, 'data')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 400/);
  other.destroy();
  peer.resetAndDestroy();
  while (limits.open > 0) await new Promise((done) => setImmediate(done));
  listener.release();
  assert.equal((await ask({ port: listener.port, path: '/other' })).status, 404);
  await listener.close();
  listener.destroyConnections();
});
