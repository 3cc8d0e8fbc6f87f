/**
 * A thousand WebRTC connections (SOAK_CONNECTS), players and publishers, that come and leave in every way, some without
 * goodbye, at one thread and at the whole server: maps, heap, memory, open files, handles and timers return to where they
 * were.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { TestServer } from '../support/test-server.ts';
import { comeAndGo, heldByServer, ThreadChurn } from '../support/webrtc-churn.ts';
import { makeMedia } from '../unit/rtc/rtc-media.ts';
import { bufferBytes, handleCount, heapBytes, openFileCount, pause } from './coming-and-going.ts';

const CONNECTS = Number(process.env['SOAK_CONNECTS'] ?? 1000);
const AT_ONCE = 10;
const WARM_UP = 100;
const HEAP_SLACK_BYTES = 4 * 1024 * 1024;
const BUFFER_SLACK_BYTES = 16 * 1024 * 1024;
/** Of the process with its threads, whose heaps are not seen from here; the allocator keeps some. */
const RESIDENT_SLACK_BYTES = 32 * 1024 * 1024;
/** RFC 7675: whoever vanishes is thought to be there for half a minute. */
const CONSENT_MS = 40_000;

const mib = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`;

test(`soak: ${CONNECTS} WebRTC peers at one thread`, { timeout: 900_000 }, () => {
  const churn = new ThreadChurn([makeMedia()]);
  churn.run(WARM_UP);
  const before = { heap: heapBytes(), buffers: bufferBytes() };
  churn.run(CONNECTS);
  const grown = { heap: heapBytes() - before.heap, buffers: bufferBytes() - before.buffers };
  assert.ok(grown.heap < HEAP_SLACK_BYTES, `the heap grew by ${mib(grown.heap)}`);
  assert.ok(grown.buffers < BUFFER_SLACK_BYTES, `buffers grew by ${mib(grown.buffers)}`);
});

test(`soak: ${CONNECTS} WHEP players and WHIP publishers`, { timeout: 1_800_000 }, async () => {
  const server = await TestServer.start({
    config: '<log><level>info</level></log>',
    webrtc: ' ',
    policy:
      '<application name="live"><publish grace="0"/><play wait="0"/></application><application name="patient"><play wait="20s"/></application>',
  });
  const turn = async (count: number) => {
    const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam' });
    await server.until(
      'the stream',
      () => (server.application.context.hub.find('live/cam')?.tracks.length ?? 0) > 1,
    );
    for (let done = 0; done < count; done += AT_ONCE)
      await Promise.all(Array.from({ length: AT_ONCE }, (_, at) => comeAndGo(server, done + at)));
    // Those that vanished are found out while the stream goes on.
    await server.until(
      'the end of all peers',
      () => heldByServer(server).connections === 0 && heldByServer(server).links === 0,
      CONSENT_MS,
    );
    publisher.stop();
    const { timers, ...rest } = heldByServer(server);
    assert.ok(timers > 0 && rest.connections === 0);
    await server.until('the end of all streams', () => heldByServer(server).streams === 0, 20_000);
    await pause(4000);
    server.lines.length = 0;
    return {
      heap: heapBytes(),
      buffers: bufferBytes(),
      resident: process.memoryUsage().rss,
      handles: handleCount(),
      openFiles: openFileCount(),
      held: heldByServer(server),
    };
  };
  await turn(WARM_UP);
  // The first of two like turns leaves what the allocator keeps for as many connections at once.
  const warm = await turn(CONNECTS / 2);
  const end = await turn(CONNECTS / 2);
  assert.deepEqual(server.faults, []);
  assert.deepEqual(end.held, { ...warm.held, timers: end.held.timers });
  assert.ok(
    end.held.timers <= warm.held.timers,
    `${warm.held.timers} timers before, ${end.held.timers} after`,
  );
  assert.ok(end.handles <= warm.handles + 2, `${warm.handles} handles before, ${end.handles} after`);
  assert.ok(end.openFiles <= warm.openFiles + 2, `${warm.openFiles} files before, ${end.openFiles} after`);
  const heap = end.heap - warm.heap;
  const buffers = end.buffers - warm.buffers;
  const resident = end.resident - warm.resident;
  assert.ok(heap < HEAP_SLACK_BYTES, `the heap grew by ${mib(heap)}`);
  assert.ok(buffers < BUFFER_SLACK_BYTES, `buffers grew by ${mib(buffers)}`);
  assert.ok(resident < RESIDENT_SLACK_BYTES, `the process grew by ${mib(resident)}`);
  await server.close();
});
