/** Known answers: RFC 3711 appendix B, RFC 7714 sections 16 and 17, libsrtp. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CounterKeystream } from '../../../../src/wire/srtp/counter-keystream.ts';
import { GcmCipher } from '../../../../src/wire/srtp/gcm-cipher.ts';
import { deriveSessionKeys } from '../../../../src/wire/srtp/key-derivation.ts';
import { PacketIndex } from '../../../../src/wire/srtp/packet-index.ts';
import {
  AEAD_AES_128_GCM,
  AES128_CM_SHA1_80,
  type SrtpKeys,
} from '../../../../src/wire/srtp/srtp-profile.ts';
import { SrtpReceiver } from '../../../../src/wire/srtp/srtp-receiver.ts';
import { SrtpSender } from '../../../../src/wire/srtp/srtp-sender.ts';
import { PACKET_AT, WORK } from '../../../../src/wire/srtp/workspace.ts';
import { eachProfile, rtcpPacket, srtpVector } from '../../../support/srtp-vectors.ts';

const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex');

describe('RFC 3711', () => {
  test('appendix B.2: AES-CM key stream', () => {
    const stream = new CounterKeystream(
      hex('2B7E151628AED2A6ABF7158809CF4F3C'),
      hex('F0F1F2F3F4F5F6F7F8F9FAFBFCFD'),
    );
    WORK.fill(0, PACKET_AT, PACKET_AT + 48);
    stream.apply(PACKET_AT, 48, new PacketIndex());
    assert.equal(
      Buffer.from(WORK.subarray(PACKET_AT, PACKET_AT + 48)).toString('hex'),
      'e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0',
    );
  });

  test('appendix B.3: key derivation', () => {
    const keys: SrtpKeys = {
      profile: AES128_CM_SHA1_80,
      masterKey: hex('E1F97A0D3E018BE0D64FA32C06DE4139'),
      masterSalt: hex('0EC675AD498AFEEBB6960B3AABE6'),
    };
    const { key, salt, authKey } = deriveSessionKeys(keys, 'rtp');
    assert.equal(key.toString('hex').toUpperCase(), 'C61E7A93744F39EE10734AFE3FF7A087');
    assert.equal(salt.toString('hex').toUpperCase(), '30CBBC08863D8C85D49DB34A9AE1');
    assert.equal(authKey.toString('hex').toUpperCase(), 'CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4');
  });
});

describe('RFC 7714', () => {
  const salt = hex('517569642070726f2071756f');
  const key128 = hex('000102030405060708090a0b0c0d0e0f');
  const key256 = hex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f');
  const rtp = hex(`8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973
    20646976 69736120 696e2070 61727465 73207472 6573`);
  const rtcp = hex(`81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
    deadbeef deadbeef deadbeef deadbeef deadbeef`);
  const nothing = new Uint8Array(0);

  const sections: readonly [name: string, key: Buffer, sealed: string][] = [
    [
      '16.1: AEAD_AES_128_GCM',
      key128,
      `8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5 0d294e6f
      42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`,
    ],
    [
      '16.2: AEAD_AES_256_GCM',
      key256,
      `8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238 9a58e2f3
      b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13`,
    ],
  ];
  for (const [name, key, sealed] of sections) {
    test(name, () => {
      const cipher = new GcmCipher({ key, salt, authKey: Buffer.alloc(20) }, nothing, false);
      const out = Buffer.alloc(100);
      const index = new PacketIndex().setRtp(0x5501a0b2, 0, 0xf17b);
      const length = cipher.seal(rtp, 12, rtp.subarray(12), index, out, 0);
      assert.equal(out.toString('hex', 0, length), hex(sealed).toString('hex'));
      const back = Buffer.alloc(100);
      assert.equal(cipher.open(hex(sealed), 12, index, back), rtp.length);
      assert.deepEqual(back.subarray(0, rtp.length), rtp);
    });
  }

  test('17.1: SRTCP with AEAD_AES_128_GCM', () => {
    const cipher = new GcmCipher({ key: key128, salt, authKey: Buffer.alloc(20) }, nothing, true);
    const out = Buffer.alloc(100);
    const index = new PacketIndex().setRtcp(0x4d617273, 0x800005d4);
    const length = cipher.seal(rtcp, 8, rtcp.subarray(8), index, out, 0);
    const sealed = hex(`81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d c676a5f1
      730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4`);
    assert.equal(out.toString('hex', 0, length), sealed.toString('hex'));
  });
});

describe('libsrtp', () => {
  const master = hex('e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6');
  const rtp = hex('800f1234 decafbad cafebabe abababab abababab abababab abababab');
  const rtcp = hex('81c8000b cafebabe abababab abababab abababab abababab');
  const known = [
    {
      profile: AES128_CM_SHA1_80,
      key: master,
      rtp: '800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb',
      rtcp: '81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798',
    },
    {
      profile: AEAD_AES_128_GCM,
      key: hex('000102030405060708090a0b0c0d0e0fa0a1a2a3a4a5a6a7a8a9aaab'),
      rtp: '800f1234decafbadcafebabec5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392',
      rtcp: '81c8000bcafebabec98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e80000001',
    },
  ];
  for (const one of known) {
    test(`its own vectors of ${one.profile.name}`, () => {
      const { keyBytes } = one.profile;
      const keys: SrtpKeys = {
        profile: one.profile,
        masterKey: one.key.subarray(0, keyBytes),
        masterSalt: one.key.subarray(keyBytes),
      };
      const out = Buffer.alloc(100);
      const length = new SrtpSender(keys).protect(rtp, out, 0);
      assert.equal(out.toString('hex', 0, length), one.rtp);
      const receiver = new SrtpReceiver(keys);
      assert.equal(receiver.unprotectRtp(hex(one.rtp), out), rtp.length);
      assert.deepEqual(out.subarray(0, rtp.length), rtp);
      assert.equal(receiver.unprotectRtcp(hex(one.rtcp), out), rtcp.length);
      assert.deepEqual(out.subarray(0, rtcp.length), rtcp);
    });
  }

  eachProfile((profile) => {
    test(`GStreamer's packets of ${profile.name}, both directions`, () => {
      const { keys, rtp: packets, rtcp: reports } = srtpVector(profile);
      const sender = new SrtpSender(keys);
      const receiver = new SrtpReceiver(keys);
      const out = Buffer.alloc(2000);
      for (const { plain, sealed } of packets) {
        const length = sender.protect(plain, out, 3);
        assert.equal(out.toString('hex', 3, 3 + length), sealed.toString('hex'));
        assert.equal(length, plain.length + sender.rtpOverhead);
        assert.equal(receiver.unprotectRtp(sealed, out), plain.length);
        assert.equal(out.toString('hex', 0, plain.length), plain.toString('hex'));
      }
      // libsrtp begins with index 1.
      sender.protectRtcp(rtcpPacket(0x1234_5678), out, 0);
      for (const { plain, sealed } of reports) {
        const length = sender.protectRtcp(plain, out, 0);
        assert.equal(out.toString('hex', 0, length), sealed.toString('hex'));
        assert.equal(length, plain.length + sender.rtcpOverhead);
        assert.equal(receiver.unprotectRtcp(sealed, out), plain.length);
        assert.equal(out.toString('hex', 0, plain.length), plain.toString('hex'));
      }
      assert.equal(receiver.refused, 0);
    });
  });
});
