import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InvariantError } from '../../../../src/util/errors.ts';
import { buildProgramAssociation, buildProgramMap } from '../../../../src/wire/mpegts/psi.ts';
import { sectionPackets, writeSectionPackets } from '../../../../src/wire/mpegts/ts-packet.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

test('psi: the program association is that of FFmpeg 5.1, byte by byte', () => {
  assert.equal(hex(buildProgramAssociation()), '00b00d0001c100000001f0002ab104b2');
});

test('psi: the program map of H.264 and AAC is that of FFmpeg 5.1, byte by byte', () => {
  const none = new Uint8Array(0);
  const map = buildProgramMap(0, 0x100, [
    { streamType: 0x1b, pid: 0x100, descriptors: none },
    { streamType: 0x0f, pid: 0x101, descriptors: none },
  ]);
  assert.equal(hex(map), '02b0170001c10000e100f0001be100f0000fe101f0002f44b99b');
});

test('psi: descriptors and version', () => {
  const map = buildProgramMap(31, 0x1fff, [
    { streamType: 6, pid: 0x13f, descriptors: Uint8Array.of(5, 1, 9) },
  ]);
  assert.equal(hex(map.subarray(0, -4)), '02b0150001ff0000fffff00006e13ff003050109');
});

test('psi: more than a section holds is our own error', () => {
  const entry = { streamType: 6, pid: 0x100, descriptors: new Uint8Array(250) };
  assert.throws(() => buildProgramMap(0, 0x100, [entry, entry, entry, entry]), InvariantError);
});

test('psi: a section goes into as many packets as it needs', () => {
  for (const [length, count] of [
    [183, 1],
    [184, 2],
    [367, 2],
    [368, 3],
  ] as const) {
    const section = Buffer.alloc(length, 0x11);
    const packets = sectionPackets(section, 0x1000);
    assert.equal(packets.length, count * 188, `${length} bytes`);
    const target = Buffer.alloc(packets.length + 5);
    assert.equal(writeSectionPackets(packets, target, 5, 15), (15 + count) & 15);
    const held: Buffer[] = [];
    for (let i = 0; i < count; i++) {
      const packet = target.subarray(5 + i * 188, 5 + (i + 1) * 188);
      assert.equal(hex(packet.subarray(0, 3)), i === 0 ? '475000' : '471000');
      assert.equal(packet[3], 0x10 | ((15 + i) & 15));
      held.push(packet.subarray(i === 0 ? 5 : 4));
    }
    assert.equal(target[5 + 4], 0, 'pointer field');
    const all = Buffer.concat(held);
    assert.ok(all.subarray(0, length).equals(section));
    assert.ok(all.subarray(length).every((byte) => byte === 0xff));
  }
});
