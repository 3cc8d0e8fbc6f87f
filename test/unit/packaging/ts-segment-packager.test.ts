import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_DISCONTINUITY, Frame } from '../../../src/media/frame.ts';
import { makeTrack, type Track } from '../../../src/media/track.ts';
import type { Segment } from '../../../src/packaging/segment.ts';
import { TsSegmentPackager } from '../../../src/packaging/ts-segment-packager.ts';
import { serializeMediaPlaylist } from '../../../src/wire/hls/media-playlist.ts';
import { type CheckedPlaylist, checkPlaylist, checkPlaylistUpdate } from '../../conformance/m3u8-checker.ts';
import { TsChecker } from '../../conformance/ts-checker.ts';
import * as media from '../wire/mpegts/synthetic.ts';

const { audioTrack, clip, picture, sound, videoTrack } = media;
const WALL_US = 1_700_000_000_000_000;
const BOTH = [videoTrack, audioTrack];

/** A packager under test: every segment goes through the checker, every playlist too. */
class Bench {
  readonly packager: TsSegmentPackager;
  readonly segments: Segment[] = [];
  readonly checker = new TsChecker();
  private last: CheckedPlaylist | null = null;
  wallUs = WALL_US;

  constructor(tracks: readonly Track[], options: { maxSegmentBytes?: number; windowCount?: number } = {}) {
    this.packager = new TsSegmentPackager({
      targetDurationUs: 2_000_000,
      windowCount: options.windowCount ?? 3,
      windowUs: 0,
      cacheCount: 3,
      maxBytes: 24_000_000,
      maxSegmentBytes: options.maxSegmentBytes ?? 4_000_000,
      wallClock: () => this.wallUs,
    });
    this.packager.onChange = () => this.take(this.packager.store.all().at(-1)!); // it was just added
    this.packager.setTracks(tracks);
  }

  private take(segment: Segment): void {
    this.segments.push(segment);
    const bytes = Buffer.concat(segment.parts.map((part) => part.bytes));
    this.checker.segment(bytes, `${segment.sequence}.ts`, segment.independent);
    this.playlist();
  }

  playlist(): CheckedPlaylist {
    const { store } = this.packager;
    const window = store.window();
    const first = window[0];
    const text = serializeMediaPlaylist({
      targetDurationSeconds: store.targetDurationSeconds,
      mediaSequence: first?.sequence ?? 0,
      discontinuitySequence:
        first === undefined ? 0 : first.discontinuitySequence - (first.discontinuity ? 1 : 0),
      entries: window.map(({ sequence, durationUs, discontinuity, wallClockUs }) => ({
        uri: `${sequence}.ts`,
        durationUs,
        discontinuity,
        wallClockUs,
      })),
      ended: store.isEnded,
    });
    const checked = checkPlaylist(text);
    assert.deepEqual(checked.violations, []);
    if (this.last !== null) assert.deepEqual(checkPlaylistUpdate(this.last, checked), []);
    this.last = checked;
    return checked;
  }

  /** Frames come as fast as they play. */
  live(frames: readonly Frame[]): void {
    for (const frame of frames) {
      this.wallUs = WALL_US + frame.dts;
      this.packager.write(frame);
    }
  }

  done(): Segment[] {
    assert.deepEqual(this.checker.finish(), []);
    return this.segments;
  }
}

const ms = (segments: readonly Segment[]) => segments.map((segment) => Math.round(segment.durationUs / 1000));

test('packager: a live stream with B-frames becomes segments that begin with key frames', () => {
  const bench = new Bench(BOTH);
  const frames = clip({ seconds: 21 });
  bench.live(frames);
  bench.packager.close();
  const segments = bench.done();
  assert.deepEqual(ms(segments), [...new Array<number>(10).fill(2000), 1000 + 40]);
  assert.ok(segments.every((segment) => segment.independent && !segment.discontinuity));
  assert.deepEqual(
    segments.map((segment) => segment.sequence - segments[0]!.sequence),
    segments.map((_, index) => index),
  );
  assert.equal(segments[0]!.sequence, 1_700_000_000);
  assert.equal(bench.checker.streams.get(0x100)!.accessUnits, 525);
  assert.equal(bench.checker.streams.get(0x101)!.accessUnits, frames.length - 525);
  assert.equal(bench.playlist().ended, true);
  assert.equal(segments[3]!.startPts, 6_040_000);
  const bytes = segments[0]!.parts.reduce((sum, part) => sum + part.bytes.length, 0);
  assert.equal(segments[0]!.sizeBytes, bytes);
});

test('packager: audio alone, video alone, H.265', () => {
  const h265Track = makeTrack(0, media.h265);
  const cases: [string, Track[], Frame[], number[]][] = [
    ['audio', [audioTrack], clip({ seconds: 5, video: null }), [2005, 2005, 1003]],
    ['video', [videoTrack], clip({ seconds: 5, audio: null }), [2000, 2000, 1000]],
    ['h265', [h265Track, audioTrack], clip({ seconds: 4, video: h265Track }), [2000, 2000]],
  ];
  for (const [name, tracks, frames, durations] of cases) {
    const bench = new Bench(tracks);
    bench.live(frames);
    bench.packager.end();
    assert.deepEqual(ms(bench.done()), durations, name);
    assert.equal(bench.packager.store.isEnded, false);
  }
});

test('packager: no key frame for three targets', () => {
  const bench = new Bench(BOTH);
  bench.live(clip({ seconds: 9, gop: 1000 }));
  bench.packager.end();
  const segments = bench.done();
  assert.deepEqual(
    segments.map((segment) => segment.independent),
    [true, false],
  );
  assert.deepEqual(ms(segments), [6000, 3040]);
});

test('packager: a segment is cut before it grows too large', () => {
  const bench = new Bench(BOTH, { maxSegmentBytes: 20_000 });
  bench.live(clip({ seconds: 4 }));
  bench.packager.end();
  const segments = bench.done();
  assert.ok(segments.length > 4);
  assert.ok(segments.every((segment) => segment.sizeBytes < 24_000));
});

test('packager: a publisher that comes back goes on in the same list', () => {
  const bench = new Bench(BOTH);
  bench.live(clip({ seconds: 5 }));
  bench.packager.end();
  const before = bench.playlist();
  bench.packager.setTracks([]);
  bench.packager.setTracks(BOTH);
  const again = clip({ seconds: 5, startUs: 9_000_000 });
  const jumped = again.map((frame, index) => (index > 0 ? frame : withFlags(frame, FRAME_DISCONTINUITY)));
  bench.live(jumped);
  bench.packager.close();
  const segments = bench.done();
  assert.deepEqual(
    segments.map((segment) => segment.discontinuity),
    [false, false, false, true, false, false],
  );
  assert.deepEqual(
    segments.map((segment) => segment.discontinuitySequence),
    [0, 0, 0, 1, 1, 1],
  );
  assert.equal(before.segments.at(-1)!.sequence + 1, segments[3]!.sequence);
  assert.equal(bench.checker.discontinuities.length, 1);
});

function withFlags(frame: Frame, flags: number): Frame {
  const { trackId, dts, pts, duration, payload, config, arrival } = frame;
  return new Frame(trackId, frame.flags | flags, dts, pts, duration, payload, config, arrival, Number.NaN);
}

test('packager: a jump in mid-stream makes one discontinuity and loses no frame', () => {
  const bench = new Bench(BOTH);
  bench.live(clip({ seconds: 3 }));
  const rest = clip({ seconds: 3, startUs: 30_000_000 });
  bench.live([withFlags(rest[0]!, FRAME_DISCONTINUITY), ...rest.slice(1)]);
  bench.packager.end();
  const segments = bench.done();
  assert.deepEqual(
    segments.map((segment) => segment.discontinuity),
    [false, false, true, false],
  );
  assert.deepEqual(ms(segments), [2000, 1040, 2000, 1040]);
  assert.equal(bench.checker.streams.get(0x100)!.accessUnits, 150);
});

test('packager: another video config begins a new segment at its key frame', () => {
  const other = makeTrack(videoTrack.id, media.h264Other);
  const bench = new Bench(BOTH);
  bench.live(clip({ seconds: 3 }));
  bench.packager.setTracks([other, audioTrack]);
  bench.live(clip({ seconds: 3, startUs: 3_000_000, video: other }));
  bench.packager.end();
  const segments = bench.done();
  assert.deepEqual(
    segments.map((segment) => segment.discontinuity),
    [false, false, true, false],
  );
});

test('packager: audio that joins later does not make the video wait', () => {
  const bench = new Bench([videoTrack]);
  bench.live(clip({ seconds: 1, audio: null }));
  bench.packager.setTracks(BOTH);
  bench.live(clip({ seconds: 1, startUs: 1_000_000 }).filter((frame) => (frame.flags & 1) === 0));
  bench.packager.end();
  const segments = bench.done();
  assert.deepEqual(
    segments.map((segment) => [segment.discontinuity, segment.independent]),
    [
      [false, true],
      [true, false],
    ],
  );
  assert.equal(bench.checker.streams.get(0x100)!.accessUnits, 25 + 25 - 1);
  assert.ok(bench.checker.streams.get(0x101)!.accessUnits > 40);
});

test('packager: announcing the same tracks again changes nothing', () => {
  const bench = new Bench(BOTH);
  const frames = clip({ seconds: 4 });
  for (const frame of frames) {
    bench.packager.setTracks([...BOTH]);
    bench.live([frame]);
  }
  bench.packager.end();
  assert.deepEqual(ms(bench.done()), [2000, 2000]);
});

test('packager: what is left out is told; the first track that fits is taken', () => {
  const av1 = makeTrack(0, media.plain('av1'));
  const second = makeTrack(2, media.aac, 1);
  const flac = makeTrack(3, media.plain('flac'), 0);
  const bench = new Bench([av1, flac, second, makeTrack(4, media.opus, 2)]);
  assert.deepEqual(
    bench.packager.leftOut.map(({ track, reason }) => [track.id, reason]),
    [
      [0, 'MPEG-TS has no place for AV1'],
      [3, 'MPEG-TS has no place for FLAC'],
      [4, 'HLS with MPEG-TS segments carries one audio track'],
    ],
  );
  bench.live(clip({ seconds: 3, video: null, audio: second }));
  bench.live([picture(av1, 3_000_000, true), sound(flac, 3_000_000)]);
  bench.packager.end();
  assert.deepEqual(ms(bench.done()), [2005, 1003]);
});

test('packager: nothing that fits, nothing sent, nothing kept', () => {
  const bench = new Bench([makeTrack(0, media.plain('vp9'))]);
  bench.live([picture(makeTrack(0, media.plain('vp9')), 0, true)]);
  bench.packager.close();
  assert.deepEqual(bench.done(), []);
  assert.equal(bench.packager.store.isEnded, true);
});

test('packager: dates follow the wall clock, also when a cached GOP comes at once', () => {
  const bench = new Bench(BOTH);
  const frames = clip({ seconds: 9 });
  const burst = frames.filter((frame) => frame.dts < 1_900_000);
  bench.wallUs = WALL_US + 1_900_000;
  for (const frame of burst) bench.packager.write(frame);
  bench.live(frames.filter((frame) => frame.dts >= 1_900_000));
  bench.packager.end();
  const segments = bench.done();
  assert.equal(segments.length, 5);
  for (const segment of segments) {
    const off = segment.wallClockUs - (WALL_US + segment.startPts);
    assert.ok(Math.abs(off) <= 100_000, `off by ${off} us`);
  }
});

test('packager: dates follow a publisher that is slower than the wall clock, within a second', () => {
  const bench = new Bench([videoTrack]);
  for (const frame of clip({ seconds: 120, audio: null })) {
    bench.wallUs = WALL_US + frame.dts * 1.02;
    bench.packager.write(frame);
  }
  bench.packager.end();
  const segments = bench.done();
  assert.ok(segments.length >= 2, `${segments.length} segments`);
  for (const segment of segments) {
    const off = segment.wallClockUs - (WALL_US + segment.startPts * 1.02);
    assert.ok(Math.abs(off) <= 1_100_000, `off by ${off} us`);
  }
});

test('packager: the capture time of the source is taken when it tells one', () => {
  const bench = new Bench([videoTrack]);
  const first = clip({ seconds: 1, audio: null })[0]!;
  const { flags, dts, pts, payload, config } = first;
  bench.packager.write(new Frame(0, flags, dts, pts, 0, payload, config, 0, 1_600_000_000_000_000));
  bench.packager.end();
  assert.equal(bench.done()[0]!.wallClockUs, 1_600_000_000_000_000);
});

test('packager: ending twice and ending an empty one do nothing', () => {
  const bench = new Bench(BOTH);
  bench.packager.end();
  bench.packager.end();
  bench.packager.close();
  bench.packager.close();
  assert.deepEqual(bench.done(), []);
});
