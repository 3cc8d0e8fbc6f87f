/**
 * What the child processes that receive datagrams share: their sockets, counting from one moment to another, commands
 * over IPC.
 */
import { createSocket, type Socket } from 'node:dgram';
import { deferred } from './deferred.ts';

export const HOST = '127.0.0.1';
/** For what comes while the process does something else. */
const BUFFER_BYTES = 1 << 20;

export interface RecordedDatagram {
  /** Milliseconds since the beginning of the count. */
  readonly atMs: number;
  readonly track: number;
  /** base64 */
  readonly bytes: string;
}

export interface DatagramCounts {
  readonly packets: number;
  readonly bytes: number;
  /** Packets that never came, of all receivers. */
  readonly missing: number;
  /** Receivers that got nothing. */
  readonly silent: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** What the first receiver got. */
  readonly recorded: readonly RecordedDatagram[];
}

/** Begins and ends the count. */
export type CountRequest = { readonly type: 'start' } | { readonly type: 'stop' };

export interface CountedReceiver {
  readonly packets: number;
  readonly bytes: number;
  readonly missing: number;
  bind(): Promise<void>;
  /** Counts from nothing again. */
  forget(): void;
}

/** Monotonic, whole microseconds. */
export function nowUs(): number {
  return Math.round(performance.now() * 1000);
}

export function receivingSocket(onDatagram: (bytes: Buffer, port: number) => void): Socket {
  const socket = createSocket({ type: 'udp4', recvBufferSize: BUFFER_BYTES });
  socket.on('message', (bytes, { port }) => onDatagram(bytes, port));
  // A sender that is gone is seen by what does not come.
  socket.on('error', () => undefined);
  return socket;
}

/** Takes a free port. */
export async function bind(socket: Socket): Promise<void> {
  const { promise, resolve } = deferred();
  socket.bind(0, HOST, () => resolve());
  await promise;
}

export class ReceiverGroup<R extends CountedReceiver> {
  readonly receivers: R[] = [];
  private readonly recorded: RecordedDatagram[] = [];
  private startMs = 0;
  private cpu = process.cpuUsage();

  /** Opens receivers, so many at once; `connect` brings each to where packets come. */
  async open(
    count: number,
    atOnce: number,
    make: (index: number) => R,
    connect: (receiver: R, index: number) => Promise<void>,
  ): Promise<void> {
    const { receivers } = this;
    while (receivers.length < count) {
      const first = receivers.length;
      const fresh = Array.from({ length: Math.min(atOnce, count - first) }, (_, at) => make(first + at));
      receivers.push(...fresh);
      for (const one of fresh) await one.bind();
      await Promise.all(fresh.map((one, at) => connect(one, first + at)));
    }
  }

  /** Keeps a packet for the bare loop that is to send the same, when it is one of the first receiver. */
  record(receiver: R, track: number, bytes: Buffer): void {
    if (receiver !== this.receivers[0] || this.startMs === 0) return;
    this.recorded.push({ atMs: performance.now() - this.startMs, track, bytes: bytes.toString('base64') });
  }

  start(): null {
    for (const one of this.receivers) one.forget();
    this.recorded.length = 0;
    this.cpu = process.cpuUsage();
    this.startMs = performance.now();
    return null;
  }

  stop(): DatagramCounts {
    const { user, system } = process.cpuUsage(this.cpu);
    return {
      packets: this.sum(({ packets }) => packets),
      bytes: this.sum(({ bytes }) => bytes),
      missing: this.sum(({ missing }) => missing),
      silent: this.sum(({ packets }) => (packets === 0 ? 1 : 0)),
      seconds: (performance.now() - this.startMs) / 1000,
      cpuSeconds: (user + system) / 1e6,
      recorded: this.recorded.slice(),
    };
  }

  sum(of: (receiver: R) => number): number {
    return this.receivers.reduce((total, one) => total + of(one), 0);
  }
}

/** Answers the commands of a TrialChild, each once, until its process ends. */
export function answerCommands<T>(answer: (request: T) => Promise<unknown>): void {
  process.on('message', (request: T) => {
    answer(request).then(
      (reply) => process.send?.({ reply }),
      (error: Error) => process.send?.({ error: String(error.stack) }),
    );
  });
  process.on('disconnect', () => process.exit(0));
}
