/** UDP sockets for transport streams: bound to where an address says, joined to its multicast group, with large buffers. */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { TsAddress } from './ts-address.ts';

/** Some hundred milliseconds of a stream; the system may allow less. */
const BUFFER_BYTES = [4 * 1024 * 1024, 1024 * 1024, 256 * 1024];

const NO_IPV6 = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'];

export interface DatagramHandlers {
  onListening(port: number): void;
  onDatagram(bytes: Buffer, from: RemoteInfo): void;
  /** The socket cannot be had, or broke; it is closed. */
  onError(error: NodeJS.ErrnoException): void;
}

/** Receives what is sent to `address`, until it is closed. */
export class DatagramReceiver {
  private readonly address: TsAddress;
  private readonly handlers: DatagramHandlers;
  private socket: Socket;
  private isOver = false;

  constructor(address: TsAddress, handlers: DatagramHandlers) {
    this.address = address;
    this.handlers = handlers;
    // Every address of this machine, of both families where there are two.
    this.socket = this.open(address.host === '' || isIPv6(address) ? 'udp6' : 'udp4');
  }

  private open(type: 'udp4' | 'udp6'): Socket {
    const { address, handlers } = this;
    const { host, isMulticast, port } = address;
    const socket = createSocket({ type, reuseAddr: isMulticast });
    let isBound = false;
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (this.isOver) return;
      closeQuietly(socket);
      if (!isBound && host === '' && type === 'udp6' && NO_IPV6.includes(error.code ?? '')) {
        this.socket = this.open('udp4');
        return;
      }
      this.isOver = true;
      handlers.onError(error);
    });
    socket.on('message', (bytes, from) => handlers.onDatagram(bytes, from));
    socket.on('listening', () => {
      isBound = true;
      try {
        growBuffer((bytes) => socket.setRecvBufferSize(bytes));
        if (isMulticast) join(socket, address);
      } catch (error) {
        socket.emit('error', error);
        return;
      }
      handlers.onListening(socket.address().port);
    });
    // Where a group can be bound to, datagrams of other groups on the same port stay away.
    const bound = isMulticast && process.platform === 'win32' ? '' : host;
    socket.bind({ port, ...(bound === '' ? {} : { address: bound }) });
    return socket;
  }

  /** Idempotent. */
  close(): void {
    this.isOver = true;
    closeQuietly(this.socket);
  }
}

/** A socket that is closed already, which dgram takes for a mistake, is fine. */
export function closeQuietly(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // It is closed.
  }
}

function isIPv6({ host }: TsAddress): boolean {
  return isIP(host) === 6;
}

function join(socket: Socket, address: TsAddress): void {
  const { host, source } = address;
  const on = interfaceAddress(address);
  if (source === '') socket.addMembership(host, on === '' ? undefined : on);
  else socket.addSourceSpecificMembership(source, host, on === '' ? undefined : on);
}

/** A socket that sends to `address`; `onReady` comes once it may be used. */
export function openSender(
  address: TsAddress,
  onReady: () => void,
  onError: (error: NodeJS.ErrnoException) => void,
): Socket {
  const socket = createSocket({ type: isIPv6(address) ? 'udp6' : 'udp4' });
  socket.on('error', onError);
  socket.bind({ port: 0 }, () => {
    try {
      growBuffer((bytes) => socket.setSendBufferSize(bytes));
      const on = interfaceAddress(address);
      if (address.isMulticast && on !== '') socket.setMulticastInterface(on);
      if (address.isMulticast && address.ttl > 0) socket.setMulticastTTL(address.ttl);
      else if (address.ttl > 0) socket.setTTL(address.ttl);
      // Connected: the name is looked up once, not per datagram.
      socket.connect(address.port, address.host, (...problem: readonly unknown[]) => {
        const [error] = problem;
        if (error instanceof Error) onError(error);
        else onReady();
      });
    } catch (error) {
      onError(error as Error);
    }
  });
  return socket;
}

/** What the system calls an interface: its IPv4 address, or `::%name` for IPv6; '' = any. Throws for one that is none. */
function interfaceAddress(address: TsAddress): string {
  const { networkInterface: name } = address;
  if (name === '' || isIP(name) !== 0) return name;
  const addresses = networkInterfaces()[name];
  if (isIPv6(address)) {
    if (addresses !== undefined)
      return `::%${process.platform === 'win32' ? (addresses[0] as { scopeid?: number }).scopeid : name}`;
  } else {
    const own = addresses?.find(({ family }) => family === 'IPv4');
    if (own !== undefined) return own.address;
  }
  throw new Error(`this machine has no network interface "${name}" with an address for ${address.host}`);
}

/** Asks for less and less until the system allows it. */
export function growBuffer(set: (bytes: number) => void): void {
  for (const bytes of BUFFER_BYTES) {
    try {
      set(bytes);
      return;
    } catch {
      // The system says no to so much; the next is smaller.
    }
  }
}
