/** Ten thousand connections that come and go leave no session, no timer and no handle. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { test } from 'node:test';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { openFlv } from '../support/flv-body.ts';
import { RtmpPeer } from '../support/rtmp-peer.ts';
import { TestServer } from '../support/test-server.ts';

const BATCH = 100;
const HALF_HANDSHAKE = Buffer.concat([Buffer.of(3), Buffer.alloc(700)]);
const HANDSHAKE = Buffer.concat([Buffer.of(3), Buffer.alloc(1536, 1), Buffer.alloc(1536, 2)]);

async function raw(port: number, bytes: Buffer | null, rude: boolean): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => undefined);
  socket.resume();
  await once(socket, 'connect');
  if (bytes !== null) socket.write(bytes);
  if (rude) socket.resetAndDestroy();
  else socket.end(() => socket.destroy());
  if (!socket.closed) await once(socket, 'close');
}

async function http(port: number, path: string, agent: Agent): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    get({ port, host: '127.0.0.1', path, agent }, (response) => {
      response.resume();
      response.on('close', resolve);
    }).on('error', reject);
  });
}

async function play(server: TestServer, index: number): Promise<void> {
  if (index % 2 === 0) {
    const peer = await RtmpPeer.open({ port: server.rtmpPort });
    await peer.play('cam');
    peer.close();
    return;
  }
  const scheme = index % 4 === 1 ? 'http' : 'ws';
  const body = await openFlv(`${scheme}://127.0.0.1:${server.httpPort}/live/cam.flv`);
  body.close();
}

function handles(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo()) {
    // What this process holds as a client comes and goes by itself.
    if (/^(TCP|TLS|Pipe|Timeout|TTY|FSEvent|StatWatcher)/.test(name)) counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

test('churn: 10,000 connections of all kinds leave nothing', async () => {
  const server = await TestServer.start();
  const { limits, sessions, tick } = server.application.context;
  const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam' });
  // The first of everything, so that what is made once is there before the count.
  const agent = new Agent({ keepAlive: false });
  await raw(server.rtmpPort, HANDSHAKE, false);
  await http(server.httpPort, '/api/status', agent);
  for (let i = 0; i < 4; i++) await play(server, i);
  const calm = () => limits.open === 1 && sessions.size === 1;
  await server.until('calm before', calm);
  await new Promise((done) => setTimeout(done, 300));
  const before = { handles: handles(), timers: tick.pending };
  let made = 0;
  while (made < 10_000) {
    await Promise.all(
      Array.from({ length: BATCH }, (_, i) => {
        const kind = i % 20;
        if (kind === 0) return play(server, made / BATCH + i / 20);
        if (kind < 5)
          return http(server.httpPort, kind === 1 ? '/live/nobody.flv' : '/api/v1/versions', agent);
        if (kind < 10) return raw(server.rtmpPort, HALF_HANDSHAKE, kind === 6);
        if (kind < 14) return raw(server.rtmpPort, HANDSHAKE, kind === 12);
        if (kind < 17) return raw(server.httpPort, null, kind === 16);
        return raw(kind === 17 ? server.rtmpsPort : server.rtmpPort, null, kind === 19);
      }),
    );
    made += BATCH;
  }
  await server.until('calm after', calm);
  // Sockets that were ended by us are looked at once more some seconds later; those timeouts must run out.
  await server.until('the end of all timers', () => tick.pending <= before.timers, 15_000);
  const after = handles();
  for (const [name, count] of Object.entries(after)) {
    // One socket of a keep-alive or a timer of the test itself may be on its way.
    assert.ok(
      count <= (before.handles[name] ?? 0) + 2,
      `${name}: ${before.handles[name] ?? 0} before, ${count} after`,
    );
  }
  assert.equal(publisher.peer.closed, false);
  assert.equal(server.application.context.hub.find('live/cam')?.playerCount, 0);
  publisher.stop();
  agent.destroy();
  await server.close();
});
