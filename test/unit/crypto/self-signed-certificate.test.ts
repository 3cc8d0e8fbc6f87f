import assert from 'node:assert/strict';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { createSecureContext } from 'node:tls';
import { makeSelfSignedCertificate } from '../../../src/crypto/self-signed-certificate.ts';

const NAMES = ['localhost', '127.0.0.1', '::1', 'fd00::2', '2001:db8:0:1:2:3:4:5', 'host.example'];

test('self-signed certificate: OpenSSL reads it, names and key fit, it is valid on a board with a wrong clock', () => {
  const { key, cert } = makeSelfSignedCertificate('Kamera 1', NAMES, Date.UTC(2026, 10, 21));
  const parsed = new X509Certificate(cert);
  assert.ok(parsed.checkPrivateKey(createPrivateKey(key)));
  assert.ok(parsed.verify(parsed.publicKey), 'signed by itself');
  assert.match(parsed.subject, /CN=Kamera 1/);
  for (const name of NAMES) {
    const found = /^[\d.]+$|:/.test(name) ? parsed.checkIP(name) : parsed.checkHost(name);
    assert.notEqual(found, undefined, name);
  }
  assert.equal(parsed.checkHost('other.example'), undefined);
  assert.ok(new Date(parsed.validFrom).getTime() <= Date.UTC(2020, 0, 1));
  assert.ok(new Date(parsed.validTo).getTime() > Date.UTC(2035, 0, 1));
  assert.doesNotThrow(() => createSecureContext({ key, cert }));
});

test('self-signed certificate: an IPv4 address inside IPv6 is that address, what is no address is a name', () => {
  const names = ['::ffff:192.0.2.7', 'fe80::1%eth0', '300.0.2.7', 'a:b'];
  const parsed = new X509Certificate(makeSelfSignedCertificate('x', names, Date.UTC(2026, 10, 21)).cert);
  assert.equal(
    parsed.subjectAltName,
    'IP Address:192.0.2.7, IP Address:FE80:0:0:0:0:0:0:1, DNS:300.0.2.7, DNS:a:b',
  );
});

test('self-signed certificate: no two are alike', () => {
  const a = new X509Certificate(makeSelfSignedCertificate('x', ['x'], Date.now()).cert);
  const b = new X509Certificate(makeSelfSignedCertificate('x', ['x'], Date.now()).cert);
  assert.notEqual(a.serialNumber, b.serialNumber);
  assert.notEqual(a.fingerprint256, b.fingerprint256);
});
