/**
 * Reads plain TCP sockets through one shared buffer, without a stream's machinery and without an allocation per
 * read: the bytes given to the callback are valid only during the call.
 *
 * With many publishers a wake-up and a read per packet is what costs most. A reader that is `paced` is taken out of the
 * event loop after a read, and one shared timer reads all of them, so that several messages arrive in one read. The
 * interval grows with the number of paced readers and adds at most MAX_INTERVAL_MS of delay. Where a socket is no
 * file descriptor (Windows), and when a publisher is silent for some rounds, the event loop reads again.
 */
import { readSync } from 'node:fs';
import { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

const READ_BUFFER_BYTES = 128 * 1024;
/** Below this many publishers reading at once costs little, and nobody waits. */
const PACE_FROM = 64;
const MAX_INTERVAL_MS = 50;
const READERS_PER_MS = 16;

/** Rounds without a byte after which a reader goes back to the event loop. */
const MAX_SILENT_ROUNDS = 3;

/** Parts of a socket's handle that Node keeps to itself; used only when they are there. */
interface SocketHandle {
  /** File descriptor, -1 when there is none. */
  readonly fd?: number;
}

export class ReadPacer {
  private paced = 0;
  private stopped: PacedReader[] = [];
  private timer: NodeJS.Timeout | null = null;

  get intervalMs(): number {
    return this.paced < PACE_FROM ? 0 : Math.min(MAX_INTERVAL_MS, Math.ceil(this.paced / READERS_PER_MS));
  }

  add(): void {
    this.paced++;
  }

  remove(): void {
    this.paced--;
  }

  wait(reader: PacedReader): void {
    this.stopped.push(reader);
    this.timer ??= setTimeout(() => this.readAll(), this.intervalMs);
  }

  private readAll(): void {
    this.timer = null;
    const readers = this.stopped;
    this.stopped = [];
    for (let i = 0; i < readers.length; i++) readers[i]!.takeTurn();
  }
}

const sharedBuffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);

export class PacedReader {
  readonly socket: Socket;
  private readonly pacer: ReadPacer;
  private readonly onBytes: (bytes: Buffer) => void;
  private paced = false;
  private silentRounds = 0;

  /** Takes over an accepted socket; use `reader.socket` afterwards. TLS sockets are read by events. */
  constructor(accepted: Socket | TLSSocket, pacer: ReadPacer, onBytes: (bytes: Buffer) => void) {
    this.pacer = pacer;
    this.onBytes = onBytes;
    const handle = (accepted as unknown as { _handle?: SocketHandle })._handle;
    if ('encrypted' in accepted || handle === undefined || handle === null) {
      this.socket = accepted;
      accepted.on('data', (bytes: Buffer) => this.onBytes(bytes));
      return;
    }
    (accepted as unknown as { _handle: null })._handle = null;
    const options = {
      handle,
      onread: {
        buffer: sharedBuffer,
        callback: (count: number, buffer: Uint8Array) => this.onRead(count, buffer),
      },
    };
    this.socket = new Socket(options as ConstructorParameters<typeof Socket>[0]);
  }

  private onRead(count: number, buffer: Uint8Array): boolean {
    this.onBytes((buffer as Buffer).subarray(0, count));
    if (!this.paced || count === READ_BUFFER_BYTES || this.pacer.intervalMs === 0) return true;
    this.pacer.wait(this);
    return false;
  }

  /** A publisher may be read at an interval; players and everybody in a handshake are read at once. */
  pace(on: boolean): void {
    if (on === this.paced) return;
    this.paced = on;
    if (on) this.pacer.add();
    else this.pacer.remove();
  }

  /** One read outside the event loop; what it cannot decide (end, error, silence) is left to the loop. */
  takeTurn(): void {
    const { socket } = this;
    if (socket.destroyed) return;
    const fd = (socket as unknown as { _handle?: SocketHandle | null })._handle?.fd ?? -1;
    if (!this.paced || fd < 0) {
      socket.resume();
      return;
    }
    const count = readNow(fd);
    if (count === 0 || (count < 0 && ++this.silentRounds > MAX_SILENT_ROUNDS)) {
      this.silentRounds = 0;
      socket.resume();
      return;
    }
    if (count > 0) {
      this.silentRounds = 0;
      this.onBytes(sharedBuffer.subarray(0, count));
      if (socket.destroyed) return;
    }
    this.pacer.wait(this);
  }
}

/** Bytes read into the shared buffer; 0 at the end or on a broken connection, -1 when nothing has arrived. */
function readNow(fd: number): number {
  try {
    return readSync(fd, sharedBuffer);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EAGAIN' ? -1 : 0;
  }
}
