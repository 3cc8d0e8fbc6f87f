/** HLS end to end: playlists by RFC 8216, segments by ISO/IEC 13818-1, judged by checkers of our own making. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type CheckedPlaylist, checkPlaylist, checkPlaylistUpdate } from '../conformance/m3u8-checker.ts';
import { TsChecker } from '../conformance/ts-checker.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { demoTags, TAG_AUDIO, TAG_VIDEO } from '../support/flv-tags.ts';
import { ask } from '../support/http-client.ts';
import { TestServer } from '../support/test-server.ts';

/** Faster than life: the clip's 20 s are over in five. Only the wall clock in the playlist then means nothing. */
const SPEED = 4;
const REAL_TIME = 'both';

let server: TestServer;
const publishers: ClipPublisher[] = [];

before(async () => {
  const rolling = '<stream name="rolling"><hls><count>3</count><cache>4</cache></hls></stream>';
  server = await TestServer.start({
    policy: `<application name="live"><hls><duration>2s</duration><count>50</count><cache>50</cache></hls>
      <publish><grace>0</grace></publish>${rolling}
      <stream name="off"><hls><enable>off</enable></hls></stream></application>`,
  });
  const port = server.rtmpPort;
  const start = async (name: string, types: readonly number[]) => {
    const speed = name === REAL_TIME ? 1 : SPEED;
    publishers.push(await ClipPublisher.start({ port, name, types, speed, leadMs: 0 }));
  };
  await Promise.all([
    start('both', [TAG_AUDIO, TAG_VIDEO]),
    start('audio', [TAG_AUDIO]),
    start('video', [TAG_VIDEO]),
    start('rolling', [TAG_AUDIO, TAG_VIDEO]),
    start('off', [TAG_VIDEO]),
  ]);
});

after(async () => {
  for (const publisher of publishers) publisher.stop();
  await server.close();
});

async function fetchPlaylist(path: string): Promise<CheckedPlaylist> {
  const { status, text, headers } = await ask({ port: server.httpPort, path });
  assert.equal(status, 200, text);
  assert.equal(headers['content-type'], 'application/vnd.apple.mpegurl');
  assert.equal(headers['access-control-allow-origin'], '*');
  const playlist = checkPlaylist(text);
  const violations = playlist.violations.filter(
    (violation) => path.includes(REAL_TIME) || !/off the durations$/.test(violation),
  );
  assert.deepEqual(violations, [], text);
  return playlist;
}

/** Where the media playlist is: what a player is given may be a master playlist. */
async function mediaPath(path: string): Promise<string> {
  const playlist = await fetchPlaylist(path);
  return playlist.isMaster ? `/live/${playlist.variants[0]!.uri}` : path;
}

async function playlistOf(path: string): Promise<CheckedPlaylist> {
  return await fetchPlaylist(await mediaPath(path));
}

async function segmentOf(uri: string): Promise<Buffer> {
  const { status, headers, body } = await ask({ port: server.httpPort, path: `/live/${uri}` });
  assert.equal(status, 200, uri);
  assert.equal(headers['content-type'], 'video/mp2t');
  assert.equal(Number(headers['content-length']), body.length);
  return body;
}

/** Asks again and again until the list is long enough; every step must be one that the RFC allows. */
async function watch(path: string, segments: number): Promise<CheckedPlaylist> {
  const media = await mediaPath(path);
  let playlist = await fetchPlaylist(media);
  const { mediaSequence } = playlist;
  const deadline = Date.now() + 20_000;
  while (playlist.mediaSequence + playlist.segments.length - mediaSequence < segments) {
    assert.ok(Date.now() < deadline, `only ${playlist.segments.length} segments`);
    await new Promise((done) => setTimeout(done, 200));
    const next = await fetchPlaylist(media);
    assert.deepEqual(checkPlaylistUpdate(playlist, next), []);
    playlist = next;
  }
  return playlist;
}

describe('HLS', { concurrency: 6 }, () => {
  for (const [name, streams] of [
    ['both', 2],
    ['audio', 1],
    ['video', 1],
  ] as const) {
    test(`${name}: playlists and segments are right`, async () => {
      const playlist = await watch(`/live/${name}.m3u8`, name === REAL_TIME ? 3 : 5);
      const checker = new TsChecker();
      for (const { uri } of playlist.segments) checker.segment(await segmentOf(uri), uri, name !== 'audio');
      assert.deepEqual(checker.finish(), []);
      assert.equal(checker.streams.size, streams);
      const listed = playlist.segments.reduce((sum, segment) => sum + segment.seconds, 0);
      for (const seen of checker.streams.values()) {
        const seconds = (seen.lastPts - seen.firstPts) / 90_000;
        assert.ok(Math.abs(seconds - listed) < 0.3, `${listed} s are listed, a track has ${seconds} s`);
      }
      assert.deepEqual(server.faults, []);
    });
  }

  test('the window rolls, and what left it can be fetched a while longer', async () => {
    const first = await watch('/live/rolling.m3u8', 1);
    const last = await watch('/live/rolling.m3u8', 6);
    assert.equal(last.segments.length, 3);
    assert.ok(last.mediaSequence > first.mediaSequence);
    const before = last.segments[0]!.uri.replace(/-\d+\./, `-${last.mediaSequence - 1}.`);
    assert.equal((await ask({ port: server.httpPort, path: `/live/${before}` })).status, 200, 'in the cache');
    const oldest = `/live/${first.segments[0]!.uri}`;
    const deadline = Date.now() + 10_000;
    while ((await ask({ port: server.httpPort, path: oldest })).status !== 404) {
      assert.ok(Date.now() < deadline, 'a segment is kept for ever');
      await new Promise((done) => setTimeout(done, 200));
    }
  });

  test('requests without a body, refusals, sessions of others', async () => {
    const port = server.httpPort;
    const playlist = await watch('/live/both.m3u8', 1);
    const { uri } = playlist.segments[0]!;
    const head = await ask({ port, path: `/live/${uri}`, method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
    assert.ok(Number(head.headers['content-length']) > 188);
    assert.equal((await ask({ port, path: '/live/nobody.m3u8' })).status, 404);
    assert.equal((await ask({ port, path: '/live/both-99999.ts' })).status, 404);
    const off = await ask({ port, path: '/live/off.m3u8' });
    assert.equal(off.status, 403);
    assert.match(off.text, /switched off/);
    const master = await ask({ port, path: '/live/both.m3u8' });
    const query = /\?hls_ctx=\w+/.exec(master.text)![0];
    assert.equal((await ask({ port, path: `/live/video.m3u8${query}` })).status, 403);
  });

  test('a viewer counts as one session however often it asks', async () => {
    const { text } = await ask({ port: server.httpPort, path: '/live/video.m3u8' });
    const query = /\?hls_ctx=\w+/.exec(text)![0];
    for (let i = 0; i < 3; i++) await ask({ port: server.httpPort, path: `/live/video.m3u8${query}` });
    const id = query.slice('?hls_ctx='.length);
    const session = server.application.context.sessions.get(id);
    assert.equal(session?.protocol, 'hls');
    assert.equal(session?.streamText, 'live/video');
  });

  test('the list of a stream that is over says so', async () => {
    const publisher = await ClipPublisher.start({
      port: server.rtmpPort,
      name: 'short',
      speed: SPEED,
      leadMs: 6000,
    });
    publishers.push(publisher);
    await watch('/live/short.m3u8', 1);
    publisher.stop();
    let playlist = await playlistOf('/live/short.m3u8');
    const deadline = Date.now() + 5000;
    while (!playlist.ended && Date.now() < deadline) playlist = await playlistOf('/live/short.m3u8');
    assert.ok(playlist.ended, 'no #EXT-X-ENDLIST');
    const checker = new TsChecker();
    for (const { uri } of playlist.segments) checker.segment(await segmentOf(uri), uri);
    assert.deepEqual(checker.finish(), []);
  });
});

test('HLS: the clip has a key frame every 2 s, which these tests rely on', () => {
  const keys = demoTags().filter(
    (tag) => tag.type === TAG_VIDEO && tag.payload[0] === 0x17 && tag.payload[1] === 1,
  );
  assert.deepEqual(
    keys.slice(0, 3).map((tag) => tag.timestamp),
    [0, 2000, 4000],
  );
});
