/** A converted stream whose child process is the test: what it begins with, and what becomes of one that cannot start. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCodecConfig } from '../../../../src/codec/codec-config.ts';
import { FRAME_KEY } from '../../../../src/media/frame.ts';
import type { FrameConsumer } from '../../../../src/media/frame-consumer.ts';
import type { Publication } from '../../../../src/media/publication.ts';
import { makeStreamKey } from '../../../../src/media/stream-key.ts';
import { makeTrack } from '../../../../src/media/track.ts';
import { type ConversionTools, ConvertedStream } from '../../../../src/service/transcode/converted-stream.ts';
import { LogHub } from '../../../../src/util/log.ts';
import { addVideo, TestHub, writeVideo } from '../../../support/test-hub.ts';

const SOURCE = makeStreamKey('live', 'cam');
const KEY = makeStreamKey('live', 'cam~vp8');
const FOUND = { program: '/bin/ffmpeg', encoder: 'libvpx', reason: '' };

class Viewer implements FrameConsumer {
  ended = '';
  onTracks(): void {}
  onFrame(): void {}
  onPause(): void {}
  onEnd(reason: string): void {
    this.ended = reason;
  }
}

/** A child that takes everything and gives nothing. */
class SilentChild {
  readonly pid = 7;
  readonly waitingBytes = 0;
  /** Pictures that it got. */
  pictures = 0;
  isStopped = false;

  write(_head: Uint8Array, body: Uint8Array | null): void {
    if (body !== null) this.pictures++;
  }

  stop(): void {
    this.isStopped = true;
  }
}

class Rig {
  readonly world: TestHub;
  readonly publication: Publication;
  readonly viewer = new Viewer();
  spawned = 0;

  constructor(hasCache: boolean, parts: Pick<ConversionTools, 'findEncoder' | 'spawn'>) {
    this.world = new TestHub({ gop: { cache: hasCache, frames: 1000, bytes: 100_000, us: 60_000_000 } });
    const { hub, clock, tick, faults } = this.world;
    const tools: ConversionTools = {
      hub,
      log: new LogHub('error', () => undefined).logger(),
      nowUs: () => clock.nowUs(),
      wallMs: () => clock.wallUs() / 1000,
      after: (delayMs, run) => tick.after(delayMs, run),
      every: (periodMs, run) => tick.every(periodMs, run),
      settings: () => ({ bitrate: 0, preset: 'superfast' }),
      onStart: () => '',
      onStop: () => undefined,
      onFault: (error) => faults.push(error),
      findEncoder: parts.findEncoder,
      spawn: (...given) => {
        this.spawned++;
        return parts.spawn(...given);
      },
    };
    this.publication = hub.publish(SOURCE, this.world.owner('camera'));
    addVideo(this.publication);
    hub.registerOnDemand(KEY, new ConvertedStream(tools, SOURCE, KEY, 'vp8'));
  }

  play(): () => void {
    return this.world.hub.consume(KEY, this.viewer, 0).detach;
  }
}

test('without all pictures since a key frame it waits for the next one', async () => {
  const child = new SilentChild();
  let found: (encoder: typeof FOUND) => void = () => undefined;
  const promise = new Promise<typeof FOUND>((resolve) => {
    found = resolve;
  });
  const rig = new Rig(false, { findEncoder: () => promise, spawn: () => child });
  rig.play();
  // More than it keeps until the program is found.
  for (let i = 0; i < 700; i++) writeVideo(rig.publication, i * 40, i === 0);
  found(FOUND);
  await rig.world.settle();
  assert.equal(rig.spawned, 0);
  writeVideo(rig.publication, 700 * 40, true);
  writeVideo(rig.publication, 701 * 40);
  await rig.world.settle();
  assert.equal(rig.spawned, 1);
  assert.equal(child.pictures, 2);
  rig.publication.end('the test is over');
  rig.world.hub.giveUp(SOURCE, 'the test is over');
  assert.equal(child.isStopped, true);
  assert.deepEqual(rig.world.faults, []);
});

test('a child that the system cannot start is tried again five times, then players are told', async () => {
  const rig = new Rig(true, {
    findEncoder: () => Promise.resolve(FOUND),
    spawn: () => {
      throw new Error('spawn ENOMEM');
    },
  });
  writeVideo(rig.publication, 0, true);
  rig.play();
  for (const [waitMs, tries] of [
    [0, 1],
    [250, 2],
    [500, 3],
    [1000, 4],
    [2000, 5],
  ] as const) {
    // A tick may be rounded up to the next slot of the wheel.
    if (waitMs > 0) rig.world.advanceMs(waitMs + 100);
    await rig.world.settle();
    assert.equal(rig.spawned, tries);
  }
  rig.world.advanceMs(100);
  assert.match(
    rig.viewer.ended,
    /ffmpeg failed 5 times, at last with: it could not be started \(spawn ENOMEM\)/,
  );
  assert.deepEqual(rig.world.faults, []);
});

test('after a fault of ours the next key frame begins again', async () => {
  const child = new SilentChild();
  let asked = 0;
  const rig = new Rig(false, {
    findEncoder: () => (asked++ === 0 ? Promise.reject(new Error('a fault')) : Promise.resolve(FOUND)),
    spawn: () => child,
  });
  rig.play();
  writeVideo(rig.publication, 0, true);
  await rig.world.settle();
  assert.equal(rig.spawned, 0);
  assert.match(String(rig.world.faults), /a fault/);
  writeVideo(rig.publication, 40, true);
  await rig.world.settle();
  assert.equal(rig.spawned, 1);
});

test('pictures that no program could be given are refused in words, without a try', async () => {
  const rig = new Rig(true, { findEncoder: () => Promise.resolve(FOUND), spawn: () => new SilentChild() });
  const config = makeCodecConfig('unknown-video', new Uint8Array(0), '');
  rig.publication.setTrack(makeTrack(0, config));
  rig.publication.write(0, FRAME_KEY, 0, 0, 0, Buffer.alloc(10), config);
  rig.play();
  await rig.world.settle();
  rig.world.advanceMs(100);
  assert.equal(rig.spawned, 0);
  assert.equal(rig.viewer.ended, 'live/cam~vp8 cannot be made: unknown video cannot be converted.');
});
