/** What a player by WebRTC is given of a stream, for every codec, order of pictures, rule and machine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CodecConfig, makeCodecConfig } from '../../../src/codec/codec-config.ts';
import type { CodecId } from '../../../src/codec/codec-id.ts';
import { FRAME_DISPOSABLE, FRAME_KEY, Frame } from '../../../src/media/frame.ts';
import type { Stream } from '../../../src/media/stream.ts';
import { makeStreamKey } from '../../../src/media/stream-key.ts';
import { makeTrack } from '../../../src/media/track.ts';
import { type BFramesRule, VideoConversions } from '../../../src/runtime/video-conversions.ts';
import { RejectedError } from '../../../src/util/errors.ts';

type Order = 'in order' | 'disposable' | 'referenced';

const SHOWN: Readonly<Record<Order, readonly [number, boolean][]>> = {
  'in order': [
    [0, false],
    [1, false],
    [2, false],
  ],
  disposable: [
    [0, false],
    [2, false],
    [1, true],
  ],
  referenced: [
    [0, false],
    [4, false],
    [2, false],
    [1, true],
    [3, true],
  ],
};

function streamOf(codec: CodecId, order: Order): Stream {
  const config: CodecConfig = makeCodecConfig(codec, new Uint8Array(0), '');
  const frames = SHOWN[order].map(
    ([at, isDisposable], i) =>
      new Frame(
        0,
        i === 0 ? FRAME_KEY : isDisposable ? FRAME_DISPOSABLE : 0,
        i,
        at,
        0,
        new Uint8Array(1),
        config,
        0,
        Number.NaN,
      ),
  );
  return {
    key: makeStreamKey('live', 'cam'),
    tracks: [makeTrack(0, config)],
    cachedFrames: () => frames,
  } as unknown as Stream;
}

function conversions(rule: BFramesRule, reason: string): VideoConversions {
  const made = new VideoConversions();
  made.offer({
    reasonAgainst: async () => reason,
    keyFor: ({ app, name }, target) => makeStreamKey(app, `${name}~${target}`),
    bframesRule: () => rule,
  });
  return made;
}

const MISSING = 'ffmpeg is not installed';
const BOTH = 'h264 vp8';

const cases: readonly [CodecId, Order, string, BFramesRule, string, string, RegExp | ''][] = [
  ['h264', 'in order', BOTH, 'convert', '', 'cam', ''],
  ['h264', 'disposable', BOTH, 'auto', '', 'cam', /are left out.+zerolatency/],
  ['h264', 'disposable', BOTH, 'drop', '', 'cam', /are left out/],
  ['h264', 'disposable', BOTH, 'convert', '', 'cam~h264', /encodes its pictures again.+bf=0.+-bf 0/],
  [
    'h264',
    'disposable',
    BOTH,
    'convert',
    MISSING,
    'cam',
    /are left out.+not converted: ffmpeg is not installed/,
  ],
  ['h264', 'referenced', BOTH, 'auto', '', 'cam~h264', /encodes its pictures again/],
  ['h264', 'referenced', BOTH, 'drop', '', 'cam', /not smooth/],
  ['h264', 'referenced', BOTH, 'auto', MISSING, 'cam', /not smooth.+ffmpeg is not installed/],
  ['h265', 'referenced', 'h265 h264', 'auto', '', 'cam~h264', /encodes its pictures again/],
  ['h265', 'in order', BOTH, 'auto', '', 'cam~h264', /does not offer H\.265/],
  ['h264', 'in order', 'vp8', 'drop', '', 'cam~vp8', /does not offer H\.264/],
];

for (const [codec, order, offered, rule, reason, expected, note] of cases) {
  test(`${codec} ${order} to a player of ${offered}, rule ${rule}, ${reason || 'ffmpeg is there'}: ${expected}`, async () => {
    const choice = await conversions(rule, reason).choose(streamOf(codec, order), (one) =>
      offered.split(' ').includes(one),
    );
    assert.equal(choice.key.name, expected);
    if (note === '') assert.equal(choice.note, '');
    else assert.match(choice.note, note);
  });
}

for (const [offered, reason, expected] of [
  [BOTH, MISSING, /live\/cam is H\.265, which this player does not offer.+: ffmpeg is not installed\./],
  ['vp9', '', /the player offers neither H\.264 nor VP8/],
] as const) {
  test(`refused: H.265 to a player of ${offered}`, async () => {
    const asked = conversions('auto', reason).choose(streamOf('h265', 'in order'), (one) =>
      offered.split(' ').includes(one),
    );
    await assert.rejects(
      asked,
      (error) =>
        error instanceof RejectedError && error.reason === 'unsupported' && expected.test(error.message),
    );
  });
}

test('without a service for it', async () => {
  const none = new VideoConversions();
  assert.equal(
    await none.reasonAgainst(streamOf('h264', 'in order'), 'vp8'),
    'this server converts no pictures',
  );
  const choice = await none.choose(streamOf('h264', 'disposable'), () => true);
  assert.equal(choice.key.name, 'cam');
  for (const [offered, sentence] of [
    ['h264', /this server converts no pictures/],
    ['', /the player offers neither H\.264 nor VP8/],
  ] as const)
    await assert.rejects(
      none.choose(streamOf('h265', 'in order'), (codec) => codec === offered),
      sentence,
    );
});

test('a stream without pictures is left alone', async () => {
  const stream = { ...streamOf('h264', 'in order'), tracks: [] } as unknown as Stream;
  assert.deepEqual(await conversions('auto', '').choose(stream, () => false), { key: stream.key, note: '' });
});
