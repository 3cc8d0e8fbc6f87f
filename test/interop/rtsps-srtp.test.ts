/** SRTP with keys by MIKEY inside RTSPS, with GStreamer (libsrtp) at the other end: both roles, both ways, UDP and TCP. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeSelfSignedCertificate } from '../../src/crypto/self-signed-certificate.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { onceMore } from '../support/once-more.ts';
import { missing, type Running, run, start } from '../support/programs.ts';
import { Pulled } from '../support/pulled.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const CLIP = fileURLToPath(new URL('../../build/demo-clip.flv', import.meta.url));
const CAMERA = fileURLToPath(new URL('../support/gst-rtsps-server.py', import.meta.url));
// Debian's: another Python in the path knows nothing of GStreamer.
const PYTHON = '/usr/bin/python3';
const IMPORTS =
  'import gi; gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0"); from gi.repository import Gst, GstRtspServer; Gst.init(None); assert Gst.ElementFactory.find("rtph264pay") and Gst.ElementFactory.find("srtpenc")';
const PROFILE = 'AES_CM_128_HMAC_SHA1_80';

async function withoutElements(...elements: readonly string[]): Promise<string | false> {
  if (missing('gst-launch-1.0', 'gst-inspect-1.0') !== false) return 'GStreamer is not installed';
  for (const element of elements)
    if ((await run('gst-inspect-1.0', [element])).code !== 0) return `GStreamer has no ${element}`;
  return false;
}

const noClient = await withoutElements('rtspsrc', 'rtspclientsink', 'srtpenc', 'h264parse');
const noCamera =
  (await run(PYTHON, ['-c', IMPORTS], 20_000)).code === 0 ? false : 'gst-rtsp-server is not installed';

describe('GStreamer as player and publisher', { concurrency: 2, skip: noClient }, () => {
  let server: TestServer;
  let cam: ClipPublisher;

  before(async () => {
    server = await TestServer.start({ rtsp: '<srtp>offer</srtp>' });
    cam = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam' });
  });

  after(async () => {
    cam.stop();
    await server.close();
  });

  const rtsps = (name: string) => `rtsps://127.0.0.1:${server.rtspsPort}/live/${name}`;
  const started = (event: string, transport: string) =>
    server
      .logged(event)
      .some(({ fields }) => fields['transport'] === transport && fields['srtp'] === PROFILE);

  for (const way of ['udp', 'tcp']) {
    test(`plays by ${way}`, (t) =>
      onceMore(t, async () => {
        const source = ['rtspsrc', `location=${rtsps('cam')}`, `protocols=${way}`, 'latency=200'];
        const rest = [
          'tls-validation-flags=0',
          '!',
          'rtph264depay',
          '!',
          'h264parse',
          '!',
          'fakesink',
          'num-buffers=50',
        ];
        const { code, err } = await run('gst-launch-1.0', ['-q', ...source, ...rest]);
        assert.equal(code, 0, `${err} ${server.lines.map((line) => JSON.stringify(line)).join('\n')}`);
        assert.ok(started('rtsp.play-start', way), 'it was SRTP');
      }));

    test(`publishes by ${way}`, async () => {
      const name = `gst-${way}`;
      const source = ['-q', 'filesrc', `location=${CLIP}`, '!', 'flvdemux', 'name=d'];
      const sink = ['rtspclientsink', 'name=s', `location=${rtsps(name)}`, `protocols=${way}`];
      const secure = ['profiles=savp', 'tls-validation-flags=0'];
      const video = ['d.video', '!', 'queue', '!', 'h264parse', '!', 's.'];
      const audio = ['d.audio', '!', 'queue', '!', 'aacparse', '!', 's.'];
      const publishing = start('gst-launch-1.0', [...source, ...sink, ...secure, ...video, ...audio], 15_000);
      const { hub, sessions } = server.application.context;
      await server.until(`live/${name}`, () => {
        const stream = hub.find(`live/${name}`);
        return stream?.state === 'live' && stream.tracks.length === 2 && stream.cachedBytes > 0;
      });
      const details = () =>
        sessions
          .all()
          .find(({ streamText }) => streamText === `live/${name}`)
          ?.details?.();
      await server.until('a second of packets', () => Number(details()?.['packets'] ?? 0) > 100);
      const { srtp, srtp_refused: refused, packets_lost: lost, transport } = details() ?? {};
      assert.deepEqual(
        { srtp, refused, lost, transport },
        { srtp: PROFILE, refused: 0, lost: 0, transport: way },
      );
      publishing.stop();
      await publishing.done;
    });
  }
});

describe('gst-rtsp-server as camera and target', { skip: noCamera }, () => {
  let camera: Running;
  let port = '';
  let out = '';
  const folder = mkdtempSync(join(tmpdir(), 'sluice-srtp-'));

  before(async () => {
    const { key, cert } = makeSelfSignedCertificate('camera', ['127.0.0.1'], Date.now());
    writeFileSync(join(folder, 'cert.pem'), cert);
    writeFileSync(join(folder, 'key.pem'), key);
    camera = start(PYTHON, [CAMERA, CLIP, join(folder, 'cert.pem'), join(folder, 'key.pem')], 60_000);
    camera.child.stdout?.on('data', (bytes: Buffer) => {
      out += bytes.toString();
    });
    await until('the camera', () => /^port \d+$/m.test(out), 20_000);
    port = /^port (\d+)$/m.exec(out)![1]!; // that was waited for
  });

  after(async () => {
    camera.stop();
    await camera.done;
    rmSync(folder, { recursive: true, force: true });
  });

  for (const transport of ['auto', 'udp', 'tcp'] as const) {
    test(`is pulled, ${transport}`, async () => {
      const pulled = new Pulled(`rtsps://127.0.0.1:${port}/cam`, { transport });
      try {
        await pulled.media(['h264', 'aac'], 30);
      } finally {
        pulled.pull.close();
      }
      assert.deepEqual(pulled.faults, []);
      assert.equal(pulled.codecs, 'aac+h264');
    });
  }

  test('takes a forward that is SRTP', async () => {
    const forward = `rtsps://127.0.0.1:${port}/rec#srtp`;
    const server = await TestServer.start({
      policy: `<application name="live"><stream name="cam"><forward>${forward}</forward></stream></application>`,
    });
    // The target has room for one track.
    const cam = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam', types: [9] });
    try {
      await until('pictures at the target', () => /^recorded 30$/m.test(out), 20_000);
    } finally {
      cam.stop();
      await server.close();
    }
  });
});
