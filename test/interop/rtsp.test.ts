/** RTSP with programs of others: FFmpeg 8 (node-av), ffmpeg and GStreamer of the system; both ways, TCP, UDP and TLS. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { multicastMissing } from '../support/multicast.ts';
import { type ClipSpec, makeClip, playUrl, publishClip, readSeen, type Seen } from '../support/node-av.ts';
import { onceMore } from '../support/once-more.ts';
import { missing, NODE_AV_MISSING, run, start } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';

const CLIP = fileURLToPath(new URL('../../build/demo-clip.flv', import.meta.url));
const SECONDS = 6;
/** Pictures per second of the clips. */
const RATE = 25;

interface Case {
  readonly name: string;
  readonly clip: ClipSpec;
  readonly tracks: number;
}

const CASES: readonly Case[] = [
  { name: 'h264-aac', clip: { video: 'libx264', audio: 'aac', format: 'mp4' }, tracks: 2 },
  { name: 'hevc-aac', clip: { video: 'libx265', audio: 'aac', format: 'mp4' }, tracks: 2 },
  { name: 'h264-pcma', clip: { video: 'libx264', audio: 'pcm_alaw', format: 'matroska' }, tracks: 2 },
  { name: 'h264-opus', clip: { video: 'libx264', audio: 'libopus', format: 'mp4' }, tracks: 2 },
  { name: 'h264-mp3', clip: { video: 'libx264', audio: 'libmp3lame', format: 'mp4' }, tracks: 2 },
];

const NO_CLIENT_SINK = await withoutElement('rtspclientsink');
const NO_MULTICAST = await multicastMissing();

let server: TestServer;
let cam: ClipPublisher;

before(async () => {
  // Two tests that make the same clip at once would get into each other's way.
  if (NODE_AV_MISSING === false) for (const { clip } of CASES) await makeClip(clip, SECONDS);
  server = await TestServer.start({
    policy: '<application name="live"><multicast enable="on" interface="127.0.0.1"/></application>',
  });
  cam = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam' });
});

after(async () => {
  cam.stop();
  await server.close();
});

const rtsp = (name: string) => `rtsp://127.0.0.1:${server.rtspPort}/live/${name}`;
const rtsps = (name: string) => `rtsps://127.0.0.1:${server.rtspsPort}/live/${name}`;

async function live(name: string, tracks: number): Promise<void> {
  const { hub } = server.application.context;
  await server.until(`live/${name}`, () => {
    const stream = hub.find(`live/${name}`);
    return stream?.state === 'live' && stream.tracks.length >= tracks && stream.cachedBytes > 0;
  });
}

/** No frame of the program was lost on its way in. */
function assertAllCame(name: string): void {
  const [stop] = server
    .logged('rtsp.publish-stop')
    .filter(({ fields }) => fields['stream'] === `live/${name}`);
  assert.ok(stop, 'it ended');
  assert.equal(stop.fields['lost'], undefined);
}

/** Packets of `played` are a run of those of `published`. */
function assertRun(published: readonly string[], played: readonly string[], what: string): void {
  const from = published.indexOf(played[0] ?? '');
  assert.ok(from >= 0, `${what}: the first packet was not published`);
  assert.deepEqual(played, published.slice(from, from + played.length), what);
}

describe('FFmpeg 8', { concurrency: 4, skip: NODE_AV_MISSING }, () => {
  for (const { name, clip, tracks } of CASES) {
    for (const way of ['tcp', 'udp']) {
      test(`publishes ${name} by ${way} and plays it by both`, async () => {
        const path = await makeClip(clip, SECONDS);
        const publishing = publishClip(path, `${rtsp(`${name}-${way}`)}#${way}`);
        await live(`${name}-${way}`, tracks);
        const played = await Promise.all(
          ['tcp', 'udp'].map((one) => playUrl(`${rtsp(`${name}-${way}`)}#${one}`, 2)),
        );
        const { out, err } = await publishing.done;
        const published = readSeen(out, err);
        assert.equal(published.error, undefined);
        assertAllCame(`${name}-${way}`);
        const { statistics } = server.application.context.hub.find(`live/${name}-${way}`)!;
        const video = published.streams.find(({ kind }) => kind === 'video')!;
        assert.equal(statistics.videoFrames, video.packets.length, 'pictures that came in');
        for (const seen of played) assertPlayed(seen, published);
      });
    }
  }

  test('plays what RTMP publishes, by TCP, UDP and TLS', async () => {
    const urls = [`${rtsp('cam')}#tcp`, `${rtsp('cam')}#udp`, `${rtsps('cam')}#tcp`];
    for (const seen of await Promise.all(urls.map((url) => playUrl(url, 2)))) {
      assert.equal(seen.error, undefined);
      assert.deepEqual(seen.streams.map(({ kind }) => kind).sort(), ['audio', 'video']);
      for (const stream of seen.streams)
        assert.ok(stream.packets.length >= 40, `${stream.packets.length} packets`);
    }
  });
});

function assertPlayed(seen: Seen, published: Seen): void {
  assert.equal(seen.error, undefined);
  for (const stream of seen.streams) {
    const source = published.streams.find(({ kind }) => kind === stream.kind)!;
    assert.equal(stream.codecId, source.codecId);
    if (stream.kind === 'video') {
      assert.ok(stream.packets.length >= RATE * 2 - 2, `${stream.packets.length} pictures in two seconds`);
      continue;
    }
    assert.ok(stream.packets.length >= 40, `${stream.packets.length} packets of sound`);
    // G.711 is cut anew.
    if (stream.packets.length === 0 || stream.codecId === 65_543) continue;
    assertRun(source.packets, stream.packets, 'sound');
  }
}

describe('ffmpeg of the system', { concurrency: 3, skip: missing('ffmpeg', 'ffprobe') }, () => {
  for (const way of ['tcp', 'udp']) {
    test(`plays by ${way}: everything is decoded`, (t) =>
      onceMore(t, async () => {
        const args = [
          '-v',
          'error',
          '-xerror',
          '-rtsp_transport',
          way,
          '-i',
          rtsp('cam'),
          '-t',
          '2',
          '-f',
          'null',
          '-',
        ];
        const { code, err } = await run('ffmpeg', args);
        assert.equal(code, 0, err);
      }));

    test(`publishes by ${way}`, async () => {
      const args = ['-v', 'error', '-re', '-stream_loop', '-1', '-i', CLIP, '-t', '5', '-c', 'copy'];
      const name = `system-${way}`;
      const publishing = start('ffmpeg', [...args, '-rtsp_transport', way, '-f', 'rtsp', rtsp(name)]);
      await live(name, 2);
      const probe = ['-v', 'error', '-show_entries', 'stream=codec_name', '-of', 'compact=p=0'];
      const { out } = await run('ffprobe', [...probe, server.http(`/live/${name}.flv`)]);
      assert.match(out, /codec_name=h264/);
      assert.match(out, /codec_name=aac/);
      const { code, err } = await publishing.done;
      assert.equal(code, 0, err);
      assertAllCame(name);
    });
  }

  test('plays by TLS', async () => {
    const args = ['-v', 'error', '-i', rtsps('cam'), '-t', '1', '-c', 'copy', '-f', 'null', '-'];
    const { code, err } = await run('ffmpeg', args);
    assert.equal(code, 0, err);
  });

  test('plays through an HTTP tunnel', async () => {
    const args = ['-v', 'error', '-rtsp_transport', 'http', '-i', rtsp('cam'), '-t', '1', '-c', 'copy'];
    const { code, err } = await run('ffmpeg', [...args, '-f', 'null', '-']);
    assert.equal(code, 0, err);
    const [stop] = server.lines.filter(
      ({ event, fields }) => event === 'rtsp.play-start' && fields['transport'] === 'tcp',
    );
    assert.ok(stop);
  });

  test('logs in by Digest', async () => {
    const guarded = await TestServer.start({
      policy: '<application name="live"><login play-user="eve" play-password="secret"/></application>',
    });
    const publisher = await ClipPublisher.start({ port: guarded.rtmpPort, name: 'cam' });
    const url = (login: string) => `rtsp://${login}127.0.0.1:${guarded.rtspPort}/live/cam`;
    const args = (login: string) => [
      '-v',
      'error',
      '-i',
      url(login),
      '-t',
      '1',
      '-c',
      'copy',
      '-f',
      'null',
      '-',
    ];
    assert.equal((await run('ffmpeg', args('eve:secret@'))).code, 0);
    assert.match((await run('ffmpeg', args('eve:other@'))).err, /401 Unauthorized/);
    publisher.stop();
    await guarded.close();
  });
});

describe('GStreamer of the system', { concurrency: 2, skip: missing('gst-launch-1.0') }, () => {
  for (const way of ['tcp', 'udp', 'udp-mcast']) {
    test(`plays by ${way}`, { skip: way === 'udp-mcast' ? NO_MULTICAST : false }, (t) =>
      onceMore(t, async () => {
        const settings = [`protocols=${way}`, 'latency=200', 'multicast-iface=lo'];
        const source = ['rtspsrc', `location=${rtsp('cam')}`, ...settings];
        const rest = ['!', 'rtph264depay', '!', 'h264parse', '!', 'fakesink', 'num-buffers=50'];
        const { code, err } = await run('gst-launch-1.0', ['-q', ...source, ...rest]);
        assert.equal(code, 0, err);
      }),
    );
  }

  for (const way of ['tcp', 'udp']) {
    test(`publishes by ${way}`, { skip: NO_CLIENT_SINK }, async () => {
      const name = `gst-${way}`;
      const args = ['-q', 'filesrc', `location=${CLIP}`, '!', 'flvdemux', 'name=d'];
      const sink = ['rtspclientsink', 'name=s', `location=${rtsp(name)}`, `protocols=${way}`];
      const video = ['d.video', '!', 'queue', '!', 'h264parse', '!', 's.'];
      const audio = ['d.audio', '!', 'queue', '!', 'aacparse', '!', 's.'];
      const publishing = start('gst-launch-1.0', [...args, ...sink, ...video, ...audio], 15_000);
      await live(name, 2);
      await publishing.done;
      assertAllCame(name);
    });
  }
});

/** The reason for skipping, or false. */
async function withoutElement(element: string): Promise<string | false> {
  if (missing('gst-inspect-1.0') !== false) return 'GStreamer is not installed';
  const { code } = await run('gst-inspect-1.0', [element]);
  return code === 0 ? false : `GStreamer has no ${element}`;
}
