import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeCodecConfig } from '../../../src/codec/codec-config.ts';
import { makeStreamKey } from '../../../src/media/stream-key.ts';
import { makeTrack } from '../../../src/media/track.ts';
import { MemorySink } from '../../support/memory-sink.ts';
import { addAudio, addVideo, RULES, TestHub, writeAudio, writeVideo } from '../../support/test-hub.ts';
import { toyFormat } from '../../support/toy-format.ts';

const KEY = makeStreamKey('live', 'cam');

function publishing(rules = {}) {
  const t = new TestHub(rules);
  const publication = t.hub.publish(KEY, t.owner('p1'));
  addVideo(publication);
  addAudio(publication);
  return { t, publication, hub: t.hub };
}

test('fan-out: a joiner gets header and the whole GOP at once', async () => {
  const { hub, publication } = publishing();
  writeVideo(publication, 0, true);
  writeAudio(publication, 5);
  writeVideo(publication, 40);
  const sink = new MemorySink();
  hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  assert.equal(sink.text, 'Hh264+aac;K0:0;1:5;0:40;');
});

test('fan-out: a new GOP replaces the cached one', () => {
  const { hub, publication } = publishing();
  writeVideo(publication, 0, true);
  writeVideo(publication, 40);
  writeVideo(publication, 80, true);
  writeVideo(publication, 120);
  const sink = new MemorySink();
  hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  assert.equal(sink.text, 'Hh264+aac;K0:80;0:120;');
});

test('fan-out: "live" waits for the next key frame', async () => {
  const { t, hub, publication } = publishing();
  writeVideo(publication, 0, true);
  const sink = new MemorySink();
  hub.subscribe(KEY, toyFormat, sink, 'live', 0);
  writeVideo(publication, 40);
  await t.settle();
  assert.equal(sink.text, '');
  writeVideo(publication, 80, true);
  await t.settle();
  assert.equal(sink.text, 'Hh264+aac;K0:80;');
});

test('fan-out: without a GOP cache a joiner waits for the next key frame', async () => {
  const { t, hub, publication } = publishing({ gop: { ...RULES.gop, cache: false } });
  writeVideo(publication, 0, true);
  const sink = new MemorySink();
  hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  assert.equal(sink.text, '');
  writeVideo(publication, 40, true);
  await t.settle();
  assert.equal(sink.text, 'Hh264+aac;K0:40;');
});

test('fan-out: all players of a format get the very same memory, one view per flush', async () => {
  const { t, hub, publication } = publishing();
  writeVideo(publication, 0, true);
  const a = new MemorySink();
  const b = new MemorySink();
  hub.subscribe(KEY, toyFormat, a, 'gop', 0);
  hub.subscribe(KEY, toyFormat, b, 'gop', 0);
  a.take();
  b.take();
  for (let i = 1; i < 6; i++) writeVideo(publication, i * 40);
  await t.settle();
  assert.equal(a.views.length, 1);
  assert.equal(a.views[0], b.views[0]);
  assert.equal(a.take(), '0:40;0:80;0:120;0:160;0:200;');
});

test('fan-out: an endless GOP does not grow the cache over its bounds', () => {
  for (const gop of [
    { ...RULES.gop, frames: 10 },
    { ...RULES.gop, bytes: 500 },
    { ...RULES.gop, us: 400_000 },
  ]) {
    const { hub, publication } = publishing({ gop });
    writeVideo(publication, 0, true);
    for (let i = 1; i < 200; i++) writeVideo(publication, i * 40, false, 20);
    const stream = hub.find('live/cam')!;
    assert.ok(stream.cachedBytes <= gop.bytes && stream.cachedFrames().length <= gop.frames);
    assert.ok(stream.cachedFrames().length === 0, 'a cache without its key frame is worth nothing');
  }
});

test('fan-out: a slow player jumps to the newest key frame and is counted', async () => {
  const { t, hub, publication } = publishing({ feed: { ...RULES.feed, queueUs: 1_000_000 } });
  writeVideo(publication, 0, true);
  const slow = new MemorySink();
  const fast = new MemorySink();
  const subscription = hub.subscribe(KEY, toyFormat, slow, 'gop', 0);
  hub.subscribe(KEY, toyFormat, fast, 'gop', 0);
  slow.take();
  fast.take();
  slow.open = false;
  for (let i = 1; i <= 100; i++) {
    t.advanceMs(40);
    writeVideo(publication, i * 40, i % 25 === 0);
    await t.settle();
  }
  assert.equal(slow.text, '');
  slow.open = true;
  t.advanceMs(40);
  writeVideo(publication, 4040);
  await t.settle();
  assert.equal(slow.text, 'K0:4000;0:4040;');
  assert.equal(subscription.jumps, 1);
  assert.equal(subscription.chunksDropped, 99);
  assert.equal(fast.text.split(';').length - 1, 101);
});

test('fan-out: a player that takes nothing for the stall time is ended with the reason', async () => {
  const { t, hub, publication } = publishing({ feed: { ...RULES.feed, stallUs: 2_000_000 } });
  writeVideo(publication, 0, true);
  const sink = new MemorySink();
  hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  sink.open = false;
  for (let i = 1; i <= 60; i++) {
    t.advanceMs(40);
    writeVideo(publication, i * 40);
    await t.settle();
  }
  assert.match(sink.endReason ?? '', /took nothing for 2 s/);
  assert.equal(hub.find('live/cam')!.playerCount, 0);
});

test('fan-out: a feed holds no more than its bytes, whatever nobody reads', async () => {
  const { t, hub, publication } = publishing({ feed: { ...RULES.feed, queueBytes: 2000 } });
  writeVideo(publication, 0, true);
  const sink = new MemorySink();
  const { feed } = hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  sink.open = false;
  for (let i = 1; i <= 2000; i++) writeVideo(publication, i * 40, i % 50 === 0);
  await t.settle();
  assert.ok(feed.bytesHeld <= 2000, String(feed.bytesHeld));
  t.pump.stop();
});

test('fan-out: a codec change reaches players inline and joiners in the header', async () => {
  const { t, hub, publication } = publishing();
  writeVideo(publication, 0, true);
  const early = new MemorySink();
  hub.subscribe(KEY, toyFormat, early, 'gop', 0);
  early.take();
  publication.setTrack(makeTrack(0, makeCodecConfig('h265', new Uint8Array([9]), 'hvc1.1')));
  writeVideo(publication, 40, true);
  await t.settle();
  assert.equal(early.text, 'Ch265+aac;K0:40;');
  const late = new MemorySink();
  hub.subscribe(KEY, toyFormat, late, 'gop', 0);
  assert.equal(late.text, 'Hh265+aac;K0:40;');
});

test('fan-out: audio-only starts on audio, about one point per second', async () => {
  const t = new TestHub();
  const publication = t.hub.publish(KEY, t.owner('p1'));
  addAudio(publication);
  for (let i = 0; i <= 50; i++) {
    t.advanceMs(40);
    writeAudio(publication, i * 40);
  }
  const sink = new MemorySink();
  t.hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  assert.match(sink.text, /^Haac;1:20\d\d;/);
});

test('fan-out: audio before promised video does not start a player without a picture', async () => {
  const t = new TestHub();
  const publication = t.hub.publish(KEY, t.owner('p1'));
  publication.metadata({}, true);
  addAudio(publication);
  const sink = new MemorySink();
  writeAudio(publication, 0);
  t.hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  writeAudio(publication, 23);
  addVideo(publication);
  writeVideo(publication, 40, true);
  await t.settle();
  assert.equal(sink.text, 'Haac+h264;K0:40;');
});

test('fan-out: a paused player gets nothing and goes on at a key frame', async () => {
  const { t, hub, publication } = publishing();
  writeVideo(publication, 0, true);
  const sink = new MemorySink();
  const subscription = hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  sink.take();
  subscription.pause(true);
  writeVideo(publication, 40);
  writeVideo(publication, 80, true);
  await t.settle();
  assert.equal(sink.text, '');
  subscription.pause(false);
  writeVideo(publication, 120);
  await t.settle();
  assert.equal(sink.text, 'Hh264+aac;K0:80;0:120;');
});

test('pump: under load bytes wait for company, but never longer than the bound', async () => {
  const { t, hub, publication } = publishing({ feed: { ...RULES.feed, mergeUs: 30_000 } });
  writeVideo(publication, 0, true);
  let writes = 0;
  const sink = new MemorySink();
  // Every write of this sink takes 10 ms: a round costs so much that the bound decides.
  sink.write = () => {
    writes++;
    t.clock.advanceMs(10);
  };
  hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  writeVideo(publication, 10);
  await t.settle();
  writes = 0;
  const started = performance.now();
  for (let i = 1; i <= 20; i++) writeVideo(publication, 10 + i);
  await t.settle();
  assert.equal(writes, 0, 'still waiting');
  t.clock.advanceMs(40);
  while (writes === 0 && performance.now() - started < 2000)
    await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(writes, 1, 'one write for twenty frames');
  t.pump.stop();
});

test('pump: enough bytes are sent before the bound is over', async () => {
  const { t, hub, publication } = publishing({ feed: { ...RULES.feed, mergeUs: 300_000, mergeBytes: 100 } });
  writeVideo(publication, 0, true);
  const sink = new MemorySink();
  hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  sink.write = () => t.clock.advanceMs(50);
  writeVideo(publication, 10);
  await t.settle();
  let bytes = 0;
  sink.write = (view) => {
    bytes += view.length;
  };
  for (let i = 1; i <= 30; i++) writeVideo(publication, 10 + i);
  await t.settle();
  assert.ok(bytes >= 100, String(bytes));
  t.pump.stop();
});
