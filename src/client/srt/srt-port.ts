/**
 * One UDP port for any number of SRT connections: datagrams go to the connection whose socket id they carry, if they
 * come from the address that it was made with; those for socket id 0 go to who answers handshakes. One timer wakes them
 * all, the only one of SRT.
 */
import { randomInt } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { srtDestination } from '../../wire/srt/srt-packet.ts';
import { closeQuietly, growBuffer } from '../mpegts/ts-socket.ts';

/** A connection, or a handshake that is under way. */
export interface SrtEndpoint {
  /** `datagram` is the endpoint's to keep. */
  receive(datagram: Uint8Array, nowUs: number): void;
  tick(nowUs: number): void;
  /** When `tick` is due, at the latest. */
  readonly nextWakeUs: number;
}

export interface SrtPortOptions {
  readonly nowUs: () => number;
  readonly onFault: (error: unknown) => void;
  /** A datagram for socket id 0; the address is as the socket knows it. */
  readonly onHandshake: (datagram: Uint8Array, address: string, port: number, nowUs: number) => void;
  /** The open socket told of an error, which ends nothing. */
  readonly onTrouble: (cause: string) => void;
}

interface Attached {
  readonly endpoint: SrtEndpoint;
  readonly address: string;
  readonly port: number;
}

const MAX_SOCKET_ID = 0x3fff_ffff;
const NO_IPV6 = ['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL'];

type Lookup = (
  host: string,
  options: unknown,
  done: (error: Error | null, address: string, family: number) => void,
) => void;

/** Addresses are never names here; the system's resolver would cost a turn of the event loop per datagram. */
const NO_LOOKUP: Readonly<Record<'udp4' | 'udp6', Lookup>> = {
  udp4: (host, _options, done) => done(null, host, 4),
  udp6: (host, _options, done) => done(null, host, 6),
};

export class SrtPort {
  private readonly options: SrtPortOptions;
  private readonly attached = new Map<number, Attached>();
  private socket: Socket | null = null;
  private timer: NodeJS.Timeout | null = null;
  private timerDueUs = Number.POSITIVE_INFINITY;
  private isClosed = false;

  constructor(options: SrtPortOptions) {
    this.options = options;
  }

  /** `host` is an address, '' = all of this machine. Resolves with the port; rejects with the system's error. */
  async open(host: string, port: number): Promise<number> {
    const type = host === '' || isIPv6(host) ? 'udp6' : 'udp4';
    try {
      return await this.bind(type, host, port);
    } catch (error) {
      if (host !== '' || !NO_IPV6.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
      return await this.bind('udp4', host, port);
    }
  }

  private bind(type: 'udp4' | 'udp6', host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const socket = createSocket({ type, lookup: NO_LOOKUP[type] });
      let isOpen = false;
      socket.on('error', (error: NodeJS.ErrnoException) => {
        if (isOpen) {
          this.options.onTrouble(error.code ?? error.message);
          return;
        }
        closeQuietly(socket);
        reject(error);
      });
      socket.on('message', (bytes, from) => this.receive(bytes, from.address, from.port));
      socket.bind({ port, exclusive: true, ...(host === '' ? {} : { address: host }) }, () => {
        isOpen = true;
        growBuffer((bytes) => socket.setRecvBufferSize(bytes));
        growBuffer((bytes) => socket.setSendBufferSize(bytes));
        const opened = socket.address().port;
        if (this.isClosed) closeQuietly(socket);
        else this.socket = socket;
        resolve(opened);
      });
    });
  }

  /** A socket id that no connection has, and that nobody can tell from those before it. */
  newSocketId(): number {
    for (;;) {
      const id = randomInt(1, MAX_SOCKET_ID);
      if (!this.attached.has(id)) return id;
    }
  }

  attach(socketId: number, address: string, port: number, endpoint: SrtEndpoint): void {
    this.attached.set(socketId, { endpoint, address, port });
    this.wake(endpoint);
  }

  detach(socketId: number): void {
    this.attached.delete(socketId);
  }

  /** Hot path. */
  private receive(datagram: Buffer, address: string, port: number): void {
    const id = srtDestination(datagram);
    if (id < 0 || this.isClosed) return;
    const nowUs = this.options.nowUs();
    try {
      if (id === 0) {
        this.options.onHandshake(datagram, address, port, nowUs);
        return;
      }
      const attached = this.attached.get(id);
      // From another address than that of its handshake it is forged.
      if (attached === undefined || attached.port !== port || attached.address !== address) return;
      attached.endpoint.receive(datagram, nowUs);
      this.wake(attached.endpoint);
    } catch (error) {
      this.options.onFault(error);
    }
  }

  /** `header` must not be written to again: the system may keep it for a moment. Hot path. */
  send(header: Uint8Array, payload: Uint8Array | null, address: string, port: number): void {
    const { socket } = this;
    if (socket === null || this.isClosed) return;
    if (payload === null) socket.send(header, port, address);
    else socket.send([header, payload], port, address);
  }

  /** Tells that the endpoint may want to be woken earlier than before. */
  wake(endpoint: SrtEndpoint): void {
    const dueUs = endpoint.nextWakeUs;
    if (dueUs >= this.timerDueUs || this.isClosed) return;
    if (this.timer !== null) clearTimeout(this.timer);
    this.arm(dueUs, this.options.nowUs());
  }

  private arm(dueUs: number, nowUs: number): void {
    this.timerDueUs = dueUs;
    this.timer = setTimeout(() => this.onTimer(), Math.max(1, Math.ceil((dueUs - nowUs) / 1000)));
  }

  private onTimer(): void {
    this.timer = null;
    this.timerDueUs = Number.POSITIVE_INFINITY;
    const nowUs = this.options.nowUs();
    let nextUs = Number.POSITIVE_INFINITY;
    for (const { endpoint } of this.attached.values()) {
      let dueUs = endpoint.nextWakeUs;
      if (dueUs <= nowUs) {
        try {
          endpoint.tick(nowUs);
        } catch (error) {
          this.options.onFault(error);
        }
        dueUs = endpoint.nextWakeUs;
      }
      if (dueUs < nextUs) nextUs = dueUs;
    }
    // A tick may have armed it already.
    if (nextUs < this.timerDueUs && !this.isClosed) {
      if (this.timer !== null) clearTimeout(this.timer);
      this.arm(nextUs, nowUs);
    }
  }

  /** Idempotent. */
  close(): void {
    this.isClosed = true;
    if (this.timer !== null) clearTimeout(this.timer);
    this.timer = null;
    this.attached.clear();
    if (this.socket !== null) closeQuietly(this.socket);
  }
}
