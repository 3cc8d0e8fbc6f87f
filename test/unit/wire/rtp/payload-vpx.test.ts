/** VP8 (RFC 7741) and VP9 (RFC 9628) over RTP: both ways by tables, descriptors, layers, losses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configFromRecord } from '../../../../src/codec/describe-config.ts';
import type { RtpPayloadFormat } from '../../../../src/wire/rtp/payload-format.ts';
import { VP8_PAYLOAD } from '../../../../src/wire/rtp/payload-vp8.ts';
import { VP9_PAYLOAD } from '../../../../src/wire/rtp/payload-vp9.ts';
import { MAX_UNIT_BYTES } from '../../../../src/wire/rtp/unit-buffer.ts';
import {
  type BothWays,
  CollectingTarget,
  concat,
  configOf,
  depacketize,
  filler,
  hex,
  type Piece,
  plain,
  type Quirk,
  testBothWays,
  testReceived,
  toHex,
} from './video-rig.ts';

const FRAME = filler(20);
const BIG = filler(100);

const CASES: readonly (BothWays & { format: RtpPayloadFormat })[] = [
  { format: VP8_PAYLOAD, name: 'one packet', flags: 1, unit: FRAME, packets: [`90808000${toHex(FRAME)}`] },
  { format: VP8_PAYLOAD, name: 'no reference', flags: 16, unit: FRAME, packets: [`b0808000${toHex(FRAME)}`] },
  {
    format: VP8_PAYLOAD,
    name: 'two packets',
    flags: 0,
    unit: BIG,
    packets: [`90808000${toHex(BIG.subarray(0, 60))}`, `80808000${toHex(BIG.subarray(60))}`],
  },
  { format: VP9_PAYLOAD, name: 'a key frame', flags: 1, unit: FRAME, packets: [`8c8000${toHex(FRAME)}`] },
  {
    format: VP9_PAYLOAD,
    name: 'another frame in two packets',
    flags: 0,
    unit: BIG,
    packets: [`c88000${toHex(BIG.subarray(0, 61))}`, `c48000${toHex(BIG.subarray(61))}`],
  },
];

for (const format of [VP8_PAYLOAD, VP9_PAYLOAD]) {
  testBothWays(
    format,
    CASES.filter((one) => one.format === format),
  );

  test(`${format.codec}: picture ids count up and begin anew behind 32767`, () => {
    const target = new CollectingTarget();
    const config = configOf(format.codec);
    const packetizer = format.packetizer(config, 64);
    for (let i = 0; i < 0x8001; i++) packetizer.packetize(hex('010203'), 0, config, target);
    const at = format === VP8_PAYLOAD ? 2 : 1;
    const id = (i: number): string => toHex(target.pieces()[i]!.payload.subarray(at, at + 2));
    assert.deepEqual([id(0), id(1), id(0x7fff), id(0x8000)], ['8000', '8001', 'ffff', '8000']);
  });
}

/** `first` and `next` are the descriptors of the first and of another packet of a frame. */
const DESCRIPTORS: readonly { format: RtpPayloadFormat; name: string; first: string; next: string }[] = [
  { format: VP8_PAYLOAD, name: 'no extension (FFmpeg)', first: '10', next: '00' },
  { format: VP8_PAYLOAD, name: 'another partition', first: '10', next: '11' },
  { format: VP8_PAYLOAD, name: 'picture id of 7 bits', first: '908011', next: '808011' },
  { format: VP8_PAYLOAD, name: 'TL0PICIDX', first: '904005', next: '804005' },
  { format: VP8_PAYLOAD, name: 'temporal layer', first: '902040', next: '802040' },
  { format: VP8_PAYLOAD, name: 'key frame index', first: '901003', next: '801003' },
  { format: VP8_PAYLOAD, name: 'all of them (browsers)', first: '90f08123 05 43', next: '80f08123 05 43' },
  { format: VP9_PAYLOAD, name: 'no picture id', first: '08', next: '04' },
  { format: VP9_PAYLOAD, name: 'picture id of 7 bits', first: '8811', next: '8411' },
  { format: VP9_PAYLOAD, name: 'layers, not flexible', first: 'a8 8123 00 07', next: 'a4 8123 00 07' },
  { format: VP9_PAYLOAD, name: 'layers, flexible', first: 'b8 8123 00', next: 'b4 8123 00' },
  {
    format: VP9_PAYLOAD,
    name: 'flexible with three references',
    first: 'd8 8123 030502',
    next: 'd4 8123 030502',
  },
  { format: VP9_PAYLOAD, name: 'flexible key frame', first: '98 8123', next: '94 8123' },
  { format: VP9_PAYLOAD, name: 'structure with size', first: '8a 8123 10 028001e0', next: '84 8123' },
  {
    format: VP9_PAYLOAD,
    name: 'structure with pictures',
    first: '8a 8123 08 02 04 01 18 010203'.replace('18', '0c'),
    next: '84 8123',
  },
  {
    format: VP9_PAYLOAD,
    name: 'structure of three layers with sizes and pictures (browsers)',
    first: 'aa 8123 01 07 58 014000b4 02800168 050002d0 01 1401',
    next: 'a4 8123 01 07',
  },
];

for (const { format, name, first, next } of DESCRIPTORS) {
  test(`${format.codec} descriptor: ${name}`, () => {
    const pieces = [
      { payload: concat(hex(first), FRAME), marker: false },
      { payload: concat(hex(next), FRAME), marker: true },
    ];
    const { units, damaged } = depacketize(format, pieces);
    assert.deepEqual(
      [units.map(({ payload }) => toHex(payload)), damaged],
      [[toHex(concat(FRAME, FRAME))], 0],
    );
  });

  test(`${format.codec} descriptor cut: ${name}`, () => {
    const bytes = hex(first);
    for (let length = 1; length <= bytes.length; length++) {
      const { units, damaged } = depacketize(format, [{ payload: bytes.slice(0, length), marker: true }]);
      assert.deepEqual([units.length, damaged], [0, 1]);
    }
  });
}

/** Units as hex. */
const LOSSES: readonly (Omit<Quirk, 'units'> & { format: RtpPayloadFormat; units: readonly string[] })[] = [
  {
    format: VP8_PAYLOAD,
    name: 'no marker',
    pieces: [plain('10aa'), plain('00bb'), plain('10cc', false, 4000)],
    units: ['aabb', 'cc'],
  },
  {
    format: VP8_PAYLOAD,
    name: 'the first packet of a frame is lost: nothing of it is given',
    pieces: [plain('10aa', true), plain('00bb', true, 4000, true), plain('10cc', true, 7000)],
    units: ['aa', 'cc'],
    damaged: 1,
  },
  {
    format: VP8_PAYLOAD,
    name: 'one in the middle is lost',
    pieces: [plain('10aa'), plain('00cc', true, 1000, true), plain('10dd', true, 4000)],
    units: ['aacc', 'dd'],
    damagedUnits: [0],
  },
  {
    format: VP8_PAYLOAD,
    name: 'the end and a whole frame are lost',
    pieces: [plain('10aa'), plain('10dd', true, 7000, true)],
    units: ['aa', 'dd'],
    damagedUnits: [0],
  },
  {
    format: VP9_PAYLOAD,
    name: 'no marker',
    pieces: [plain('08aa'), plain('04bb'), plain('0ccc', false, 4000)],
    units: ['aabb', 'cc'],
  },
  {
    format: VP9_PAYLOAD,
    name: 'no end bit',
    pieces: [plain('08aa'), plain('00bb', true), plain('08cc', true, 4000)],
    units: ['aabb', 'cc'],
  },
  {
    format: VP9_PAYLOAD,
    name: 'the first packet of a frame is lost',
    pieces: [plain('0caa', true), plain('04bb', true, 4000, true), plain('0ccc', true, 7000)],
    units: ['aa', 'cc'],
    damaged: 1,
  },
  {
    format: VP9_PAYLOAD,
    name: 'one in the middle is lost: what follows has no place',
    pieces: [plain('08aa'), plain('04cc', true, 1000, true), plain('0cdd', true, 4000)],
    units: ['aa', 'dd'],
    damagedUnits: [0],
    damaged: 1,
  },
  {
    format: VP9_PAYLOAD,
    name: 'two spatial layers become a superframe',
    pieces: [plain('2c0007 aabb'), plain('2c0307 ccddee', true)],
    units: ['aabbccddee c1 02 03 c1'.replaceAll(' ', '')],
  },
  {
    format: VP9_PAYLOAD,
    name: 'the lowest layer is lost',
    pieces: [plain('0caa', true), plain('2c0307 ccddee', true, 4000, true)],
    units: ['aa', 'ccddee'],
    damagedUnits: [1],
  },
];

for (const format of [VP8_PAYLOAD, VP9_PAYLOAD]) {
  testReceived(
    format,
    LOSSES.filter((one) => one.format === format).map((one) => ({ ...one, units: one.units.map(hex) })),
  );
}

test('vp9: the index of a superframe has as many bytes per size as the largest layer needs', () => {
  const large = filler(70_000);
  const pieces = [
    { payload: concat(hex('2c0007'), hex('aabb')), marker: false },
    { payload: concat(hex('2c0307'), large), marker: true },
  ];
  const { units } = depacketize(VP9_PAYLOAD, pieces);
  assert.equal(toHex(units[0]!.payload.subarray(70_002)), 'd1020000701101d1');
});

test('a frame that grows over the limit is dropped, the next one is whole', () => {
  for (const [format, first, next] of [
    [VP8_PAYLOAD, '10', '00'],
    [VP9_PAYLOAD, '08', '00'],
  ] as const) {
    const pieces: Piece[] = [plain(`${first}aa`)];
    const piece = { payload: concat(hex(next), filler(60_000)), marker: false };
    for (let i = 0; i * 60_000 < MAX_UNIT_BYTES; i++) pieces.push(piece);
    const { units } = depacketize(format, [
      ...pieces,
      plain(`${next}01`, true),
      plain(`${first}aa`, true, 4000),
    ]);
    assert.deepEqual(
      units.map(({ payload, isDamaged }) => [toHex(payload), isDamaged]),
      [['aa', false]],
    );
  }
});

test('SDP: the profile of VP9', () => {
  const config = configFromRecord('vp9', hex('01000000 02 1f a0 02 02 02 0000'));
  assert.equal(VP9_PAYLOAD.describe(config)?.fmtp, 'profile-id=2');
  assert.equal(VP9_PAYLOAD.describe(configOf('vp9'))?.fmtp, '');
  assert.equal(VP8_PAYLOAD.describe(configOf('vp8'))?.encodingName, 'VP8');
});
