/** A simulcast publisher and a player in Chromium: the layer changes while it plays, by wish and by what its network carries. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { WEBRTC_BROWSER_MISSING, WebrtcBrowser } from '../support/webrtc-browser.ts';

const SIZE = { width: 960, height: 540 };
const WIDTHS = { f: 960, h: 480, q: 240 };

describe('layers of WebRTC with Chromium', { skip: WEBRTC_BROWSER_MISSING }, () => {
  let server: TestServer;
  let browser: WebrtcBrowser;

  before(async () => {
    server = await TestServer.start({
      webrtc: '',
      policy: '<application name="live"><publish grace="0"/></application>',
    });
    browser = await WebrtcBrowser.start();
  });
  after(async () => {
    await browser.endAll();
    await browser.close();
    await server.close();
  });

  const player = () =>
    server.application.context.sessions
      .all()
      .find(({ protocol, role }) => protocol === 'webrtc' && role === 'player')
      ?.details?.() ?? {};

  test('a player goes from layer to layer without a gap', async () => {
    await browser.publish('p', server.http('/live/cam/whip'), { codec: 'VP8', simulcast: true, ...SIZE });
    const { hub } = server.application.context;
    await until(
      'all three',
      () => ['', '~h', '~q'].every((end) => hub.find(`live/cam${end}`)?.tracks.length === 2),
      20_000,
    );
    const played = await browser.play('v', server.http('/live/cam/whep'), {});
    assert.equal(played.status, 201, played.body);
    const layer = /<([^>]+)>; rel="urn:ietf:params:whep:ext:core:layer"/.exec(played.link ?? '')?.[1];
    assert.ok(layer !== undefined, `${played.link}`);
    const seeing = (rid: keyof typeof WIDTHS) =>
      browser.until('v', ({ video }) => video?.['frameWidth'] === WIDTHS[rid]);
    // By itself: nothing speaks against the largest one here.
    await seeing('f');
    for (const rid of ['q', 'h', 'f', 'q'] as const) {
      const body = JSON.stringify({ encodingId: rid });
      const answer = await fetch(server.http(layer), { method: 'POST', body });
      assert.equal(answer.status, 200);
      assert.deepEqual(await answer.json(), { wanted: rid, layers: ['f', 'h', 'q'] });
      await seeing(rid);
    }
    await until('the layer in the numbers', () => player()['layer'] === 'q');
    assert.equal(player()['layer_wanted'], 'q');
    assert.ok(Number(player()['estimate']) > 0, JSON.stringify(player()));
    const { video } = await browser.stats('v');
    assert.equal(video?.['packetsLost'], 0, 'numbers go on');
    assert.ok((video?.['keyFramesDecoded'] ?? 0) >= 5, 'each layer begins with a key frame');
    assert.ok((video?.['framesDropped'] ?? 0) < (video?.['framesDecoded'] ?? 0) / 4, JSON.stringify(video));
    assert.equal(await browser.end('v'), 200);
    await browser.end('p');
    assert.equal(server.logged('webrtc.refused').length, 0);
  });

  test('a largest size that comes late, goes and comes back: the player goes on', async () => {
    const url = server.http('/live/late/whip');
    await browser.publish('p', url, { codec: 'VP8', simulcast: true, largest: false, ...SIZE });
    const { hub } = server.application.context;
    await until('a smaller one', () => hub.find('live/late~h')?.tracks.length === 2, 20_000);
    await until('the sound of the name', () => hub.find('live/late')?.tracks.length === 1, 20_000);
    const played = await browser.play('v', server.http('/live/late/whep'), {});
    assert.equal(played.status, 201, played.body);
    const seeing = (rid: keyof typeof WIDTHS) =>
      browser.until('v', ({ video }) => video?.['frameWidth'] === WIDTHS[rid], 20_000);
    await seeing('h');
    const { id } = server.application.context.sessions.all().find(({ role }) => role === 'player')!;
    await browser.setActive('p', 'f', true);
    const { audio } = await seeing('f');
    await browser.setActive('p', 'f', false);
    await seeing('h');
    await browser.setActive('p', 'f', true);
    await seeing('f');
    assert.ok(
      server.application.context.sessions.all().some((session) => session.id === id),
      'it is the same player',
    );
    const later = await browser.stats('v');
    assert.ok(
      (later.audio?.['packetsReceived'] ?? 0) > (audio?.['packetsReceived'] ?? 0) + 50,
      'sound goes on',
    );
    assert.equal(later.video?.['packetsLost'], 0, 'numbers go on');
    assert.equal(later.audio?.['packetsLost'], 0);
    assert.equal(await browser.end('v'), 200);
    await browser.end('p');
  });
});
