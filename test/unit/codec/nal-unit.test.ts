import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDroppedH264Nal } from '../../../src/codec/h264.ts';
import { isDroppedH265Nal } from '../../../src/codec/h265.ts';
import {
  ANNEX_B,
  detectNalFraming,
  lengthPrefixedSize,
  NalCursor,
  startsWithStartCode,
  writeAnnexB,
  writeLengthPrefixed,
} from '../../../src/codec/nal-unit.ts';
import { bytes, hex } from './vectors.ts';

const keepAll = (): boolean => false;

function walk(input: string, lengthSize: number): { nals: string[]; damaged: boolean } {
  const cursor = new NalCursor().reset(bytes(input), lengthSize);
  const nals: string[] = [];
  while (cursor.advance()) nals.push(hex(cursor.bytes.subarray(cursor.start, cursor.end)));
  return { nals, damaged: cursor.damaged };
}

test('walk', () => {
  const table: [what: string, input: string, lengthSize: number, nals: string[], damaged: boolean][] = [
    ['nothing', '', 4, [], false],
    ['4-byte lengths', '00000002 65aa 00000001 41', 4, ['65aa', '41'], false],
    ['2-byte lengths', '0002 65aa 0001 41', 2, ['65aa', '41'], false],
    ['1-byte lengths', '02 65aa 01 41', 1, ['65aa', '41'], false],
    ['an empty NAL unit is skipped', '00000000 00000001 41', 4, ['41'], false],
    ['a length over the end', '00000001 41 00000002 65', 4, ['41'], true],
    ['a cut length', '00000001 41 0000', 4, ['41'], true],
    ['a length of 2^32 - 1', 'ffffffff 41', 4, [], true],
    ['start codes of three and four bytes', '00000001 65aa 000001 41bb', ANNEX_B, ['65aa', '41bb'], false],
    ['zeros before and behind', '000000000001 65aa 0000000001 41 0000', ANNEX_B, ['65aa', '41'], false],
    ['start codes with nothing between', '000001 000001 000001 41', ANNEX_B, ['41'], false],
    ['zeros inside stay', '000001 65 0000 03 01', ANNEX_B, ['6500000301'], false],
    ['no start code', '6501020304', ANNEX_B, [], true],
    ['nothing in Annex B', '', ANNEX_B, [], false],
    ['bytes before the first start code are left out', 'ff 000001 41', ANNEX_B, ['41'], false],
  ];
  for (const [what, input, lengthSize, nals, damaged] of table) {
    assert.deepEqual(walk(input, lengthSize), { nals, damaged }, what);
  }
});

test('a start code is found at every offset', () => {
  for (let before = 1; before < 12; before++) {
    const input = `000001 ${'41'.repeat(before)} 000001 65`;
    assert.deepEqual(walk(input, ANNEX_B).nals, ['41'.repeat(before), '65'], `${before} bytes before`);
  }
});

test('conversion to 4-byte lengths from every framing, and to Annex B and back', () => {
  const expected = '00000002 65aa 00000003 41bbcc'.replaceAll(' ', '');
  const table: [input: string, lengthSize: number][] = [
    [expected, 4],
    ['0002 65aa 0003 41bbcc', 2],
    ['02 65aa 03 41bbcc', 1],
    ['00000001 65aa 000001 41bbcc', ANNEX_B],
  ];
  for (const [input, lengthSize] of table) {
    const source = bytes(input);
    const size = lengthPrefixedSize(source, lengthSize, keepAll);
    const target = new Uint8Array(size + 3);
    assert.equal(writeLengthPrefixed(source, lengthSize, keepAll, target, 3), size + 3);
    assert.equal(hex(target.subarray(3)), expected, `length size ${lengthSize}`);
  }
  const annexB = new Uint8Array(15);
  assert.equal(writeAnnexB(bytes(expected), annexB, 1), 14);
  assert.equal(hex(annexB.subarray(1, 14)), '0000000165aa0000000141bbcc');
  assert.equal(annexB[14], 0, 'nothing is written behind the end');
});

test('Annex B output stops at a broken length', () => {
  const target = new Uint8Array(32);
  assert.equal(writeAnnexB(bytes('00000001 65 000000ff 41'), target, 0), 5);
});

test('long NAL units keep their length', () => {
  const source = new Uint8Array(4 + 70_000).fill(7);
  source.set([0x00, 0x01, 0x11, 0x70]);
  const target = new Uint8Array(source.length);
  assert.equal(writeLengthPrefixed(source, 4, keepAll, target, 0), source.length);
  assert.deepEqual(target, source);
});

test('delimiter and filler are dropped, all else stays', () => {
  const h264 = bytes('00000002 09f0 00000002 0cff 00000002 0605 00000002 65aa');
  const target = new Uint8Array(64);
  assert.equal(lengthPrefixedSize(h264, 4, isDroppedH264Nal), 12);
  assert.equal(
    hex(target.subarray(0, writeLengthPrefixed(h264, 4, isDroppedH264Nal, target, 0))),
    '0000000206050000000265aa',
  );
  const h265 = bytes('00000003 460150 00000003 4c01ff 00000003 4e0101 00000003 2601aa');
  assert.equal(
    hex(target.subarray(0, writeLengthPrefixed(h265, 4, isDroppedH265Nal, target, 0))),
    '000000034e0101000000032601aa',
  );
});

test('a broken length has no size', () => {
  assert.equal(lengthPrefixedSize(bytes('000000ff 41'), 4, keepAll), -1);
});

test('framing: start codes are believed only where the lengths do not fit', () => {
  const lengthOf256 = `00000100 41 ${'11'.repeat(255)}`;
  const table: [what: string, input: string, lengthSize: number, framing: number][] = [
    ['lengths', '00000002 65aa', 4, 4],
    ['4-byte start codes', '00000001 65aa bb', 4, ANNEX_B],
    ['3-byte start codes', '000001 65aabb', 4, ANNEX_B],
    ['a length of 256 looks like a start code', lengthOf256, 4, 4],
    ['a NAL unit of one byte looks like a start code', '00000001 0a', 4, 4],
    ['neither', '000000ff 41', 4, -1],
    ['2-byte lengths', '0002 65aa', 2, 2],
    ['start codes where 2-byte lengths should be', '00000001 65aa bb', 2, ANNEX_B],
  ];
  for (const [what, input, lengthSize, framing] of table) {
    assert.equal(detectNalFraming(bytes(input), lengthSize), framing, what);
  }
});

test('startsWithStartCode', () => {
  assert.equal(startsWithStartCode(bytes('00000001')), true);
  assert.equal(startsWithStartCode(bytes('00000167')), true);
  assert.equal(startsWithStartCode(bytes('00000267')), false);
  assert.equal(startsWithStartCode(bytes('000001')), false);
});
