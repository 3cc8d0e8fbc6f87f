/**
 * The UDP port of one connection that we make. Over the shared port two connections to one server would have the same
 * addresses at both ends, and nothing tells their packets apart.
 */
import type { TransportAddress } from '../ice/transport-address.ts';
import { RtcListenError, RtcSockets } from './rtc-sockets.ts';

export class RtcCallPort {
  /** What comes; valid during the call only. */
  onPacket: ((bytes: Uint8Array, from: TransportAddress) => void) | null = null;
  private readonly onTrouble: (event: string, cause: string) => void;
  private sockets: RtcSockets | null = null;
  private closed = false;

  constructor(onTrouble: (event: string, cause: string) => void) {
    this.onTrouble = onTrouble;
  }

  /** Its number; 0 when it was closed meanwhile or cannot be had. */
  async open(hosts: readonly string[]): Promise<number> {
    const sockets = new RtcSockets({
      onPacket: (bytes, from) => this.onPacket?.(bytes, from),
      onTcpClosed: () => undefined,
      onTrouble: this.onTrouble,
    });
    try {
      await sockets.open(hosts, 0, false);
    } catch (error) {
      sockets.close();
      if (!(error instanceof RtcListenError)) throw error;
      if (!this.closed) this.onTrouble('webrtc.call-port', error.message);
      return 0;
    }
    if (this.closed) {
      sockets.close();
      return 0;
    }
    this.sockets = sockets;
    return sockets.port;
  }

  /** Hot path. `bytes` is not written again. */
  send(bytes: Uint8Array, to: TransportAddress): void {
    this.sockets?.send(bytes, to);
  }

  get port(): number {
    return this.sockets?.port ?? 0;
  }

  /** After what is being sent now. Idempotent. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.onPacket = null;
    const { sockets } = this;
    if (sockets !== null) setImmediate(() => sockets.close());
  }
}
