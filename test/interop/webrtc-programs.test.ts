/** WHIP and WHEP with programs of others: aiortc, GStreamer's webrtcbin, FFmpeg 8's WHIP muxer; B-frames of x264. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeClip, publishClip } from '../support/node-av.ts';
import { NODE_AV_MISSING, type Running, start } from '../support/programs.ts';
import { StreamWitness } from '../support/publish-body.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { WEBRTC_BROWSER_MISSING, WebrtcBrowser } from '../support/webrtc-browser.ts';

const PYTHON = '/usr/bin/python3';
const AIORTC = fileURLToPath(new URL('../support/webrtc-aiortc.py', import.meta.url));
const GST = fileURLToPath(new URL('../support/webrtc-gst.py', import.meta.url));
const NODE_AV = fileURLToPath(new URL('../support/node-av-ffmpeg.mjs', import.meta.url));
const LIMIT_MS = 40_000;

/** The reason for skipping a test when a module of Debian's Python is not there, or false. */
function pythonMissing(code: string, packages: string): string | false {
  const { status } = spawnSync(PYTHON, ['-c', code], { timeout: 20_000 });
  return status === 0 ? false : `Debian's ${packages} are not installed`;
}

const AIORTC_MISSING = pythonMissing(
  'import aiortc, aiohttp, numpy, av',
  'python3-aiortc and python3-aiohttp',
);
const GST_MISSING = pythonMissing(
  'import gi; gi.require_version("GstWebRTC", "1.0"); gi.require_version("Gst", "1.0"); from gi.repository import Gst; Gst.init(None); assert Gst.ElementFactory.find("nicesrc") and Gst.ElementFactory.find("vp8enc")',
  'gstreamer1.0-nice and gir1.2-gst-plugins-bad-1.0',
);

interface Told {
  readonly status: number;
  readonly state?: string;
  readonly deleted?: number;
  readonly video: number;
  readonly audio: number;
  readonly backward?: number;
  readonly level?: number;
}

async function told(running: Running): Promise<Told> {
  const { out, err } = await running.done;
  try {
    return JSON.parse(out.trim().split('\n').at(-1) ?? '') as Told;
  } catch {
    assert.fail(`${out.slice(-500)} ${err.slice(-1500)}`);
  }
}

describe('WebRTC with programs', () => {
  let server: TestServer;

  before(async () => {
    server = await TestServer.start({
      webrtc: '',
      config: '<demo><enable>on</enable></demo>',
      policy: '<application name="live"><publish grace="0"/></application>',
    });
  });
  after(async () => {
    await server.close();
  });

  for (const codec of ['H264', 'VP8'])
    test(`aiortc publishes ${codec}`, { skip: AIORTC_MISSING }, async () => {
      const witness = new StreamWitness(server.application.context.hub, 'live', `aio-${codec}`);
      const url = server.http(`/live/aio-${codec}/whip`);
      const answer = await told(start(PYTHON, [AIORTC, 'whip', url, codec, '4'], LIMIT_MS));
      assert.deepEqual([answer.status, answer.state, answer.deleted], [201, 'connected', 200]);
      assert.ok(witness.ofKind('video').length > 50, `${witness.ofKind('video').length} pictures`);
      assert.ok(witness.ofKind('audio').length > 100, `${witness.ofKind('audio').length} packets of sound`);
      witness.detach();
    });

  test('aiortc plays the channel', { skip: AIORTC_MISSING }, async () => {
    const url = server.http('/live/demo/whep');
    const answer = await told(start(PYTHON, [AIORTC, 'whep', url, 'H264', '4'], LIMIT_MS));
    assert.deepEqual([answer.status, answer.state, answer.deleted], [201, 'connected', 200]);
    assert.ok(answer.video > 60, JSON.stringify(answer));
    assert.ok(answer.audio > 100, JSON.stringify(answer));
    assert.equal(answer.backward, 0);
    assert.ok((answer.level ?? 0) > 1000, JSON.stringify(answer));
  });

  test('GStreamer publishes', { skip: GST_MISSING }, async () => {
    const witness = new StreamWitness(server.application.context.hub, 'live', 'gst');
    const answer = await told(start(PYTHON, [GST, 'whip', server.http('/live/gst/whip'), '5'], LIMIT_MS));
    assert.deepEqual([answer.status, answer.state, answer.deleted], [201, 'connected', 200]);
    assert.ok(witness.ofKind('video').length > 50, `${witness.ofKind('video').length} pictures`);
    assert.ok(witness.ofKind('audio').length > 100, `${witness.ofKind('audio').length} packets of sound`);
    witness.detach();
  });

  test('GStreamer plays the channel', { skip: GST_MISSING }, async () => {
    const answer = await told(start(PYTHON, [GST, 'whep', server.http('/live/demo/whep'), '5'], LIMIT_MS));
    assert.deepEqual([answer.status, answer.state, answer.deleted], [201, 'connected', 200]);
    assert.ok(answer.video > 60 && answer.audio > 100, JSON.stringify(answer));
  });

  test("FFmpeg 8's WHIP muxer publishes", { skip: NODE_AV_MISSING }, async () => {
    const clip = await makeClip({ video: 'libx264+plain', audio: 'libopus', format: 'matroska' }, 4);
    const witness = new StreamWitness(server.application.context.hub, 'live', 'ff8');
    const url = server.http('/live/ff8/whip');
    const { code, out, err } = await start(
      process.execPath,
      [NODE_AV, 'copy', '-re', clip, url, 'whip'],
      LIMIT_MS,
    ).done;
    assert.equal(code, 0, out + err);
    assert.ok(witness.ofKind('video').length > 80, `${witness.ofKind('video').length} pictures`);
    assert.ok(witness.ofKind('audio').length > 150, `${witness.ofKind('audio').length} packets of sound`);
    witness.detach();
  });

  test('a picture with B-frames plays in Chromium, and the player hears of it', {
    skip: NODE_AV_MISSING || WEBRTC_BROWSER_MISSING,
  }, async () => {
    const clip = await makeClip({ video: 'libx264', audio: 'aac', format: 'flv' }, 12);
    const publisher = publishClip(clip, server.rtmp('/live/b'));
    const browser = await WebrtcBrowser.start();
    try {
      await until('the tracks', () => server.application.context.hub.find('live/b')?.tracks.length === 2);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      const played = await browser.play('v', server.http('/live/b/whep'), {});
      assert.equal(played.status, 201, played.body);
      assert.match(played.notes ?? '', /B-frames/);
      await browser.until('v', ({ video }) => (video?.['framesDecoded'] ?? 0) > 10);
      const { video: early } = await browser.stats('v');
      await browser.until('v', ({ video }) => (video?.['framesDecoded'] ?? 0) > 45);
      const { video } = await browser.stats('v');
      const grown = (name: string) => (video?.[name] ?? 0) - (early?.[name] ?? 0);
      assert.ok((video?.['pliCount'] ?? 0) < 3, JSON.stringify(video));
      // Pictures that come before those that they refer to cannot be shown; a busy machine shows a few too late.
      assert.ok(grown('framesDropped') < grown('framesDecoded') / 2, JSON.stringify([early, video]));
      await browser.end('v');
    } finally {
      await browser.close();
      publisher.stop();
      await publisher.done;
    }
  });
});
