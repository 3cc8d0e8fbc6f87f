import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  isRtcp,
  NO_EXTENSION,
  RTP_HEADER_BYTES,
  RtpExtensionCursor,
  RtpPacket,
  writeRtpHeader,
} from '../../../../src/wire/rtp/rtp-packet.ts';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');
const HEAD = '4567 89abcdef 12345678';

interface Case {
  readonly name: string;
  readonly hex: string;
  readonly payload: string;
  readonly csrcs?: number;
  readonly profile?: number;
  /** `id:hex` of the elements of the extension. */
  readonly elements?: readonly string[];
}

const CASES: readonly Case[] = [
  { name: 'plain', hex: `8060 ${HEAD} aabb`, payload: 'aabb' },
  { name: 'no payload', hex: `8060 ${HEAD}`, payload: '' },
  { name: 'two contributing sources', hex: `8260 ${HEAD} 00000001 00000002 aa`, payload: 'aa', csrcs: 2 },
  { name: 'padding of three bytes', hex: `a060 ${HEAD} aabb 000003`, payload: 'aabb' },
  { name: 'padding alone', hex: `a060 ${HEAD} 0002`, payload: '' },
  {
    name: 'extension of no registered form (ONVIF replay)',
    hex: `9060 ${HEAD} abac0001 01020304 aa`,
    payload: 'aa',
    profile: 0xabac,
    elements: [],
  },
  {
    name: 'empty extension of no registered form',
    hex: `9060 ${HEAD} 00000000 00aa`,
    payload: '00aa',
    profile: 0,
    elements: [],
  },
  {
    name: 'one-byte elements with padding between them',
    hex: `9060 ${HEAD} bede0002 10aa 00 21bbcc 0000 dd`,
    payload: 'dd',
    profile: 0xbede,
    elements: ['1:aa', '2:bbcc'],
  },
  {
    name: 'id 15 ends one-byte elements',
    hex: `9060 ${HEAD} bede0001 10aa f0bb dd`,
    payload: 'dd',
    profile: 0xbede,
    elements: ['1:aa'],
  },
  {
    name: 'two-byte elements, one of them empty',
    hex: `9060 ${HEAD} 10000002 0100 02 03 aabbcc 00 dd`,
    payload: 'dd',
    profile: 0x1000,
    elements: ['1:', '2:aabbcc'],
  },
  {
    name: 'element that runs over the end',
    hex: `9060 ${HEAD} bede0001 10aa 25bb dd`,
    payload: 'dd',
    profile: 0xbede,
    elements: ['1:aa'],
  },
  {
    name: 'empty extension and padding',
    hex: `b060 ${HEAD} bede0000 aa 01`,
    payload: 'aa',
    profile: 0xbede,
    elements: [],
  },
];

for (const { name, hex, payload, csrcs = 0, profile = NO_EXTENSION, elements = [] } of CASES) {
  test(`RTP packet: ${name}`, () => {
    const packet = new RtpPacket();
    const data = bytes(hex);
    const before = Buffer.from(data);
    assert.equal(packet.parse(data), true);
    assert.equal(packet.payloadType, 96);
    assert.equal(packet.marker, false);
    assert.equal(packet.sequence, 0x4567);
    assert.equal(packet.timestamp, 0x89abcdef);
    assert.equal(packet.ssrc, 0x12345678);
    assert.equal(packet.csrcCount, csrcs);
    assert.equal(packet.extensionProfile, profile);
    assert.equal(data.subarray(packet.payloadStart, packet.payloadEnd).toString('hex'), payload);
    const cursor = new RtpExtensionCursor().reset(packet);
    const found: string[] = [];
    while (cursor.advance())
      found.push(`${cursor.id}:${data.subarray(cursor.start, cursor.end).toString('hex')}`);
    assert.deepEqual(found, elements);
    assert.equal(cursor.advance(), false, 'stays at the end');
    assert.deepEqual(data, before);
  });
}

const BROKEN: readonly (readonly [string, string])[] = [
  ['empty', ''],
  ['short', '8060 4567 89abcdef 123456'],
  ['version 1', `4060 ${HEAD} aa`],
  ['contributing sources behind the end', `8f60 ${HEAD} 00000001`],
  ['extension header behind the end', `9060 ${HEAD} bede`],
  ['extension longer than the packet', `9060 ${HEAD} bede0002 00000000`],
  ['more padding than payload', `a060 ${HEAD} aabb 000006`],
  ['padding of 0 bytes', `a060 ${HEAD} aa00`],
];

for (const [name, hex] of BROKEN) {
  test(`no RTP packet: ${name}`, () => {
    assert.equal(new RtpPacket().parse(bytes(hex)), false);
  });
}

test('a header that is written parses back', () => {
  const target = Buffer.alloc(RTP_HEADER_BYTES + 3, 0xee);
  assert.equal(writeRtpHeader(target, 2, 111, true, 0xffff, 0xfffffffe, 0x80000001), 14);
  assert.equal(target.toString('hex'), 'eeee80efffff fffffffe 80000001ee'.replaceAll(' ', ''));
  const packet = new RtpPacket();
  assert.equal(packet.parse(target.subarray(2)), true);
  assert.deepEqual(
    [packet.payloadType, packet.marker, packet.sequence, packet.timestamp, packet.ssrc],
    [111, true, 0xffff, 0xfffffffe, 0x80000001],
  );
});

test('RTCP on the same port', () => {
  assert.equal(isRtcp(bytes('80c90001 00000001')), true);
  assert.equal(isRtcp(bytes('81ce0002')), true);
  assert.equal(isRtcp(bytes(`80e0${HEAD}`)), false, 'payload type 96 with marker');
  assert.equal(isRtcp(bytes('80c8')), false);
});
