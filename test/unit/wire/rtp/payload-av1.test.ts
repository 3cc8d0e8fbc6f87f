/** AV1 over RTP: both ways by one table, what senders do, SDP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configFromRecord } from '../../../../src/codec/describe-config.ts';
import { AV1_PAYLOAD } from '../../../../src/wire/rtp/payload-av1.ts';
import { MAX_UNIT_BYTES } from '../../../../src/wire/rtp/unit-buffer.ts';
import {
  type BothWays,
  concat,
  configOf,
  depacketize,
  filler,
  hex,
  type Piece,
  packetize,
  plain,
  type Quirk,
  testBothWays,
  testReceived,
  toHex,
} from './video-rig.ts';

/** OBU of `type` with a size field of one or two bytes. */
function obu(type: number, body: Uint8Array, extension = -1): Uint8Array {
  const head = extension < 0 ? [(type << 3) | 2] : [(type << 3) | 6, extension];
  const size = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
  return concat(Uint8Array.from([...head, ...size]), body);
}

const SEQUENCE = obu(1, hex('00000003b4fdf36be401'));
const FRAME_BODY = concat(hex('10'), filler(30));
const FRAME = obu(6, FRAME_BODY);
const BIG_BODY = concat(hex('30'), filler(149));
const LAYERED = obu(6, FRAME_BODY, 0x28);
const SEQUENCE_ELEMENT = '0800000003b4fdf36be401';

const CASES: readonly BothWays[] = [
  { name: 'one OBU', unit: FRAME, packets: [`1030${toHex(FRAME_BODY)}`] },
  {
    name: 'a new coded video sequence: the last of two elements has no length',
    flags: 1,
    unit: concat(SEQUENCE, FRAME),
    packets: [`280b${SEQUENCE_ELEMENT}30${toHex(FRAME_BODY)}`],
  },
  { name: 'the extension byte of a layer', unit: LAYERED, packets: [`103428${toHex(FRAME_BODY)}`] },
  {
    name: 'an OBU in three pieces',
    unit: obu(6, BIG_BODY),
    packets: [
      `5030${toHex(BIG_BODY.subarray(0, 62))}`,
      `d0${toHex(BIG_BODY.subarray(62, 125))}`,
      `90${toHex(BIG_BODY.subarray(125))}`,
    ],
  },
  {
    name: 'a small one, and the beginning of a big one behind it',
    unit: concat(SEQUENCE, obu(6, BIG_BODY.subarray(0, 80))),
    packets: [
      `600b${SEQUENCE_ELEMENT}30${toHex(BIG_BODY.subarray(0, 50))}`,
      `90${toHex(BIG_BODY.subarray(50, 80))}`,
    ],
  },
  {
    name: 'four small ones: three in a packet at most',
    unit: concat(obu(5, hex('01')), obu(5, hex('02')), obu(5, hex('03')), obu(5, hex('04'))),
    packets: ['300228010228022803', '102804'],
  },
];

testBothWays(AV1_PAYLOAD, CASES);

const lost = (payload: Uint8Array, marker: boolean, timestamp = 1000): Piece => ({
  ...plain(payload, marker, timestamp),
  isAfterLoss: true,
});

const QUIRKS: readonly Quirk[] = [
  {
    name: 'W=0: a length before every element',
    pieces: [plain(concat(hex('000b'), hex(SEQUENCE_ELEMENT), hex('2030'), FRAME_BODY), true)],
    units: [concat(SEQUENCE, FRAME)],
  },
  {
    name: 'a sender that leaves the size fields in',
    pieces: [plain(concat(hex('200c'), SEQUENCE, FRAME), true)],
    units: [concat(SEQUENCE, FRAME)],
  },
  {
    name: 'a sender that puts a whole temporal unit with its delimiter into one element',
    pieces: [plain(concat(hex('101200'), SEQUENCE, FRAME), true)],
    units: [concat(SEQUENCE, FRAME)],
  },
  {
    name: 'temporal delimiter and tile list are left out, an empty element too',
    pieces: [plain(concat(hex('000110 0240ff 00 2030'), FRAME_BODY), true)],
    units: [FRAME],
  },
  {
    name: 'no marker',
    pieces: [plain(concat(hex('1030'), FRAME_BODY)), plain(concat(hex('1030'), FRAME_BODY), false, 4000)],
    units: [FRAME, FRAME],
  },
  {
    name: 'an element that ends with its packet goes on in the next (W=0)',
    pieces: [plain(hex('4003301020')), plain(hex('8003304050'), true)],
    units: [obu(6, hex('1020304050'))],
  },
  {
    name: 'FFmpeg 8.1: the last element has a length, behind an OBU that filled a packet',
    pieces: [
      plain(concat(hex('1030'), BIG_BODY)),
      plain(concat(hex('10970130'), BIG_BODY)),
      plain(concat(hex('1030'), FRAME_BODY), true),
    ],
    units: [concat(obu(6, BIG_BODY), obu(6, BIG_BODY), FRAME)],
  },
  {
    name: 'FFmpeg 8.1: the same with a length of one byte, which is no header of an OBU',
    pieces: [plain(concat(hex('1030'), BIG_BODY)), plain(concat(hex('102130'), FRAME_BODY, hex('00')), true)],
    units: [concat(obu(6, BIG_BODY), obu(6, concat(FRAME_BODY, hex('00'))))],
  },
  {
    name: 'an OBU whose header is also the number of bytes that follow',
    pieces: [plain(concat(hex('103030'), filler(47)), true)],
    units: [obu(6, concat(hex('30'), filler(47)))],
  },
  {
    name: 'a first byte that is neither a header nor the length of the rest',
    pieces: [plain(concat(hex('10b030'), FRAME_BODY)), plain(concat(hex('1030'), FRAME_BODY), true)],
    units: [FRAME],
    damagedUnits: [0],
    damaged: 1,
  },
  {
    name: 'a length that runs over the end',
    pieces: [plain(hex('00023010 0930'), true)],
    units: [obu(6, hex('10'))],
    damagedUnits: [0],
    damaged: 1,
  },
  {
    name: 'a continuation without beginning',
    pieces: [plain(hex('900102')), plain(concat(hex('1030'), FRAME_BODY), true)],
    units: [FRAME],
    damagedUnits: [0],
    damaged: 1,
  },
  {
    name: 'loss within an OBU: it is dropped, what came before it stays',
    pieces: [
      plain(concat(hex('600b'), hex(SEQUENCE_ELEMENT), hex('3010'))),
      lost(hex('900102'), true),
      plain(concat(hex('1030'), FRAME_BODY), true, 4000),
    ],
    units: [SEQUENCE, FRAME],
    damagedUnits: [0],
    damaged: 2,
  },
  {
    name: 'loss of the end of one unit and nothing of the next',
    pieces: [plain(concat(hex('1030'), FRAME_BODY)), lost(concat(hex('1030'), FRAME_BODY), true, 4000)],
    units: [FRAME, FRAME],
    damagedUnits: [0],
  },
];

testReceived(AV1_PAYLOAD, QUIRKS);

test('a temporal unit that grows over the limit is dropped, the next one is whole', () => {
  const pieces: Piece[] = [plain(hex('5030'))];
  const piece = concat(hex('d0'), filler(1400));
  for (let i = 0; i * 1400 < MAX_UNIT_BYTES + 10_000; i++) pieces.push(plain(piece));
  pieces.push(plain(hex('9001'), true), plain(concat(hex('1030'), FRAME_BODY), true, 4000));
  const { units, damaged } = depacketize(AV1_PAYLOAD, pieces);
  assert.deepEqual([units.map(({ payload }) => toHex(payload)), damaged], [[toHex(FRAME)], 1]);
});

test('SDP: profile, level and tier of the config', () => {
  const config = configFromRecord('av1', concat(hex('81040c00'), SEQUENCE));
  assert.equal(AV1_PAYLOAD.describe(config)?.fmtp, 'profile=0; level-idx=4; tier=0');
  assert.equal(AV1_PAYLOAD.describe(configOf('av1'))?.fmtp, '');
});

test('bytes that are no OBUs with sizes are not sent', () => {
  for (const unit of [hex('30'), hex('3005'), hex('3205 01'), hex('32ffffffffff01'), new Uint8Array(0)]) {
    assert.deepEqual(packetize(AV1_PAYLOAD, unit, 64), []);
  }
});
