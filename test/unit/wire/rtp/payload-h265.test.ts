/** H.265 over RTP (RFC 7798): both ways by one table, what cameras send, SDP. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { H265_PAYLOAD } from '../../../../src/wire/rtp/payload-h265.ts';
import {
  type BothWays,
  concat,
  configOf,
  depacketize,
  filler,
  hex,
  mappingOf,
  nals,
  packetize,
  plain,
  type Quirk,
  testBothWays,
  testReceived,
  toHex,
} from './video-rig.ts';

const VPS = hex('40010c01ffff016000000300900000030000030 01e959409');
const SPS = hex('42010101600000030090000003000003001ea0142061659595293 0bc05a0200000030020000003 0141');
const PPS = hex('4401c073c109');
const SEI = hex('4e01050a');
const IDR = concat(hex('2601af'), filler(40));
const SLICE = concat(hex('0201d0'), filler(20));
const SECOND_SLICE = concat(hex('020150'), filler(20));
const SUB_LAYER = concat(hex('0003d0'), filler(5));

const CASES: readonly BothWays[] = [
  { name: 'single NAL unit', maxPayload: 100, unit: nals(SLICE), packets: [toHex(SLICE)] },
  {
    name: 'aggregation packet with the lowest temporal id',
    maxPayload: 100,
    unit: nals(SEI, SUB_LAYER),
    packets: [`60010004${toHex(SEI)}0008${toHex(SUB_LAYER)}`],
  },
  {
    name: 'parameter sets together, the picture behind them',
    maxPayload: 64,
    unit: nals(PPS, SEI, IDR),
    packets: [`60010006${toHex(PPS)}0004${toHex(SEI)}002b${toHex(IDR)}`],
  },
  {
    name: 'fragments: first, middle, last',
    maxPayload: 64,
    unit: nals(concat(hex('2601'), hex('af'), filler(150))),
    packets: [
      `620193af${toHex(filler(150).subarray(0, 60))}`,
      `620113${toHex(filler(150).subarray(60, 121))}`,
      `620153${toHex(filler(150).subarray(121))}`,
    ],
  },
  {
    name: 'end of sequence: a header alone',
    maxPayload: 100,
    unit: nals(SLICE, hex('4801')),
    packets: [`60010017${toHex(SLICE)}00024801`],
  },
];

testBothWays(H265_PAYLOAD, CASES);

const START = hex('00000001');
const WITH_ORDER = { 'sprop-max-don-diff': '1' };

/** Units as lists of NAL units. */
const QUIRKS: readonly (Omit<Quirk, 'units'> & { units: readonly (readonly Uint8Array[])[] })[] = [
  {
    name: 'order numbers are read past in a single NAL unit',
    pieces: [plain(concat(hex('0201 0007'), SLICE.subarray(2)), true)],
    units: [[SLICE]],
    fmtp: WITH_ORDER,
  },
  {
    name: 'order numbers are read past in an aggregation packet',
    pieces: [plain(concat(hex('6001 0007 0006'), PPS, hex('00 0017'), SLICE), true)],
    units: [[PPS, SLICE]],
    fmtp: WITH_ORDER,
  },
  {
    name: 'order numbers are read past in the first fragment',
    pieces: [plain(hex('620181 0007 d001')), plain(hex('620141 0203'), true)],
    units: [[hex('0201d0010203')]],
    fmtp: WITH_ORDER,
  },
  {
    name: 'sprop-max-don-diff=0 means that there are none',
    pieces: [plain(SLICE, true)],
    units: [[SLICE]],
    fmtp: { 'sprop-max-don-diff': '0' },
  },
  {
    name: 'start and end bit in one fragment',
    pieces: [plain(hex('6201c1d00102'), true)],
    units: [[hex('0201d00102')]],
  },
  {
    name: 'start codes inside: all of a key frame in one packet',
    pieces: [plain(concat(START, VPS, START, SPS, START, PPS, START, IDR), true)],
    units: [[VPS, SPS, PPS, IDR]],
  },
  {
    name: 'start codes inside fragments behind a VPS',
    pieces: [
      plain(concat(hex('6201a0'), VPS.subarray(2), START, SPS, hex('00'))),
      plain(concat(hex('620160'), hex('0001'), PPS, hex('000001'), IDR), true),
    ],
    units: [[VPS, SPS, PPS, IDR]],
  },
  {
    name: 'parameter sets with a marker of their own and another time',
    pieces: [plain(VPS, true), plain(SPS, true), plain(PPS, true), plain(IDR, true, 4000)],
    units: [[VPS, SPS, PPS, IDR]],
  },
  {
    name: 'no marker, no change of time: delimiters and parameter sets tell',
    pieces: [
      plain(SLICE),
      plain(hex('460110')),
      plain(SLICE),
      plain(VPS),
      plain(SPS),
      plain(PPS),
      plain(IDR),
    ],
    units: [[SLICE], [SLICE], [VPS, SPS, PPS, IDR]],
  },
  {
    name: 'delimiter and filler are left out, SEI before and behind is kept',
    pieces: [
      plain(hex('460110')),
      plain(SEI),
      plain(IDR),
      plain(hex('4c01ff80')),
      plain(hex('50010a0180'), true),
    ],
    units: [[SEI, IDR, hex('50010a0180')]],
  },
  {
    name: 'PACI, a header of temporal id -1 and a cut aggregate are counted',
    pieces: [
      plain(hex('64010000 0201')),
      plain(hex('0200d0')),
      plain(hex('6001 0009 02')),
      plain(SLICE, true),
    ],
    units: [[SLICE]],
    damagedUnits: [0],
    damaged: 3,
  },
  {
    name: 'a sender that marks every slice',
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
];

testReceived(
  H265_PAYLOAD,
  QUIRKS.map((quirk) => ({ ...quirk, units: quirk.units.map((unit) => nals(...unit)) })),
);

const SETS = {
  'sprop-vps': 'QAEMAf//AWAAAAMAkAAAAwAAAwAelZQJ',
  'sprop-sps': 'QgEBAWAAAAMAkAAAAwAAAwAeoBQgYWWVlSkwvAWgIAAAAwAgAAADAUE=',
  'sprop-pps': 'RAHAc8EJ',
};

test('SDP: sets as FFmpeg writes them to a config, and back', () => {
  const config = H265_PAYLOAD.config(mappingOf(H265_PAYLOAD, SETS));
  assert.ok(config !== null);
  assert.deepEqual([config.width, config.height, config.codec], [160, 96, 'h265']);
  assert.equal(
    H265_PAYLOAD.describe(config)?.fmtp,
    `profile-space=0; profile-id=1; tier-flag=0; level-id=30; sprop-vps=${SETS['sprop-vps']}; ` +
      `sprop-sps=${SETS['sprop-sps']}; sprop-pps=${SETS['sprop-pps']}`,
  );
  assert.equal(H265_PAYLOAD.describe(configOf('h265'))?.fmtp, '');
});

test('SDP: sets that are missing or broken mean that they come in band', () => {
  for (const name of Object.keys(SETS)) {
    assert.equal(H265_PAYLOAD.config(mappingOf(H265_PAYLOAD, { ...SETS, [name]: '' })), null);
  }
  assert.equal(H265_PAYLOAD.config(mappingOf(H265_PAYLOAD, { ...SETS, 'sprop-sps': 'QgEB' })), null);
});

test('a key frame without parameter sets gets those of its config', () => {
  const config = H265_PAYLOAD.config(mappingOf(H265_PAYLOAD, SETS));
  assert.ok(config !== null);
  const { units } = depacketize(H265_PAYLOAD, packetize(H265_PAYLOAD, nals(IDR), 1200, 1, config));
  const [vps, sps, pps] = Object.values(SETS).map((set) => Uint8Array.from(Buffer.from(set, 'base64')));
  assert.ok(vps !== undefined && sps !== undefined && pps !== undefined);
  assert.equal(toHex(units[0]!.payload), toHex(nals(vps, sps, pps, IDR)));
});
