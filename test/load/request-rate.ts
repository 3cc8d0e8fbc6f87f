/**
 * Requests that the server answers per second of CPU, lists and segments, driven by wrk, beside a bare node:http server
 * that sends the same bytes with the same headers. Both run at once on the server's core and are asked in turns, so a
 * change of the machine's mood meets both. CPU is the scheduler's count, so other programs do not enter the rate.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import type { CannedAnswer } from './bare-http.ts';
import { deferred } from './deferred.ts';
import { percentile } from './result.ts';
import { delay } from './servers.ts';
import { cpuSeconds, hasProgram, LOAD_CORE, pinned, SERVER_CORE } from './system.ts';
import type { Trial, TrialGoal, TrialOptions } from './trial.ts';
import { fetchText, TrialServer, urisOf } from './trial-server.ts';

const CONNECTIONS = 50;
/** A turn is short, so that what else the machine does meets both servers; the median of many counts. */
const TURN_SECONDS = 1;
const LIMIT = 1.3;
/** Lists are full by then, and segments have their whole length. */
const FILL_MS = 14_000;
/** Segments are kept for as long as the whole trial takes. */
const POLICY = '<hls cache="200"/>';
/** Of every connection, or of the server; the bare one makes its own. */
const NOT_COPIED = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding']);

interface Target {
  readonly what: string;
  readonly url: string;
}

interface Rate {
  readonly perCpuSecond: number;
  readonly perSecond: number;
  readonly failed: number;
}

export const requestRate: Trial = {
  name: 'hls-rate',
  title: `${CONNECTIONS} connections ask for HLS lists and segments (wrk)`,
  missing: () => (hasProgram('wrk') ? '' : 'wrk is not installed (Debian: wrk)'),
  run: async (options) => {
    const server = await TrialServer.start({
      executable: options.executable,
      live: POLICY,
      clip: 'hi',
      publishers: 1,
      connections: options.count ?? CONNECTIONS,
    });
    let bare: BareServer | undefined;
    try {
      const targets = await findTargets(server);
      bare = await BareServer.start(targets);
      return await compare(server, bare, targets, options);
    } finally {
      await bare?.stop();
      await server.close();
    }
  },
};

async function findTargets(server: TrialServer): Promise<Target[]> {
  const list = async (path: string, variant: RegExp) => {
    const url = server.url(path);
    const found = urisOf(await fetchText(url), url).find((one) => variant.test(one));
    if (found === undefined) throw new Error(`${url} names no playlist like ${variant.source}`);
    return found;
  };
  const tsList = await list('/live/bench.m3u8?format=ts', /\.ts\.m3u8/);
  const llList = await list('/live/bench.ll.m3u8', /\.cmaf\/v\d+\.m3u8/);
  await fetchText(llList);
  await delay(FILL_MS);
  const segments = urisOf(await fetchText(tsList), tsList);
  const cmaf = urisOf(await fetchText(llList), llList).filter((one) => /\/\d+\.m4s$/.test(one));
  return [
    { what: 'HLS TS list', url: tsList },
    { what: 'LL-HLS list', url: llList },
    { what: 'TS segment', url: segments.at(-1)! },
    { what: 'CMAF segment', url: cmaf.at(-1)! },
  ];
}

async function compare(
  server: TrialServer,
  bare: BareServer,
  targets: readonly Target[],
  options: TrialOptions,
): Promise<Awaited<ReturnType<Trial['run']>>> {
  const connections = options.count ?? CONNECTIONS;
  const rounds = Math.max(1, Math.round(options.windowMs / 1000));
  const rows: string[][] = [
    [
      'answer',
      'bytes',
      'sluice req/CPU-s',
      'bare req/CPU-s',
      'bare/sluice',
      'of rounds min/max',
      'sluice req/s',
      'bare req/s',
    ],
  ];
  const goals: TrialGoal[] = [];
  const notes: string[] = [];
  for (const { what, url } of targets) {
    const measure = (port: number, cpu: () => number) => drive(url, port, cpu, connections);
    const own: Rate[] = [];
    const floor: Rate[] = [];
    // Not counted: the code is compiled then.
    await measure(server.port, () => 0);
    await measure(bare.port, () => 0);
    for (let round = 0; round < rounds; round++) {
      own.push(await measure(server.port, () => server.cpuSeconds()));
      floor.push(await measure(bare.port, () => cpuSeconds(bare.pid)));
    }
    const ratios = own.map((rate, round) => floor[round]!.perCpuSecond / rate.perCpuSecond);
    const ratio = middle(ratios);
    const failed = [...own, ...floor].reduce((sum, rate) => sum + rate.failed, 0);
    if (failed > 0) notes.push(`${what}: ${failed} answers were not 2xx`);
    rows.push([
      what,
      String(bare.bytes(url)),
      middle(own.map((rate) => rate.perCpuSecond)).toFixed(0),
      middle(floor.map((rate) => rate.perCpuSecond)).toFixed(0),
      ratio.toFixed(2),
      `${Math.min(...ratios).toFixed(2)}/${Math.max(...ratios).toFixed(2)}`,
      middle(own.map((rate) => rate.perSecond)).toFixed(0),
      middle(floor.map((rate) => rate.perSecond)).toFixed(0),
    ]);
    goals.push({
      text: `${what}: requests per CPU-s: bare / sluice <= ${LIMIT}`,
      value: ratio,
      limit: LIMIT,
    });
    goals.push({ text: `${what}: failed requests <= 0`, value: failed, limit: 0 });
  }
  return { rows, goals, notes };
}

function middle(values: readonly number[]): number {
  return percentile(values, 0.5) ?? Number.NaN;
}

/** One run of wrk against the target of `url` at a port. */
async function drive(url: string, port: number, cpu: () => number, connections: number): Promise<Rate> {
  const { pathname, search } = new URL(url);
  const [command, args] = pinned(LOAD_CORE, 'wrk', [
    '-t1',
    `-c${connections}`,
    `-d${TURN_SECONDS}s`,
    `http://127.0.0.1:${port}${pathname}${search}`,
  ]);
  const { promise, resolve, reject } = deferred<string>();
  const before = cpu();
  execFile(command, args, (error, stdout) => (error === null ? resolve(stdout) : reject(error)));
  const text = await promise;
  const used = cpu() - before;
  const [, done = '0', lasted = '1'] = /(\d+) requests in ([\d.]+)s/.exec(text) ?? [];
  const failed = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  if (Number(done) === 0) throw new Error(`wrk got no answer: ${text.trim()}`);
  return { perCpuSecond: Number(done) / used, perSecond: Number(done) / Number(lasted), failed };
}

class BareServer {
  readonly port: number;
  private readonly child: ChildProcess;
  private readonly answers: readonly CannedAnswer[];

  private constructor(child: ChildProcess, port: number, answers: readonly CannedAnswer[]) {
    this.child = child;
    this.port = port;
    this.answers = answers;
  }

  /** Asks the product once for each target and keeps the answers. */
  static async start(targets: readonly Target[]): Promise<BareServer> {
    const answers = await Promise.all(targets.map(({ url }) => copyAnswer(url)));
    const script = fileURLToPath(new URL('bare-http.ts', import.meta.url));
    const [command, args] = pinned(SERVER_CORE, process.execPath, [script]);
    const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const { promise, resolve, reject } = deferred<number>();
    child.once('message', (port: number) => resolve(port));
    child.once('exit', () => reject(new Error('the bare server ended')));
    child.send(answers);
    return new BareServer(child, await promise, answers);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  bytes(url: string): number {
    const { pathname, search } = new URL(url);
    const answer = this.answers.find((one) => one.target === pathname + search);
    return Buffer.byteLength(answer?.base64 ?? '', 'base64');
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const { promise, resolve } = deferred();
    this.child.once('exit', () => resolve());
    this.child.disconnect();
    await promise;
  }
}

/** By node:http, since fetch asks for compressed bodies and wrk does not. */
async function copyAnswer(url: string): Promise<CannedAnswer> {
  const { promise, resolve, reject } = deferred<CannedAnswer>();
  const { pathname, search } = new URL(url);
  const asking = request(url, { agent: false }, (response) => {
    const pieces: Buffer[] = [];
    response.on('data', (piece: Buffer) => pieces.push(piece));
    response.on('error', reject);
    response.on('end', () => {
      if (response.statusCode !== 200) reject(new Error(`${url} is answered ${response.statusCode}`));
      // As they were written, so that the bare server writes the same letters.
      const raw = response.rawHeaders;
      const headers: Record<string, string> = {};
      for (let i = 0; i + 1 < raw.length; i += 2) {
        const [name = '', value = ''] = [raw[i], raw[i + 1]];
        if (!NOT_COPIED.has(name.toLowerCase())) headers[name] = value;
      }
      resolve({ target: pathname + search, headers, base64: Buffer.concat(pieces).toString('base64') });
    });
  });
  asking.on('error', reject);
  asking.end();
  return await promise;
}
