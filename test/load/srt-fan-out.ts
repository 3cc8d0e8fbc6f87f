/**
 * SRT players: packets that a CPU second of the server sends, in the clear and encrypted, beside a bare loop that sends
 * the same datagrams in the same rhythm from one socket, without and with acknowledgements like those of SRT, and beside
 * srt-live-transmit, which has a process for each player. Turns alternate.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import type { BareDatagramJob } from './bare-datagrams.ts';
import { deferred } from './deferred.ts';
import { percentile } from './result.ts';
import { delay } from './servers.ts';
import type { SrtCounts, SrtTarget } from './srt-receivers.ts';
import { cpuSeconds, hasProgram, LOAD_CORE, pinned, SERVER_CORE } from './system.ts';
import type { Trial, TrialOptions } from './trial.ts';
import { TrialChild } from './trial-child.ts';
import { TrialServer } from './trial-server.ts';

const RECEIVERS = 200;
/** Each is a process with seven threads. */
const LIBRARY_RECEIVERS = 20;
const TURNS = 4;
const QUICK_TURNS = 2;
const SETTLE_MS = 3000;
/** Beside datagrams: the stream itself, time of packets, and the protocol, which alone needs 0.25 us for a packet. */
const LIMIT = 1.75;
const PASSPHRASE = 'bench-passphrase';
const HEADER_BYTES = 16;
const SECRET = `<stream name="bench"><srt passphrase="${PASSPHRASE}"/></stream>`;
/** CPU of a load process above which it may have been too slow to read. */
const BUSY_SHARE = 0.85;

interface Turn {
  readonly name: string;
  readonly counts: SrtCounts;
  readonly packetsPerCpuSecond: number;
  readonly cpuPercent: number;
}

async function measure(
  name: string,
  receivers: TrialChild,
  cpu: () => number,
  windowMs: number,
): Promise<Turn> {
  await receivers.ask({ type: 'start' });
  const from = cpu();
  await delay(windowMs);
  const used = cpu() - from;
  const counts = await receivers.ask<SrtCounts>({ type: 'stop' });
  return {
    name,
    counts,
    packetsPerCpuSecond: counts.packets / used,
    cpuPercent: (used / counts.seconds) * 100,
  };
}

async function freeUdpPorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => createSocket('udp4'));
  const ports: number[] = [];
  for (const socket of sockets) {
    const { promise, resolve } = deferred();
    socket.bind(0, '127.0.0.1', () => resolve());
    await promise;
    ports.push(socket.address().port);
  }
  for (const socket of sockets) socket.close();
  return ports;
}

async function serverTurn(options: TrialOptions, count: number, passphrase: string): Promise<Turn> {
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
  const receivers = new TrialChild('srt-receivers.ts', LOAD_CORE);
  try {
    // A key frame must be there.
    await delay(SETTLE_MS);
    const target: SrtTarget = { ports, streamId: 'read:live/bench', passphrase };
    await receivers.ask({ type: 'open', count, target });
    await delay(SETTLE_MS);
    const name = passphrase === '' ? 'sluice' : 'sluice, AES-128';
    return await measure(name, receivers, () => server.cpuSeconds(), windowMs);
  } finally {
    await receivers.stop();
    await server.close();
  }
}

async function bareTurn(like: SrtCounts, count: number, windowMs: number, answers: boolean): Promise<Turn> {
  const receivers = new TrialChild('srt-receivers.ts', LOAD_CORE);
  const bare = new TrialChild('bare-datagrams.ts', SERVER_CORE);
  try {
    const ports = await receivers.ask<number[][]>({
      type: 'open',
      count,
      target: null,
      acknowledges: answers,
    });
    const job: BareDatagramJob = {
      ports,
      isShared: true,
      answers,
      datagrams: like.recorded,
      periodMs: like.seconds * 1000,
    };
    await bare.ask(job);
    await delay(SETTLE_MS / 2);
    return await measure(
      answers ? 'bare loop with ACKs' : 'bare loop',
      receivers,
      () => cpuSeconds(bare.pid),
      windowMs,
    );
  } finally {
    await bare.stop();
    await receivers.stop();
  }
}

/** The same payloads by UDP to `count` processes that send them on by SRT. */
async function libraryTurn(like: SrtCounts, count: number, windowMs: number): Promise<Turn> {
  const all = await freeUdpPorts(2 * count);
  const [inputs, outputs] = [all.slice(0, count), all.slice(count)];
  const processes: ChildProcess[] = inputs.map((input, index) => {
    const [command, args] = pinned(SERVER_CORE, 'srt-live-transmit', [
      '-q',
      `udp://127.0.0.1:${input}`,
      `srt://127.0.0.1:${outputs[index]}?mode=listener&latency=120`,
    ]);
    return spawn(command, args, { stdio: 'ignore' });
  });
  const receivers = new TrialChild('srt-receivers.ts', LOAD_CORE);
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
    return await measure('srt-live-transmit', receivers, cpu, windowMs);
  } finally {
    await feeder.stop();
    await receivers.stop();
    for (const one of processes) one.kill('SIGKILL');
  }
}

export const srtFanOut: Trial = {
  name: 'srt',
  title: `SRT: packets of 1.1 Mbit/s to ${RECEIVERS} players on one core, beside a bare loop and srt-live-transmit (${LIBRARY_RECEIVERS})`,
  missing: () => '',
  run: async (options) => {
    const { count = RECEIVERS, windowMs, isQuick } = options;
    const hasLibrary = hasProgram('srt-live-transmit');
    const ratios: number[] = [];
    const library: number[] = [];
    const notes: string[] = hasLibrary ? [] : ['srt-live-transmit (Debian: srt-tools) is not installed'];
    let incomplete = 0;
    const rows = [
      ['turn', 'server', 'packets/s', 'packets/CPU-s', 'bare/it', 'CPU %', 'complete', 'repaired'],
    ];
    for (let turn = 1; turn <= (isQuick ? QUICK_TURNS : TURNS); turn += 1) {
      const own = await serverTurn(options, count, '');
      const bare = await bareTurn(own.counts, count, windowMs, false);
      const answering = await bareTurn(own.counts, count, windowMs, true);
      const turns = [own, bare, answering, await serverTurn(options, count, PASSPHRASE)];
      const few = Math.min(count, LIBRARY_RECEIVERS);
      if (hasLibrary) turns.push(await libraryTurn(own.counts, few, windowMs));
      for (const { name, counts, packetsPerCpuSecond, cpuPercent } of turns) {
        const ratio = bare.packetsPerCpuSecond / packetsPerCpuSecond;
        if (counts.cpuSeconds / counts.seconds > BUSY_SHARE)
          notes.push(`turn ${turn}: the players of ${name} were busy`);
        const players = name === 'srt-live-transmit' ? few : count;
        rows.push([
          String(turn),
          name,
          (counts.packets / counts.seconds).toFixed(0),
          packetsPerCpuSecond.toFixed(0),
          ratio.toFixed(2),
          cpuPercent.toFixed(1),
          `${players - counts.incomplete} of ${players}`,
          String(counts.repaired),
        ]);
        if (name === 'srt-live-transmit') library.push(own.packetsPerCpuSecond / packetsPerCpuSecond);
        else incomplete += counts.incomplete;
      }
      ratios.push(answering.packetsPerCpuSecond / own.packetsPerCpuSecond);
    }
    const median = (values: readonly number[]): number => percentile(values, 0.5) ?? Number.NaN;
    const goals = [
      {
        text: `bare loop with ACKs/sluice packets per CPU second, median <= ${LIMIT}`,
        value: median(ratios),
        limit: LIMIT,
      },
      { text: `players of ${count} with something lost <= 0`, value: incomplete, limit: 0 },
    ];
    if (library.length > 0) {
      notes.push(
        `sluice sends ${median(library).toFixed(1)} times the packets of srt-live-transmit per CPU second`,
      );
      goals.push({
        text: 'srt-live-transmit/sluice packets per CPU second, median <= 1',
        value: 1 / median(library),
        limit: 1,
      });
    }
    return { rows, goals, notes };
  },
};
