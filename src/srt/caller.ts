/**
 * The calling side of a handshake (draft-sharabayko-srt-01 section 4.3.1): induction, cookie, conclusion. Ends with one
 * of `connected` and `failed`.
 */
import { randomInt } from 'node:crypto';
import {
  emptyHandshake,
  isOwnKind,
  packPeerAddress,
  readHandshake,
  SRT_HANDSHAKE,
  SRT_INDUCTION_TYPE,
  SRT_MAGIC,
  type SrtHandshake,
  writeHandshake,
} from '../wire/srt/handshake.ts';
import { describeReject, rejectFromWire, SRT_REJECT } from '../wire/srt/reject.ts';
import { SRT_SEQUENCE_MAX } from '../wire/srt/sequence.ts';
import { readU32, srtDestination } from '../wire/srt/srt-packet.ts';
import type { SrtAgreement } from './agreement.ts';
import { SrtKeyring } from './keyring.ts';
import { judgeKeyAnswer, judgePeer, makeAgreement, ownMessage, ownMss, pickKeyBytes } from './negotiation.ts';
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

export interface SrtCallerEvents {
  send(datagram: Uint8Array): void;
  connected(agreement: SrtAgreement): void;
  /** `code` is of SRT_REJECT or the peer's own; `reason` a phrase. */
  failed(code: number, reason: string): void;
}

export class SrtCaller {
  /** `tick` must be called then at the latest; Infinity when it is over. */
  nextWakeUs: number;
  private readonly options: SrtCallerOptions;
  private readonly events: SrtCallerEvents;
  private readonly startUs: number;
  private readonly deadlineUs: number;
  private readonly sequence: number;
  private keyring: SrtKeyring | null;
  /** The handshake to repeat. */
  private current: SrtHandshake;
  private isConcluding: boolean;

  constructor(options: SrtCallerOptions, events: SrtCallerEvents, nowUs: number) {
    this.options = options;
    this.events = events;
    this.startUs = nowUs;
    this.deadlineUs = nowUs + (options.connectTimeoutMs ?? DEFAULT_TIMEOUT_MS) * 1000;
    this.sequence = randomInt(SRT_SEQUENCE_MAX);
    this.keyring = null;
    this.isConcluding = false;
    this.current = this.own(SRT_HANDSHAKE.induction);
    this.current.version = 4;
    this.current.extension = SRT_INDUCTION_TYPE;
    this.nextWakeUs = nowUs;
    this.tick(nowUs);
  }

  /** A datagram for our socket id from the peer's address. */
  receive(datagram: Uint8Array, nowUs: number): void {
    if (this.nextWakeUs === Number.POSITIVE_INFINITY) return;
    if (srtDestination(datagram) !== this.options.localSocketId) return;
    const handshake = readHandshake(datagram);
    if (handshake === null) return;
    const refusal = rejectFromWire(handshake.type);
    if (refusal >= 0) this.fail(refusal);
    else if (handshake.type === SRT_HANDSHAKE.induction && !this.isConcluding)
      this.conclude(handshake, nowUs);
    else if (handshake.type === SRT_HANDSHAKE.conclusion && this.isConcluding)
      this.finish(handshake, readU32(datagram, 8), nowUs);
  }

  tick(nowUs: number): void {
    if (nowUs < this.nextWakeUs) return;
    if (nowUs >= this.deadlineUs) {
      this.fail(SRT_REJECT.timeout);
      return;
    }
    this.nextWakeUs = Math.min(nowUs + RETRY_US, this.deadlineUs);
    this.events.send(writeHandshake(this.current, nowUs - this.startUs, 0));
  }

  /** No event comes any more. */
  cancel(): void {
    this.nextWakeUs = Number.POSITIVE_INFINITY;
  }

  private own(type: number): SrtHandshake {
    const { localSocketId, peerAddress, settings } = this.options;
    const handshake = emptyHandshake(type);
    handshake.sequence = this.sequence;
    handshake.mss = ownMss(settings);
    handshake.flowWindow = settings.flowWindow;
    handshake.socketId = localSocketId;
    handshake.peerAddress = packPeerAddress(peerAddress);
    return handshake;
  }

  private conclude(answer: SrtHandshake, nowUs: number): void {
    if (answer.version < 5 || answer.extension !== SRT_MAGIC) {
      this.fail(SRT_REJECT.version);
      return;
    }
    const { settings, streamId, via = '' } = this.options;
    const handshake = this.own(SRT_HANDSHAKE.conclusion);
    handshake.cookie = answer.cookie;
    handshake.request = ownMessage(settings, settings.latencyMs, settings.peerLatencyMs);
    if (streamId !== '') handshake.streamId = streamId;
    if (via !== '' && isOwnKind(answer.peerAddress)) handshake.via = via;
    if (settings.passphrase !== '') {
      const keyBytes = pickKeyBytes(settings, answer);
      this.keyring = SrtKeyring.create(settings.passphrase, keyBytes, settings.gcm);
      handshake.encryption = keyBytes / 8;
      handshake.keyRequest = this.keyring.announcement();
    }
    this.isConcluding = true;
    this.current = handshake;
    this.nextWakeUs = nowUs;
    this.tick(nowUs);
  }

  private finish(answer: SrtHandshake, timestamp: number, nowUs: number): void {
    const { settings, streamId, localSocketId } = this.options;
    const message = answer.response;
    const problem = Math.max(judgePeer(answer, message), judgeKeyAnswer(this.keyring, answer.keyResponse));
    if (problem >= 0 || message === null) {
      this.fail(problem);
      return;
    }
    this.nextWakeUs = Number.POSITIVE_INFINITY;
    this.events.connected(
      makeAgreement({
        settings,
        localSocketId,
        sendSequence: this.sequence,
        peer: answer,
        message,
        keyring: this.keyring,
        streamId,
        startUs: this.startUs,
        peerStartUs: nowUs - timestamp,
      }),
    );
  }

  private fail(code: number): void {
    this.nextWakeUs = Number.POSITIVE_INFINITY;
    this.events.failed(code, describeReject(code));
  }
}
