import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  addSerial32,
  isSerialNewer,
  MODULUS_16,
  MODULUS_31,
  MODULUS_32,
  MODULUS_33,
  SerialUnwrapper,
  serialDifference,
} from '../../../src/util/serial-number.ts';

test('serial difference: the short way round', () => {
  for (const [later, earlier, modulus, expected] of [
    [5, 3, MODULUS_16, 2],
    [3, 5, MODULUS_16, -2],
    [1, 0xffff, MODULUS_16, 2],
    [0xffff, 1, MODULUS_16, -2],
    [0x8000, 0, MODULUS_16, -0x8000],
    [0x7fff, 0, MODULUS_16, 0x7fff],
    [0, 0x7fffffff, MODULUS_31, 1],
    [0x10, 0xfffffff0, MODULUS_32, 0x20],
    [0, 0x1_ffff_ffff, MODULUS_33, 1],
    [7, 7, MODULUS_33, 0],
  ] as const) {
    assert.equal(serialDifference(later, earlier, modulus), expected, `${later} - ${earlier}`);
    assert.equal(isSerialNewer(later, earlier, modulus), expected > 0);
  }
});

test('serial sum on 32 bits', () => {
  assert.equal(addSerial32(0xffffffff, 2), 1);
  assert.equal(addSerial32(100, 0xffffffff), 99);
  assert.equal(addSerial32(1, -2), 0xffffffff);
});

test('unwrapper: goes on over wraps and back over them', () => {
  const unwrapper = new SerialUnwrapper(MODULUS_16);
  const values = [0xfffe, 1, 0xffff, 2, 0x7000, 0xe000, 0x5000];
  assert.deepEqual(
    values.map((value) => unwrapper.unwrap(value)),
    [0xfffe, 0x10001, 0xffff, 0x10002, 0x17000, 0x1e000, 0x25000],
  );
});

test('unwrapper: steps below half the range come out as they went in (property)', () => {
  const property = fc.property(
    fc.constantFrom(MODULUS_16, MODULUS_31, MODULUS_32, MODULUS_33),
    fc.array(fc.double({ min: -0.49, max: 0.49, noNaN: true }), { maxLength: 30 }),
    (modulus, steps) => {
      const unwrapper = new SerialUnwrapper(modulus);
      let time = modulus - 3;
      assert.equal(unwrapper.unwrap(time), time);
      for (const step of steps) {
        time += Math.trunc(step * modulus);
        assert.equal(unwrapper.unwrap(((time % modulus) + modulus) % modulus), time);
      }
    },
  );
  fc.assert(property);
});
