/** Keys and ciphers against published vectors, libsrt's packets, and over refreshes in mid-stream. */
import assert from 'node:assert/strict';
import { createCipheriv } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { SrtKeyring, unwrapKeys, wrapKeys } from '../../../src/srt/keyring.ts';
import { PacketKey } from '../../../src/srt/packet-key.ts';
import { readHandshake } from '../../../src/wire/srt/handshake.ts';
import { readKeyMaterial, SRT_CIPHER_CTR, SRT_CIPHER_GCM } from '../../../src/wire/srt/key-material.ts';
import {
  markRetransmitted,
  SRT_KEY_EVEN,
  SRT_KEY_ODD,
  SrtPacket,
  writeDataHeader,
} from '../../../src/wire/srt/srt-packet.ts';
import { connectPair, indexes, streamUp } from '../../support/srt-model.ts';
import { recordedSrt } from '../../support/srt-vectors.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

test('RFC 3394 section 4: key wrap', () => {
  for (const [kek, key, wrapped] of [
    [
      '000102030405060708090A0B0C0D0E0F',
      '00112233445566778899AABBCCDDEEFF',
      '1FA68B0A8112B447 AEF34BD8FB5A7B82 9D3E862371D2CFE5',
    ],
    [
      '000102030405060708090A0B0C0D0E0F1011121314151617',
      '00112233445566778899AABBCCDDEEFF0001020304050607',
      '031D33264E15D332 68F24EC260743EDC E1C6C7DDEE725A93 6BA814915C6762D2',
    ],
    [
      '000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F',
      '00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F',
      '28C9F404C4B810F4 CBCCB35CFB87F826 3F5786E2D80ED326 CBC7F0E71A99F43B FB988B9B7A02DD21',
    ],
  ] as const) {
    assert.equal(wrapKeys(hex(kek), hex(key)).toString('hex'), hex(wrapped).toString('hex'));
    const keyBytes = key.length / 2;
    const material = {
      keySpec: 1,
      cipher: SRT_CIPHER_CTR,
      salt: Buffer.alloc(16),
      keyBytes,
      wrapped: hex(wrapped),
    };
    assert.equal(unwrapKeys(hex(kek), material)?.[0]?.toString('hex'), key.toLowerCase());
    const damaged = { ...material, wrapped: hex(wrapped).fill(0, 3, 4) };
    assert.equal(unwrapKeys(hex(kek), damaged), null);
  }
});

test('SP 800-38A: CTR by blocks equals CTR of the library, for all lengths and alignments', () => {
  const salt = hex('f0f1f2f3f4f5f6f7f8f9fafbfcfd0000');
  for (const keyBytes of [16, 24, 32]) {
    const secret = Buffer.alloc(keyBytes, keyBytes);
    const key = new PacketKey(SRT_KEY_EVEN, SRT_CIPHER_CTR, secret, salt);
    for (const length of [1, 15, 16, 17, 188, 1316, 1455, 1456]) {
      for (const offset of [0, 1, 2, 4]) {
        const payload = Buffer.alloc(length + offset, 0x47).subarray(offset);
        const header = Buffer.alloc(16);
        writeDataHeader(header, 0x01020304, 1, SRT_KEY_EVEN, 0, 1);
        const iv = Buffer.from(salt);
        for (let i = 0; i < 4; i++) iv[10 + i] = iv[10 + i]! ^ (i + 1);
        const expected = createCipheriv(`aes-${keyBytes * 8}-ctr`, secret, iv).update(payload);
        const datagram = key.encrypt(header, payload);
        assert.equal(datagram.subarray(16).toString('hex'), expected.toString('hex'));
        assert.deepEqual(Buffer.from(key.decrypt(datagram) ?? []), Buffer.from(payload));
      }
    }
  }
});

test('the key stream follows numbers that go on, back, far away and round', () => {
  const salt = Buffer.alloc(16, 0x5a);
  const secret = Buffer.alloc(16, 9);
  const key = new PacketKey(SRT_KEY_EVEN, SRT_CIPHER_CTR, secret, salt);
  const header = Buffer.alloc(16);
  const payload = Buffer.alloc(1316, 0x47);
  const walk = [
    0, 1, 5, 6, 7, 8, 9, 3, 4, 10, 0x7ffffffd, 0x7ffffffe, 0x7fffffff, 0, 1, 2, 0x7fffffff, 3, 0x30000000,
  ];
  for (const sequence of walk) {
    writeDataHeader(header, sequence, 1, SRT_KEY_EVEN, 0, 1);
    const iv = Buffer.from(salt);
    iv.writeUInt32BE((iv.readUInt32BE(10) ^ sequence) >>> 0, 10);
    iv.writeUInt16BE(0, 14);
    const expected = createCipheriv('aes-128-ctr', secret, iv).update(payload);
    assert.ok(key.encrypt(header, payload).subarray(16).equals(expected), `${sequence}`);
  }
});

for (const [name, passphrase, secret] of [
  ['ffmpeg51-aes256', 'correcthorse256', '6ea1a524b66e8b3a93263a0249102748d2141644013b1b79e500af58c2553525'],
  ['ffmpeg51-aes128-rekey', 'correcthorse128', ''],
  ['slt-aes192-rekey', 'correcthorse192', ''],
] as const) {
  test(`recorded: ${name} is deciphered, and ciphered to the same bytes`, () => {
    const datagrams = recordedSrt(name);
    const request = datagrams
      .map(({ bytes }) => readHandshake(bytes)?.keyRequest ?? null)
      .find((keys) => keys !== null);
    assert.ok(request);
    const keyring = SrtKeyring.open(passphrase, request);
    assert.ok(keyring !== null);
    if (secret !== '') assert.equal(keyring.receiveKey(SRT_KEY_EVEN)?.secret.toString('hex'), secret);
    assert.equal(SrtKeyring.open('wrong passphrase', request), null);
    const packet = new SrtPacket();
    const specs = new Set<number>();
    let now = 0;
    for (const { bytes, fromCaller } of datagrams) {
      assert.ok(packet.parse(bytes));
      now += 1e6;
      if (packet.isControl) {
        if (fromCaller && packet.controlType === 0x7fff) assert.ok(keyring.install(bytes.subarray(16), now));
        continue;
      }
      specs.add(packet.keySpec);
      const key = keyring.receiveKey(packet.keySpec);
      assert.ok(key);
      const ciphered = Buffer.from(bytes);
      const plain = key.decrypt(Buffer.from(bytes));
      assert.ok(plain !== null && plain.length % 188 === 0);
      for (let at = 0; at < plain.length; at += 188) assert.equal(plain[at], 0x47);
      assert.equal(key.encrypt(bytes.subarray(0, 16), plain).toString('hex'), ciphered.toString('hex'));
    }
    if (name.endsWith('rekey')) assert.deepEqual([...specs].sort(), [SRT_KEY_EVEN, SRT_KEY_ODD]);
    // Our key material of the same keys reads like theirs.
    const ours = readKeyMaterial(keyring.announcement());
    const theirs = readKeyMaterial(request);
    assert.deepEqual(Buffer.from(ours?.wrapped ?? []), Buffer.from(theirs?.wrapped ?? []));
  });
}

test('GCM as libsrt has it: its keys and packets are read, and written to the same bytes', () => {
  const text = readFileSync(new URL('../../vectors/srt/haicrypt157-gcm.txt', import.meta.url), 'utf8');
  const keyrings = new Map<string, SrtKeyring>();
  const packets = new Map<string, number>();
  for (const line of text.trim().split('\n')) {
    const [keyBytes = '', kind, bytes = ''] = line.split(' ');
    const datagram = hex(bytes);
    if (kind === 'km') {
      assert.equal(SrtKeyring.open('wrong passphrase', datagram), null);
      const keyring = SrtKeyring.open('correct-horse-battery', datagram);
      assert.ok(keyring !== null);
      assert.equal(keyring.keyBytes, Number(keyBytes));
      assert.equal(keyring.announcement().toString('hex'), bytes);
      keyrings.set(keyBytes, keyring);
      continue;
    }
    const key = keyrings.get(keyBytes)?.receiveKey(SRT_KEY_EVEN);
    const index = packets.get(keyBytes) ?? 0;
    packets.set(keyBytes, index + 1);
    const expected = Buffer.from(
      Array.from({ length: index === 2 ? 376 : 1316 }, (_, i) => (i * 7 + index) & 255),
    );
    const plain = key?.decrypt(Buffer.from(datagram)) ?? null;
    assert.ok(plain !== null && expected.equals(plain));
    assert.equal(key?.encrypt(datagram.subarray(0, 16), expected).toString('hex'), bytes);
  }
  assert.deepEqual([...packets.values()], [3, 3, 3]);
});

for (const gcm of [false, true]) {
  for (const keyBytes of [16, 24, 32] as const) {
    test(`${gcm ? 'GCM' : 'CTR'} ${keyBytes * 8}: keys change many times in mid-stream over a bad link`, () => {
      const pair = connectPair({
        link: { delayMs: 30, loss: 0.08, reorder: 0.05 },
        seed: 21,
        settings: {
          latencyMs: 500,
          passphrase: 'correcthorse',
          keyRefreshPackets: 200,
          keyAnnouncePackets: 60,
        },
        callerSettings: { keyBytes, gcm },
      });
      streamUp(pair, 2000, 10_000, 2_000_000);
      assert.equal(pair.listener.agreement.keyring?.keyBytes, keyBytes);
      assert.deepEqual(
        indexes(pair.atListener),
        Array.from({ length: 2000 }, (_, i) => i),
      );
      assert.equal(pair.listener.statistics(pair.world.nowUs).pktRcvUndecrypt, 0);
      assert.equal(pair.caller.maxMessageBytes, gcm ? 1440 : 1456);
    });
  }
}

test('the listener sends with the keys of the caller and makes its own later', () => {
  const pair = connectPair({
    link: { delayMs: 30, loss: 0.05 },
    seed: 22,
    settings: { latencyMs: 500, passphrase: 'correcthorse', keyRefreshPackets: 100, keyAnnouncePackets: 40 },
  });
  const payload = Buffer.alloc(1316, 9);
  for (let i = 0; i < 500; i++) {
    pair.world.runUntil(pair.world.nowUs + 10_000);
    assert.ok(pair.listener.sendMessage(payload, pair.world.nowUs));
  }
  pair.world.runUntil(pair.world.nowUs + 2_000_000);
  assert.equal(pair.atCaller.length, 500);
  for (const delivery of pair.atCaller) assert.ok(payload.equals(delivery.payload));
  // The payload is shared by all players: nobody may have changed it.
  assert.ok(payload.equals(Buffer.alloc(1316, 9)));
});

test('a key that was never confirmed is not used', () => {
  const keyring = SrtKeyring.create('correcthorse', 16, false);
  const specs = new Set<number>();
  for (let i = 0; i < 500; i++) specs.add(keyring.takeSendKey(100, 30).keySpec);
  assert.deepEqual([...specs], [SRT_KEY_EVEN]);
  assert.ok(keyring.mustAnnounce);
  keyring.confirm(Buffer.alloc(4));
  assert.ok(keyring.mustAnnounce);
  keyring.confirm(keyring.announcement());
  assert.equal(keyring.mustAnnounce, false);
  assert.equal(keyring.takeSendKey(100, 30).keySpec, SRT_KEY_ODD);
});

test('GCM notices every changed bit but the retransmission mark', () => {
  const key = new PacketKey(SRT_KEY_EVEN, SRT_CIPHER_GCM, Buffer.alloc(16, 1), Buffer.alloc(16, 2));
  const header = Buffer.alloc(16);
  writeDataHeader(header, 5, 1, SRT_KEY_EVEN, 77, 8);
  const datagram = key.encrypt(header, Buffer.alloc(188, 0x47));
  assert.equal(datagram.length, 16 + 188 + 16);
  const again = Buffer.from(datagram);
  markRetransmitted(again);
  assert.deepEqual(Buffer.from(key.decrypt(again) ?? []), Buffer.alloc(188, 0x47));
  for (const at of [0, 5, 9, 13, 16, 100, 219]) {
    const bad = Buffer.from(datagram);
    bad[at] = bad[at]! ^ 1;
    assert.equal(key.decrypt(bad), null, `byte ${at}`);
  }
  assert.equal(key.decrypt(datagram.subarray(0, 30)), null);
});

test('an announcement that comes again makes no new keys', () => {
  const keyring = SrtKeyring.create('correcthorse', 16, false);
  const other = SrtKeyring.create('correcthorse', 16, false);
  assert.ok(keyring.install(other.announcement(), 5_000_000));
  const key = keyring.receiveKey(SRT_KEY_EVEN);
  assert.equal(key?.secret.toString('hex'), other.receiveKey(SRT_KEY_EVEN)?.secret.toString('hex'));
  assert.ok(keyring.install(other.announcement(), 7_000_000));
  assert.equal(keyring.receiveKey(SRT_KEY_EVEN), key);
});

test('key material with changing salts costs at most one derivation a second', () => {
  const keyring = SrtKeyring.create('correcthorse', 16, false);
  const other = (): Buffer => SrtKeyring.create('correcthorse', 16, false).announcement();
  assert.ok(keyring.install(other(), 5_000_000));
  assert.equal(keyring.install(other(), 5_900_000), false);
  assert.ok(keyring.install(other(), 6_100_000));
  assert.equal(keyring.install(SrtKeyring.create('wronghorse', 16, false).announcement(), 9_000_000), false);
  assert.equal(
    keyring.install(SrtKeyring.create('correcthorse', 32, false).announcement(), 12_000_000),
    false,
  );
});
