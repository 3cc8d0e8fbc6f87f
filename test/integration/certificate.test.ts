/** TLS: the pair that is made at the first start, renewal without a restart, a broken renewal. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, type PeerCertificate } from 'node:tls';
import { makeSelfSignedCertificate } from '../../src/crypto/self-signed-certificate.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { openFlv } from '../support/flv-body.ts';
import { TestServer } from '../support/test-server.ts';

function certificateAt(port: number): Promise<PeerCertificate> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      const certificate = socket.getPeerCertificate();
      socket.destroy();
      resolve(certificate);
    });
    socket.on('error', reject);
  });
}

test('certificate: made at the first start, renewed while streams run, a broken one is refused', async () => {
  const server = await TestServer.start();
  const ports = [server.rtmpsPort, server.httpsPort];
  const paths = { key: join(server.folder, 'server.key'), cert: join(server.folder, 'server.crt') };
  const first = await certificateAt(server.httpsPort);
  assert.match(first.subjectaltname ?? '', /DNS:localhost/);
  assert.match(first.subjectaltname ?? '', /IP Address:127\.0\.0\.1/);
  assert.match(readFileSync(paths.cert, 'utf8'), /^# Self-signed by Sluice/);
  assert.equal((await certificateAt(server.rtmpsPort)).fingerprint256, first.fingerprint256);

  const publisher = await ClipPublisher.start({ port: server.rtmpsPort, tls: true, name: 'cam' });
  const player = await openFlv(`wss://127.0.0.1:${server.httpsPort}/live/cam.flv`);

  const renewed = makeSelfSignedCertificate('renewed.example', ['renewed.example'], Date.now());
  writeFileSync(paths.key, renewed.key);
  writeFileSync(paths.cert, renewed.cert);
  await server.until('the new certificate', () => server.logged('tls.reloaded').length > 0);
  for (const port of ports)
    assert.match((await certificateAt(port)).subjectaltname ?? '', /renewed\.example/);

  writeFileSync(paths.cert, readFileSync(paths.cert, 'utf8').slice(0, 300));
  await server.until('the refusal of the broken one', () =>
    server.logged('tls.reload-failed').some((line) => String(line.fields['cause']).includes(paths.cert)),
  );
  for (const port of ports)
    assert.match((await certificateAt(port)).subjectaltname ?? '', /renewed\.example/);

  const got = player.tags.length;
  await server.until('media after the renewal', () => player.tags.length > got + 20);
  assert.equal(player.closed, false);
  player.close();
  publisher.stop();
  await server.close();
});
