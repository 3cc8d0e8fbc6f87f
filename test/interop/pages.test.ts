/** The built-in pages in a real browser: lists that update themselves, players that play, nothing against the policy. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import test, { after, before, beforeEach, type TestContext } from 'node:test';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { PagesSite, siteStream } from './pages-site.ts';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const FLAGS = ['no-sandbox', 'disable-gpu', 'disable-quic', 'no-first-run', 'disable-background-networking'];
const MORE_FLAGS = ['disable-component-update', 'disable-sync'];
const skip = existsSync(CHROMIUM) ? false : `no browser at ${CHROMIUM} (Debian: apt-get install chromium)`;

let browser: Browser;
let site: PagesSite;
let origin = '';

before(async () => {
  if (skip !== false) return;
  const args = [...FLAGS, ...MORE_FLAGS].map((flag) => `--${flag}`);
  browser = await chromium.launch({ executablePath: CHROMIUM, args });
  site = new PagesSite();
  origin = await site.listen();
});

after(async () => {
  if (skip !== false) return;
  await browser.close();
  await site.close();
});

beforeEach(() => {
  if (skip !== false) return;
  site.streams = [];
  site.recording = null;
  site.recorded = [];
  site.control = true;
});

/**
 * What browsers do with a page that nobody has clicked yet. Said here, because the driver's own calls count as clicks,
 * so that the browser would allow sound in one run and refuse it in the next.
 */
const REFUSE_SOUND = `{
  const { play } = HTMLMediaElement.prototype;
  HTMLMediaElement.prototype.play = function () {
    return this.muted ? play.call(this) : Promise.reject(new DOMException('no click yet', 'NotAllowedError'));
  };
}`;

/** A page whose console errors fail the test; requests to any other host are refused and fail it too. */
async function open(context: TestContext, path: string, options: { locale?: string } = {}): Promise<Page> {
  const tab: BrowserContext = await browser.newContext({ locale: options.locale ?? 'en-US' });
  const page = await tab.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  page.on('request', (request) => {
    if (!/^(http:\/\/127\.0\.0\.1:|data:|blob:)/.test(request.url()))
      complaints.push(`outside request ${request.url()}`);
  });
  context.after(async () => {
    await tab.close();
    assert.deepEqual(complaints, []);
  });
  await page.addInitScript(REFUSE_SOUND);
  await page.goto(origin + path);
  return page;
}

interface WithVideo {
  readonly document: { querySelector(selector: string): { readonly currentTime: number } };
}

/** A function and not a text, because the policy of the pages forbids texts to be run. */
async function played(page: Page, seconds: number): Promise<void> {
  await page.waitForFunction(
    (least) => (globalThis as unknown as WithVideo).document.querySelector('video').currentTime > least,
    seconds,
  );
}

test('pages: an empty server shows how to publish, with the address of the server', {
  skip,
}, async (context) => {
  site.streams = [
    siteStream('demo', { state: 'idle', on_demand: true, live_ms: 0, tracks: [], source: null }),
  ];
  const page = await open(context, '/');
  await page.getByRole('heading', { name: 'Nothing is live yet' }).waitFor();
  await page.getByText('rtmp://203.0.113.7/live', { exact: true }).waitFor();
  await page.getByLabel('Stream name').fill('front door');
  await page.getByText('front%20door', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Test channel' }).waitFor();
});

test('pages: the list changes by itself and keeps its elements', { skip }, async (context) => {
  site.streams = [siteStream('cam')];
  const page = await open(context, '/');
  await page.getByRole('link', { name: 'cam', exact: true }).waitFor();
  await page.evaluate("document.querySelector('.card').dataset.mark = 'same'");
  site.streams = [
    siteStream('cam', { kbps: { recv_30s: 777, send_30s: 0 }, state: 'lingering' }),
    siteStream('new'),
  ];
  await page.getByRole('link', { name: 'new', exact: true }).waitFor();
  await page.getByText('Publisher lost').waitFor();
  assert.equal(await page.evaluate("document.querySelectorAll('[data-mark=same]').length"), 1);
  site.streams = [];
  await page.getByRole('heading', { name: 'Nothing is live yet' }).waitFor();
});

test('pages: the name of a stream is text, whatever it contains', { skip }, async (context) => {
  const name = '<img src=x onerror=alert(1)>"\'&amp;';
  site.streams = [siteStream(name)];
  const page = await open(context, '/');
  await page.getByText(name, { exact: true }).waitFor();
  assert.equal(await page.evaluate("document.querySelectorAll('img[src=x]').length"), 0);
  await page.goto(`${origin}/player.html?autostart=0&stream=${encodeURIComponent(name)}`);
  await page.getByRole('heading', { name, exact: true }).waitFor();
  assert.equal(await page.evaluate("document.querySelectorAll('img[src=x]').length"), 0);
});

for (const way of ['http-flv', 'ws-flv']) {
  test(`pages: the player plays by ${way} and shows what it measures`, { skip }, async (context) => {
    site.streams = [siteStream('cam')];
    const page = await open(context, `/player.html?app=live&stream=cam&way=${way}`);
    await played(page, 1.5);
    await page.getByText(/^\d\.\d s$/).waitFor();
    await page.getByText(/^\d+ of \d+$/).waitFor();
    assert.equal(await page.locator('#way').inputValue(), way);
    assert.equal(await page.locator('#message').isVisible(), false);
    await page.getByRole('button', { name: 'Tap for sound' }).click();
    assert.equal(await page.evaluate("document.querySelector('video').muted"), false);
  });
}

test('pages: a server without recordings and files has no tabs for them', { skip }, async (context) => {
  site.streams = [siteStream('cam')];
  const page = await open(context, '/#recordings');
  await page.getByRole('link', { name: 'cam', exact: true }).waitFor();
  assert.equal(await page.locator('#tabs').isVisible(), false);
  assert.equal(await page.locator('.record').count(), 0);
});

test('pages: a stream is recorded and no longer by its switch, which shows what the server says', {
  skip,
}, async (context) => {
  site.streams = [siteStream('cam')];
  site.recording = new Set();
  const page = await open(context, '/');
  const record = page.locator('.record');
  await record.getByText('Record', { exact: true }).waitFor();
  await record.click();
  await record.getByText('Recording', { exact: true }).waitFor();
  assert.deepEqual([...site.recording], ['live/cam']);
  site.recording = new Set();
  await record.getByText('Record', { exact: true }).waitFor();
});

test('pages: without permission a recording is shown and nothing can be changed', {
  skip,
}, async (context) => {
  site.streams = [siteStream('cam'), siteStream('other')];
  site.recording = new Set(['live/cam']);
  site.recorded = ['10-00-00.mp4'];
  site.control = false;
  const page = await open(context, '/');
  await page.locator('span.record.is-on').waitFor();
  assert.equal(await page.locator('button.record').count(), 0);
  await page.goto(`${origin}/#recordings/live%2Fcam/2026-01-02`);
  await page.getByRole('link', { name: 'Download', exact: false }).first().waitFor();
  assert.equal(await page.getByRole('button', { name: 'Delete' }).count(), 0);
});

test('pages: recordings by stream and day are played, kept and deleted', { skip }, async (context) => {
  site.recording = new Set();
  site.recorded = ['10-00-00.mp4', '10-01-00.mp4'];
  const page = await open(context, '/');
  await page.getByRole('link', { name: 'Recordings' }).click();
  await page.getByRole('link', { name: 'live/cam' }).click();
  await page.getByRole('link', { name: '2026-01-02' }).click();
  await page.locator('.archive-row').nth(1).waitFor();
  const play = await page.locator('.archive-row .row-name').nth(1).getAttribute('href');
  assert.match(play!, /^\/player\.html\?rec=live%2Fcam&start=2026-01-02T10%3A00%3A00\.000Z&end=/);
  const keep = await page.locator('.archive-row a[download]').first().getAttribute('href');
  assert.equal(keep, '/rec/live/cam/2026-01-02/10-01-00.mp4');
  page.once('dialog', (dialog) => void dialog.accept());
  await page.getByRole('button', { name: 'Delete' }).first().click();
  await page.locator('.archive-row').nth(1).waitFor({ state: 'detached' });
  assert.deepEqual(site.recorded, ['10-00-00.mp4']);
  await page.goBack();
  await page.getByRole('link', { name: '2026-01-02' }).waitFor();
});

test('pages: files in folders, whatever they are called', { skip }, async (context) => {
  site.recording = new Set();
  const page = await open(context, '/#vod', { locale: 'zh-CN' });
  await page.getByRole('link', { name: 'films' }).click();
  await page.getByText('大 & <b>.mp4', { exact: true }).waitFor();
  const address = await page.locator('.row-name').getAttribute('href');
  assert.equal(
    new URL(address!, origin).searchParams.get('src'),
    `/vod/films/${encodeURIComponent('大 & <b>.mp4')}`,
  );
  await page.getByRole('link', { name: '录像' }).click();
  await page.getByRole('heading', { name: '还没有录像' }).waitFor();
});

test('pages: a file that is not there is said to be missing, and is not asked for again and again', {
  skip,
}, async (context) => {
  const page = await open(context, '/player.html?src=/vod/gone.mp4');
  await page.getByText('There is no such file').waitFor();
  await page.goto(`${origin}/player.html?src=${encodeURIComponent('https://outside.example/a.mp4')}`);
  await page.getByText('There is no such file').waitFor();
});

test('pages: the player waits for a stream, plays it, sees its end and its return', {
  skip,
}, async (context) => {
  const page = await open(context, '/player.html?app=live&stream=later', { locale: 'zh-CN' });
  await page.getByText('还没有开播').waitFor();
  site.streams = [siteStream('later')];
  await played(page, 0.5);
  site.streams = [];
  site.endStreams();
  await page.getByText('直播已结束').waitFor();
  site.streams = [siteStream('later', { live_ms: 1_700_000_100_000 })];
  await page.locator('#message').waitFor({ state: 'hidden' });
});

test('pages: a codec that the browser lacks is named with a way out', { skip }, async (context) => {
  const track = {
    id: 0,
    kind: 'video',
    codec: 'vp9',
    label: 'VP9',
    mime: 'vp09.00.10.08',
    language: '',
    left_out: {},
  };
  site.streams = [siteStream('cam', { tracks: [track] })];
  site.streams = site.streams.map((stream) => ({ ...stream, urls: [{ type: 'http-flv', url: '' }] }));
  const page = await open(context, '/player.html?app=live&stream=cam');
  await page.getByText('VP9 cannot be played from FLV in a browser.').first().waitFor();
});

test('pages: in a frame there is the player alone, and it starts when asked to', {
  skip,
}, async (context) => {
  site.streams = [siteStream('cam')];
  const page = await open(context, '/docs/');
  const source = '/player.html?app=live&stream=cam&autostart=1&muted=1';
  await page.evaluate(
    `document.body.append(Object.assign(document.createElement('iframe'), { src: '${source}' }))`,
  );
  const frame = page.frameLocator('iframe');
  await frame.locator('.stage[data-state=playing]').waitFor();
  assert.equal(await frame.locator('header').isVisible(), false);
  assert.equal(await frame.locator('#addresses').isVisible(), false);
});

test('pages: a bookmark of the SRS player page leads to the stream', { skip }, async (context) => {
  const page = await open(context, '/players/srs_player.html?stream=cam.flv&app=show');
  await page.waitForURL(/\/player\.html\?app=show&stream=cam$/);
});

test('pages: every page fits a narrow phone', { skip }, async (context) => {
  site.recording = new Set();
  site.recorded = ['10-00-00.mp4'];
  const day = '/#recordings/live%2Fcam/2026-01-02';
  for (const path of [
    '/',
    day,
    '/#vod/films',
    '/player.html?stream=x',
    '/publish.html',
    '/docs/',
    '/docs/zh.html',
  ]) {
    const page = await open(context, path);
    await page.setViewportSize({ width: 360, height: 740 });
    await page.locator('main').waitFor();
    const width = await page.evaluate('document.documentElement.scrollWidth');
    assert.ok(Number(width) <= 360, `${path} is ${width} pixels wide`);
  }
});
