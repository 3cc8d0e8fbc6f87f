/**
 * RTSP over UDP: packets that a CPU second of the server sends, beside a bare loop that sends the same datagrams in the
 * same rhythm to the same number of receivers. Turns of both alternate.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { BareDatagramJob } from './bare-datagrams.ts';
import type { DatagramCounts, DatagramRequest } from './datagram-process.ts';
import { deferred } from './deferred.ts';
import { percentile } from './result.ts';
import { delay } from './servers.ts';
import { cpuSeconds, LOAD_CORE, pinned, SERVER_CORE } from './system.ts';
import type { Trial, TrialOptions } from './trial.ts';
import { TrialServer } from './trial-server.ts';

const RECEIVERS = 200;
const TURNS = 4;
const QUICK_TURNS = 2;
const SETTLE_MS = 3000;
const LIMIT = 1.25;
/** CPU of a load process above which it may have been too slow to read. */
const BUSY_SHARE = 0.85;

/** A child process that is asked over IPC, one question at a time. */
class Child {
  private readonly process: ChildProcess;

  constructor(script: string, core: number) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const [command, args] = pinned(core, process.execPath, [path]);
    this.process = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  async ask<T>(message: DatagramRequest | BareDatagramJob): Promise<T> {
    const { promise, resolve, reject } = deferred<T>();
    const onExit = (): void => reject(new Error('a process of the trial ended'));
    this.process.once('exit', onExit);
    this.process.once('message', ({ reply, error }: { reply?: T; error?: string }) => {
      if (error === undefined) resolve(reply as T);
      else reject(new Error(error));
    });
    this.process.send(message);
    try {
      return await promise;
    } finally {
      this.process.off('exit', onExit);
    }
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null) return;
    const { promise, resolve } = deferred();
    this.process.once('exit', () => resolve());
    this.process.kill();
    await promise;
  }
}

interface Turn {
  readonly counts: DatagramCounts;
  readonly packetsPerCpuSecond: number;
  readonly cpuPercent: number;
}

async function measure(receivers: Child, cpu: () => number, windowMs: number): Promise<Turn> {
  await receivers.ask({ type: 'start' });
  const from = cpu();
  await delay(windowMs);
  const used = cpu() - from;
  const counts = await receivers.ask<DatagramCounts>({ type: 'stop' });
  return {
    counts,
    packetsPerCpuSecond: counts.packets / used,
    cpuPercent: (used / counts.seconds) * 100,
  };
}

async function serverTurn(options: TrialOptions, count: number): Promise<Turn> {
  const { executable, windowMs } = options;
  const server = await TrialServer.start({
    executable,
    config: '<rtp><min>20000</min><max>60000</max></rtp>',
    clip: 'hi',
    publishers: 1,
    connections: count,
    protocol: 'rtsp',
  });
  const receivers = new Child('datagram-process.ts', LOAD_CORE);
  try {
    // A key frame must be there.
    await delay(SETTLE_MS);
    const target = { host: '127.0.0.1', port: server.rtspPort, app: 'live', stream: 'bench' };
    await receivers.ask({ type: 'open', count, target });
    await delay(SETTLE_MS);
    return await measure(receivers, () => server.cpuSeconds(), windowMs);
  } finally {
    await receivers.stop();
    await server.close();
  }
}

async function bareTurn(like: DatagramCounts, count: number, windowMs: number): Promise<Turn> {
  const receivers = new Child('datagram-process.ts', LOAD_CORE);
  const bare = new Child('bare-datagrams.ts', SERVER_CORE);
  try {
    const ports = await receivers.ask<number[][]>({ type: 'open', count, target: null });
    await bare.ask({ ports, datagrams: like.recorded, periodMs: like.seconds * 1000 });
    await delay(SETTLE_MS / 2);
    return await measure(receivers, () => cpuSeconds(bare.pid), windowMs);
  } finally {
    await bare.stop();
    await receivers.stop();
  }
}

export const rtspUdp: Trial = {
  name: 'rtsp-udp',
  title: `RTSP over UDP: packets of 1.1 Mbit/s to ${RECEIVERS} receivers, beside a bare loop`,
  missing: () => '',
  run: async (options) => {
    const { count = RECEIVERS, windowMs, isQuick } = options;
    const ratios: number[] = [];
    const notes: string[] = [];
    const rows = [
      [
        'turn',
        'packets/s',
        'missing',
        'sluice packets/CPU-s',
        'bare packets/CPU-s',
        'bare/sluice',
        'CPU %',
        'bare CPU %',
      ],
    ];
    for (let turn = 1; turn <= (isQuick ? QUICK_TURNS : TURNS); turn += 1) {
      const own = await serverTurn(options, count);
      const bare = await bareTurn(own.counts, count, windowMs);
      for (const [name, { counts }] of [
        ['sluice', own],
        ['bare', bare],
      ] as const) {
        if (counts.silent > 0)
          notes.push(`turn ${turn}: ${counts.silent} receivers got nothing from ${name}`);
        if (counts.cpuSeconds / counts.seconds > BUSY_SHARE)
          notes.push(`turn ${turn}: the receivers were busy`);
      }
      const ratio = bare.packetsPerCpuSecond / own.packetsPerCpuSecond;
      ratios.push(ratio);
      rows.push([
        String(turn),
        (own.counts.packets / own.counts.seconds).toFixed(0),
        String(own.counts.missing),
        own.packetsPerCpuSecond.toFixed(0),
        bare.packetsPerCpuSecond.toFixed(0),
        ratio.toFixed(2),
        own.cpuPercent.toFixed(1),
        bare.cpuPercent.toFixed(1),
      ]);
    }
    const value = percentile(ratios, 0.5) ?? Number.NaN;
    return {
      rows,
      goals: [{ text: `bare/sluice packets per CPU second, median <= ${LIMIT}`, value, limit: LIMIT }],
      notes,
    };
  },
};
