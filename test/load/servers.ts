/**
 * The servers that the benchmark runs: the product and those it is compared with. Each is started as one
 * process on loopback with its files in a temporary folder; a server that is not installed is named with
 * what is missing.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../support/free-port.ts';
import type { BenchCase } from './cases.ts';
import { deferred } from './deferred.ts';
import { writeSluiceConfiguration } from './sluice-configuration.ts';
import { hasProgram, pinned, SERVER_CORE } from './system.ts';

/** Interval of the bare loop where a case leaves the merging to the server. */
const BARE_DEFAULT_MS = 50;
const START_TIMEOUT_MS = 15_000;
const STOP_TIMEOUT_MS = 5000;
const NGINX_RTMP_MODULE = '/usr/lib/nginx/modules/ngx_rtmp_module.so';

export interface Ports {
  readonly rtmp: number;
  readonly rtmps: number;
  readonly http: number;
  readonly https: number;
  readonly rtsp: number;
}

export interface StartOptions {
  readonly benchCase: BenchCase;
  /** Empty folder of this run. */
  readonly folder: string;
  /** Bytes per second of one player's stream, for the bare loop. */
  readonly streamBytesPerSecond: number;
  /** Elements inside the product's <config>, and inside <application name="live"> of its policy. */
  readonly config?: string;
  readonly live?: string;
}

interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export interface Server {
  readonly name: string;
  /** It speaks no protocol: players only count bytes. */
  readonly isRaw: boolean;
  /** Why this server cannot run at all; may install what it needs. */
  missing(): string | undefined;
  /** Why it cannot run one case. */
  unsupported(benchCase: BenchCase): string | undefined;
  version(): string;
  launch(options: StartOptions, ports: Ports): Launch;
}

const here = fileURLToPath(new URL('.', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

function sluice(executable: string | undefined): Server {
  const bundle = join(root, 'dist/sluice.cjs');
  const program = executable ?? bundle;
  const isBundle = /\.(?:[cm]?js|ts)$/.test(program);
  const command = isBundle ? process.execPath : program;
  const prefix = isBundle ? [program] : [];
  return {
    name: 'sluice',
    isRaw: false,
    missing: () => (existsSync(program) ? undefined : `${program} is not there: build it first`),
    unsupported: () => undefined,
    version: () => {
      const shown = spawnSync(command, [...prefix, 'version'], { encoding: 'utf8' });
      return shown.stdout.trim().split('\n')[0] ?? '';
    },
    launch: ({ benchCase, folder, config = '', live = '' }, ports) => {
      const conf = join(folder, 'conf');
      mkdirSync(conf);
      writeSluiceConfiguration(conf, ports, benchCase, { config, live });
      return { command, args: [...prefix, 'run', '-c', conf] };
    },
  };
}

const nginx: Server = {
  name: 'nginx',
  isRaw: false,
  missing: () => {
    if (!hasProgram('nginx')) return 'nginx is not installed (Debian: nginx libnginx-mod-rtmp)';
    return existsSync(NGINX_RTMP_MODULE)
      ? undefined
      : `${NGINX_RTMP_MODULE} is not there (libnginx-mod-rtmp)`;
  },
  unsupported: (benchCase) =>
    benchCase.protocol === 'rtmp' && !benchCase.tls
      ? undefined
      : 'serves neither FLV over HTTP nor RTMPS nor RTSP',
  version: () => {
    const shown = spawnSync('nginx', ['-v'], { encoding: 'utf8' });
    return /nginx\/([\d.]+)/.exec(shown.stderr)?.[1] ?? '';
  },
  launch: ({ folder }, ports) => {
    const conf = join(folder, 'nginx.conf');
    writeFileSync(
      conf,
      `load_module ${NGINX_RTMP_MODULE};
daemon off; master_process off; worker_processes 1; worker_rlimit_nofile 20000;
pid ${folder}/nginx.pid; error_log ${folder}/error.log error;
events { worker_connections 15000; }
rtmp { access_log off; server { listen 127.0.0.1:${ports.rtmp}; chunk_size 4096; application live { live on; } } }
`,
    );
    return { command: 'nginx', args: ['-p', folder, '-c', conf, '-e', `${folder}/error.log`] };
  },
};

function nodeMediaServer(name: string): Server {
  const folder = join(here, 'peers', name);
  const manifest = join(folder, 'node_modules/node-media-server/package.json');
  return {
    name,
    isRaw: false,
    missing: () => {
      if (existsSync(manifest)) return undefined;
      console.log(`installing ${name} into ${folder}`);
      const done = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: folder });
      return done.status === 0 ? undefined : `npm ci failed in ${folder}`;
    },
    unsupported: (benchCase) => {
      if (benchCase.protocol === 'rtsp') return 'serves no RTSP';
      return benchCase.tls ? 'run without TLS here' : undefined;
    },
    version: () => String((JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version),
    launch: (options, ports) => ({
      command: process.execPath,
      args: [join(folder, 'server.cjs')],
      environment: {
        RTMP_PORT: String(ports.rtmp),
        HTTP_PORT: String(ports.http),
        DATA_DIR: options.folder,
      },
    }),
  };
}

const bare: Server = {
  name: 'bare',
  isRaw: true,
  missing: () => (hasProgram('cc') ? undefined : 'no C compiler (Debian: gcc)'),
  unsupported: (benchCase) =>
    benchCase.kind === 'play' && benchCase.protocol === 'rtmp' && !benchCase.tls
      ? undefined
      : 'only the floor of plain RTMP players',
  version: () => 'C loop',
  launch: ({ benchCase, folder, streamBytesPerSecond }, ports) => {
    const program = join(folder, 'bare-loop');
    const built = spawnSync('cc', ['-O2', '-o', program, join(here, 'bare-loop.c')], { encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`bare-loop.c does not compile: ${built.stderr}`);
    const intervalMs = benchCase.mergeMs ?? BARE_DEFAULT_MS;
    const bytes = Math.round((streamBytesPerSecond * intervalMs) / 1000);
    return { command: program, args: [String(ports.rtmp), String(bytes), String(intervalMs)] };
  },
};

export function allServers(executable: string | undefined): readonly Server[] {
  return [sluice(executable), nginx, nodeMediaServer('nms2'), nodeMediaServer('nms4'), bare];
}

export interface RunningServer {
  readonly pid: number;
  readonly ports: Ports;
  /** Milliseconds from starting the process to the first accepted connection. */
  readonly startMs: number;
  /** Whether it is still running. */
  alive(): boolean;
  stop(): Promise<void>;
}

/** Starts a server and waits until it accepts connections; what it prints goes to `server.log`. */
export async function startServer(server: Server, options: StartOptions): Promise<RunningServer> {
  const [rtmp = 0, rtmps = 0, http = 0, https = 0, rtsp = 0] = await freePorts(5);
  const ports = { rtmp, rtmps, http, https, rtsp };
  const { command, args, environment } = server.launch(options, ports);
  const [program, words] = pinned(SERVER_CORE, command, args);
  const logPath = join(options.folder, 'server.log');
  const log = openSync(logPath, 'w');
  const started = performance.now();
  const child = spawn(program, words, {
    cwd: options.folder,
    env: { ...process.env, ...environment },
    stdio: ['ignore', log, log],
  });
  const alive = (): boolean => child.exitCode === null && child.signalCode === null;
  const port = options.benchCase.tls && options.benchCase.protocol === 'rtmp' ? rtmps : rtmp;
  child.on('error', () => undefined);
  while (!(await accepts(port))) {
    const late = performance.now() - started > START_TIMEOUT_MS;
    if (late || !alive() || child.pid === undefined) {
      await stopProcess(child);
      const tail = readFileSync(logPath, 'utf8').trim().split('\n').slice(-3).join(' | ');
      throw new Error(`${server.name} ${late ? 'does not listen' : 'ended at once'}: ${tail}`);
    }
    await delay(2);
  }
  return {
    pid: child.pid ?? 0,
    ports,
    startMs: performance.now() - started,
    alive,
    stop: () => stopProcess(child),
  };
}

async function stopProcess(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const { promise, resolve } = deferred();
  child.once('exit', () => resolve());
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await promise;
  clearTimeout(force);
}

async function accepts(port: number): Promise<boolean> {
  const { promise, resolve } = deferred<boolean>();
  const socket = connect({ host: '127.0.0.1', port });
  socket.once('connect', () => {
    socket.destroy();
    resolve(true);
  });
  socket.once('error', () => resolve(false));
  return await promise;
}

export function delay(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
