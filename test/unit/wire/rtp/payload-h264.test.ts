/** H.264 over RTP (RFC 6184): both ways by one table, what cameras send, SDP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configFromRecord } from '../../../../src/codec/describe-config.ts';
import { MAX_NALS_PER_UNIT } from '../../../../src/wire/rtp/nal-access-unit.ts';
import { H264_PAYLOAD } from '../../../../src/wire/rtp/payload-h264.ts';
import { MAX_UNIT_BYTES } from '../../../../src/wire/rtp/unit-buffer.ts';
import {
  type BothWays,
  concat,
  configOf,
  depacketize,
  filler,
  hex,
  mappingOf,
  nals,
  type Piece,
  packetize,
  plain,
  type Quirk,
  testBothWays,
  testReceived,
  toHex,
} from './video-rig.ts';

const SPS = hex('6764000aace40a36c04400000300040000030050 3c489448');
const PPS = hex('68ebe3cb22c0');
const SEI = hex('0605010203048080');
const IDR = concat(hex('658884'), filler(40));
const SLICE = concat(hex('419a22'), filler(20));
const SECOND_SLICE = concat(hex('410e22'), filler(20));

const CASES: readonly BothWays[] = [
  { name: 'single NAL unit', maxPayload: 100, unit: nals(SLICE), packets: [toHex(SLICE)] },
  {
    name: 'parameter sets, SEI and slice in one STAP-A with the highest importance',
    maxPayload: 200,
    unit: nals(SPS, PPS, SEI, IDR),
    packets: [`780018${toHex(SPS)}0006${toHex(PPS)}0008${toHex(SEI)}002b${toHex(IDR)}`],
  },
  {
    name: 'an aggregate ends where the next does not fit',
    maxPayload: 64,
    unit: nals(SPS, PPS, IDR),
    packets: [`780018${toHex(SPS)}0006${toHex(PPS)}`, toHex(IDR)],
  },
  {
    name: 'FU-A: first, middle, last',
    maxPayload: 64,
    unit: nals(concat(hex('65'), filler(150, 3))),
    packets: [
      `7c85${toHex(filler(150, 3).subarray(0, 62))}`,
      `7c05${toHex(filler(150, 3).subarray(62, 124))}`,
      `7c45${toHex(filler(150, 3).subarray(124))}`,
    ],
  },
  {
    name: 'two slices, the second one fragmented',
    maxPayload: 64,
    unit: nals(SLICE, concat(hex('41'), filler(80, 0))),
    packets: [
      toHex(SLICE),
      `5c81${toHex(filler(80, 0).subarray(0, 62))}`,
      `5c41${toHex(filler(80, 0).subarray(62))}`,
    ],
  },
  {
    name: 'end of sequence: a NAL unit of one byte',
    maxPayload: 100,
    unit: nals(SLICE, hex('0a')),
    packets: [`580017${toHex(SLICE)}00010a`],
  },
];

testBothWays(H264_PAYLOAD, CASES);

const SPS2 = hex('674d0033 8a8a5028 02dd3440 0000fa00 0030d401');
const PPS2 = hex('68ee3c80');
const START = hex('00000001');

/** Units as lists of NAL units. */
const QUIRKS: readonly (Omit<Quirk, 'units'> & { units: readonly (readonly Uint8Array[])[] })[] = [
  {
    name: 'CostarHD (gortsplib 649): start and end bit in one FU-A',
    pieces: [plain(concat(hex('3cc1'), hex('e700cafe')), true)],
    units: [[hex('21e700cafe')]],
  },
  {
    name: 'STAP-A filled up with zeros',
    pieces: [plain(hex('180002 21aa 0002 21dd 000000000000'), true)],
    units: [[hex('21aa'), hex('21dd')]],
  },
  {
    name: 'a single NAL unit behind a start code',
    pieces: [plain(concat(START, SLICE), true)],
    units: [[SLICE]],
  },
  {
    name: 'a server that relays Annex B (gortsplib 199): several NAL units with start codes in one packet, and from then on in all',
    pieces: [
      plain(concat(START, SPS, START, PPS, START, IDR), true),
      plain(concat(SLICE, START, SECOND_SLICE), true, 4600),
    ],
    units: [
      [SPS, PPS, IDR],
      [SLICE, SECOND_SLICE],
    ],
    timestamps: [1000, 4600],
  },
  {
    name: 'V380 and other macro-video cameras (retina 68, 108): SPS, PPS and IDR with start codes in one fragmented NAL unit',
    pieces: [
      plain(concat(hex('7c87'), SPS.subarray(1), hex('0000')), false),
      plain(concat(hex('7c07'), hex('0001'), PPS, hex('000000')), false),
      plain(concat(hex('7c47'), hex('01'), IDR), true),
    ],
    units: [[SPS, PPS, IDR]],
  },
  {
    name: 'Amatek AR-N3222F (gortsplib 989): several NAL units in FU-A, of type 0 behind a leading start code, one more at the end',
    pieces: [
      plain(concat(hex('1c800001'), SPS2.subarray(0, 17))),
      plain(concat(hex('1c40'), SPS2.subarray(17), START, PPS2, START)),
      plain(IDR, true),
    ],
    units: [[SPS2, PPS2, IDR]],
  },
  {
    name: 'FLIR M400 (mediamtx 3945): no marker at all',
    pieces: [plain(IDR), plain(SLICE, false, 4000), plain(SLICE, false, 7000)],
    units: [[IDR], [SLICE], [SLICE]],
    timestamps: [1000, 4000, 7000],
  },
  {
    name: 'Reolink RLC-822A (retina 13): SPS with marker, PPS, and the IDR with another time',
    pieces: [plain(SPS, true), plain(PPS), plain(IDR, true, 4000)],
    units: [[SPS, PPS, IDR]],
    timestamps: [4000],
  },
  {
    name: 'Reolink RLC-822A (retina 13): parameter sets with the time of the picture before',
    pieces: [plain(SLICE, true), plain(SPS), plain(PPS), plain(IDR, true, 4000)],
    units: [[SLICE], [SPS, PPS, IDR]],
    timestamps: [1000, 4000],
  },
  {
    name: 'the same without marker',
    pieces: [plain(SLICE), plain(SPS), plain(PPS), plain(IDR, false, 4000)],
    units: [[SLICE], [SPS, PPS, IDR]],
    timestamps: [1000, 4000],
  },
  {
    name: 'GStreamer config-interval=-1: parameter sets before every slice of an IDR picture',
    pieces: [
      plain(SPS),
      plain(PPS),
      plain(IDR),
      plain(SPS),
      plain(PPS),
      plain(hex('651e2233'), true),
      plain(SLICE, true, 4000),
    ],
    units: [[SPS, PPS, IDR, hex('651e2233')], [SLICE]],
  },
  {
    name: 'a sender that changes neither time nor marker: delimiters and parameter sets tell',
    pieces: [
      plain(hex('09f0')),
      plain(SLICE),
      plain(hex('09f0')),
      plain(SLICE),
      plain(SPS),
      plain(PPS),
      plain(IDR),
    ],
    units: [[SLICE], [SLICE], [SPS, PPS, IDR]],
  },
  {
    name: 'a sender that marks every slice: the time alone counts from the second picture on',
    pieces: [
      plain(SLICE, true),
      plain(SECOND_SLICE, true),
      plain(SLICE, true, 4000),
      plain(SECOND_SLICE, true, 4000),
    ],
    units: [[SLICE], [SECOND_SLICE], [SLICE, SECOND_SLICE]],
    damagedUnits: [1],
    damaged: 1,
  },
  {
    name: 'no end bit: the marker ends the NAL unit',
    pieces: [plain(hex('7c858801')), plain(hex('7c050203'), true)],
    units: [[hex('6588010203')]],
  },
  {
    name: 'no end bit: the next NAL unit ends it',
    pieces: [plain(hex('7c858801')), plain(hex('7c050203')), plain(SECOND_SLICE, true)],
    units: [[hex('6588010203'), SECOND_SLICE]],
  },
  {
    name: 'later fragments of another type than the first',
    pieces: [plain(hex('7c858801')), plain(hex('5c410203'), true)],
    units: [[hex('6588010203')]],
  },
  {
    name: 'delimiter and filler are left out, SEI is kept',
    pieces: [plain(hex('09f0')), plain(SEI), plain(IDR), plain(hex('0cffff80'), true)],
    units: [[SEI, IDR]],
  },
  {
    name: 'FFmpeg: zeros of the next start code behind a NAL unit',
    pieces: [plain(concat(SLICE, hex('0000')), true)],
    units: [[SLICE]],
  },
  {
    name: 'mode 0 said, mode 1 sent',
    pieces: [plain(hex('180002 21aa 0003 21ccdd'), true)],
    units: [[hex('21aa'), hex('21ccdd')]],
  },
  {
    name: 'keep-alive: empty payloads change nothing',
    pieces: [plain(SLICE), plain(new Uint8Array(0)), plain(SECOND_SLICE, true)],
    units: [[SLICE, SECOND_SLICE]],
  },
  {
    name: 'STAP-B, MTAP, FU-B and FU-A without header are counted',
    pieces: [
      plain(hex('1900000002 21aa')),
      plain(hex('1a0000')),
      plain(hex('1d810000')),
      plain(hex('7c')),
      plain(SLICE, true),
    ],
    units: [[SLICE]],
    damagedUnits: [0],
    damaged: 4,
  },
  {
    name: 'STAP-A whose last size runs over the end',
    pieces: [plain(hex('180002 21aa 0009 21'), true)],
    units: [[hex('21aa')]],
    damagedUnits: [0],
    damaged: 1,
  },
  {
    name: 'loss in the middle of fragments: the NAL unit is dropped, the rest is damaged',
    pieces: [
      plain(SLICE),
      plain(hex('7c818801')),
      { payload: hex('7c010203'), marker: false, isAfterLoss: true },
      plain(hex('7c410203'), true),
      plain(SLICE, true, 4000),
    ],
    units: [[SLICE], [SLICE]],
    damagedUnits: [0],
    damaged: 3,
  },
  {
    name: 'loss between pictures: the next one is whole when its first slice is there',
    pieces: [plain(SLICE, true), { payload: SLICE, marker: true, timestamp: 7000, isAfterLoss: true }],
    units: [[SLICE], [SLICE]],
  },
  {
    name: 'loss of the first slice and of the end before',
    pieces: [plain(SLICE), { payload: SECOND_SLICE, marker: true, timestamp: 4000, isAfterLoss: true }],
    units: [[SLICE], [SECOND_SLICE]],
    damagedUnits: [0, 1],
  },
];

testReceived(
  H264_PAYLOAD,
  QUIRKS.map((quirk) => ({ ...quirk, units: quirk.units.map((unit) => nals(...unit)) })),
);

test('an access unit that grows over the limit is dropped, the next one is whole', () => {
  const fragment = concat(hex('7c05'), filler(1400));
  const count = Math.ceil(MAX_UNIT_BYTES / 1400) + 10;
  const pieces: Piece[] = [plain(hex('7c8588'))];
  for (let i = 0; i < count; i++) pieces.push(plain(fragment));
  pieces.push(plain(SECOND_SLICE, true), plain(IDR, true, 4000));
  const { units, damaged } = depacketize(H264_PAYLOAD, pieces);
  assert.deepEqual(
    units.map(({ payload, isDamaged }) => [toHex(payload), isDamaged]),
    [[toHex(nals(IDR)), false]],
  );
  assert.equal(damaged, 1);
});

test('so is one of too many NAL units, and parameter sets that no picture ever follows', () => {
  for (const nal of [SLICE, SPS]) {
    const pieces = Array.from({ length: MAX_NALS_PER_UNIT + 5 }, () => plain(nal));
    const { units, damaged } = depacketize(H264_PAYLOAD, [
      ...pieces,
      plain(PPS, true),
      plain(IDR, true, 4000),
    ]);
    assert.deepEqual([units.length, toHex(units[0]!.payload), damaged], [1, toHex(nals(IDR)), 1]);
  }
});

const RECORD = concat(hex('0164000affe10018'), SPS, hex('010006'), PPS, hex('fdf8f800'));
const FMTP =
  'packetization-mode=1; sprop-parameter-sets=Z2QACqzkCjbARAAAAwAEAAADAFA8SJRI,aOvjyyLA; profile-level-id=64000A';

test('SDP: config to a=fmtp as FFmpeg writes it, and back', () => {
  const config = configFromRecord('h264', RECORD);
  const description = H264_PAYLOAD.describe(config);
  assert.deepEqual(description, {
    payloadType: -1,
    encodingName: 'H264',
    clockRate: 90_000,
    channels: 0,
    fmtp: FMTP,
  });
  const back = H264_PAYLOAD.config(
    mappingOf(H264_PAYLOAD, { 'sprop-parameter-sets': 'Z2QACqzkCjbARAAAAwAEAAADAFA8SJRI,aOvjyyLA' }),
  );
  assert.ok(back !== null);
  assert.equal(toHex(back.record), toHex(RECORD));
  assert.deepEqual([back.width, back.height, back.mime], [160, 96, 'avc1.64000a']);
  assert.equal(H264_PAYLOAD.describe(configOf('h264'))?.fmtp, 'packetization-mode=1');
});

test('SDP: what tells no config means that it comes in band', () => {
  const sps = Buffer.from(SPS).toString('base64');
  const pps = Buffer.from(PPS).toString('base64');
  const annexB = [SPS, PPS].map((set) => Buffer.from(concat(START, set)).toString('base64'));
  const cases: [string | undefined, boolean][] = [
    [undefined, false],
    ['', false],
    [',', false],
    [sps, false],
    [`${sps},`, false],
    ['Z2QA,aOvjyyLA', false],
    ['%%%,###', false],
    [`${sps},${pps},`, true],
    [`${pps}, ${sps}`, true],
    [annexB.join(','), true],
    [Buffer.from(concat(START, SPS, START, PPS)).toString('base64'), true],
  ];
  for (const [value, isTold] of cases) {
    const fmtp = value === undefined ? {} : { 'sprop-parameter-sets': value };
    assert.equal(H264_PAYLOAD.config(mappingOf(H264_PAYLOAD, fmtp)) !== null, isTold, value);
  }
});

test('SDP: the interleaved mode is refused by name', () => {
  assert.throws(
    () => H264_PAYLOAD.depacketizer(mappingOf(H264_PAYLOAD, { 'packetization-mode': '2' })),
    /packetization-mode=2/,
  );
});

test('a key frame without parameter sets gets those of its config, one with them or another frame does not', () => {
  const config = configFromRecord('h264', RECORD);
  const sent = (flags: number, unit: Uint8Array): string[] =>
    packetize(H264_PAYLOAD, unit, 64, flags, config).map(({ payload }) => toHex(payload));
  assert.deepEqual(sent(1, nals(IDR)), [`780018${toHex(SPS)}0006${toHex(PPS)}`, toHex(IDR)]);
  assert.deepEqual(sent(0, nals(SLICE)), [toHex(SLICE)]);
  assert.deepEqual(sent(1 | 4, nals(PPS, IDR)), [`780006${toHex(PPS)}002b${toHex(IDR)}`]);
  assert.deepEqual(sent(1, new Uint8Array(0)), []);
  assert.deepEqual(sent(1, hex('000000ff65')), []);
});
