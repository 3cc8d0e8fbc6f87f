import assert from 'node:assert/strict';
import { createECDH } from 'node:crypto';
import { test } from 'node:test';
import { type EphemeralCurve, EphemeralKey } from '../../../src/crypto/ephemeral-key.ts';

const SIZES: readonly (readonly [EphemeralCurve, number, number])[] = [
  ['p256', 65, 32],
  ['p384', 97, 48],
  ['x25519', 32, 32],
];

for (const [curve, publicBytes, secretBytes] of SIZES) {
  test(`${curve}: both sides come to the same secret`, () => {
    const one = new EphemeralKey(curve);
    const two = new EphemeralKey(curve);
    assert.equal(one.publicKey.length, publicBytes);
    const secret = one.agree(two.publicKey);
    assert.equal(secret?.length, secretBytes);
    assert.deepEqual(two.agree(one.publicKey), secret);
    assert.notDeepEqual(new EphemeralKey(curve).agree(one.publicKey), secret);
  });

  test(`${curve}: keys that are none`, () => {
    const key = new EphemeralKey(curve);
    const good = Buffer.from(new EphemeralKey(curve).publicKey);
    assert.equal(key.agree(good.subarray(1)), null);
    assert.equal(key.agree(Buffer.concat([good, Buffer.alloc(1)])), null);
    assert.equal(key.agree(Buffer.alloc(publicBytes)), null);
    assert.equal(key.agree(new Uint8Array(0)), null);
    if (curve === 'x25519') return;
    const offCurve = Buffer.from(good);
    offCurve[publicBytes - 1]! ^= 1;
    assert.equal(key.agree(offCurve), null);
    const hybrid = Buffer.from(good);
    hybrid[0] = 6 + (good[publicBytes - 1]! & 1);
    assert.equal(key.agree(hybrid), null, 'hybrid form');
  });
}

test('P-256 agrees with another implementation of the same group', () => {
  const other = createECDH('prime256v1');
  const key = new EphemeralKey('p256');
  assert.deepEqual(key.agree(other.generateKeys()), other.computeSecret(key.publicKey));
});
