/**
 * Seeded, time-boxed: recorded conversations with damaged bytes, into fresh sessions. Whatever arrives, nothing is
 * thrown, nothing counts as a fault of ours, and all names are free at the end.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Conversation, TestServices } from '../support/transcript.ts';
import { seededRandom } from '../unit/wire/rtmp/chunk-bytes.ts';

const SECONDS = Number(process.env['FUZZ_SECONDS'] ?? 2);
const SEED = Number(process.env['FUZZ_SEED'] ?? 20_240_817);
const HANDSHAKE_BYTES = 3073;
const FOLDER = new URL('../vectors/rtmp/', import.meta.url);
const samples = readdirSync(FOLDER)
  .filter((name) => name.endsWith('.c2s.bin'))
  .map((name) => readFileSync(new URL(name, FOLDER)));
const NASTY = [0, 1, 2, 3, 0xff, 0x7f, 0x80, 0xc0, 0xc3, 0x41, 20, 18, 9, 8, 17, 22];

function mutate(bytes: Buffer, below: (limit: number) => number): Buffer {
  const copy = Buffer.from(bytes);
  // Most of what is worth damaging lies in the commands right behind the handshake.
  const span = below(2) === 0 ? 1200 : copy.length - HANDSHAKE_BYTES;
  for (let i = 1 + below(8); i > 0; i--) {
    const at = Math.min(copy.length - 1, HANDSHAKE_BYTES + below(span));
    copy[at] = below(2) === 0 ? NASTY[below(NASTY.length)]! : below(256);
  }
  if (below(4) > 0) return copy;
  const cut = HANDSHAKE_BYTES + below(copy.length - HANDSHAKE_BYTES);
  const again = HANDSHAKE_BYTES + below(copy.length - HANDSHAKE_BYTES);
  return below(2) === 0
    ? copy.subarray(0, cut)
    : Buffer.concat([copy.subarray(0, cut), copy.subarray(again)]);
}

test('fuzz: RTMP sessions', async () => {
  const random = seededRandom(SEED);
  const below = (limit: number) => Math.floor(random() * limit);
  const until = performance.now() + SECONDS * 1000;
  const seen = { closed: 0, published: 0, played: 0 };
  let round = 0;
  for (; performance.now() < until || round < 20; round++) {
    const services = new TestServices(below(2) === 0 ? { busy: 'takeover' } : {});
    const first = new Conversation(services);
    const second = new Conversation(services);
    const talks = [first, second];
    const inputs = talks.map(() => mutate(samples[below(samples.length)]!, below));
    const at = [0, 0];
    while (at.some((position, i) => position < inputs[i]!.length)) {
      const i = below(2);
      const size = below(3) === 0 ? 1 + below(40) : HANDSHAKE_BYTES + below(6000);
      talks[i]!.raw(inputs[i]!.subarray(at[i], at[i]! + size));
      at[i] = at[i]! + size;
      if (below(3) === 0) await talks[i]!.settle();
      if (below(40) === 0) talks[i]!.session.kick('by the operator');
    }
    await first.settle();
    for (const { session } of talks) {
      if (session.closed) seen.closed++;
      if (session.role === 'publisher') seen.published++;
      if (session.role === 'player') seen.played++;
    }
    services.world.advanceMs(below(20_000));
    for (const talk of talks) talk.session.tick(services.nowUs());
    for (const talk of talks) talk.session.finish('the connection is gone');
    await first.settle();
    const where = `seed ${SEED}, round ${round}`;
    for (const stream of services.hub.streams())
      assert.equal(services.hub.publisherOf(stream), null, `${where}: ${stream.key.text} is still held`);
    services.world.advanceMs(15_000);
    assert.equal(services.hub.streams().length, 0, where);
    assert.deepEqual([...services.faults, ...services.world.faults], [], where);
    for (const talk of talks) {
      assert.equal(talk.session.heldMessages, 0, where);
      assert.equal(services.closings.filter((session) => session === talk.session).length, 1, where);
    }
  }
  // The rounds are worth something only when they get as far as media, and when some are refused.
  assert.ok(seen.published > round / 4, JSON.stringify(seen));
  assert.ok(seen.closed > 0 && seen.played > 0, JSON.stringify(seen));
});
