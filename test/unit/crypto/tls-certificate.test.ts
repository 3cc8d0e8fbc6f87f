import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { makeSelfSignedCertificate } from '../../../src/crypto/self-signed-certificate.ts';
import {
  certificateFingerprint,
  fingerprintMatches,
  tlsCertificateFromPem,
} from '../../../src/crypto/tls-certificate.ts';

const pem = makeSelfSignedCertificate('test', ['test.invalid'], 1_700_000_000_000);
const certificate = tlsCertificateFromPem(pem);

test('DER and key belong together', () => {
  const parsed = new X509Certificate(certificate.certDer);
  assert.ok(parsed.checkPrivateKey(certificate.privateKey));
});

test('fingerprints are those of OpenSSL', () => {
  const parsed = new X509Certificate(pem.cert);
  assert.equal(certificateFingerprint(certificate.certDer, 'sha-1'), parsed.fingerprint);
  assert.equal(certificateFingerprint(certificate.certDer, 'sha-256'), parsed.fingerprint256);
  assert.equal(certificateFingerprint(certificate.certDer, 'sha-512'), parsed.fingerprint512);
  assert.match(certificateFingerprint(certificate.certDer, 'sha-384'), /^([0-9A-F]{2}:){47}[0-9A-F]{2}$/);
});

test('comparing: case does not matter, everything else does', () => {
  const value = certificateFingerprint(certificate.certDer, 'sha-256');
  const matches = (text: string): boolean =>
    fingerprintMatches(certificate.certDer, { algorithm: 'sha-256', value: text });
  assert.ok(matches(value));
  assert.ok(matches(value.toLowerCase()));
  assert.ok(!matches(''));
  assert.ok(!matches(value.slice(0, -3)));
  assert.ok(!matches(value.replace(/.$/, (last) => (last === '0' ? '1' : '0'))));
  assert.ok(!fingerprintMatches(certificate.certDer, { algorithm: 'sha-1', value }));
});
