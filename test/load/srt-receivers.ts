/**
 * SRT players for the trial `srt`, a child process: the protocol of the product itself, a socket each. They count what
 * comes and what is lost for good. Without an address to call they are bare sockets that count datagrams. Commands come
 * over IPC, each is answered once.
 */
import { createSocket, type Socket } from 'node:dgram';
import { SrtCaller } from '../../src/srt/caller.ts';
import { SrtConnection } from '../../src/srt/connection.ts';
import { DEFAULT_SRT_SETTINGS } from '../../src/srt/settings.ts';
import type { DatagramCounts, RecordedDatagram } from './datagram-process.ts';
import { deferred } from './deferred.ts';

export interface SrtTarget {
  /** One for all, or one for each. */
  readonly ports: readonly number[];
  readonly streamId: string;
  readonly passphrase: string;
}

type SrtRequest =
  | {
      readonly type: 'open';
      readonly count: number;
      readonly target: SrtTarget | null;
      /** Bare sockets acknowledge every 10 ms what came. */
      readonly acknowledges?: boolean;
    }
  | { readonly type: 'start' }
  | { readonly type: 'stop' };

export interface SrtCounts extends DatagramCounts {
  /** Players that lost something for good. */
  readonly incomplete: number;
  /** Packets that came a second time because they were asked for. */
  readonly repaired: number;
}

const HOST = '127.0.0.1';
const TICK_MS = 5;
const ACK_MS = 10;
const ACK = Buffer.alloc(44);
const READY_MS = 20_000;
const CONNECT_AT_ONCE = 20;

function nowUs(): number {
  return Math.round(performance.now() * 1000);
}

class Receiver {
  readonly socket: Socket;
  packets = 0;
  bytes = 0;
  end: SrtCaller | SrtConnection | null = null;
  connection: SrtConnection | null = null;
  private readonly recorded: RecordedDatagram[] | null;
  private acknowledged = 0;
  private from = 0;
  private lostBefore = 0;
  private repairedBefore = 0;
  private closed = '';

  constructor(recorded: RecordedDatagram[] | null) {
    this.recorded = recorded;
    this.socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
    this.socket.on('message', (bytes, { port }) => {
      this.from = port;
      this.take(bytes);
    });
    this.socket.on('error', () => undefined);
  }

  async bind(): Promise<void> {
    const { promise, resolve } = deferred();
    this.socket.bind(0, HOST, () => resolve());
    await promise;
  }

  private take(bytes: Buffer): void {
    if ((bytes[0]! & 0x80) === 0) {
      this.packets += 1;
      this.bytes += bytes.length;
      if (this.recorded !== null) {
        const atMs = performance.now() - windowStart;
        this.recorded.push({ atMs, track: 0, bytes: bytes.toString('base64') });
      }
    }
    this.end?.receive(bytes, nowUs());
  }

  async play(port: number, { streamId, passphrase }: SrtTarget): Promise<void> {
    const { promise, resolve, reject } = deferred();
    const settings = { ...DEFAULT_SRT_SETTINGS, passphrase };
    const { socket } = this;
    const { port: localSocketId } = socket.address();
    this.end = new SrtCaller(
      { settings, streamId, localSocketId, peerAddress: HOST, connectTimeoutMs: READY_MS },
      {
        send: (datagram) => socket.send(datagram, port, HOST),
        connected: (agreement) => {
          this.connection = new SrtConnection(
            agreement,
            settings,
            {
              send: (header, payload) =>
                socket.send(payload === null ? header : [header, payload], port, HOST),
              deliver: () => undefined,
              closed: (reason) => {
                this.closed = reason;
              },
            },
            nowUs(),
          );
          this.end = this.connection;
          resolve();
        },
        failed: (_code, reason) => reject(new Error(reason)),
      },
      nowUs(),
    );
    await promise;
  }

  acknowledge(): void {
    if (this.packets === this.acknowledged || this.from === 0) return;
    this.acknowledged = this.packets;
    this.socket.send(ACK, this.from, HOST);
  }

  tick(atUs: number): void {
    if (this.end !== null && this.end.nextWakeUs <= atUs) this.end.tick(atUs);
  }

  forget(): void {
    this.packets = 0;
    this.bytes = 0;
    this.lostBefore = this.counters().lost;
    this.repairedBefore = this.counters().repaired;
  }

  private counters(): { lost: number; repaired: number } {
    const statistics = this.connection?.statistics(nowUs());
    return { lost: statistics?.pktRcvDrop ?? 0, repaired: statistics?.pktRcvRetrans ?? 0 };
  }

  get lost(): number {
    return this.counters().lost - this.lostBefore;
  }

  get repaired(): number {
    return this.counters().repaired - this.repairedBefore;
  }

  get isWhole(): boolean {
    return this.closed === '' && this.packets > 0 && this.lost === 0;
  }
}

const receivers: Receiver[] = [];
const recorded: RecordedDatagram[] = [];
let windowStart = 0;
let windowCpu = process.cpuUsage();

setInterval(() => {
  const atUs = nowUs();
  for (const receiver of receivers) receiver.tick(atUs);
}, TICK_MS);

async function open(count: number, target: SrtTarget | null, acknowledges: boolean): Promise<number[][]> {
  for (let done = 0; done < count; done += CONNECT_AT_ONCE) {
    const fresh = Array.from(
      { length: Math.min(CONNECT_AT_ONCE, count - done) },
      (_, index) => new Receiver(done + index === 0 ? recorded : null),
    );
    receivers.push(...fresh);
    for (const one of fresh) await one.bind();
    if (target === null) continue;
    const { ports } = target;
    await Promise.all(fresh.map((one, index) => one.play(ports[(done + index) % ports.length]!, target)));
  }
  if (acknowledges)
    setInterval(() => {
      for (const receiver of receivers) receiver.acknowledge();
    }, ACK_MS);
  return receivers.map(({ socket }) => [socket.address().port]);
}

function start(): null {
  for (const one of receivers) one.forget();
  recorded.length = 0;
  windowCpu = process.cpuUsage();
  windowStart = performance.now();
  return null;
}

function stop(): SrtCounts {
  const cpu = process.cpuUsage(windowCpu);
  const sum = (of: (one: Receiver) => number): number => receivers.reduce((total, one) => total + of(one), 0);
  return {
    packets: sum(({ packets }) => packets),
    bytes: sum(({ bytes }) => bytes),
    missing: sum(({ lost }) => lost),
    silent: sum(({ packets }) => (packets === 0 ? 1 : 0)),
    incomplete: sum((one) => (one.isWhole ? 0 : 1)),
    repaired: sum(({ repaired }) => repaired),
    seconds: (performance.now() - windowStart) / 1000,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    recorded: recorded.slice(),
  };
}

async function answer(request: SrtRequest): Promise<unknown> {
  if (request.type === 'open')
    return await open(request.count, request.target, request.acknowledges ?? false);
  return request.type === 'start' ? start() : stop();
}

process.on('message', (request: SrtRequest) => {
  answer(request).then(
    (reply) => process.send?.({ reply }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => process.exit(0));
