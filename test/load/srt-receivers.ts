/**
 * SRT players for the trial `srt`, a child process: the protocol of the product itself, a socket each. They count what
 * comes and what is lost for good. Without an address to call they are bare sockets that count datagrams. Commands come
 * over IPC, each is answered once.
 */
import { SrtCaller } from '../../src/srt/caller.ts';
import { SrtConnection } from '../../src/srt/connection.ts';
import { DEFAULT_SRT_SETTINGS } from '../../src/srt/settings.ts';
import { deferred } from './deferred.ts';
import {
  answerCommands,
  bind,
  type CountedReceiver,
  type CountRequest,
  type DatagramCounts,
  HOST,
  nowUs,
  ReceiverGroup,
  receivingSocket,
} from './receiver-group.ts';

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
  | CountRequest;

export interface SrtCounts extends DatagramCounts {
  /** Players that lost something for good. */
  readonly incomplete: number;
  /** Packets that came a second time because they were asked for. */
  readonly repaired: number;
}

const TICK_MS = 5;
const ACK_MS = 10;
const ACK = Buffer.alloc(44);
const READY_MS = 20_000;
const CONNECT_AT_ONCE = 20;

class Receiver implements CountedReceiver {
  readonly socket = receivingSocket((bytes, port) => {
    this.from = port;
    this.take(bytes);
  });
  packets = 0;
  bytes = 0;
  private end: SrtCaller | SrtConnection | null = null;
  private connection: SrtConnection | null = null;
  private acknowledged = 0;
  private from = 0;
  private missingBefore = 0;
  private repairedBefore = 0;
  private closed = '';

  async bind(): Promise<void> {
    await bind(this.socket);
  }

  private take(bytes: Buffer): void {
    if ((bytes[0]! & 0x80) === 0) {
      this.packets += 1;
      this.bytes += bytes.length;
      group.record(this, 0, bytes);
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
    this.missingBefore = this.counters().missing;
    this.repairedBefore = this.counters().repaired;
  }

  private counters(): { missing: number; repaired: number } {
    const statistics = this.connection?.statistics(nowUs());
    return { missing: statistics?.pktRcvDrop ?? 0, repaired: statistics?.pktRcvRetrans ?? 0 };
  }

  get missing(): number {
    return this.counters().missing - this.missingBefore;
  }

  get repaired(): number {
    return this.counters().repaired - this.repairedBefore;
  }

  get isWhole(): boolean {
    return this.closed === '' && this.packets > 0 && this.missing === 0;
  }
}

const group = new ReceiverGroup<Receiver>();

setInterval(() => {
  const atUs = nowUs();
  for (const receiver of group.receivers) receiver.tick(atUs);
}, TICK_MS);

async function open(count: number, target: SrtTarget | null, acknowledges: boolean): Promise<number[][]> {
  await group.open(
    count,
    CONNECT_AT_ONCE,
    () => new Receiver(),
    async (one, index) => {
      if (target !== null) await one.play(target.ports[index % target.ports.length]!, target);
    },
  );
  if (acknowledges)
    setInterval(() => {
      for (const receiver of group.receivers) receiver.acknowledge();
    }, ACK_MS);
  return group.receivers.map(({ socket }) => [socket.address().port]);
}

function stop(): SrtCounts {
  return {
    ...group.stop(),
    incomplete: group.sum((one) => (one.isWhole ? 0 : 1)),
    repaired: group.sum(({ repaired }) => repaired),
  };
}

answerCommands<SrtRequest>(async (request) => {
  if (request.type === 'open')
    return await open(request.count, request.target, request.acknowledges ?? false);
  return request.type === 'start' ? group.start() : stop();
});
