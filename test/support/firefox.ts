/**
 * Headless Firefox, driven by WebDriver BiDi (W3C) over its own WebSocket: tabs, scripts, errors of pages.
 * Its camera shows changing colours, its microphone sounds 1000 Hz, and it reaches nothing but loopback.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { WebSocket } from 'ws';
import { FIREFOX_PREFERENCES } from './firefox-preferences.ts';
import { missing } from './programs.ts';

const PROGRAM = ['firefox-esr', 'firefox'].find((name) => missing(name) === false);
/** The reason for skipping a test, or false. */
export const FIREFOX_MISSING =
  PROGRAM === undefined ? 'firefox is not installed (Debian: apt-get install firefox-esr)' : false;

const LIMIT_MS = 30_000;

interface Message {
  readonly id?: number;
  readonly result?: unknown;
  readonly error?: string;
  readonly message?: string;
  readonly method?: string;
  readonly params?: {
    readonly level: string;
    readonly text: string | null;
    readonly source: { context?: string };
  };
}

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class Firefox {
  /** By tab: what pages complained of. */
  readonly complaints = new Map<string, string[]>();
  private readonly child: ChildProcess;
  private readonly folder: string;
  private readonly socket: WebSocket;
  private readonly waiting = new Map<number, Waiting>();
  private lastId = 0;

  private constructor(child: ChildProcess, folder: string, socket: WebSocket) {
    process.once('exit', () => child.kill('SIGKILL'));
    this.child = child;
    this.folder = folder;
    this.socket = socket;
    socket.on('message', (data) => this.receive(JSON.parse(String(data)) as Message));
    socket.on('close', () => {
      for (const { reject } of this.waiting.values()) reject(new Error('Firefox is gone'));
      this.waiting.clear();
    });
  }

  static async start(): Promise<Firefox> {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-firefox-'));
    const lines = Object.entries(FIREFOX_PREFERENCES).map(
      (entry) => `user_pref(${JSON.stringify(entry).slice(1, -1)});`,
    );
    writeFileSync(join(folder, 'user.js'), lines.join('\n'));
    const args = [
      '--headless',
      '--no-remote',
      '--profile',
      folder,
      '--remote-debugging-port=0',
      'about:blank',
    ];
    const child = spawn(PROGRAM ?? 'firefox', args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        HOME: folder,
        MOZ_CRASHREPORTER_DISABLE: '1',
        MOZ_HEADLESS_WIDTH: '1280',
        MOZ_HEADLESS_HEIGHT: '900',
      },
    });
    try {
      const socket = new WebSocket(`${await addressOf(child)}/session`, { perMessageDeflate: false });
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
      const firefox = new Firefox(child, folder, socket);
      await firefox.send('session.new', { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } });
      await firefox.send('session.subscribe', { events: ['log.entryAdded'] });
      return firefox;
    } catch (error) {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
      throw error;
    }
  }

  private receive({ id, result, error, message, method, params }: Message): void {
    if (id === undefined) {
      if (method !== 'log.entryAdded' || params?.level !== 'error') return;
      const tab = params.source.context ?? '';
      this.complaints.set(tab, [...(this.complaints.get(tab) ?? []), params.text ?? '']);
      return;
    }
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else waiting?.reject(new Error(`${error}: ${message}`));
  }

  async send(method: string, params: object): Promise<unknown> {
    const id = ++this.lastId;
    let timer: NodeJS.Timeout | undefined;
    const answer = new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      timer = setTimeout(() => reject(new Error(`no answer to ${method}`)), LIMIT_MS);
    });
    this.socket.send(JSON.stringify({ id, method, params }));
    return await answer.finally(() => clearTimeout(timer));
  }

  /** A new tab with this page. */
  async open(url: string): Promise<FirefoxTab> {
    const { context } = (await this.send('browsingContext.create', { type: 'tab' })) as { context: string };
    await this.send('browsingContext.navigate', { context, url, wait: 'complete' });
    return new FirefoxTab(this, context);
  }

  async close(): Promise<void> {
    const exit = new Promise((resolve) => this.child.once('exit', resolve));
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    await this.send('browser.close', {}).catch(() => this.child.kill('SIGKILL'));
    if (this.child.exitCode === null && this.child.signalCode === null) await exit;
    clearTimeout(timer);
    this.socket.terminate();
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function addressOf(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('Firefox did not start')), LIMIT_MS);
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`Firefox ended with ${code}`)));
    // Read to the end, so that the pipe is never full.
    createInterface({ input: child.stderr! }).on('line', (line) => {
      const found = /WebDriver BiDi listening on (ws:\/\/\S+)/.exec(line);
      if (found === null) return;
      clearTimeout(timer);
      resolve(found[1]!);
    });
  });
}

export class FirefoxTab {
  private readonly firefox: Firefox;
  private readonly context: string;

  constructor(firefox: Firefox, context: string) {
    this.firefox = firefox;
    this.context = context;
  }

  get complaints(): readonly string[] {
    return this.firefox.complaints.get(this.context) ?? [];
  }

  /** What an expression, or the promise that it is, comes to; values of JSON. As after a click of a person. */
  async evaluate<T>(expression: string): Promise<T> {
    const answer = (await this.firefox.send('script.evaluate', {
      expression: `(async () => JSON.stringify((await (${expression})) ?? null))()`,
      target: { context: this.context },
      awaitPromise: true,
      userActivation: true,
    })) as { result?: { value: string }; exceptionDetails?: { text: string } };
    if (answer.result === undefined)
      throw new Error(`${expression.slice(0, 60)}: ${answer.exceptionDetails?.text}`);
    return JSON.parse(answer.result.value) as T;
  }

  /** Resolves with the first value that is true. */
  async until<T>(expression: string, timeoutMs = 15_000): Promise<T> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const value = await this.evaluate<T>(expression);
      if (value) return value;
      if (Date.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${expression}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async close(): Promise<void> {
    await this.firefox.send('browsingContext.close', { context: this.context });
  }
}
