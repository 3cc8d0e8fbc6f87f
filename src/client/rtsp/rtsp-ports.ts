/**
 * UDP at the calling side: a pair of ports per track, RTP on the even one and RTCP on the next (RFC 3550 section 11), or
 * the two ports of a multicast group. Datagrams of other hosts than the server's are dropped.
 */
import { createSocket, type Socket } from 'node:dgram';
import { isIPv4, isIPv6 } from 'node:net';

export interface RtspPorts {
  /** Of RTP; RTCP has the next. */
  readonly port: number;
  /** Where the server sends from: its addresses, and its ports as far as it told them (0 = not). */
  setPeer(addresses: readonly string[], rtpPort: number, rtcpPort: number): void;
  sendRtp(bytes: Uint8Array): void;
  sendRtcp(bytes: Uint8Array): void;
  close(): void;
}

export interface RtspGroup {
  readonly address: string;
  readonly rtpPort: number;
  readonly rtcpPort: number;
}

/** Bytes are valid during the call only. */
export type OnDatagram = (isRtcp: boolean, bytes: Uint8Array) => void;

/** A key frame arrives in one burst. */
const RECEIVE_BUFFER_BYTES = 2 * 1024 * 1024;
const ATTEMPTS = 20;
const FIRST_PORT = 20_000;
const PORT_PAIRS = 20_000;
const MAX_UDP_PORT = 65_535;

type Lookup = (
  host: string,
  options: unknown,
  done: (error: null, address: string, family: number) => void,
) => void;

/** Only addresses are sent to; the system's resolver would cost a turn of the event loop per datagram. */
const noLookup: Lookup = (host, _options, done) => done(null, host, isIPv6(host) ? 6 : 4);

/** `done` gets null when no two neighbouring ports are free. `local`: our address towards the server. */
export function openPorts(
  local: string,
  onDatagram: OnDatagram,
  done: (ports: RtspPorts | null) => void,
): void {
  const attempt = (left: number) => {
    const port = FIRST_PORT + 2 * Math.floor(Math.random() * PORT_PAIRS);
    const ports = new UdpPorts(isIPv6(local), port, port + 1, false, onDatagram);
    ports.bind(local, (isBound) => {
      if (isBound) done(ports);
      else if (left === 1) done(null);
      else attempt(left - 1);
    });
  };
  attempt(ATTEMPTS);
}

/** Joins a group on its own ports, together with other programs of this machine. `local`: as for `openPorts`. */
export function joinGroup(
  local: string,
  group: RtspGroup,
  onDatagram: OnDatagram,
  done: (ports: RtspPorts | null) => void,
): void {
  const { address, rtpPort, rtcpPort } = group;
  const ports = new UdpPorts(isIPv6(address), rtpPort, rtcpPort, true, onDatagram);
  // Where a group can be bound to, datagrams of other groups on the same port stay away.
  ports.bind(process.platform === 'win32' ? '' : address, (isBound) => {
    const isJoined = isBound && ports.join(address, plain(local));
    if (!isJoined) ports.close();
    done(isJoined ? ports : null);
  });
}

class UdpPorts implements RtspPorts {
  readonly port: number;
  private readonly rtcpPortOfOurs: number;
  private readonly rtp: Socket;
  private readonly rtcp: Socket;
  private peers: readonly string[] = [];
  private rtpPort = 0;
  private rtcpPort = 0;
  private isClosed = false;

  constructor(
    isIpv6: boolean,
    rtpPort: number,
    rtcpPort: number,
    reuseAddr: boolean,
    onDatagram: OnDatagram,
  ) {
    this.port = rtpPort;
    this.rtcpPortOfOurs = rtcpPort;
    const type = isIpv6 ? ('udp6' as const) : ('udp4' as const);
    this.rtp = createSocket({ type, reuseAddr, lookup: noLookup, recvBufferSize: RECEIVE_BUFFER_BYTES });
    this.rtcp = createSocket({ type, reuseAddr, lookup: noLookup });
    // What a socket says after it was bound (an unreachable port, say) ends nothing: silence does.
    this.rtp.on('error', () => undefined);
    this.rtcp.on('error', () => undefined);
    this.rtp.on('message', (bytes, from) => {
      if (!this.peers.includes(plain(from.address))) return;
      // A router between may have other ports than the server told; its packets tell them.
      if (this.rtpPort !== from.port) {
        if (this.rtcpPort === 0 || this.rtcpPort === this.rtpPort + 1)
          this.rtcpPort = Math.min(from.port + 1, MAX_UDP_PORT);
        this.rtpPort = from.port;
      }
      onDatagram(false, bytes);
    });
    this.rtcp.on('message', (bytes, from) => {
      if (!this.peers.includes(plain(from.address))) return;
      this.rtcpPort = from.port;
      onDatagram(true, bytes);
    });
  }

  bind(local: string, done: (isBound: boolean) => void): void {
    bindSocket(this.rtp, this.port, local, (isFirstBound) => {
      if (!isFirstBound) this.close();
      if (!isFirstBound) done(false);
      else
        bindSocket(this.rtcp, this.rtcpPortOfOurs, local, (isBound) => {
          if (!isBound) this.close();
          done(isBound && !this.isClosed);
        });
    });
  }

  /** On the interface towards the server; where that is none for multicast, on the one of the system's choice. */
  join(address: string, local: string): boolean {
    return (
      (isIPv4(address) && isIPv4(local) && this.joinOn(address, local)) || this.joinOn(address, undefined)
    );
  }

  private joinOn(address: string, on: string | undefined): boolean {
    try {
      this.rtp.addMembership(address, on);
      this.rtcp.addMembership(address, on);
      return true;
    } catch {
      return false;
    }
  }

  setPeer(addresses: readonly string[], rtpPort: number, rtcpPort: number): void {
    this.peers = addresses.map(plain);
    this.rtpPort = rtpPort;
    this.rtcpPort = rtcpPort;
  }

  sendRtp(bytes: Uint8Array): void {
    this.send(this.rtp, bytes, this.rtpPort);
  }

  sendRtcp(bytes: Uint8Array): void {
    this.send(this.rtcp, bytes, this.rtcpPort);
  }

  private send(socket: Socket, bytes: Uint8Array, port: number): void {
    const [address = ''] = this.peers;
    if (this.isClosed || port === 0 || address === '') return;
    socket.send(bytes, port, address, () => undefined);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    for (const socket of [this.rtp, this.rtcp]) {
      try {
        socket.close();
      } catch {
        // It never was open.
      }
    }
  }
}

function bindSocket(socket: Socket, port: number, address: string, done: (isBound: boolean) => void): void {
  const onError = () => {
    socket.off('listening', onListening);
    done(false);
  };
  const onListening = () => {
    socket.off('error', onError);
    done(true);
  };
  socket.once('error', onError);
  socket.once('listening', onListening);
  socket.bind({ port, ...(address === '' ? {} : { address }) });
}

/** Cameras fill addresses that they do not know with zeros or names. */
export function isAddress(text: string): boolean {
  return /^(\d{1,3}(\.\d{1,3}){3}|[0-9a-f:]*:[0-9a-f:]*)$/i.test(text) && !/^(0\.0\.0\.0|::)$/.test(text);
}

/** IPv4 in the form of IPv6 is IPv4. */
function plain(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/i, '').replace(/%.*$/, '');
}
