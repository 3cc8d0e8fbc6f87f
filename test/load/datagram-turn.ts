/** One turn of a trial of datagrams: receivers count for a while, and what sends to them uses its core. */
import type { BareDatagramJob } from './bare-datagrams.ts';
import type { DatagramCounts } from './receiver-group.ts';
import { delay } from './servers.ts';
import { cpuSeconds, LOAD_CORE, SERVER_CORE } from './system.ts';
import { TrialChild } from './trial-child.ts';

export const SETTLE_MS = 3000;
/** CPU of the receivers above which they may have been too slow to read. */
const BUSY_SHARE = 0.85;

export interface DatagramTurn<C extends DatagramCounts> {
  readonly counts: C;
  /** CPU seconds of the sender. */
  readonly cpu: number;
}

export function packetsPerCpuSecond({ counts, cpu }: DatagramTurn<DatagramCounts>): number {
  return counts.packets / cpu;
}

export function cpuPercent({ counts, cpu }: DatagramTurn<DatagramCounts>): string {
  return ((cpu / counts.seconds) * 100).toFixed(1);
}

export function packetsPerSecond({ packets, seconds }: DatagramCounts): string {
  return (packets / seconds).toFixed(0);
}

export function areBusy(counts: DatagramCounts): boolean {
  return counts.cpuSeconds / counts.seconds > BUSY_SHARE;
}

/** `cpu` tells the seconds that the sender has used so far. */
export async function measure<C extends DatagramCounts>(
  receivers: TrialChild,
  cpu: () => number,
  windowMs: number,
): Promise<DatagramTurn<C>> {
  await receivers.ask({ type: 'start' });
  const from = cpu();
  await delay(windowMs);
  const used = cpu() - from;
  return { counts: await receivers.ask<C>({ type: 'stop' }), cpu: used };
}

/** The datagrams of another turn from a bare loop, to receivers of `script` that `request` opens as bare sockets. */
export async function bareTurn<C extends DatagramCounts>(
  script: string,
  request: object,
  way: Pick<BareDatagramJob, 'isShared' | 'answers' | 'ciphers'>,
  like: DatagramCounts,
  windowMs: number,
): Promise<DatagramTurn<C>> {
  const receivers = new TrialChild(script, LOAD_CORE);
  const bare = new TrialChild('bare-datagrams.ts', SERVER_CORE);
  try {
    const ports = await receivers.ask<number[][]>(request);
    const job: BareDatagramJob = {
      ...way,
      ports,
      datagrams: like.recorded,
      periodMs: like.seconds * 1000,
    };
    await bare.ask(job);
    await delay(SETTLE_MS / 2);
    return await measure<C>(receivers, () => cpuSeconds(bare.pid), windowMs);
  } finally {
    await bare.stop();
    await receivers.stop();
  }
}
