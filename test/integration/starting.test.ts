/** Requests that come while the server starts: its port is open before all routes are there. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { CertificateStore } from '../../src/runtime/certificate-store.ts';
import { ConnectionLimits } from '../../src/runtime/connection-limits.ts';
import { HttpListener, sendText } from '../../src/runtime/http-listener.ts';
import { LogHub } from '../../src/util/log.ts';
import { ask } from '../support/http-client.ts';

test('a request that comes before its route waits for it', async () => {
  const log = new LogHub('error', () => {}).logger();
  const listener = new HttpListener({
    addresses: ['127.0.0.1'],
    port: 0,
    tlsPort: -1,
    certificates: new CertificateStore({ folder: tmpdir(), key: '', cert: '', ca: '' }, log),
    limits: new ConnectionLimits(20, 0),
    handshakeMs: 1000,
    corsOrigin: '',
    log,
    onFault: (error) => assert.fail(String(error)),
  });
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
