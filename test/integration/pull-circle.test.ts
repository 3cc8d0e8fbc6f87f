/** Two servers that pull a stream from each other: whoever would get its own stream back is told so. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { TestServer } from '../support/test-server.ts';

const WAYS: Readonly<Record<string, (server: TestServer, stream: string) => string>> = {
  rtmp: (server, stream) => server.rtmp(`/live/${stream}`),
  rtsp: (server, stream) => `rtsp://127.0.0.1:${server.rtspPort}/live/${stream}#tcp`,
  flv: (server, stream) => server.http(`/live/${stream}.flv`),
  ts: (server, stream) => server.http(`/live/${stream}.ts`),
  mp4: (server, stream) => server.http(`/live/${stream}.mp4`),
  hls: (server, stream) => server.http(`/live/${stream}.m3u8`),
  whep: (server, stream) => server.http(`/live/${stream}/whep`),
};
const POLICY = `<application name="live">
  <publish busy="standby" failover="600ms"/><hls><duration>1s</duration></hls>
</application>`;
const CIRCLE = /circle/;

interface PullJson {
  readonly id: string;
  readonly state: string;
  readonly error: string;
}

let first: TestServer;
let second: TestServer;

before(async () => {
  first = await TestServer.start({ policy: POLICY, webrtc: ' ' });
  second = await TestServer.start({ policy: POLICY, webrtc: ' ' });
});

after(async () => {
  await first.close();
  await second.close();
});

async function pull(server: TestServer, stream: string, url: string, onDemand = false): Promise<string> {
  const response = await fetch(server.http('/api/v1/pulls'), {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ stream: `live/${stream}`, url, on_demand: onDemand ? 'on' : 'off' }),
  });
  assert.equal(response.status, 200, await response.clone().text());
  return ((await response.json()) as { pull: PullJson }).pull.id;
}

async function shown(server: TestServer, id: string): Promise<PullJson> {
  return ((await (await fetch(server.http(`/api/v1/pulls/${id}`))).json()) as { pull: PullJson }).pull;
}

async function untilPull(server: TestServer, id: string, test: (pull: PullJson) => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  for (;;) {
    const now = await shown(server, id);
    if (test(now)) return;
    if (Date.now() > deadline) assert.fail(`the pull stays as it is: ${JSON.stringify(now)}`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

describe('a pull in a circle', { concurrency: 3 }, () => {
  for (const [name, url] of Object.entries(WAYS)) {
    test(`is refused by ${name} where the stream is live`, async () => {
      const stream = `circle-${name}`;
      const publisher = await ClipPublisher.start({ port: first.rtmpPort, name: stream });
      const there = await pull(second, stream, url(first, stream));
      await untilPull(second, there, ({ state }) => state === 'live');
      const back = await pull(first, stream, url(second, stream));
      await untilPull(first, back, ({ error }) => CIRCLE.test(error));
      // What is no circle goes on.
      assert.equal((await shown(second, there)).state, 'live');
      publisher.stop();
    });
  }

  test('of a server to itself is refused, and another name of its own stream is none', async () => {
    const publisher = await ClipPublisher.start({ port: first.rtmpPort, name: 'self' });
    const self = await pull(first, 'self', first.http('/live/self.flv'));
    await untilPull(first, self, ({ error }) => CIRCLE.test(error));
    const other = await pull(first, 'self-renamed', first.http('/live/self.flv'));
    await untilPull(first, other, ({ state }) => state === 'live');
    publisher.stop();
  });

  test('of servers that wait for each other is refused, though nobody has the stream', async () => {
    const id = await pull(first, 'nobody', WAYS['flv']!(second, 'nobody'), true);
    const other = await pull(second, 'nobody', WAYS['rtsp']!(first, 'nobody'), true);
    const player = fetch(first.http('/live/nobody.flv')).then(async (response) => response.body?.cancel());
    await untilPull(second, other, ({ error }) => CIRCLE.test(error));
    await fetch(first.http(`/api/v1/pulls/${id}`), { method: 'DELETE' });
    await fetch(second.http(`/api/v1/pulls/${other}`), { method: 'DELETE' });
    await player;
  });
});
