/**
 * Receivers of datagrams for the trial `rtsp-udp`, a child process: RTSP sessions over UDP whose packets are counted, or
 * bare sockets. Commands come over IPC, each is answered once.
 */
import { createSocket, type Socket } from 'node:dgram';
import { connect, type Socket as TcpSocket } from 'node:net';
import { deferred } from './deferred.ts';
import { RtspClient, type RtspTarget } from './rtsp-client.ts';

/** Tracks of the clip: pictures and sound. */
const TRACKS = 2;
const PUNCH = Buffer.from('80000000000000000000000000', 'hex').subarray(0, 12);
const READY_MS = 20_000;
const CONNECT_AT_ONCE = 20;

export interface RecordedDatagram {
  /** Milliseconds since the first one. */
  readonly atMs: number;
  readonly track: number;
  /** base64 */
  readonly bytes: string;
}

type DatagramRequest =
  | { readonly type: 'open'; readonly count: number; readonly target: RtspTarget | null }
  | { readonly type: 'start' }
  | { readonly type: 'stop' };

export interface DatagramCounts {
  readonly packets: number;
  readonly bytes: number;
  /** Gaps in the sequence numbers of all receivers. */
  readonly missing: number;
  /** Receivers that got nothing. */
  readonly silent: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** What the first receiver got. */
  readonly recorded: readonly RecordedDatagram[];
}

class Receiver {
  readonly sockets: Socket[] = [];
  packets = 0;
  bytes = 0;
  missing = 0;
  private readonly last = [-1, -1];
  private readonly recorded: RecordedDatagram[] | null;
  private tcp: TcpSocket | null = null;

  constructor(recorded: RecordedDatagram[] | null) {
    this.recorded = recorded;
  }

  async bind(): Promise<void> {
    for (let track = 0; track < TRACKS; track += 1) {
      const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
      socket.on('message', (bytes) => this.take(track, bytes));
      const { promise, resolve } = deferred();
      socket.bind(0, '127.0.0.1', () => resolve());
      await promise;
      this.sockets.push(socket);
    }
  }

  private take(track: number, bytes: Buffer): void {
    this.packets += 1;
    this.bytes += bytes.length;
    const sequence = bytes.readUInt16BE(2);
    const last = this.last[track]!;
    if (last >= 0) this.missing += (sequence - last - 1) & 0xffff;
    this.last[track] = sequence;
    this.recorded?.push({ atMs: performance.now() - windowStart, track, bytes: bytes.toString('base64') });
  }

  forget(): void {
    this.packets = 0;
    this.bytes = 0;
    this.missing = 0;
    this.last.fill(-1);
  }

  async play(target: RtspTarget): Promise<void> {
    const { promise, resolve, reject } = deferred();
    const tcp = connect({ host: target.host, port: target.port });
    this.tcp = tcp;
    const timer = setTimeout(() => reject(new Error('the server answers too slowly')), READY_MS);
    tcp.on('error', reject);
    tcp.on('close', () => reject(new Error('closed by the server')));
    tcp.once('connect', () => {
      const ports = (track: number): readonly [number, number] => {
        const { port } = this.sockets[track]!.address();
        // RTCP goes where nobody listens; the trial counts RTP.
        return [port, rtcpPort];
      };
      const client = new RtspClient(tcp, target, ports, () => undefined);
      tcp.on('data', (bytes) => {
        try {
          client.feed(bytes, 0, bytes.length);
        } catch (error) {
          reject(error as Error);
        }
        if (!client.playing) return;
        // Every player sends something to open the way through its router.
        for (const [track, port] of client.serverPorts.entries())
          this.sockets[track]!.send(PUNCH, port, target.host);
        resolve();
      });
    });
    await promise;
    clearTimeout(timer);
  }

  close(): void {
    this.tcp?.destroy();
    for (const socket of this.sockets) socket.close();
  }
}

const receivers: Receiver[] = [];
const recorded: RecordedDatagram[] = [];
let windowStart = 0;
let windowCpu = process.cpuUsage();
let rtcpPort = 0;

async function open(count: number, target: RtspTarget | null): Promise<number[][]> {
  const rtcp = createSocket('udp4');
  const { promise, resolve } = deferred();
  rtcp.bind(0, '127.0.0.1', () => resolve());
  await promise;
  rtcpPort = rtcp.address().port;
  for (let done = 0; done < count; done += CONNECT_AT_ONCE) {
    const fresh = Array.from(
      { length: Math.min(CONNECT_AT_ONCE, count - done) },
      (_, index) => new Receiver(done + index === 0 ? recorded : null),
    );
    receivers.push(...fresh);
    for (const one of fresh) await one.bind();
    if (target !== null) await Promise.all(fresh.map((one) => one.play(target)));
  }
  return receivers.map(({ sockets }) => sockets.map((socket) => socket.address().port));
}

function start(): null {
  for (const one of receivers) one.forget();
  recorded.length = 0;
  windowCpu = process.cpuUsage();
  windowStart = performance.now();
  return null;
}

function stop(): DatagramCounts {
  const cpu = process.cpuUsage(windowCpu);
  const sum = (of: (one: Receiver) => number): number => receivers.reduce((total, one) => total + of(one), 0);
  return {
    packets: sum(({ packets }) => packets),
    bytes: sum(({ bytes }) => bytes),
    missing: sum(({ missing }) => missing),
    silent: sum(({ packets }) => (packets === 0 ? 1 : 0)),
    seconds: (performance.now() - windowStart) / 1000,
    cpuSeconds: (cpu.user + cpu.system) / 1e6,
    recorded: recorded.slice(),
  };
}

async function answer(request: DatagramRequest): Promise<unknown> {
  if (request.type === 'open') return await open(request.count, request.target);
  return request.type === 'start' ? start() : stop();
}

process.on('message', (request: DatagramRequest) => {
  answer(request).then(
    (reply) => process.send?.({ reply }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.on('disconnect', () => {
  for (const one of receivers) one.close();
  process.exit(0);
});
