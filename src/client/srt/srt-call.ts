/**
 * One SRT connection by its address, on a UDP port of its own: called, waited for (`mode=listener`) or met
 * (`mode=rendezvous`). Every wait has a limit.
 */
import { randomBytes } from 'node:crypto';
import { lookup } from 'node:dns';
import type { SrtAgreement } from '../../srt/agreement.ts';
import { SrtCaller } from '../../srt/caller.ts';
import { SrtListener, type SrtRequest } from '../../srt/listener.ts';
import { SrtRendezvous } from '../../srt/rendezvous.ts';
import { DEFAULT_SRT_SETTINGS, type SrtSettings } from '../../srt/settings.ts';
import { SRT_REJECT } from '../../wire/srt/reject.ts';
import { describeFailure, failureCode } from '../describe-failure.ts';
import type { SrtAddress } from './srt-address.ts';
import { SrtLink, type SrtPeer } from './srt-link.ts';
import { SrtPort } from './srt-port.ts';

export interface SrtCallHandlers {
  onConnected(link: SrtLink): void;
  /** Hot path. */
  onPayload(payload: Uint8Array): void;
  /** Once, unless `close` was called: a sentence that begins in lower case. */
  onEnd(reason: string): void;
}

export interface SrtCallOptions {
  readonly streamId: string;
  /** Until there is a connection, milliseconds; a listener waits for as long as that too. */
  readonly connectMs: number;
  readonly nowUs: () => number;
  readonly after: (delayMs: number, run: () => void) => { cancel(): void };
  readonly onFault: (error: unknown) => void;
  /** Bytes per second where the address gives no limit; 0 = none. */
  readonly maxBandwidth: number;
  /** Of a stream that we send: ids of the servers that it came through, ours at the end. */
  readonly via?: readonly string[];
}

const SECRET_BYTES = 32;
const LISTENER_TICK_MS = 1000;

export class SrtCall {
  private readonly address: SrtAddress;
  private readonly handlers: SrtCallHandlers;
  private readonly options: SrtCallOptions;
  private readonly settings: SrtSettings;
  private readonly port: SrtPort;
  private readonly timeout: { cancel(): void };
  private ticking: { cancel(): void } | null = null;
  private listener: SrtListener | null = null;
  private rendezvous: { readonly end: SrtRendezvous; readonly peer: SrtPeer } | null = null;
  private link: SrtLink | null = null;
  private pendingId = 0;
  private isEnded = false;

  constructor(address: SrtAddress, handlers: SrtCallHandlers, options: SrtCallOptions) {
    this.address = address;
    this.handlers = handlers;
    this.options = options;
    this.settings = settingsOf(address, options.maxBandwidth);
    this.port = new SrtPort({
      nowUs: options.nowUs,
      onFault: (error) => {
        options.onFault(error);
        this.end('an internal fault');
      },
      onHandshake: (datagram, from, port, nowUs) => this.receiveHandshake(datagram, from, port, nowUs),
      // Nobody listens there: the handshake is repeated until its time is over.
      onTrouble: () => undefined,
    });
    this.timeout = options.after(options.connectMs, () => this.end(this.silence()));
    if (address.mode === 'listener') this.listen();
    else this.resolve();
  }

  private silence(): string {
    const { mode, host, port } = this.address;
    const seconds = this.options.connectMs / 1000;
    if (mode === 'listener') return `nobody called port ${port} within ${seconds} s`;
    return `${describePlace(host, port)} did not answer within ${seconds} s`;
  }

  private resolve(): void {
    const { host, port, localPort } = this.address;
    lookup(host, (error, found, family) => {
      if (this.isEnded) return;
      if (error !== null) {
        this.end(describeFailure(failureCode(error), host, port));
        return;
      }
      this.open(family === 6 ? '::' : '0.0.0.0', localPort, () => this.call({ address: found, port }));
    });
  }

  private open(host: string, port: number, onOpen: () => void): void {
    this.port.open(host, port).then(
      () => {
        if (!this.isEnded) onOpen();
      },
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') this.end(`another program has port ${port}`);
        else this.end(describeFailure(failureCode(error), host, port));
      },
    );
  }

  private call(peer: SrtPeer): void {
    const { options, settings } = this;
    const nowUs = options.nowUs();
    this.pendingId = this.port.newSocketId();
    const events = {
      send: (packet: Uint8Array) => this.port.send(packet, null, peer.address, peer.port),
      connected: (agreement: SrtAgreement) => this.connect(agreement, peer),
      failed: (code: number, reason: string) => this.end(this.describeRefusal(code, reason)),
    };
    const call = {
      settings,
      streamId: options.streamId,
      localSocketId: this.pendingId,
      peerAddress: peer.address,
      connectTimeoutMs: options.connectMs,
      via: (options.via ?? []).join(','),
    };
    if (this.address.mode === 'caller') {
      this.port.attach(this.pendingId, peer.address, peer.port, new SrtCaller(call, events, nowUs));
      return;
    }
    const end = new SrtRendezvous(call, events, nowUs);
    this.rendezvous = { end, peer };
    this.port.attach(this.pendingId, peer.address, peer.port, end);
  }

  /** For nobody's number: whoever calls a listener, or the other end of a rendezvous before it knows ours. */
  private receiveHandshake(datagram: Uint8Array, from: string, port: number, nowUs: number): void {
    this.listener?.receive(datagram, from, port, nowUs);
    const { rendezvous } = this;
    if (rendezvous === null || this.link !== null) return;
    const { end, peer } = rendezvous;
    if (from !== peer.address || port !== peer.port) return;
    end.receive(datagram, nowUs);
    this.port.wake(end);
  }

  private describeRefusal(code: number, reason: string): string {
    const place = describePlace(this.address.host, this.address.port);
    if (code === SRT_REJECT.timeout) return this.silence();
    if (code === SRT_REJECT.badSecret) return `${place} does not take this passphrase`;
    if (code === SRT_REJECT.unsecure)
      return this.settings.passphrase === ''
        ? `${place} wants a passphrase (passphrase= in the address)`
        : `${place} does not encrypt${this.settings.gcm ? ', or does not know AES-GCM' : ''}, but a passphrase is given`;
    return `${place} refuses: ${reason}`;
  }

  private listen(): void {
    const { host, port } = this.address;
    const { nowUs } = this.options;
    const listener: SrtListener = new SrtListener(randomBytes(SECRET_BYTES), this.settings.keyBytes, {
      send: (packet, address, to) => this.port.send(packet, null, address, to),
      request: (request) => this.answer(listener, request),
      // Whoever fits may still call.
      refused: () => undefined,
    });
    this.listener = listener;
    const tick = (): void => {
      listener.tick(nowUs());
      this.ticking = this.options.after(LISTENER_TICK_MS, tick);
    };
    this.open(host, port, tick);
  }

  /** The first that fits is it. */
  private answer(listener: SrtListener, request: SrtRequest): void {
    const nowUs = this.options.nowUs();
    const { streamId } = this.options;
    const isOther = streamId !== '' && request.streamId !== '' && request.streamId !== streamId;
    if (this.link !== null || isOther) {
      listener.refuse(request, isOther ? SRT_REJECT.notFound : SRT_REJECT.conflict, nowUs);
      return;
    }
    const agreement = listener.accept(request, this.settings, this.port.newSocketId(), nowUs);
    if (agreement !== null) this.connect(agreement, { address: request.address, port: request.port });
  }

  private connect(agreement: SrtAgreement, peer: SrtPeer): void {
    if (this.isEnded) return;
    this.timeout.cancel();
    this.port.detach(this.pendingId);
    this.link = new SrtLink(
      this.port,
      peer,
      agreement,
      this.settings,
      { onPayload: (payload) => this.handlers.onPayload(payload), onClosed: (reason) => this.end(reason) },
      this.options.nowUs,
    );
    this.handlers.onConnected(this.link);
  }

  private end(reason: string): void {
    if (this.isEnded) return;
    this.close();
    this.handlers.onEnd(reason);
  }

  /** Tells the peer, if there is one. Idempotent. */
  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.timeout.cancel();
    this.ticking?.cancel();
    this.link?.close();
    this.port.close();
  }
}

function settingsOf(address: SrtAddress, maxBandwidth: number): SrtSettings {
  const { gcm, latencyMs, peerLatencyMs, passphrase, keyBytes } = address;
  const given = address.maxBandwidth > 0 ? address.maxBandwidth : maxBandwidth;
  return {
    ...DEFAULT_SRT_SETTINGS,
    latencyMs: latencyMs < 0 ? DEFAULT_SRT_SETTINGS.latencyMs : latencyMs,
    peerLatencyMs: Math.max(peerLatencyMs, 0),
    passphrase,
    keyBytes,
    gcm,
    maxBandwidth: given > 0 ? given : DEFAULT_SRT_SETTINGS.maxBandwidth,
  };
}

function describePlace(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
