/**
 * Seeded, time-boxed: no packet makes a receiver throw, what is not genuine never comes out, the number of sources stays
 * within its bound, and what is genuine is still taken afterwards.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SRTP_PROFILES } from '../../src/wire/srtp/srtp-profile.ts';
import { SrtpReceiver } from '../../src/wire/srtp/srtp-receiver.ts';
import { SrtpSender } from '../../src/wire/srtp/srtp-sender.ts';
import { MAX_SRTP_SOURCES } from '../../src/wire/srtp/srtp-source.ts';
import { FUZZ_SECONDS, mutateHead, Random, runFor } from '../support/fuzz.ts';
import { rtcpPacket, rtpPacket, srtpKeys, srtpVector } from '../support/srtp-vectors.ts';

for (const profile of SRTP_PROFILES) {
  test(`fuzz: SRTP, ${profile.name}`, () => {
    const random = new Random(0x5eed);
    const vector = srtpVector(profile);
    const seeds = [...vector.rtp, ...vector.rtcp].map(({ sealed }) => sealed);
    const genuine = new Set(seeds.map((bytes) => bytes.toString('hex')));
    const mki = random.below(2) === 0 ? undefined : Buffer.of(1, 2, 3, 4);
    const receiver = new SrtpReceiver(mki === undefined ? vector.keys : { ...vector.keys, mki });
    const out = Buffer.alloc(70_000);
    let taken = 0;
    runFor(() => {
      const bytes =
        random.below(20) === 0
          ? random.bytes(random.below(2000))
          : mutateHead(random, seeds[random.below(seeds.length)]!);
      const length =
        random.below(2) === 0 ? receiver.unprotectRtp(bytes, out) : receiver.unprotectRtcp(bytes, out);
      assert.ok(length >= -1 && length < Math.max(1, bytes.length));
      if (length < 0) return;
      taken++;
      assert.ok(genuine.has(Buffer.from(bytes).toString('hex')), 'a packet that nobody sealed was taken');
    }, FUZZ_SECONDS / 4);
    assert.ok(taken <= seeds.length, 'nothing was taken twice');
    assert.ok(receiver.refused > 0);
  });

  test(`fuzz: senders of ${profile.name} take anything, receivers give it back`, () => {
    const random = new Random(0xabcd);
    const sender = new SrtpSender(srtpKeys(profile));
    const receiver = new SrtpReceiver(srtpKeys(profile));
    const out = Buffer.alloc(4000);
    const back = Buffer.alloc(4000);
    let sequence = 0;
    runFor(() => {
      const ssrc = random.below(MAX_SRTP_SOURCES * 2);
      const plain =
        random.below(8) === 0
          ? mutateHead(random, rtpPacket(sequence, ssrc, random.bytes(random.below(300))))
          : random.below(8) === 0
            ? rtcpPacket(ssrc)
            : rtpPacket(sequence++ % 65_536, ssrc, random.bytes(random.below(1400)));
      const isRtcp = random.below(3) === 0;
      const length = isRtcp ? sender.protectRtcp(plain, out, 7) : sender.protect(plain, out, 7);
      if (length < 0) return;
      const packet = out.subarray(7, 7 + length);
      const opened = isRtcp ? receiver.unprotectRtcp(packet, back) : receiver.unprotectRtp(packet, back);
      // The same sequence number twice is a replay.
      if (opened >= 0) assert.deepEqual(back.subarray(0, opened), Buffer.from(plain));
    }, FUZZ_SECONDS / 4);
    assert.ok(sender.protect(rtpPacket(0, 1_000_000, Buffer.of(1)), out, 0) < 0, 'sources are bounded');
  });
}
