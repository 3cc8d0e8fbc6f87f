/** Publishing from and playing with programs of others: ffmpeg, rtmpdump, GStreamer, nginx-rtmp. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { indexOfRun, mediaBytes, orderFault, parseFlv, TAG_AUDIO, TAG_VIDEO } from '../support/flv-tags.ts';
import { makeClip } from '../support/node-av.ts';
import { missing, NODE_AV_MISSING, type Ran, run, start } from '../support/programs.ts';
import { RtmpPeer } from '../support/rtmp-peer.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const CLIP = fileURLToPath(new URL('../../build/demo-clip.flv', import.meta.url));
const NGINX_MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';
const GST_PLUGINS = missing('gst-launch-1.0', 'gst-inspect-1.0');

let server: TestServer;
let cam: ClipPublisher;
let folder = '';

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-interop-'));
  server = await TestServer.start({
    policy:
      '<application name="live"><hls><duration>1s</duration><count>10</count></hls><stream name="over"><publish><grace>0</grace></publish></stream></application>',
  });
  cam = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam' });
});

after(async () => {
  cam.stop();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function urlOf(output: string, name: string): string {
  if (output === 'rtmps') return `rtmps://127.0.0.1:${server.rtmpsPort}/live/${name}`;
  if (output === 'rtmp') return server.rtmp(`/live/${name}`);
  return server.http(`/live/${name}.${output === 'hls' ? 'm3u8' : 'flv'}`);
}

function isLive(name: string, tracks: number): boolean {
  const stream = server.application.context.hub.find(`live/${name}`);
  return stream?.state === 'live' && stream.tracks.length >= tracks && stream.cachedBytes > 0;
}

function assertClean(ran: Ran, what: string): void {
  assert.equal(ran.code, 0, `${what}: ${ran.err}`);
  assert.equal(ran.err.trim(), '', what);
}

/** What a program has recorded is what was published. */
function assertRecorded(path: string, frames: number): void {
  const bytes = readFileSync(path);
  const tags = parseFlv(bytes);
  assert.equal(orderFault(tags), '');
  for (const type of [TAG_AUDIO, TAG_VIDEO]) {
    const got = mediaBytes(tags, type);
    assert.ok(got.length >= frames, `${got.length} of type ${type}`);
    assert.ok(indexOfRun(mediaBytes(cam.sent, type), got) >= 0, `type ${type} differs`);
  }
}

describe('ffmpeg of the system', { concurrency: 3, skip: missing('ffmpeg', 'ffprobe') }, () => {
  for (const output of ['rtmp', 'rtmps', 'http-flv', 'hls']) {
    test(`plays ${output}: both tracks are found, everything is decoded`, async () => {
      const url = urlOf(output, 'cam');
      const entries = ['-show_entries', 'stream=codec_name,width', '-of', 'compact=p=0'];
      const [probed, decoded] = await Promise.all([
        run('ffprobe', ['-v', 'error', ...entries, url]),
        run('ffmpeg', ['-v', 'error', '-xerror', '-i', url, '-t', '2', '-f', 'null', '-']),
      ]);
      assertClean(probed, 'ffprobe');
      assert.match(probed.out, /codec_name=h264\|width=1280/);
      assert.match(probed.out, /codec_name=aac/);
      assertClean(decoded, 'ffmpeg');
    });
  }

  for (const [name, codecs] of [
    ['aac', ['-c', 'copy']],
    ['pcma', ['-c:v', 'copy', '-c:a', 'pcm_alaw', '-ar', '8000', '-ac', '1']],
    ['mp3', ['-c:v', 'copy', '-c:a', 'libmp3lame', '-ar', '44100']],
  ] as const) {
    test(`publishes h264 and ${name}, and plays it back unchanged`, async () => {
      const flv = join(folder, `${name}.flv`);
      assertClean(await run('ffmpeg', ['-v', 'error', '-y', '-t', '6', '-i', CLIP, ...codecs, flv]), 'clip');
      const url = urlOf('rtmp', `ff-${name}`);
      const publishing = start('ffmpeg', ['-v', 'error', '-re', '-i', flv, '-c', 'copy', '-f', 'flv', url]);
      await until(`ff-${name}`, () => isLive(`ff-${name}`, 2));
      const frames = (input: string, seconds: string) =>
        run('ffmpeg', ['-v', 'error', '-t', seconds, '-i', input, '-c', 'copy', '-f', 'framemd5', '-']);
      const playing = frames(urlOf('http-flv', `ff-${name}`), '3');
      const [got, published] = await Promise.all([playing, publishing.done]);
      assert.equal(published.code, 0, published.err);
      assertClean(got, 'player');
      const sent = await frames(flv, '60');
      for (const stream of ['0', '1']) {
        const part = digests(got.out, stream);
        assert.ok(part.length > 20, `${part.length} frames of stream ${stream}`);
        assert.ok(indexOfRun(digests(sent.out, stream), part) >= 0, `stream ${stream} differs`);
      }
    });
  }

  test('HLS: a stream that is over is as long as what was published', async () => {
    const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'over', leadMs: 100 });
    const url = urlOf('hls', 'over');
    assert.equal((await fetch(url)).status, 200);
    await until('six seconds', () => publisher.sent.at(-1)!.timestamp > 6500);
    publisher.stop();
    const sentMs = publisher.sent.at(-1)!.timestamp;
    await until('the end', () => server.application.context.hub.find('live/over') === undefined);
    const entries = ['-show_entries', 'packet=pts_time', '-select_streams', 'v', '-of', 'csv=p=0'];
    const ran = await run('ffprobe', ['-v', 'error', ...entries, '-live_start_index', '0', url]);
    assert.equal(ran.code, 0, ran.err);
    const times = ran.out
      .trim()
      .split('\n')
      .map((line) => Number.parseFloat(line))
      .filter((time) => Number.isFinite(time));
    const seconds = Math.max(...times) - Math.min(...times);
    assert.ok(seconds > 3 && seconds <= sentMs / 1000, `${seconds} s of ${sentMs} ms`);
  });
});

/** Digests of the packets of one stream in the order of framemd5's lines. */
function digests(text: string, stream: string): string[] {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${stream},`))
    .map((line) => line.slice(line.lastIndexOf(',') + 1).trim());
}

test('rtmpdump plays', { skip: missing('rtmpdump') }, async () => {
  const file = join(folder, 'rtmpdump.flv');
  const { done, stop } = start('rtmpdump', [
    '-q',
    '-r',
    urlOf('rtmp', 'cam'),
    '--live',
    '-B',
    '3',
    '-o',
    file,
  ]);
  await until('3 s of recording', () => existsSync(file) && statSync(file).size > 60_000, 15_000).finally(
    stop,
  );
  await done;
  // It is stopped in mid-tag; whole tags are what counts.
  assertRecorded(file, 40);
});

describe('GStreamer', { concurrency: 3, skip: GST_PLUGINS }, () => {
  const hasElement = async (name: string) => (await run('gst-inspect-1.0', ['--exists', name])).code === 0;

  for (const sink of ['rtmp2sink', 'rtmpsink']) {
    test(`${sink} publishes`, async (t) => {
      if (!(await hasElement(sink)) || !(await hasElement('flvmux')))
        return t.skip(`${sink} is not installed`);
      const name = `gst-${sink}`;
      const mux = ['flvmux', 'name=m', 'streamable=true', '!', sink, `location=${urlOf('rtmp', name)}`];
      const source = ['filesrc', `location=${CLIP}`, '!', 'flvdemux', 'name=d'];
      const video = ['d.video', '!', 'queue', '!', 'h264parse', '!', 'm.'];
      const audio = ['d.audio', '!', 'queue', '!', 'aacparse', '!', 'm.'];
      const running = start('gst-launch-1.0', ['-q', ...mux, ...source, ...video, ...audio]);
      const viewer = await RtmpPeer.open({ port: server.rtmpPort });
      try {
        await viewer.play(name);
        await until('media', () =>
          [TAG_AUDIO, TAG_VIDEO].every((type) => mediaBytes(viewer.tags, type).length > 40),
        );
        assert.equal(orderFault(viewer.tags), '');
      } finally {
        viewer.close();
        running.stop();
        await running.done;
      }
    });
  }

  for (const output of ['rtmp', 'rtmps']) {
    test(`rtmp2src plays ${output}`, async (t) => {
      if (!(await hasElement('rtmp2src'))) return t.skip('rtmp2src is not installed');
      const file = join(folder, `gst-${output}.flv`);
      const tls = output === 'rtmps' ? ['tls-validation-flags=0'] : [];
      const source = ['rtmp2src', `location=${urlOf(output, 'cam')}`, 'num-buffers=150', ...tls];
      const ran = await run('gst-launch-1.0', ['-q', ...source, '!', 'filesink', `location=${file}`]);
      assert.equal(ran.code, 0, ran.err);
      assertRecorded(file, 30);
    });
  }
});

const NGINX_MISSING =
  missing('nginx') || (existsSync(NGINX_MODULE) ? false : 'libnginx-mod-rtmp is not installed');

test('nginx-rtmp takes a forward, and plays it back', { skip: NGINX_MISSING }, async (t) => {
  const spare = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => spare.once('listening', done));
  const { port } = spare.address() as AddressInfo;
  await new Promise((done) => spare.close(done));
  const prefix = join(folder, 'nginx');
  mkdirSync(join(prefix, 'logs'), { recursive: true });
  const config = join(prefix, 'nginx.conf');
  writeFileSync(
    config,
    `load_module ${NGINX_MODULE};\nworker_processes 1;\ndaemon off;\nmaster_process off;\npid ${prefix}/nginx.pid;
error_log ${prefix}/error.log;\nevents { worker_connections 64; }
rtmp { server { listen 127.0.0.1:${port}; application live { live on; wait_key on; } } }\n`,
  );
  const nginx = start('nginx', ['-p', prefix, '-c', config, '-e', join(prefix, 'error.log')], 40_000);
  const source = await TestServer.start({
    policy: `<application name="live"><forward>rtmp://127.0.0.1:${port}/live</forward></application>`,
  });
  const publisher = await ClipPublisher.start({ port: source.rtmpPort, name: 'fwd' });
  t.after(async () => {
    publisher.stop();
    nginx.stop();
    await nginx.done;
    await source.close();
  });
  await source.until('the forward', () => source.logged('forward.live').length > 0, 15_000);
  const viewer = await RtmpPeer.open({ port });
  await viewer.play('fwd');
  await until('media from nginx', () =>
    [TAG_AUDIO, TAG_VIDEO].every((type) => mediaBytes(viewer.tags, type).length > 40),
  );
  for (const type of [TAG_AUDIO, TAG_VIDEO]) {
    assert.ok(
      indexOfRun(mediaBytes(publisher.sent, type), mediaBytes(viewer.tags, type)) >= 0,
      `type ${type} differs`,
    );
  }
  viewer.close();
});

test('B-frames of x264 keep their composition times', {
  skip: NODE_AV_MISSING || missing('ffmpeg', 'ffprobe'),
}, async () => {
  const clip = await makeClip({ video: 'libx264', audio: 'aac', format: 'mp4' }, 6);
  const publishing = start('ffmpeg', [
    '-v',
    'error',
    '-re',
    '-i',
    clip,
    '-c',
    'copy',
    '-f',
    'flv',
    urlOf('rtmp', 'bframes'),
  ]);
  await until('bframes', () => isLive('bframes', 2));
  const play = (output: string) =>
    run('ffprobe', [
      '-v',
      'error',
      '-select_streams',
      'v',
      '-read_intervals',
      '%+2',
      '-show_entries',
      'packet=pts_time,dts_time',
      '-of',
      'csv=p=0',
      urlOf(output, 'bframes'),
    ]);
  for (const [output, ran] of await Promise.all(
    ['http-flv', 'hls'].map(async (one) => [one, await play(one)] as const),
  )) {
    assertClean(ran, output);
    const offsets = ran.out
      .trim()
      .split('\n')
      .map((line) => line.split(',').map(Number))
      .map(([pts = 0, dts = 0]) => Math.round((pts - dts) * 1000));
    assert.ok(offsets.length > 20, `${output}: ${offsets.length} packets`);
    assert.ok(
      offsets.every((offset) => offset >= 0 && offset <= 200),
      `${output}: ${offsets.join()}`,
    );
    assert.ok(new Set(offsets).size > 1, `${output}: all pictures have the same offset`);
  }
  await publishing.done;
});
