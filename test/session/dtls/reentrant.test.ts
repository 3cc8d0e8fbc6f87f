/** `send` that calls back: a peer without a network between, and an owner that closes when it cannot send. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { certificateFingerprint } from '../../../src/crypto/tls-certificate.ts';
import { DtlsClient } from '../../../src/dtls/client.ts';
import { DtlsServer } from '../../../src/dtls/server.ts';
import type { DtlsEvents, DtlsSrtpKeys } from '../../../src/dtls/settings.ts';
import { ecCertificate } from '../../support/dtls-link.ts';

describe('answers that come while we are still sending', () => {
  /** Both ends call each other without a queue. */
  function direct(mtu: number, closesFrom = Number.POSITIVE_INFINITY) {
    const certificate = ecCertificate();
    const remoteFingerprint = {
      algorithm: 'sha-256',
      value: certificateFingerprint(certificate.certDer, 'sha-256'),
    } as const;
    const options = { certificate, remoteFingerprint, mtu };
    const connected: DtlsSrtpKeys[] = [];
    const closed: string[] = [];
    let sent = 0;
    const events = (deliver: (datagram: Uint8Array) => void): DtlsEvents => ({
      send: (datagram) => {
        if (sent++ >= closesFrom) server.close();
        deliver(datagram);
      },
      onConnected: (keys) => connected.push(keys),
      onClosed: (code) => closed.push(code),
    });
    const client: DtlsClient = new DtlsClient(
      options,
      events((bytes) => server.receive(bytes, 0)),
      0,
    );
    const server: DtlsServer = new DtlsServer(
      options,
      events((bytes) => client.receive(bytes, 0)),
      0,
    );
    client.start(0);
    return { client, server, connected, closed };
  }

  for (const mtu of [256, 1200])
    test(`datagrams of ${mtu} bytes`, () => {
      const { client, closed, connected, server } = direct(mtu);
      assert.equal(connected.length, 2);
      assert.deepEqual(connected[0], connected[1]);
      assert.deepEqual(closed, []);
      assert.equal(client.nextTimeoutUs, Number.POSITIVE_INFINITY);
      assert.equal(server.nextTimeoutUs, Number.POSITIVE_INFINITY);
    });

  test('closed by whoever sends, at any datagram', () => {
    for (let at = 0; at < 4; at++) {
      const { connected, server } = direct(1200, at);
      assert.ok(server.closed);
      assert.equal(server.nextTimeoutUs, Number.POSITIVE_INFINITY);
      assert.ok(connected.length < 2);
    }
  });
});
