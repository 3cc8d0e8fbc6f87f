import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAvcConfig } from '../../../src/codec/avc-config.ts';
import { h264LevelName, h264ProfileName, parseH264Sps } from '../../../src/codec/h264-sps.ts';
import { ProtocolError } from '../../../src/util/errors.ts';
import { bitString, bytes, escapeRaw, golomb, recordNamed, records } from './vectors.ts';

const PIXEL_FORMATS: Readonly<Record<string, [chroma: number, depth: number]>> = {
  yuv420p: [1, 8],
  yuvj420p: [1, 8],
  yuv420p10le: [1, 10],
  yuv422p: [2, 8],
  yuv422p10le: [2, 10],
  yuv444p: [3, 8],
};

test('chroma, depth, interlacing and reordering are those that ffprobe tells', () => {
  let seen = 0;
  for (const vector of records) {
    if (vector.codec !== 'h264') continue;
    const sps = parseH264Sps(parseAvcConfig(bytes(vector.record)).sps[0]!);
    const [chroma, depth] = PIXEL_FORMATS[vector.pixelFormat]!;
    // ffprobe names the format that its decoder puts 4:0:0 into.
    assert.equal(sps.chromaFormat, vector.name === 'h264-gray' ? 0 : chroma, vector.name);
    assert.deepEqual([sps.bitDepthLuma, sps.bitDepthChroma], [depth, depth], vector.name);
    assert.equal(sps.interlaced, vector.fieldOrder !== 'progressive', vector.name);
    assert.equal(sps.maxReorderFrames, vector.reorder, vector.name);
    seen++;
  }
  assert.equal(seen, 12);
});

/** An SPS by hand: what stands between seq_parameter_set_id and log2_max_frame_num is given as bits. */
function spsBits(options: {
  profile?: number;
  chroma?: string;
  order?: string;
  width?: number;
  height?: number;
  framesOnly?: boolean;
  crop?: [number, number, number, number];
  vui?: string;
}): Uint8Array {
  const {
    profile = 77,
    chroma = '',
    order = golomb(2),
    width = 20,
    height = 15,
    framesOnly = true,
  } = options;
  let bits = `${golomb(0)}${chroma}${golomb(0)}${order}${golomb(1)}0`;
  bits += `${golomb(width - 1)}${golomb(height - 1)}${framesOnly ? '1' : '01'}1`;
  bits += options.crop === undefined ? '0' : `1${options.crop.map(golomb).join('')}`;
  bits += options.vui === undefined ? '0' : `1${options.vui}`;
  return Buffer.concat([Uint8Array.of(0x67, profile, 0x10, 11), escapeRaw(bitString(`${bits}1`))]);
}

const bits32 = (value: number): string => value.toString(2).padStart(32, '0');

test('cropping units by chroma format and field coding (7.4.2.1.1)', () => {
  const high = (format: number, separate = ''): string =>
    `${golomb(format)}${separate}${golomb(0)}${golomb(0)}00`;
  const crop: [number, number, number, number] = [1, 2, 3, 4];
  const table: [what: string, options: Parameters<typeof spsBits>[0], width: number, height: number][] = [
    ['none', {}, 320, 240],
    ['4:2:0', { crop }, 320 - 6, 240 - 14],
    ['4:2:0 fields', { crop, framesOnly: false }, 320 - 6, 480 - 28],
    ['monochrome', { crop, profile: 100, chroma: high(0) }, 320 - 3, 240 - 7],
    ['4:2:2', { crop, profile: 122, chroma: high(2) }, 320 - 6, 240 - 7],
    ['4:4:4', { crop, profile: 244, chroma: high(3, '0') }, 320 - 3, 240 - 7],
    ['4:4:4 in separate planes', { crop, profile: 244, chroma: high(3, '1') }, 320 - 3, 240 - 7],
  ];
  for (const [what, options, width, height] of table) {
    const sps = parseH264Sps(spsBits(options));
    assert.deepEqual([sps.width, sps.height], [width, height], what);
  }
  assert.throws(() => parseH264Sps(spsBits({ crop: [200, 0, 0, 0] })), ProtocolError);
  assert.throws(() => parseH264Sps(spsBits({ width: 4097 })), ProtocolError);
});

test('scaling lists are skipped: absent, default, whole', () => {
  // List 0 by 16 deltas of 0, list 1 by default (delta -8: golomb 16), the rest absent.
  const lists = `1${'1'.repeat(16)}1${golomb(16)}${'0'.repeat(6)}`;
  const chroma = `${golomb(1)}${golomb(0)}${golomb(0)}01${lists}`;
  const sps = parseH264Sps(spsBits({ profile: 100, chroma }));
  assert.deepEqual([sps.width, sps.height], [320, 240]);
});

test('picture order count types 0, 1 and 2', () => {
  for (const order of [
    golomb(0) + golomb(4),
    `${golomb(1)}0${golomb(3)}${golomb(4)}${golomb(2)}${golomb(1)}${golomb(5)}`,
    golomb(2),
  ]) {
    assert.equal(parseH264Sps(spsBits({ order })).width, 320);
  }
});

test('VUI: every optional part before the timing, HRD before the reorder depth', () => {
  const aspect = `1${'1'.repeat(8)}${'0'.repeat(32)}`;
  const head = `${aspect}111010 1 1${'0'.repeat(24)}1${golomb(1)}${golomb(2)}`.replaceAll(' ', '');
  const timing = `1${bits32(1001)}${bits32(60_000)}1`;
  const hrd = `1${golomb(1)}00000000${`${golomb(9)}${golomb(9)}1`.repeat(2)}${'0'.repeat(20)}`;
  const restriction = `11${golomb(2)}${golomb(1)}${golomb(11)}${golomb(11)}${golomb(3)}${golomb(4)}`;
  const sps = parseH264Sps(spsBits({ vui: `${head}${timing}${hrd}01 1${restriction}`.replaceAll(' ', '') }));
  assert.deepEqual([sps.frameRate, sps.maxReorderFrames], [29.97, 3]);
  const plain = parseH264Sps(spsBits({ vui: `0000${timing}000 0`.replaceAll(' ', '') }));
  assert.deepEqual([plain.frameRate, plain.maxReorderFrames], [29.97, -1]);
});

test('VUI: rates that make no sense are no rates; a VUI that ends early is forgiven', () => {
  const rate = (units: number, scale: number): number =>
    parseH264Sps(spsBits({ vui: `00001${bits32(units)}${bits32(scale)}10000` })).frameRate;
  assert.equal(rate(1, 50), 25);
  assert.equal(rate(0, 50), 0);
  assert.equal(rate(1, 0), 0);
  assert.equal(rate(1, 180_000), 0);
  assert.equal(parseH264Sps(spsBits({ vui: '00001' })).width, 320);
});

test('broken parameter sets', () => {
  const table: [what: string, nal: string][] = [
    ['empty', ''],
    ['a PPS', '68ee3cb0'],
    ['cut behind the level', '6764000b'],
    ['chroma format 4', '67640000 94'],
  ];
  for (const [what, nal] of table) assert.throws(() => parseH264Sps(bytes(nal)), ProtocolError, what);
  const whole = parseAvcConfig(bytes(recordNamed('h264-high').record)).sps[0]!;
  for (let length = 0; length < 10; length++) {
    assert.throws(() => parseH264Sps(whole.subarray(0, length)), ProtocolError, `${length} bytes`);
  }
});

test('names of profiles and levels', () => {
  assert.equal(h264ProfileName(66, 0x40), 'Constrained Baseline');
  assert.equal(h264ProfileName(66, 0), 'Baseline');
  assert.equal(h264ProfileName(110, 0x10), 'High 10 Intra');
  assert.equal(h264ProfileName(7, 0), '');
  assert.equal(h264LevelName(66, 0x10, 11), '1b');
  assert.equal(h264LevelName(100, 0x10, 11), '1.1');
  assert.equal(h264LevelName(100, 0, 9), '1b');
  assert.equal(h264LevelName(100, 0, 40), '4.0');
});
