import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readU16, readU32, writeU32 } from '../../../src/util/big-endian.ts';

test('numbers are those of DataView, at any place', () => {
  for (const value of [0, 1, 0x7fff_ffff, 0x8000_0000, 0x8182_8384, 0xffff_ffff])
    for (const at of [0, 3]) {
      const bytes = new Uint8Array(9).fill(0xaa);
      const view = new DataView(bytes.buffer);
      writeU32(bytes, at, value);
      assert.equal(view.getUint32(at), value);
      assert.equal(bytes[at + 4], 0xaa, 'nothing behind it is touched');
      assert.equal(readU32(bytes, at), value);
      assert.equal(readU16(bytes, at), view.getUint16(at));
    }
});
