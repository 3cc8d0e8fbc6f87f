/**
 * Seeded, time-boxed: no packet makes a receiver throw, what is not genuine never comes out, the number of sources stays
 * within its bound, and what is genuine is still taken afterwards.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SRTP_PROFILES, type SrtpKeys } from '../../src/wire/srtp/srtp-profile.ts';
import { SrtpReceiver } from '../../src/wire/srtp/srtp-receiver.ts';
import { SrtpSender } from '../../src/wire/srtp/srtp-sender.ts';
import { MAX_SRTP_SOURCES } from '../../src/wire/srtp/srtp-source.ts';
import { FUZZ_SECONDS, mutateHead, Random, runFor } from '../support/fuzz.ts';
import { rtcpPacket, rtpPacket, srtpKeys, srtpVector } from '../support/srtp-vectors.ts';

for (const profile of SRTP_PROFILES) {
  for (const mki of [undefined, Buffer.of(1, 2, 3, 4)])
    test(`fuzz: SRTP, ${profile.name}${mki === undefined ? '' : ' with MKI'}`, () => {
      const random = new Random(0x5eed);
      const vector = srtpVector(profile);
      const keys: SrtpKeys = mki === undefined ? vector.keys : { ...vector.keys, mki };
      const sender = new SrtpSender(keys);
      const receiver = new SrtpReceiver(keys);
      const out = Buffer.alloc(70_000);
      const seal = (plain: Buffer, isRtcp: boolean): Buffer => {
        const length = isRtcp ? sender.protectRtcp(plain, out, 0) : sender.protect(plain, out, 0);
        assert.ok(length > plain.length);
        return Buffer.from(out.subarray(0, length));
      };
      const seeds = [
        ...vector.rtp.map(({ plain }) => seal(plain, false)),
        ...vector.rtcp.map(({ plain }) => seal(plain, true)),
      ];
      const genuine = new Set(seeds.map((bytes) => bytes.toString('hex')));
      const taken = new Set<string>();
      const open = (bytes: Uint8Array, isRtcp: boolean): void => {
        const length = isRtcp ? receiver.unprotectRtcp(bytes, out) : receiver.unprotectRtp(bytes, out);
        assert.ok(length >= -1 && length < Math.max(1, bytes.length));
        if (length < 0) return;
        const packet = Buffer.from(bytes).toString('hex');
        assert.ok(genuine.has(packet), 'a packet that nobody sealed was taken');
        assert.ok(!taken.has(packet), 'a packet was taken twice');
        taken.add(packet);
      };
      runFor(() => {
        const seed = seeds[random.below(seeds.length)]!;
        const kind = random.below(20);
        const bytes =
          kind === 0 ? random.bytes(random.below(2000)) : kind < 3 ? seed : mutateHead(random, seed);
        open(bytes, random.below(2) === 0);
      }, FUZZ_SECONDS / 8);
      for (const [i, bytes] of seeds.entries()) open(bytes, i >= vector.rtp.length);
      assert.equal(taken.size, seeds.length, 'all that is genuine came through, now or before');
      assert.ok(receiver.refused > 0);
      const next = seal(rtpPacket(2, 0x1234_5678, Buffer.of(1)), false);
      assert.ok(receiver.unprotectRtp(next, out) > 0, 'what is genuine is still taken');
    });

  test(`fuzz: senders of ${profile.name} take anything, receivers give it back`, () => {
    const random = new Random(0xabcd);
    const sender = new SrtpSender(srtpKeys(profile));
    const receiver = new SrtpReceiver(srtpKeys(profile));
    const out = Buffer.alloc(4000);
    const back = Buffer.alloc(4000);
    let sequence = 0;
    let came = 0;
    runFor(() => {
      const ssrc = random.below(MAX_SRTP_SOURCES * 2);
      const plain =
        random.below(8) === 0
          ? mutateHead(random, rtpPacket(sequence % 65_536, ssrc, random.bytes(random.below(300))))
          : random.below(8) === 0
            ? rtcpPacket(ssrc)
            : rtpPacket(sequence++ % 65_536, ssrc, random.bytes(random.below(1400)));
      const isRtcp = random.below(3) === 0;
      const length = isRtcp ? sender.protectRtcp(plain, out, 7) : sender.protect(plain, out, 7);
      if (length < 0) return;
      const packet = out.subarray(7, 7 + length);
      const opened = isRtcp ? receiver.unprotectRtcp(packet, back) : receiver.unprotectRtp(packet, back);
      // The same sequence number twice is a replay.
      if (opened < 0) return;
      came++;
      assert.deepEqual(back.subarray(0, opened), Buffer.from(plain));
    }, FUZZ_SECONDS / 4);
    assert.ok(came > 0);
    for (let ssrc = 0; ssrc < MAX_SRTP_SOURCES; ssrc++)
      sender.protect(rtpPacket(0, ssrc, Buffer.of(1)), out, 0);
    assert.ok(sender.protect(rtpPacket(0, 1_000_000, Buffer.of(1)), out, 0) < 0, 'sources are bounded');
  });
}
