import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { RtmpWorld } from '../support/rtmp-conversation.ts';

const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 2);
const SEEDS = readdirSync('test/vectors/rtmp')
  .filter((name) => name.endsWith('.c2s.bin'))
  .map((name) => readFileSync(`test/vectors/rtmp/${name}`));

/** Small, fast, repeatable (xorshift32). */
function random(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function mutate(bytes: Buffer, next: (below: number) => number): Buffer {
  const copy = Buffer.from(bytes.subarray(0, 1 + next(bytes.length)));
  // The handshake stays whole most of the time, or nothing behind it would ever be reached.
  const from = next(8) === 0 ? 0 : Math.min(3073, copy.length - 1);
  for (let i = 0; i < 1 + next(12); i++) copy[from + next(copy.length - from)] = next(256);
  if (next(4) === 0) return Buffer.concat([copy, copy.subarray(next(copy.length))]);
  return copy;
}

test(`fuzz: mutated recordings into a session, ${SECONDS} s`, async () => {
  const until = Date.now() + SECONDS * 1000;
  let rounds = 0;
  for (let seed = 1; Date.now() < until; seed++) {
    const next = random(seed * 2654435761);
    const world = new RtmpWorld({ graceMs: 0 });
    const peer = world.open();
    const bytes = mutate(SEEDS[next(SEEDS.length)]!, next);
    for (let at = 0; at < bytes.length; ) {
      const size = 1 + next(4000);
      peer.receive(bytes.subarray(at, at + size));
      at += size;
      if (next(5) === 0) await world.t.settle();
    }
    await world.t.settle();
    peer.session.finish('gone');
    await world.t.settle();
    assert.deepEqual(world.faults, [], `seed ${seed}`);
    assert.deepEqual(
      world.t.hub.streams().filter((stream) => stream.state === 'live'),
      [],
      `seed ${seed}`,
    );
    world.assertClean();
    rounds++;
  }
  assert.ok(rounds > 20, `${rounds} rounds`);
});
