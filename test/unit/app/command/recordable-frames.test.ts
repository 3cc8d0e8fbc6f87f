/** What a recording is made of. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RecordableFrames } from '../../../../src/app/command/recordable-frames.ts';
import { FRAME_KEY, Frame } from '../../../../src/media/frame.ts';
import { makeTrack } from '../../../../src/media/track.ts';
import type { SupplyPart } from '../../../../src/media-file/frame-supply.ts';
import { AUDIO, VIDEO } from '../../../support/test-hub.ts';

const BOTH = [makeTrack(0, VIDEO), makeTrack(1, AUDIO)];

function frame(id: number, ms: number, key = false): Frame {
  const config = id === 0 ? VIDEO : AUDIO;
  const us = ms * 1000;
  return new Frame(
    id,
    key ? FRAME_KEY : 0,
    us,
    us + 80_000,
    id === 1 ? 21_333 : 0,
    Buffer.of(1),
    config,
    0,
    Number.NaN,
  );
}

const part = (frames: readonly Frame[], tracks: SupplyPart['tracks'] = null): SupplyPart => ({
  tracks,
  frames,
});
const shown = (parts: readonly SupplyPart[]) =>
  parts.flatMap(({ frames }) => frames.map(({ trackId, dts }) => `${trackId}@${Math.round(dts / 1000)}`));

test('recording: begins with a key frame, at 0', () => {
  const frames = new RecordableFrames(false);
  const got = frames.take(
    part([frame(1, 900), frame(0, 960), frame(0, 1000, true), frame(1, 1010), frame(0, 1040)], BOTH),
  );
  assert.deepEqual(shown(got), ['0@0', '1@10', '0@40']);
  assert.equal(got[0]!.frames[0]!.pts, 80_000);
  assert.deepEqual(got[0]!.tracks, BOTH);
});

test('recording: waits for the second track, but not for ever', () => {
  const video = [BOTH[0]!];
  const waits = new RecordableFrames(false);
  assert.deepEqual(waits.take(part([frame(0, 0, true), frame(0, 40)], video)), []);
  const got = waits.take(part([frame(1, 60)], BOTH));
  assert.deepEqual(got[0]!.tracks, BOTH);
  assert.deepEqual(shown(got), ['0@0', '0@40', '1@60']);

  const alone = new RecordableFrames(false);
  assert.deepEqual(alone.take(part([frame(0, 0, true), frame(0, 960)], video)), []);
  assert.deepEqual(shown(alone.take(part([frame(0, 1000)]))), ['0@0', '0@960', '0@1000']);

  const short = new RecordableFrames(false);
  short.take(part([frame(0, 0, true)], video));
  assert.deepEqual(shown(short.finish()), ['0@0']);
  assert.deepEqual(shown(new RecordableFrames(true).take(part([frame(0, 0, true)], video))), ['0@0']);
});

test('recording: a gap stays, a clock that goes back goes on', () => {
  const frames = new RecordableFrames(false);
  const times = [0, 40, 8000, 8040, 20, 60];
  const got = frames.take(
    part(
      times.map((ms) => frame(0, ms, true)),
      BOTH,
    ),
  );
  const dts = got[0]!.frames.map((one) => one.dts / 1000);
  assert.deepEqual(dts.slice(0, 4), [0, 40, 8000, 8040]);
  assert.ok(dts[4]! > 8040 && dts[4]! <= 9100, String(dts[4]));
  assert.equal(dts[5]! - dts[4]!, 40);
});

test('recording: sound in whole milliseconds gets its spacing back', () => {
  const frames = new RecordableFrames(true);
  const times = Array.from({ length: 10 }, (_, i) => Math.round(i * 21.333));
  const got = frames.take(
    part(
      times.map((ms) => frame(1, ms)),
      [BOTH[1]!],
    ),
  );
  assert.deepEqual(
    got[0]!.frames.map(({ dts }) => dts),
    times.map((_, i) => i * 21_333),
  );
});
