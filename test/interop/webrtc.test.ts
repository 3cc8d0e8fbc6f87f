/** WHIP and WHEP with Chromium's own WebRTC: codecs both ways, sound as a tone, TCP alone, loss, layers, a new start of ICE. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { LossyRtcPath } from '../support/lossy-rtc-path.ts';
import { playUrl } from '../support/node-av.ts';
import { NODE_AV_MISSING } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { wavTone } from '../support/wav-tone.ts';
import { WEBRTC_BROWSER_MISSING, WebrtcBrowser } from '../support/webrtc-browser.ts';

const MICROPHONE_HZ = 660;
/** Of the built-in channel (build/demo-clip.mjs). */
const CHANNEL_HZ = 440;
const HEARD_DB = -70;
const ENOUGH_FRAMES = 30;
const SMALL = { width: 320, height: 180 };

describe('WebRTC with Chromium', { skip: WEBRTC_BROWSER_MISSING }, () => {
  let server: TestServer;
  let browser: WebrtcBrowser;
  const folder = mkdtempSync(join(tmpdir(), 'sluice-webrtc-'));

  before(async () => {
    const microphone = join(folder, 'tone.wav');
    writeFileSync(microphone, wavTone(MICROPHONE_HZ, 4));
    server = await TestServer.start({
      webrtc: '',
      config: '<demo><enable>on</enable></demo>',
      policy: '<application name="live"><publish grace="2s"/></application>',
    });
    browser = await WebrtcBrowser.start({ audio: microphone });
  });
  // What a test that failed has left.
  afterEach(async () => {
    await browser.endAll();
    await noSessions();
  });
  after(async () => {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The tone is found in one of the next seconds: the channel's has pauses. */
  async function hear(name: string, frequency: number): Promise<void> {
    const heard: string[] = [];
    for (let i = 0; i < 60; i++) {
      const tone = await browser.tone(name);
      if (tone.level > HEARD_DB && Math.abs(tone.frequency - frequency) < 8) return;
      heard.push(`${Math.round(tone.frequency)} Hz ${Math.round(tone.level)} dB`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.fail(`no tone of ${frequency} Hz: ${heard.slice(-5).join(', ')}`);
  }

  const details = (role: 'publisher' | 'player') =>
    server.application.context.sessions
      .all()
      .find((one) => one.protocol === 'webrtc' && one.role === role)
      ?.details?.();
  const noSessions = () =>
    until('the end of all sessions', () =>
      server.application.context.sessions.all().every(({ protocol }) => protocol !== 'webrtc'),
    );

  for (const codec of ['H264', 'VP8', 'VP9', 'AV1'])
    test(`${codec} and Opus are published by WHIP and played by WHEP`, async () => {
      const published = await browser.publish('p', server.http('/live/cam/whip'), { codec, ...SMALL });
      assert.equal(published.status, 201, published.body);
      assert.equal(published.state, 'connected');
      const stream = () => server.application.context.hub.find('live/cam');
      await until('the tracks', () => stream()?.tracks.length === 2);
      const played = await browser.play('v', server.http('/live/cam/whep'), { codec });
      assert.equal(played.status, 201, played.body);
      const seen = await browser.until('v', ({ video }) => (video?.['framesDecoded'] ?? 0) > ENOUGH_FRAMES);
      assert.equal(seen.video?.codec, `video/${codec}`);
      assert.equal(seen.width, SMALL.width);
      await hear('v', MICROPHONE_HZ);
      assert.match(String(details('publisher')?.['srtp']), /GCM/);
      assert.equal(await browser.end('v'), 200);
      assert.equal(await browser.end('p'), 200);
    });

  test('what a browser publishes is there by RTMP and HTTP', { skip: NODE_AV_MISSING }, async () => {
    await browser.publish('p', server.http('/live/cam/whip'), { codec: 'H264', ...SMALL });
    await until('the tracks', () => server.application.context.hub.find('live/cam')?.tracks.length === 2);
    const [flv, rtmp] = await Promise.all([
      playUrl(server.http('/live/cam.flv'), 2),
      playUrl(server.rtmp('/live/cam'), 2),
    ]);
    for (const { streams, error } of [flv, rtmp]) {
      assert.equal(error, undefined);
      const video = streams.find(({ kind }) => kind === 'video');
      const audio = streams.find(({ kind }) => kind === 'audio');
      assert.ok((video?.packets.length ?? 0) > 20, `${video?.packets.length} pictures`);
      assert.ok((audio?.packets.length ?? 0) > 40, `${audio?.packets.length} packets of sound`);
      assert.equal(video?.keys[0], true);
    }
    await browser.end('p');
  });

  test('the channel, H.264 and AAC, is seen and heard', async () => {
    const played = await browser.play('v', server.http('/live/demo/whep'), {});
    assert.equal(played.status, 201, played.body);
    await browser.until('v', ({ video }) => (video?.['framesDecoded'] ?? 0) > ENOUGH_FRAMES);
    await hear('v', CHANNEL_HZ);
    await browser.end('v');
  });

  test('over TCP alone, both ways', async () => {
    const published = await browser.publish('p', server.http('/live/cam/whip'), { ...SMALL, only: 'tcp' });
    assert.equal(published.state, 'connected', published.body);
    await until('the tracks', () => server.application.context.hub.find('live/cam')?.tracks.length === 2);
    await browser.play('v', server.http('/live/cam/whep?transport=tcp'), {});
    const seen = await browser.until('v', ({ video }) => (video?.['framesDecoded'] ?? 0) > ENOUGH_FRAMES);
    assert.equal(seen.transport, 'tcp');
    await until('the numbers', () => String(details('player')?.['way']).startsWith('tcp '));
    await browser.end('v');
    await browser.end('p');
  });

  test('packets that are lost come again, both ways', async () => {
    const path = await LossyRtcPath.open(webrtcPort(), 7);
    const query = `?eip=127.0.0.1:${path.port}&transport=udp`;
    try {
      await browser.publish('p', server.http(`/live/cam/whip${query}`), { codec: 'VP8', ...SMALL });
      await until('the tracks', () => server.application.context.hub.find('live/cam')?.tracks.length === 2);
      await browser.play('v', server.http(`/live/cam/whep${query}`), {});
      await browser.until('v', ({ video }) => (video?.['framesDecoded'] ?? 0) > 5);
      path.faults = { loss: 0.05, delayMs: 10, jitterMs: 5, keepsOrder: true };
      const before = (await browser.stats('v')).video?.['framesDecoded'] ?? 0;
      const count = (kind: 'player' | 'publisher', name: string) => Number(details(kind)?.[name]);
      // The player asks for packets and gets them, from us and we from the publisher, and goes on showing pictures.
      const seen = await browser.until(
        'v',
        ({ video }) =>
          (video?.['framesDecoded'] ?? 0) - before > 70 &&
          (video?.['nackCount'] ?? 0) > 0 &&
          (video?.['retransmittedPacketsReceived'] ?? 0) > 0 &&
          count('player', 'packets_resent') > 0 &&
          count('publisher', 'packets_recovered') > 0,
        20_000,
      );
      path.faults = {};
      const frames = (seen.video?.['framesDecoded'] ?? 0) - before;
      const publisher = details('publisher');
      assert.ok(Number(publisher?.['frames_dropped']) < 10 + frames / 20, JSON.stringify(publisher));
    } finally {
      await browser.end('v');
      await browser.end('p');
      path.close();
    }
  });

  test('layers of simulcast are streams', async () => {
    await browser.publish('p', server.http('/live/cam/whip'), {
      codec: 'VP8',
      simulcast: true,
      width: 960,
      height: 540,
    });
    const { hub } = server.application.context;
    await until(
      'all three',
      () => ['', '~h', '~q'].every((end) => hub.find(`live/cam${end}`)?.tracks.length === 2),
      20_000,
    );
    await browser.play('v', server.http('/live/cam~q/whep'), {});
    const seen = await browser.until('v', ({ video }) => (video?.['framesDecoded'] ?? 0) > 10);
    assert.equal(seen.video?.['frameWidth'], 240);
    await hear('v', MICROPHONE_HZ);
    await browser.end('v');
    await browser.end('p');
    await noSessions();
    await until('the end of the layers', () => hub.find('live/cam~q') === undefined);
  });

  test('ICE begins anew, and media go on', async () => {
    const published = await browser.publish('p', server.http('/live/cam/whip'), { ...SMALL, trickle: true });
    assert.equal(published.state, 'connected', published.body);
    const stream = () => server.application.context.hub.find('live/cam');
    await until('the tracks', () => stream()?.tracks.length === 2);
    const { status, etag, body } = await browser.restart('p');
    assert.equal(status, 200, body);
    assert.notEqual(etag, published.etag);
    const before = Number(details('publisher')?.['frames']);
    await until('further frames', () => Number(details('publisher')?.['frames']) > before + 60);
    assert.equal((await browser.stats('p')).state, 'connected');
    await browser.end('p');
  });

  test('a browser without the codec of the stream hears why', async () => {
    const refused = await browser.play('v', server.http('/live/demo/whep'), { codec: 'AV1', audio: false });
    assert.equal(refused.status, 406);
    assert.match(refused.body, /H\.264/);
    await browser.end('v');
  });

  test('a player stays while its publisher comes back', async () => {
    const options = { codec: 'H264', ...SMALL };
    await browser.publish('p', server.http('/live/back/whip'), options);
    await until('the tracks', () => server.application.context.hub.find('live/back')?.tracks.length === 2);
    await browser.play('v', server.http('/live/back/whep'), {});
    await browser.until('v', ({ video }) => (video?.['framesDecoded'] ?? 0) > ENOUGH_FRAMES);
    await browser.end('p');
    const before = (await browser.stats('v')).video?.['framesDecoded'] ?? 0;
    const again = await browser.publish('p', server.http('/live/back/whip'), options);
    assert.equal(again.status, 201, again.body);
    await browser.until('v', ({ video }) => (video?.['framesDecoded'] ?? 0) > before + ENOUGH_FRAMES);
    await hear('v', MICROPHONE_HZ);
    await browser.end('v');
    await browser.end('p');
  });

  function webrtcPort(): number {
    const [line] = server.logged('webrtc.listening');
    return Number(line?.fields['ports']);
  }
});
