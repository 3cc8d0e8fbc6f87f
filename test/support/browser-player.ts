/**
 * Plays addresses in headless Chromium with the players that people use, and measures: browser-player-page.js runs in
 * the page. One browser and one small site serve many plays; no more than three play at a time.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
/** The reason for skipping a test, or false. */
export const BROWSER_MISSING = existsSync(CHROMIUM)
  ? false
  : `no browser at ${CHROMIUM} (Debian: apt-get install chromium)`;

const FLAGS = [
  'no-sandbox',
  'disable-gpu',
  'disable-quic',
  'disable-dev-shm-usage',
  'no-first-run',
  'disable-background-networking',
  'disable-component-update',
  'disable-sync',
  'mute-audio',
  'autoplay-policy=no-user-gesture-required',
];
const LIBRARIES: Readonly<Record<PlayerName, string>> = {
  'hls.js': 'hls.js/dist/hls.js',
  'mpegts.js': 'mpegts.js/dist/mpegts.js',
  'dash.js': 'dashjs/dist/modern/umd/dash.all.min.js',
  shaka: 'shaka-player/dist/shaka-player.compiled.js',
  native: '',
  mse: '',
};
const MAX_AT_ONCE = 3;
const MAX_LINES = 20;

/** `mse`: fMP4 over HTTP or WebSocket into a SourceBuffer; `native`: the address itself in a video element. */
export type PlayerName = 'hls.js' | 'mpegts.js' | 'dash.js' | 'shaka' | 'native' | 'mse';

export interface PlayRequest {
  readonly player: PlayerName;
  readonly url: string;
  /** After the start. */
  readonly seconds: number;
  /** Default 15. */
  readonly startLimitSeconds?: number;
  /** Of mpegts.js. */
  readonly type?: 'flv' | 'mpegts';
  readonly lowLatency?: boolean;
  /** Settings of the player, over those of this file. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** One HTTP request of the player. Status 0 = no answer. */
interface SeenRequest {
  readonly url: string;
  readonly status: number;
}

export interface PlayReport {
  /** From the first request to the first picture (or sound) that moves; -1 = it never played. */
  readonly startMs: number;
  /** How far the time of the media went, seconds. */
  readonly playedSeconds: number;
  /** Every half second. */
  readonly currentTimes: readonly number[];
  /** Times that it stood still for 0.3 s or longer after the start. */
  readonly stalls: number;
  readonly longestStallMs: number;
  /** Times that it went back or leapt forward. */
  readonly jumps: number;
  readonly ended: boolean;
  /** Of what has an end, seconds; -1 = it has none. */
  readonly duration: number;
  readonly decodedFrames: number;
  readonly droppedFrames: number;
  readonly audioBytes: number;
  readonly videoWidth: number;
  readonly videoHeight: number;
  /** What the player says, median; null = nothing. */
  readonly latencySeconds: number | null;
  /** By the wall clock that the stream carries, median; null = it carries none. */
  readonly wallClockLatencySeconds: number | null;
  readonly buffered: readonly (readonly [number, number])[];
  readonly tracks: readonly string[];
  readonly errors: readonly string[];
  readonly requests: readonly SeenRequest[];
  /** Warnings and errors of the page. */
  readonly lines: readonly string[];
}

interface PageGlobals {
  playAndReport(request: object): Promise<Omit<PlayReport, 'requests' | 'lines'>>;
  canPlay(type: string): boolean;
}

const PAGE = '<!doctype html><meta charset="utf-8"><video playsinline width="320" height="180"></video>';
const SCRIPT = fileURLToPath(new URL('./browser-player-page.js', import.meta.url));
const MODULES = new URL('../../node_modules/', import.meta.url);

export class BrowserPlayers {
  private readonly browser: Browser;
  private readonly context: BrowserContext;
  private readonly site: Server;
  private readonly origin: string;
  private playing = 0;
  private readonly waiting: (() => void)[] = [];

  private constructor(browser: Browser, context: BrowserContext, site: Server) {
    this.browser = browser;
    this.context = context;
    this.site = site;
    this.origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
  }

  static async open(): Promise<BrowserPlayers> {
    const args = FLAGS.map((flag) => `--${flag}`);
    const browser = await chromium.launch({ executablePath: CHROMIUM, args });
    const site = createServer((request, response) => {
      const library = Object.values(LIBRARIES).find((path) => path !== '' && request.url === `/${path}`);
      const isScript = library !== undefined || request.url === '/page.js';
      response.writeHead(200, { 'Content-Type': `text/${isScript ? 'javascript' : 'html'}; charset=utf-8` });
      if (library !== undefined) response.end(readFileSync(new URL(library, MODULES)));
      else response.end(isScript ? readFileSync(SCRIPT) : PAGE);
    });
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    return new BrowserPlayers(browser, await browser.newContext({ ignoreHTTPSErrors: true }), site);
  }

  /** Whether MediaSource takes this type with its codecs. */
  async canPlay(type: string): Promise<boolean> {
    const page = await this.context.newPage();
    await page.goto(this.origin);
    await page.addScriptTag({ url: '/page.js' });
    const answer = await page.evaluate((one) => (globalThis as unknown as PageGlobals).canPlay(one), type);
    await page.close();
    return answer;
  }

  /** Waits for a free place, plays, and tells what was seen; never throws because of the address. */
  async play(request: PlayRequest): Promise<PlayReport> {
    if (this.playing >= MAX_AT_ONCE) await new Promise<void>((go) => this.waiting.push(go));
    else this.playing++;
    try {
      return await this.playNow(request);
    } finally {
      const next = this.waiting.shift();
      if (next !== undefined) next();
      else this.playing--;
    }
  }

  private async playNow(request: PlayRequest): Promise<PlayReport> {
    const page = await this.context.newPage();
    const requests: SeenRequest[] = [];
    const lines: string[] = [];
    page.on('pageerror', (error) => lines.push(error.message));
    page.on('console', (message) => {
      const isBad = message.type() === 'error' || message.type() === 'warning';
      if (isBad && lines.length < MAX_LINES) lines.push(message.text().slice(0, 300));
    });
    await page.goto(this.origin);
    const library = LIBRARIES[request.player];
    if (library !== '') await page.addScriptTag({ url: `/${library}` });
    await page.addScriptTag({ url: '/page.js' });
    page.on('response', (response) => requests.push({ url: response.url(), status: response.status() }));
    page.on('requestfailed', (failed) => requests.push({ url: failed.url(), status: 0 }));
    const { type = 'flv', lowLatency = false, config = {}, startLimitSeconds = 15 } = request;
    const asked = { ...request, type, lowLatency, config, startLimitSeconds };
    const report = await page.evaluate(
      (one) => (globalThis as unknown as PageGlobals).playAndReport(one),
      asked,
    );
    await page.close();
    return { ...report, requests: requests.filter(({ url }) => !url.startsWith('blob:')), lines };
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.site.closeAllConnections();
    await new Promise<void>((resolve) => this.site.close(() => resolve()));
  }
}
