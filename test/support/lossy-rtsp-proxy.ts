/**
 * An RTSP server behind a lossy network: requests and answers pass as they are but for the UDP ports in them, so that
 * media go through relays. One message per write is assumed, which holds for the small ones that name ports.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { PathFaults } from './lossy-path.ts';
import { openRelayPair, type UdpRelay } from './udp-relay.ts';

export class LossyRtspProxy {
  /** RTP and RTCP of each SETUP, in order. */
  readonly relays: UdpRelay[] = [];
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private readonly targetPort: number;
  private readonly seed: number;
  private faults: PathFaults = {};

  private constructor(server: Server, targetPort: number, seed: number) {
    this.server = server;
    this.targetPort = targetPort;
    this.seed = seed;
    server.on('connection', (socket) => this.serve(socket));
  }

  static async open(targetPort: number, seed: number): Promise<LossyRtspProxy> {
    const server = createServer();
    const proxy = new LossyRtspProxy(server, targetPort, seed);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return proxy;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Of media, both ways. */
  setFaults(faults: PathFaults): void {
    this.faults = faults;
    for (const relay of this.relays) relay.setFaults(faults);
  }

  private serve(client: Socket): void {
    const server = connect(this.targetPort, '127.0.0.1');
    let upwards = Promise.resolve();
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
    }
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
    client.on('data', (bytes) => {
      upwards = upwards.then(async () => {
        const text = bytes.toString('latin1');
        const ports = /client_port=(\d+)-\d+/.exec(text);
        server.write(
          ports === null ? bytes : Buffer.from(await this.divert(text, Number(ports[1])), 'latin1'),
        );
      });
    });
    server.on('data', (bytes) => {
      const text = bytes.toString('latin1');
      const ports = /server_port=(\d+)-\d+/.exec(text);
      client.write(ports === null ? bytes : Buffer.from(this.answer(text, Number(ports[1])), 'latin1'));
    });
  }

  private async divert(text: string, clientPort: number): Promise<string> {
    const [rtp, rtcp] = await openRelayPair(this.seed + this.relays.length);
    rtp.setPeer(clientPort);
    rtcp.setPeer(clientPort + 1);
    for (const relay of [rtp, rtcp]) relay.setFaults(this.faults);
    this.relays.push(rtp, rtcp);
    return text.replace(/client_port=\d+-\d+/, `client_port=${rtp.backPort}-${rtcp.backPort}`);
  }

  private answer(text: string, serverPort: number): string {
    const [rtp, rtcp] = this.relays.slice(-2);
    rtp!.setTarget(serverPort); // a request with ports came before the answer
    rtcp!.setTarget(serverPort + 1);
    return text
      .replace(/server_port=\d+-\d+/, `server_port=${rtp!.frontPort}-${rtcp!.frontPort}`)
      .replace(/client_port=\d+-\d+/, `client_port=${rtp!.peer}-${rtcp!.peer}`);
  }

  close(): void {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    for (const relay of this.relays) relay.close();
  }
}
