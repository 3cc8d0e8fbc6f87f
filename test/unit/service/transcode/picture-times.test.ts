/** Which picture comes out: by the nearest time, over wraps, and where some never come. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PictureTimes } from '../../../../src/service/transcode/picture-times.ts';

const TOLERANCE = 2000;

function filled(toldUs: readonly number[], wrapUs = 0): PictureTimes {
  const times = new PictureTimes(wrapUs);
  for (const us of toldUs) times.put(us, us + 7, us + 1_000_000);
  return times;
}

test('what came in decoding order comes out in order of time, with the exact time that went in', () => {
  const times = filled([0, 133_334, 66_666, 33_334, 100_000]);
  const out = [0, 33_000, 67_000, 100_000, 133_000].map((us) => times.take(us, TOLERANCE));
  assert.deepEqual(
    out.map((one) => one?.ptsUs),
    [7, 33_341, 66_673, 100_007, 133_341],
  );
  assert.equal(out[1]?.captureUs, 1_033_334);
  assert.equal(times.count, 0);
});

test('pictures that never come are forgotten with the next', () => {
  const times = filled([0, 40_000, 80_000, 120_000]);
  assert.equal(times.take(80_000, TOLERANCE)?.ptsUs, 80_007);
  assert.equal(times.count, 1);
});

test('what nobody knows is no picture, and costs none', () => {
  const times = filled([40_000, 80_000]);
  assert.equal(times.take(60_000, TOLERANCE), null);
  assert.equal(times.take(40_000, TOLERANCE)?.ptsUs, 40_007);
  assert.equal(new PictureTimes(0).take(0, TOLERANCE), null);
});

test('a clock that begins at 0 again is followed', () => {
  const wrap = 0x8000_0000 * 1000;
  const times = filled([wrap - 20_000, wrap + 20_000, 3 * wrap + 60_000], wrap);
  assert.equal(times.take(wrap - 20_000, TOLERANCE)?.ptsUs, wrap - 19_993);
  assert.equal(times.take(20_000, TOLERANCE)?.ptsUs, wrap + 20_007);
  assert.equal(times.take(60_000, TOLERANCE)?.ptsUs, 3 * wrap + 60_007);
});

test('what is remembered has a bound', () => {
  const times = filled(Array.from({ length: 5000 }, (_, i) => i * 40_000));
  assert.equal(times.count, 4096);
  times.clear();
  assert.equal(times.count, 0);
});
