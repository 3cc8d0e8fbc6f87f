import assert from 'node:assert/strict';
import { test } from 'node:test';
import { H265_SPS } from '../../../src/codec/h265.ts';
import { h265LevelName, h265ProfileName, parseH265Sps } from '../../../src/codec/h265-sps.ts';
import { hevcMime, hevcNalsOf, parseHevcConfig } from '../../../src/codec/hevc-config.ts';
import { ProtocolError } from '../../../src/util/errors.ts';
import { bitString, bytes, escapeRaw, golomb, recordNamed, records } from './vectors.ts';

const PIXEL_FORMATS: Readonly<Record<string, [chroma: number, depth: number]>> = {
  yuv420p: [1, 8],
  yuv420p10le: [1, 10],
  yuv422p10le: [2, 10],
  yuv444p: [3, 8],
};

test('chroma, depth and reordering are those that ffprobe tells; the rest is as FFmpeg put it into hvcC', () => {
  let seen = 0;
  for (const vector of records) {
    if (vector.codec !== 'h265') continue;
    const config = parseHevcConfig(bytes(vector.record));
    const sps = parseH265Sps(hevcNalsOf(config, H265_SPS)[0]!);
    const [chroma, depth] = PIXEL_FORMATS[vector.pixelFormat]!;
    assert.deepEqual(
      [sps.chromaFormat, sps.bitDepthLuma, sps.bitDepthChroma],
      [chroma, depth, depth],
      vector.name,
    );
    assert.equal(sps.maxReorderFrames, vector.reorder, vector.name);
    assert.deepEqual(
      [sps.subLayers, sps.temporalIdNested],
      [config.subLayers, config.temporalIdNested],
      vector.name,
    );
    assert.equal(hevcMime(sps.profile), hevcMime(config.profile), vector.name);
    seen++;
  }
  assert.equal(seen, 9);
});

/** An SPS by hand, 4:2:0, 320x192 before the conformance window. */
function spsBits(options: {
  subLayers?: string;
  lists?: string;
  pcm?: string;
  sets?: string;
  vui?: string;
}): Uint8Array {
  const profile = `00000001${'0110'.padEnd(32, '0')}${'1001'.padEnd(48, '0')}${(60).toString(2).padStart(8, '0')}`;
  let bits = `0000${options.subLayers === undefined ? '000' : '001'}1${profile}${options.subLayers ?? ''}`;
  bits += `${[0, 1, 320, 192].map(golomb).join('')}1${[0, 1, 2, 3].map(golomb).join('')}`;
  bits += `${golomb(0)}${golomb(0)}${golomb(4)}0${golomb(4)}${golomb(2)}${golomb(0)}`;
  bits += `${'1'.repeat(6)}${options.lists ?? '0'}00${options.pcm ?? '0'}`;
  const vui = options.vui === undefined ? '0' : `1${options.vui}`;
  bits += `${options.sets ?? golomb(0)}000${vui}01`;
  return Buffer.concat([Uint8Array.of(0x42, 0x01), escapeRaw(bitString(bits))]);
}

const TIMING = `0000 000 0 1 ${(1001).toString(2).padStart(32, '0')} ${(60_000).toString(2).padStart(32, '0')}`;

test('everything that may stand before the timing is skipped', () => {
  const explicitSet = `${golomb(2)}${golomb(1)}${golomb(0)}1${golomb(1)}0${golomb(0)}1`;
  // Predicted from a set of 3: four flags pairs, of which "not used, not kept" leaves one out.
  const predictedSet = `1 0 ${golomb(0)} 1 01 00 1`;
  // Predicted from the set of 3 that this gave: again four entries.
  const table: [what: string, options: Parameters<typeof spsBits>[0]][] = [
    ['nothing', {}],
    [
      'two sub-layers with profile and level',
      { subLayers: `11${'00'.repeat(7)}${'0'.repeat(88)}${'0'.repeat(8)}` },
    ],
    ['two sub-layers with level only', { subLayers: `01${'00'.repeat(7)}${'0'.repeat(8)}` }],
    ['scaling lists enabled, default', { lists: '10' }],
    ['scaling lists, all predicted', { lists: `11${`0${golomb(0)}`.repeat(20)}` }],
    [
      'scaling lists, all explicit',
      {
        lists: `11${`1${'1'.repeat(16)}`.repeat(6)}${`1${'1'.repeat(64)}`.repeat(6)}${`1${golomb(3)}${'1'.repeat(64)}`.repeat(8)}`,
      },
    ],
    ['PCM', { pcm: `1 00000000 ${golomb(0)} ${golomb(1)} 1` }],
    ['reference picture sets', { sets: `${golomb(3)}${explicitSet}${predictedSet}${predictedSet}` }],
  ];
  for (const [what, options] of table) {
    const sps = parseH265Sps(spsBits({ ...options, vui: TIMING }));
    assert.deepEqual([sps.width, sps.height, sps.frameRate], [320 - 2, 192 - 10, 59.94], what);
    assert.equal(sps.maxReorderFrames, 2, what);
  }
});

test('VUI: default display window; none; cut off', () => {
  const withWindow = TIMING.replace('000 0 1', `000 1${[1, 1, 1, 1].map(golomb).join('')} 1`);
  assert.equal(parseH265Sps(spsBits({ vui: withWindow })).frameRate, 59.94);
  assert.equal(parseH265Sps(spsBits({})).frameRate, 0);
  assert.equal(parseH265Sps(spsBits({ vui: '0000 000 0 1 0101' })).frameRate, 0);
});

test('broken parameter sets', () => {
  const whole = hevcNalsOf(parseHevcConfig(bytes(recordNamed('h265-main').record)), H265_SPS)[0]!;
  for (let length = 0; length < 25; length++) {
    assert.throws(() => parseH265Sps(whole.subarray(0, length)), ProtocolError, `${length} bytes`);
  }
  const wrongType = Uint8Array.from(whole);
  wrongType[0] = 0x40;
  assert.throws(() => parseH265Sps(wrongType), /NAL unit type 32/);
  assert.throws(() => parseH265Sps(spsBits({ sets: golomb(65) })), ProtocolError);
});

test('a hvcC that announces too much is refused', () => {
  const head = recordNamed('h265-main').record.slice(0, 44);
  assert.throws(() => parseHevcConfig(bytes(`${head}ff`)), ProtocolError);
  assert.throws(() => parseHevcConfig(bytes(`${head}01 21ffff`)), ProtocolError);
});

test('mime: profile space, tier, constraint bytes up to the last that is not zero (ISO/IEC 14496-15 E.3)', () => {
  const profile = {
    space: 1,
    highTier: false,
    profileIdc: 2,
    compatibility: 0x2000_0000,
    constraints: bytes('b00000000000'),
    levelIdc: 120,
  };
  assert.equal(hevcMime(profile), 'hvc1.A2.4.L120.B0');
  assert.equal(
    hevcMime({ ...profile, space: 0, highTier: true, constraints: bytes('b02300000000') }),
    'hvc1.2.4.H120.B0.23',
  );
  assert.equal(hevcMime({ ...profile, constraints: bytes('000000000000') }), 'hvc1.A2.4.L120');
  assert.equal(hevcMime({ ...profile, constraints: bytes('000000000001') }), 'hvc1.A2.4.L120.0.0.0.0.0.1');
  assert.equal(hevcMime({ ...profile, compatibility: 0x8000_0001 }), 'hvc1.A2.80000001.L120.B0');
});

test('names of profiles and levels', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 9, 31].map(h265ProfileName), [
    'Main',
    'Main 10',
    'Main Still Picture',
    'Range Extensions',
    'High Throughput',
    'Screen Content Coding',
    '',
  ]);
  assert.deepEqual([0, 93, 120, 186].map(h265LevelName), ['', '3.1', '4.0', '6.2']);
});
