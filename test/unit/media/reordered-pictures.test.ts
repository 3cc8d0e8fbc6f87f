/** Which streams have pictures out of order, by what is declared and by what is seen. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CodecConfig, makeCodecConfig } from '../../../src/codec/codec-config.ts';
import { configFromRecord } from '../../../src/codec/describe-config.ts';
import { FRAME_DISPOSABLE, FRAME_KEY, Frame } from '../../../src/media/frame.ts';
import {
  InOrderPictures,
  type ReorderedPictures,
  reorderedPictures,
} from '../../../src/media/reordered-pictures.ts';
import { readClip } from '../../support/hub-publisher.ts';

/** By x264 (veryfast, 320x180): no B-frames; bframes=1; bframes=3 with b-pyramid. avcC, from `ffmpeg -f lavfi -i testsrc2=size=320x180:rate=30 -c:v libx264 -preset veryfast -g 60` and -tune zerolatency, -bf 1, nothing. */
const DECLARED: Readonly<Record<string, string>> = {
  none: '0164000dffe100186764000dacb40a0cfcf80880000003008000001e478a155001000468ef0fcbfdf8f800',
  one: '0164000dffe100196764000dacec1419f9f0110000030001000003003c0f14293801000468ef8fcbfdf8f800',
  pyramid: '0164000dffe1001a6764000dacd941419f9f0110000003001000000303c0f142996001000468ef8fcbfdf8f800',
};

function h264(name: string): CodecConfig {
  return configFromRecord('h264', Buffer.from(DECLARED[name] ?? '', 'hex'));
}

/** A hardware encoder that declares nothing; no record at all is the same. */
const UNTOLD = makeCodecConfig('h264', new Uint8Array(0), '');

/** In decoding order: `12` a picture shown at 12, `2-` one that nothing refers to, `0k` a key frame. */
function frames(text: string, config: CodecConfig, times = 1): Frame[] {
  const all: Frame[] = [];
  for (let round = 0; round < times; round++) {
    for (const word of text.split(' ')) {
      const at = (Number.parseInt(word, 10) + round * 100) * 40_000;
      const flags = (word.endsWith('-') ? FRAME_DISPOSABLE : 0) | (word.endsWith('k') ? FRAME_KEY : 0);
      all.push(new Frame(0, flags, all.length * 40_000, at, 0, new Uint8Array(1), config, 0, Number.NaN));
    }
  }
  return all;
}

const cases: readonly [string, CodecConfig, string, number, ReorderedPictures][] = [
  ['declared without reordering', h264('none'), '0k 1 2', 1, 'none'],
  ['declared one deep, nothing seen yet', h264('one'), '0k', 1, 'disposable'],
  ['declared one deep, seen', h264('one'), '0k 2 1- 4 3-', 1, 'disposable'],
  ['declared as pyramid, nothing seen yet', h264('pyramid'), '0k 1', 1, 'referenced'],
  [
    'declared as pyramid, so far only some that nothing refers to',
    h264('pyramid'),
    '0k 2 1-',
    1,
    'referenced',
  ],
  ['declared as pyramid, but long in order', h264('pyramid'), '0k 1 2 3 4 5 6 7', 6, 'none'],
  ['not declared, in order', UNTOLD, '0k 1 2', 1, 'none'],
  ['not declared, seen', UNTOLD, '0k 3 1- 2-', 1, 'disposable'],
  ['not declared, a pyramid', UNTOLD, '0k 4 2 1- 3-', 1, 'referenced'],
  ['pictures that nothing refers to, in order', UNTOLD, '0k 1- 2 3- 4', 1, 'none'],
  ['VP8 has no such thing', makeCodecConfig('vp8', new Uint8Array(0), 'vp8'), '0k 1', 1, 'none'],
];

for (const [what, config, text, times, expected] of cases) {
  test(`${what}: ${expected}`, () => {
    assert.equal(reorderedPictures(0, config, frames(text, config, times)), expected);
  });
}

test('other tracks do not count', () => {
  const given = frames('0k 3 1- 2-', UNTOLD);
  assert.equal(reorderedPictures(1, UNTOLD, given), 'none');
});

/** A clip of test/vectors/b-frames as frames of a stream. */
function clip(name: string): Frame[] {
  const path = new URL(`../../vectors/b-frames/${name}.mpegts`, import.meta.url).pathname;
  return readClip(path).frames.map(
    ({ flags, dtsMs, ptsMs, payload, config }) =>
      new Frame(0, flags, dtsMs * 1000, ptsMs * 1000, 0, payload, config, 0, Number.NaN),
  );
}

for (const [name, expected] of [
  ['no-pyramid', 'disposable'],
  ['one-reference', 'separable'],
  ['strict-pyramid', 'separable'],
  ['pyramid', 'referenced'],
] as const) {
  test(`x264, ${name}: ${expected}`, () => {
    const all = clip(name);
    assert.equal(reorderedPictures(0, all[0]!.config, all), expected);
  });

  test(`x264, ${name}: what goes out`, () => {
    const filter = new InOrderPictures();
    const isIn = clip(name).map((frame) => ({ frame, goesOut: filter.admits(frame) }));
    const late = isIn.slice(20).filter(({ goesOut }) => goesOut);
    const back = late.filter(({ frame }, i) => i > 0 && frame.pts < late[i - 1]!.frame.pts);
    assert.equal(back.length === 0, expected !== 'referenced', 'from the second key frame on it is in order');
    const lost = isIn.filter(({ frame, goesOut }) => !goesOut && (frame.flags & FRAME_KEY) !== 0);
    assert.deepEqual(lost, []);
    if (expected === 'referenced')
      assert.ok(isIn.every(({ frame, goesOut }) => goesOut || (frame.flags & FRAME_DISPOSABLE) !== 0));
  });
}

test('without reordering everything goes out', () => {
  const filter = new InOrderPictures();
  assert.ok(frames('0k 1- 2 3', h264('none')).every((frame) => filter.admits(frame)));
});

test('an encoder that declares nothing is looked into from the key frame after the first pyramid on', () => {
  const all = clip('one-reference');
  // The record without its bytes of reordering is that of no encoder; none at all is as good for what is declared.
  const bare = makeCodecConfig('h264', new Uint8Array(0), '');
  const filter = new InOrderPictures();
  const untold = all.map(
    ({ flags, dts, pts, payload }) => new Frame(0, flags, dts, pts, 0, payload, bare, 0, Number.NaN),
  );
  const goesOut = untold.map((frame) => filter.admits(frame));
  // What slices say cannot be known without parameter sets: whatever is referred to stays.
  assert.ok(untold.every(({ flags }, i) => goesOut[i] === true || (flags & FRAME_DISPOSABLE) !== 0));
  assert.ok(goesOut.includes(false));
});
