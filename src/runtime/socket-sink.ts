/** Sink over a TCP or TLS socket: one write per view, not writable while the socket holds more than its mark. */
import type { Socket } from 'node:net';
import type { Sink } from '../media/sink.ts';
import { DirectWriter } from './direct-writer.ts';

/** What may wait in one socket of ours before a player counts as slow. */
const HIGH_WATER_BYTES = 512 * 1024;

export class SocketSink implements Sink {
  private readonly socket: Socket;
  private readonly direct: DirectWriter | null;
  private readonly onEnd: (reason: string) => void;

  constructor(socket: Socket, onEnd: (reason: string) => void) {
    this.socket = socket;
    this.direct = DirectWriter.open(socket);
    this.onEnd = onEnd;
  }

  writable(): boolean {
    const { direct, socket } = this;
    return socket.writableLength + (direct === null ? 0 : direct.waitingBytes) < HIGH_WATER_BYTES;
  }

  write(bytes: Uint8Array): void {
    // What the stream still holds back must go first.
    if (this.direct === null || this.socket.writableLength > 0) this.socket.write(bytes);
    else this.direct.write(bytes);
  }

  end(reason: string): void {
    this.onEnd(reason);
  }
}
