/** Publishers that stand by, slates and pulls in a whole server: viewers stay, times rise, every byte is somebody's. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { type FlvBody, openFlv } from '../support/flv-body.ts';
import {
  demoTags,
  indexOfRun,
  isConfig,
  mediaBytes,
  orderFault,
  TAG_AUDIO,
  TAG_VIDEO,
} from '../support/flv-tags.ts';
import { RtmpPeer } from '../support/rtmp-peer.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const CLIP = fileURLToPath(new URL('../../build/demo-clip.flv', import.meta.url));

let origin: TestServer;
let server: TestServer;
let deadPort = 0;

before(async () => {
  const spare = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => spare.once('listening', done));
  deadPort = (spare.address() as AddressInfo).port;
  await new Promise((done) => spare.close(done));
  origin = await TestServer.start({});
  const rtmp = `rtmp://user:secret@127.0.0.1:${origin.rtmpPort}/live`;
  const http = `http://127.0.0.1:${origin.httpPort}/live`;
  server = await TestServer.start({
    policy: `
      <application name="live">
        <stream name="two"><publish busy="standby" failover="600ms" steady="1s"/></stream>
        <stream name="slate"><publish failover="500ms"/><slate source="embedded"/></stream>
        <stream name="file"><publish failover="500ms" grace="0"/><slate source="vod:slate.flv" always="on"/></stream>
        <stream name="always" source="${rtmp}/a"/>
        <stream name="asked" source="${http}/a.flv" on-demand="on" close-after="200ms"/>
        <stream name="none" source="rtmp://127.0.0.1:${deadPort}/live/x" on-demand="on" start-timeout="700ms" retry="100ms"/>
        <stream name="list" retry="100ms">
          <source url="rtmp://127.0.0.1:${deadPort}/live/x"/>
          <source url="${rtmp}/b" priority="1"/>
          <source url="${http}/a.ts" priority="2"/>
        </stream>
        <stream name="edge-*" source="${rtmp}/$1" close-after="200ms"/>
      </application>`,
  });
  mkdirSync(join(server.folder, 'vod'), { recursive: true });
  copyFileSync(CLIP, join(server.folder, 'vod', 'slate.flv'));
});

after(async () => {
  await server.close();
  await origin.close();
});

const lastMs = (player: FlvBody) => player.tags.at(-1)?.timestamp ?? 0;
const state = (name: string) => server.application.context.hub.find(name)?.state;

interface PublisherJson {
  id: string;
  state: string;
  protocol: string;
  remote: string;
  last_frame_ms: number | null;
}

async function publishers(name: string): Promise<PublisherJson[]> {
  const answer = (await (await fetch(server.http('/api/v1/streams?count=100'))).json()) as {
    streams: { url: string; publishers: PublisherJson[] }[];
  };
  return answer.streams.find(({ url }) => url === `/${name}`)?.publishers ?? [];
}

interface PullJson {
  id: string;
  stream: string;
  state: string;
  error: string;
  source: string;
  next_attempt_ms: number | null;
  sources: { url: string; state: string; error: string }[];
}

async function pulls(): Promise<PullJson[]> {
  const answer = (await (await fetch(server.http('/api/v1/pulls'))).json()) as { pulls: PullJson[] };
  return answer.pulls;
}

const pullOf = async (stream: string) => (await pulls()).find((one) => one.stream === stream)!;

async function send(method: string, path: string, body?: object): Promise<{ status: number; text: string }> {
  const response = await fetch(server.http(path), {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

/** As `until`, for what the server must be asked. */
async function untilTold(what: string, test: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await test())) {
    if (Date.now() > deadline) throw new Error(`${what} did not happen`);
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** The list of a stream in MPEG-TS segments. */
async function mediaList(name: string): Promise<string> {
  const base = server.http(`/live/${name}.m3u8`);
  const master = await (await fetch(base)).text();
  const line = master.split('\n').find((text) => text !== '' && !text.startsWith('#'))!;
  return await (await fetch(new URL(line, base))).text();
}

/** Longest step between two pictures, milliseconds. */
function longestStep(player: FlvBody): number {
  const times = player.tags
    .filter((tag) => tag.type === TAG_VIDEO && !isConfig(tag))
    .map(({ timestamp }) => timestamp);
  return Math.max(...times.slice(1).map((time, i) => time - times[i]!));
}

/** Every picture and sound that came is one of the clip's, bit by bit. */
function checkOrigin(player: FlvBody): void {
  const known = new Set(
    demoTags()
      .filter((tag) => !isConfig(tag))
      .map(({ payload }) => payload.toString('base64')),
  );
  const media = player.tags.filter(
    (tag) => (tag.type === TAG_AUDIO || tag.type === TAG_VIDEO) && !isConfig(tag),
  );
  const strange = media.filter(({ payload }) => !known.has(payload.toString('base64')));
  assert.equal(strange.length, 0, `${strange.length} of ${media.length} tags are not of the clip`);
}

describe('standby, slates, pulls', { concurrency: 8 }, () => {
  test('two publishers: silence, a choice by the API, an end; a player sees one stream', async () => {
    const one = await ClipPublisher.start({ port: server.rtmpPort, name: 'two' });
    const player = await openFlv(server.http('/live/two.flv'));
    const rtmp = await RtmpPeer.open({ port: server.rtmpPort });
    await rtmp.play('two');
    const two = await ClipPublisher.start({ port: server.rtmpPort, name: 'two', leadMs: 3300 });
    await until('media', () => lastMs(player) > 1000);
    const [a, b] = await publishers('live/two');
    assert.deepEqual([a?.state, b?.state, b?.protocol], ['active', 'standby', 'rtmp']);
    const standbyId = b!.id;
    await mediaList('two');

    one.pause();
    await untilTold('the take-over', async () => (await publishers('live/two'))[0]?.id === standbyId);
    let reached = lastMs(player);
    await until('media of the second', () => lastMs(player) > reached + 500);
    const list = await mediaList('two');
    assert.match(list, /#EXTINF/);
    assert.doesNotMatch(list, /#EXT-X-DISCONTINUITY(?!-)/, 'the same tracks and no gap: HLS goes on too');

    one.resume();
    const back = await send('POST', '/api/v1/streams/switch', { stream: 'live/two', publisher: a!.id });
    assert.equal(back.status, 200, back.text);
    await untilTold('the first by choice', async () => (await publishers('live/two'))[0]?.id === a!.id);
    assert.equal(
      (await send('POST', '/api/v1/streams/switch', { stream: 'live/two', publisher: 'x' })).status,
      404,
    );

    one.crash();
    await untilTold(
      'the second after an end',
      async () => (await publishers('live/two'))[0]?.id === standbyId,
    );
    reached = lastMs(player);
    await until('media after the end', () => lastMs(player) > reached + 500);
    assert.equal(player.closed, false);
    for (const tags of [player.tags, rtmp.tags]) assert.equal(orderFault(tags), '');
    checkOrigin(player);
    assert.equal(player.tags.filter((tag) => tag.type === TAG_VIDEO && isConfig(tag)).length, 1, 'told once');
    assert.ok(longestStep(player) < 3000, `${longestStep(player)} ms`);
    const switched = server.logged('stream.switched').filter(({ fields }) => fields['stream'] === 'live/two');
    assert.equal(switched.length, 3);
    assert.match(String(switched[0]!.fields['cause']), /sent nothing for 0\.6 s/);
    player.close();
    rtmp.close();
    two.crash();
  });

  test('a slate while the publisher is silent, and when it is gone; the publisher comes back at a key frame', async () => {
    const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'slate' });
    const player = await openFlv(server.http('/live/slate.flv'));
    await until('media', () => lastMs(player) > 500);
    publisher.pause();
    await untilTold('the slate', async () => (await publishers('live/slate'))[0]?.protocol === 'slate');
    let reached = lastMs(player);
    await until('media of the slate', () => lastMs(player) > reached + 700);
    publisher.resume();
    await untilTold('the publisher', async () => {
      const all = await publishers('live/slate');
      return all.length === 1 && all[0]!.protocol === 'rtmp';
    });
    publisher.crash();
    await untilTold('the slate again', async () => (await publishers('live/slate'))[0]?.protocol === 'slate');
    reached = lastMs(player);
    await until('media of the slate again', () => lastMs(player) > reached + 500);
    const next = await ClipPublisher.start({ port: server.rtmpPort, name: 'slate' });
    await untilTold(
      'the next publisher',
      async () => (await publishers('live/slate'))[0]?.protocol === 'rtmp',
    );
    reached = lastMs(player);
    await until('its media', () => lastMs(player) > reached + 500);
    assert.equal(player.closed, false);
    assert.equal(orderFault(player.tags), '');
    checkOrigin(player);
    player.close();
    next.crash();
  });

  test('a slate of a file, also before anybody has published', async () => {
    const player = await openFlv(server.http('/live/file.flv'));
    await until('the slate', () => lastMs(player) > 300);
    assert.equal((await publishers('live/file'))[0]!.remote, 'vod:slate.flv');
    const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'file' });
    await untilTold('the publisher', async () => (await publishers('live/file'))[0]?.protocol === 'rtmp');
    publisher.crash();
    await untilTold('the slate again', async () => (await publishers('live/file'))[0]?.protocol === 'slate');
    const reached = lastMs(player);
    await until('its media', () => lastMs(player) > reached + 300);
    assert.equal(player.closed, false);
    assert.equal(orderFault(player.tags), '');
    player.close();
  });

  test('pulls: always on over RTMP, on demand over HTTP-FLV; on demand stops after the last viewer', async () => {
    const publisher = await ClipPublisher.start({ port: origin.rtmpPort, name: 'a' });
    await until('the pull', () => state('live/always') === 'live', 15_000);
    const always = await openFlv(server.http('/live/always.flv'));
    assert.equal(state('live/asked'), undefined);
    assert.equal((await pullOf('live/asked')).state, 'idle');
    const asked = await openFlv(server.http('/live/asked.flv'));
    await until(
      'media',
      () => mediaBytes(asked.tags, TAG_VIDEO).length > 40 && mediaBytes(always.tags, TAG_VIDEO).length > 40,
    );
    for (const player of [asked, always]) {
      assert.equal(orderFault(player.tags), '');
      for (const type of [TAG_AUDIO, TAG_VIDEO])
        assert.ok(indexOfRun(mediaBytes(publisher.sent, type), mediaBytes(player.tags, type)) >= 0);
    }
    const { state: shownState, source } = await pullOf('live/always');
    assert.deepEqual([shownState, source], ['live', `rtmp://127.0.0.1:${origin.rtmpPort}/live/a`]);
    asked.close();
    await until('the end of the pull', () => state('live/asked') === undefined);
    assert.equal((await pullOf('live/asked')).state, 'idle');
    always.close();
    publisher.crash();
    assert.doesNotMatch(JSON.stringify([server.lines, await pulls()]), /secret/);
  });

  test('pulls: a viewer of a source that is not there is told why', async () => {
    const failure = await openFlv(server.http('/live/none.flv')).catch((error: Error) => error);
    assert.ok(failure instanceof Error);
    assert.match(
      failure.message,
      /live\/none did not start within 0\.7 s: nothing listens at 127\.0\.0\.1:\d+/,
    );
    assert.equal((await pullOf('live/none')).state, 'idle');
  });

  test('pulls: the next source when one fails, and when one is lost; the viewer stays', async () => {
    const b = await ClipPublisher.start({ port: origin.rtmpPort, name: 'b' });
    await until('the second source', () => state('live/list') === 'live', 15_000);
    const player = await openFlv(server.http('/live/list.flv'));
    await until('media', () => lastMs(player) > 500);
    assert.deepEqual(
      (await pullOf('live/list')).sources.map((one) => one.state),
      ['idle', 'live', 'idle'],
    );
    b.crash();
    const c = await ClipPublisher.start({ port: origin.rtmpPort, name: 'b' });
    const reached = lastMs(player);
    await until('media of a source', () => lastMs(player) > reached + 500, 20_000);
    assert.equal(player.closed, false);
    assert.equal(orderFault(player.tags), '');
    checkOrigin(player);
    player.close();
    c.crash();
  });

  test('pulls: names with * are made for viewers and forgotten', async () => {
    const publisher = await ClipPublisher.start({ port: origin.rtmpPort, name: 'cam7' });
    const player = await openFlv(server.http('/live/edge-cam7.flv'));
    await until('media', () => lastMs(player) > 300);
    assert.equal((await pullOf('live/edge-cam7')).state, 'live');
    assert.equal((await fetch(server.http('/live/edge-other.flv'), { method: 'HEAD' })).status, 200);
    player.close();
    await untilTold('the end', async () => (await pullOf('live/edge-cam7')) === undefined);
    assert.equal(await pullOf('live/edge-other'), undefined, 'asking for it starts nothing');
    publisher.crash();
  });

  test('pulls of the API: added, listed, stopped; refusals say what is wrong', async () => {
    const publisher = await ClipPublisher.start({ port: origin.rtmpPort, name: 'api' });
    const url = `rtmp://u:secret@127.0.0.1:${origin.rtmpPort}/live/api`;
    const added = await send('POST', '/api/v1/pulls', { stream: 'live/added', url });
    assert.equal(added.status, 200, added.text);
    assert.doesNotMatch(added.text, /secret/);
    await until('the pull', () => state('live/added') === 'live');
    assert.equal((await send('POST', '/api/v1/pulls', { stream: 'live/added', url })).status, 409);
    for (const [body, message] of [
      [{ url }, /application|stream/],
      [{ stream: 'live/x' }, /Where from/],
      [{ stream: 'live/x', url: 'file:///etc/passwd' }, /no URL that can be pulled/],
      [{ stream: 'other/x', url }, /not allowed/],
      [{ stream: 'live/x', url, transport: 'sctp' }, /transport=sctp/],
      [{ stream: 'live/*', url }, /without \*/],
    ] as const) {
      const answer = await send('POST', '/api/v1/pulls', body);
      assert.ok(answer.status >= 400 && answer.status < 500, answer.text);
      assert.match(answer.text, message);
    }
    const id = (await pullOf('live/added')).id;
    assert.equal((await send('DELETE', `/api/v1/pulls/${(await pullOf('live/always')).id}`)).status, 403);
    assert.equal((await send('DELETE', `/api/v1/pulls/${id}`)).status, 200);
    assert.equal((await send('DELETE', `/api/v1/pulls/${id}`)).status, 404);
    assert.equal(await pullOf('live/added'), undefined);
    const foreign = await fetch(server.http('/api/v1/pulls'), {
      method: 'POST',
      headers: { Origin: 'http://evil.example' },
      body: JSON.stringify({ stream: 'live/y', url }),
    });
    assert.equal(foreign.status, 403);
    publisher.crash();
  });
});
