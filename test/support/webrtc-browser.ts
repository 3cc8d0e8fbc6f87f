/** Headless Chromium as WHIP publisher and WHEP player with its own WebRTC; webrtc-page.js runs in its page. */
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium, type Page } from 'playwright-core';

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
/** The reason for skipping a test, or false. */
export const WEBRTC_BROWSER_MISSING = existsSync(CHROMIUM)
  ? false
  : `no browser at ${CHROMIUM} (Debian: apt-get install chromium)`;

const FLAGS = [
  'no-sandbox',
  'disable-gpu',
  'disable-dev-shm-usage',
  'no-first-run',
  'disable-background-networking',
  'disable-component-update',
  'disable-sync',
  'mute-audio',
  'autoplay-policy=no-user-gesture-required',
  'allow-loopback-in-peer-connection',
  'disable-features=WebRtcHideLocalIpsWithMdns',
  'use-fake-ui-for-media-stream',
  'use-fake-device-for-media-stream',
];

export interface RtcOptions {
  /** `H264`, `VP8`, `VP9`, `AV1`; not given: all, as the browser likes. */
  readonly codec?: string;
  readonly video?: boolean;
  readonly audio?: boolean;
  readonly simulcast?: boolean;
  /** False: the largest size of simulcast is not sent before `setActive`. */
  readonly largest?: boolean;
  readonly width?: number;
  readonly height?: number;
  readonly token?: string;
  /** Candidates of the other transport are taken out of the answer. */
  readonly only?: 'udp' | 'tcp';
  /** The offer goes out without candidates. */
  readonly trickle?: boolean;
}

export interface RtcResult {
  readonly status: number;
  /** The answer, or the sentence of a refusal. */
  readonly body: string;
  readonly offer: string;
  readonly location: string | null;
  readonly etag: string | null;
  readonly link: string | null;
  readonly notes: string | null;
  readonly state?: string;
}

/** Numbers of getStats. */
type RtcNumbers = Readonly<Record<string, number>> & {
  readonly codec?: string;
  readonly rid?: string;
};

export interface RtcStats {
  readonly state: string;
  readonly width: number;
  readonly time: number;
  readonly dtls?: string;
  readonly srtp?: string;
  readonly transport?: string;
  readonly video?: RtcNumbers;
  readonly audio?: RtcNumbers;
  readonly sent: readonly (RtcNumbers & { readonly kind: string })[];
}

/** Resolves with the numbers once `test` holds; rejects with the latest after the time. */
export async function untilStats(
  read: () => Promise<RtcStats>,
  test: (stats: RtcStats) => boolean,
  name: string,
  timeoutMs = 15_000,
): Promise<RtcStats> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const stats = await read();
    if (test(stats)) return stats;
    if (Date.now() > deadline) throw new Error(`${name}: ${JSON.stringify(stats)}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

type Call = (name: string, ...rest: unknown[]) => Promise<unknown>;

export class WebrtcBrowser {
  private readonly browser: Browser;
  private readonly page: Page;
  private readonly site: Server;

  private constructor(browser: Browser, page: Page, site: Server) {
    this.browser = browser;
    this.page = page;
    this.site = site;
  }

  /** `files`: what the fake camera (Y4M) and microphone (WAV) show; else the browser's own picture and beeps. */
  static async start(
    files: { readonly video?: string; readonly audio?: string } = {},
  ): Promise<WebrtcBrowser> {
    const site = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end('<!doctype html><title>test</title>');
    });
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    const flags = [...FLAGS];
    if (files.video !== undefined) flags.push(`use-file-for-fake-video-capture=${files.video}`);
    if (files.audio !== undefined) flags.push(`use-file-for-fake-audio-capture=${files.audio}`);
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: flags.map((flag) => `--${flag}`),
    });
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(`http://127.0.0.1:${(site.address() as AddressInfo).port}/`);
    await page.addScriptTag({
      content: readFileSync(new URL('./webrtc-page.js', import.meta.url), 'utf8'),
    });
    return new WebrtcBrowser(browser, page, site);
  }

  private async call(method: string, ...values: unknown[]): Promise<unknown> {
    return await this.page.evaluate(
      ([name, given]) => {
        const { webrtc } = globalThis as unknown as { webrtc: Record<string, Call> };
        return webrtc[name as string]!(...(given as [string]));
      },
      [method, values],
    );
  }

  async publish(name: string, url: string, options: RtcOptions = {}): Promise<RtcResult> {
    return (await this.call('publish', name, url, options)) as RtcResult;
  }

  async play(name: string, url: string, options: RtcOptions = {}): Promise<RtcResult> {
    return (await this.call('play', name, url, options)) as RtcResult;
  }

  async stats(name: string): Promise<RtcStats> {
    return (await this.call('stats', name)) as RtcStats;
  }

  async tone(name: string): Promise<{ frequency: number; level: number }> {
    return (await this.call('tone', name)) as { frequency: number; level: number };
  }

  async setActive(name: string, rid: string, active: boolean): Promise<void> {
    await this.call('setActive', name, rid, active);
  }

  async restart(name: string): Promise<{ status: number; body: string; etag: string | null }> {
    return (await this.call('restart', name)) as { status: number; body: string; etag: string | null };
  }

  async end(name: string): Promise<number> {
    return (await this.call('end', name)) as number;
  }

  /** Whatever is open. */
  async endAll(): Promise<void> {
    for (const name of (await this.call('open')) as string[]) await this.end(name);
  }

  /** Resolves with the numbers once `test` holds; rejects with the latest after the time. */
  until(name: string, test: (stats: RtcStats) => boolean, timeoutMs?: number): Promise<RtcStats> {
    return untilStats(() => this.stats(name), test, name, timeoutMs);
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.site.close();
  }
}
