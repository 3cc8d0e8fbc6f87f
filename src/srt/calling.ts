/** What SrtCaller and SrtRendezvous have in common: our own handshake, repeated until its time is over, and its keys. */
import { randomInt } from 'node:crypto';
import {
  emptyHandshake,
  packPeerAddress,
  type SrtHandshake,
  type SrtHandshakeMessage,
  writeHandshake,
} from '../wire/srt/handshake.ts';
import { describeReject, SRT_REJECT } from '../wire/srt/reject.ts';
import { SRT_SEQUENCE_MAX } from '../wire/srt/sequence.ts';
import type { SrtAgreement } from './agreement.ts';
import { SrtKeyring } from './keyring.ts';
import { judgeKeyAnswer, judgePeer, makeAgreement, ownMss, pickKeyBytes } from './negotiation.ts';
import type { SrtSettings } from './settings.ts';

const RETRY_US = 250_000;
const DEFAULT_TIMEOUT_MS = 3000;

export interface SrtCallerOptions {
  readonly settings: SrtSettings;
  /** At most 512 bytes; '' sends none. */
  readonly streamId: string;
  /** Not 0, not in use on the same port. */
  readonly localSocketId: number;
  /** IP address of the peer as text. */
  readonly peerAddress: string;
  readonly connectTimeoutMs?: number;
  /** For listeners of our kind: ids of servers that the stream came through, with commas. */
  readonly via?: string;
}

/** Ends with one of `connected` and `failed`. */
export interface SrtCallerEvents {
  send(datagram: Uint8Array): void;
  connected(agreement: SrtAgreement): void;
  /** `code` is of SRT_REJECT or the peer's own; `reason` a phrase. */
  failed(code: number, reason: string): void;
}

export abstract class Calling {
  /** `tick` must be called then at the latest; Infinity when it is over. */
  nextWakeUs: number;
  protected readonly options: SrtCallerOptions;
  protected readonly cookie: number;
  protected keyring: SrtKeyring | null;
  /** The handshake to repeat, and to whom: 0 as long as we do not know. */
  protected current: SrtHandshake;
  protected peerSocketId: number;
  private readonly events: SrtCallerEvents;
  private readonly startUs: number;
  private readonly deadlineUs: number;
  private readonly sequence: number;

  /** `type` of the first handshake, which the first `tick` sends. */
  constructor(
    options: SrtCallerOptions,
    events: SrtCallerEvents,
    type: number,
    cookie: number,
    nowUs: number,
  ) {
    this.nextWakeUs = nowUs;
    this.options = options;
    this.cookie = cookie;
    this.keyring = null;
    this.peerSocketId = 0;
    this.events = events;
    this.startUs = nowUs;
    this.deadlineUs = nowUs + (options.connectTimeoutMs ?? DEFAULT_TIMEOUT_MS) * 1000;
    this.sequence = randomInt(SRT_SEQUENCE_MAX);
    this.current = this.own(type);
  }

  tick(nowUs: number): void {
    if (nowUs < this.nextWakeUs) return;
    if (nowUs >= this.deadlineUs) {
      this.fail(SRT_REJECT.timeout);
      return;
    }
    this.nextWakeUs = Math.min(nowUs + RETRY_US, this.deadlineUs);
    this.send(this.current, nowUs);
  }

  /** No event comes any more. */
  cancel(): void {
    this.nextWakeUs = Number.POSITIVE_INFINITY;
  }

  protected get isOver(): boolean {
    return this.nextWakeUs === Number.POSITIVE_INFINITY;
  }

  protected own(type: number): SrtHandshake {
    const { localSocketId, peerAddress, settings } = this.options;
    const handshake = emptyHandshake(type);
    handshake.sequence = this.sequence;
    handshake.mss = ownMss(settings);
    handshake.flowWindow = settings.flowWindow;
    handshake.socketId = localSocketId;
    handshake.cookie = this.cookie;
    handshake.peerAddress = packPeerAddress(peerAddress);
    return handshake;
  }

  protected send(handshake: SrtHandshake, nowUs: number): void {
    this.events.send(writeHandshake(handshake, nowUs - this.startUs, this.peerSocketId));
  }

  protected sendCurrent(nowUs: number): void {
    this.nextWakeUs = nowUs;
    this.tick(nowUs);
  }

  /** Makes keys, of the length that the peer wishes, and puts them into a handshake of ours. */
  protected addKeys(handshake: SrtHandshake, peer: SrtHandshake): void {
    const { settings } = this.options;
    if (settings.passphrase === '') return;
    this.keyring = SrtKeyring.create(settings.passphrase, pickKeyBytes(settings, peer), settings.gcm);
    handshake.encryption = this.keyring.keyBytes / 8;
    handshake.keyRequest = this.keyring.announcement();
  }

  /** Why the answer to what we asked for does not do (SRT_REJECT), or -1. */
  protected judgeAnswer(answer: SrtHandshake): number {
    return Math.max(judgePeer(answer, answer.response), judgeKeyAnswer(this.keyring, answer.keyResponse));
  }

  /** `peerStartUs`: zero of the peer's timestamps in our time. */
  protected connect(
    peer: SrtHandshake,
    message: SrtHandshakeMessage,
    streamId: string,
    peerStartUs: number,
  ): void {
    const { settings, localSocketId } = this.options;
    this.cancel();
    this.events.connected(
      makeAgreement({
        settings,
        localSocketId,
        sendSequence: this.sequence,
        peer,
        message,
        keyring: this.keyring,
        streamId,
        startUs: this.startUs,
        peerStartUs,
      }),
    );
  }

  protected fail(code: number): void {
    this.cancel();
    this.events.failed(code, describeReject(code));
  }
}
