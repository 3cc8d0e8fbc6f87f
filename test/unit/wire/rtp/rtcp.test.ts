import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRtcp, type RtcpPacket, serializeRtcp } from '../../../../src/wire/rtp/rtcp.ts';

const hexOf = (text: string): string => text.replaceAll(' ', '');
const BLOCK = '0000000a 40fffffe 00012345 00000010 aabbccdd 00010000';
const REPORT = {
  ssrc: 10,
  fractionLost: 64,
  lost: -2,
  highestSequence: 0x12345,
  jitter: 16,
  lastSr: 0xaabbccdd,
  delaySinceLastSr: 65536,
};

/** Bytes and what they say, both ways. */
const CASES: readonly (readonly [string, string, readonly RtcpPacket[]])[] = [
  [
    'sender report of FFmpeg 5.1 (captured)',
    '80c80006 6b1fce3d eeab9433 9b645a1c 94a36315 00000000 00000000',
    [
      {
        type: 'sr',
        ssrc: 0x6b1fce3d,
        ntpSeconds: 0xeeab9433,
        ntpFraction: 0x9b645a1c,
        rtpTime: 0x94a36315,
        packets: 0,
        octets: 0,
        reports: [],
      },
    ],
  ],
  [
    'receiver report with a block and a name',
    `81c90007 00000001 ${BLOCK} 81ca0003 00000001 0104 61626364 0000`,
    [
      { type: 'rr', ssrc: 1, reports: [REPORT] },
      { type: 'sdes', ssrc: 1, cname: 'abcd' },
    ],
  ],
  [
    'name that ends at a word still has its zero',
    '81ca0003 00000001 0102 6162 00000000',
    [{ type: 'sdes', ssrc: 1, cname: 'ab' }],
  ],
  ['goodbye of two', '82cb0002 00000001 00000002', [{ type: 'bye', ssrcs: [1, 2], reason: '' }]],
  [
    'goodbye with a reason',
    '81cb0003 00000001 04 6f766572 000000',
    [{ type: 'bye', ssrcs: [1], reason: 'over' }],
  ],
  [
    'NACK over the wrap',
    '81cd0003 00000001 00000002 ffff 8001',
    [{ type: 'nack', ssrc: 1, mediaSsrc: 2, sequences: [0xffff, 0, 15] }],
  ],
  [
    'NACK with two entries',
    '81cd0004 00000001 00000002 0001 0000 0012 0000',
    [{ type: 'nack', ssrc: 1, mediaSsrc: 2, sequences: [1, 18] }],
  ],
  ['PLI', '81ce0002 00000001 00000002', [{ type: 'pli', ssrc: 1, mediaSsrc: 2 }]],
  [
    'FIR',
    '84ce0004 00000001 00000000 00000002 07000000',
    [{ type: 'fir', ssrc: 1, mediaSsrc: 2, sequence: 7 }],
  ],
];

for (const [name, hex, packets] of CASES) {
  test(`RTCP both ways: ${name}`, () => {
    assert.deepEqual(parseRtcp(Buffer.from(hexOf(hex), 'hex')), packets);
    assert.equal(serializeRtcp(packets).toString('hex'), hexOf(hex));
  });
}

test('RTCP: what is not known is skipped, what is cut ends the packet', () => {
  const app = '80cc0002 00000001 61626364';
  const pli = '81ce0002 00000001 00000002';
  const parsed = (hex: string): string[] => parseRtcp(Buffer.from(hexOf(hex), 'hex')).map(({ type }) => type);
  assert.deepEqual(parsed(app + pli), ['pli']);
  assert.deepEqual(parsed(`${pli}80c90001`), ['pli'], 'no room for the second');
  assert.deepEqual(parsed('80c80001 00000001'), [], 'too short for a sender report');
  assert.deepEqual(parsed(`81c90001 00000001`), ['rr'], 'a block that is not there');
  assert.deepEqual(parsed('a0c90002 00000001 00000004'), ['rr'], 'padding');
  assert.deepEqual(parsed('a0c90001 000000ff'), [], 'padding before the packet');
  assert.deepEqual(parsed(''), []);
});

test('RTCP: items that are not names are passed over, several sources in one description', () => {
  const hex = '82ca0005 00000001 020178 01026162 00 00000002 01017a 00';
  const found = parseRtcp(Buffer.from(hexOf(hex), 'hex'));
  assert.deepEqual(found, [
    { type: 'sdes', ssrc: 1, cname: 'ab' },
    { type: 'sdes', ssrc: 2, cname: 'z' },
  ]);
});

test('RTCP: long texts are cut, never the packet', () => {
  const [sdes, bye] = parseRtcp(
    serializeRtcp([
      { type: 'sdes', ssrc: 1, cname: 'x'.repeat(400) },
      { type: 'bye', ssrcs: [1], reason: 'y'.repeat(400) },
    ]),
  );
  assert.equal(sdes?.type === 'sdes' && sdes.cname.length, 255);
  assert.equal(bye?.type === 'bye' && bye.reason.length, 255);
});
