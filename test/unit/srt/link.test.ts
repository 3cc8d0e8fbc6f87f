/** Two ends over a bad link in virtual time: what arrives at the application, and what it costs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectPair, indexes, type LinkSettings, streamUp } from '../../support/srt-model.ts';

const COUNT = 3000;
/** 1316 bytes each 10 ms: 1.05 Mbit/s. */
const EVERY_US = 10_000;

function sequenceOf(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

test('latency of 4 round trips, 5 % loss, 120 ms round trip: not one of 20000 packets is missing', () => {
  const pair = connectPair({ link: { delayMs: 60, loss: 0.05 }, seed: 4, settings: { latencyMs: 480 } });
  streamUp(pair, 20_000, EVERY_US, 2_000_000);
  assert.deepEqual(indexes(pair.atListener), sequenceOf(20_000));
  const sent = pair.caller.statistics(pair.world.nowUs);
  // The losses of the link both ways cost hardly more than themselves.
  assert.ok(sent.pktRetrans > 900 && sent.pktRetrans < 1300, `${sent.pktRetrans}`);
  assert.ok(pair.toListener.bytes < 20_000 * 1332 * 1.09, `${pair.toListener.bytes}`);
});

const LINKS: readonly [string, LinkSettings, number, number][] = [
  ['a good link', { delayMs: 5 }, 120, 0],
  ['10 % loss', { delayMs: 25, loss: 0.1 }, 400, 0],
  ['20 % loss', { delayMs: 10, loss: 0.2 }, 400, 0],
  ['bursts of 8', { delayMs: 30, loss: 0.03, burst: 8 }, 500, 0],
  ['reordering and jitter', { delayMs: 40, jitterMs: 20, reorder: 0.1 }, 400, 0],
  ['duplicates', { delayMs: 20, duplicate: 0.2, loss: 0.02 }, 300, 0],
  ['a long way', { delayMs: 300, loss: 0.02, jitterMs: 10 }, 3000, 0],
  [
    'all of it at once',
    { delayMs: 60, jitterMs: 20, loss: 0.05, burst: 3, reorder: 0.05, duplicate: 0.05 },
    900,
    0,
  ],
  ['too little latency for any repair', { delayMs: 100, loss: 0.05 }, 60, 0.07],
];

for (const [name, link, latencyMs, mayLose] of LINKS) {
  test(`over ${name}`, () => {
    const pair = connectPair({ link, seed: 11, settings: { latencyMs } });
    streamUp(pair, COUNT, EVERY_US, 6_000_000);
    const got = indexes(pair.atListener);
    const stats = pair.listener.statistics(pair.world.nowUs);
    // In order, each once, and what is missing is counted.
    for (let i = 1; i < got.length; i++) assert.ok(got[i]! > got[i - 1]!, `${got[i - 1]} before ${got[i]}`);
    assert.equal(stats.pktRcvDrop, COUNT - got.length);
    assert.ok(COUNT - got.length <= COUNT * mayLose, `${COUNT - got.length} missing`);
    if (mayLose > 0) assert.ok(got.length < COUNT, 'the model lost nothing');
    // Nothing is left behind on either side.
    const sent = pair.caller.statistics(pair.world.nowUs);
    assert.deepEqual([stats.pktRcvBuf, stats.byteRcvBuf, sent.pktSndBuf, sent.byteSndBuf], [0, 0, 0, 0]);
    assert.deepEqual(pair.closed, []);
  });
}

test('timed delivery keeps the pace of the sender through jitter and repairs', () => {
  const pair = connectPair({
    link: { delayMs: 50, jitterMs: 40, loss: 0.03 },
    seed: 5,
    settings: { latencyMs: 500 },
  });
  streamUp(pair, 2000, EVERY_US, 2_000_000);
  const times = pair.atListener.map(({ atUs }) => atUs);
  assert.equal(times.length, 2000);
  for (let i = 1; i < times.length; i++) {
    const step = times[i]! - times[i - 1]!;
    assert.ok(step >= 0 && step <= 3 * EVERY_US, `${step} us between two`);
  }
});

test('in-order delivery hands out at once what is complete', () => {
  const pair = connectPair({
    link: { delayMs: 50, loss: 0.03 },
    seed: 6,
    settings: { latencyMs: 800, delivery: 'in-order' },
  });
  streamUp(pair, 2000, EVERY_US, 2_000_000);
  assert.deepEqual(indexes(pair.atListener), sequenceOf(2000));
  const early = pair.atListener.filter(({ atUs, timeUs }) => timeUs - atUs > 700_000).length;
  assert.ok(early > 1500, `${early}`);
});

test('without too-late drop a gap is waited for', () => {
  const pair = connectPair({
    link: { delayMs: 100, loss: 0.05 },
    seed: 9,
    settings: { latencyMs: 60, tooLateDrop: false },
  });
  streamUp(pair, 1000, EVERY_US, 3_000_000);
  assert.deepEqual(indexes(pair.atListener), sequenceOf(1000));
});

test('the last packet of a burst is repaired though nothing follows it', () => {
  const pair = connectPair({ link: { delayMs: 20 }, seed: 1, settings: { latencyMs: 1000 } });
  streamUp(pair, 50, EVERY_US, 0);
  const { send } = pair.toListener;
  let cut = 3;
  pair.toListener.send = (header, payload) => {
    if (cut-- <= 0) send.call(pair.toListener, header, payload);
  };
  streamUp(pair, 3, 100, 2_000_000);
  assert.equal(pair.atListener.length, 53);
});

test('a thin link: what cannot pass is dropped, the newest goes on', () => {
  const pair = connectPair({
    link: { delayMs: 20, bandwidth: 700_000 },
    seed: 3,
    settings: { latencyMs: 300 },
  });
  streamUp(pair, 3000, EVERY_US, 3_000_000);
  const got = indexes(pair.atListener);
  assert.ok(got.length > 1000 && got.length < 2300, `${got.length}`);
  assert.ok(got.at(-1)! > 2900, 'the end of the stream arrives');
  const sent = pair.caller.statistics(pair.world.nowUs);
  assert.equal(sent.pktSndBuf, 0);
  // Repairs that cannot come in time are not sent: there would be some 3400.
  assert.ok(sent.pktRetrans < 2000, `${sent.pktRetrans}`);
});

test('a sender that nobody answers drops what is too old', () => {
  const pair = connectPair({
    link: { delayMs: 20 },
    settings: { latencyMs: 300, peerIdleTimeoutMs: 60_000 },
  });
  pair.toListener.send = () => undefined;
  streamUp(pair, 3000, EVERY_US, 2_000_000);
  const sent = pair.caller.statistics(pair.world.nowUs);
  assert.deepEqual([sent.pktSndDrop, sent.pktSndBuf, sent.byteSndDrop], [3000, 0, 3000 * 1360]);
});

test('an outage longer than the buffers: the stream goes on behind it', () => {
  const pair = connectPair({
    link: { delayMs: 10 },
    seed: 3,
    settings: { latencyMs: 100, receiveBufferPackets: 64, peerIdleTimeoutMs: 60_000 },
  });
  streamUp(pair, 100, 1000, 0);
  const { send } = pair.toListener;
  pair.toListener.send = () => undefined;
  streamUp(pair, 4000, 1000, 0);
  pair.toListener.send = send;
  streamUp(pair, 500, 1000, 3_000_000);
  const tail = indexes(pair.atListener).slice(-100);
  assert.deepEqual(
    tail,
    Array.from({ length: 100 }, (_, i) => 400 + i),
  );
});
