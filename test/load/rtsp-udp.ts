/**
 * RTSP over UDP: packets that a CPU second of the server sends, beside a bare loop that sends the same datagrams in the
 * same rhythm to the same number of receivers. Turns of both alternate.
 */
import type { DatagramRequest } from './datagram-process.ts';
import {
  areBusy,
  bareTurn,
  cpuPercent,
  type DatagramTurn,
  measure,
  packetsPerCpuSecond,
  packetsPerSecond,
  SETTLE_MS,
} from './datagram-turn.ts';
import type { DatagramCounts } from './receiver-group.ts';
import { percentile } from './result.ts';
import { delay } from './servers.ts';
import { LOAD_CORE } from './system.ts';
import type { Trial, TrialOptions } from './trial.ts';
import { TrialChild } from './trial-child.ts';
import { TrialServer } from './trial-server.ts';

const RECEIVERS = 200;
const TURNS = 4;
const QUICK_TURNS = 2;
const LIMIT = 1.25;
const PROCESS = 'datagram-process.ts';

async function serverTurn(options: TrialOptions, count: number): Promise<DatagramTurn<DatagramCounts>> {
  const { executable, windowMs } = options;
  const server = await TrialServer.start({
    executable,
    config: '<rtp><min>20000</min><max>60000</max></rtp>',
    clip: 'hi',
    publishers: 1,
    connections: count,
    protocol: 'rtsp',
  });
  const receivers = new TrialChild(PROCESS, LOAD_CORE);
  try {
    // A key frame must be there.
    await delay(SETTLE_MS);
    const target = { host: '127.0.0.1', port: server.rtspPort, app: 'live', stream: 'bench' };
    const request: DatagramRequest = { type: 'open', count, target };
    await receivers.ask(request);
    await delay(SETTLE_MS);
    return await measure(receivers, () => server.cpuSeconds(), windowMs);
  } finally {
    await receivers.stop();
    await server.close();
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
      const request: DatagramRequest = { type: 'open', count, target: null };
      const bare = await bareTurn(PROCESS, request, { isShared: false }, own.counts, windowMs);
      for (const [name, { counts }] of [
        ['sluice', own],
        ['bare', bare],
      ] as const) {
        if (counts.silent > 0)
          notes.push(`turn ${turn}: ${counts.silent} receivers got nothing from ${name}`);
        if (areBusy(counts)) notes.push(`turn ${turn}: the receivers were busy`);
      }
      const ratio = packetsPerCpuSecond(bare) / packetsPerCpuSecond(own);
      ratios.push(ratio);
      rows.push([
        String(turn),
        packetsPerSecond(own.counts),
        String(own.counts.missing),
        packetsPerCpuSecond(own).toFixed(0),
        packetsPerCpuSecond(bare).toFixed(0),
        ratio.toFixed(2),
        cpuPercent(own),
        cpuPercent(bare),
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
