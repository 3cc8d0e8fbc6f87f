import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TsDatagramReader, transportOf } from '../../../../src/wire/mpegts/ts-datagram.ts';
import { writeRtpHeader } from '../../../../src/wire/rtp/rtp-packet.ts';
import { packet } from './packets.ts';

const packets = Array.from({ length: 10 }, (_, index) => packet(0x100, index, Buffer.alloc(100, index)));
const stream = Buffer.concat(packets);

function rtp(payload: Uint8Array, sequence = 1, payloadType = 33): Buffer {
  const bytes = Buffer.alloc(12 + payload.length);
  writeRtpHeader(bytes, 0, payloadType, false, sequence, 0, 7);
  bytes.set(payload, 12);
  return bytes;
}

/** With a contributing source, an extension of one word and two bytes of padding. */
function fullRtp(payload: Uint8Array): Buffer {
  const head = Buffer.alloc(12 + 4 + 8);
  writeRtpHeader(head, 0, 33, false, 1, 0, 7);
  head[0] = 0x80 | 0x20 | 0x10 | 1;
  head.writeUInt16BE(1, 18);
  return Buffer.concat([head, payload, Buffer.from([0, 2])]);
}

describe('what a first datagram is', () => {
  for (const [what, bytes, expected] of [
    ['seven packets', stream.subarray(0, 1316), 'udp'],
    ['one packet', packets[0]!, 'udp'],
    ['packets that begin in the middle', stream.subarray(100, 1572), 'udp'],
    ['RTP', rtp(stream.subarray(0, 1316)), 'rtp'],
    ['RTP of a dynamic type', rtp(stream.subarray(0, 1316), 5, 96), 'rtp'],
    ['RTP with all that it may have', fullRtp(stream.subarray(0, 1316)), 'rtp'],
    ['RTP of something else', rtp(Buffer.alloc(1316, 1)), ''],
    ['RTCP', Buffer.from([0x80, 200, 0, 6, ...new Array<number>(24).fill(0)]), ''],
    ['nothing', Buffer.alloc(0), ''],
    ['text', Buffer.from('GET / HTTP/1.1'), ''],
    ['a sync byte by chance', Buffer.concat([Buffer.from([0x47]), Buffer.alloc(1315, 1)]), ''],
    ['less than a packet', packets[0]!.subarray(0, 187), ''],
  ] as const) {
    test(what, () => assert.equal(transportOf(bytes), expected));
  }
});

function read(transport: 'udp' | 'rtp', datagrams: readonly Uint8Array[], stepUs = 1000) {
  const got: Buffer[] = [];
  const reader = new TsDatagramReader(transport, (bytes) => got.push(Buffer.from(bytes)));
  for (const [index, datagram] of datagrams.entries()) reader.push(datagram, index * stepUs);
  return { reader, bytes: Buffer.concat(got) };
}

describe('datagrams', () => {
  test('plain ones pass as they are', () => {
    const { bytes } = read('udp', [stream.subarray(0, 500), stream.subarray(500)]);
    assert.deepEqual(bytes, stream);
  });

  test('RTP is put in order, doubles and strangers are dropped', () => {
    const [a, b, c, d] = packets as [Buffer, Buffer, Buffer, Buffer];
    const { reader, bytes } = read('rtp', [
      rtp(a, 65_534),
      rtp(c, 0),
      rtp(b, 65_535),
      rtp(b, 65_535),
      rtp(Buffer.alloc(188), 9, 127),
      Buffer.from([0x80, 200, 0, 6, ...new Array<number>(24).fill(0)]),
      Buffer.from('no rtp at all'),
      rtp(d, 1),
    ]);
    assert.deepEqual(bytes, Buffer.concat([a, b, c, d]));
    assert.equal(reader.lost, 0);
    assert.equal(reader.strange, 2);
  });

  test('a packet that does not come is waited for a tenth of a second', () => {
    const [a, b, c] = packets as [Buffer, Buffer, Buffer];
    const early = read('rtp', [rtp(a, 1), rtp(b, 3)], 50_000);
    assert.deepEqual(early.bytes, a);
    const late = read('rtp', [rtp(a, 1), rtp(b, 3), rtp(c, 4), rtp(c, 5)], 60_000);
    assert.deepEqual(late.bytes, Buffer.concat([a, b, c, c]));
    assert.equal(late.reader.lost, 1);
  });
});
