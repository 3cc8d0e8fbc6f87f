/**
 * RTSP over UDP: packets that a CPU second of the server sends, beside a bare loop that sends the same datagrams in the
 * same rhythm to the same number of receivers. Turns of both alternate.
 */
import type { DatagramCounts } from './datagram-process.ts';
import { percentile } from './result.ts';
import { delay } from './servers.ts';
import { cpuSeconds, LOAD_CORE, SERVER_CORE } from './system.ts';
import type { Trial, TrialOptions } from './trial.ts';
import { TrialChild } from './trial-child.ts';
import { TrialServer } from './trial-server.ts';

const RECEIVERS = 200;
const TURNS = 4;
const QUICK_TURNS = 2;
const SETTLE_MS = 3000;
const LIMIT = 1.25;
/** CPU of a load process above which it may have been too slow to read. */
const BUSY_SHARE = 0.85;

interface Turn {
  readonly counts: DatagramCounts;
  readonly packetsPerCpuSecond: number;
  readonly cpuPercent: number;
}

async function measure(receivers: TrialChild, cpu: () => number, windowMs: number): Promise<Turn> {
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
  const receivers = new TrialChild('datagram-process.ts', LOAD_CORE);
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
  const receivers = new TrialChild('datagram-process.ts', LOAD_CORE);
  const bare = new TrialChild('bare-datagrams.ts', SERVER_CORE);
  try {
    const ports = await receivers.ask<number[][]>({ type: 'open', count, target: null });
    await bare.ask({ ports, isShared: false, datagrams: like.recorded, periodMs: like.seconds * 1000 });
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
