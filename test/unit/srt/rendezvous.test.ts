/** Two that call each other: serial and parallel order, losses, secrets. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SrtAgreement } from '../../../src/srt/agreement.ts';
import { SrtRendezvous } from '../../../src/srt/rendezvous.ts';
import type { SrtSettings } from '../../../src/srt/settings.ts';
import { writeKeepAlive } from '../../../src/wire/srt/control.ts';
import { emptyHandshake, SRT_HANDSHAKE, writeHandshake } from '../../../src/wire/srt/handshake.ts';
import { SRT_REJECT } from '../../../src/wire/srt/reject.ts';
import { Link, settingsWith, World } from '../../support/srt-model.ts';

interface Side {
  readonly results: (SrtAgreement | number)[];
  end: SrtRendezvous | null;
}

function meet(
  link: { delayMs: number; loss?: number },
  seed: number,
  lateMs: number,
  changes: readonly [Partial<SrtSettings>, Partial<SrtSettings>] = [{}, {}],
): [Side, Side] {
  const world = new World(1_000_000);
  const sides: [Side, Side] = [
    { results: [], end: null },
    { results: [], end: null },
  ];
  const links = [0, 1].map(
    (to) =>
      new Link(world, link, seed + to * 77, (datagram) => {
        const side = sides[to as 0 | 1];
        side.end?.receive(datagram, world.nowUs);
      }),
  );
  const start = (index: 0 | 1): void => {
    const side = sides[index];
    const out = links[1 - index]!;
    side.end = new SrtRendezvous(
      {
        settings: settingsWith({ latencyMs: 100 + index * 100, ...changes[index] }),
        streamId: '',
        localSocketId: 10 + index,
        peerAddress: '192.0.2.1',
        connectTimeoutMs: 10_000,
      },
      {
        send: (datagram) => out.send(datagram, null),
        connected: (agreement) => {
          side.results.push(agreement);
          // What a connection does: it says something now and then.
          for (let i = 1; i < 8; i++)
            world.at(world.nowUs + i * 300_000, () =>
              out.send(writeKeepAlive(0, agreement.peerSocketId), null),
            );
        },
        failed: (code) => side.results.push(code),
      },
      world.nowUs,
    );
    world.ends.push(side.end);
  };
  start(0);
  world.runUntil(world.nowUs + lateMs * 1000);
  start(1);
  world.runUntil(world.nowUs + 15_000_000);
  return sides;
}

test('both connect: one earlier, both at once, with losses', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const [a, b] = meet({ delayMs: 20, loss: seed > 20 ? 0.2 : 0 }, seed, seed % 2 === 0 ? 0 : 130);
    const [first, second] = [a.results[0], b.results[0]];
    assert.equal(a.results.length + b.results.length, 2, `seed ${seed}`);
    if (typeof first !== 'object' || typeof second !== 'object')
      return assert.fail(`seed ${seed}: ${first} ${second}`);
    assert.deepEqual([first.peerSocketId, second.peerSocketId], [11, 10]);
    assert.equal(first.sendSequence, second.receiveSequence);
    assert.equal(first.receiveSequence, second.sendSequence);
    // Both directions wait as long as their receiver wants.
    assert.deepEqual([first.receiveLatencyMs, second.receiveLatencyMs], [100, 200]);
    assert.deepEqual([first.sendLatencyMs, second.sendLatencyMs], [200, 100]);
  }
});

test('secrets that match and that do not', () => {
  const same = { passphrase: 'correcthorse' };
  for (let seed = 1; seed <= 8; seed++) {
    const [a, b] = meet({ delayMs: 20 }, seed, 50, [{ ...same, keyBytes: 24 }, same]);
    for (const [result] of [a.results, b.results]) {
      assert.ok(typeof result === 'object');
      assert.equal(result.keyring?.keyBytes, 24);
    }
    for (const [other, code] of [
      [{ passphrase: 'wronghorse' }, SRT_REJECT.badSecret],
      [{}, SRT_REJECT.unsecure],
    ] as const) {
      const [c, d] = meet({ delayMs: 20 }, seed, 50, [same, other]);
      assert.deepEqual([c.results, d.results], [[code], [code]], `seed ${seed}`);
    }
  }
});

test('nobody there, ourselves, an old peer', () => {
  const failures: number[] = [];
  const sent: Buffer[] = [];
  const call = (): SrtRendezvous =>
    new SrtRendezvous(
      { settings: settingsWith({}), streamId: '', localSocketId: 5, peerAddress: '::1' },
      {
        send: (datagram) => sent.push(Buffer.from(datagram)),
        connected: () => assert.fail('connected'),
        failed: (code) => failures.push(code),
      },
      0,
    );
  let end = call();
  end.receive(sent[0]!, 1000);
  assert.equal(sent.length, 1);
  while (end.nextWakeUs < Number.POSITIVE_INFINITY) end.tick(end.nextWakeUs);
  assert.deepEqual(failures, [SRT_REJECT.timeout]);
  end = call();
  const old = emptyHandshake(SRT_HANDSHAKE.waveAHand);
  old.version = 4;
  old.socketId = 9;
  end.receive(writeHandshake(old, 0, 0), 1000);
  assert.deepEqual(failures, [SRT_REJECT.timeout, SRT_REJECT.version]);
});
