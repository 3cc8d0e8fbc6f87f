/**
 * A handshake between two that both call (draft-sharabayko-srt-01 section 4.3.2): cookies decide who asks (initiator)
 * and who answers (responder), then conclusions go to and fro until both have said what they want. The same options and
 * events as SrtCaller; a rendezvous has no stream id. Datagrams come from the peer's address with destination 0 or our
 * socket id. Left out: version 4 peers.
 */
import { randomInt } from 'node:crypto';
import {
  emptyHandshake,
  packPeerAddress,
  readHandshake,
  SRT_HANDSHAKE,
  type SrtHandshake,
  type SrtHandshakeMessage,
  writeHandshake,
} from '../wire/srt/handshake.ts';
import { describeReject, rejectFromWire, rejectToWire, SRT_REJECT } from '../wire/srt/reject.ts';
import { SRT_SEQUENCE_MAX } from '../wire/srt/sequence.ts';
import { readU32, srtDestination } from '../wire/srt/srt-packet.ts';
import type { SrtCallerEvents, SrtCallerOptions } from './caller.ts';
import { SrtKeyring } from './keyring.ts';
import { judgeKeyAnswer, judgePeer, makeAgreement, ownMessage, ownMss, pickKeyBytes } from './negotiation.ts';

const RETRY_US = 250_000;
const DEFAULT_TIMEOUT_MS = 3000;

export class SrtRendezvous {
  /** `tick` must be called then at the latest; Infinity when it is over. */
  nextWakeUs: number;
  private readonly options: SrtCallerOptions;
  private readonly events: SrtCallerEvents;
  private readonly startUs: number;
  private readonly deadlineUs: number;
  private readonly sequence: number;
  private readonly cookie: number;
  private keyring: SrtKeyring | null;
  /** The handshake to repeat, and to whom. */
  private current: SrtHandshake;
  private peerSocketId: number;
  /** What the initiator asked for, once we answered: an agreement or anything else from it connects. */
  private asked: SrtHandshake | null;
  private peerStartUs: number;

  constructor(options: SrtCallerOptions, events: SrtCallerEvents, nowUs: number) {
    this.options = options;
    this.events = events;
    this.startUs = nowUs;
    this.deadlineUs = nowUs + (options.connectTimeoutMs ?? DEFAULT_TIMEOUT_MS) * 1000;
    this.sequence = randomInt(SRT_SEQUENCE_MAX);
    this.cookie = randomInt(1, 0xffff_ffff);
    this.keyring = null;
    this.peerSocketId = 0;
    this.asked = null;
    this.peerStartUs = 0;
    this.current = this.own(SRT_HANDSHAKE.waveAHand);
    this.nextWakeUs = nowUs;
    this.tick(nowUs);
  }

  receive(datagram: Uint8Array, nowUs: number): void {
    const destination = srtDestination(datagram);
    if (this.nextWakeUs === Number.POSITIVE_INFINITY) return;
    if (destination !== 0 && destination !== this.options.localSocketId) return;
    const handshake = readHandshake(datagram);
    if (handshake === null) {
      // Who sends data or reports has got our answer: its agreement was lost.
      if (destination !== 0 && this.asked !== null) this.connect(this.asked, this.asked.request);
      return;
    }
    const refusal = rejectFromWire(handshake.type);
    if (refusal >= 0) this.fail(refusal);
    else if (handshake.type === SRT_HANDSHAKE.agreement) {
      if (this.asked !== null) this.connect(this.asked, this.asked.request);
    } else if (handshake.type === SRT_HANDSHAKE.waveAHand || handshake.type === SRT_HANDSHAKE.conclusion)
      this.proceed(handshake, readU32(datagram, 8), nowUs);
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

  private proceed(peer: SrtHandshake, timestamp: number, nowUs: number): void {
    if (peer.version < 5 || peer.socketId === 0) {
      this.refuse(peer.version < 5 ? SRT_REJECT.version : SRT_REJECT.rogue, nowUs);
      return;
    }
    const contest = (this.cookie - peer.cookie) | 0;
    // A draw: both wait for new cookies until time runs out; packets of our own that come back end here, too.
    if (contest === 0) return;
    this.peerSocketId = peer.socketId;
    if (contest > 0) this.proceedAsInitiator(peer, timestamp, nowUs);
    else this.proceedAsResponder(peer, timestamp, nowUs);
  }

  private proceedAsInitiator(peer: SrtHandshake, timestamp: number, nowUs: number): void {
    const { settings } = this.options;
    if (peer.response !== null && this.current.request !== null) {
      const problem = Math.max(
        judgePeer(peer, peer.response),
        judgeKeyAnswer(this.keyring, peer.keyResponse),
      );
      if (problem >= 0) {
        this.refuse(problem, nowUs);
        return;
      }
      this.peerStartUs = nowUs - timestamp;
      this.send(this.own(SRT_HANDSHAKE.agreement), nowUs);
      this.connect(peer, peer.response);
      return;
    }
    if (this.current.request === null) {
      this.current = this.own(SRT_HANDSHAKE.conclusion);
      this.current.request = ownMessage(settings, settings.latencyMs, settings.peerLatencyMs);
      if (settings.passphrase !== '') {
        this.keyring = SrtKeyring.create(settings.passphrase, pickKeyBytes(settings, peer), settings.gcm);
        this.current.encryption = this.keyring.keyBytes / 8;
        this.current.keyRequest = this.keyring.announcement();
      }
    }
    this.repeatNow(nowUs);
  }

  private proceedAsResponder(peer: SrtHandshake, timestamp: number, nowUs: number): void {
    const { settings } = this.options;
    if (this.asked === null && peer.request !== null) {
      let problem = judgePeer(peer, peer.request);
      if (problem < 0 && (peer.keyRequest === null) !== (settings.passphrase === ''))
        problem = SRT_REJECT.unsecure;
      if (problem < 0 && peer.keyRequest !== null) {
        this.keyring = SrtKeyring.open(settings.passphrase, peer.keyRequest);
        if (this.keyring === null) problem = SRT_REJECT.badSecret;
      }
      if (problem >= 0) {
        this.refuse(problem, nowUs);
        return;
      }
      this.asked = peer;
      this.peerStartUs = nowUs - timestamp;
      this.current = this.own(SRT_HANDSHAKE.conclusion);
      this.current.response = ownMessage(
        settings,
        Math.max(settings.latencyMs, peer.request.sendLatencyMs),
        Math.max(settings.peerLatencyMs, peer.request.receiveLatencyMs),
      );
      this.current.keyResponse = peer.keyRequest;
    } else if (this.asked === null) {
      this.current = this.own(SRT_HANDSHAKE.conclusion);
    }
    this.repeatNow(nowUs);
  }

  private own(type: number): SrtHandshake {
    const { localSocketId, peerAddress, settings } = this.options;
    const handshake = emptyHandshake(type);
    handshake.encryption = settings.passphrase === '' ? 0 : settings.keyBytes / 8;
    handshake.sequence = this.sequence;
    handshake.mss = ownMss(settings);
    handshake.flowWindow = settings.flowWindow;
    handshake.socketId = localSocketId;
    handshake.cookie = this.cookie;
    handshake.peerAddress = packPeerAddress(peerAddress);
    return handshake;
  }

  private send(handshake: SrtHandshake, nowUs: number): void {
    this.events.send(writeHandshake(handshake, nowUs - this.startUs, this.peerSocketId));
  }

  private repeatNow(nowUs: number): void {
    this.nextWakeUs = nowUs;
    this.tick(nowUs);
  }

  private connect(peer: SrtHandshake, message: SrtHandshakeMessage | null): void {
    if (message === null) return;
    this.nextWakeUs = Number.POSITIVE_INFINITY;
    this.events.connected(
      makeAgreement({
        settings: this.options.settings,
        localSocketId: this.options.localSocketId,
        sendSequence: this.sequence,
        peer,
        message,
        keyring: this.keyring,
        streamId: '',
        startUs: this.startUs,
        peerStartUs: this.peerStartUs,
      }),
    );
  }

  private refuse(code: number, nowUs: number): void {
    this.send(this.own(rejectToWire(code)), nowUs);
    this.fail(code);
  }

  private fail(code: number): void {
    this.nextWakeUs = Number.POSITIVE_INFINITY;
    this.events.failed(code, describeReject(code));
  }
}
