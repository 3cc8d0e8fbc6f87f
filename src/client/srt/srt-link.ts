/** An SRT connection on a UDP port: the sans-I/O core with its socket, its timer and its peer. */
import type { SrtAgreement } from '../../srt/agreement.ts';
import { SrtConnection } from '../../srt/connection.ts';
import type { SrtSettings } from '../../srt/settings.ts';
import type { SrtStatistics } from '../../srt/statistics.ts';
import type { SrtEndpoint, SrtPort } from './srt-port.ts';

export interface SrtLinkHandlers {
  /** `payload` may be kept. Hot path. */
  onPayload(payload: Uint8Array, sequence: number): void;
  /** Once, also after `close`. */
  onClosed(reason: string): void;
}

export interface SrtPeer {
  /** As the socket knows it. */
  readonly address: string;
  readonly port: number;
}

export class SrtLink implements SrtEndpoint {
  readonly agreement: SrtAgreement;
  private readonly port: SrtPort;
  private readonly handlers: SrtLinkHandlers;
  private readonly nowUs: () => number;
  private readonly connection: SrtConnection;

  /** The connection is there at once; nothing is told before this returns. */
  constructor(
    port: SrtPort,
    peer: SrtPeer,
    agreement: SrtAgreement,
    settings: SrtSettings,
    handlers: SrtLinkHandlers,
    nowUs: () => number,
  ) {
    this.port = port;
    this.handlers = handlers;
    this.agreement = agreement;
    this.nowUs = nowUs;
    this.connection = new SrtConnection(
      agreement,
      settings,
      {
        send: (header, payload) => port.send(header, payload, peer.address, peer.port),
        deliver: (payload, sequence) => handlers.onPayload(payload, sequence),
        closed: (reason) => this.leave(reason),
      },
      nowUs(),
    );
    port.attach(agreement.localSocketId, peer.address, peer.port, this);
  }

  get nextWakeUs(): number {
    return this.connection.nextWakeUs;
  }

  /** Hot path. */
  receive(datagram: Uint8Array, nowUs: number): void {
    this.connection.receive(datagram, nowUs);
  }

  tick(nowUs: number): void {
    this.connection.tick(nowUs);
  }

  /** At most 1316 bytes, kept and never written to. False: there is no room. Call `flush` after the last. Hot path. */
  send(payload: Uint8Array): boolean {
    return this.connection.sendMessage(payload, this.nowUs());
  }

  /** What was given leaves now, as far as the bandwidth allows. */
  flush(): void {
    this.port.wake(this);
  }

  statistics(): SrtStatistics {
    return this.connection.statistics(this.nowUs());
  }

  /** Packets that have not been sent once. */
  get waitingPackets(): number {
    return this.connection.unsentPackets;
  }

  /** Tells the peer. Idempotent. */
  close(): void {
    if (this.connection.closed) return;
    this.connection.close(this.nowUs());
    this.leave('the connection was closed');
  }

  private leave(reason: string): void {
    this.port.detach(this.agreement.localSocketId);
    this.handlers.onClosed(reason);
  }
}
