/** Manifests of made-up streams, each held against the rules alone and against the one before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_DISCONTINUITY, Frame } from '../../../../src/media/frame.ts';
import { makeTrack, type Track } from '../../../../src/media/track.ts';
import type { CmafStream } from '../../../../src/origin/segment-origin.ts';
import { CmafPackager } from '../../../../src/packaging/cmaf-packager.ts';
import { DashPresentation } from '../../../../src/protocol/dash/dash-presentation.ts';
import { type CheckedMpd, checkMpd } from '../../../conformance/mpd-checker.ts';
import { checkMpdAt, checkMpdUpdate } from '../../../conformance/mpd-update-checker.ts';
import * as media from '../../wire/mpegts/synthetic.ts';

const { aac44, audioTrack, clip, h264, videoTrack } = media;
const WALL_US = 1_700_000_000_000_000;

class Rig {
  readonly packager: CmafPackager;
  readonly presentation: DashPresentation;
  readonly stream: { isOver: boolean; version: number };
  /** Wall clock minus stream time. */
  offsetUs = WALL_US;
  nowUs = WALL_US;
  /** How much earlier than by the clock segments may be listed. */
  toleranceSeconds = 0.1;

  constructor(tracks: readonly Track[], options: { partMs?: number; dvrMs?: number } = {}) {
    const { partMs = 200, dvrMs = 0 } = options;
    this.packager = new CmafPackager({
      targetDurationUs: 2_000_000,
      partTargetUs: partMs * 1000,
      windowCount: 3,
      windowUs: dvrMs * 1000,
      cacheCount: 3,
      maxBytes: 24_000_000,
      wallAt: (us) => us + this.offsetUs,
      startWallUs: WALL_US,
    });
    const settings = { count: 3, durationMs: 2000, dvrMs, partMs };
    const stream = { packager: this.packager, settings, isOver: false, version: 0 };
    this.stream = stream;
    this.packager.onChange = () => {
      stream.version++;
    };
    this.packager.setTracks(tracks);
    this.presentation = new DashPresentation(stream as unknown as CmafStream, () => this.nowUs);
  }

  text(lowLatency = false): string {
    const made = this.presentation.shared(lowLatency, 'cam.cmaf/');
    assert.ok(made);
    return made.bytes.toString();
  }

  check(lowLatency = false): CheckedMpd {
    const text = this.text(lowLatency);
    const mpd = checkMpd(text, { lowLatency });
    assert.deepEqual(mpd.violations, [], text);
    assert.deepEqual(checkMpdAt(mpd, this.nowUs / 1000, this.toleranceSeconds), []);
    return mpd;
  }

  /** Writes frame by frame and holds the manifest after each against the one before. */
  run(frames: readonly Frame[], lowLatency = false): CheckedMpd | null {
    let last: CheckedMpd | null = null;
    for (const frame of frames) {
      this.nowUs = Math.max(this.nowUs, frame.dts + this.offsetUs);
      this.packager.write(frame);
      if (!this.presentation.isReady(lowLatency)) continue;
      const mpd = this.check(lowLatency);
      if (last !== null) assert.deepEqual(checkMpdUpdate(last, mpd), []);
      last = mpd;
    }
    return last;
  }
}

/** The same frames of further tracks. */
function withTracks(frames: readonly Frame[], from: number, tracks: readonly Track[]): Frame[] {
  return frames.flatMap((frame) =>
    frame.trackId !== from
      ? [frame]
      : [
          frame,
          ...tracks.map(
            (track) =>
              new Frame(
                track.id,
                frame.flags,
                frame.dts,
                frame.pts,
                frame.duration,
                frame.payload,
                track.config,
                frame.dts,
                Number.NaN,
              ),
          ),
        ],
  );
}

/** Later by `us`; the first frame does not go on from what was before. */
function later(frames: readonly Frame[], us: number): Frame[] {
  return frames.map(
    (one, index) =>
      new Frame(
        one.trackId,
        one.flags | (index === 0 ? FRAME_DISCONTINUITY : 0),
        one.dts + us,
        one.pts + us,
        one.duration,
        one.payload,
        one.config,
        one.dts + us,
        Number.NaN,
      ),
  );
}

for (const lowLatency of [false, true]) {
  test(`dash: a stream by the rules, low latency ${lowLatency}`, () => {
    const rig = new Rig([videoTrack, audioTrack]);
    const last = rig.run(clip({ seconds: 15 }), lowLatency);
    const [period] = last!.periods;
    assert.deepEqual(
      period!.representations.map(({ id, contentType }) => [id, contentType]),
      [
        ['v0', 'video'],
        ['a1', 'audio'],
      ],
    );
    const { segments, timescale, presentationTimeOffset } = period!.representations[0]!;
    const end = segments.at(-1)!;
    // The segment that is being made is listed for low latency only, with the length of those before.
    assert.equal((end.time - presentationTimeOffset + end.duration) / timescale, lowLatency ? 16 : 14);
    assert.equal(last!.timeShiftBufferDepth, 6);
  });
}

test('dash: the window follows the policy', () => {
  const rig = new Rig([videoTrack, audioTrack], { dvrMs: 30_000 });
  const last = rig.run(clip({ seconds: 40 }));
  const [one] = last!.periods[0]!.representations;
  assert.equal(last!.timeShiftBufferDepth, 30);
  assert.equal(one!.segments.length, 15);
});

test('dash: every sound is a choice, and pictures are qualities', () => {
  const german = makeTrack(2, aac44, 1, 'de');
  const small = makeTrack(3, h264, 1);
  const rig = new Rig([videoTrack, audioTrack, german, small]);
  const frames = withTracks(withTracks(clip({ seconds: 9 }), 1, [german]), 0, [small]);
  const last = rig.run(frames);
  const sets = last!.periods[0]!.representations.map(({ id, adaptationSet }) => [id, adaptationSet]);
  assert.deepEqual(sets, [
    ['v0', '0'],
    ['v3', '0'],
    ['a1', '1'],
    ['a2', '2'],
  ]);
  assert.match(rig.text(), /<AdaptationSet id="2"[^>]* lang="de">\s*<Role[^>]*value="alternate"/);
});

test('dash: sound alone, pictures alone', () => {
  for (const track of [videoTrack, audioTrack]) {
    const rig = new Rig([track]);
    const frames = clip({ seconds: 9 }).filter((frame) => frame.trackId === track.id);
    const last = rig.run(frames, true);
    assert.equal(last!.periods[0]!.representations.length, 1);
  }
});

test('dash: nothing is ready before every track has segments', () => {
  const rig = new Rig([videoTrack, audioTrack]);
  assert.equal(rig.presentation.isReady(false), false);
  assert.equal(rig.presentation.shared(false, ''), null);
});

test('dash: a republish is a new Period that fits the clock', () => {
  const rig = new Rig([videoTrack, audioTrack]);
  const before = rig.run(clip({ seconds: 7 }))!;
  rig.packager.end();
  const between = rig.check();
  assert.deepEqual(checkMpdUpdate(before, between), []);
  const after = rig.run(later(clip({ seconds: 5 }), 10_000_000))!;
  assert.deepEqual(checkMpdUpdate(between, after), []);
  const [first, second] = after.periods;
  assert.deepEqual([first!.id, first!.start, first!.duration], ['0', 0, 7]);
  assert.deepEqual([second!.id, second!.start], ['1', 10]);
  assert.equal(second!.representations.length, 2);
});

test('dash: a track that comes a little later keeps its list', () => {
  const rig = new Rig([videoTrack, audioTrack]);
  rig.run(clip({ seconds: 7 }));
  rig.packager.end();
  rig.packager.setTracks([videoTrack]);
  rig.packager.setTracks([videoTrack, audioTrack]);
  const last = rig.run(later(clip({ seconds: 5 }), 9_000_000))!;
  assert.deepEqual(
    last.periods.map(({ representations }) => representations.map(({ id }) => id)),
    [
      ['v0', 'a1'],
      ['v0', 'a1'],
    ],
  );
  const [video, audio] = rig.packager.live();
  assert.equal(video!.store.lastSequence, audio!.store.lastSequence);
  assert.equal(
    video!.store.all().at(-1)!.discontinuitySequence,
    audio!.store.all().at(-1)!.discontinuitySequence,
  );
});

test('dash: a clock that has run away is set right by a new Period', () => {
  const rig = new Rig([videoTrack, audioTrack]);
  const frames = clip({ seconds: 30 });
  rig.run(frames.filter(({ dts }) => dts < 8_000_000));
  rig.offsetUs -= 5_000_000;
  rig.toleranceSeconds = 5;
  const last = rig.run(frames.filter(({ dts }) => dts >= 8_000_000))!;
  // No more than one second at a time, and what is left is less than matters.
  assert.deepEqual(
    last.periods.map(({ id }) => id),
    ['3'],
  );
  assert.equal(last.periods[0]!.start, 9);
});

test('dash: a stream that comes late from now on is a new Period behind a hole', () => {
  const rig = new Rig([videoTrack, audioTrack]);
  const frames = clip({ seconds: 13 });
  const before = rig.run(frames.filter(({ dts }) => dts < 8_000_000))!;
  // So much is no delay of the network: the system's clock was set, and is believed at once.
  rig.offsetUs += 11_000_000;
  for (const frame of frames.filter(({ dts }) => dts >= 8_000_000)) rig.packager.write(frame);
  rig.nowUs = frames.at(-1)!.dts + rig.offsetUs;
  const after = rig.check();
  assert.deepEqual(checkMpdUpdate(before, after), []);
  assert.deepEqual(
    after.periods.map(({ id, start, duration }) => [id, start, duration]),
    [
      ['0', 0, 8],
      ['1', 19, Number.NaN],
    ],
  );
});

test('dash: the end', () => {
  const rig = new Rig([videoTrack, audioTrack]);
  const before = rig.run(clip({ seconds: 7 }))!;
  rig.packager.end();
  rig.stream.isOver = true;
  for (const lowLatency of [false, true]) {
    const text = rig.text(lowLatency);
    const mpd = checkMpd(text);
    assert.deepEqual(mpd.violations, [], text);
    assert.equal(mpd.isDynamic, false);
    assert.ok(Math.abs(mpd.duration - 7) < 0.1, String(mpd.duration));
    assert.deepEqual(checkMpdUpdate(before, mpd), []);
  }
});

test('dash: one text for one state of the stream', () => {
  const rig = new Rig([videoTrack, audioTrack]);
  rig.run(clip({ seconds: 5 }));
  const one = rig.presentation.shared(false, 'cam.cmaf/');
  assert.equal(rig.presentation.shared(false, 'cam.cmaf/'), one);
  // Parts change nothing in a list without them.
  rig.stream.version++;
  rig.nowUs += 1_000_000;
  assert.equal(rig.presentation.shared(false, 'cam.cmaf/'), one);
});

test('dash: a new Period is told of when all its tracks have begun', () => {
  const rig = new Rig([videoTrack, audioTrack]);
  rig.run(clip({ seconds: 10 }));
  const seen = new Set<string>();
  for (const frame of later(clip({ seconds: 10 }), 10_200_000)) {
    rig.nowUs = Math.max(rig.nowUs, frame.dts + rig.offsetUs);
    rig.packager.write(frame);
    const { periods } = rig.check();
    seen.add(periods.map(({ representations }) => representations.map(({ id }) => id).join('+')).join(' '));
  }
  assert.deepEqual([...seen].sort(), ['v0+a1', 'v0+a1 v0+a1']);
});

test('dash: a track that stays away does not keep a Period from being told of', () => {
  const rig = new Rig([videoTrack, audioTrack]);
  rig.run(clip({ seconds: 10 }));
  const pictures = later(clip({ seconds: 10 }), 10_200_000).filter(
    ({ trackId }) => trackId === videoTrack.id,
  );
  const last = rig.run(pictures);
  assert.deepEqual(last!.periods.map(({ representations }) => representations.map(({ id }) => id)).at(-1), [
    'v0',
  ]);
});
