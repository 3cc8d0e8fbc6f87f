/** A pull by WHEP through a network that loses, delays and exchanges packets: they are asked for again, then key frames are. */
import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { Pulled } from '../support/pulled.ts';
import { TestServer } from '../support/test-server.ts';
import { UdpRelay } from '../support/udp-relay.ts';
import { until } from '../support/until.ts';

let near: TestServer;
let origin: TestServer;
let cam: ClipPublisher;
let relay: UdpRelay;
/** Signalling that sends media through the relay. */
let proxy: Server;

async function forward(method: string, url: string, body: string, response: ServerResponse): Promise<void> {
  const headers = { 'Content-Type': 'application/sdp' };
  const answer = await fetch(origin.http(url), { method, ...(method === 'POST' ? { body, headers } : {}) });
  const text = (await answer.text()).replace(
    /(a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1) (\d+)/i,
    (_, head: string, port: string) => {
      relay.setTarget(Number(port));
      return `${head} ${relay.frontPort}`;
    },
  );
  response.writeHead(answer.status, { ...headers, Location: answer.headers.get('location') ?? '' });
  response.end(text);
}

before(async () => {
  near = await TestServer.start({ webrtc: '<tcp>off</tcp>' });
  origin = await TestServer.start({ webrtc: '<tcp>off</tcp>' });
  cam = await ClipPublisher.start({ port: origin.rtmpPort, name: 'cam' });
  relay = await UdpRelay.open(7);
  proxy = createServer((message, response) => {
    let body = '';
    message.on('data', (part: Buffer) => {
      body += part.toString();
    });
    message.on('end', () => {
      forward(message.method ?? '', message.url ?? '', body, response).catch(() => response.destroy());
    });
  }).listen(0, '127.0.0.1');
  await new Promise((done) => proxy.once('listening', done));
});

after(async () => {
  cam?.stop();
  await near?.close();
  await origin?.close();
  relay?.close();
  proxy?.closeAllConnections();
  proxy?.close();
});

function pull(): Pulled {
  const { port } = proxy.address() as AddressInfo;
  return new Pulled(`whep://127.0.0.1:${port}/live/cam/whep`, {
    rtcCalls: near.application.context.rtcCalls,
  });
}

test('pull by WHEP: what is lost is asked for and comes', async () => {
  relay.setFaults({ loss: 0.05, reorder: 0.02, reorderMs: 15, delayMs: 10, jitterMs: 5 });
  const pulled = pull();
  const number = (name: string) => Number(pulled.pull.details?.()[name] ?? 0);
  await pulled.media(['h264', 'opus'], 100);
  await until('recovered packets', () => number('packets_recovered') > 3);
  assert.ok(relay.toPeer.lost > 3);
  assert.equal(number('damaged'), 0);
  assert.ok(number('packets_lost') <= relay.toPeer.lost / 4, JSON.stringify(pulled.pull.details?.()));
  pulled.pull.close();
  assert.deepEqual(pulled.faults, []);
});

test('pull by WHEP: after a hole the pictures go on with a key frame that was asked for', async () => {
  relay.setFaults({});
  const pulled = pull();
  await pulled.media(['h264', 'opus'], 20);
  const number = (name: string) => Number(pulled.pull.details?.()[name] ?? 0);
  const asked = number('key_frames_asked');
  const { lost } = relay.toPeer;
  relay.setFaults({ loss: 1 });
  await until('a hole', () => relay.toPeer.lost > lost + 60);
  // Nobody hears what is asked for meanwhile.
  relay.toPeer.faults = {};
  await until('packets that are given up', () => number('packets_lost') > 0);
  relay.setFaults({});
  const before = pulled.payloads('h264').length;
  await pulled.media(['h264'], before + 30);
  await until('a request', () => number('key_frames_asked') > asked);
  const pictures = pulled.frames.filter(({ config }) => config.codec === 'h264');
  const gap = pictures.findIndex(({ dts }, i) => i > 0 && dts - pictures[i - 1]!.dts > 150_000);
  assert.ok(gap > 0, 'the hole is there');
  assert.equal(pictures[gap]!.flags & 1, 1, 'behind it is a key frame');
  pulled.pull.close();
  assert.deepEqual(pulled.faults, []);
});
