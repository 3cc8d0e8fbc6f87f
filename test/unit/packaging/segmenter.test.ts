import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_CONFIG, FRAME_DISCONTINUITY, type Frame } from '../../../src/media/frame.ts';
import { CONTINUE, CUT, CUT_DISCONTINUITY, Segmenter, SKIP } from '../../../src/packaging/segmenter.ts';
import { audioTrack, picture, sound, videoTrack } from '../wire/mpegts/synthetic.ts';

const key = (ms: number, flags = 0) => picture(videoTrack, ms * 1000, true, 10, ms * 1000, flags);
const inter = (ms: number, flags = 0) => picture(videoTrack, ms * 1000, false, 10, ms * 1000, flags);
const audio = (ms: number, flags = 0) => sound(audioTrack, ms * 1000, 10, 20_000, flags);
const NAMES = new Map([
  [SKIP, 'skip'],
  [CONTINUE, '-'],
  [CUT, 'cut'],
  [CUT_DISCONTINUITY, 'break'],
]);

function decisions(frames: readonly Frame[], segmenter = withVideo()): string {
  return frames.map((frame) => NAMES.get(segmenter.decide(frame))).join(' ');
}

function withVideo(): Segmenter {
  const segmenter = new Segmenter(2_000_000);
  segmenter.setLeader(videoTrack.id, true);
  return segmenter;
}

const cases: [string, Frame[], string][] = [
  [
    'first key frame at or after the target',
    [key(0), key(1000), key(1940), key(2000), key(3900), key(4100)],
    'cut - - cut - cut',
  ],
  ['a key frame 50 ms early is taken', [key(0), key(1950)], 'cut cut'],
  ['other frames do not cut', [key(0), inter(2000), audio(2100), inter(5000), key(5040)], 'cut - - - cut'],
  [
    'the hard limit cuts without a key frame',
    [key(0), inter(5960), inter(6000), inter(11_960), key(12_000)],
    'cut - cut - cut',
  ],
  [
    'nothing before the first key frame',
    [inter(0), audio(10), inter(40), key(80), audio(90)],
    'skip skip skip cut -',
  ],
  [
    'no key frame for the hard limit: it begins all the same',
    [inter(0), audio(3000), inter(5999), inter(6000)],
    'skip skip skip cut',
  ],
  [
    'only audio comes though video is announced',
    [audio(0), audio(5999), audio(6000), audio(7900), audio(8000)],
    'skip skip cut - cut',
  ],
  [
    'video falls silent',
    [key(0), audio(2000), audio(5990), audio(6000), audio(7990), audio(8000)],
    'cut - - cut - cut',
  ],
  ['a jump cuts at once', [key(0), inter(40, FRAME_DISCONTINUITY), inter(80)], 'cut break -'],
  ['a new config cuts at once', [key(0), key(40, FRAME_CONFIG), inter(80)], 'cut break -'],
  [
    'audio and video both tell of one jump',
    [key(0), audio(20, FRAME_DISCONTINUITY), audio(40), key(60, FRAME_DISCONTINUITY), inter(90)],
    'cut break - - -',
  ],
  [
    'two jumps are two breaks',
    [key(0), key(40, FRAME_DISCONTINUITY), key(80, FRAME_DISCONTINUITY)],
    'cut break break',
  ],
  [
    'the first frame of all is no discontinuity',
    [key(0, FRAME_CONFIG | FRAME_DISCONTINUITY), inter(40)],
    'cut -',
  ],
  [
    'time is counted from the break',
    [key(0), key(1900, FRAME_CONFIG), key(2000), key(3900)],
    'cut break - cut',
  ],
];

for (const [name, frames, expected] of cases) {
  test(`segmenter: ${name}`, () => {
    assert.equal(decisions(frames), expected);
  });
}

test('segmenter: audio alone is cut by time', () => {
  const segmenter = new Segmenter(2_000_000);
  segmenter.setLeader(audioTrack.id, false);
  assert.equal(
    decisions([audio(0), audio(1999), audio(2000), audio(3990), audio(4010)], segmenter),
    'cut - cut - cut',
  );
});

test('segmenter: after a break-off it waits for a key frame, after breakHere it does not', () => {
  const segmenter = withVideo();
  assert.equal(decisions([key(0), inter(40)], segmenter), 'cut -');
  segmenter.breakOff();
  assert.equal(decisions([inter(80), audio(90), key(120), inter(160)], segmenter), 'skip skip break -');
  segmenter.breakHere();
  assert.equal(decisions([inter(200), inter(240)], segmenter), 'break -');
});

test('segmenter: breaking off twice, or before anything came, marks nothing of its own', () => {
  const segmenter = withVideo();
  segmenter.breakOff();
  segmenter.breakHere();
  assert.equal(decisions([key(0)], segmenter), 'cut');
  segmenter.breakOff();
  segmenter.breakOff();
  assert.equal(decisions([key(40), key(80)], segmenter), 'break -');
});

test('segmenter: another leader ends the segment, the same one does not', () => {
  const segmenter = withVideo();
  assert.equal(decisions([key(0)], segmenter), 'cut');
  segmenter.setLeader(videoTrack.id, true);
  assert.equal(decisions([inter(40)], segmenter), '-');
  segmenter.setLeader(audioTrack.id, false);
  assert.equal(decisions([inter(80), audio(90), inter(100)], segmenter), 'skip break -');
});

test('segmenter: restart counts the time anew', () => {
  const segmenter = withVideo();
  assert.equal(decisions([key(0), inter(1000)], segmenter), 'cut -');
  segmenter.restart(inter(1000));
  assert.equal(decisions([key(2000), key(3000)], segmenter), '- cut');
});
