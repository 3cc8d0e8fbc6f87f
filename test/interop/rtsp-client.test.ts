/** Our RTSP client against servers of others: gst-rtsp-server as a camera, ffmpeg as the target of a forward. */
import assert from 'node:assert/strict';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { missing, type Running, run, start } from '../support/programs.ts';
import { Pulled } from '../support/pulled.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const CLIP = fileURLToPath(new URL('../../build/demo-clip.flv', import.meta.url));
const CAMERA = fileURLToPath(new URL('../support/gst-rtsp-server.py', import.meta.url));
// Debian's: another Python in the path knows nothing of GStreamer.
const PYTHON = '/usr/bin/python3';

const IMPORTS =
  'import gi; gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0"); from gi.repository import Gst, GstRtspServer; Gst.init(None); assert Gst.ElementFactory.find("rtph264pay") and Gst.ElementFactory.find("mpegtsmux")';
const noCamera =
  (await run(PYTHON, ['-c', IMPORTS], 20_000)).code === 0
    ? false
    : 'gst-rtsp-server for Python is not installed';

describe('gst-rtsp-server', { skip: noCamera }, () => {
  let camera: Running;
  let ports: readonly string[] = [];
  let out = '';
  /** Begins first, as its clip takes longest. */
  let whole: Pulled;

  before(async () => {
    camera = start(PYTHON, [CAMERA, CLIP], 100_000);
    camera.child.stdout?.on('data', (bytes: Buffer) => {
      out += bytes.toString();
    });
    await until('the camera', () => /^ports \d+ \d+ \d+$/m.test(out), 20_000);
    ports = /^ports (.*)$/m.exec(out)![1]!.split(' '); // that was waited for
    whole = new Pulled(`rtsp://127.0.0.1:${ports[0]}/cam`, { transport: 'tcp' });
  });

  after(async () => {
    camera.stop();
    await camera.done;
  });

  const cases: readonly (readonly [
    name: string,
    url: () => string,
    transport: 'auto' | 'tcp' | 'udp',
    codecs: readonly string[],
  ])[] = [
    ['over TCP', () => `rtsp://127.0.0.1:${ports[0]}/cam`, 'tcp', ['h264', 'aac']],
    ['over UDP', () => `rtsp://127.0.0.1:${ports[0]}/cam`, 'udp', ['h264', 'aac']],
    ['TCP alone, as 461 says', () => `rtsp://127.0.0.1:${ports[0]}/tcp`, 'auto', ['h264', 'aac']],
    ['MPEG-TS in RTP', () => `rtsp://127.0.0.1:${ports[0]}/ts`, 'auto', ['h264', 'aac']],
    ['Digest', () => `rtsp://user:s%3Ae%40cret@127.0.0.1:${ports[1]}/digest`, 'auto', ['h264', 'aac']],
    ['Basic', () => `rtsp://user:s%3Ae%40cret@127.0.0.1:${ports[2]}/basic`, 'tcp', ['h264', 'aac']],
  ];
  for (const [name, url, transport, codecs] of cases) {
    test(`pull: ${name}`, async () => {
      const pulled = new Pulled(url(), { transport });
      try {
        await pulled.media(codecs, 30);
      } finally {
        pulled.pull.close();
      }
      assert.equal(pulled.codecs, [...codecs].sort().join('+'));
      assert.deepEqual(pulled.faults, []);
      const [picture] = pulled.tracks.filter(({ kind }) => kind === 'video');
      assert.deepEqual([picture?.config.width, picture?.config.height], [1280, 720]);
    });
  }

  test('pull: what it refuses', async () => {
    const wrong = await new Pulled(`rtsp://user:x@127.0.0.1:${ports[1]}/digest`).ended();
    assert.match(wrong.reason, /does not take this name and password$/);
    const absent = await new Pulled(`rtsp://127.0.0.1:${ports[0]}/none`).ended();
    assert.match(absent.reason, /has no such stream \(404 Not Found\)$/);
  });

  test('forward: it records what is forwarded', async () => {
    const server = await TestServer.start({
      policy: `<application name="live"><stream name="rec"><forward>rtsp://127.0.0.1:${ports[0]}/rec</forward></stream></application>`,
    });
    const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'rec', types: [9] });
    await until('recorded frames', () => /^recorded (\d{3,}|[5-9]\d) [1-9]/m.test(out), 20_000);
    publisher.stop();
    await server.close();
  });

  test('pull: the clip ends', async () => {
    await until('the end', () => whole.end !== null, 40_000);
    assert.equal(whole.end?.kind, 'over');
    assert.ok(whole.payloads('h264').length > 400);
    assert.deepEqual(whole.faults, []);
  });
});

test('forward: ffmpeg listens', { skip: missing('ffmpeg') }, async () => {
  const spare = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => spare.once('listening', done));
  const { port } = spare.address() as AddressInfo;
  await new Promise((done) => spare.close(done));
  const ffmpeg = start(
    'ffmpeg',
    [
      '-nostdin',
      '-hide_banner',
      '-loglevel',
      'error',
      '-rtsp_flags',
      'listen',
      '-i',
      `rtsp://127.0.0.1:${port}/live/out`,
      '-map',
      '0',
      '-c',
      'copy',
      '-t',
      '2',
      '-f',
      'framecrc',
      '-',
    ],
    30_000,
  );
  const server = await TestServer.start({
    policy: `<application name="live"><stream name="out"><forward>rtsp://127.0.0.1:${port}/live/out</forward></stream></application>`,
  });
  const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'out' });
  const ran = await ffmpeg.done;
  publisher.stop();
  await server.close();
  assert.equal(ran.code, 0, ran.err);
  for (const stream of [0, 1])
    assert.ok(
      ran.out.split('\n').filter((line) => line.startsWith(`${stream},`)).length > 40,
      ran.out.slice(-400),
    );
});
