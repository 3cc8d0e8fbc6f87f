/**
 * SRT players: packets that a CPU second of the server sends, in the clear and encrypted, beside a bare loop that sends
 * the same datagrams in the same rhythm from one socket, without and with acknowledgements like those of SRT, and beside
 * srt-live-transmit, which has a process for each player. Turns alternate.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { freeUdpPort } from '../support/free-port.ts';
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
import { percentile } from './result.ts';
import { delay } from './servers.ts';
import type { SrtCounts, SrtTarget } from './srt-receivers.ts';
import { cpuSeconds, hasProgram, LOAD_CORE, pinned, SERVER_CORE } from './system.ts';
import type { Trial, TrialGoal, TrialOptions } from './trial.ts';
import { TrialChild } from './trial-child.ts';
import { TrialServer } from './trial-server.ts';

const RECEIVERS = 200;
/** Each is a process with seven threads. */
const LIBRARY_RECEIVERS = 20;
const TURNS = 4;
const QUICK_TURNS = 2;
/** Beside datagrams: the stream itself, time of packets, and the protocol, which alone needs 0.25 us for a packet. */
const LIMIT = 1.75;
const PASSPHRASE = 'bench-passphrase';
const HEADER_BYTES = 16;
const SECRET = `<stream name="bench"><srt passphrase="${PASSPHRASE}"/></stream>`;
const PROCESS = 'srt-receivers.ts';
const LIBRARY = 'srt-live-transmit';

interface NamedTurn extends DatagramTurn<SrtCounts> {
  readonly name: string;
}

async function freeUdpPorts(count: number): Promise<number[]> {
  const ports = new Set<number>();
  while (ports.size < count) ports.add(await freeUdpPort());
  return [...ports];
}

async function serverTurn(options: TrialOptions, count: number, passphrase: string): Promise<NamedTurn> {
  const { executable, windowMs } = options;
  const ports = await freeUdpPorts(1);
  const server = await TrialServer.start({
    executable,
    config: `<srt><ip>127.0.0.1</ip><port>${ports[0]}</port></srt>`,
    live: passphrase === '' ? '' : SECRET,
    clip: 'hi',
    publishers: 1,
    connections: count,
  });
  const receivers = new TrialChild(PROCESS, LOAD_CORE);
  try {
    // A key frame must be there.
    await delay(SETTLE_MS);
    const target: SrtTarget = { ports, streamId: 'read:live/bench', passphrase };
    await receivers.ask({ type: 'open', count, target });
    await delay(SETTLE_MS);
    const name = passphrase === '' ? 'sluice' : 'sluice, AES-128';
    return { name, ...(await measure<SrtCounts>(receivers, () => server.cpuSeconds(), windowMs)) };
  } finally {
    await receivers.stop();
    await server.close();
  }
}

async function bareLoop(
  like: SrtCounts,
  count: number,
  windowMs: number,
  answers: boolean,
): Promise<NamedTurn> {
  const request = { type: 'open', count, target: null, acknowledges: answers };
  const turn = await bareTurn<SrtCounts>(PROCESS, request, { isShared: true, answers }, like, windowMs);
  return { name: answers ? 'bare loop with ACKs' : 'bare loop', ...turn };
}

/** The same payloads by UDP to `count` processes that send them on by SRT. */
async function libraryTurn(like: SrtCounts, count: number, windowMs: number): Promise<NamedTurn> {
  const all = await freeUdpPorts(2 * count);
  const [inputs, outputs] = [all.slice(0, count), all.slice(count)];
  const processes: ChildProcess[] = inputs.map((input, index) => {
    const [command, args] = pinned(SERVER_CORE, LIBRARY, [
      '-q',
      `udp://127.0.0.1:${input}`,
      `srt://127.0.0.1:${outputs[index]}?mode=listener&latency=120`,
    ]);
    return spawn(command, args, { stdio: 'ignore' });
  });
  const receivers = new TrialChild(PROCESS, LOAD_CORE);
  const feeder = new TrialChild('bare-datagrams.ts', LOAD_CORE);
  try {
    await delay(SETTLE_MS);
    const datagrams = like.recorded.map(({ atMs, track, bytes }) => ({
      atMs,
      track,
      bytes: Buffer.from(bytes, 'base64').subarray(HEADER_BYTES).toString('base64'),
    }));
    const ports = inputs.map((port) => [port]);
    const target: SrtTarget = { ports: outputs, streamId: '', passphrase: '' };
    await receivers.ask({ type: 'open', count, target });
    await feeder.ask({ ports, isShared: true, datagrams, periodMs: like.seconds * 1000 });
    await delay(SETTLE_MS);
    const cpu = (): number => processes.reduce((total, { pid = 0 }) => total + cpuSeconds(pid), 0);
    return { name: LIBRARY, ...(await measure<SrtCounts>(receivers, cpu, windowMs)) };
  } finally {
    await feeder.stop();
    await receivers.stop();
    for (const one of processes) one.kill('SIGKILL');
  }
}

/** The own server, the bare loop without and with ACKs, the server with encryption, the library where it is there. */
async function round(options: TrialOptions, count: number, few: number): Promise<readonly NamedTurn[]> {
  const { windowMs } = options;
  const own = await serverTurn(options, count, '');
  const turns = [
    own,
    await bareLoop(own.counts, count, windowMs, false),
    await bareLoop(own.counts, count, windowMs, true),
    await serverTurn(options, count, PASSPHRASE),
  ];
  if (few > 0) turns.push(await libraryTurn(own.counts, few, windowMs));
  return turns;
}

function rowOf(turn: number, one: NamedTurn, bare: NamedTurn, players: number): string[] {
  const { name, counts } = one;
  return [
    String(turn),
    name,
    packetsPerSecond(counts),
    packetsPerCpuSecond(one).toFixed(0),
    (packetsPerCpuSecond(bare) / packetsPerCpuSecond(one)).toFixed(2),
    cpuPercent(one),
    `${players - counts.incomplete} of ${players}`,
    String(counts.repaired),
  ];
}

function median(values: readonly number[]): number {
  return percentile(values, 0.5) ?? Number.NaN;
}

export const srtFanOut: Trial = {
  name: 'srt',
  title: `SRT: packets of 1.1 Mbit/s to ${RECEIVERS} players on one core, beside a bare loop and ${LIBRARY} (${LIBRARY_RECEIVERS})`,
  missing: () => '',
  run: async (options) => {
    const { count = RECEIVERS, isQuick } = options;
    const few = hasProgram(LIBRARY) ? Math.min(count, LIBRARY_RECEIVERS) : 0;
    const ratios: number[] = [];
    const library: number[] = [];
    const notes: string[] = few > 0 ? [] : [`${LIBRARY} (Debian: srt-tools) is not installed`];
    let incomplete = 0;
    const rows = [
      ['turn', 'server', 'packets/s', 'packets/CPU-s', 'bare/it', 'CPU %', 'complete', 'repaired'],
    ];
    for (let turn = 1; turn <= (isQuick ? QUICK_TURNS : TURNS); turn += 1) {
      const turns = await round(options, count, few);
      const [own, bare, answering] = turns as [NamedTurn, NamedTurn, NamedTurn];
      for (const one of turns) {
        const isLibrary = one.name === LIBRARY;
        if (areBusy(one.counts)) notes.push(`turn ${turn}: the players of ${one.name} were busy`);
        rows.push(rowOf(turn, one, bare, isLibrary ? few : count));
        if (isLibrary) library.push(packetsPerCpuSecond(own) / packetsPerCpuSecond(one));
        else incomplete += one.counts.incomplete;
      }
      ratios.push(packetsPerCpuSecond(answering) / packetsPerCpuSecond(own));
    }
    const goals: TrialGoal[] = [
      {
        text: `bare loop with ACKs/sluice packets per CPU second, median <= ${LIMIT}`,
        value: median(ratios),
        limit: LIMIT,
      },
      { text: `players of ${count} with something lost <= 0`, value: incomplete, limit: 0 },
    ];
    if (library.length > 0) {
      const times = median(library);
      notes.push(`sluice sends ${times.toFixed(1)} times the packets of ${LIBRARY} per CPU second`);
      const text = `${LIBRARY}/sluice packets per CPU second, median <= 1`;
      goals.push({ text, value: 1 / times, limit: 1 });
    }
    return { rows, goals, notes };
  },
};
