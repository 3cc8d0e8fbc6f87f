/**
 * A lossy network in front of the UDP port of WebRTC: each peer that sends to the relay gets a socket of its own towards the
 * server, so that the server tells peers apart. A player is led through it by `?eip=127.0.0.1:PORT&transport=udp`.
 */
import { createSocket, type Socket } from 'node:dgram';
import { LossyPath, type PathFaults } from './lossy-path.ts';

export class LossyRtcPath {
  readonly toServer: LossyPath;
  readonly toPeer: LossyPath;
  port = 0;
  private readonly front = createSocket('udp4');
  private readonly backs = new Map<string, Socket>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private readonly serverPort: number;

  private constructor(serverPort: number, seed: number) {
    this.serverPort = serverPort;
    this.toServer = new LossyPath(seed, {});
    this.toPeer = new LossyPath(seed + 1, {});
  }

  static async open(serverPort: number, seed: number): Promise<LossyRtcPath> {
    const path = new LossyRtcPath(serverPort, seed);
    path.front.on('message', (bytes, from) => {
      const back = path.backFor(from.address, from.port);
      path.pass(path.toServer, () => back.send(bytes, serverPort, '127.0.0.1'));
    });
    await new Promise<void>((resolve) => path.front.bind(0, '127.0.0.1', resolve));
    path.port = path.front.address().port;
    return path;
  }

  private backFor(address: string, port: number): Socket {
    const key = `${address}:${port}`;
    const known = this.backs.get(key);
    if (known !== undefined) return known;
    const back = createSocket('udp4');
    back.on('message', (bytes, from) => {
      if (from.port === this.serverPort) this.pass(this.toPeer, () => this.front.send(bytes, port, address));
    });
    back.on('error', () => undefined);
    this.backs.set(key, back);
    return back;
  }

  private pass(path: LossyPath, send: () => void): void {
    const now = performance.now();
    for (const arrival of path.arrivals(now)) {
      if (arrival - now < 1) {
        send();
        continue;
      }
      const timer = setTimeout(() => {
        this.timers.delete(timer);
        send();
      }, arrival - now);
      this.timers.add(timer);
    }
  }

  set faults(faults: PathFaults) {
    this.toServer.faults = faults;
    this.toPeer.faults = faults;
  }

  close(): void {
    for (const timer of this.timers) clearTimeout(timer);
    this.front.close();
    for (const back of this.backs.values()) back.close();
  }
}
