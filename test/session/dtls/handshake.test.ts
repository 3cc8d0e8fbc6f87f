/** Own client against own server, in virtual time: what is agreed, what is lost on the way, how it ends. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { certificateFingerprint } from '../../../src/crypto/tls-certificate.ts';
import { DEFAULT_DTLS_GROUPS, DEFAULT_SRTP_PROFILES } from '../../../src/dtls/cipher-suites.ts';
import { DtlsCookie } from '../../../src/dtls/cookie.ts';
import { DtlsServer } from '../../../src/dtls/server.ts';
import type { DtlsEvents } from '../../../src/dtls/settings.ts';
import { DTLS_SUITE } from '../../../src/wire/dtls/numbers.ts';
import { DtlsRecord } from '../../../src/wire/dtls/record.ts';
import { srtpProfileOf } from '../../../src/wire/srtp/srtp-profile.ts';
import { DtlsLink, ecCertificate, newEcCertificate, withForeignKey } from '../../support/dtls-link.ts';
import { PROGRAM_RECORDINGS, recordedDtls } from '../../support/dtls-vectors.ts';

const ECDSA = [DTLS_SUITE.ecdheEcdsaAes128Gcm, DTLS_SUITE.ecdheEcdsaAes256Gcm, DTLS_SUITE.ecdheEcdsaChaCha20];

function assertUp(link: DtlsLink, name = ''): void {
  assert.ok(link.isUp, `${name}: ${link.clientLog.closed.join()} ${link.serverLog.closed.join()}`);
  assert.deepEqual(link.clientLog.keys, link.serverLog.keys, name);
  const keys = link.clientLog.keys!;
  const { keyBytes, saltBytes } = srtpProfileOf(keys.srtpProfile) ?? { keyBytes: 0, saltBytes: 0 };
  assert.equal(keys.clientKey.length, keyBytes);
  assert.equal(keys.serverKey.length, keyBytes);
  assert.equal(keys.clientSalt.length, saltBytes);
  assert.equal(keys.serverSalt.length, saltBytes);
}

/** Of an end that neither connects nor closes. */
function quiet(send: (datagram: Uint8Array) => void): DtlsEvents {
  const fail = (what: string): void => assert.fail(what);
  return { send, onConnected: () => fail('connected'), onClosed: (code) => fail(code) };
}

/** Bytes of the heap after a collection. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

/** Content types and epochs of the records in a datagram. */
function recordsOf(datagram: Uint8Array): string[] {
  const record = new DtlsRecord();
  const found: string[] = [];
  for (let at = 0; at < datagram.length; ) {
    at = record.parse(datagram, at);
    assert.notEqual(at, -1);
    found.push(`${record.type}/${record.epoch}`);
  }
  return found;
}

describe('what is agreed', () => {
  for (const suite of ECDSA)
    for (const group of DEFAULT_DTLS_GROUPS)
      test(`suite ${suite.toString(16)}, group ${group}`, () => {
        assertUp(new DtlsLink({ client: { suites: [suite], groups: [group] } }).connect());
        assertUp(new DtlsLink({ server: { suites: [suite], groups: [group] } }).connect());
      });

  for (const profile of DEFAULT_SRTP_PROFILES)
    test(`profile ${profile}`, () => {
      const link = new DtlsLink({ client: { srtpProfiles: [profile] } }).connect();
      assertUp(link);
      assert.equal(link.serverLog.keys?.srtpProfile, profile);
    });

  test('the server’s order of profiles counts', () => {
    const link = new DtlsLink({ client: { srtpProfiles: [1, 8, 7] }, server: { srtpProfiles: [8, 7, 1] } });
    assertUp(link.connect());
    assert.equal(link.clientLog.keys?.srtpProfile, 8);
  });

  test('without SRTP', () => {
    const link = new DtlsLink({ client: { srtpProfiles: [] }, server: { srtpProfiles: [] } }).connect();
    assertUp(link);
    assert.equal(link.clientLog.keys?.srtpProfile, 0);
  });

  test('nothing but two round trips, each flight one datagram', () => {
    const link = new DtlsLink().connect();
    assertUp(link);
    assert.equal(link.nowUs, 1_000_000);
    assert.deepEqual(link.clientLog.sent.map(recordsOf), [
      ['22/0'],
      ['22/0', '22/0', '22/0', '20/0', '22/1'],
    ]);
    assert.deepEqual(link.serverLog.sent.map(recordsOf), [
      ['22/0', '22/0', '22/0', '22/0', '22/0'],
      ['20/0', '22/1'],
    ]);
    assert.equal(link.client.nextTimeoutUs, Number.POSITIVE_INFINITY);
    assert.equal(link.server.nextTimeoutUs, Number.POSITIVE_INFINITY);
  });

  test('keys differ from handshake to handshake', () => {
    const one = new DtlsLink().connect();
    const two = new DtlsLink().connect();
    assert.notDeepEqual(one.clientLog.keys, two.clientLog.keys);
  });

  test('a server without the fingerprint of its client asks for no certificate', () => {
    const link = new DtlsLink();
    const certificate = ecCertificate();
    const sent: Uint8Array[] = [];
    const server = new DtlsServer(
      { certificate },
      quiet((datagram) => sent.push(datagram)),
      0,
    );
    link.client.start(0);
    server.receive(link.clientLog.sent[0]!, 0);
    assert.deepEqual(recordsOf(sent[0]!), ['22/0', '22/0', '22/0', '22/0']);
  });

  for (const mtu of [256, 400, 1200, 1500])
    test(`datagrams of ${mtu} bytes`, () => {
      const link = new DtlsLink({ client: { mtu }, server: { mtu } }).connect();
      assertUp(link);
      for (const datagram of [...link.clientLog.sent, ...link.serverLog.sent])
        assert.ok(datagram.length <= mtu);
      assert.ok(mtu > 1000 || link.serverLog.sent.length > 2);
    });
});

test('an MTU that is too small is taken for 256 bytes', () => {
  const link = new DtlsLink({ client: { mtu: 10 }, server: { mtu: 10 } }).connect();
  assertUp(link);
  const sizes = [...link.clientLog.sent, ...link.serverLog.sent].map(({ length }) => length);
  assert.ok(Math.max(...sizes) > 200 && Math.max(...sizes) <= 256, sizes.join());
});

describe('cookies', () => {
  const withCookie = () => ({ requireCookie: { cookie: new DtlsCookie(0), address: 'a' } });

  test('one more round trip', () => {
    const link = new DtlsLink({ server: withCookie() }).connect();
    assertUp(link);
    assert.equal(link.clientLog.sent.length, 3);
    assert.equal(link.serverLog.sent.length, 3);
  });

  test('also when the hello is in pieces, and when much is lost', () => {
    for (let seed = 1; seed <= 30; seed++)
      assertUp(
        new DtlsLink({
          seed,
          client: { mtu: 256, handshakeTimeoutMs: 600_000 },
          server: { ...withCookie(), handshakeTimeoutMs: 600_000 },
          faults: { loss: 0.2, reorder: 0.2, duplicate: 0.2, delayMs: 20 },
        }).connect(600_000_000),
        `seed ${seed}`,
      );
  });

  test('100000 forged hellos leave nothing', () => {
    const link = new DtlsLink();
    link.client.start(0);
    const hello = Buffer.from(link.clientLog.sent[0]!);
    let answers = 0;
    const server = new DtlsServer(
      { certificate: ecCertificate(), ...withCookie() },
      quiet(() => answers++),
      0,
    );
    const before = JSON.stringify(server.counters);
    server.receive(hello, 0);
    const heap = heapBytes();
    for (let i = 0; i < 100_000; i++) {
      hello.writeUInt32BE(i, 13 + 12 + 2);
      server.receive(hello, i);
    }
    assert.equal(answers, 100_001);
    assert.equal(JSON.stringify(server.counters), before);
    assert.equal(server.nextTimeoutUs, 30_000_000);
    // A hundred bytes for each of them would be ten megabytes.
    const grown = heapBytes() - heap;
    assert.ok(grown < 2_000_000, `${grown} bytes`);
    assertUp(new DtlsLink({ server: withCookie() }).connect());
  });
});

describe('loss, repetition, order', () => {
  test('any single datagram may be lost, twice in a row as well', () => {
    for (const times of [1, 2])
      for (let lost = 0; lost < 4; lost++) {
        let sent = 0;
        const link = new DtlsLink({
          meddle: (datagram) => {
            const isLost = sent >= lost && sent < lost + times;
            sent++;
            return isLost ? null : datagram;
          },
        }).connect();
        assertUp(link, `datagram ${lost}, ${times} times`);
        assert.ok(link.nowUs - 1_000_000 <= 600_000, `took ${link.nowUs - 1_000_000} us`);
      }
  });

  test('any single record may be lost', () => {
    const record = new DtlsRecord();
    for (let lost = 0; lost < 12; lost++) {
      let at = 0;
      const link = new DtlsLink({
        meddle: (datagram) => {
          const kept: Uint8Array[] = [];
          for (let from = 0; from < datagram.length; ) {
            const to = record.parse(datagram, from);
            if (at++ !== lost) kept.push(datagram.subarray(from, to));
            from = to;
          }
          return Buffer.concat(kept);
        },
      }).connect();
      assertUp(link, `record ${lost}`);
      assert.ok(link.nowUs - 1_000_000 <= 400_000);
    }
  });

  test('records of a datagram in reverse order need no repetition', () => {
    const link = new DtlsLink({
      meddle: (datagram) => {
        const records: Uint8Array[] = [];
        const record = new DtlsRecord();
        for (let from = 0; from < datagram.length; ) {
          const to = record.parse(datagram, from);
          records.unshift(datagram.subarray(from, to));
          from = to;
        }
        return Buffer.concat(records);
      },
    }).connect();
    assertUp(link);
    assert.equal(link.client.counters.repeatedFlights + link.server.counters.repeatedFlights, 0);
  });

  test('a lossy, reordering, repeating link: 300 seeds', () => {
    for (let seed = 1; seed <= 300; seed++) {
      const link = new DtlsLink({
        seed,
        client: { mtu: seed % 3 === 0 ? 256 : 1200, handshakeTimeoutMs: 600_000 },
        server: { mtu: seed % 2 === 0 ? 300 : 1200, handshakeTimeoutMs: 600_000 },
        faults: {
          loss: (seed % 5) * 0.08,
          duplicate: 0.1,
          reorder: 0.15,
          reorderMs: 40,
          delayMs: 15,
          jitterMs: 20,
        },
      }).connect(600_000_000);
      assertUp(link, `seed ${seed}`);
    }
  });

  test('repetitions stay few on a clean, slow link', () => {
    const link = new DtlsLink({ faults: { delayMs: 90 } }).connect();
    assertUp(link);
    assert.equal(link.client.counters.repeatedFlights + link.server.counters.repeatedFlights, 0);
  });

  test('a lost last flight comes again when the client asks by its own', () => {
    let sent = 0;
    const link = new DtlsLink({
      meddle: (datagram, isFromClient) => (isFromClient || ++sent !== 2 ? datagram : null),
    }).connect();
    assertUp(link);
    assert.equal(link.server.counters.repeatedFlights, 1);
    assert.equal(link.client.counters.repeatedFlights, 1);
  });

  test('a client without an answer: when it repeats, and when it gives up', () => {
    const link = new DtlsLink({
      meddle: () => null,
      client: { handshakeTimeoutMs: 10_000, firstTimeoutMs: 100 },
    });
    link.client.start(link.nowUs);
    link.run(9_999_999);
    assert.equal(link.clientLog.sent.length, 7, 'after 0, 100, 300, 700, 1500, 3100, 6300 ms');
    assert.deepEqual(link.clientLog.closed, []);
    link.run(2);
    assert.deepEqual(link.clientLog.closed, ['dtls.timeout: the handshake took too long']);
    assert.equal(link.client.nextTimeoutUs, Number.POSITIVE_INFINITY);
    link.run(100_000_000);
    assert.equal(link.clientLog.sent.length, 7);
  });

  test('a server that nobody greets gives up as well', () => {
    const link = new DtlsLink({ server: { handshakeTimeoutMs: 5000 } });
    link.run(5_000_001);
    assert.deepEqual(link.serverLog.closed, ['dtls.timeout: the handshake took too long']);
    assert.deepEqual(link.serverLog.sent, []);
  });
});

describe('who is refused', () => {
  const other = newEcCertificate();
  const fingerprint = {
    algorithm: 'sha-256',
    value: certificateFingerprint(other.certDer, 'sha-256'),
  } as const;
  const ed25519 = { certDer: other.certDer, privateKey: generateKeyPairSync('ed25519').privateKey };
  const cases: readonly (readonly [string, ConstructorParameters<typeof DtlsLink>[0], string, string])[] = [
    [
      'the client’s certificate is not the announced one',
      { client: { certificate: other } },
      'dtls.peer-alert: bad certificate',
      'dtls.fingerprint: the certificate is not the announced one',
    ],
    [
      'the server’s certificate is not the announced one',
      { client: { remoteFingerprint: fingerprint } },
      'dtls.fingerprint: the certificate is not the announced one',
      'dtls.peer-alert: bad certificate',
    ],
    [
      'the client has not the key of its certificate',
      { client: { certificate: withForeignKey(ecCertificate()) } },
      'dtls.peer-alert: decrypt error',
      'dtls.bad-signature: of the client',
    ],
    [
      'the server has not the key of its certificate',
      { server: { certificate: withForeignKey(ecCertificate()) } },
      'dtls.bad-signature: of the server',
      'dtls.peer-alert: decrypt error',
    ],
    [
      'the client cannot sign',
      { client: { certificate: ed25519 } },
      'dtls.peer-alert: handshake failure',
      'dtls.no-certificate: the peer sent none',
    ],
    [
      'no common suite',
      { client: { suites: [0xc02c] }, server: { suites: [0xc02b] } },
      'dtls.peer-alert: handshake failure',
      'dtls.no-common-suite: offered c02c',
    ],
    [
      'no common group',
      { client: { groups: [29] }, server: { groups: [23] } },
      'dtls.peer-alert: handshake failure',
      'dtls.no-common-group: offered 1d',
    ],
    [
      'no common profile',
      { client: { srtpProfiles: [1, 2] }, server: { srtpProfiles: [7] } },
      'dtls.peer-alert: handshake failure',
      'dtls.no-common-srtp-profile: offered 1 2',
    ],
    [
      'a client without SRTP',
      { client: { srtpProfiles: [] } },
      'dtls.peer-alert: handshake failure',
      'dtls.no-common-srtp-profile: nothing offered',
    ],
    [
      'a server without SRTP',
      { server: { srtpProfiles: [] } },
      'dtls.no-common-srtp-profile: the server chose none',
      'dtls.peer-alert: handshake failure',
    ],
  ];
  for (const [name, options, clientSays, serverSays] of cases)
    test(name, () => {
      const link = new DtlsLink(options).connect().run(1000);
      assert.deepEqual(link.clientLog.closed, [clientSays]);
      assert.deepEqual(link.serverLog.closed, [serverSays]);
      assert.equal(link.clientLog.keys, null);
      assert.equal(link.serverLog.keys, null);
      assert.equal(link.client.nextTimeoutUs, Number.POSITIVE_INFINITY);
      assert.equal(link.server.nextTimeoutUs, Number.POSITIVE_INFINITY);
    });
});

describe('data and the end', () => {
  test('both ways, in records of any size', () => {
    const link = new DtlsLink().connect();
    for (const length of [0, 1, 1100, 16_384]) {
      assert.ok(link.client.sendData(Buffer.alloc(length, 1)));
      assert.ok(link.server.sendData(Buffer.alloc(length, 2)));
    }
    assert.equal(link.client.sendData(Buffer.alloc(16_385)), false);
    link.run(1000);
    assert.deepEqual(
      link.serverLog.data,
      [0, 1, 1100, 16_384].map((length) => Buffer.alloc(length, 1)),
    );
    assert.deepEqual(
      link.clientLog.data,
      [0, 1, 1100, 16_384].map((length) => Buffer.alloc(length, 2)),
    );
  });

  test('a datagram that comes twice counts once', () => {
    const link = new DtlsLink({ faults: { duplicate: 1 } }).connect().run(100_000);
    for (let i = 0; i < 100; i++) link.client.sendData(Buffer.from([i]));
    link.run(100_000);
    assert.equal(link.serverLog.data.length, 100);
    assert.ok(link.server.counters.replayedRecords >= 100);
  });

  test('not before the handshake is over, nor after the end', () => {
    const link = new DtlsLink();
    assert.equal(link.client.sendData(Buffer.from('early')), false);
    link.connect();
    link.client.close();
    assert.equal(link.client.sendData(Buffer.from('late')), false);
  });

  for (const closer of ['client', 'server'] as const)
    test(`the ${closer} closes`, () => {
      const link = new DtlsLink().connect();
      link[closer].close();
      link[closer].close();
      link.run(1000);
      const [own, others] =
        closer === 'client' ? [link.clientLog, link.serverLog] : [link.serverLog, link.clientLog];
      assert.deepEqual(own.closed, []);
      assert.deepEqual(others.closed, ['dtls.closed: by the peer']);
      assert.ok(link.client.closed && link.server.closed);
      assert.equal(link.client.connected, false);
    });
});

describe('hellos of real programs', () => {
  const expected: Record<(typeof PROGRAM_RECORDINGS)[number], { isUp: boolean; profile: number }> = {
    'whip-chromium-h264-srs': { isUp: true, profile: 7 },
    'whep-aiortc-h264-srs': { isUp: true, profile: 1 },
    'whip-ffmpeg81-h264-srs': { isUp: false, profile: 1 },
  };
  for (const name of PROGRAM_RECORDINGS)
    test(name, () => {
      const sent: Uint8Array[] = [];
      const certificate = ecCertificate();
      const { isUp, profile } = expected[name];
      const server = new DtlsServer(
        { certificate, remoteFingerprint: { algorithm: 'sha-256', value: '' } },
        quiet((datagram) => sent.push(datagram)),
        0,
      );
      for (const datagram of recordedDtls(name).datagrams) {
        if (datagram.isUp !== isUp || datagram.bytes.readUInt16BE(1) !== 0xfeff) continue;
        assert.equal(sent.length, 0, 'answered before the hello was whole');
        server.receive(datagram.bytes, 0);
        if (sent.length > 0) break;
      }
      assert.deepEqual(sent.map(recordsOf), [['22/0', '22/0', '22/0', '22/0', '22/0']]);
      const text = Buffer.from(sent[0]!).toString('hex');
      assert.match(text, new RegExp(`0e00050002000${profile}00`), 'profile');
      assert.match(text, /00170000/, 'extended master secret');
    });

  test('Chromium’s two datagrams in the wrong order', () => {
    const sent: Uint8Array[] = [];
    const server = new DtlsServer(
      { certificate: ecCertificate() },
      quiet((datagram) => sent.push(datagram)),
      0,
    );
    const [first, second] = recordedDtls(PROGRAM_RECORDINGS[0]).datagrams;
    server.receive(second!.bytes, 0);
    assert.equal(sent.length, 0);
    server.receive(first!.bytes, 0);
    assert.equal(sent.length, 1);
  });
});
