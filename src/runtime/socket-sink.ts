/** Sink over a TCP or TLS socket: one write per view, not writable while the socket holds more than its mark. */
import type { Socket } from 'node:net';
import type { Sink } from '../media/sink.ts';

/** What may wait in one socket of ours before a player counts as slow. */
const HIGH_WATER_BYTES = 512 * 1024;

export class SocketSink implements Sink {
  private readonly socket: Socket;
  private readonly onEnd: (reason: string) => void;

  constructor(socket: Socket, onEnd: (reason: string) => void) {
    this.socket = socket;
    this.onEnd = onEnd;
  }

  writable(): boolean {
    return this.socket.writableLength < HIGH_WATER_BYTES;
  }

  write(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  end(reason: string): void {
    this.onEnd(reason);
  }
}
