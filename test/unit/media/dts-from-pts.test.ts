import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { type CodecConfig, makeCodecConfig } from '../../../src/codec/codec-config.ts';
import type { CodecId } from '../../../src/codec/codec-id.ts';
import { configFromRecord } from '../../../src/codec/describe-config.ts';
import { DtsFromPts } from '../../../src/media/dts-from-pts.ts';
import { recordingOf } from '../../support/feed-frames.ts';

interface RecordVector {
  readonly name: string;
  readonly codec: CodecId;
  readonly record: string;
  /** As ffprobe tells it (has_b_frames). */
  readonly reorder?: number;
}

const RECORDS: readonly RecordVector[] = JSON.parse(
  readFileSync(new URL('../../vectors/codec/records.json', import.meta.url), 'utf8'),
);

/** Declares 25 frames per second and a reorder depth of 2. */
const X264_PYRAMID = configOf('h264-high');
const X264_BASELINE = configOf('h264-baseline');
/** Parameter sets that tell neither depth nor frame rate: High profile without VUI. */
const UNTOLD = makeCodecConfig('h264', new Uint8Array(0), '');

function configOf(name: string): CodecConfig {
  const found = RECORDS.find((one) => one.name === name)!;
  return configFromRecord(found.codec, Buffer.from(found.record, 'hex'));
}

function untoldAt(frameRate: number): CodecConfig {
  return makeCodecConfig('h264', new Uint8Array(0), '', { frameRate });
}

/** Decode times of presentation times that are given in units of `unitUs`. */
function run(config: CodecConfig, pts: readonly number[], unitUs = 40_000): number[] {
  const dts = new DtsFromPts();
  dts.configure(config);
  return pts.map((one) => Math.round((dts.next(one * unitUs) * 1000) / unitUs) / 1000);
}

/** Output positions in decoding order: `mini` is the order within a group, repeated. */
function pattern(mini: readonly number[], groups: number): number[] {
  const order = [0];
  for (let group = 0; group < groups; group++) {
    for (const one of mini) order.push(group * mini.length + one);
  }
  return order;
}

const PLAIN = [1];
const ONE_B = [2, 1];
const THREE_B = [4, 1, 2, 3];
const PYRAMID = [4, 2, 1, 3];
const DEEP_PYRAMID = [8, 4, 2, 1, 3, 6, 5, 7];

function assertSane(pts: readonly number[], dts: readonly number[]): void {
  for (let i = 0; i < pts.length; i++) {
    assert.ok(dts[i]! <= pts[i]!, `frame ${i}: dts ${dts[i]} over pts ${pts[i]}`);
    if (i > 0) assert.ok(dts[i]! >= dts[i - 1]!, `frame ${i}: ${dts[i]} after ${dts[i - 1]}`);
  }
}

describe('depth told by the parameter sets', () => {
  test('a frame rate that cannot be moves the first pictures by no more than a bound', () => {
    const dts = new DtsFromPts();
    const slow = { ...X264_PYRAMID, frameRate: 0.01 };
    dts.configure(slow);
    const pts = [0, 40_000, 80_000, 120_000, 160_000].map((us) => us + 5_000_000);
    const found = pts.map((one) => dts.next(one));
    assertSane(pts, found);
    assert.ok(found[0]! >= 2_500_000, `${found[0]}`);
    assert.deepEqual(found.slice(2), pts.slice(0, 3), 'from the depth on they are exact');
  });

  for (const [name, mini] of Object.entries({ PLAIN, ONE_B, THREE_B, PYRAMID })) {
    test(`x264 with depth 2 and ${name}: what the encoder wrote, from the first frame on`, () => {
      const pts = pattern(mini, 5);
      assert.deepEqual(
        run(X264_PYRAMID, pts),
        pts.map((_, index) => index - 2),
      );
    });
  }

  test('baseline profile has no reordering, whatever comes', () => {
    const pts = [0, 1, 2, 3.5, 3.6, 9];
    assert.deepEqual(run(X264_BASELINE, pts), pts);
  });

  test('codecs that do not reorder keep their times', () => {
    const vp8 = makeCodecConfig('vp8', new Uint8Array(0), 'vp8');
    assert.deepEqual(run(vp8, [0, 3, 5]), [0, 3, 5]);
  });

  for (const { name, codec, record, reorder = 0 } of RECORDS) {
    if (codec !== 'h264' && codec !== 'h265') continue;
    test(`depth of ${name} is what ffprobe says: ${reorder}`, () => {
      const dts = new DtsFromPts();
      dts.configure(configFromRecord(codec, Buffer.from(record, 'hex')));
      const found = Array.from({ length: 20 }, (_, index) => dts.next(index * 1_000_000));
      assert.equal(found[19], (19 - reorder) * 1_000_000);
    });
  }

  for (const clip of ['ffmpeg51-h264-aac', 'ff8-hevc-aac']) {
    test(`${clip}: the decode times of the file out of its presentation times`, () => {
      const frames = recordingOf(clip).frames.filter(({ config }) => config.width > 0);
      const dts = new DtsFromPts();
      dts.configure(frames[0]!.config);
      assert.ok(
        frames.some((frame) => frame.pts !== frame.dts),
        'has reordering',
      );
      assert.deepEqual(
        frames.map((frame) => Math.round(dts.next(frame.pts))),
        frames.map((frame) => frame.dts),
      );
    });
  }

  test('variable frame rate: times of pictures that were there', () => {
    // Pictures at 0, 1, 4, 5, 11, 12, 13 in pyramid order.
    const pts = [0, 11, 4, 1, 5, 13, 12];
    const dts = run(X264_PYRAMID, pts);
    assertSane(pts, dts);
    assert.deepEqual(dts.slice(2), [0, 1, 4, 5, 11]);
  });

  test('a lost frame moves nothing over its time', () => {
    const whole = pattern(PYRAMID, 8);
    for (let lost = 1; lost < whole.length; lost++) {
      const pts = whole.filter((_, index) => index !== lost);
      assertSane(pts, run(X264_PYRAMID, pts));
    }
  });

  test('a stream that reorders deeper than it declares is followed', () => {
    const pts = pattern(DEEP_PYRAMID, 6);
    const dts = run(X264_PYRAMID, pts);
    for (let i = 1; i < dts.length; i++) assert.ok(dts[i]! >= dts[i - 1]!);
    assertSane(pts.slice(9), dts.slice(9));
    assert.deepEqual(
      dts.slice(-8),
      pts.slice(-8).map((_, i) => pts.length - 8 + i - 3),
    );
  });

  test('a jump: the times before it do not count', () => {
    const dts = new DtsFromPts();
    dts.configure(X264_PYRAMID);
    for (const one of pattern(PYRAMID, 3)) dts.next(one * 40_000 + 9e9);
    dts.reset();
    assert.deepEqual(
      pattern(PYRAMID, 1).map((one) => dts.next(one * 40_000)),
      [-80_000, -40_000, 0, 40_000, 80_000],
    );
  });

  test('a config with another depth in mid-stream', () => {
    const dts = new DtsFromPts();
    dts.configure(X264_BASELINE);
    for (let i = 0; i < 5; i++) assert.equal(dts.next(i * 40_000), i * 40_000);
    dts.configure(X264_PYRAMID);
    const found = pattern(PYRAMID, 3).map((one) => dts.next((one + 5) * 40_000) / 40_000);
    assert.deepEqual(found, [4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
  });
});

describe('depth not told', () => {
  test('without reordering there is no delay, at any rate', () => {
    const pts = pattern(PLAIN, 30);
    assert.deepEqual(run(untoldAt(25), pts), pts);
    const dts = run(UNTOLD, pts);
    assertSane(pts, dts);
    assert.deepEqual(dts.slice(2), pts.slice(2), 'the second frame alone may be early');
  });

  for (const [name, mini] of Object.entries({ ONE_B, THREE_B, PYRAMID, DEEP_PYRAMID })) {
    for (const config of [UNTOLD, untoldAt(25)]) {
      test(`${name}, ${config.frameRate} declared: sane from the first frame, exact from the second group`, () => {
        const pts = pattern(mini, 6);
        const dts = run(config, pts);
        assertSane(pts, dts);
        const depth = mini === DEEP_PYRAMID ? 3 : mini === PYRAMID ? 2 : 1;
        const from = mini.length + 1;
        assert.deepEqual(
          dts.slice(from),
          pts.slice(from).map((_, index) => from + index - depth),
        );
      });
    }
  }

  test('a camera that leaves pictures out has no delay behind the gap', () => {
    const pts = [0, 1, 2, 6, 7, 8, 20, 21];
    const dts = run(untoldAt(25), pts);
    assertSane(pts, dts);
    assert.deepEqual([dts[4], dts[5], dts[7]], [7, 8, 21]);
  });

  test('reordering that begins late', () => {
    const plain = Array.from({ length: 60 }, (_, index) => index);
    const pts = [
      ...plain,
      ...pattern(PYRAMID, 5)
        .slice(1)
        .map((one) => one + 59),
    ];
    const dts = run(untoldAt(25), pts);
    for (let i = 1; i < dts.length; i++) assert.ok(dts[i]! >= dts[i - 1]!);
    assertSane(pts.slice(64), dts.slice(64));
  });
});
