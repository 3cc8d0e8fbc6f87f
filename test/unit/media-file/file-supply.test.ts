/** Files one after the other: times that go on, tracks that keep their numbers, items that are passed over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCodecConfig } from '../../../src/codec/codec-config.ts';
import { FRAME_CONFIG, FRAME_KEY, Frame } from '../../../src/media/frame.ts';
import { makeTrack, type Track } from '../../../src/media/track.ts';
import { FileSupply, type SupplyFile, type SupplyItem } from '../../../src/media-file/file-supply.ts';
import type { SupplyPart } from '../../../src/media-file/frame-supply.ts';
import { AUDIO, VIDEO } from '../../support/test-hub.ts';

const OTHER_VIDEO = makeCodecConfig('h265', new Uint8Array([9, 9]), 'hvc1.1', { width: 320, height: 180 });

interface FakeOptions {
  readonly tracks?: readonly Track[];
  /** Frames of every track, 40 ms apart. */
  readonly frames?: number;
  /** Decode time of the first. */
  readonly startUs?: number;
  /** Reading fails behind so many batches. */
  readonly breaksAfter?: number;
  /** Config of the first track from this frame on. */
  readonly changesAt?: number;
}

/** A file of batches of three frames. */
function file(options: FakeOptions, log: string[] = []): SupplyFile {
  const { frames = 5, startUs = 0, breaksAfter = Number.POSITIVE_INFINITY, changesAt = -1 } = options;
  const tracks = options.tracks ?? [makeTrack(4, VIDEO), makeTrack(9, AUDIO)];
  const all: Frame[] = [];
  for (let i = 0; i < frames; i++) {
    for (const [place, track] of tracks.entries()) {
      const dts = startUs + i * 40_000;
      const config = place === 0 && changesAt >= 0 && i >= changesAt ? OTHER_VIDEO : track.config;
      all.push(
        new Frame(
          track.id,
          i === 0 ? FRAME_KEY : 0,
          dts,
          dts + 80_000,
          40_000,
          Buffer.of(i),
          config,
          0,
          Number.NaN,
        ),
      );
    }
  }
  let batches = 0;
  return {
    tracks,
    open: () => ({
      read: async () => {
        if (batches++ >= breaksAfter) throw new Error('broke off');
        return all.splice(0, 3);
      },
      close: () => log.push('reader closed'),
    }),
    close: async () => {
      log.push('file closed');
    },
  };
}

const item = (name: string, options: FakeOptions, log: string[] = []): SupplyItem => ({
  name,
  open: async () => file(options, log),
});

interface Played {
  readonly supply: FileSupply;
  readonly skipped: string[];
  readonly pauses: () => number;
}

function supplyOf(rounds: readonly (readonly SupplyItem[])[], loop: boolean): Played {
  const skipped: string[] = [];
  let round = 0;
  let pauses = 0;
  const supply = new FileSupply({
    name: 'the list',
    list: async () => {
      const items = rounds[Math.min(round++, rounds.length - 1)]!;
      if (items.length === 0) throw new Error('no list');
      return items;
    },
    loop,
    onSkipped: (name, error) => skipped.push(`${name}: ${(error as Error).message}`),
    pause: async () => {
      pauses++;
    },
  });
  return { supply, skipped, pauses: () => pauses };
}

async function readAll(supply: FileSupply, most = 1000): Promise<SupplyPart[]> {
  const parts: SupplyPart[] = [];
  for (let i = 0; i < most; i++) {
    const part = await supply.read();
    if (part === null) break;
    parts.push(part);
  }
  return parts;
}

const timesOf = (parts: readonly SupplyPart[], trackId: number) =>
  parts.flatMap(({ frames }) => frames.filter((frame) => frame.trackId === trackId).map(({ dts }) => dts));

test('file supply: times go on from file to file, wherever a file begins', async () => {
  const log: string[] = [];
  const { supply, skipped } = supplyOf(
    [[item('a', { startUs: -80_000 }, log), item('b', { startUs: 7_000_000 }, log)]],
    false,
  );
  const parts = await readAll(supply);
  const expected = Array.from({ length: 10 }, (_, i) => i * 40_000);
  assert.deepEqual(timesOf(parts, 0), expected, 'pictures are track 0');
  assert.deepEqual(timesOf(parts, 1), expected, 'sound is track 1');
  for (const { frames } of parts) for (const frame of frames) assert.equal(frame.pts - frame.dts, 80_000);
  assert.deepEqual(
    parts.map(({ tracks }) => tracks?.length ?? 0),
    [2, 0, 0, 0, 0, 0, 0, 0],
    'told once',
  );
  assert.deepEqual(log, ['reader closed', 'file closed', 'reader closed', 'file closed']);
  assert.deepEqual(skipped, []);
  assert.equal(await supply.read(), null);
});

test('file supply: another codec in the next file is told before its first frame, which is marked', async () => {
  const hevc = [makeTrack(0, OTHER_VIDEO), makeTrack(1, AUDIO)];
  const { supply } = supplyOf(
    [[item('a', {}), item('b', { tracks: hevc }), item('c', { tracks: hevc })]],
    false,
  );
  const parts = await readAll(supply);
  const told = parts.filter(({ tracks }) => tracks !== null);
  assert.deepEqual(
    told.map(({ tracks }) => tracks!.map(({ id, config }) => `${id} ${config.codec}`)),
    [
      ['0 h264', '1 aac'],
      ['0 h265', '1 aac'],
    ],
  );
  assert.ok((told[1]!.frames[0]!.flags & FRAME_CONFIG) !== 0);
  assert.ok((told[1]!.frames[1]!.flags & FRAME_CONFIG) === 0, 'the sound is as it was');
  assert.equal(
    parts.flatMap(({ frames }) => frames).filter(({ flags }) => (flags & FRAME_CONFIG) !== 0).length,
    1,
  );
});

test('file supply: a config that changes inside of a file begins a part of its own', async () => {
  const { supply } = supplyOf([[item('a', { changesAt: 2 })]], false);
  const parts = await readAll(supply);
  const at = parts.findIndex(({ tracks }, index) => index > 0 && tracks !== null);
  assert.equal(parts[at]!.frames[0]!.config, OTHER_VIDEO);
  assert.equal(parts[at]!.frames[0]!.payload[0], 2);
  assert.deepEqual(timesOf(parts, 0), [0, 40_000, 80_000, 120_000, 160_000], 'nothing is lost');
  for (const { frames } of parts.slice(0, at))
    for (const frame of frames) assert.notEqual(frame.config, OTHER_VIDEO);
});

test('file supply: a file without sound, then one with it again', async () => {
  const { supply } = supplyOf(
    [[item('a', {}), item('b', { tracks: [makeTrack(3, VIDEO)] }), item('c', {})]],
    false,
  );
  const parts = await readAll(supply);
  assert.deepEqual(
    parts.filter(({ tracks }) => tracks !== null).map(({ tracks }) => tracks!.map(({ id }) => id)),
    [[0, 1], [0], [0, 1]],
  );
  assert.equal(timesOf(parts, 0).length, 15);
  assert.equal(timesOf(parts, 1).at(-1), 14 * 40_000);
});

test('file supply: what is missing or breaks off is reported and passed over', async () => {
  const missing: SupplyItem = { name: 'gone', open: () => Promise.reject(new Error('no such file')) };
  const { supply, skipped } = supplyOf(
    [[missing, item('short', { breaksAfter: 1 }), item('good', {})]],
    false,
  );
  const parts = await readAll(supply);
  assert.deepEqual(skipped, ['gone: no such file', 'short: broke off']);
  const times = timesOf(parts, 0);
  assert.equal(times.length, 2 + 5, 'three frames of the short one, two of them pictures');
  for (let i = 1; i < times.length; i++) assert.equal(times[i]! - times[i - 1]!, 40_000);
});

test('file supply: a loop asks for the list again every round; a round without anything waits', async () => {
  const gone: SupplyItem = { name: 'gone', open: () => Promise.reject(new Error('away')) };
  const played = supplyOf([[item('a', {})], [gone], [], [item('b', { frames: 2 })]], true);
  const parts = await readAll(played.supply, 8);
  assert.deepEqual(
    timesOf(parts, 0).slice(0, 9),
    Array.from({ length: 9 }, (_, i) => i * 40_000),
  );
  assert.deepEqual(played.skipped, ['gone: away', 'the list: no list']);
  assert.equal(played.pauses(), 2);
});

test('file supply: closing ends a read that waits, and closes the file once it comes back', async () => {
  const log: string[] = [];
  const { supply } = supplyOf([[item('a', {}, log)]], true);
  await supply.read();
  const read = supply.read();
  supply.close();
  supply.close();
  assert.equal(await read, null);
  assert.ok(log.includes('file closed'));
  assert.equal(await supply.read(), null);
});
