import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { test } from 'node:test';
import { type TlsHash, tlsPrf } from '../../../src/crypto/tls-prf.ts';

/** The vectors that went round on the TLS list of the IETF when 1.2 was new. */
const VECTORS: readonly { hash: TlsHash; secret: string; seed: string; out: string }[] = [
  {
    hash: 'sha256',
    secret: '9bbe436ba940f017b17652849a71db35',
    seed: 'a0ba9f936cda311827a6f796ffd5198c',
    out:
      'e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af' +
      '0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701' +
      '87347b66',
  },
  {
    hash: 'sha384',
    secret: 'b80b733d6ceefcdc71566ea48e5567df',
    seed: 'cd665cf6a8447dd6ff8b27555edb7465',
    out:
      '7b0c18e9ced410ed1804f2cfa34a336a1c14dffb4900bb5fd7942107e81c83cde9ca0faa60be9fe34f82b1233c9146a0' +
      'e534cb400fed2700884f9dc236f80edd8bfa961144c9e8d792eca722a7b32fc3d416d473ebc2c5fd4abfdad05d918425' +
      '9b5bf8cd4d90fa0d31e2dec479e4f1a26066f2eea9a69236a3e52655c9e9aee691c8f3a26854308d5eaa3be85e099070' +
      '3d73e56f',
  },
];

for (const { hash, secret, seed, out } of VECTORS)
  test(`PRF with ${hash}, every length`, () => {
    const key = createSecretKey(Buffer.from(secret, 'hex'));
    for (let bytes = 1; bytes <= out.length / 2; bytes++)
      assert.equal(
        tlsPrf(hash, key, 'test label', Buffer.from(seed, 'hex'), bytes).toString('hex'),
        out.slice(0, 2 * bytes),
      );
  });
