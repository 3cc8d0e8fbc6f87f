/**
 * WHIP and WHEP with Firefox's own WebRTC, and the built-in pages in it. Firefox has H.264 only where OpenH264 was
 * downloaded or the system brings a codec; what is expected of a stream in H.264 follows from its offer.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, describe, test } from 'node:test';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { FIREFOX_MISSING, type FirefoxTab } from '../support/firefox.ts';
import { FIREFOX_MICROPHONE_HZ } from '../support/firefox-preferences.ts';
import { parseFlv } from '../support/flv-tags.ts';
import { makeClip, playUrl } from '../support/node-av.ts';
import { missing, NODE_AV_MISSING } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { WebrtcFirefox, type WebrtcFirefoxTab } from '../support/webrtc-firefox.ts';

const SMALL = { width: 320, height: 180 };
const ENOUGH_FRAMES = 30;
/** Of makeClip. */
const CLIP_WIDTH = 320;
const HEARD_DB = -70;
const CONVERT_MS = 25_000;
/** What a busy machine makes the server say. */
const OF_THE_MACHINE = new Set(['transcode.slow']);

describe('WebRTC with Firefox', { skip: FIREFOX_MISSING }, () => {
  let server: TestServer;
  let firefox: WebrtcFirefox;
  let sender: WebrtcFirefoxTab;
  let player: WebrtcFirefoxTab;
  let codecs: readonly string[] = [];

  before(async () => {
    server = await TestServer.start({
      webrtc: '',
      policy:
        '<application name="live"><publish grace="0"/></application>' +
        '<stream name="live/as-is"><transcode pictures="never"/></stream>',
    });
    firefox = await WebrtcFirefox.start();
    [sender, player] = [await firefox.tab(), await firefox.tab()];
    codecs = await player.pictureCodecs();
  });
  afterEach(async () => {
    await sender.endAll();
    await player.endAll();
    const { sessions } = server.application.context;
    await until('the end of all sessions', () =>
      sessions.all().every(({ protocol }) => protocol !== 'webrtc'),
    );
    assertQuiet();
  });
  after(async () => {
    await firefox.close();
    await server.close();
  });

  /** The server had nothing to complain of, since it was asked last, but these. */
  function assertQuiet(expected: readonly string[] = []): void {
    const loud = server.lines
      .splice(0)
      .filter(({ level, event }) => (level === 'warn' || level === 'error') && !OF_THE_MACHINE.has(event));
    assert.deepEqual(
      // The same thing is not said twice in a row.
      [...new Set(loud.map(({ event }) => event))],
      expected,
      JSON.stringify(loud),
    );
  }

  const details = (role: 'publisher' | 'player') =>
    server.application.context.sessions
      .all()
      .find((one) => one.protocol === 'webrtc' && one.role === role)
      ?.details?.();
  const hasBoth = (name: string) => server.application.context.hub.find(name)?.tracks.length === 2;

  async function hear(name: string): Promise<void> {
    let heard = '';
    for (let i = 0; i < 60; i++) {
      const { frequency, level } = await player.tone(name);
      heard = `${Math.round(frequency)} Hz ${Math.round(level)} dB`;
      if (level > HEARD_DB && Math.abs(frequency - FIREFOX_MICROPHONE_HZ) < 8) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.fail(`no tone of the microphone: ${heard}`);
  }

  for (const codec of ['VP8', 'VP9', 'AV1', 'H264'])
    test(`${codec} and Opus are published by WHIP and played by WHEP`, async (context) => {
      if (!codecs.includes(codec)) {
        context.skip(`this Firefox has no ${codec}`);
        return;
      }
      const published = await sender.publish('p', server.http('/live/cam/whip'), { codec, ...SMALL });
      assert.deepEqual([published.status, published.state], [201, 'connected'], published.body);
      await until('the tracks', () => hasBoth('live/cam'));
      const played = await player.play('v', server.http('/live/cam/whep'), { codec });
      assert.deepEqual([played.status, played.state], [201, 'connected'], played.body);
      const seen = await player.until('v', ({ video }) => (video?.['framesDecoded'] ?? 0) > ENOUGH_FRAMES);
      assert.equal(seen.video?.codec, `video/${codec}`);
      assert.equal(seen.width, SMALL.width);
      await hear('v');
      const { audio } = await player.stats('v');
      assert.ok((audio?.['totalAudioEnergy'] ?? 0) > 0, JSON.stringify(audio));
      // DTLS 1.2 with an AEAD suite of SRTP, in the words of both.
      assert.deepEqual([seen.dtls, seen.srtp], ['FEFD', 'SRTP_AEAD_AES_128_GCM']);
      await until('the numbers', () => details('publisher')?.['srtp'] === 'AEAD_AES_128_GCM');
      await until('the numbers', () => details('player')?.['srtp'] === 'AEAD_AES_128_GCM');
      assert.equal(await player.end('v'), 200);
      assert.equal(await sender.end('p'), 200);
    });

  test('what Firefox publishes is there by RTSP', { skip: NODE_AV_MISSING }, async () => {
    await sender.publish('p', server.http('/live/cam/whip'), { codec: 'VP8', ...SMALL });
    await until('the tracks', () => hasBoth('live/cam'));
    const { streams, error } = await playUrl(`rtsp://127.0.0.1:${server.rtspPort}/live/cam`, 2);
    assert.equal(error, undefined);
    const count = (kind: string) => streams.find((one) => one.kind === kind)?.packets.length ?? 0;
    assert.ok(count('video') > 20 && count('audio') > 40, `${count('video')} and ${count('audio')} packets`);
  });

  test('over TCP alone, both ways', async () => {
    const published = await sender.publish('p', server.http('/live/cam/whip'), { ...SMALL, only: 'tcp' });
    assert.equal(published.state, 'connected', published.body);
    await until('the tracks', () => hasBoth('live/cam'));
    await player.play('v', server.http('/live/cam/whep?transport=tcp'), {});
    const seen = await player.until('v', ({ video }) => (video?.['framesDecoded'] ?? 0) > ENOUGH_FRAMES);
    assert.equal(seen.transport, 'tcp');
    await until('the numbers', () => String(details('player')?.['way']).startsWith('tcp '));
  });

  test('layers of simulcast are streams', async () => {
    const options = { codec: 'VP8', simulcast: true, width: 640, height: 360 };
    await sender.publish('p', server.http('/live/cam/whip'), options);
    await until('all three', () => ['', '~h', '~q'].every((end) => hasBoth(`live/cam${end}`)), 20_000);
    await player.play('v', server.http('/live/cam~q/whep'), {});
    const seen = await player.until('v', ({ video }) => (video?.['framesDecoded'] ?? 0) > 10);
    assert.equal(seen.video?.['frameWidth'], 160);
  });

  test('ICE begins anew, and media go on', async () => {
    await sender.publish('p', server.http('/live/cam/whip'), { ...SMALL, trickle: true });
    await until('the tracks', () => hasBoth('live/cam'));
    const { status, body } = await sender.restart('p');
    assert.equal(status, 200, body);
    const before = Number(details('publisher')?.['frames']);
    await until('further frames', () => Number(details('publisher')?.['frames']) > before + 60);
    assert.equal((await sender.stats('p')).state, 'connected');
  });

  test('H.264 is played as it is, else in VP8 by ffmpeg, else the reason is told', {
    skip: NODE_AV_MISSING,
  }, async () => {
    const clip = await makeClip({ video: 'libx264+plain', audio: 'aac', format: 'flv' }, 12);
    const tags = parseFlv(readFileSync(clip));
    const publish = (name: string) => ClipPublisher.start({ port: server.rtmpPort, name, tags });
    const publishers = [await publish('clip'), await publish('as-is')];
    try {
      await until('the tracks', () => hasBoth('live/clip') && hasBoth('live/as-is'));
      const played = await player.play('v', server.http('/live/clip/whep'), {});
      const isH264 = /a=rtpmap:\d+ H264\//.test(played.offer);
      if (!isH264 && missing('ffmpeg') !== false) {
        assert.equal(played.status, 406);
        assert.match(played.body, /^live\/clip is H\.264, .+ffmpeg/);
      } else {
        assert.deepEqual([played.status, played.state], [201, 'connected'], played.body);
        assert.equal(/~vp8/.test(played.notes ?? ''), !isH264, played.notes ?? '');
        // ffmpeg leaves pictures out on a machine that is busy with all the rest.
        const isEnough = (frames = 0) => frames > ENOUGH_FRAMES / 2;
        const seen = await player.until('v', ({ video }) => isEnough(video?.['framesDecoded']), CONVERT_MS);
        assert.deepEqual([seen.video?.codec, seen.width], [`video/${isH264 ? 'H264' : 'VP8'}`, CLIP_WIDTH]);
        await player.until('v', ({ audio }) => (audio?.['totalAudioEnergy'] ?? 0) > 0);
      }
      const asItIs = await player.play('w', server.http('/live/as-is/whep'), {});
      assert.equal(asItIs.status, isH264 ? 201 : 406);
      if (!isH264) assert.match(asItIs.body, /^live\/as-is is H\.264, which this player does not offer/);
      assertQuiet(isH264 ? [] : ['webrtc.refused']);
      await player.endAll();
    } finally {
      for (const publisher of publishers) publisher.stop();
    }
  });

  test('the built-in pages publish and play', async () => {
    const open = (path: string) => firefox.browser.open(server.http(path));
    const sending = await open('/publish.html?stream=page');
    const choice = await sending.evaluate<string>("document.querySelector('#codec').options[0].textContent");
    assert.equal(choice, codecs.includes('H264') ? 'Automatic (H.264 first)' : 'Automatic');
    await press(sending, '.pick [data-source=camera]');
    await sending.until("document.querySelector('.stage[data-state=ready]') !== null");
    await press(sending, '#go');
    await sending.until("document.querySelector('.stage[data-state=live]') !== null");
    await sending.until("/ · Opus/.test(document.querySelector('#numbers').textContent)");
    await until('the tracks', () => hasBoth('live/page'));
    const playing = await open('/player.html?app=live&way=webrtc&stream=page');
    await playing.until("document.querySelector('.stage[data-state=playing]') !== null");
    await playing.until("document.querySelector('video').videoWidth > 0");
    const at = await playing.evaluate<number>("document.querySelector('video').currentTime");
    await playing.until(`document.querySelector('video').currentTime > ${at + 0.5}`);
    await playing.until(
      `(${loudness})(document.querySelector('video').srcObject).then((peak) => peak > 0.02)`,
    );
    assert.equal(await playing.evaluate("document.querySelector('#way').value"), 'webrtc');
    await playing.until(`/Round trip/.test(document.querySelector('#facts').textContent)`);
    await press(sending, '#go');
    await sending.until("document.querySelector('.stage[data-state=ready]') !== null");
    await playing.until("document.querySelector('.stage[data-state=playing]') === null");
    assert.deepEqual([...sending.complaints, ...playing.complaints], []);
    await sending.close();
    await playing.close();
  });
});

async function press(tab: FirefoxTab, selector: string): Promise<void> {
  const found = `document.querySelector(${JSON.stringify(selector)})`;
  await tab.until(`${found} !== null && !${found}.disabled`);
  await tab.evaluate(`${found}.click()`);
}

/** Runs in a page: the loudest sample of half a second of a stream. */
const loudness = `async (stream) => {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  context.createMediaStreamSource(stream).connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let peak = 0;
  for (let turn = 0; turn < 10; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    analyser.getFloatTimeDomainData(samples);
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  }
  await context.close();
  return peak;
}`;
