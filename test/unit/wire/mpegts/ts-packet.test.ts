import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ADAPTATION_DISCONTINUITY,
  ADAPTATION_PCR,
  ADAPTATION_RANDOM_ACCESS,
  spreadPayload,
  tsPacketCount,
  writePcrPacket,
} from '../../../../src/wire/mpegts/ts-packet.ts';

function spread(payload: Buffer, flags: number, continuity = 0, pcr = 0): { packets: Buffer; next: number } {
  const total = tsPacketCount(payload.length, flags) * 188;
  const target = Buffer.alloc(7 + total + 3, 0xee);
  payload.copy(target, 7 + total - payload.length);
  const next = spreadPayload(target, 7, 7 + total, payload.length, 0x123, continuity, flags, pcr);
  assert.ok(
    target.subarray(0, 7).every((byte) => byte === 0xee),
    'nothing before is touched',
  );
  assert.ok(
    target.subarray(7 + total).every((byte) => byte === 0xee),
    'nothing behind is touched',
  );
  return { packets: target.subarray(7, 7 + total), next };
}

/** Takes packets apart again, strictly. */
function gather(packets: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < packets.length; at += 188) {
    const packet = packets.subarray(at, at + 188);
    assert.equal(packet[0], 0x47);
    assert.equal(((packet[1]! & 0x1f) << 8) | packet[2]!, 0x123);
    assert.equal((packet[1]! & 0x40) !== 0, at === 0, 'payload unit start');
    const fieldBytes = (packet[3]! & 0x20) === 0 ? 0 : packet[4]! + 1;
    parts.push(packet.subarray(4 + fieldBytes));
  }
  return Buffer.concat(parts);
}

test('ts packet: payloads of every size around the packet borders come back whole', () => {
  const flagSets = [0, ADAPTATION_PCR, ADAPTATION_RANDOM_ACCESS, ADAPTATION_PCR | ADAPTATION_RANDOM_ACCESS];
  for (const flags of flagSets) {
    for (let size = 1; size <= 760; size++) {
      const payload = Buffer.from(Array.from({ length: size }, (_, i) => (i * 7 + 3) & 0xff));
      const { packets, next } = spread(payload, flags, 14);
      assert.equal(next, (14 + packets.length / 188) & 15);
      assert.ok(gather(packets).equals(payload), `size ${size}, flags ${flags}`);
      const last = packets.subarray(-188);
      if (packets.length > 188 && (last[3]! & 0x20) !== 0 && last[4]! > 1) {
        assert.ok(
          last.subarray(6, 5 + last[4]!).every((byte) => byte === 0xff),
          'stuffing',
        );
      }
    }
  }
});

test('ts packet: one byte of stuffing is an empty adaptation field', () => {
  const { packets } = spread(Buffer.alloc(183, 1), 0);
  assert.equal(packets.toString('hex', 0, 6), '474123300001');
});

test('ts packet: clock reference bits', () => {
  const ticks = 0x1_2345_6789;
  const flags = ADAPTATION_PCR | ADAPTATION_DISCONTINUITY;
  const { packets } = spread(Buffer.alloc(176, 1), flags, 5, ticks);
  assert.equal(packets.toString('hex', 0, 13), '474123350790' + '91a2b3c4fe00' + '01');
});

test('ts packet: a clock alone repeats the continuity counter of the packet before', () => {
  const target = Buffer.alloc(188);
  assert.equal(writePcrPacket(target, 0, 0x100, 0, 0, 2), 188);
  assert.equal(target.toString('hex', 0, 13), '4701002fb710' + '000000017e00' + 'ff');
  assert.ok(target.subarray(12).every((byte) => byte === 0xff));
});
