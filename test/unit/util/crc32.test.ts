import assert from 'node:assert/strict';
import { test } from 'node:test';
import { crc32Mpeg } from '../../../src/util/crc32.ts';

test('crc32: the check value of CRC-32/MPEG-2', () => {
  assert.equal(crc32Mpeg(Buffer.from('123456789')), 0x0376e6e7);
});

test('crc32: of nothing it is the start value', () => {
  assert.equal(crc32Mpeg(new Uint8Array(0)), 0xffffffff);
});

test('crc32: a section with its CRC behind it gives 0; a part can be chosen', () => {
  // Program association table of FFmpeg 5.1: program 1 on PID 4096.
  const section = Buffer.from('0000b00d0001c100000001f0002ab104b2ff', 'hex');
  assert.equal(crc32Mpeg(section, 1, 17), 0);
  assert.equal(crc32Mpeg(section, 1, 13), 0x2ab104b2);
});
