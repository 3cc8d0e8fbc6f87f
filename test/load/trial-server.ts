/** The product with publishers of a test clip, as the trials need it; everything ends with `close`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchCase } from './cases.ts';
import { clipFile } from './clip.ts';
import type { ClipName } from './clip-recipe.ts';
import { LoadClient } from './load-client.ts';
import { allServers, type RunningServer, startServer } from './servers.ts';
import { cpuByThread, cpuSeconds, LOAD_CORE } from './system.ts';

export interface TrialServerOptions {
  readonly executable: string | undefined;
  /** Elements inside <config>. */
  readonly config?: string;
  /** Elements inside <application name="live">. */
  readonly live?: string;
  readonly clip: ClipName;
  /** One publishes live/bench, more publish live/bench0 and on. */
  readonly publishers: number;
  /** Connections beside those of the publishers. */
  readonly connections?: number;
  /** Of the players; what is not named here is off. */
  readonly protocol?: BenchCase['protocol'];
}

export class TrialServer {
  readonly folder: string;
  private readonly running: RunningServer;
  private readonly load: LoadClient;

  private constructor(folder: string, running: RunningServer, load: LoadClient) {
    this.folder = folder;
    this.running = running;
    this.load = load;
  }

  static async start(options: TrialServerOptions): Promise<TrialServer> {
    const { clip, publishers, executable } = options;
    const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-run-'));
    const sluice = allServers(executable)[0]!; // the product is the first
    const problem = sluice.missing();
    if (problem !== undefined) throw new Error(problem);
    const benchCase: BenchCase = {
      name: 'trial',
      kind: 'push',
      protocol: options.protocol ?? 'rtmp',
      tls: false,
      count: publishers + (options.connections ?? 0),
      clip,
      mergeMs: undefined,
      goals: [],
    };
    const file = await clipFile(clip);
    const { config = '', live = '' } = options;
    const running = await startServer(sluice, {
      benchCase,
      folder,
      streamBytesPerSecond: 0,
      config: config.replaceAll('FOLDER', folder),
      live,
    });
    const load = new LoadClient(LOAD_CORE);
    const server = new TrialServer(folder, running, load);
    try {
      const target = {
        host: '127.0.0.1',
        port: running.ports.rtmp,
        app: 'live',
        stream: 'bench',
        tls: false,
      };
      await load.ask('publish', { target, clipFile: file, count: publishers, hasClock: true });
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  get port(): number {
    return this.running.ports.http;
  }

  get rtspPort(): number {
    return this.running.ports.rtsp;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  cpuSeconds(): number {
    if (!this.running.alive()) throw new Error('the server died under load');
    return cpuSeconds(this.running.pid);
  }

  /** The main thread first. */
  cpuByThread(): ReadonlyMap<number, number> {
    return cpuByThread(this.running.pid);
  }

  async close(): Promise<void> {
    await this.load.stop();
    await this.running.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The text at a URL; throws when it is not there. */
export async function fetchText(url: string): Promise<string> {
  const answer = await fetch(url);
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${url} is answered ${answer.status}: ${text.trim()}`);
  return text;
}

/** Addresses in a playlist, those of URI attributes included, resolved against its own. */
export function urisOf(text: string, base: string): string[] {
  const found: string[] = [];
  for (const line of text.split('\n')) {
    const uri = line.startsWith('#') ? /URI="([^"]+)"/.exec(line)?.[1] : line;
    if (uri !== undefined && uri !== '') found.push(new URL(uri, base).href);
  }
  return found;
}
