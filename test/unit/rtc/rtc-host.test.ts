/** What a thread does first when it has too much to do. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeSelfSignedCertificate } from '../../../src/crypto/self-signed-certificate.ts';
import { RtcHost } from '../../../src/rtc/rtc-host.ts';
import type { FeedStore } from '../../../src/rtc/send/feed-store.ts';
import { feedFrame } from './send/feed-frames.ts';

const FEED = 7;
const PLAYERS = 10;

test('a frame goes to its players in turns, and what else comes is looked at between them', async () => {
  let nowUs = 1_000_000;
  const told: string[] = [];
  const host = new RtcHost(
    {
      timeOrigin: 0,
      hosts: ['127.0.0.1'],
      port: 0,
      tcp: false,
      taken: new SharedArrayBuffer(4),
      certificate: makeSelfSignedCertificate('test', [], 0),
    },
    (message) => told.push(message.type),
    () => nowUs,
  );
  host.receive({ type: 'feed', feed: FEED, clockRates: [90_000], pictures: 1 });
  const { feeds } = host as unknown as { feeds: ReadonlyMap<number, { readonly store: FeedStore }> };
  const { store } = feeds.get(FEED)!;
  let [served, rounds] = [0, 0];
  const player = {
    // Each takes a millisecond, and a turn has two.
    onChunk: () => {
      served++;
      nowUs += 1000;
    },
    onTracks: () => undefined,
  };
  for (let i = 0; i < PLAYERS; i++) store.add({ ...player });
  const bytes = feedFrame(0, true, 0, 0, 2);
  const slab = new SharedArrayBuffer(bytes.length);
  new Uint8Array(slab).set(bytes);
  host.receive({ type: 'slab', feed: FEED, slab });
  host.receive({ type: 'bytes', feed: FEED, start: 0, end: bytes.length });
  assert.equal(served, 2);
  // Other messages do not wait for that.
  host.receive({ type: 'feed-keys', feed: FEED, canRequest: true });
  assert.equal(store.canRequestKey, true);
  while (served < PLAYERS && rounds < 100) {
    rounds++;
    const before = served;
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(served - before <= 2, `${served - before} in one turn`);
  }
  assert.equal(served, PLAYERS);
  assert.ok(rounds >= 4, `${rounds} turns`);
  host.stop();
  assert.deepEqual(told, []);
});
