import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAX_WAITING } from '../../../src/media/stream-hub.ts';
import { makeStreamKey } from '../../../src/media/stream-key.ts';
import { MemorySink } from '../../support/memory-sink.ts';
import { addVideo, TestHub, writeVideo } from '../../support/test-hub.ts';
import { toyFormat } from '../../support/toy-format.ts';

const KEY = makeStreamKey('live', 'cam');

test('hub: a busy name is refused and says who holds it', () => {
  const t = new TestHub();
  t.hub.publish(KEY, t.owner('first'));
  assert.throws(
    () => t.hub.publish(KEY, t.owner('second')),
    /already being published by 127\.0\.0\.1:1 \(test, session first\)/,
  );
});

test('hub: with take-over the first publisher is told and the second holds the name', () => {
  const t = new TestHub({ busy: 'takeover' });
  const first = t.hub.publish(KEY, t.owner('first'));
  const second = t.hub.publish(KEY, t.owner('second'));
  assert.equal(first.ended, true);
  assert.match(t.revoked[0]!, /^first: Another publisher/);
  first.end('late close of the first connection');
  assert.equal(t.hub.publisherOf(second.stream)?.id, 'second');
  second.end('done');
  t.hub.publish(KEY, t.owner('third'));
});

test('hub: ending twice frees the name once and keeps it free', () => {
  const t = new TestHub();
  const publication = t.hub.publish(KEY, t.owner('p'));
  publication.end('a');
  publication.end('b');
  assert.doesNotThrow(() => t.hub.publish(KEY, t.owner('q')));
});

test('hub: a republish within the grace keeps players and timeline', async () => {
  const t = new TestHub();
  const first = t.hub.publish(KEY, t.owner('p1'));
  addVideo(first);
  writeVideo(first, 0, true);
  const sink = new MemorySink();
  t.hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  sink.take();
  t.advanceMs(1000);
  first.end('encoder restarted');
  t.advanceMs(4000);
  const second = t.hub.publish(KEY, t.owner('p2'));
  addVideo(second);
  writeVideo(second, 999_999, true);
  await t.settle();
  assert.equal(sink.endReason, null);
  assert.equal(sink.text, 'Ch264;K0:5000;');
});

test('hub: after the grace players are ended with the reason and nothing is left', () => {
  const t = new TestHub();
  const publication = t.hub.publish(KEY, t.owner('p1'));
  addVideo(publication);
  writeVideo(publication, 0, true);
  const sink = new MemorySink();
  t.hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  publication.end('gone');
  t.advanceMs(11_000);
  assert.match(sink.endReason ?? '', /did not come back/);
  assert.match(sink.text, /E;$/);
  assert.deepEqual(t.hub.streams(), []);
  assert.equal(t.tick.pending, 0);
});

test('hub: a player waits for a stream that is not there yet', async () => {
  const t = new TestHub();
  const sink = new MemorySink();
  t.hub.subscribe(KEY, toyFormat, sink, 'gop', 10_000);
  t.advanceMs(3000);
  const publication = t.hub.publish(KEY, t.owner('p1'));
  addVideo(publication);
  writeVideo(publication, 0, true);
  await t.settle();
  assert.equal(sink.text, 'Hh264;K0:0;');
});

test('hub: a player that waited in vain is told', () => {
  const t = new TestHub();
  const sink = new MemorySink();
  t.hub.subscribe(KEY, toyFormat, sink, 'gop', 10_000);
  t.advanceMs(10_200);
  assert.equal(sink.endReason, 'Nobody publishes live/cam now.');
  assert.deepEqual(t.hub.streams(), []);
});

test('hub: each viewer waits its own time, counted from when it came', () => {
  const t = new TestHub();
  const [first, second] = [new MemorySink(), new MemorySink()];
  t.hub.subscribe(KEY, toyFormat, first, 'gop', 10_000);
  t.advanceMs(6000);
  t.hub.subscribe(KEY, toyFormat, second, 'gop', 10_000);
  t.advanceMs(4200);
  assert.deepEqual([first.endReason, second.endReason], ['Nobody publishes live/cam now.', null]);
  t.advanceMs(6000);
  assert.equal(second.endReason, 'Nobody publishes live/cam now.');
  assert.deepEqual(t.hub.streams(), []);
});

test('hub: whoever waited is not ended when its time comes while the stream is live', async () => {
  const t = new TestHub();
  const sink = new MemorySink();
  t.hub.subscribe(KEY, toyFormat, sink, 'gop', 1000);
  const publication = t.hub.publish(KEY, t.owner('p1'));
  addVideo(publication);
  t.advanceMs(5000);
  writeVideo(publication, 0, true);
  await t.settle();
  assert.equal(sink.endReason, null);
  assert.equal(sink.text, 'Hh264;K0:0;');
});

test('hub: a consumer that waited in vain is told once, and viewers go on waiting', () => {
  const t = new TestHub();
  const sink = new MemorySink();
  const told: string[] = [];
  const consumer = {
    onTracks: () => undefined,
    onFrame: () => undefined,
    onPause: () => undefined,
    onEnd: (reason: string) => told.push(reason),
  };
  const { detach } = t.hub.consume(KEY, consumer, 1000);
  t.hub.subscribe(KEY, toyFormat, sink, 'gop', 5000);
  t.advanceMs(1200);
  assert.deepEqual(told, ['Nobody publishes live/cam now.']);
  assert.equal(sink.endReason, null);
  detach();
  t.advanceMs(5000);
  assert.deepEqual(told, ['Nobody publishes live/cam now.']);
  assert.deepEqual(t.hub.streams(), []);
});

test('hub: those who wait are bounded; who leaves makes room', () => {
  const t = new TestHub();
  const join = () => t.hub.subscribe(KEY, toyFormat, new MemorySink(), 'gop', 60_000);
  const all = Array.from({ length: MAX_WAITING }, join);
  assert.throws(join, { reason: 'limit' });
  all[0]!.close();
  all.push(join());
  assert.throws(join, { reason: 'limit' });
  for (const subscription of all) subscription.close();
  assert.deepEqual(t.hub.streams(), []);
});

test('hub: without waiting an absent stream is refused', () => {
  const t = new TestHub();
  assert.throws(
    () => t.hub.subscribe(KEY, toyFormat, new MemorySink(), 'gop', 0),
    /Nobody publishes live\/cam now/,
  );
  assert.deepEqual(t.hub.streams(), []);
});

test('hub: an on-demand source starts with the first player and stops after the last', () => {
  const t = new TestHub();
  let starts = 0;
  let stops = 0;
  t.hub.registerOnDemand(KEY, {
    description: 'test',
    start: (key) => {
      starts++;
      const publication = t.hub.publish(key, t.owner('source'));
      addVideo(publication);
      writeVideo(publication, 0, true);
    },
    stop: () => {
      stops++;
    },
  });
  const a = t.hub.subscribe(KEY, toyFormat, new MemorySink(), 'gop', 0);
  const b = t.hub.subscribe(KEY, toyFormat, new MemorySink(), 'gop', 0);
  assert.equal(starts, 1);
  a.close();
  t.advanceMs(60_000);
  assert.equal(stops, 0);
  b.close();
  t.advanceMs(5000);
  assert.equal(stops, 0, 'the next player often comes within seconds');
  t.advanceMs(6000);
  assert.equal(stops, 1);
});

test('hub: ten thousand players come and go and leave nothing', () => {
  const t = new TestHub();
  const publication = t.hub.publish(KEY, t.owner('p1'));
  addVideo(publication);
  writeVideo(publication, 0, true);
  for (let i = 0; i < 10_000; i++) t.hub.subscribe(KEY, toyFormat, new MemorySink(), 'gop', 0).close();
  publication.end('done');
  t.advanceMs(20_000);
  assert.deepEqual(t.hub.streams(), []);
  assert.equal(t.tick.pending, 0);
  assert.deepEqual(t.faults, []);
});

test('hub: close ends publishers and players with the reason', () => {
  const t = new TestHub();
  const publication = t.hub.publish(KEY, t.owner('p1'));
  addVideo(publication);
  writeVideo(publication, 0, true);
  const sink = new MemorySink();
  t.hub.subscribe(KEY, toyFormat, sink, 'gop', 0);
  t.hub.close('The server is shutting down.');
  assert.notEqual(sink.endReason, null);
  assert.equal(t.revoked.length, 1);
  assert.throws(() => t.hub.publish(KEY, t.owner('p2')), /shutting down/);
});

test('stream key: programs that split an address differently mean the same stream', () => {
  assert.equal(makeStreamKey('live/room', 'cam').text, makeStreamKey('live', 'room/cam').text);
  assert.equal(makeStreamKey('live', 'room/cam').app, 'live/room');
});

test('stream key: names that could be a path, markup or control characters are refused', () => {
  for (const name of ['', '..', 'a/../b', 'a//b', 'a\\b', 'a\nb', '<b>', 'a"b', './a', 'x'.repeat(257)]) {
    assert.throws(() => makeStreamKey('live', name), /name/, JSON.stringify(name));
  }
  for (const name of ['cam 1', '摄像头', 'a.b-c_d', "it's"])
    assert.doesNotThrow(() => makeStreamKey('live', name));
});

test('hub: a listener that throws frees the name, at the start and at the end of a publisher', () => {
  for (const at of ['start', 'end'] as const) {
    const t = new TestHub({ graceMs: 1000 });
    let broken = true;
    const fail = (when: string) => {
      if (broken && when === at) throw new Error('broken on purpose');
    };
    t.hub.addListener({
      onPublish: () => fail('start'),
      onUnpublish: () => fail('end'),
      onClosed: () => undefined,
    });
    assert.throws(() => t.hub.publish(KEY, t.owner('p')).end('over'), /broken on purpose/);
    broken = false;
    t.advanceMs(2000);
    assert.deepEqual(t.hub.streams(), [], 'the grace ran');
    assert.doesNotThrow(() => t.hub.publish(KEY, t.owner('q')));
  }
});
