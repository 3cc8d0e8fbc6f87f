import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeCodecConfig } from '../../../src/codec/codec-config.ts';
import { FRAME_CONFIG, FRAME_DISCONTINUITY, FRAME_KEY, type Frame } from '../../../src/media/frame.ts';
import type { FrameConsumer } from '../../../src/media/frame-consumer.ts';
import type { Publication } from '../../../src/media/publication.ts';
import type { StreamRules } from '../../../src/media/stream-hub.ts';
import { MAX_PUBLISHERS } from '../../../src/media/stream-hub.ts';
import { makeStreamKey } from '../../../src/media/stream-key.ts';
import { makeTrack, type Track } from '../../../src/media/track.ts';
import { MemorySink } from '../../support/memory-sink.ts';
import { AUDIO, addAudio, addVideo, TestHub, VIDEO } from '../../support/test-hub.ts';
import { toyFormat } from '../../support/toy-format.ts';

const KEY = makeStreamKey('live', 'cam');
const FRAME_MS = 40;

/** A camera on its own clock: a key frame every `gop` frames, and sound if it has any. */
class Camera {
  readonly publication: Publication;
  readonly clockMs: number;
  readonly mark: number;
  private readonly gop: number;
  private at = 0;

  constructor(
    publication: Publication,
    mark: number,
    { clockMs = mark * 1_000_000, gop = 25 }: { clockMs?: number; gop?: number } = {},
  ) {
    this.publication = publication;
    this.mark = mark;
    this.clockMs = clockMs;
    this.gop = gop;
  }

  frame(): void {
    const ms = this.clockMs + this.at * FRAME_MS;
    const flags = this.at % this.gop === 0 ? 1 : 0;
    this.publication.write(
      0,
      flags,
      ms,
      ms,
      0,
      Buffer.from([this.mark, this.at & 0xff, this.at >> 8]),
      VIDEO,
    );
    this.at++;
  }

  sound(): void {
    const ms = this.clockMs + this.at * FRAME_MS;
    this.publication.write(1, 0, ms, ms, 0, Buffer.from([this.mark, this.at++ & 0xff]), AUDIO);
  }
}

class Recorder implements FrameConsumer {
  readonly frames: Frame[] = [];
  readonly tracks: (readonly Track[])[] = [];
  pauses = 0;
  ended = '';

  onTracks(tracks: readonly Track[]): void {
    this.tracks.push(tracks);
  }
  onFrame(frame: Frame): void {
    this.frames.push(frame);
  }
  onPause(): void {
    this.pauses++;
  }
  onEnd(reason: string): void {
    this.ended = reason;
  }

  /** `1:0-24 2:25-30`: who sent which frames, in order. */
  get story(): string {
    const runs: { mark: number; from: number; to: number }[] = [];
    for (const { payload } of this.frames) {
      const mark = payload[0]!;
      const at = payload[1]! + (payload[2] ?? 0) * 256;
      const last = runs.at(-1);
      if (last?.mark === mark && last.to === at - 1) last.to = at;
      else runs.push({ mark, from: at, to: at });
    }
    return runs.map(({ mark, from, to }) => `${mark}:${from}-${to}`).join(' ');
  }

  /** Longest step between two frames of a track, milliseconds; fails when one goes back. */
  get longestStepMs(): number {
    const last = new Map<number, number>();
    let longest = 0;
    for (const { trackId, dts } of this.frames) {
      const step = dts - (last.get(trackId) ?? dts);
      assert.ok(step >= 0, `track ${trackId} goes back by ${-step} us`);
      longest = Math.max(longest, step);
      last.set(trackId, dts);
    }
    return longest / 1000;
  }

  get marked(): number {
    return this.frames.filter(({ flags }) => (flags & FRAME_DISCONTINUITY) !== 0).length;
  }
}

class World extends TestHub {
  readonly out = new Recorder();

  constructor(rules: Partial<StreamRules> = {}) {
    super({
      busy: 'standby',
      gop: { cache: true, frames: 1000, bytes: 1_000_000, us: 30_000_000 },
      ...rules,
    });
  }

  camera(
    mark: number,
    options: { clockMs?: number; gop?: number; rank?: number; video?: boolean } = {},
  ): Camera {
    const owner = { ...this.owner(`p${mark}`), ...(options.rank !== undefined && { rank: options.rank }) };
    const publication = this.hub.publish(KEY, owner);
    if (options.video !== false) addVideo(publication);
    return new Camera(publication, mark, options);
  }

  /** Lets the cameras send for `frames` frames. */
  run(frames: number, ...cameras: Camera[]): void {
    for (let i = 0; i < frames; i++) {
      for (const camera of cameras) camera.frame();
      this.advanceMs(FRAME_MS);
    }
  }

  states(): string {
    const stream = this.hub.find(KEY.text);
    return stream === undefined
      ? ''
      : this.hub
          .publishersOf(stream)
          .map(({ owner, state }) => `${owner.id}:${state}`)
          .join(' ');
  }
}

describe('line-up', () => {
  test('the second stands by: its frames are counted and not forwarded', () => {
    const w = new World();
    const one = w.camera(1);
    w.hub.consume(KEY, w.out, 0);
    const two = w.camera(2);
    w.run(30, one, two);
    assert.equal(w.states(), 'p1:active p2:standby');
    assert.equal(w.out.story, '1:0-29');
    assert.equal(two.publication.frames, 30);
    assert.equal(two.publication.bytes, 90);
    assert.deepEqual(w.hub.publishersOf(w.hub.find(KEY.text)!)[1]!.silentMs, 40);
  });

  test('lost by end: the next goes on at its next key frame, without a mark, a pause or a step back', () => {
    const w = new World();
    const one = w.camera(1);
    w.hub.consume(KEY, w.out, 0);
    const two = w.camera(2);
    w.run(30, one, two);
    one.publication.end('gone');
    assert.equal(w.states(), 'p2:standby');
    w.run(30, two);
    assert.equal(w.states(), 'p2:active');
    assert.equal(w.out.story, '1:0-29 2:50-59');
    assert.equal(w.out.longestStepMs, 21 * FRAME_MS);
    assert.equal(w.out.marked, 0);
    assert.equal(w.out.pauses, 0);
    assert.equal(w.out.tracks.length, 1, 'the tracks are the same, so nobody is told');
    assert.ok(w.out.frames.every(({ flags }) => (flags & FRAME_CONFIG) === 0));
  });

  test('lost by silence: the frames that were missed are there, and nothing twice', () => {
    const w = new World();
    const one = w.camera(1);
    w.hub.consume(KEY, w.out, 0);
    const two = w.camera(2, { gop: 10 });
    w.run(25, one, two);
    w.run(100, two);
    assert.equal(w.states(), 'p2:active p1:standby');
    assert.equal(w.out.story, '1:0-24 2:30-124');
    assert.equal(w.out.longestStepMs, 6 * FRAME_MS);
    assert.equal(w.out.marked, 0);
  });

  test('frames that were kept while standing by still tell when they were captured', () => {
    const w = new World();
    const one = w.camera(1);
    w.hub.consume(KEY, w.out, 0);
    const two = w.camera(2);
    w.run(5, one);
    const captureUs = 1_700_000_000_000_000;
    for (let i = 0; i < 2; i++) {
      const flags = i === 0 ? FRAME_KEY : 0;
      two.publication.write(0, flags, i, i, 0, Buffer.from([2, i]), VIDEO, captureUs + i);
    }
    one.publication.end('gone');
    assert.deepEqual(
      w.out.frames.map(({ captureTime }) => captureTime),
      [...Array(5).fill(Number.NaN), captureUs, captureUs + 1],
    );
  });

  test('a gap of more than a second is marked', () => {
    const w = new World();
    const one = w.camera(1);
    w.hub.consume(KEY, w.out, 0);
    const two = w.camera(2, { gop: 60 });
    w.run(10, one, two);
    one.publication.end('gone');
    w.run(60, two);
    assert.equal(w.out.story, '1:0-9 2:60-69');
    assert.equal(w.out.marked, 1);
  });

  test('another configuration: told once, with all tracks, and marked', async () => {
    const w = new World();
    const one = w.camera(1);
    addAudio(one.publication);
    w.run(1, one);
    w.hub.consume(KEY, w.out, 0);
    const sink = new MemorySink();
    w.hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
    const two = w.camera(2);
    const hevc = makeCodecConfig('h265', new Uint8Array([9]), 'hvc1.1.6.L93', { width: 1280, height: 720 });
    two.publication.setTrack(makeTrack(0, hevc));
    addAudio(two.publication);
    w.run(30, one, two);
    one.publication.end('gone');
    w.run(25, two);
    await w.settle();
    assert.deepEqual(
      w.out.tracks.at(-1)!.map(({ config }) => config.codec),
      ['h265', 'aac'],
    );
    assert.equal(w.out.tracks.length, 2);
    assert.equal(w.out.marked, 1);
    assert.equal(sink.endReason, null);
    assert.match(sink.text, /Ch265\+aac;K0:/);
  });

  test('the same AAC, told with and without a note about SBR, is the same', () => {
    for (const [record, isTold] of [
      ['119056e500', false],
      ['1190', false],
      ['119056e59d48', true],
      ['1210', true],
    ] as const) {
      const w = new World();
      const one = w.camera(1);
      const plain = makeCodecConfig('aac', Buffer.from('1190', 'hex'), 'mp4a.40.2', {
        sampleRate: 48_000,
        channels: 2,
      });
      const other = makeCodecConfig('aac', Buffer.from(record, 'hex'), 'mp4a.40.2', {
        sampleRate: 48_000,
        channels: 2,
      });
      one.publication.setTrack(makeTrack(1, plain));
      w.hub.consume(KEY, w.out, 0);
      const two = w.camera(2, { gop: 5 });
      two.publication.setTrack(makeTrack(1, other));
      w.run(10, one, two);
      one.publication.end('gone');
      w.run(6, two);
      assert.equal(w.out.tracks.length, isTold ? 2 : 1, record);
    }
  });

  test('a preferred publisher that was silent gets the stream back when it is steady, at its key frame', () => {
    const w = new World({ steadyMs: 2000 });
    const one = w.camera(1, { gop: 20 });
    w.hub.consume(KEY, w.out, 0);
    const two = w.camera(2, { gop: 5 });
    w.run(20, one, two);
    w.run(80, two);
    assert.equal(w.states(), 'p2:active p1:standby');
    const before = w.out.frames.length;
    // It fell once, so it must be steady for twice the time: 100 frames, and to the next key frame.
    w.run(100, one, two);
    assert.equal(w.states(), 'p2:active p1:standby');
    w.run(21, one, two);
    assert.equal(w.states(), 'p1:active p2:standby');
    assert.match(w.out.story, / 1:120-140$/);
    assert.ok(w.out.frames.length > before);
    assert.equal(w.out.marked, 0);
    assert.ok(w.out.longestStepMs <= 6 * FRAME_MS, String(w.out.longestStepMs));
  });

  test('without return it stays where it is', () => {
    const w = new World({ steadyMs: -1 });
    const one = w.camera(1);
    const two = w.camera(2, { gop: 5 });
    w.run(20, one, two);
    w.run(80, two);
    w.run(2000, one, two);
    assert.equal(w.states(), 'p2:active p1:standby');
  });

  test('one that flaps waits longer each time', () => {
    const w = new World({ steadyMs: 1000, failoverMs: 1000 });
    const one = w.camera(1, { gop: 5 });
    const two = w.camera(2, { gop: 5 });
    w.run(5, one, two);
    const waits: number[] = [];
    for (let round = 0; round < 4; round++) {
      w.run(30, two);
      assert.equal(w.states(), 'p2:active p1:standby');
      let frames = 0;
      while (w.states() !== 'p1:active p2:standby' && frames < 2000) {
        w.run(1, one, two);
        frames++;
      }
      waits.push(Math.round((frames * FRAME_MS) / 1000));
    }
    assert.deepEqual(waits, [2, 4, 8, 16]);
  });

  test('three: the order is that of the ranks, then of arrival; a silent one is passed over', () => {
    const w = new World();
    const one = w.camera(1, { rank: 0 });
    w.hub.consume(KEY, w.out, 0);
    const late = w.camera(4, { rank: 1 });
    const two = w.camera(2, { rank: 1, gop: 10 });
    const three = w.camera(3, { rank: 2, gop: 10 });
    assert.equal(w.states(), 'p1:active p4:standby p2:standby p3:standby');
    w.run(10, one, late, two, three);
    w.run(100, two, three);
    assert.equal(w.states().split(' ')[0], 'p2:active', 'p4 is silent');
    two.publication.end('gone');
    w.run(20, three);
    assert.equal(w.states(), 'p3:active p1:standby p4:standby');
    three.publication.end('gone');
    one.publication.end('gone');
    late.publication.end('gone');
    assert.equal(w.hub.find(KEY.text)?.state, 'lingering');
    assert.equal(w.out.pauses, 1);
    w.advanceMs(11_000);
    assert.match(w.out.ended, /did not come back/);
    assert.equal(w.tick.pending, 0);
  });

  test('better rank: comes later and takes the stream when it is steady', () => {
    const w = new World({ steadyMs: 1000 });
    const one = w.camera(1, { rank: 5 });
    w.hub.consume(KEY, w.out, 0);
    w.run(10, one);
    const two = w.camera(2, { rank: 1, gop: 10 });
    w.run(20, one, two);
    assert.equal(w.states(), 'p1:active p2:standby');
    w.run(20, one, two);
    assert.equal(w.states(), 'p2:active p1:standby');
    assert.equal(w.out.longestStepMs, FRAME_MS);
    assert.equal(
      w.out.story,
      '1:0-39 2:30-39'.replace('1:0-39', `1:0-${w.out.frames.filter((f) => f.payload[0] === 1).length - 1}`),
    );
  });

  test('audio only: goes on with the very next frame', () => {
    const w = new World();
    const [one, two] = [w.camera(1, { video: false }), w.camera(2, { video: false })];
    addAudio(one.publication);
    addAudio(two.publication);
    w.hub.consume(KEY, w.out, 0);
    const run = (frames: number, ...cameras: Camera[]) => {
      for (let i = 0; i < frames; i++) {
        for (const camera of cameras) camera.sound();
        w.advanceMs(FRAME_MS);
      }
    };
    run(50, one, two);
    one.publication.end('gone');
    run(50, two);
    assert.equal(w.out.story, '1:0-49 2:50-99');
    assert.equal(w.out.marked, 0);
  });

  test('no key frame comes: after a while what is kept must do', () => {
    const w = new World();
    const one = w.camera(1);
    w.hub.consume(KEY, w.out, 0);
    const two = w.camera(2, { gop: 100_000 });
    w.run(20, one, two);
    one.publication.end('gone');
    w.run(120, two);
    assert.equal(w.states(), 'p2:standby');
    w.run(10, two);
    assert.equal(w.states(), 'p2:active');
    assert.equal(w.out.story, '1:0-19 2:0-149');
    assert.ok(w.out.longestStepMs <= FRAME_MS, String(w.out.longestStepMs));
  });

  test('chosen by hand: at its next key frame, kept against preference, given back on request', () => {
    const w = new World({ steadyMs: 1000 });
    const one = w.camera(1, { gop: 10 });
    const two = w.camera(2, { gop: 10 });
    w.run(5, one, two);
    const stream = w.hub.find(KEY.text)!;
    assert.equal(w.hub.choosePublisher(stream, 'nobody'), false);
    assert.equal(w.hub.choosePublisher(stream, 'p2'), true);
    assert.equal(w.states(), 'p1:active p2:standby');
    w.run(6, one, two);
    assert.equal(w.states(), 'p2:active p1:standby');
    w.run(200, one, two);
    assert.equal(w.states(), 'p2:active p1:standby');
    w.hub.choosePublisher(stream, '');
    w.run(100, one, two);
    assert.equal(w.states(), 'p1:active p2:standby');
  });

  test('what fills in gives way at the first key frame, is ended, and comes last', () => {
    const w = new World({ busy: 'refuse' });
    const revoked: string[] = [];
    const slate = w.hub.publish(KEY, {
      ...w.owner('slate'),
      yields: true,
      revoke: (reason) => revoked.push(reason),
    });
    addVideo(slate);
    const filler = new Camera(slate, 9);
    w.hub.consume(KEY, w.out, 0);
    w.run(10, filler);
    const one = w.camera(1, { gop: 10 });
    assert.throws(() => w.camera(2), /already being published by 127.0.0.1:1 \(test, session p1\)/);
    w.run(1, filler, one);
    assert.equal(w.states(), 'p1:active');
    assert.equal(slate.ended, true);
    assert.equal(revoked.length, 1);
    w.run(10, one);
    assert.equal(w.out.longestStepMs, FRAME_MS);
    one.publication.end('gone');
    assert.equal(w.hub.find(KEY.text)?.state, 'lingering');
  });

  test('listeners hear of each change, and a take-over by policy ends all', () => {
    const w = new World();
    const heard: string[] = [];
    w.hub.addListener({
      onPublish: (_stream, owner) => heard.push(`+${owner.id}`),
      onUnpublish: (_stream, owner) => heard.push(`-${owner.id}`),
      onClosed: () => heard.push('closed'),
    });
    const one = w.camera(1);
    const two = w.camera(2, { gop: 5 });
    w.run(5, one, two);
    one.publication.end('gone');
    w.run(10, two);
    w.camera(3);
    assert.deepEqual(heard, ['+p1', '-p1', '+p2']);
    w.rules = { ...w.rules, busy: 'takeover' };
    w.camera(4);
    assert.deepEqual(heard, ['+p1', '-p1', '+p2', '-p2', '+p4']);
    assert.deepEqual(
      w.revoked.map((text) => text.slice(0, 2)),
      ['p3', 'p2'],
    );
    w.hub.close('over');
    assert.deepEqual(heard.slice(5), ['-p4', 'closed']);
  });

  test('a name has a limited number of publishers', () => {
    const w = new World();
    for (let i = 0; i < MAX_PUBLISHERS; i++) w.camera(i);
    assert.throws(() => w.camera(99), { reason: 'limit' });
  });
});
