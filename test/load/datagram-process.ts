/**
 * Receivers of datagrams for the trial `rtsp-udp`, a child process: RTSP sessions over UDP whose packets are counted, or
 * bare sockets. Commands come over IPC, each is answered once.
 */
import type { Socket } from 'node:dgram';
import { connect } from 'node:net';
import { deferred } from './deferred.ts';
import {
  answerCommands,
  bind,
  type CountedReceiver,
  type CountRequest,
  ReceiverGroup,
  receivingSocket,
} from './receiver-group.ts';
import { RtspClient, type RtspTarget } from './rtsp-client.ts';

/** Tracks of the clip: pictures and sound. */
const TRACKS = [0, 1];
const PUNCH = Buffer.from('80000000000000000000000000', 'hex').subarray(0, 12);
const READY_MS = 20_000;
const CONNECT_AT_ONCE = 20;

export type DatagramRequest =
  /** Without a target they are bare sockets. */
  { readonly type: 'open'; readonly count: number; readonly target: RtspTarget | null } | CountRequest;

class Receiver implements CountedReceiver {
  readonly sockets: readonly Socket[] = TRACKS.map((track) =>
    receivingSocket((bytes) => this.take(track, bytes)),
  );
  packets = 0;
  bytes = 0;
  /** Gaps in the sequence numbers. */
  missing = 0;
  private readonly last = TRACKS.map(() => -1);

  async bind(): Promise<void> {
    for (const socket of this.sockets) await bind(socket);
  }

  private take(track: number, bytes: Buffer): void {
    this.packets += 1;
    this.bytes += bytes.length;
    const sequence = bytes.readUInt16BE(2);
    const last = this.last[track]!;
    if (last >= 0) this.missing += (sequence - last - 1) & 0xffff;
    this.last[track] = sequence;
    group.record(this, track, bytes);
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
    const timer = setTimeout(() => reject(new Error('the server answers too slowly')), READY_MS);
    tcp.on('error', reject);
    tcp.on('close', () => reject(new Error('closed by the server')));
    tcp.once('connect', () => {
      const ports = (track: number): readonly [number, number] => {
        const { port } = this.sockets[track]!.address();
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
}

const group = new ReceiverGroup<Receiver>();
/** RTCP goes where nobody listens; the trial counts RTP. */
let rtcpPort = 0;

async function open(count: number, target: RtspTarget | null): Promise<number[][]> {
  const rtcp = receivingSocket(() => undefined);
  await bind(rtcp);
  rtcpPort = rtcp.address().port;
  await group.open(
    count,
    CONNECT_AT_ONCE,
    () => new Receiver(),
    async (one) => {
      if (target !== null) await one.play(target);
    },
  );
  return group.receivers.map(({ sockets }) => sockets.map((socket) => socket.address().port));
}

answerCommands<DatagramRequest>(async (request) => {
  if (request.type === 'open') return await open(request.count, request.target);
  return request.type === 'start' ? group.start() : group.stop();
});
