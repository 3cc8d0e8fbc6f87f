/** Packets that libsrt 1.5.1 sent: read, and written again to the same bytes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  readDropRequest,
  SrtAck,
  writeAck,
  writeAckAck,
  writeDropRequest,
  writeExtension,
  writeKeepAlive,
  writeLightAck,
  writeNak,
  writeShutdown,
} from '../../../../src/wire/srt/control.ts';
import {
  readHandshake,
  SRT_HANDSHAKE,
  SRT_MAGIC,
  writeHandshake,
} from '../../../../src/wire/srt/handshake.ts';
import { readKeyMaterial, writeKeyMaterial } from '../../../../src/wire/srt/key-material.ts';
import { decodeLossRanges } from '../../../../src/wire/srt/loss-list.ts';
import { rejectFromWire, SRT_REJECT } from '../../../../src/wire/srt/reject.ts';
import {
  SRT_CONTROL,
  SrtPacket,
  srtDestination,
  writeDataHeader,
} from '../../../../src/wire/srt/srt-packet.ts';
import { recordedSrt } from '../../../support/srt-vectors.ts';

const NAMES = [
  'ffmpeg51-plain',
  'slt-streamid',
  'ffmpeg51-aes128-rekey',
  'slt-aes192-rekey',
  'ffmpeg51-aes256',
  'ffmpeg51-loss3',
  'ffmpeg51-badpass',
  'ffmpeg51-nopass',
  'bond151-broadcast',
  'bond151-backup',
];

function rewrite(bytes: Buffer): Buffer {
  const packet = new SrtPacket();
  assert.ok(packet.parse(bytes));
  const { timestamp, destination, info } = packet;
  if (!packet.isControl) {
    const copy = Buffer.from(bytes);
    writeDataHeader(copy, packet.sequence, packet.message, packet.keySpec, timestamp, destination);
    // FFmpeg asks for order and the record has repeated packets: bits that we do not set.
    if (packet.inOrder) copy[4] = copy[4]! | 0x20;
    if (packet.retransmitted) copy[4] = copy[4]! | 0x04;
    return copy;
  }
  switch (packet.controlType) {
    case SRT_CONTROL.handshake: {
      const handshake = readHandshake(bytes);
      assert.ok(handshake !== null);
      return writeHandshake(handshake, timestamp, destination);
    }
    case SRT_CONTROL.ack: {
      const ack = new SrtAck();
      assert.ok(ack.read(packet));
      if (ack.isLight) return writeLightAck(ack.sequence, timestamp, destination);
      return writeAck(info, ack, timestamp, destination);
    }
    case SRT_CONTROL.ackAck:
      return writeAckAck(info, timestamp, destination);
    case SRT_CONTROL.keepAlive:
      return writeKeepAlive(timestamp, destination);
    case SRT_CONTROL.shutdown:
      return writeShutdown(timestamp, destination);
    case SRT_CONTROL.nak: {
      const ranges = decodeLossRanges(bytes, 16);
      assert.ok(ranges !== null);
      return writeNak(ranges, timestamp, destination);
    }
    case SRT_CONTROL.extension: {
      const material = readKeyMaterial(bytes.subarray(16));
      assert.ok(material !== null);
      return writeExtension(packet.subtype, writeKeyMaterial(material), timestamp, destination);
    }
    default:
      throw new assert.AssertionError({ message: `control type ${packet.controlType}` });
  }
}

for (const name of NAMES) {
  test(`recorded: ${name} is written again byte by byte`, () => {
    const datagrams = recordedSrt(name);
    assert.ok(datagrams.length >= 4);
    for (const { bytes } of datagrams) assert.equal(rewrite(bytes).toString('hex'), bytes.toString('hex'));
  });
}

test('recorded: what the handshake of FFmpeg says', () => {
  const [induction, answer, conclusion, response] = recordedSrt('ffmpeg51-plain').map(({ bytes }) =>
    readHandshake(bytes),
  );
  assert.deepEqual([induction?.version, induction?.extension, induction?.cookie], [4, 2, 0]);
  assert.deepEqual([answer?.version, answer?.extension, answer?.cookie], [5, SRT_MAGIC, 0xe61a7e59]);
  assert.equal(conclusion?.type, SRT_HANDSHAKE.conclusion);
  assert.equal(conclusion?.streamId, '#!::r=live/cam,m=publish');
  assert.deepEqual(conclusion?.request, {
    version: 0x010501,
    flags: 0xbf,
    receiveLatencyMs: 120,
    sendLatencyMs: 120,
  });
  assert.deepEqual(response?.response, conclusion?.request);
  assert.equal(response?.sequence, conclusion?.sequence);
});

test('recorded: refusals', () => {
  const reasons = ['ffmpeg51-badpass', 'ffmpeg51-nopass'].map((name) => {
    const last = recordedSrt(name).at(-1);
    return rejectFromWire(readHandshake(last!.bytes)!.type);
  });
  assert.deepEqual(reasons, [SRT_REJECT.badSecret, SRT_REJECT.unsecure]);
});

test('recorded: loss reports of one packet, of a range', () => {
  const naks = recordedSrt('ffmpeg51-loss3')
    .filter(({ bytes }) => bytes[1] === SRT_CONTROL.nak && bytes[0] === 0x80)
    .map(({ bytes }) => decodeLossRanges(bytes, 16));
  assert.deepEqual(naks, [
    [0x19c7e1cb, 0x19c7e1cb],
    [0x19c7e1d6, 0x19c7e1d7],
    [0x19c7e1d6, 0x19c7e1d7],
    [0x19c7e1d6, 0x19c7e1d6],
  ]);
});

test('a drop request has the range and the message', () => {
  const packet = new SrtPacket();
  packet.parse(writeDropRequest(7, 0x7ffffffe, 3, 99, 0x11223344));
  assert.deepEqual(readDropRequest(packet), { first: 0x7ffffffe, last: 3 });
  assert.deepEqual([packet.controlType, packet.info, packet.timestamp], [SRT_CONTROL.dropRequest, 7, 99]);
  packet.parse(packet.bytes.subarray(0, 23));
  assert.equal(readDropRequest(packet), null);
});

test('short datagrams have no destination and are no packets', () => {
  assert.equal(srtDestination(Buffer.alloc(15)), -1);
  assert.equal(new SrtPacket().parse(Buffer.alloc(15)), false);
  assert.equal(srtDestination(Buffer.alloc(16, 1)), 0x01010101);
});
