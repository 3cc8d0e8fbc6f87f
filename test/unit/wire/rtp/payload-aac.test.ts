/** AAC over RTP as it should be and as cameras send it: MPEG4-GENERIC and MP4A-LATM. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { configFromRecord } from '../../../../src/codec/describe-config.ts';
import { ProtocolError } from '../../../../src/util/errors.ts';
import { AAC_PAYLOAD } from '../../../../src/wire/rtp/payload-aac.ts';
import { LATM_PAYLOAD } from '../../../../src/wire/rtp/payload-latm.ts';
import { mappingOf, packetize, push, readVector, type SentPacket } from './audio-packets.ts';

const HBR = { mode: 'AAC-hbr', sizelength: '13', indexlength: '3', indexdeltalength: '3', config: '1190' };

/** `hex` or `hex!` with a marker, all with one time unless `@time` follows. */
function packet(text: string): SentPacket {
  const [hex = '', time = '1000'] = text.split('@');
  const marker = hex.endsWith('!');
  return { payload: Buffer.from(hex.replace('!', ''), 'hex'), marker, timestamp: Number(time) };
}

const shown = (units: readonly { payload: Buffer; timestamp: number }[]) =>
  units.map(({ payload, timestamp }) => `${payload.toString('hex')}@${timestamp}`);

interface Case {
  readonly name: string;
  readonly fmtp?: Record<string, string>;
  readonly clockRate?: number;
  readonly packets: readonly string[];
  readonly lost?: readonly number[];
  readonly units: readonly string[];
  readonly damaged?: number;
}

/** AU-headers-length 16, a size, index 0. */
const one = (size: number) => `0010${(size << 3).toString(16).padStart(4, '0')}`;
/** An ADTS header of LC, 48000 Hz, 2 channels. */
const adts = (payloadBytes: number) => {
  const size = payloadBytes + 7;
  return Buffer.of(0xff, 0xf1, 0x4c, 0x80 | (size >> 11), size >> 3, ((size & 7) << 5) | 0x1f, 0xfc).toString(
    'hex',
  );
};

const cases: readonly Case[] = [
  { name: 'one access unit', packets: [`${one(3)}aabbcc!`], units: ['aabbcc@1000'] },
  {
    name: 'several access units',
    packets: ['0030001000080018' + 'aabb' + 'cc' + 'ddeeff!@4294967000'],
    units: ['aabb@4294967000', 'cc@728', 'ddeeff@1752'],
  },
  {
    name: 'AAC-lbr: 6 and 2 bits',
    fmtp: { mode: 'AAC-lbr', config: '1190' },
    packets: ['00100804' + 'aabb' + 'cc!'],
    units: ['aabb@1000', 'cc@2024'],
  },
  {
    name: 'other widths, times and a state',
    fmtp: {
      ...HBR,
      sizelength: '10',
      indexlength: '2',
      ctsdeltalength: '5',
      dtsdeltalength: '4',
      randomaccessindication: '1',
      streamstateindication: '3',
    },
    // 10 size, 2 index, flag and 5 bits, flag, flag, 3 bits: 23 bits; then 10, 3, flag, flag and 4 bits, 1, 3: 23.
    packets: [
      `002e${[
        ['0000000010', '00', '1', '10101', '0', '1', '000'],
        ['0000000001', '000', '0', '1', '1111', '0', '111'],
      ]
        .flat()
        .join('')
        .padEnd(48, '0')
        .match(/.{4}/g)!
        .map((part) => Number.parseInt(part, 2).toString(16))
        .join('')}aabbcc!`,
    ],
    units: ['aabb@1000', 'cc@2024'],
  },
  {
    name: 'an auxiliary section',
    fmtp: { ...HBR, auxiliarydatasizelength: '8' },
    packets: [`${one(2)}0affc0aabb!`],
    units: ['aabb@1000'],
  },
  {
    name: 'no headers: constantSize',
    fmtp: { mode: 'generic', constantsize: '2', config: '1190' },
    packets: ['aabbccdd!'],
    units: ['aabb@1000', 'ccdd@2024'],
  },
  {
    name: 'no headers: one access unit',
    fmtp: { mode: 'generic', config: '1190' },
    packets: ['aabbccdd!'],
    units: ['aabbccdd@1000'],
  },
  {
    name: 'constantDuration instead of the length of a frame',
    fmtp: { ...HBR, constantduration: '960' },
    packets: ['002000080008aabb!'],
    units: ['aa@1000', 'bb@1960'],
  },
  {
    name: 'a clock of its own',
    clockRate: 90_000,
    packets: ['002000080008aabb!'],
    units: ['aa@1000', 'bb@2920'],
  },
  {
    name: 'fragments that tell the size of the whole (RFC 3640)',
    packets: [`${one(5)}aabb`, `${one(5)}ccdd`, `${one(5)}ee!`],
    units: ['aabbccddee@1000'],
  },
  {
    name: 'fragments that tell what remains (GStreamer)',
    packets: [`${one(5)}aabb`, `${one(3)}ccdd`, `${one(1)}ee!`],
    units: ['aabbccddee@1000'],
  },
  {
    name: 'fragments that tell their own size',
    packets: [`${one(2)}aabb`, `${one(2)}ccdd`, `${one(1)}ee!`],
    units: ['aabbccddee@1000'],
  },
  {
    name: 'a fragment is lost',
    packets: [`${one(5)}aabb`, `${one(5)}ccdd`, `${one(5)}ee!`, `${one(1)}11!@2024`],
    lost: [1],
    units: ['11@2024'],
    damaged: 1,
  },
  {
    name: 'the first fragment is lost',
    packets: [`${one(5)}aabb`, `${one(5)}ccdd`, `${one(5)}ee!`, `${one(1)}11!@2024`],
    lost: [0],
    units: ['11@2024'],
    damaged: 1,
  },
  {
    name: 'the last fragment is lost',
    packets: [`${one(5)}aabb`, `${one(5)}ccdd`, `${one(5)}ee!`, `${one(1)}11!@2024`],
    lost: [2],
    units: ['11@2024'],
    damaged: 1,
  },
  {
    name: 'quirk: no marker ever',
    packets: [`${one(1)}aa@0`, `${one(1)}bb@1024`, `${one(1)}cc@2048`],
    units: ['aa@0', 'bb@1024', 'cc@2048'],
  },
  {
    name: 'quirk: fragments without a marker',
    packets: [`${one(3)}aabb`, `${one(3)}cc`, `${one(1)}11!@2024`],
    units: ['aabbcc@1000', '11@2024'],
  },
  {
    name: 'quirk: numbers of access units that jump',
    packets: ['0020000f000f' + 'aabb!'],
    units: ['aa@1000', 'bb@2024'],
  },
  {
    name: 'quirk: the size is not told',
    packets: [`${one(0)}aabb!`],
    units: ['aabb@1000'],
  },
  {
    name: 'quirk: bytes behind the access unit',
    packets: [`${one(2)}aabb0000!`],
    units: ['aabb@1000'],
  },
  {
    name: 'quirk: the mode alone',
    fmtp: { mode: 'AAC-hbr', config: '1190' },
    packets: [`${one(2)}aabb!`],
    units: ['aabb@1000'],
  },
  {
    name: 'quirk: nothing but a config',
    fmtp: { config: '1190' },
    packets: [`${one(2)}aabb!`],
    units: ['aabb@1000'],
  },
  {
    name: 'quirk: ADTS in the access unit',
    packets: [`${one(9)}${adts(2)}aabb!`],
    units: ['aabb@1000'],
  },
  {
    name: 'quirk: two ADTS frames in one access unit',
    packets: [`${one(17)}${adts(2)}aabb${adts(1)}cc!`],
    units: ['aabb@1000', 'cc@2024'],
  },
  {
    name: 'quirk: ADTS without headers',
    packets: [`${adts(2)}aabb!`, `${adts(1)}cc!@2024`],
    units: ['aabb@1000', 'cc@2024'],
  },
  {
    name: 'quirk: access units without headers, seen after three packets',
    packets: ['2110aabb!@0', '2110aabc!@1024', '2110aabd!@2048', '2110aabe!@3072', '2110aabf!@4096'],
    units: ['2110aabe@3072', '2110aabf@4096'],
    damaged: 3,
  },
  {
    name: 'broken packets',
    packets: [
      `${one(1)}aa!`,
      '!',
      '00!',
      '0010!',
      '00100018!',
      '0000aa!',
      '00110008aabb!',
      '00200010001800aa!',
      'ffffaa!',
    ],
    units: ['aa@1000'],
    damaged: 8,
  },
  { name: 'ADTS that says more than there is', packets: [`${one(8)}${adts(2)}aa!`], units: [], damaged: 1 },
];
for (const { name, fmtp = HBR, clockRate = 48_000, packets, lost = [], units, damaged = 0 } of cases) {
  test(`MPEG4-GENERIC: ${name}`, () => {
    const depacketizer = AAC_PAYLOAD.depacketizer(mappingOf('MPEG4-GENERIC', clockRate, 2, fmtp));
    assert.deepEqual(shown(push(depacketizer, packets.map(packet), lost)), units);
    assert.equal(depacketizer.damaged, damaged);
  });
}

test('MPEG4-GENERIC: an access unit goes back as it came, with RFC 3640 headers', () => {
  const config = configFromRecord('aac', Uint8Array.of(0x11, 0x90));
  const packets = packetize(AAC_PAYLOAD, config, Buffer.from('aabbccddee', 'hex'), 6);
  assert.deepEqual(
    packets.map(({ payload, marker }) => `${payload.toString('hex')}${marker ? '!' : ''}`),
    [`${one(5)}aabb`, `${one(5)}ccdd`, `${one(5)}ee!`],
  );
});

const configs: readonly [fmtp: Record<string, string>, rate: number, channels: number, record: string][] = [
  [{ config: '1190' }, 48_000, 2, '1190'],
  [{ config: '"1190"' }, 48_000, 2, '1190'],
  [{ config: '119056E500' }, 48_000, 2, '119056e500'],
  // The profile alone: LC, HE-AAC, HE-AAC v2.
  [{}, 44_100, 2, '1210'],
  [{ config: '', 'profile-level-id': '1' }, 8000, 1, '1588'],
  [{ 'profile-level-id': '44' }, 48_000, 2, '1310'],
  [{ 'profile-level-id': '48' }, 48_000, 2, '1308'],
  [{ 'profile-level-id': '44' }, 24_000, 2, '1310'],
  [{}, 16_000, 0, '1408'],
  [{}, 48_000, 8, '11b8'],
];
for (const [fmtp, rate, channels, record] of configs) {
  test(`MPEG4-GENERIC config: ${JSON.stringify(fmtp)} ${rate}/${channels}`, () => {
    const config = AAC_PAYLOAD.config(mappingOf('MPEG4-GENERIC', rate, channels, fmtp));
    assert.equal(Buffer.from(config!.record).toString('hex'), record);
  });
}

test('MPEG4-GENERIC: ADTS tells the config that the description does not', () => {
  const withoutConfig = AAC_PAYLOAD.depacketizer(mappingOf('MPEG4-GENERIC', 44_100, 1));
  push(withoutConfig, [packet(`${one(9)}${adts(2)}aabb!`)]);
  const { config } = withoutConfig as unknown as { config: { record: Uint8Array } };
  assert.equal(Buffer.from(config.record).toString('hex'), '1190');
});

const refused: readonly [fmtp: Record<string, string>, reason: string][] = [
  [{ ...HBR, maxdisplacement: '4' }, 'interleaved'],
  [{ mode: 'CELP-cbr', config: '1190' }, 'CELP'],
  [{ ...HBR, streamtype: '4' }, 'pictures'],
  [{ ...HBR, sizelength: '33' }, 'sizelength 33'],
  [{ ...HBR, config: 'xyz' }, 'hexadecimal'],
  [{ ...HBR, config: '119' }, 'hexadecimal'],
  [{ ...HBR, config: '0000' }, 'object type 0'],
];
for (const [fmtp, reason] of refused) {
  test(`MPEG4-GENERIC is refused: ${reason}`, () => {
    assert.throws(
      () => AAC_PAYLOAD.depacketizer(mappingOf('MPEG4-GENERIC', 48_000, 2, fmtp)),
      (error) => error instanceof ProtocolError && error.message.includes(reason),
    );
  });
}

const OUT_OF_BAND = { cpresent: '0', config: '40002320' };
/** Two frames in an element. */
const TWO_FRAMES = { cpresent: '0', config: '41002320' };
const latmCases: readonly Case[] = [
  { name: 'one element', fmtp: OUT_OF_BAND, packets: ['02aabb!'], units: ['aabb@1000'] },
  { name: 'two frames', fmtp: TWO_FRAMES, packets: ['02aabb01cc!'], units: ['aabb@1000', 'cc@2024'] },
  {
    name: 'a clock of its own',
    fmtp: TWO_FRAMES,
    clockRate: 90_000,
    packets: ['02aabb01cc!'],
    units: ['aabb@1000', 'cc@2920'],
  },
  {
    name: 'fragments',
    fmtp: OUT_OF_BAND,
    packets: ['05aa', 'bbcc', 'ddee!', '0111!@2024'],
    units: ['aabbccddee@1000', '11@2024'],
  },
  {
    name: 'a fragment is lost',
    fmtp: OUT_OF_BAND,
    packets: ['05aa', 'bbcc', 'ddee!', '0111!@2024'],
    lost: [1],
    units: ['11@2024'],
    damaged: 1,
  },
  {
    name: 'the last fragment is lost',
    fmtp: OUT_OF_BAND,
    packets: ['05aa', 'bbcc', 'ddee!', '0111!@2024'],
    lost: [2],
    units: ['11@2024'],
    damaged: 1,
  },
  {
    name: 'quirk: no marker',
    fmtp: OUT_OF_BAND,
    packets: ['02aabb@0', '01cc@1024', '01dd@2048'],
    units: ['aabb@0', 'cc@1024', 'dd@2048'],
  },
  {
    name: 'quirk: a config and no cpresent',
    fmtp: { config: '40002320' },
    packets: ['02aabb!'],
    units: ['aabb@1000'],
  },
  {
    name: 'an element that says more than there is',
    fmtp: OUT_OF_BAND,
    packets: ['03aabb!'],
    units: [],
    damaged: 1,
  },
  { name: 'in band, before the config', fmtp: {}, packets: ['80808000!'], units: [], damaged: 1 },
];
for (const { name, fmtp, clockRate = 48_000, packets, lost = [], units, damaged = 0 } of latmCases) {
  test(`MP4A-LATM: ${name}`, () => {
    const depacketizer = LATM_PAYLOAD.depacketizer(mappingOf('MP4A-LATM', clockRate, 0, fmtp));
    assert.deepEqual(shown(push(depacketizer, packets.map(packet), lost)), units);
    assert.equal(depacketizer.damaged, damaged);
  });
}

test('MP4A-LATM: the config in band', () => {
  const { loas, frames } = readVector('ffmpeg51-loas') as { loas: string[]; frames: string[] };
  const mapping = mappingOf('MP4A-LATM', 48_000, 0, { cpresent: '1' });
  assert.equal(LATM_PAYLOAD.config(mapping), null);
  const depacketizer = LATM_PAYLOAD.depacketizer(mapping);
  const units = push(
    depacketizer,
    loas.map((frame, i) => packet(`${frame.slice(6)}!@${i * 1024}`)),
  );
  assert.equal(units.length, frames.length);
  const { config } = depacketizer as unknown as { config: { record: Uint8Array } };
  assert.equal(Buffer.from(config.record).toString('hex'), '1190');
});

test('MP4A-LATM: config of the description', () => {
  const config = LATM_PAYLOAD.config(mappingOf('MP4A-LATM', 90_000, 0, OUT_OF_BAND));
  assert.equal(Buffer.from(config!.record).toString('hex'), '1190');
  assert.deepEqual([config?.sampleRate, config?.channels], [48_000, 2]);
  for (const fmtp of [{ cpresent: '0' }, { config: '40' }, { config: '4000' }]) {
    assert.throws(() => LATM_PAYLOAD.config(mappingOf('MP4A-LATM', 48_000, 0, fmtp)), ProtocolError);
  }
  assert.equal(LATM_PAYLOAD.describe(configFromRecord('aac', Uint8Array.of(0x11, 0x90))), null);
});
