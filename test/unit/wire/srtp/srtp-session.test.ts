/** What is protected comes back: over roll-overs, in another order, with MKI; what is not genuine does not. */
import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { InvariantError } from '../../../../src/util/errors.ts';
import { HmacSha1 } from '../../../../src/wire/srtp/hmac-sha1.ts';
import { deriveSessionKeys } from '../../../../src/wire/srtp/key-derivation.ts';
import { AES128_CM_SHA1_80, MAX_MKI_BYTES, type SrtpKeys } from '../../../../src/wire/srtp/srtp-profile.ts';
import { SrtpReceiver } from '../../../../src/wire/srtp/srtp-receiver.ts';
import { SrtpSender } from '../../../../src/wire/srtp/srtp-sender.ts';
import { MAX_SRTP_SOURCES } from '../../../../src/wire/srtp/srtp-source.ts';
import { PACKET_AT, WORK } from '../../../../src/wire/srtp/workspace.ts';
import { seededRandom } from '../../../support/srt-model.ts';
import { eachProfile, rtcpPacket, rtpPacket, srtpKeys } from '../../../support/srtp-vectors.ts';

const SSRC = 0xdeadbeef;

function sealed(sender: SrtpSender, packet: Buffer): Buffer {
  const out = Buffer.alloc(packet.length + sender.rtpOverhead);
  assert.equal(sender.protect(packet, out, 0), out.length);
  return out;
}

function opened(receiver: SrtpReceiver, packet: Buffer): Buffer | null {
  const out = Buffer.alloc(packet.length);
  const length = receiver.unprotectRtp(packet, out);
  return length < 0 ? null : out.subarray(0, length);
}

eachProfile((profile) => {
  for (const mki of [undefined, Buffer.from('0badcafe', 'hex')]) {
    const keys = srtpKeys(profile, 3, mki);
    const name = `${profile.name}${mki === undefined ? '' : ' with MKI'}`;

    test(`${name}: two roll-overs with loss and another order`, () => {
      const random = seededRandom(7);
      const sender = new SrtpSender(keys);
      const receiver = new SrtpReceiver(keys);
      let waiting: { plain: Buffer; packet: Buffer }[] = [];
      let came = 0;
      // Every 40th number, so that the test is short; all of them around the ends.
      for (
        let number = 100;
        number < 2 * 65_536 + 500;
        number += number % 65_536 > 65_400 || number % 65_536 < 100 ? 1 : 40
      ) {
        const plain = rtpPacket(number % 65_536, SSRC, Buffer.alloc(Math.floor(random() * 90), number));
        const packet = sealed(sender, plain);
        if (random() < 0.05) continue;
        waiting.push({ plain, packet });
        if (waiting.length < 6) continue;
        waiting = waiting.sort(() => random() - 0.5);
        for (const one of waiting) {
          assert.deepEqual(opened(receiver, one.packet), one.plain);
          came++;
        }
        waiting = [];
      }
      assert.ok(came > 3000);
      assert.equal(receiver.refused, 0);
      assert.equal(sender.rolloverOf(SSRC), 2);
    });

    test(`${name}: every changed bit is refused, and changes nothing`, () => {
      const sender = new SrtpSender(keys);
      const receiver = new SrtpReceiver(keys);
      const plain = rtpPacket(5, SSRC, Buffer.from('some sound'));
      const packet = sealed(sender, plain);
      const report = rtcpPacket(SSRC);
      const out = Buffer.alloc(200);
      const reportPacket = Buffer.from(out.subarray(0, sender.protectRtcp(report, out, 0)));
      for (let bit = 0; bit < packet.length * 8; bit++) {
        const forged = Buffer.from(packet);
        forged[bit >> 3]! ^= 1 << (bit & 7);
        assert.equal(opened(receiver, forged), null, `bit ${bit}`);
      }
      for (let bit = 0; bit < reportPacket.length * 8; bit++) {
        const forged = Buffer.from(reportPacket);
        forged[bit >> 3]! ^= 1 << (bit & 7);
        assert.equal(receiver.unprotectRtcp(forged, out), -1, `bit ${bit}`);
      }
      for (let length = 0; length < packet.length; length++)
        assert.equal(opened(receiver, packet.subarray(0, length)), null);
      assert.equal(receiver.refused, packet.length * 9 + reportPacket.length * 8);
      assert.deepEqual(opened(receiver, packet), plain);
      assert.equal(receiver.unprotectRtcp(reportPacket, out), report.length);
    });

    test(`${name}: in place, and sender's pieces like the whole`, () => {
      const plain = rtpPacket(9, SSRC, randomBytes(777));
      const memory = Buffer.alloc(plain.length + 300);
      plain.copy(memory, 0);
      const whole = new SrtpSender(keys);
      const length = whole.protect(memory.subarray(0, plain.length), memory, 0);
      const pieces = Buffer.alloc(1500);
      const header = Buffer.concat([plain.subarray(0, 12), Buffer.alloc(8)]);
      assert.equal(new SrtpSender(keys).protectRtp(header, 12, plain.subarray(12), pieces, 50), length);
      assert.deepEqual(pieces.subarray(50, 50 + length), memory.subarray(0, length));
      const packet = memory.subarray(0, length);
      assert.equal(new SrtpReceiver(keys).unprotectRtp(packet, packet), plain.length);
      assert.deepEqual(memory.subarray(0, plain.length), plain);
    });
  }

  test(`${profile.name}: replays and packets before the window are refused`, () => {
    const keys = srtpKeys(profile);
    const sender = new SrtpSender(keys);
    const receiver = new SrtpReceiver(keys);
    const packets = Array.from({ length: 1500 }, (_, i) =>
      sealed(sender, rtpPacket((65_000 + i) % 65_536, SSRC, Buffer.of(i))),
    );
    const late = new Set([700, 1000, 1498]);
    for (const [i, packet] of packets.entries())
      if (i > 0 && !late.has(i)) assert.ok(opened(receiver, packet));
    for (const [i, packet] of packets.entries()) {
      // 1024 packets are remembered; older ones are refused unseen.
      assert.equal(opened(receiver, packet) !== null, late.has(i), `packet ${i}`);
    }
    for (const packet of packets) assert.equal(opened(receiver, packet), null);
    const out = Buffer.alloc(100);
    const reports = [0, 1, 2].map(() =>
      Buffer.from(out.subarray(0, sender.protectRtcp(rtcpPacket(SSRC), out, 0))),
    );
    for (const place of [0, 2, 1]) assert.ok(receiver.unprotectRtcp(reports[place]!, out) > 0);
    for (const place of [0, 1, 2]) assert.equal(receiver.unprotectRtcp(reports[place]!, out), -1);
  });

  test(`${profile.name}: as many sources as the limit, not one more`, () => {
    const keys = srtpKeys(profile);
    const sender = new SrtpSender(keys);
    const more = new SrtpSender(keys);
    const receiver = new SrtpReceiver(keys);
    const out = Buffer.alloc(100);
    for (let i = 0; i < MAX_SRTP_SOURCES; i++)
      assert.ok(opened(receiver, sealed(sender, rtpPacket(1, i, Buffer.of(1)))));
    assert.equal(sender.protect(rtpPacket(1, 1000, Buffer.of(1)), out, 0), -1);
    assert.equal(sender.protectRtcp(rtcpPacket(1000), out, 0), -1);
    assert.equal(opened(receiver, sealed(more, rtpPacket(1, 1000, Buffer.of(1)))), null);
    for (let i = 0; i < MAX_SRTP_SOURCES; i++)
      assert.ok(opened(receiver, sealed(sender, rtpPacket(2, i, Buffer.of(1)))));
  });
});

test('a source that is known by its roll-over counter', () => {
  const keys = srtpKeys(AES128_CM_SHA1_80);
  const sender = new SrtpSender(keys);
  sealed(sender, rtpPacket(40_000, SSRC, Buffer.of(1)));
  const packet = sealed(sender, rtpPacket(3, SSRC, Buffer.of(1)));
  assert.equal(sender.rolloverOf(SSRC), 1);
  assert.equal(opened(new SrtpReceiver(keys), packet), null);
  const told = new SrtpReceiver(keys);
  told.setRollover(SSRC, 1);
  assert.ok(opened(told, packet));
});

test('RTCP that is authenticated and not ciphered is taken; without its tag it is not', () => {
  const keys = srtpKeys(AES128_CM_SHA1_80);
  const word = Buffer.from('00000007', 'hex');
  const report = rtcpPacket(SSRC);
  const { authKey } = deriveSessionKeys(keys, 'rtcp');
  const tag = createHmac('sha1', authKey).update(report).update(word).digest().subarray(0, 10);
  const out = Buffer.alloc(100);
  const receiver = new SrtpReceiver(keys);
  assert.equal(receiver.unprotectRtcp(Buffer.concat([report, word, Buffer.alloc(10)]), out), -1);
  assert.equal(receiver.unprotectRtcp(Buffer.concat([report, word, tag]), out), report.length);
  assert.deepEqual(out.subarray(0, report.length), report);
  const plain = rtpPacket(1, SSRC, Buffer.from('ciphered all the same'));
  assert.deepEqual(opened(receiver, sealed(new SrtpSender(keys), plain)), plain);
});

test('keys of another length than the profile has, and an MKI beyond its limit, are our own mistake', () => {
  const keys = srtpKeys(AES128_CM_SHA1_80);
  const wrong: SrtpKeys[] = [
    { ...keys, masterKey: Buffer.alloc(15) },
    { ...keys, masterSalt: Buffer.alloc(12) },
    { ...keys, mki: Buffer.alloc(MAX_MKI_BYTES + 1) },
  ];
  for (const one of wrong) assert.throws(() => new SrtpSender(one), InvariantError);
  assert.doesNotThrow(() => new SrtpSender({ ...keys, mki: Buffer.alloc(MAX_MKI_BYTES) }));
});

test('what is no packet, and what has no room, is not protected', () => {
  const sender = new SrtpSender(srtpKeys(AES128_CM_SHA1_80));
  const packet = rtpPacket(1, SSRC, Buffer.alloc(20));
  assert.equal(sender.protect(packet, Buffer.alloc(41), 0), -1);
  assert.equal(sender.protect(packet, Buffer.alloc(42), 0), 42);
  assert.equal(sender.protect(packet.subarray(0, 11), Buffer.alloc(100), 0), -1);
  assert.equal(
    sender.protect(Buffer.concat([Buffer.of(0x8f), packet.subarray(1)]), Buffer.alloc(100), 0),
    -1,
  );
  assert.equal(sender.protectRtp(packet, 12, Buffer.alloc(65_530), Buffer.alloc(70_000), 0), -1);
  assert.equal(sender.protectRtp(packet, 12, Buffer.alloc(65_500), Buffer.alloc(70_000), 0), 65_522);
  assert.equal(sender.protectRtcp(Buffer.alloc(8), Buffer.alloc(100), 0), -1);
});

test('without one-shot hashes the digests are the same', () => {
  const random = seededRandom(1);
  for (let i = 0; i < 50; i++) {
    const key = Buffer.from(Array.from({ length: 20 }, () => random() * 256));
    const end = PACKET_AT + Math.floor(random() * 300);
    for (let at = PACKET_AT; at < end; at++) WORK[at] = random() * 256;
    assert.equal(new HmacSha1(key, null).digest(end), new HmacSha1(key).digest(end));
  }
});
