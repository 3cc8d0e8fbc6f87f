/** Packets inside an RTSP connection: their header, and copies for one peer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { interleavedFrame } from '../../../../src/wire/rtsp/interleaved-frame.ts';
import { sealFrames } from '../../../../src/wire/rtsp/sealed-frames.ts';
import { AES128_CM_SHA1_80 } from '../../../../src/wire/srtp/srtp-profile.ts';
import { SrtpReceiver } from '../../../../src/wire/srtp/srtp-receiver.ts';
import { SrtpSender } from '../../../../src/wire/srtp/srtp-sender.ts';
import { rtcpPacket, rtpPacket, srtpKeys } from '../../../support/srtp-vectors.ts';

const SSRC = 0x1234_5678;
const PICTURE = rtpPacket(1, SSRC, Buffer.alloc(300, 7));
const SOUND = rtpPacket(1, SSRC, Buffer.alloc(20, 8));
const REPORT = rtcpPacket(SSRC);
const SHARED = Buffer.concat([
  interleavedFrame(0, PICTURE),
  interleavedFrame(1, REPORT),
  interleavedFrame(2, SOUND),
]);

test('a frame: mark, channel, length of 16 bits', () => {
  assert.equal(interleavedFrame(3, Buffer.from('cafe', 'hex')).toString('hex'), '24030002cafe');
  assert.equal(interleavedFrame(255, Buffer.alloc(0x1234)).subarray(0, 4).toString('hex'), '24ff1234');
});

test('for a peer with other channels, and without a track', () => {
  const before = Buffer.from(SHARED);
  for (const senders of [[], [null, null]]) {
    const copy = sealFrames(SHARED, [6, 9, -1, -1], senders);
    assert.deepEqual(copy, Buffer.concat([interleavedFrame(6, PICTURE), interleavedFrame(9, REPORT)]));
  }
  assert.deepEqual(SHARED, before, 'the shared bytes stay as they are');
});

test('for a peer with SRTP for one of the tracks', () => {
  const keys = srtpKeys(AES128_CM_SHA1_80, 5);
  const copy = sealFrames(SHARED, [0, 1, 2, 3], [new SrtpSender(keys), null]);
  const receiver = new SrtpReceiver(keys);
  const out = Buffer.alloc(400);
  const found: Buffer[] = [];
  for (let at = 0; at < copy.length; ) {
    const end = at + 4 + copy.readUInt16BE(at + 2);
    const packet = copy.subarray(at + 4, end);
    const channel = copy[at + 1]!;
    at = end;
    if (channel === 2) found.push(packet);
    else {
      const length = channel === 0 ? receiver.unprotectRtp(packet, out) : receiver.unprotectRtcp(packet, out);
      assert.ok(length > 0, `channel ${channel} is genuine`);
      found.push(Buffer.from(out.subarray(0, length)));
    }
  }
  assert.deepEqual(found, [PICTURE, REPORT, SOUND]);
});
