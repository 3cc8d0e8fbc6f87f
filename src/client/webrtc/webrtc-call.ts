/**
 * One connection that we make by WHIP or WHEP: a port of its own, the offer with all addresses of ours, the answer, then
 * the connection on its thread. One limit for all of it up to the moment when media may go, and one end for all
 * reasons, with DELETE.
 */
import { candidatesFor, printCandidate } from '../../ice/candidate.ts';
import { makeIceCredentials } from '../../ice/credentials.ts';
import { type CallRequest, makeOffer, type RtcCall } from '../../rtc/negotiation/call.ts';
import type { RtcCalls } from '../../rtc/rtc-calls.ts';
import type { RtcDescription } from '../../rtc/rtc-description.ts';
import type { RtcPeerStatistics } from '../../rtc/rtc-peer.ts';
import type { RtcConnection, RtcThread } from '../../rtc/rtc-thread.ts';
import { HTTP_VIA_FIELD, parseVia } from '../../runtime/stream-loop.ts';
import { ProtocolError, RejectedError } from '../../util/errors.ts';
import { randomId } from '../../util/id.ts';
import type { CallAddress } from './call-address.ts';
import { callAddresses } from './local-addresses.ts';
import { WhipExchange } from './whip-exchange.ts';

/** What the thread says when the other side ended the connection properly. */
const PEER_LEFT = 'the peer left';

export interface WebrtcCallHandlers {
  /** Which servers the stream came through, where the other side is one of ours; before `onAgreed`. */
  onVia?(via: readonly string[]): void;
  /** What was agreed; before any packet. A reason ends the call, '' goes on. */
  onAgreed(description: RtcDescription): string;
  onConnected(): void;
  /** PACKET_FIELDS numbers for each packet (rtc/rtc-messages.ts). */
  onPackets(bytes: Uint8Array, packets: Float64Array): void;
  /** Once, unless `close` was called. `isOver`: the other side ended it, and not for a fault. */
  onEnd(reason: string, isOver: boolean): void;
}

export interface WebrtcCallOptions {
  readonly calls: RtcCalls;
  readonly thread: RtcThread;
  readonly address: CallAddress;
  readonly request: CallRequest;
  /** Number of the feed that is published; -1 when we play. */
  readonly feed: number;
  /** Of a stream that is published, the servers that it came through, this one too; of a pull who asks for it. */
  readonly via: readonly string[];
  readonly verifies: boolean;
  readonly connectMs: number;
  readonly userAgent: string;
  readonly after: (delayMs: number, run: () => void) => { cancel(): void };
  readonly onFault: (error: unknown) => void;
}

export class WebrtcCall {
  statistics: RtcPeerStatistics | null = null;
  private readonly options: WebrtcCallOptions;
  private readonly handlers: WebrtcCallHandlers;
  private readonly deadline: { cancel(): void };
  private readonly reservation: number;
  private readonly host: string;
  private readonly locals: readonly string[];
  private exchange: WhipExchange | null = null;
  private resource: URL | null = null;
  private connection: RtcConnection | null = null;
  private isEnded = false;

  constructor(options: WebrtcCallOptions, handlers: WebrtcCallHandlers) {
    this.options = options;
    this.handlers = handlers;
    const { calls, thread, address, connectMs } = options;
    this.host = address.url.host;
    this.locals = callAddresses(calls.hosts, address.url.hostname);
    this.deadline = options.after(connectMs, () => this.onDeadline());
    this.reservation = thread.reserve((port) => this.guarded(() => this.begin(port)));
  }

  private begin(port: number): void {
    if (port === 0) {
      this.end('no UDP port could be opened', false);
      return;
    }
    const { calls, address, request, via, userAgent, verifies } = this.options;
    const offer = makeOffer(request, {
      ice: makeIceCredentials(),
      fingerprint: calls.fingerprint,
      candidates: candidatesFor(this.locals, port, { udp: true, tcp: false }).map(printCandidate),
      isLite: false,
      sessionId: String(Date.now()),
      cname: randomId(16),
    });
    this.exchange = new WhipExchange(
      address,
      offer.sdp,
      {
        onAnswer: (sdp, resource, headers) => {
          this.resource = resource;
          const told = headers[HTTP_VIA_FIELD.toLowerCase()];
          if (told !== undefined) this.handlers.onVia?.(parseVia(String(told)));
          this.guarded(() => this.accept(offer, sdp));
        },
        onFailure: (reason) => this.end(reason, false),
      },
      {
        role: request.direction,
        userAgent,
        verifies,
        fields: via.length === 0 ? {} : { [HTTP_VIA_FIELD]: via.join(',') },
      },
    );
  }

  private accept(offer: RtcCall, sdp: string): void {
    const { thread, feed } = this.options;
    const description = offer.accept(sdp);
    const objection = this.handlers.onAgreed(description);
    if (objection !== '') {
      this.end(objection, false);
      return;
    }
    this.connection = thread.open(
      description,
      feed,
      {
        onConnected: () => {
          this.deadline.cancel();
          if (!this.isEnded) this.handlers.onConnected();
        },
        onPackets: (bytes, packets) => {
          if (!this.isEnded) this.handlers.onPackets(bytes, packets);
        },
        onStatistics: (statistics) => {
          this.statistics = statistics;
        },
        onClosed: (reason) => this.onClosed(reason),
      },
      { id: this.reservation, localAddresses: this.locals },
    );
  }

  private onClosed(reason: string): void {
    this.connection = null;
    if (reason === PEER_LEFT) this.end(`${this.host} ended the stream`, true);
    else this.end(`the connection to ${this.host} ended: ${reason}`, false);
  }

  private guarded(run: () => void): void {
    if (this.isEnded) return;
    try {
      run();
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof RejectedError) this.end(`${message} (${this.host})`, false);
      else {
        if (!(error instanceof ProtocolError)) this.options.onFault(error);
        this.end(`the answer of ${this.host} cannot be used: ${message}`, false);
      }
    }
  }

  private onDeadline(): void {
    const seconds = this.options.connectMs / 1000;
    const hasAnswer = this.connection !== null;
    this.end(
      hasAnswer
        ? `${this.host} answered, but no media connection came about within ${seconds} s (is its UDP port open?)`
        : `${this.host} did not answer within ${seconds} s`,
      false,
    );
  }

  /** The other side should send a key frame. */
  requestKey(media: number): void {
    this.connection?.requestKey(media, 0);
  }

  private end(reason: string, isOver: boolean): void {
    if (this.isEnded) return;
    this.close();
    this.handlers.onEnd(reason, isOver);
  }

  /** Tells the other side; nothing is told here any more. Idempotent. */
  close(): void {
    if (this.isEnded) return;
    this.isEnded = true;
    this.deadline.cancel();
    if (this.connection === null) this.options.thread.release(this.reservation);
    this.connection?.close();
    this.connection = null;
    this.exchange?.close();
    if (this.resource !== null) this.exchange?.delete(this.resource);
  }
}
