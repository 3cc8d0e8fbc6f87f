/** Frames at the speed of their times, on a clock that a test moves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Frame } from '../../../src/media/frame.ts';
import { makeTrack } from '../../../src/media/track.ts';
import type { FrameSupply } from '../../../src/media-file/frame-supply.ts';
import { PacedPlayback, type PlaybackOptions } from '../../../src/media-file/paced-playback.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { VIDEO } from '../../support/test-hub.ts';

const STEP_US = 40_000;

/** Frames 40 ms apart in parts of ten. */
function supplyOf(frames: number, firstUs = 5_000_000): FrameSupply & { closed: boolean } {
  let next = 0;
  return {
    closed: false,
    async read() {
      if (next >= frames || this.closed) return null;
      const from = next;
      next = Math.min(frames, next + 10);
      const list = Array.from({ length: next - from }, (_, i) => {
        const dts = firstUs + (from + i) * STEP_US;
        return new Frame(0, 0, dts, dts, 0, Buffer.of(1), VIDEO, 0, Number.NaN);
      });
      return { tracks: from === 0 ? [makeTrack(0, VIDEO)] : null, frames: list };
    },
    close() {
      this.closed = true;
    },
  };
}

class Player {
  readonly clock = new FakeClock();
  /** Clock, milliseconds since the start, and number of the frame. */
  readonly written: { atMs: number; frame: number }[] = [];
  tracks = 0;
  takes = true;
  readonly playback: PacedPlayback;
  readonly done: Promise<void>;
  private readonly startUs = this.clock.us;
  private wake: (() => void) | null = null;
  isOver = false;

  constructor(supply: FrameSupply, options: Partial<PlaybackOptions> = {}) {
    this.playback = new PacedPlayback({
      supply,
      output: {
        setTracks: () => {
          this.tracks++;
        },
        write: (frame) =>
          this.written.push({
            atMs: (this.clock.us - this.startUs) / 1000,
            frame: (frame.dts - 5_000_000) / STEP_US,
          }),
        writable: () => this.takes,
      },
      nowUs: () => this.clock.nowUs(),
      leadUs: 0,
      wait: () =>
        new Promise((resolve) => {
          this.wake = resolve;
        }),
      ...options,
    });
    this.done = this.playback.run().then(() => {
      this.isOver = true;
    });
  }

  /** Moves the clock in steps of 20 ms, as the timers would. */
  async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 20) {
      await this.settle();
      this.clock.advanceMs(20);
      this.wake?.();
      this.wake = null;
    }
    await this.settle();
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }
}

test('playback: every frame at its time, within one step of the timer', async () => {
  const player = new Player(supplyOf(50));
  await player.pass(2200);
  assert.equal(player.written.length, 50);
  for (const { atMs, frame } of player.written)
    assert.ok(atMs >= frame * 40 && atMs <= frame * 40 + 20, `frame ${frame} at ${atMs} ms`);
  assert.equal(player.tracks, 1);
  assert.ok(player.isOver);
  assert.equal(player.playback.positionUs, 49 * STEP_US);
});

const PACES: readonly (readonly [string, Partial<PlaybackOptions>, number, number])[] = [
  ['a lead', { leadUs: 200_000 }, 0, 6],
  ['a burst at the start', { burstUs: 1_000_000 }, 0, 26],
  ['twice the speed', { speed: 2 }, 1000, 51],
  ['half the speed', { speed: 0.5 }, 1000, 13],
  ['a burst at twice the speed', { speed: 2, burstUs: 1_000_000 }, 0, 26],
];

for (const [name, options, ms, frames] of PACES) {
  test(`playback: ${name}`, async () => {
    const player = new Player(supplyOf(200), options);
    await player.pass(ms);
    assert.equal(player.written.length, frames);
    player.playback.close();
  });
}

test('playback: an output that takes nothing is waited for; what was missed is not hurried through', async () => {
  const player = new Player(supplyOf(400));
  await player.pass(1000);
  player.takes = false;
  const before = player.written.length;
  await player.pass(5000);
  assert.equal(player.written.length, before);
  player.takes = true;
  await player.pass(400);
  const after = player.written.length - before;
  assert.ok(after >= 10 && after <= 12, `${after} frames in 400 ms`);
  player.playback.close();
});

test('playback: a little late is made up for', async () => {
  const player = new Player(supplyOf(400));
  await player.pass(1000);
  player.takes = false;
  await player.pass(1000);
  player.takes = true;
  await player.pass(40);
  assert.ok(player.written.length >= 51, String(player.written.length));
  player.playback.close();
});

test('playback: closing stops it and the supply', async () => {
  const supply = supplyOf(400);
  const player = new Player(supply);
  await player.pass(200);
  player.playback.close();
  await player.pass(200);
  assert.ok(player.isOver && supply.closed);
  assert.ok(player.written.length < 10);
});

test('playback: what the supply rejects with comes out of run', async () => {
  const broken: FrameSupply = { read: () => Promise.reject(new Error('gone')), close: () => undefined };
  const playback = new PacedPlayback({
    supply: broken,
    output: { setTracks: () => undefined, write: () => undefined, writable: () => true },
    nowUs: () => 0,
    leadUs: 0,
    wait: () => Promise.resolve(),
  });
  await assert.rejects(playback.run(), /gone/);
});
