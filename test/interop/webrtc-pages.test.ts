/**
 * The built-in pages over WebRTC in a real browser against the whole server: what the publish page sends moves and
 * sounds on the player page; refusals, the way to another way, and what stands in the way are told.
 */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test, { after, before, type TestContext } from 'node:test';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { TestServer } from '../support/test-server.ts';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const FLAGS = [
  'no-sandbox',
  'disable-gpu',
  'no-first-run',
  'disable-background-networking',
  'disable-component-update',
  'use-fake-device-for-media-stream',
  'use-fake-ui-for-media-stream',
  'autoplay-policy=no-user-gesture-required',
  'allow-loopback-in-peer-connection',
  'disable-features=WebRtcHideLocalIpsWithMdns',
  'auto-select-desktop-capture-source=Entire',
  'host-resolver-rules=MAP sluice.test 127.0.0.1',
];
const skip = existsSync(CHROMIUM) ? false : `no browser at ${CHROMIUM} (Debian: apt-get install chromium)`;
const PLAY = '/player.html?app=live&way=webrtc&stream=';

let browser: Browser;
let server: TestServer;
let origin = '';

before(async () => {
  if (skip !== false) return;
  server = await TestServer.start({ webrtc: '<enable>on</enable>' });
  origin = `http://127.0.0.1:${server.application.context.http.port}`;
  browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS.map((flag) => `--${flag}`) });
});

after(async () => {
  if (skip !== false) return;
  await browser.close();
  await server.close();
});

/** A page in a profile of its own, whose errors fail the test. */
async function open(context: TestContext, path: string, options: BrowserContextOptions = {}): Promise<Page> {
  const tab = await browser.newContext({ locale: 'en-US', ...options });
  const page = await tab.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  context.after(async () => {
    await tab.close();
    assert.deepEqual(complaints, []);
  });
  await page.goto(path.startsWith('http') ? path : origin + path);
  return page;
}

async function goLive(page: Page, source: string): Promise<void> {
  await page.locator(`.pick [data-source=${source}]`).click();
  await page.locator('.stage[data-state=ready]').waitFor();
  await page.getByRole('button', { name: 'Go live' }).click();
  await page.locator('.stage[data-state=live]').waitFor();
}

interface Shown {
  readonly width: number;
  /** Of all points of the picture, the share that changed within a second. */
  readonly moving: number;
  /** Loudest sample within a second. */
  readonly loudness: number;
}

/** What the video element of a page shows and plays. A function, because the policy of the pages forbids texts to be run. */
function look(page: Page): Promise<Shown> {
  return page.evaluate(async () => {
    // biome-ignore lint/suspicious/noExplicitAny: the types of the browser are not those of this project.
    const scope = globalThis as any;
    const { document } = scope;
    const video = document.querySelector('video');
    const canvas = Object.assign(document.createElement('canvas'), { width: 160, height: 90 });
    const paper = canvas.getContext('2d', { willReadFrequently: true });
    const points = () => {
      paper.drawImage(video, 0, 0, 160, 90);
      return paper.getImageData(0, 0, 160, 90).data as Uint8ClampedArray;
    };
    const sound = new scope.AudioContext();
    const analyser = Object.assign(sound.createAnalyser(), { fftSize: 2048 });
    sound.createMediaStreamSource(video.srcObject).connect(analyser);
    const samples = new Float32Array(2048);
    const before = video.videoWidth > 0 ? points() : new Uint8ClampedArray(160 * 90 * 4);
    let loudness = 0;
    let moving = 0;
    for (let turn = 0; turn < 50; turn++) {
      await new Promise((resolve) => scope.setTimeout(resolve, 40));
      analyser.getFloatTimeDomainData(samples);
      for (const sample of samples) loudness = Math.max(loudness, Math.abs(sample));
      if (video.videoWidth === 0) continue;
      const now = points();
      let changed = 0;
      for (let at = 0; at < now.length; at += 4) if (Math.abs(now[at + 1]! - before[at + 1]!) > 24) changed++;
      moving = Math.max(moving, changed / (160 * 90));
    }
    await sound.close();
    return { width: video.videoWidth as number, moving, loudness };
  });
}

test('WebRTC pages: a camera is published and watched, with numbers on both pages, until it stops', {
  skip,
}, async (context) => {
  const sender = await open(context, '/publish.html?stream=cam');
  await goLive(sender, 'camera');
  await sender.getByText('H.264 · Opus').waitFor();
  await sender.locator('#address-list').getByText('/live/cam/whep').waitFor();
  const player = await open(context, `${PLAY}cam`);
  await player.locator('.stage[data-state=playing]').waitFor();
  const shown = await look(player);
  assert.ok(shown.width > 0 && shown.moving > 0.005, JSON.stringify(shown));
  // The fake microphone beeps once a second.
  assert.ok(shown.loudness > 0.02, JSON.stringify(shown));
  assert.equal(await player.locator('#way').inputValue(), 'webrtc');
  for (const name of ['Delay', 'Round trip', 'Packets lost'])
    await player.locator('#facts').getByText(name, { exact: true }).waitFor();
  await player
    .locator('#facts')
    .getByText(/^\d\.\d\d s$/)
    .waitFor();
  // A muted microphone is silence and no end; what is on its way still sounds.
  await sender.getByRole('button', { name: 'Microphone off' }).click();
  let { loudness } = await look(player);
  for (let turn = 0; turn < 3 && loudness > 0.005; turn++) ({ loudness } = await look(player));
  assert.ok(loudness <= 0.005, `${loudness}`);
  await player.locator('.stage[data-state=playing]').waitFor();
  await sender.getByRole('button', { name: 'Stop' }).click();
  await sender.locator('.stage[data-state=ready]').waitFor();
  await player.locator('.stage:not([data-state=playing])').waitFor();
});

test('WebRTC pages: VP9 alone, sound alone, and the screen are published', { skip }, async (context) => {
  const vp9 = await open(context, '/publish.html?stream=vp9');
  await vp9.locator('#codec').selectOption('video/vp9');
  await goLive(vp9, 'camera');
  await vp9.getByText('VP9 · Opus').waitFor();
  await vp9.close();
  const sound = await open(context, '/publish.html?stream=sound');
  await goLive(sound, 'sound');
  const player = await open(context, `${PLAY}sound`);
  await player.locator('.stage[data-state=playing]').waitFor();
  const shown = await look(player);
  assert.ok(shown.loudness > 0.02, JSON.stringify(shown));
  assert.equal(await player.locator('#sound-only').isVisible(), true);
  await sound.close();
  const screen = await open(context, '/publish.html?stream=screen');
  await goLive(screen, 'screen');
});

test('WebRTC pages: a stream of others, AAC converted, plays and its sound is switched on by a click', {
  skip,
}, async (context) => {
  const player = await open(context, '/docs/');
  await player.route('**/whep', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, headers: { ...response.headers(), 'X-Sluice-Notes': 'No B-frames.' } });
  });
  await player.goto(`${origin}${PLAY}demo&muted=1`);
  await player.locator('.stage[data-state=playing]').waitFor();
  await player.getByText('WebRTC: No B-frames.', { exact: true }).waitFor();
  const silent = await player.evaluate("document.querySelector('video').muted");
  assert.equal(silent, true);
  await player.getByRole('button', { name: 'Tap for sound' }).click();
  assert.equal(await player.evaluate("document.querySelector('video').muted"), false);
  const shown = await look(player);
  assert.ok(shown.moving > 0.001 && shown.loudness > 0.01, JSON.stringify(shown));
});

test('WebRTC pages: a name that is taken is told in the words of the server', { skip }, async (context) => {
  const first = await open(context, '/publish.html?stream=taken');
  await goLive(first, 'camera');
  const second = await open(context, '/publish.html?stream=taken');
  await second.locator('.pick [data-source=camera]').click();
  await second.getByRole('button', { name: 'Go live' }).click();
  await second.getByText('is already being published').waitFor();
  assert.equal(await second.getByRole('button', { name: 'Go live' }).isEnabled(), true);
});

test('WebRTC pages: what WebRTC cannot do is done another way, and the reason is told', {
  skip,
}, async (context) => {
  const player = await open(context, '/docs/');
  await player.route('**/whep', (route) =>
    route.fulfill({ status: 406, body: 'No <b>codec</b> in common.\n' }),
  );
  await player.goto(`${origin}${PLAY}demo`);
  await player.locator('.stage[data-state=playing]').waitFor();
  assert.equal(await player.locator('#way').inputValue(), 'http-flv');
  await player.getByText('WebRTC: No <b>codec</b> in common. Playing by HTTP-FLV instead.').waitFor();
  // Asked for again, it is tried again.
  await player.unroute('**/whep');
  await player.locator('#stage').hover();
  await player.locator('#way').selectOption('webrtc');
  await player.getByText('Round trip', { exact: true }).waitFor();
});

test('WebRTC pages: a port that a firewall closes is named, and another way is taken', {
  skip,
}, async (context) => {
  const player = await open(context, '/docs/');
  await player.route('**/whep', async (route) => {
    const answer = await route.fetch();
    // The port that nothing is heard from: discard.
    const body = (await answer.text()).replace(/^(a=candidate:.* )\d+( typ)/gm, '$19$2');
    await route.fulfill({ response: answer, body });
  });
  await player.goto(`${origin}${PLAY}demo`);
  await player.getByText('Open its port 9 in the firewall for UDP and TCP').waitFor();
  await player.locator('.stage[data-state=playing]').waitFor();
  assert.equal(await player.locator('#way').inputValue(), 'http-flv');
});

test('WebRTC pages: without HTTPS the page says so, and leads there', { skip }, async (context) => {
  const { port, tlsPort } = server.application.context.http;
  const page = await open(context, `http://sluice.test:${port}/publish.html?stream=cam`, {
    viewport: { width: 360, height: 740 },
  });
  await page.getByText('Browsers allow the camera on secure pages only').waitFor();
  const link = page.getByRole('link', { name: `https://sluice.test:${tlsPort}/publish.html?stream=cam` });
  await link.waitFor();
  assert.ok(Number(await page.evaluate('document.documentElement.scrollWidth')) <= 360);
});

test('WebRTC pages: over HTTPS with the certificate of the server it works', { skip }, async (context) => {
  const { tlsPort } = server.application.context.http;
  const page = await open(context, `https://sluice.test:${tlsPort}/publish.html?stream=secure`, {
    ignoreHTTPSErrors: true,
    viewport: { width: 390, height: 844 },
    hasTouch: true,
    isMobile: true,
  });
  await goLive(page, 'camera');
  await page.getByText('H.264 · Opus').waitFor();
});

test('WebRTC pages: bookmarks of the page of smart_rtmpd', { skip }, async (context) => {
  const page = await open(context, '/webrtc.html');
  await page.waitForURL(/\/publish\.html\?$/);
  await page.goto(`${origin}/webrtc.html?stream=cam`);
  await page.waitForURL(/\/player\.html\?stream=cam&way=webrtc$/);
});
