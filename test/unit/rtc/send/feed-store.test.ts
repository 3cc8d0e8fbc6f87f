import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FRAME_MARK_BYTES, FRAME_MARK_CHANNEL } from '../../../../src/packaging/webrtc-frame-mark.ts';
import { FeedStore } from '../../../../src/rtc/send/feed-store.ts';
import { serializeRtcp } from '../../../../src/wire/rtp/rtcp.ts';

const PACKET = Buffer.from([0x24, 0, 0, 12, 0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1]);

function mark(generation: number, isKey = false): Buffer {
  const bytes = Buffer.alloc(FRAME_MARK_BYTES);
  bytes[0] = 0x24;
  bytes[1] = FRAME_MARK_CHANNEL;
  bytes.writeUInt16BE(FRAME_MARK_BYTES - 4, 2);
  bytes[4] = isKey ? 1 : 0;
  bytes.writeUInt16BE(generation, 6);
  return bytes;
}

function report(channel: number, rtpTime: number): Buffer {
  const bytes = serializeRtcp([
    { type: 'sr', ssrc: 1, ntpSeconds: 1, ntpFraction: 0, rtpTime, packets: 0, octets: 0, reports: [] },
  ]);
  return Buffer.concat([Buffer.from([0x24, channel, bytes.length >> 8, bytes.length & 255]), bytes]);
}

function push(store: FeedStore, ...parts: readonly Buffer[]): void {
  const bytes = Buffer.concat(parts);
  store.push(bytes, 0, bytes.length, 0);
}

test('frames and reports of other tracks than those that were told are dropped', () => {
  const store = new FeedStore(() => undefined);
  store.setTracks([90_000], 1, 7);
  push(store, mark(6, true), PACKET, mark(7), PACKET, mark(8), PACKET);
  assert.equal(store.chunks.head - store.chunks.tail, 1);
  assert.equal(store.latestKey, -1);
  push(store, mark(8), report(1, 1111));
  assert.equal(Number.isNaN(store.clocks[0]!.atUs), true);
  push(store, mark(7), report(1, 2222));
  assert.equal(store.clocks[0]!.rtpTime, 2222);
  // Reports alone are no frame.
  assert.equal(store.chunks.head - store.chunks.tail, 1);
  store.setTracks([90_000], 1, 8);
  push(store, mark(8, true), PACKET);
  assert.equal(store.latestKey, store.chunks.head - 1);
});

test('without a generation all are taken', () => {
  const store = new FeedStore(() => undefined);
  store.setTracks([90_000], 1);
  push(store, mark(1), PACKET, mark(2), PACKET);
  assert.equal(store.chunks.head - store.chunks.tail, 2);
});

test('readers are told one after the other, as far as time allows; what comes meanwhile is told in the next round', () => {
  const store = new FeedStore(() => undefined);
  store.setTracks([90_000], 1);
  const seen: string[] = [];
  let nowUs = 0;
  const reader = (name: string) => ({
    onChunk: () => {
      seen.push(`${name}${store.chunks.head}`);
      nowUs++;
    },
    onTracks: () => undefined,
  });
  const [a, b, c] = ['a', 'b', 'c'].map(reader);
  store.add(a!);
  store.add(b!);
  const now = () => nowUs;
  push(store, mark(0), report(1, 1));
  assert.equal(store.hasNew, false, 'reports alone');
  push(store, mark(0), PACKET, mark(0), PACKET);
  assert.equal(store.hasNew, true);
  assert.equal(store.serve(now, 1), false);
  assert.deepEqual(seen, ['a2']);
  assert.equal(store.hasNew, false);
  // Who comes now looks for itself what there is.
  store.add(c!);
  push(store, mark(0), PACKET);
  assert.equal(store.serve(now, 1), false, 'its time is over');
  assert.equal(store.serve(now, 99), true);
  assert.deepEqual(seen, ['a2', 'b3']);
  assert.equal(store.hasNew, true);
  assert.equal(store.serve(now, 99), true);
  assert.deepEqual(seen, ['a2', 'b3', 'a3', 'b3', 'c3']);
  assert.equal(store.hasNew, false);
});
