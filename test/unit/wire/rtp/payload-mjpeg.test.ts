/** Motion JPEG over RTP (RFC 2435): both ways, tables, restart markers, what cameras send, what cannot be sent. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildJpegHeader, JPEG_420, JPEG_422, JpegPicture } from '../../../../src/wire/rtp/jpeg-picture.ts';
import { HUFFMAN_TABLES, quantTablesOf } from '../../../../src/wire/rtp/jpeg-tables.ts';
import { MJPEG_PAYLOAD } from '../../../../src/wire/rtp/payload-mjpeg.ts';
import {
  type BothWays,
  captures,
  concat,
  configOf,
  depacketize,
  filler,
  hex,
  packetize,
  piecesOf,
  plain,
  type Quirk,
  testBothWays,
  testReceived,
  toHex,
} from './video-rig.ts';

const LUMA = filler(64, 3);
const CHROMA = filler(64, 90);
const TABLES = { precision: 0, values: concat(LUMA, CHROMA) };
const SCAN = filler(90);
const END = hex('ffd9');

function picture(type: number, restartInterval = 0, scan = SCAN): Uint8Array {
  return concat(buildJpegHeader(type, 160, 96, restartInterval, TABLES), scan, END);
}

const IN_BAND = `00000080${toHex(LUMA)}${toHex(CHROMA)}`;

const CASES: readonly BothWays[] = [
  {
    name: '4:2:0 in one packet',
    maxPayload: 1000,
    unit: picture(JPEG_420),
    packets: [`0000000001ff140c${IN_BAND}${toHex(SCAN)}`],
  },
  {
    name: '4:2:2 in three packets',
    maxPayload: 180,
    unit: picture(JPEG_422, 0, filler(300)),
    packets: [
      `0000000000ff140c${IN_BAND}${toHex(filler(300).subarray(0, 40))}`,
      `0000002800ff140c${toHex(filler(300).subarray(40, 212))}`,
      `000000d400ff140c${toHex(filler(300).subarray(212))}`,
    ],
  },
  {
    name: 'restart markers in two packets',
    maxPayload: 184,
    unit: picture(JPEG_420, 10),
    packets: [
      `0000000041ff140c000affff${IN_BAND}${toHex(SCAN.subarray(0, 40))}`,
      `0000002841ff140c000affff${toHex(SCAN.subarray(40))}`,
    ],
  },
];

testBothWays(MJPEG_PAYLOAD, CASES);

test('the whole header, byte by byte', () => {
  const tables = HUFFMAN_TABLES.map(
    (table) => `ffc4${(table.length + 2).toString(16).padStart(4, '0')}${toHex(table)}`,
  );
  assert.equal(
    toHex(picture(JPEG_420, 10)),
    'ffd8' +
      'ffe000104a46494600010100000100010000' +
      `ffdb004300${toHex(LUMA)}ffdb004301${toHex(CHROMA)}` +
      'ffdd0004000a' +
      'ffc0001108006000a003012200021101031101' +
      tables.join('') +
      'ffda000c03010002110311003f00' +
      `${toHex(SCAN)}ffd9`,
  );
});

test('quantization tables of a quality factor: 50 is T.81 itself, 99 and 1 its ends', () => {
  // The first values of tables K.1 and K.2 in zigzag order.
  assert.deepEqual([...quantTablesOf(50).subarray(0, 10)], [16, 11, 12, 14, 12, 10, 16, 14, 13, 14]);
  assert.deepEqual([...quantTablesOf(50).subarray(64, 74)], [17, 18, 18, 24, 21, 24, 47, 26, 26, 47]);
  assert.deepEqual([...quantTablesOf(25).subarray(0, 3)], [32, 22, 24]);
  assert.deepEqual([...quantTablesOf(90).subarray(0, 3)], [3, 2, 2]);
  assert.ok(quantTablesOf(99).every((value) => value >= 1 && value <= 2));
  assert.ok(quantTablesOf(1).every((value) => value === 255));
});

test('quantization tables of quality 50 are those that libjpeg writes', () => {
  const capture = captures.find(({ name }) => name === 'gst-mjpeg');
  assert.ok(capture !== undefined);
  const { units } = depacketize(MJPEG_PAYLOAD, piecesOf(capture));
  const found = new JpegPicture();
  const { payload } = units[0]!;
  assert.equal(found.parse(payload), '');
  const tables = quantTablesOf(50);
  const { lumaQuant, chromaQuant } = found;
  assert.equal(toHex(payload.subarray(lumaQuant, lumaQuant + 64)), toHex(tables.subarray(0, 64)));
  assert.equal(toHex(payload.subarray(chromaQuant, chromaQuant + 64)), toHex(tables.subarray(64)));
});

const header = (values: Uint8Array, precision = 0): Uint8Array =>
  buildJpegHeader(JPEG_420, 160, 96, 0, { precision, values });
const WIDE = filler(256, 9);

const QUIRKS: readonly Quirk[] = [
  {
    name: 'computed tables',
    pieces: [plain('000000000132140caabb', true)],
    units: [concat(header(quantTablesOf(50)), hex('aabb'), END)],
  },
  {
    name: 'tables that stay: told once, then named by the quality factor',
    pieces: [
      plain(`0000000001c8140c${IN_BAND}aabb`, true),
      plain('0000000001c8140c00000000ccdd', true, 4000),
    ],
    units: [concat(header(TABLES.values), hex('aabb'), END), concat(header(TABLES.values), hex('ccdd'), END)],
  },
  {
    name: 'tables that may change must be told each time',
    pieces: [
      plain(`0000000001ff140c${IN_BAND}aabb`, true),
      plain('0000000001ff140c00000000ccdd', true, 4000),
    ],
    units: [concat(header(TABLES.values), hex('aabb'), END)],
    damaged: 1,
  },
  {
    name: 'Logitech C922 through v4l2rtspserver (361): three tables',
    pieces: [plain(`000000000180140c000000c0${toHex(concat(LUMA, CHROMA, CHROMA))}aabb`, true)],
    units: [concat(header(TABLES.values), hex('aabb'), END)],
  },
  {
    name: 'one table for everything',
    pieces: [plain(`0000000001ff140c00000040${toHex(LUMA)}aabb`, true)],
    units: [concat(header(LUMA), hex('aabb'), END)],
  },
  {
    name: 'tables of 16 bits',
    pieces: [plain(`0000000001ff140c00030100${toHex(WIDE)}aabb`, true)],
    units: [concat(header(WIDE, 3), hex('aabb'), END)],
  },
  {
    name: 'the end marker is sent with the scan',
    pieces: [plain('000000000132140caabbffd9', true)],
    units: [concat(header(quantTablesOf(50)), hex('aabb'), END)],
  },
  {
    name: 'no marker',
    pieces: [
      plain('000000000132140caabb'),
      plain('000000020132140ccc'),
      plain('000000000132140cdd', false, 4000),
    ],
    units: [
      concat(header(quantTablesOf(50)), hex('aabbcc'), END),
      concat(header(quantTablesOf(50)), hex('dd'), END),
    ],
  },
  {
    name: 'more than 2040 pixels a side: 0, and the size in a=fmtp',
    pieces: [plain('0000000001320000aabb', true)],
    units: [
      concat(
        buildJpegHeader(JPEG_420, 2592, 1944, 0, { precision: 0, values: quantTablesOf(50) }),
        hex('aabb'),
        END,
      ),
    ],
    fmtp: { width: '2592', height: '1944' },
  },
  {
    name: 'reserved factors, types that are not known, no size, cut headers and tables',
    pieces: [
      plain('000000000100140caa'),
      plain('000000000164140caa'),
      plain('00000000017f140caa'),
      plain('000000000232140caa'),
      plain('000000008032140caa'),
      plain('0000000001320000aa'),
      plain('00000000013214'),
      plain('000000004132140c0001'),
      plain('0000000001ff140c000000'),
      plain('0000000001ff140c00000040aa'),
      plain('0000000001ff140c00000002aabbcc'),
      plain('0000000001c8140c00000000aabb', true),
    ],
    units: [],
    damaged: 12,
  },
  {
    name: 'one in the middle is lost: the picture ends there',
    pieces: [
      plain('000000000132140caabb'),
      plain('000000040132140cccdd', true, 1000, true),
      plain('000000000132140cee', true, 4000),
    ],
    units: [
      concat(header(quantTablesOf(50)), hex('aabb'), END),
      concat(header(quantTablesOf(50)), hex('ee'), END),
    ],
    damagedUnits: [0],
    damaged: 1,
  },
  {
    name: 'the first packet is lost: nothing of the picture is given',
    pieces: [
      plain('000000000132140caa', true),
      plain('000000020132140ccc', true, 4000, true),
      plain('000000000132140cee', true, 7000),
    ],
    units: [
      concat(header(quantTablesOf(50)), hex('aa'), END),
      concat(header(quantTablesOf(50)), hex('ee'), END),
    ],
    damaged: 1,
  },
];

testReceived(MJPEG_PAYLOAD, QUIRKS);

/** The picture with the first `from` (hex) replaced. */
function changed(from: string, to: string): Uint8Array {
  const text = toHex(picture(JPEG_420));
  assert.ok(text.includes(from));
  return hex(text.replace(from, to));
}

const REFUSED: readonly [reason: string, bytes: Uint8Array][] = [
  ['not a JPEG picture', hex('47400010aabbccdd')],
  ['a damaged JPEG header', picture(JPEG_420).subarray(0, 300)],
  ['not baseline JPEG', changed('ffc00011', 'ffc20011')],
  ['not 8 bits per sample', changed('ffc0001108', 'ffc000110c')],
  ['not three colour components', changed('006000a003', '006000a001')],
  ['a picture without size', changed('006000a003', '0000000003')],
  ['more than 2040 pixels a side', changed('006000a003', '006010a003')],
  ['neither 4:2:0 nor 4:2:2', changed('01220002', '01110002')],
  ['neither 4:2:0 nor 4:2:2', changed('0211010311', '0212010312')],
  ['three quantization tables', changed('021101031101', '021101031100')],
  ['quantization tables of 16 bits', changed('ffdb004300', 'ffdb004310')],
  ['a damaged quantization table', changed('ffdb004300', 'ffdb004304')],
  ['a quantization table is missing', changed('ffdb004301', 'ffdb004303')],
  ['Huffman tables other than the typical ones', changed('ffc4001f00000105', 'ffc4001f00000204')],
  ['several scans', changed('ffda000c03', 'ffda000c01')],
  ['Huffman tables in an unusual order', changed('03010002110311', '03010002000311')],
  ['a scan before the frame header', changed('ffc00011', 'ffec0011')],
  ['an empty scan', picture(JPEG_420, 0, new Uint8Array(0))],
];

for (const [reason, bytes] of REFUSED) {
  test(`not sent: ${reason}`, () => {
    assert.ok(new JpegPicture().parse(bytes).startsWith(reason), new JpegPicture().parse(bytes));
    const packetizer = MJPEG_PAYLOAD.packetizer(configOf('mjpeg'), 1200);
    assert.ok('reasonNotSent' in packetizer);
    const none = { bytes: new Uint8Array(0), begin: () => assert.fail('nothing is sent') };
    packetizer.packetize(bytes, 1, configOf('mjpeg'), none);
    assert.ok(String(packetizer.reasonNotSent).startsWith(reason));
  });
}

test('sent: without Huffman tables (webcams), with junk behind the end', () => {
  const whole = toHex(picture(JPEG_420));
  const bare = hex(whole.slice(0, whole.indexOf('ffc4')) + whole.slice(whole.indexOf('ffda')));
  for (const bytes of [bare, concat(picture(JPEG_420), hex('0000000000'))]) {
    const { units } = depacketize(MJPEG_PAYLOAD, packetize(MJPEG_PAYLOAD, bytes, 1200));
    assert.equal(toHex(units[0]!.payload), whole);
  }
});

test('SDP: the static payload type', () => {
  assert.deepEqual(MJPEG_PAYLOAD.describe(configOf('mjpeg')), {
    payloadType: 26,
    encodingName: 'JPEG',
    clockRate: 90_000,
    channels: 0,
    fmtp: '',
  });
});
