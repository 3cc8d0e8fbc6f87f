/** Matroska of pictures: the bytes themselves, and a reader of our own that walks them by RFC 8794 and RFC 9559. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCodecConfig } from '../../../../src/codec/codec-config.ts';
import {
  isInMatroska,
  matroskaHeader,
  matroskaPictureHeader,
} from '../../../../src/wire/matroska/live-writer.ts';

const MASTERS = new Set([0x1a45dfa3, 0x18538067, 0x1549a966, 0x1654ae6b, 0xae, 0xe0, 0x1f43b675]);

/** `id=payload` in hex of every element without children, in order; of a number its value. */
function walk(bytes: Buffer, at = 0, end = bytes.length): string[] {
  const found: string[] = [];
  let next = at;
  while (next < end) {
    const idBytes = Math.clz32(bytes[next]!) - 24 + 1;
    const id = bytes.readUIntBE(next, idBytes);
    next += idBytes;
    const sizeBytes = Math.clz32(bytes[next]!) - 24 + 1;
    assert.equal(sizeBytes === 8 || sizeBytes === 1, true, 'a size of one or eight bytes');
    let size = bytes[next]! & (0xff >> sizeBytes);
    let isUnknown = size === 0xff >> sizeBytes;
    for (let i = 1; i < sizeBytes; i++) {
      size = size * 256 + bytes[next + i]!;
      isUnknown &&= bytes[next + i] === 0xff;
    }
    next += sizeBytes;
    const to = isUnknown ? end : next + size;
    assert.ok(to <= end, 'an element ends where its parent ends or before');
    if (MASTERS.has(id)) found.push(`${id.toString(16)}:`, ...walk(bytes, next, to));
    else found.push(`${id.toString(16)}=${bytes.subarray(next, to).toString('hex')}`);
    next = to;
  }
  return found;
}

const number = (value: number) => value.toString(16).padStart(16, '0');
const text = (value: string) => Buffer.from(value).toString('hex');

test('the beginning says what the pictures are', () => {
  const record = Buffer.from('0142c01effe1', 'hex');
  const config = makeCodecConfig('h264', record, 'avc1', { width: 640, height: 360, frameRate: 25 });
  assert.deepEqual(walk(matroskaHeader(config)), [
    '1a45dfa3:',
    `4282=${text('matroska')}`,
    `4287=${number(4)}`,
    `4285=${number(2)}`,
    '18538067:',
    '1549a966:',
    `2ad7b1=${number(1000)}`,
    `4d80=${text('Sluice')}`,
    `5741=${text('Sluice')}`,
    '1654ae6b:',
    'ae:',
    `d7=${number(1)}`,
    `73c5=${number(1)}`,
    `83=${number(1)}`,
    `9c=${number(0)}`,
    `86=${text('V_MPEG4/ISO/AVC')}`,
    'e0:',
    `b0=${number(640)}`,
    `ba=${number(360)}`,
    `23e383=${number(40_000_000)}`,
    '63a2=0142c01effe1',
  ]);
});

for (const [codec, name, keepsRecord] of [
  ['h265', 'V_MPEGH/ISO/HEVC', true],
  ['av1', 'V_AV1', true],
  ['vp8', 'V_VP8', false],
  ['vp9', 'V_VP9', false],
  ['mjpeg', 'V_MJPEG', false],
] as const) {
  test(`${codec} is ${name}, ${keepsRecord ? 'with' : 'without'} its record`, () => {
    assert.equal(isInMatroska(codec), true);
    const found = walk(matroskaHeader(makeCodecConfig(codec, Buffer.from([1, 2]), '')));
    assert.ok(found.includes(`86=${text(name)}`));
    assert.equal(found.includes('63a2=0102'), keepsRecord);
    assert.equal(
      found.some((one) => one.startsWith('23e383')),
      false,
      'no frame rate is told that is not known',
    );
  });
}

test('sound and unknown codecs have no place', () => {
  assert.equal(isInMatroska('aac'), false);
  assert.equal(isInMatroska('unknown-video'), false);
});

test('a picture is a cluster with its time in microseconds', () => {
  const payload = Buffer.from('cafe', 'hex');
  const key = Buffer.concat([matroskaPictureHeader(0x1_2345_6789, true, 2), payload]);
  assert.equal(
    key.toString('hex'),
    '1f43b6750100000000000019' + 'e7880000000123456789' + 'a301000000000000068100' + '0080cafe',
  );
  assert.deepEqual(walk(key), [
    '1f43b675:',
    `e7=${number(0x1_2345_6789)}`,
    'a381000080cafe'.replace('a3', 'a3='),
  ]);
  const other = matroskaPictureHeader(0, false, 0);
  assert.equal(other.at(-1), 0);
  assert.equal(walk(other).length, 3);
});
