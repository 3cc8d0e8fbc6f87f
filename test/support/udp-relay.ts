/**
 * A lossy network between two UDP sockets on loopback: what comes to a port of the relay goes on to the target, and
 * what the target answers goes back, both ways through a LossyPath. What is on its way is bounded in time by the path.
 */
import { createSocket, type Socket } from 'node:dgram';
import { LossyPath, type PathFaults } from './lossy-path.ts';

export class UdpRelay {
  readonly toTarget: LossyPath;
  readonly toPeer: LossyPath;
  /** Towards the peer. */
  private readonly front: Socket;
  /** Towards the target. */
  private readonly back: Socket;
  private readonly timers = new Set<NodeJS.Timeout>();
  private targetPort: number;
  private peerPort: number;
  private closed = false;

  private constructor(front: Socket, back: Socket, seed: number) {
    this.front = front;
    this.back = back;
    this.peerPort = 0;
    this.targetPort = 0;
    this.toTarget = new LossyPath(seed, {});
    this.toPeer = new LossyPath(seed + 1, {});
    front.on('message', (bytes, from) => {
      this.peerPort = from.port;
      this.pass(this.toTarget, () => this.send(back, bytes, this.targetPort));
    });
    back.on('message', (bytes, from) => {
      this.targetPort = from.port;
      this.pass(this.toPeer, () => this.send(front, bytes, this.peerPort));
    });
    for (const socket of [front, back]) socket.on('error', () => undefined);
  }

  /** Ports of ours; 0 = of the system's choice. */
  static async open(seed: number, frontPort = 0, backPort = 0): Promise<UdpRelay> {
    const front = await bound(frontPort);
    try {
      return new UdpRelay(front, await bound(backPort), seed);
    } catch (error) {
      front.close();
      throw error;
    }
  }

  /** Where the peer sends to. */
  get frontPort(): number {
    return this.front.address().port;
  }

  /** Where the target sends to. */
  get backPort(): number {
    return this.back.address().port;
  }

  setTarget(port: number): void {
    this.targetPort = port;
  }

  /** Whoever sends to the front is the peer, too. */
  setPeer(port: number): void {
    this.peerPort = port;
  }

  get peer(): number {
    return this.peerPort;
  }

  /** Both ways; {} = all is well again. */
  setFaults(faults: PathFaults): void {
    this.toTarget.faults = faults;
    this.toPeer.faults = faults;
  }

  private pass(path: LossyPath, deliver: () => void): void {
    const nowMs = performance.now();
    for (const arrivalMs of path.arrivals(nowMs)) {
      const delayMs = arrivalMs - nowMs;
      if (delayMs < 0.5) {
        deliver();
        continue;
      }
      const timer = setTimeout(() => {
        this.timers.delete(timer);
        deliver();
      }, delayMs);
      this.timers.add(timer);
    }
  }

  private send(socket: Socket, bytes: Buffer, port: number): void {
    if (!this.closed && port > 0) socket.send(bytes, port, '127.0.0.1');
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    this.front.close();
    this.back.close();
  }
}

async function bound(port: number): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ port, address: '127.0.0.1' }, resolve);
  });
  return socket;
}

/** A pair of relays whose ports follow each other on both sides, as RTP and RTCP want them. */
export async function openRelayPair(seed: number): Promise<readonly [UdpRelay, UdpRelay]> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const rtp = await UdpRelay.open(seed);
    const [front, back] = [rtp.frontPort, rtp.backPort];
    try {
      return [rtp, await UdpRelay.open(seed + 2, front + 1, back + 1)];
    } catch {
      rtp.close();
    }
  }
  throw new Error('no two neighbouring ports are free');
}
