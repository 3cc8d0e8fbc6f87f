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

  /** `direct`: the writer of the socket's other sinks, so that all of them write the same way. */
  constructor(socket: Socket, onEnd: (reason: string) => void, direct = DirectWriter.open(socket)) {
    this.socket = socket;
    this.direct = direct;
    this.onEnd = onEnd;
  }

  writable(): boolean {
    const { direct } = this;
    return (direct === null ? this.socket.writableLength : direct.waitingBytes) < HIGH_WATER_BYTES;
  }

  write(bytes: Uint8Array): void {
    const { direct } = this;
    if (direct === null) this.socket.write(bytes);
    else direct.write(bytes);
  }

  end(reason: string): void {
    this.onEnd(reason);
  }

  /** Another sink to the same socket, with its own end. */
  fork(onEnd: (reason: string) => void): SocketSink {
    return new SocketSink(this.socket, onEnd, this.direct);
  }
}
