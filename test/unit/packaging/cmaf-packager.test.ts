import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_DISCONTINUITY, Frame } from '../../../src/media/frame.ts';
import { makeTrack, type Track } from '../../../src/media/track.ts';
import { CmafPackager, type CmafPackagerOptions } from '../../../src/packaging/cmaf-packager.ts';
import type { CmafTrack } from '../../../src/packaging/cmaf-track.ts';
import { Mp4Checker } from '../../conformance/mp4-checker.ts';
import * as media from '../wire/mpegts/synthetic.ts';

const { audioTrack, clip, sound, videoTrack } = media;
const WALL_US = 1_700_000_000_000_000;
const BOTH = [videoTrack, audioTrack];

function open(tracks: readonly Track[], options: Partial<CmafPackagerOptions> = {}): CmafPackager {
  const packager = new CmafPackager({
    targetDurationUs: 2_000_000,
    partTargetUs: 200_000,
    windowCount: 30,
    windowUs: 0,
    cacheCount: 3,
    maxBytes: 24_000_000,
    wallAt: (us) => WALL_US + us,
    startWallUs: WALL_US,
    ...options,
  });
  packager.setTracks(tracks);
  return packager;
}

function write(packager: CmafPackager, frames: readonly Frame[]): void {
  for (const frame of frames) packager.write(frame);
}

/** Every complete segment of a track through the checker, parts and all. */
function judge(track: CmafTrack): void {
  const checker = new Mp4Checker();
  let version = 0;
  for (const segment of track.store.all()) {
    if (segment.isGap) continue;
    if (segment.initVersion !== version) checker.init(track.inits.get(segment.initVersion)!, 'init');
    version = segment.initVersion;
    segment.parts.forEach((part, index) => {
      checker.segment(part.bytes, {
        name: `${track.name}/${segment.sequence}.${index}`,
        independent: part.independent,
        discontinuity: index === 0 && segment.discontinuity,
        seconds: part.durationUs / 1_000_000,
      });
    });
  }
  // The pictures of these frames mean nothing: they have no size, and some are shown at the same time.
  const meaningless = /0 x 0|of no size|two samples are shown/;
  assert.deepEqual(
    checker.violations.filter((text) => !meaningless.test(text)),
    [],
  );
}

const shape = (track: CmafTrack) =>
  track.store
    .all()
    .map((one) => [one.sequence - 1_700_000_000, Math.round(one.durationUs / 1000), one.parts.length]);

test('cmaf: pictures and sound become tracks whose segments have the same numbers', () => {
  const packager = open(BOTH);
  write(packager, clip({ seconds: 7 }));
  packager.close();
  const [video, audio] = packager.tracks;
  assert.deepEqual([video!.name, audio!.name], ['v0', 'a1']);
  judge(video!);
  judge(audio!);
  assert.deepEqual(shape(video!), [
    [0, 2000, 10],
    [1, 2000, 10],
    [2, 2000, 10],
    [3, 1000, 5],
  ]);
  assert.deepEqual(
    shape(audio!).map(([sequence]) => sequence),
    [0, 1, 2, 3],
  );
  // Sound follows with its first frame at or after the key picture.
  for (const [index, segment] of audio!.store.all().entries()) {
    const late = segment.startPts - video!.store.all()[index]!.startPts;
    assert.ok(late >= 0 && late < media.AAC_FRAME_US, `${late} us`);
  }
  // A key picture is shown one frame after it came.
  for (const segment of video!.store.all())
    assert.equal(segment.wallClockUs, WALL_US + segment.startPts - 40_000);
});

test('cmaf: parts are as long as whole frames allow, whatever the frame rate', () => {
  for (const fps of [10, 12, 15, 24, 25, 30, 50, 60]) {
    const packager = open([videoTrack]);
    write(packager, clip({ seconds: 9, fps, gop: fps * 2, audio: null }));
    packager.close();
    const track = packager.tracks[0]!;
    judge(track);
    const target = track.partTargetUs;
    assert.ok(target > 150_000 && target <= 202_000, `${fps}: part target ${target}`);
    for (const segment of track.store.all().slice(0, -1)) {
      segment.parts.forEach((part, index) => {
        assert.ok(part.durationUs <= target + 1000, `${fps}: part of ${part.durationUs}, target ${target}`);
        const isLast = index === segment.parts.length - 1;
        assert.ok(isLast || part.durationUs >= target * 0.85, `${fps}: part of ${part.durationUs} only`);
      });
    }
  }
});

test('cmaf: a part is there as soon as the next frame shows that it is full', () => {
  const packager = open([videoTrack]);
  const frames = clip({ seconds: 3, audio: null });
  const partsAfter: number[] = [];
  for (const frame of frames) {
    packager.write(frame);
    partsAfter.push(packager.tracks[0]!.store.open?.parts.length ?? 0);
  }
  // Five pictures of 40 ms are a part; the sixth tells how long the fifth lasts.
  assert.deepEqual(partsAfter.slice(0, 12), [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2]);
});

test('cmaf: sound alone, several sounds, late sound', () => {
  const second = makeTrack(3, media.aac44, 1, 'deu');
  const alone = open([audioTrack]);
  write(alone, clip({ seconds: 5, video: null }));
  alone.close();
  judge(alone.tracks[0]!);
  assert.deepEqual(
    shape(alone.tracks[0]!).map(([, ms]) => ms),
    [2005, 2005, 1003],
  );

  const several = open([videoTrack, audioTrack, second]);
  const frames = [...clip({ seconds: 5 }), ...clip({ seconds: 5, video: null, audio: second })];
  write(
    several,
    frames.sort((a, b) => a.dts - b.dts),
  );
  several.close();
  assert.deepEqual(
    several.live().map((track) => track.name),
    ['v0', 'a1', 'a3'],
  );
  for (const track of several.tracks) judge(track);

  const late = open(BOTH);
  write(late, clip({ seconds: 4, audio: null }));
  assert.deepEqual(
    late.live().map((track) => track.name),
    ['v0'],
    'sound that was only announced',
  );
  write(late, clip({ seconds: 4, startUs: 4_000_000 }));
  late.close();
  const audio = late.find('a1')!;
  judge(audio);
  assert.deepEqual(
    shape(audio).map(([sequence]) => sequence),
    [0, 1, 2, 3],
  );
  assert.ok(audio.store.all()[0]!.isGap);
  assert.ok(!audio.store.all()[2]!.isGap);
});

test('cmaf: another config, a jump and a republish begin with a discontinuity in every track', () => {
  const other = makeTrack(0, media.h264Other);
  const packager = open(BOTH);
  write(packager, clip({ seconds: 3 }));
  packager.setTracks([other, audioTrack]);
  write(packager, clip({ seconds: 3, startUs: 3_000_000, video: other }));
  packager.end();
  write(packager, clip({ seconds: 3, startUs: 9_000_000, video: other }));
  const jumped = clip({ seconds: 3, startUs: 20_000_000, video: other });
  const [first, ...rest] = jumped;
  const { dts, pts, payload, config } = first!;
  const flags = first!.flags | FRAME_DISCONTINUITY;
  write(packager, [new Frame(0, flags, dts, pts, 0, payload, config, dts, Number.NaN), ...rest]);
  packager.close();
  for (const track of packager.tracks) {
    judge(track);
    const sequences = track.store.all().map((one) => one.discontinuitySequence);
    assert.equal(sequences.at(-1), 3, track.name);
    assert.deepEqual(
      sequences,
      [...sequences].sort((a, b) => a - b),
    );
    const marks = track.store.all().filter((one) => one.discontinuity);
    assert.equal(marks.length, 3, track.name);
  }
  assert.deepEqual([...packager.tracks[0]!.inits.keys()], [1, 2]);
  assert.deepEqual([...packager.tracks[1]!.inits.keys()], [1]);
});

test('cmaf: without parts a segment is one fragment', () => {
  const packager = open(BOTH, { partTargetUs: 0 });
  write(packager, clip({ seconds: 5 }));
  packager.close();
  for (const track of packager.tracks) judge(track);
  assert.deepEqual(
    packager.tracks.map((track) => track.store.all().map((segment) => segment.parts.length)),
    [
      [1, 1, 1],
      [1, 1, 1],
    ],
  );
});

test('cmaf: what MP4 has no place for is told, and the rest goes on', () => {
  const g711 = makeTrack(1, media.plain('g711a', 8000));
  const packager = open([videoTrack, g711, makeTrack(2, media.plain('data'))]);
  assert.deepEqual(
    packager.leftOut.map(({ track }) => track.id),
    [1, 2],
  );
  assert.match(packager.leftOut[0]!.reason, /G\.711/);
  write(packager, [...clip({ seconds: 3, audio: null }), sound(g711, 0)]);
  packager.close();
  assert.deepEqual(
    packager.live().map((track) => track.name),
    ['v0'],
  );
});
