/** Frames of a pull: copied, tracks told in time, the 32-bit clock undone and otherwise as it came. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PulledFrames } from '../../../src/client/pulled-frames.ts';
import type { Frame } from '../../../src/media/frame.ts';
import { makeTrack } from '../../../src/media/track.ts';
import { AUDIO, VIDEO } from '../../support/test-hub.ts';

function pulled() {
  const frames: Frame[] = [];
  const tracks: string[] = [];
  const output = new PulledFrames(
    {
      onTracks: (list) => tracks.push(list.map(({ id }) => id).join(' ')),
      onFrame: (frame) => frames.push(frame),
      onEnd: () => undefined,
    },
    () => 7,
  );
  return { output, frames, tracks };
}

test('pulled frames: tracks are told before the first frame, together, and again when one comes', () => {
  const { output, frames, tracks } = pulled();
  output.setTrack(makeTrack(0, VIDEO));
  output.setTrack(makeTrack(1, AUDIO));
  assert.deepEqual(tracks, []);
  const payload = Buffer.from([1, 2, 3]);
  output.write(0, 1, 10, 50, 0, payload, VIDEO);
  payload.fill(9);
  output.write(1, 0, 11.5, 11.5, 23_220, payload, AUDIO);
  output.setTrack(makeTrack(1, AUDIO));
  output.write(1, 0, 30, 30, 0, payload, AUDIO);
  assert.deepEqual(tracks, ['0 1', '0 1']);
  assert.deepEqual([...frames[0]!.payload], [1, 2, 3], 'a copy');
  assert.deepEqual(
    frames.map(({ dts, pts, duration, arrival }) => [dts, pts, duration, arrival]),
    [
      [10_000, 50_000, 0, 7],
      [11_500, 11_500, 23_220, 7],
      [30_000, 30_000, 0, 7],
    ],
  );
});

test('pulled frames: the clock goes on over its wrap, late frames included; jumps stay', () => {
  const { output, frames } = pulled();
  const top = 2 ** 32;
  for (const ms of [top - 20, 20, top - 10, 60, 5_000_060, 100])
    output.write(0, 0, ms, ms, 0, Buffer.of(1), VIDEO);
  assert.deepEqual(
    frames.map(({ dts }) => dts / 1000 - top),
    [-20, 20, -10, 60, 5_000_060, 100],
  );
});
