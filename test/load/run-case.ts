/**
 * Runs one case against one server: starts it alone on its core, brings up publisher and players, lets
 * things settle, measures a window between two marks in the stream, and takes everything down again.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BenchCase } from './cases.ts';
import { type Clip, clipFile, MARK_END, MARK_START, readClip } from './clip.ts';
import { LoadClient } from './load-client.ts';
import type { PlayerTarget } from './player.ts';
import type { PlayReply, WindowReply } from './protocol.ts';
import { percentile, type Result } from './result.ts';
import { delay, type Ports, type RunningServer, type Server, startServer } from './servers.ts';
import { coreBusySeconds, cpuSeconds, LOAD_CORE, residentBytes, SERVER_CORE, unreadBytes } from './system.ts';

const MEASURING_PLAYERS = 20;
const CONNECT_CONCURRENCY = 64;
const PLAY_TIMEOUT_MS = 40_000;
/** A player without the end mark after this time is behind. */
const BEHIND_AFTER_MS = 5000;
/** Acknowledgements and pings of one connection between the marks. */
const COMPLETE_TOLERANCE_BYTES = 256;
const START_RUNS = 5;
const MIB = 1024 * 1024;

export interface RunOptions {
  readonly settleMs: number;
  readonly windowMs: number;
  /** The crowd reads in bursts this far apart; 0 reads every packet at once. */
  readonly crowdIntervalMs: number;
}

/** Time, server CPU and core use at one moment. */
interface Sample {
  readonly at: number;
  readonly cpu: number;
  readonly serverCore: number;
  readonly loadCore: number;
}

function sample(pid: number): Sample {
  return {
    at: performance.now() / 1000,
    cpu: cpuSeconds(pid),
    serverCore: coreBusySeconds(SERVER_CORE),
    loadCore: coreBusySeconds(LOAD_CORE),
  };
}

const EMPTY: Omit<Result, 'case' | 'peer' | 'version' | 'count' | 'residentMib' | 'notes'> = {
  cpuPercent: undefined,
  cpuSecondsPerGbit: undefined,
  kibPerConnection: undefined,
  mbps: undefined,
  playerKbpsMin: undefined,
  playerKbpsP50: undefined,
  complete: undefined,
  behind: undefined,
  firstMediaP50Ms: undefined,
  firstMediaP99Ms: undefined,
  delayP50Ms: undefined,
  delayP99Ms: undefined,
  messagesPerSecond: undefined,
  microsecondsPerMessage: undefined,
  unreadKib: undefined,
  startMs: undefined,
  foreignPercent: undefined,
  loadCorePercent: undefined,
  loadPercent: undefined,
};

export async function runCase(server: Server, benchCase: BenchCase, options: RunOptions): Promise<Result> {
  const file = await clipFile(benchCase.clip);
  const clip = readClip(file);
  const run = new Run(server, benchCase, options, clip, file);
  try {
    if (benchCase.kind === 'start') return await run.start();
    return benchCase.kind === 'push' ? await run.push() : await run.play();
  } finally {
    await run.end();
  }
}

class Run {
  private readonly server: Server;
  private readonly benchCase: BenchCase;
  private readonly options: RunOptions;
  private readonly clip: Clip;
  private readonly file: string;
  private readonly folder = mkdtempSync(join(tmpdir(), 'sluice-bench-run-'));
  private readonly loads: LoadClient[] = [];
  private readonly notes: string[] = [];
  private running: RunningServer | undefined;

  constructor(server: Server, benchCase: BenchCase, options: RunOptions, clip: Clip, file: string) {
    this.server = server;
    this.benchCase = benchCase;
    this.options = options;
    this.clip = clip;
    this.file = file;
  }

  async end(): Promise<void> {
    await Promise.all(this.loads.map((load) => load.stop()));
    await this.running?.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async start(): Promise<Result> {
    const times: number[] = [];
    for (let i = 1; i < START_RUNS; i += 1) {
      const running = await this.startServer(`start-${i}`);
      times.push(running.startMs);
      await running.stop();
    }
    const running = await this.startServer('start-last');
    times.push(running.startMs);
    await delay(this.options.settleMs);
    return { ...this.named(residentBytes(running.pid)), ...EMPTY, startMs: percentile(times, 0.5) };
  }

  async push(): Promise<Result> {
    const running = await this.startServer('push');
    const idle = residentBytes(running.pid);
    const load = this.newLoad();
    const { count } = this.benchCase;
    const target = { host: '127.0.0.1', port: running.ports.rtmp, app: 'live', stream: 'bench', tls: false };
    await load.ask('publish', { target, clipFile: this.file, count, hasClock: false });
    await delay(this.options.settleMs);
    const { before, after, windows } = await this.measure(running);
    const unread = unreadBytes(running.ports.rtmp);
    const resident = residentBytes(running.pid);
    const seconds = after.at - before.at;
    const cpu = (after.cpu - before.cpu) / seconds;
    const sent = windows[0]?.sent;
    const sentSeconds = windows[0]?.seconds ?? 1;
    const messagesPerSecond = (sent?.messages ?? 0) / sentSeconds;
    if (sent !== undefined && sent.skipped > 0) this.notes.push(`${sent.skipped} messages not taken`);
    if (sent !== undefined && sent.failed > 0) {
      this.notes.push(`${sent.failed} publishers lost: ${sent.failure}`);
    }
    const bps = ((sent?.bytes ?? 0) * 8) / sentSeconds;
    return {
      ...this.named(resident),
      ...EMPTY,
      ...this.coreUse(before, after, windows),
      cpuPercent: cpu * 100,
      cpuSecondsPerGbit: cpu / (bps / 1e9),
      kibPerConnection: (resident - idle) / 1024 / count,
      mbps: bps / 1e6,
      messagesPerSecond,
      microsecondsPerMessage: (cpu / messagesPerSecond) * 1e6,
      unreadKib: unread / 1024,
    };
  }

  async play(): Promise<Result> {
    const { count, protocol, tls } = this.benchCase;
    const { isRaw } = this.server;
    const running = await this.startServer('play');
    const { ports } = running;
    const probe = this.newLoad();
    if (!isRaw) {
      const target = { host: '127.0.0.1', port: ports.rtmp, app: 'live', stream: 'bench', tls: false };
      await probe.ask('publish', { target, clipFile: this.file, count: 1, hasClock: true });
      // Longer than one key frame interval, so that a GOP cache has a key frame.
      await delay(2500);
    }
    const idle = residentBytes(running.pid);
    const port = portOf(ports, protocol, tls);
    const target: PlayerTarget = {
      protocol: isRaw ? 'raw' : protocol,
      tls,
      host: '127.0.0.1',
      port,
      app: 'live',
      stream: 'bench',
    };
    const measuring = isRaw ? 0 : Math.min(MEASURING_PLAYERS, count);
    const common = { target, concurrency: CONNECT_CONCURRENCY, timeoutMs: PLAY_TIMEOUT_MS };
    const opened: PlayReply[] = [];
    if (measuring > 0) opened.push(await probe.ask('play', { ...common, count: measuring, measuring: true }));
    if (count > measuring) {
      const crowd = this.newLoad();
      // The bare loop is silent until its next turn, so its players cannot wait for each other.
      const concurrency = isRaw ? count : common.concurrency;
      const request = { ...common, count: count - measuring, measuring: false, concurrency };
      opened.push(await crowd.ask('play', request));
      const everyMs = this.options.crowdIntervalMs;
      if (everyMs > 0) await crowd.ask('coalesce', { everyMs });
    }
    await delay(this.options.settleMs);

    const startMark = isRaw ? undefined : await this.passMark(probe, MARK_START);
    const { before, after, windows } = await this.measure(running);
    const resident = residentBytes(running.pid);
    const endMark = isRaw ? undefined : await this.passMark(probe, MARK_END);

    const seconds = after.at - before.at;
    const cpu = (after.cpu - before.cpu) / seconds;
    const kbps = windows.flatMap((window) =>
      window.bytes.map((bytes) => (bytes * 8) / 1000 / window.seconds),
    );
    const bps = kbps.reduce((sum, value) => sum + value, 0) * 1000;
    const delays = windows.flatMap((window) => window.delaysUs);
    const firstMedia = isRaw ? [] : opened.flatMap((reply) => reply.firstMediaMs);
    this.noteTroubles(opened, windows);
    return {
      ...this.named(resident),
      ...EMPTY,
      ...this.coreUse(before, after, windows),
      ...(startMark === undefined || endMark === undefined ? {} : this.completeness(startMark, endMark)),
      cpuPercent: cpu * 100,
      cpuSecondsPerGbit: bps === 0 ? undefined : cpu / (bps / 1e9),
      kibPerConnection: (resident - idle) / 1024 / count,
      mbps: bps / 1e6,
      playerKbpsMin: percentile(kbps, 0),
      playerKbpsP50: percentile(kbps, 0.5),
      firstMediaP50Ms: percentile(firstMedia, 0.5),
      firstMediaP99Ms: percentile(firstMedia, 0.99),
      delayP50Ms: inMilliseconds(percentile(delays, 0.5)),
      delayP99Ms: inMilliseconds(percentile(delays, 0.99)),
    };
  }

  private async startServer(name: string): Promise<RunningServer> {
    const folder = mkdtempSync(join(this.folder, `${name}-`));
    const streamBytesPerSecond = (this.clip.kbps * 1000) / 8;
    const running = await startServer(this.server, {
      benchCase: this.benchCase,
      folder,
      streamBytesPerSecond,
    });
    this.running = running;
    return running;
  }

  private newLoad(): LoadClient {
    const load = new LoadClient(LOAD_CORE);
    this.loads.push(load);
    return load;
  }

  private async measure(
    running: RunningServer,
  ): Promise<{ before: Sample; after: Sample; windows: WindowReply[] }> {
    await Promise.all(this.loads.map((load) => load.ask('windowStart', null)));
    const before = sample(running.pid);
    await delay(this.options.windowMs);
    if (!running.alive()) throw new Error(`${this.server.name} died under load`);
    const after = sample(running.pid);
    const windows = await Promise.all(this.loads.map((load) => load.ask('windowEnd', null)));
    return { before, after, windows };
  }

  /** Sends a mark and waits until every player has it; positions in bytes, in the order of the players. */
  private async passMark(probe: LoadClient, mark: number): Promise<{ sent: number; positions: number[] }> {
    await Promise.all(this.loads.map((load) => load.ask('seek', { mark })));
    const sent = await probe.ask('mark', { mark });
    const deadline = performance.now() + BEHIND_AFTER_MS;
    for (;;) {
      await delay(200);
      const found = await Promise.all(this.loads.map((load) => load.ask('found', null)));
      const positions = found.flat();
      if (positions.every((position) => position >= 0) || performance.now() > deadline) {
        await Promise.all(this.loads.map((load) => load.ask('seek', {})));
        return { sent, positions };
      }
    }
  }

  /** All players get the same bytes, so whoever has another count between the marks missed something. */
  private completeness(
    start: { sent: number; positions: number[] },
    end: { sent: number; positions: number[] },
  ): Pick<Result, 'complete' | 'behind'> {
    const lengths: number[] = [];
    let behind = 0;
    end.positions.forEach((position, index) => {
      const from = start.positions[index] ?? -1;
      if (position < 0 || from < 0) behind += 1;
      else lengths.push(position - from);
    });
    const usual = percentile(lengths, 0.5) ?? 0;
    const payload = end.sent - start.sent;
    const tolerance = COMPLETE_TOLERANCE_BYTES;
    if (usual < payload) this.notes.push(`players received ${usual} of ${payload} payload bytes`);
    const complete =
      usual < payload ? 0 : lengths.filter((length) => Math.abs(length - usual) <= tolerance).length;
    return { complete, behind };
  }

  private noteTroubles(opened: readonly PlayReply[], windows: readonly WindowReply[]): void {
    const started = opened.reduce((sum, reply) => sum + reply.started, 0);
    if (started < this.benchCase.count) {
      const reason = opened.find((reply) => reply.failure !== undefined)?.failure ?? 'too slow';
      this.notes.push(`${this.benchCase.count - started} players never started (${reason})`);
    }
    const closed = windows.reduce((sum, window) => sum + window.closed, 0);
    const failure = windows.find((window) => window.failure !== undefined)?.failure;
    if (closed > 0) this.notes.push(`${closed} players disconnected (${failure})`);
    const gaps = windows.reduce((sum, window) => sum + window.gaps, 0);
    if (gaps > 0) this.notes.push(`${gaps} pictures missed by the measuring players`);
  }

  private coreUse(
    before: Sample,
    after: Sample,
    windows: readonly WindowReply[],
  ): Pick<Result, 'foreignPercent' | 'loadCorePercent' | 'loadPercent'> {
    const seconds = after.at - before.at;
    const serverCpu = after.cpu - before.cpu;
    const load = windows.reduce((sum, window) => sum + window.cpuSeconds / window.seconds, 0);
    return {
      foreignPercent: Math.max(0, ((after.serverCore - before.serverCore - serverCpu) / seconds) * 100),
      loadCorePercent: ((after.loadCore - before.loadCore) / seconds) * 100,
      loadPercent: load * 100,
    };
  }

  private named(
    resident: number,
  ): Pick<Result, 'case' | 'peer' | 'version' | 'count' | 'residentMib' | 'notes'> {
    return {
      case: this.benchCase.name,
      peer: this.server.name,
      version: this.server.version(),
      count: this.benchCase.count,
      residentMib: resident / MIB,
      notes: this.notes,
    };
  }
}

function portOf(ports: Ports, protocol: BenchCase['protocol'], tls: boolean): number {
  if (protocol === 'rtsp') return ports.rtsp;
  if (protocol === 'rtmp') return tls ? ports.rtmps : ports.rtmp;
  return tls ? ports.https : ports.http;
}

function inMilliseconds(microseconds: number | undefined): number | undefined {
  return microseconds === undefined ? undefined : microseconds / 1000;
}
