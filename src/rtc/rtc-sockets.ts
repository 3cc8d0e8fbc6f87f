/**
 * The sockets of one thread of WebRTC: one UDP port, and the same number for TCP (RFC 6544 passive candidates, framing
 * of RFC 4571). Tells packets and from where; a TCP connection is bounded in what it may hold back.
 */
import { createSocket, type Socket } from 'node:dgram';
import { createServer, isIPv6, type Server, type Socket as TcpSocket } from 'node:net';
import type { TransportAddress } from '../ice/transport-address.ts';
import { ProtocolError } from '../util/errors.ts';
import { frameForTcp, TcpFrameReader } from '../wire/stun/tcp-frame.ts';

const UDP_BUFFER_BYTES = 4 * 1024 * 1024;
const MAX_TCP_CONNECTIONS = 2000;
/** Without a packet for so long a connection is ended. */
const TCP_IDLE_MS = 60_000;
/** More is not held back for a peer over TCP: media that come late are worth nothing. */
const TCP_HIGH_WATER = 1024 * 1024;
/** For a number of the system's choice that is free in UDP and TCP, IPv4 and IPv6. */
const TRIES = 8;
const NO_IPV6 = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'];

type Lookup = (
  host: string,
  options: unknown,
  done: (error: Error | null, address: string, family: number) => void,
) => void;

/** Addresses are never names here. */
const NO_LOOKUP: Readonly<Record<'udp4' | 'udp6', Lookup>> = {
  udp4: (host, _options, done) => done(null, host, 4),
  udp6: (host, _options, done) => done(null, host, 6),
};

export interface RtcSocketEvents {
  /** Valid during the call only. */
  onPacket(bytes: Uint8Array, from: TransportAddress): void;
  onTcpClosed(address: TransportAddress): void;
  onTrouble(event: string, cause: string): void;
}

/** Sockets cannot be opened. */
export class RtcListenError extends Error {
  readonly code: string;
  readonly host: string;
  readonly transport: string;

  constructor(error: NodeJS.ErrnoException, host: string, transport: string) {
    super(error.message);
    this.code = error.code ?? '';
    this.host = host;
    this.transport = transport;
  }
}

interface Connection {
  readonly socket: TcpSocket;
  readonly address: TransportAddress;
}

export class RtcSockets {
  port = 0;
  hasTcp = false;
  private readonly events: RtcSocketEvents;
  private readonly udp: Socket[] = [];
  /** Where we send first of all: nothing has come from there. */
  private firstUdp4 = -1;
  private firstUdp6 = -1;
  private readonly servers: Server[] = [];
  private readonly connections = new Map<number, Connection>();
  private nextConnection = 1;
  private closed = false;

  constructor(events: RtcSocketEvents) {
    this.events = events;
  }

  /** `port` 0: any. Rejects with an RtcListenError. */
  async open(hosts: readonly string[], port: number, tcp: boolean): Promise<void> {
    for (let tries = port === 0 ? TRIES : 1; tries > 0; tries--) {
      try {
        await this.openAll(hosts, port, tcp);
        return;
      } catch (error) {
        if (tries === 1 || this.isClosed) throw error;
        this.closeAll();
      }
    }
  }

  private get isClosed(): boolean {
    return this.closed;
  }

  private async openAll(hosts: readonly string[], port: number, tcp: boolean): Promise<void> {
    this.port = port;
    const all = hosts.length === 0 || hosts.includes('');
    const list = all ? ['0.0.0.0', '::'] : hosts;
    for (const host of list) {
      const isOptional = all && host === '::';
      await this.openUdp(host, isOptional);
      if (tcp) await this.openTcp(host, isOptional);
    }
  }

  private async openUdp(host: string, isOptional: boolean): Promise<void> {
    const type = isIPv6(host) ? 'udp6' : 'udp4';
    const options = {
      type,
      lookup: NO_LOOKUP[type],
      ...(type === 'udp6' ? { ipv6Only: true } : {}),
    } as const;
    const socket = createSocket(options);
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once('error', reject);
        socket.bind({ port: this.port, address: host, exclusive: true }, () => {
          socket.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      socket.close();
      const failure = error as NodeJS.ErrnoException;
      if (isOptional && NO_IPV6.includes(failure.code ?? '')) return;
      throw new RtcListenError(failure, host, 'udp');
    }
    this.port = socket.address().port;
    growBuffers(socket);
    socket.on('error', (error: NodeJS.ErrnoException) =>
      this.events.onTrouble('webrtc.socket', error.code ?? error.message),
    );
    const local = this.udp.length;
    socket.on('message', (bytes, from) => {
      this.events.onPacket(bytes, { address: from.address, port: from.port, transport: 'udp', local });
    });
    if (type === 'udp6' && this.firstUdp6 < 0) this.firstUdp6 = local;
    if (type === 'udp4' && this.firstUdp4 < 0) this.firstUdp4 = local;
    this.udp.push(socket);
  }

  private async openTcp(host: string, isOptional: boolean): Promise<void> {
    const server = createServer({ noDelay: true }, (socket) => this.accept(socket));
    server.maxConnections = MAX_TCP_CONNECTIONS;
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ port: this.port, host, ipv6Only: isIPv6(host) }, () => {
          server.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      const failure = error as NodeJS.ErrnoException;
      if (isOptional && NO_IPV6.includes(failure.code ?? '')) return;
      throw new RtcListenError(failure, host, 'tcp');
    }
    server.on('error', (error: NodeJS.ErrnoException) =>
      this.events.onTrouble('webrtc.tcp-listener', error.code ?? error.message),
    );
    this.hasTcp = true;
    this.servers.push(server);
  }

  private accept(socket: TcpSocket): void {
    const connection = this.nextConnection++;
    const address: TransportAddress = {
      address: socket.remoteAddress ?? '',
      port: socket.remotePort ?? 0,
      transport: 'tcp',
      connection,
    };
    this.connections.set(connection, { socket, address });
    const reader = new TcpFrameReader((packet) => this.events.onPacket(packet, address));
    socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
    socket.on('data', (chunk) => {
      try {
        reader.push(chunk);
      } catch (error) {
        if (error instanceof ProtocolError) this.events.onTrouble(error.code, error.message);
        else this.events.onTrouble('webrtc.fault', String((error as Error).stack));
        socket.destroy();
      }
    });
    // The reason is of no interest: 'close' follows.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.connections.delete(connection);
      this.events.onTcpClosed(address);
    });
  }

  /** Hot path. `bytes` is not written again. */
  send(bytes: Uint8Array, to: TransportAddress): void {
    if (this.closed) return;
    if (to.connection !== undefined) {
      const socket = this.connections.get(to.connection)?.socket;
      if (socket !== undefined && socket.writableLength < TCP_HIGH_WATER) socket.write(frameForTcp(bytes));
      return;
    }
    const local = to.local ?? (to.address.includes(':') ? this.firstUdp6 : this.firstUdp4);
    this.udp[local]?.send(bytes, to.port, to.address);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.closeAll();
  }

  private closeAll(): void {
    for (const socket of this.udp.splice(0)) socket.close();
    for (const server of this.servers.splice(0)) server.close();
    this.firstUdp4 = -1;
    this.firstUdp6 = -1;
    for (const { socket } of this.connections.values()) socket.destroy();
    this.connections.clear();
  }
}

/** As much as the system allows: a key frame to hundreds of players is a burst. */
function growBuffers(socket: Socket): void {
  for (let bytes = UDP_BUFFER_BYTES; bytes >= 256 * 1024; bytes /= 2) {
    try {
      socket.setRecvBufferSize(bytes);
      socket.setSendBufferSize(bytes);
      return;
    } catch {
      // Less, then.
    }
  }
}
