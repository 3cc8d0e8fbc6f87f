/**
 * WebRTC players: packets that a CPU second of the server sends by SRTP from one thread, beside bare loops that send the
 * same datagrams in the same rhythm from one socket: as they are, and ciphered anew for each receiver by node:crypto,
 * which is the primitive cost. The number of players rises until the core is full or somebody loses something.
 */
import { percentile } from './result.ts';
import { delay } from './servers.ts';
import { cpuSeconds, LOAD_CORE, SERVER_CORE } from './system.ts';
import type { Trial, TrialOptions } from './trial.ts';
import { TrialChild } from './trial-child.ts';
import { TrialServer } from './trial-server.ts';
import type { WebrtcCounts } from './webrtc-receivers.ts';

const PLAYERS = [100, 150, 200];
const QUICK_PLAYERS = [100];
const TURNS = 3;
const QUICK_TURNS = 1;
const SETTLE_MS = 3000;
const LIMIT = 1.35;
/** CPU of the players above which they may have been too slow to read. */
const BUSY_SHARE = 0.85;

interface Turn {
  readonly name: string;
  readonly counts: WebrtcCounts;
  readonly cpu: number;
  /** Of the thread that sends, and of the main thread; the same for a bare loop. */
  readonly sending: number;
  readonly main: number;
}

export function webrtcConfig(): string {
  return '<webrtc><ip>127.0.0.1</ip><port>0</port><tcp>off</tcp><threads>1</threads></webrtc>';
}

/** CPU seconds since `before`: all, the busiest thread beside the main one, the main one. */
export function threadsSince(
  before: ReadonlyMap<number, number>,
  now: ReadonlyMap<number, number>,
): { all: number; busiest: number; main: number } {
  const used = [...now].map(([id, seconds]) => seconds - (before.get(id) ?? 0));
  const [main = 0, ...others] = used;
  return { all: used.reduce((sum, one) => sum + one, 0), busiest: Math.max(0, ...others), main };
}

async function serverTurn(options: TrialOptions, count: number): Promise<Turn> {
  const { executable, windowMs } = options;
  const server = await TrialServer.start({
    executable,
    config: webrtcConfig(),
    clip: 'hi',
    publishers: 1,
    connections: count,
  });
  const receivers = new TrialChild('webrtc-receivers.ts', LOAD_CORE);
  try {
    // A key frame must be there.
    await delay(SETTLE_MS);
    await receivers.ask({ type: 'open', count, url: server.url('/live/bench/whep') });
    await delay(SETTLE_MS);
    await receivers.ask({ type: 'start' });
    const before = server.cpuByThread();
    await delay(windowMs);
    const { all, busiest, main } = threadsSince(before, server.cpuByThread());
    const counts = await receivers.ask<WebrtcCounts>({ type: 'stop' });
    return { name: 'sluice', counts, cpu: all, sending: busiest, main };
  } finally {
    await receivers.stop();
    await server.close();
  }
}

async function bareTurn(
  like: WebrtcCounts,
  count: number,
  windowMs: number,
  ciphers: boolean,
): Promise<Turn> {
  const receivers = new TrialChild('webrtc-receivers.ts', LOAD_CORE);
  const bare = new TrialChild('bare-datagrams.ts', SERVER_CORE);
  try {
    const ports = await receivers.ask<number[][]>({ type: 'open', count, url: null });
    const { recorded, seconds } = like;
    await bare.ask({ ports, isShared: true, ciphers, datagrams: recorded, periodMs: seconds * 1000 });
    await delay(SETTLE_MS / 2);
    await receivers.ask({ type: 'start' });
    const from = cpuSeconds(bare.pid);
    await delay(windowMs);
    const cpu = cpuSeconds(bare.pid) - from;
    const counts = await receivers.ask<WebrtcCounts>({ type: 'stop' });
    return { name: ciphers ? 'bare loop with AES-GCM' : 'bare loop', counts, cpu, sending: cpu, main: cpu };
  } finally {
    await bare.stop();
    await receivers.stop();
  }
}

export const webrtcFanOut: Trial = {
  name: 'webrtc',
  title: 'WebRTC: players of 1.1 Mbit/s on one core by SRTP, beside bare loops without and with AES-GCM',
  missing: () => '',
  run: async (options) => {
    const { count, windowMs, isQuick } = options;
    const steps = count === undefined ? (isQuick ? QUICK_PLAYERS : PLAYERS) : [count];
    const notes: string[] = [];
    const ratios: number[] = [];
    let incomplete = 0;
    let refused = 0;
    const rows = [
      [
        'turn',
        'players',
        'server',
        'packets/s',
        'CPU %',
        'sending thread %',
        'main thread %',
        'us/packet',
        'it/AES-GCM',
        'complete',
        'sent again',
      ],
    ];
    for (let turn = 1; turn <= (isQuick ? QUICK_TURNS : TURNS); turn += 1)
      for (const players of steps) {
        const own = await serverTurn(options, players);
        const plain = await bareTurn(own.counts, players, windowMs, false);
        const ciphered = await bareTurn(own.counts, players, windowMs, true);
        const perPacket = ({ counts, sending }: Turn): number => (sending * 1e6) / counts.packets;
        for (const one of [own, plain, ciphered]) {
          const { name, counts, cpu, sending, main } = one;
          const { seconds, packets } = counts;
          const isOwn = one === own;
          if (counts.cpuSeconds / seconds > BUSY_SHARE)
            notes.push(`turn ${turn}: the ${players} players of ${name} were busy`);
          const share = (used: number): string => ((used / seconds) * 100).toFixed(1);
          rows.push([
            String(turn),
            String(players),
            name,
            (packets / seconds).toFixed(0),
            share(cpu),
            share(sending),
            isOwn ? share(main) : '-',
            perPacket(one).toFixed(1),
            (perPacket(one) / perPacket(ciphered)).toFixed(2),
            isOwn ? `${players - counts.incomplete} of ${players}` : '-',
            String(counts.repaired),
          ]);
        }
        incomplete += own.counts.incomplete;
        refused += own.counts.refused;
        ratios.push(perPacket(own) / perPacket(ciphered));
      }
    return {
      rows,
      goals: [
        {
          text: `sending thread/bare loop with AES-GCM, CPU per packet, median <= ${LIMIT}`,
          value: percentile(ratios, 0.5) ?? Number.NaN,
          limit: LIMIT,
        },
        { text: 'players with something lost <= 0', value: incomplete, limit: 0 },
        { text: 'packets that could not be decrypted <= 0', value: refused, limit: 0 },
      ],
      notes,
    };
  },
};
