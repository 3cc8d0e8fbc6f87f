/**
 * Publishers and players that come and go over every protocol for minutes (SOAK_MINUTES, default 3): heap, handles,
 * timers and sessions return to where they were.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openFlv } from '../support/flv-body.ts';
import { orderFault } from '../support/flv-tags.ts';
import { ask } from '../support/http-client.ts';
import { RtmpPeer } from '../support/rtmp-peer.ts';
import { TestServer } from '../support/test-server.ts';
import { handleCount, heapBytes, pause, publishAndGo, Random } from './coming-and-going.ts';

const MINUTES = Number(process.env['SOAK_MINUTES'] ?? 3);
const STREAMS = 6;
const PLAYERS = 24;
const SLACK_BYTES = 8 * 1024 * 1024;

const random = new Random();

async function playAndGo(server: TestServer, isOver: () => boolean): Promise<void> {
  const { httpPort, httpsPort } = server;
  while (!isOver()) {
    const name = `soak${random.below(STREAMS)}`;
    const way = random.below(7);
    const patienceMs = 200 + random.below(3000);
    try {
      if (way < 2) {
        const peer = await RtmpPeer.open({
          port: way === 0 ? server.rtmpPort : server.rtmpsPort,
          tls: way === 1,
        });
        await peer.play(name);
        await pause(patienceMs);
        assert.equal(orderFault(peer.tags), '');
        peer.close();
      } else if (way === 6) {
        await ask({ port: httpPort, path: `/live/${name}.m3u8` });
      } else {
        const scheme = ['http', 'https', 'ws', 'wss'][way - 2]!;
        const port = scheme === 'http' || scheme === 'ws' ? httpPort : httpsPort;
        const body = await openFlv(`${scheme}://127.0.0.1:${port}/live/${name}.flv`);
        await pause(patienceMs);
        assert.equal(body.parser.fault, '');
        assert.equal(orderFault(body.tags), '');
        body.close();
      }
    } catch (error) {
      // Between two publishers a name may be unknown; anything else is a failure.
      if (!(error instanceof Error) || !/^(404 |NetStream\.Play\.StreamNotFound)/.test(error.message))
        throw error;
      await pause(100);
    }
  }
}

test(`soak: ${MINUTES} minutes of coming and going`, { timeout: (MINUTES + 2) * 60_000 }, async () => {
  const server = await TestServer.start({
    config: '<log><level>info</level></log>',
    policy:
      '<application name="live"><publish><grace>1s</grace></publish><hls><duration>1s</duration></hls></application>',
  });
  const { tick, sessions, limits, hub } = server.application.context;
  const atRest = tick.pending;
  const turn = async (seconds: number) => {
    const end = Date.now() + seconds * 1000;
    const isOver = () => Date.now() > end;
    await Promise.all([
      ...Array.from({ length: STREAMS }, (_, i) => publishAndGo(server, `soak${i}`, random, isOver)),
      ...Array.from({ length: PLAYERS }, () => playAndGo(server, isOver)),
    ]);
    const calm = () => sessions.size === 0 && limits.open === 0 && hub.streams().length === 0;
    await server.until('calm', calm, 60_000);
    // Ended HLS lists are kept for a while for late players, each with its timer.
    await server.until('the end of all timers', () => tick.pending <= atRest, 30_000);
    await pause(4000);
    server.lines.length = 0;
    return { heap: heapBytes(), handles: handleCount(), timers: tick.pending };
  };
  const warm = await turn(Math.min(20, MINUTES * 15));
  const end = await turn(MINUTES * 60);
  assert.deepEqual(server.faults, []);
  assert.ok(end.handles <= warm.handles + 2, `${warm.handles} handles before, ${end.handles} after`);
  assert.ok(end.timers <= warm.timers, `${warm.timers} timers before, ${end.timers} after`);
  const grown = end.heap - warm.heap;
  assert.ok(grown < SLACK_BYTES, `the heap grew by ${(grown / 1_048_576).toFixed(1)} MB`);
  await server.close();
});
