/** A million frames through a hub with a player leave the heap where it was. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Sink } from '../../src/media/sink.ts';
import { makeStreamKey } from '../../src/media/stream-key.ts';
import { flvFormat } from '../../src/packaging/flv-feed.ts';
import { AUDIO, addAudio, addVideo, TestHub, VIDEO } from '../support/test-hub.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

const FRAMES = 1_000_000;
const GOP = 50;
const SLACK_BYTES = 5 * 1024 * 1024;

class CountingSink implements Sink {
  bytes = 0;

  writable(): boolean {
    return true;
  }

  write(bytes: Uint8Array): void {
    this.bytes += bytes.length;
  }

  end(): void {}
}

function heap(): number {
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

test('memory: a million frames leave the heap where it was', async () => {
  const t = new TestHub();
  const publication = t.hub.publish(makeStreamKey('live', 'cam'), t.owner('p'));
  addVideo(publication);
  addAudio(publication);
  const sink = new CountingSink();
  t.hub.subscribe(makeStreamKey('live', 'cam'), flvFormat, sink, 'gop', 0);
  const picture = Buffer.alloc(600, 1);
  const sound = Buffer.alloc(100, 2);
  const write = async (from: number, to: number) => {
    for (let i = from; i < to; i++) {
      const ms = i * 20;
      t.clock.us += 20_000;
      if (i % 2 === 0) publication.write(0, i % GOP === 0 ? 1 : 0, ms, ms, 0, picture, VIDEO);
      else publication.write(1, 0, ms, ms, 0, sound, AUDIO);
      // The pump sends in the next turn of the event loop.
      if (i % 200 === 0) await new Promise((done) => setImmediate(done));
    }
    await t.settle();
  };
  await write(0, 20_000);
  const before = heap();
  const { bytes } = sink;
  await write(20_000, 20_000 + FRAMES);
  const grown = heap() - before;
  assert.ok(sink.bytes - bytes > FRAMES * 340, `only ${sink.bytes - bytes} bytes were sent`);
  assert.ok(grown < SLACK_BYTES, `the heap grew by ${(grown / 1_048_576).toFixed(1)} MB`);
  assert.deepEqual(t.faults, []);
  publication.end('over');
  t.hub.close('over');
  t.pump.stop();
});
