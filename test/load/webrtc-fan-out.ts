/**
 * WebRTC players: packets that a CPU second of the server sends by SRTP from one thread, beside bare loops that send the
 * same datagrams in the same rhythm from one socket: as they are, and ciphered anew for each receiver by node:crypto,
 * which is the primitive cost. The number of players rises until the core is full or somebody loses something.
 */
import {
  areBusy,
  bareTurn,
  cpuPercent,
  type DatagramTurn,
  packetsPerSecond,
  SETTLE_MS,
} from './datagram-turn.ts';
import { percentile } from './result.ts';
import { delay } from './servers.ts';
import { LOAD_CORE } from './system.ts';
import type { Trial, TrialOptions } from './trial.ts';
import { TrialChild } from './trial-child.ts';
import { TrialServer } from './trial-server.ts';
import type { WebrtcCounts } from './webrtc-receivers.ts';

const PLAYERS = [100, 150, 200];
const QUICK_PLAYERS = [100];
const TURNS = 3;
const QUICK_TURNS = 1;
const LIMIT = 1.35;
const PROCESS = 'webrtc-receivers.ts';
const COLUMNS = [
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
];

interface NamedTurn extends DatagramTurn<WebrtcCounts> {
  readonly name: string;
  /** CPU seconds of the thread that sends, of a bare loop all. */
  readonly sending: number;
  /** Of the main thread of the server; null of a bare loop. */
  readonly main: number | null;
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

async function serverTurn(options: TrialOptions, count: number): Promise<NamedTurn> {
  const { executable, windowMs } = options;
  const server = await TrialServer.start({
    executable,
    config: webrtcConfig(),
    clip: 'hi',
    publishers: 1,
    connections: count,
  });
  const receivers = new TrialChild(PROCESS, LOAD_CORE);
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

async function bareLoop(
  like: WebrtcCounts,
  count: number,
  windowMs: number,
  ciphers: boolean,
): Promise<NamedTurn> {
  const request = { type: 'open', count, url: null };
  const turn = await bareTurn<WebrtcCounts>(PROCESS, request, { isShared: true, ciphers }, like, windowMs);
  return { ...turn, name: ciphers ? 'bare loop with AES-GCM' : 'bare loop', sending: turn.cpu, main: null };
}

function usPerPacket({ counts, sending }: NamedTurn): number {
  return (sending * 1e6) / counts.packets;
}

function rowOf(turn: number, players: number, one: NamedTurn, ciphered: NamedTurn): string[] {
  const { name, counts, sending, main } = one;
  return [
    String(turn),
    String(players),
    name,
    packetsPerSecond(counts),
    cpuPercent(one),
    cpuPercent({ counts, cpu: sending }),
    main === null ? '-' : cpuPercent({ counts, cpu: main }),
    usPerPacket(one).toFixed(1),
    (usPerPacket(one) / usPerPacket(ciphered)).toFixed(2),
    main === null ? '-' : `${players - counts.incomplete} of ${players}`,
    String(counts.repaired),
  ];
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
    const rows = [COLUMNS];
    for (let turn = 1; turn <= (isQuick ? QUICK_TURNS : TURNS); turn += 1)
      for (const players of steps) {
        const own = await serverTurn(options, players);
        const plain = await bareLoop(own.counts, players, windowMs, false);
        const ciphered = await bareLoop(own.counts, players, windowMs, true);
        for (const one of [own, plain, ciphered]) {
          if (areBusy(one.counts))
            notes.push(`turn ${turn}: the ${players} players of ${one.name} were busy`);
          rows.push(rowOf(turn, players, one, ciphered));
        }
        incomplete += own.counts.incomplete;
        refused += own.counts.refused;
        ratios.push(usPerPacket(own) / usPerPacket(ciphered));
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
