import assert from 'node:assert/strict';
import { test } from 'node:test';
import { joinable } from '../../../src/media-file/vod-ts-joint.ts';

const MAP_PID = 0x1000;

interface Packet {
  readonly pid: number;
  readonly start?: boolean;
  /** Bytes of the adaptation field; 0 = none. */
  readonly field?: number;
  readonly payload: boolean;
}

function packetOf({ pid, start = false, field = 0, payload }: Packet, seed: number): Buffer {
  const packet = Buffer.alloc(188);
  packet[0] = 0x47;
  packet.writeUInt16BE((start ? 0x4000 : 0) | pid, 1);
  packet[3] = (field > 0 ? 0x20 : 0) | (payload ? 0x10 : 0);
  if (field > 0) packet[4] = field - 1;
  if (field > 1) packet[5] = 0x40;
  if (field > 2) packet.fill(0xff, 6, 4 + field);
  for (let i = 4 + field; i < 188; i++) packet[i] = (i * 31 + seed) & 0xff;
  return packet;
}

function payloadsOf(bytes: Buffer): Map<number, Buffer> {
  const found = new Map<number, Buffer[]>();
  const counters = new Map<number, number>();
  for (let at = 0; at < bytes.length; at += 188) {
    const pid = bytes.readUInt16BE(at + 1) & 0x1fff;
    const hasField = (bytes[at + 3]! & 0x20) !== 0;
    const fieldBytes = hasField ? bytes[at + 4]! + 1 : 0;
    const last = counters.get(pid) ?? 15;
    const hasPayload = (bytes[at + 3]! & 0x10) !== 0;
    assert.equal(bytes[at + 3]! & 15, hasPayload ? (last + 1) & 15 : last, `PID ${pid} at ${at}`);
    counters.set(pid, bytes[at + 3]! & 15);
    if (!hasPayload) continue;
    if (!found.has(pid)) found.set(pid, []);
    found.get(pid)!.push(bytes.subarray(at + 4 + fieldBytes, at + 188));
  }
  for (const [pid, last] of counters) assert.equal(last, 15, `PID ${pid} ends with 15`);
  return new Map([...found].map(([pid, parts]) => [pid, Buffer.concat(parts)]));
}

test('ts joint: any count of packets becomes a multiple of sixteen, with the same payload', () => {
  for (let count = 1; count <= 35; count++) {
    for (const field of [0, 1, 2, 9, 60, 140]) {
      const packets: Packet[] = [
        { pid: 0, start: true, payload: true },
        { pid: MAP_PID, start: true, payload: true },
      ];
      for (let i = 0; i < count; i++) {
        packets.push({ pid: 0x100, start: i === 0, field: i === count - 1 ? field : 0, payload: true });
        if (i % 5 === 0) packets.push({ pid: 0x100, field: 184, payload: false });
      }
      const segment = Buffer.concat(packets.map((packet, index) => packetOf(packet, index)));
      const before = Buffer.from(segment);
      const out = joinable(segment, MAP_PID);
      assert.deepEqual(segment, before, 'the input is not changed');
      assert.equal(out.length % 188, 0);
      const media = payloadsOf(out).get(0x100)!;
      const expected = Buffer.concat(
        packets.flatMap((packet, index) =>
          packet.pid === 0x100 && packet.payload
            ? [packetOf(packet, index).subarray(4 + (packet.field ?? 0))]
            : [],
        ),
      );
      assert.deepEqual(media, expected, `${count} packets, field of ${field}`);
      assert.equal(out.readUInt16BE(1) & 0x1fff, 0, 'begins with the tables as before');
    }
  }
});

test('ts joint: what is whole already stays as it is', () => {
  const packets = Array.from({ length: 16 }, (_, i) =>
    packetOf({ pid: 0x101, start: i === 0, payload: true }, i),
  );
  const tables = Array.from({ length: 16 }, () => [
    packetOf({ pid: 0, start: true, payload: true }, 1),
    packetOf({ pid: MAP_PID, start: true, payload: true }, 2),
  ]).flat();
  const segment = Buffer.concat([...tables, ...packets]);
  assert.equal(joinable(segment, MAP_PID).length, segment.length);
});
