import assert from 'node:assert/strict';
import { createPublicKey, createVerify, generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import {
  chooseSignatureScheme,
  signTls,
  TLS_SIGNATURE_SCHEMES,
  tlsKeyType,
  verifyTls,
} from '../../../src/crypto/tls-signature.ts';

const PAIRS = {
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
};
const DATA = Buffer.from('what is signed');
const EC = [0x0403, 0x0503, 0x0603];

for (const [type, pair] of Object.entries(PAIRS))
  for (const scheme of TLS_SIGNATURE_SCHEMES)
    test(`${type} and scheme ${scheme.toString(16)}`, () => {
      const fits = EC.includes(scheme) === (type === 'ec');
      assert.equal(chooseSignatureScheme(pair.privateKey, [scheme]), fits ? scheme : -1);
      if (!fits) {
        assert.equal(verifyTls(scheme, pair.publicKey, DATA, Buffer.alloc(70)), false);
        return;
      }
      const signature = signTls(scheme, pair.privateKey, DATA);
      assert.equal(verifyTls(scheme, pair.publicKey, DATA, signature), true);
      assert.equal(verifyTls(scheme, pair.publicKey, DATA.subarray(1), signature), false);
      // Not without its first byte: OpenSSL takes an RSA signature without its leading zeros.
      assert.equal(verifyTls(scheme, pair.publicKey, DATA, signature.subarray(0, -1)), false);
      assert.equal(verifyTls(scheme, pair.publicKey, DATA, Buffer.alloc(0)), false);
      for (const other of TLS_SIGNATURE_SCHEMES)
        if (other !== scheme) assert.equal(verifyTls(other, pair.publicKey, DATA, signature), false);
    });

test('the forms are those of X.509: DER for ECDSA, PKCS #1 for RSA', () => {
  const ec = signTls(0x0403, PAIRS.ec.privateKey, DATA);
  assert.ok(createVerify('sha256').update(DATA).verify(PAIRS.ec.publicKey, ec));
  const rsa = signTls(0x0401, PAIRS.rsa.privateKey, DATA);
  assert.ok(createVerify('RSA-SHA256').update(DATA).verify(PAIRS.rsa.publicKey, rsa));
});

test('the choice is by our order, not the peer’s', () => {
  assert.equal(chooseSignatureScheme(PAIRS.rsa.privateKey, [0x0401, 0x0503, 0x0804]), 0x0804);
  assert.equal(chooseSignatureScheme(PAIRS.ec.privateKey, [0x0203, 0x0603, 0x0503]), 0x0503);
  assert.equal(chooseSignatureScheme(PAIRS.ec.privateKey, [0x0203, 0x0807]), -1);
});

test('keys that are not for TLS here', () => {
  assert.equal(tlsKeyType(generateKeyPairSync('ed25519').publicKey), null);
  assert.equal(tlsKeyType(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey), null);
  assert.equal(tlsKeyType(generateKeyPairSync('rsa', { modulusLength: 512 }).publicKey), null);
  const small = generateKeyPairSync('rsa', { modulusLength: 512 });
  assert.equal(verifyTls(0x0401, small.publicKey, DATA, Buffer.alloc(64)), false);
});

test('an RSA key has 1024 to 8192 bits: what a peer shows decides what its check costs', () => {
  for (const [bits, type] of [
    [1016, null],
    [1024, 'rsa'],
    [8192, 'rsa'],
    [8200, null],
    [16_384, null],
  ] as const) {
    const n = Buffer.alloc(bits / 8, 0xff).toString('base64url');
    const key = createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' });
    assert.equal(tlsKeyType(key), type, `${bits} bits`);
  }
});

test('unknown schemes verify nothing', () => {
  const signature = signTls(0x0403, PAIRS.ec.privateKey, DATA);
  for (const scheme of [0, 0x0203, 0x0807, 0xffff])
    assert.equal(verifyTls(scheme, PAIRS.ec.publicKey, DATA, signature), false);
});
