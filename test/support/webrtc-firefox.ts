/** WHIP and WHEP with the WebRTC of Firefox: tabs in which webrtc-page.js runs, as it does in Chromium's. */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Firefox, type FirefoxTab } from './firefox.ts';
import { type RtcOptions, type RtcResult, type RtcStats, untilStats } from './webrtc-browser.ts';

/** Connections of one tab, by name. */
export class WebrtcFirefoxTab {
  private readonly tab: FirefoxTab;

  constructor(tab: FirefoxTab) {
    this.tab = tab;
  }

  private async call<T>(method: string, ...values: unknown[]): Promise<T> {
    return await this.tab.evaluate<T>(`webrtc.${method}(...${JSON.stringify(values)})`);
  }

  /** `video/VP8` and so on: what Firefox can send and receive. */
  async pictureCodecs(): Promise<readonly string[]> {
    return await this.tab.evaluate(
      "RTCRtpReceiver.getCapabilities('video').codecs.map(({ mimeType }) => mimeType.slice(6).toUpperCase())",
    );
  }

  publish(name: string, url: string, options: RtcOptions = {}): Promise<RtcResult> {
    return this.call('publish', name, url, options);
  }

  play(name: string, url: string, options: RtcOptions = {}): Promise<RtcResult> {
    return this.call('play', name, url, options);
  }

  stats(name: string): Promise<RtcStats> {
    return this.call('stats', name);
  }

  tone(name: string): Promise<{ frequency: number; level: number }> {
    return this.call('tone', name);
  }

  restart(name: string): Promise<{ status: number; body: string; etag: string | null }> {
    return this.call('restart', name);
  }

  end(name: string): Promise<number> {
    return this.call('end', name);
  }

  /** Whatever is open. */
  async endAll(): Promise<void> {
    for (const name of await this.call<string[]>('open')) await this.end(name);
  }

  /** Resolves with the numbers once `test` holds; rejects with the latest after the time. */
  until(name: string, test: (stats: RtcStats) => boolean, timeoutMs?: number): Promise<RtcStats> {
    return untilStats(() => this.stats(name), test, name, timeoutMs);
  }
}

export class WebrtcFirefox {
  readonly browser: Firefox;
  private readonly site: Server;

  private constructor(browser: Firefox, site: Server) {
    this.browser = browser;
    this.site = site;
  }

  static async start(): Promise<WebrtcFirefox> {
    const script = readFileSync(new URL('./webrtc-page.js', import.meta.url), 'utf8');
    const site = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end(`<!doctype html><title>test</title><body><script>${script}</script>`);
    });
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    return new WebrtcFirefox(await Firefox.start(), site);
  }

  async tab(): Promise<WebrtcFirefoxTab> {
    const { port } = this.site.address() as AddressInfo;
    return new WebrtcFirefoxTab(await this.browser.open(`http://127.0.0.1:${port}/`));
  }

  async close(): Promise<void> {
    await this.browser.close();
    this.site.close();
    this.site.closeAllConnections();
  }
}
