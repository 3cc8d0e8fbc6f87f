/** UDP sockets for RTSP: pairs of ports from a range, the peer's address checked, its ports learnt where a router changed them. */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { plainAddress } from '../../runtime/http-listener.ts';
import { RejectedError } from '../../util/errors.ts';
import type { DatagramPair, DatagramPeer, DatagramPorts, MulticastGroup } from './rtsp-datagrams.ts';

const ATTEMPTS = 24;
/** A key frame of a publisher arrives in one burst. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024;
/** What may wait in one socket of ours before a player counts as slow. */
const HIGH_WATER_BYTES = 512 * 1024;
/** Asking costs a tenth of a packet. */
const CHECK_EVERY_BYTES = 64 * 1024;

type Lookup = (
  host: string,
  options: unknown,
  done: (error: Error | null, address: string, family: number) => void,
) => void;

/** Addresses are never names here; the system's resolver would cost a turn of the event loop per datagram. */
const noLookup: Lookup = (host, _options, done) => done(null, host, isIPv6(host) ? 6 : 4);

export class UdpPorts implements DatagramPorts {
  private readonly range: () => { min: number; max: number };
  private readonly onTrouble: (cause: string) => void;
  private readonly pairs = new Set<UdpPair>();

  /** `onTrouble`: a socket told of an error that ends nothing. */
  constructor(range: () => { min: number; max: number }, onTrouble: (cause: string) => void) {
    this.range = range;
    this.onTrouble = onTrouble;
  }

  get openPairs(): number {
    return this.pairs.size;
  }

  async open(peer: DatagramPeer): Promise<DatagramPair> {
    const address = plainAddress(peer.address);
    const local = plainAddress(peer.localAddress);
    return await this.bindSomewhere(local, () => this.makePair(address, peer, false));
  }

  async openGroup(group: MulticastGroup): Promise<DatagramPair> {
    const pair = await this.bindSomewhere(group.interface, () => this.makePair(group.address, null, true));
    pair.sendToGroup(group);
    return pair;
  }

  private makePair(address: string, peer: DatagramPeer | null, isGroup: boolean): UdpPair {
    return new UdpPair(address, peer, isGroup, this.onTrouble, (pair) => this.pairs.delete(pair));
  }

  private async bindSomewhere(local: string, make: () => UdpPair): Promise<UdpPair> {
    const { min, max } = this.range();
    const first = min + (min & 1);
    const count = Math.floor((max - first + 1) / 2);
    for (let attempt = 0; attempt < ATTEMPTS && count > 0; attempt++) {
      const port = first + 2 * Math.floor(Math.random() * count);
      if ([...this.pairs].some((pair) => pair.port === port)) continue;
      const pair = make();
      if (await pair.bind(port, local)) {
        this.pairs.add(pair);
        return pair;
      }
      pair.close();
    }
    throw new RejectedError(
      'limit',
      `No free pair of UDP ports from ${min} to ${max} was found (<rtp> in config.xml).`,
    );
  }

  close(): void {
    for (const pair of [...this.pairs]) pair.close();
  }
}

class UdpPair implements DatagramPair {
  port = 0;
  strangers = 0;
  private readonly rtp: Socket;
  private readonly rtcp: Socket;
  private readonly address: string;
  private readonly peer: DatagramPeer | null;
  private readonly isGroup: boolean;
  private readonly onClose: (pair: UdpPair) => void;
  private rtpPort: number;
  private rtcpPort: number;
  private hasRtpPort = false;
  private hasRtcpPort = false;
  private isBound = false;
  private isConnected = false;
  /** Bytes given since the system was last asked what it still holds, and whether that was little. */
  private unchecked = 0;
  private isFree = true;
  private closed = false;

  constructor(
    address: string,
    peer: DatagramPeer | null,
    isGroup: boolean,
    onTrouble: (cause: string) => void,
    onClose: (pair: UdpPair) => void,
  ) {
    this.address = address;
    this.peer = peer;
    this.isGroup = isGroup;
    this.onClose = onClose;
    this.rtpPort = peer?.rtpPort ?? 0;
    this.rtcpPort = peer?.rtcpPort ?? 0;
    const options = {
      type: isIPv6(address) ? ('udp6' as const) : ('udp4' as const),
      lookup: noLookup,
      ...(peer?.sends ? { recvBufferSize: RECEIVE_BUFFER_BYTES } : {}),
    };
    this.rtp = createSocket(options);
    this.rtcp = createSocket(options);
    for (const socket of [this.rtp, this.rtcp]) {
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (this.isBound) onTrouble(error.code ?? error.message);
      });
    }
    if (peer === null) return;
    this.rtp.on('message', (bytes, from) => this.onRtp(bytes, from.address, from.port));
    this.rtcp.on('message', (bytes, from) => this.onRtcp(bytes, from.address, from.port));
  }

  async bind(port: number, local: string): Promise<boolean> {
    this.port = port;
    // The ports of a group are those of its members, of which this machine may have some.
    const [rtp, rtcp] = this.isGroup ? [0, 0] : [port, port + 1];
    this.isBound = (await bindSocket(this.rtp, rtp, local)) && (await bindSocket(this.rtcp, rtcp, local));
    return this.isBound;
  }

  sendToGroup(group: MulticastGroup): void {
    this.rtpPort = this.port;
    this.rtcpPort = this.port + 1;
    for (const socket of [this.rtp, this.rtcp]) {
      socket.setMulticastTTL(group.ttl);
      if (group.interface !== '') socket.setMulticastInterface(group.interface);
    }
  }

  private onRtp(bytes: Buffer, address: string, port: number): void {
    if (address !== this.address || (this.hasRtpPort && port !== this.rtpPort)) {
      this.strangers++;
      return;
    }
    if (!this.hasRtpPort) {
      this.rtpPort = port;
      this.hasRtpPort = true;
      if (this.peer?.sends === false) this.connectRtp();
    }
    this.peer?.onDatagram(bytes, false);
  }

  private onRtcp(bytes: Buffer, address: string, port: number): void {
    if (address !== this.address || (this.hasRtcpPort && port !== this.rtcpPort)) {
      this.strangers++;
      return;
    }
    this.rtcpPort = port;
    this.hasRtcpPort = true;
    this.peer?.onDatagram(bytes, true);
  }

  /** A player's port is known for certain: a connected socket sends for less. */
  private connectRtp(): void {
    this.rtp.connect(this.rtpPort, this.address, () => {
      this.isConnected = true;
    });
    try {
      // With our lookup it is connected at once.
      this.rtp.remoteAddress();
      this.isConnected = true;
    } catch {
      // It will be when the callback runs.
    }
  }

  sendRtp(bytes: Uint8Array): void {
    if (this.closed) return;
    this.unchecked += bytes.length;
    if (this.isConnected) this.rtp.send(bytes);
    else this.rtp.send(bytes, this.rtpPort, this.address);
  }

  sendRtcp(bytes: Uint8Array): void {
    if (!this.closed) this.rtcp.send(bytes, this.rtcpPort, this.address);
  }

  writable(): boolean {
    if (this.closed) return true;
    if (this.isFree && this.unchecked < CHECK_EVERY_BYTES) return true;
    this.unchecked = 0;
    this.isFree = this.rtp.getSendQueueSize() < HIGH_WATER_BYTES;
    return this.isFree;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.onClose(this);
    this.rtp.close();
    this.rtcp.close();
  }
}

function bindSocket(socket: Socket, port: number, address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const onError = () => resolve(false);
    socket.once('error', onError);
    const onListening = () => {
      socket.off('error', onError);
      resolve(true);
    };
    if (address === '') socket.bind({ port, exclusive: true }, onListening);
    else socket.bind({ port, address, exclusive: true }, onListening);
  });
}
