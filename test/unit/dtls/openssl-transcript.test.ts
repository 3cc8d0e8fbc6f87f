/**
 * Whole conversations of OpenSSL with itself, read with our parsers and the recorded master secret: both Finished, the
 * protected records, the signatures and the exported keys must come out as OpenSSL made them.
 */
import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import { verifyTls } from '../../../src/crypto/tls-signature.ts';
import { cipherSuite } from '../../../src/dtls/cipher-suites.ts';
import { FragmentBuffer } from '../../../src/dtls/fragment-buffer.ts';
import { KeySchedule, Transcript } from '../../../src/dtls/key-schedule.ts';
import { peerPublicKey } from '../../../src/dtls/peer-certificate.ts';
import type { RecordCipher } from '../../../src/dtls/record-cipher.ts';
import { parseCertificateRequest, parseCertificateVerify } from '../../../src/wire/dtls/certificates.ts';
import { parseClientHello } from '../../../src/wire/dtls/client-hello.ts';
import { DtlsHandshakeFragment } from '../../../src/wire/dtls/handshake-header.ts';
import { parseHelloVerifyRequest } from '../../../src/wire/dtls/hello-verify-request.ts';
import { parseClientKeyExchange, parseServerKeyExchange } from '../../../src/wire/dtls/key-exchange.ts';
import { DTLS_CONTENT, DTLS_HANDSHAKE } from '../../../src/wire/dtls/numbers.ts';
import { DtlsRecord } from '../../../src/wire/dtls/record.ts';
import { parseServerHello } from '../../../src/wire/dtls/server-hello.ts';
import { OPENSSL_RECORDINGS, recordedDtls } from '../../support/dtls-vectors.ts';

const NEW_SESSION_TICKET = 4;

const EXPECTED = {
  'openssl-aes128gcm-x25519': { suite: 0xc02b, profile: 7, group: 29 },
  'openssl-aes256gcm-p384': { suite: 0xc030, profile: 8, group: 24 },
  'openssl-chacha20-p256': { suite: 0xcca9, profile: 1, group: 23 },
} as const;

for (const name of OPENSSL_RECORDINGS)
  test(name, () => {
    const { datagrams, exported, master } = recordedDtls(name);
    const record = new DtlsRecord();
    const fragment = new DtlsHandshakeFragment();
    const buffers = { up: new FragmentBuffer(), down: new FragmentBuffer() };
    const transcript = new Transcript();
    const types: string[] = [];
    const data: string[] = [];
    const alerts: string[] = [];
    let clientRandom: Uint8Array = Buffer.alloc(0);
    let serverRandom: Uint8Array = Buffer.alloc(0);
    let schedule: KeySchedule | null = null;
    let ciphers: { client: RecordCipher; server: RecordCipher } | null = null;
    let profile = 0;
    let suiteId = 0;
    let group = 0;
    let cookie: Uint8Array = Buffer.alloc(0);
    const keys: Partial<Record<'up' | 'down', ReturnType<typeof peerPublicKey>>> = {};

    const onMessage = (message: Buffer, side: 'up' | 'down'): void => {
      const type = message[0]!;
      const body = message.subarray(12);
      types.push(`${side === 'up' ? '>' : '<'}${type}`);
      switch (type) {
        case DTLS_HANDSHAKE.clientHello: {
          const hello = parseClientHello(body);
          assert.deepEqual(Buffer.from(hello.cookie), Buffer.from(cookie));
          clientRandom = hello.random;
          transcript.clear();
          break;
        }
        case DTLS_HANDSHAKE.helloVerifyRequest:
          cookie = parseHelloVerifyRequest(body);
          return;
        case DTLS_HANDSHAKE.serverHello: {
          const hello = parseServerHello(body);
          assert.equal(hello.hasExtendedMasterSecret, true);
          serverRandom = hello.random;
          profile = hello.srtpProfile;
          suiteId = hello.suite;
          schedule = new KeySchedule(
            cipherSuite(suiteId)!,
            createSecretKey(master),
            clientRandom,
            serverRandom,
          );
          ciphers = schedule.recordCiphers();
          break;
        }
        case DTLS_HANDSHAKE.certificate:
          keys[side] = peerPublicKey(body, undefined);
          break;
        case DTLS_HANDSHAKE.serverKeyExchange: {
          const exchange = parseServerKeyExchange(body);
          group = exchange.group;
          const signed = Buffer.concat([clientRandom, serverRandom, exchange.parameters]);
          assert.ok(verifyTls(exchange.scheme, keys.down!, signed, exchange.signature));
          break;
        }
        case DTLS_HANDSHAKE.certificateRequest:
          assert.ok(parseCertificateRequest(body).includes(0x0403));
          break;
        case DTLS_HANDSHAKE.clientKeyExchange:
          assert.ok(parseClientKeyExchange(body).length >= 32);
          break;
        case DTLS_HANDSHAKE.certificateVerify: {
          const { scheme, signature } = parseCertificateVerify(body);
          assert.ok(verifyTls(scheme, keys.up!, transcript.bytes(), signature));
          break;
        }
        case DTLS_HANDSHAKE.finished:
          assert.deepEqual(body, schedule!.verifyData(side === 'up', transcript));
          break;
        default:
          assert.ok(type === DTLS_HANDSHAKE.serverHelloDone || type === NEW_SESSION_TICKET, `${type}`);
      }
      transcript.add(message);
    };

    for (const { bytes, isUp } of datagrams) {
      const side = isUp ? 'up' : 'down';
      for (let at = 0; at < bytes.length; ) {
        at = record.parse(bytes, at);
        assert.notEqual(at, -1);
        const plain: Buffer | null =
          record.epoch === 0
            ? bytes.subarray(record.start, record.end)
            : (isUp ? ciphers!.client : ciphers!.server).open(record, bytes);
        assert.ok(plain !== null, 'opens');
        if (record.type === DTLS_CONTENT.applicationData) data.push(plain.toString('latin1'));
        else if (record.type === DTLS_CONTENT.alert) alerts.push(plain.toString('hex'));
        else if (record.type === DTLS_CONTENT.handshake) {
          assert.equal(fragment.parse(plain, 0, plain.length), plain.length);
          assert.ok(buffers[side].add(fragment, record.epoch, plain));
          while (buffers[side].readyEpoch !== -1) onMessage(buffers[side].take(), side);
        }
      }
    }

    assert.deepEqual(types, [
      ...['>1', '<3', '>1', '<2', '<11', '<12', '<13', '<14'],
      ...['>11', '>16', '>15', '>20', '<4', '<20'],
    ]);
    assert.deepEqual(data, ['hello from the client\n', 'hello from the server\n']);
    assert.deepEqual(alerts, ['0100', '0100']);
    assert.deepEqual({ suite: suiteId, profile, group }, EXPECTED[name]);
    const { clientKey, clientSalt, serverKey, serverSalt } = schedule!.srtpKeys(profile);
    assert.equal(Buffer.concat([clientKey, serverKey, clientSalt, serverSalt]).toString('hex'), exported);
  });
