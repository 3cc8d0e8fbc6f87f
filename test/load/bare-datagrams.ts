/**
 * What sending datagrams costs at least with Node: one connected socket per receiver and track, and the same datagrams
 * to all of them in the rhythm in which they came. A child process; it is told what to send over IPC and then sends
 * until it is ended.
 */
import { createSocket, type Socket } from 'node:dgram';
import type { RecordedDatagram } from './datagram-process.ts';
import { deferred } from './deferred.ts';

export interface BareDatagramJob {
  /** By receiver and track. */
  readonly ports: readonly (readonly number[])[];
  readonly datagrams: readonly RecordedDatagram[];
  /** Of one round of the datagrams. */
  readonly periodMs: number;
}

/** Datagrams that came closer together than this left together. */
const TOGETHER_MS = 2;

interface Group {
  readonly atMs: number;
  readonly datagrams: { readonly track: number; readonly bytes: Buffer }[];
}

function groupsOf(datagrams: readonly RecordedDatagram[]): Group[] {
  const groups: Group[] = [];
  let lastMs = Number.NEGATIVE_INFINITY;
  for (const { atMs, track, bytes } of datagrams) {
    if (atMs - lastMs > TOGETHER_MS) groups.push({ atMs, datagrams: [] });
    lastMs = atMs;
    groups.at(-1)!.datagrams.push({ track, bytes: Buffer.from(bytes, 'base64') });
  }
  return groups;
}

async function connected(port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  const { promise, resolve } = deferred();
  socket.connect(port, '127.0.0.1', () => resolve());
  await promise;
  socket.on('error', () => undefined);
  return socket;
}

async function run({ ports, datagrams, periodMs }: BareDatagramJob): Promise<void> {
  const groups = groupsOf(datagrams);
  const receivers: Socket[][] = [];
  for (const one of ports) receivers.push(await Promise.all(one.map(connected)));
  process.send?.({ reply: null });
  const startMs = performance.now();
  let next = 0;
  const send = (): void => {
    for (;;) {
      const group = groups[next % groups.length]!;
      const dueMs = startMs + Math.floor(next / groups.length) * periodMs + group.atMs;
      const waitMs = dueMs - performance.now();
      if (waitMs > 0.5) {
        setTimeout(send, waitMs);
        return;
      }
      next += 1;
      for (const sockets of receivers)
        for (const { track, bytes } of group.datagrams) sockets[track]!.send(bytes);
    }
  };
  send();
}

process.on('message', (job: BareDatagramJob) => void run(job));
process.on('disconnect', () => process.exit(0));
