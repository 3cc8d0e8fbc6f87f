/**
 * A handshake between two that both call (draft-sharabayko-srt-01 section 4.3.2): cookies decide who asks (initiator)
 * and who answers (responder), then conclusions go to and fro until both have said what they want. The same options and
 * events as SrtCaller; a rendezvous has no stream id. Datagrams come from the peer's address with destination 0 or our
 * socket id. Left out: version 4 peers.
 */
import { randomInt } from 'node:crypto';
import { readHandshake, SRT_HANDSHAKE, type SrtHandshake } from '../wire/srt/handshake.ts';
import { rejectFromWire, rejectToWire, SRT_REJECT } from '../wire/srt/reject.ts';
import { readU32, srtDestination } from '../wire/srt/srt-packet.ts';
import { Calling, type SrtCallerEvents, type SrtCallerOptions } from './calling.ts';
import { judgePeer, ownMessage, takeKeys } from './negotiation.ts';

export class SrtRendezvous extends Calling {
  /** What the initiator asked for, once we answered: an agreement or anything else from it connects. */
  private asked: SrtHandshake | null;
  private peerStartUs: number;

  constructor(options: SrtCallerOptions, events: SrtCallerEvents, nowUs: number) {
    super(options, events, SRT_HANDSHAKE.waveAHand, randomInt(1, 0xffff_ffff), nowUs);
    this.asked = null;
    this.peerStartUs = 0;
    this.tick(nowUs);
  }

  receive(datagram: Uint8Array, nowUs: number): void {
    const destination = srtDestination(datagram);
    if (this.isOver) return;
    if (destination !== 0 && destination !== this.options.localSocketId) return;
    const handshake = readHandshake(datagram);
    if (handshake === null) {
      // Who sends data or reports has got our answer: its agreement was lost.
      if (destination !== 0) this.connectAsResponder();
      return;
    }
    const refusal = rejectFromWire(handshake.type);
    if (refusal >= 0) this.fail(refusal);
    else if (handshake.type === SRT_HANDSHAKE.agreement) this.connectAsResponder();
    else if (handshake.type === SRT_HANDSHAKE.waveAHand || handshake.type === SRT_HANDSHAKE.conclusion)
      this.proceed(handshake, nowUs - readU32(datagram, 8), nowUs);
  }

  private proceed(peer: SrtHandshake, peerStartUs: number, nowUs: number): void {
    if (peer.version < 5 || peer.socketId === 0) {
      this.refuse(peer.version < 5 ? SRT_REJECT.version : SRT_REJECT.rogue, nowUs);
      return;
    }
    const contest = (this.cookie - peer.cookie) | 0;
    // A draw: both wait for new cookies until time runs out; packets of our own that come back end here, too.
    if (contest === 0) return;
    this.peerSocketId = peer.socketId;
    if (contest > 0) this.proceedAsInitiator(peer, peerStartUs, nowUs);
    else this.proceedAsResponder(peer, peerStartUs, nowUs);
  }

  private proceedAsInitiator(peer: SrtHandshake, peerStartUs: number, nowUs: number): void {
    const { settings } = this.options;
    if (peer.response !== null && this.current.request !== null) {
      const problem = this.judgeAnswer(peer);
      if (problem >= 0) {
        this.refuse(problem, nowUs);
        return;
      }
      this.send(this.own(SRT_HANDSHAKE.agreement), nowUs);
      this.connect(peer, peer.response, '', peerStartUs);
      return;
    }
    if (this.current.request === null) {
      this.current = this.own(SRT_HANDSHAKE.conclusion);
      this.current.request = ownMessage(settings, settings.latencyMs, settings.peerLatencyMs);
      this.addKeys(this.current, peer);
    }
    this.sendCurrent(nowUs);
  }

  private proceedAsResponder(peer: SrtHandshake, peerStartUs: number, nowUs: number): void {
    const { settings } = this.options;
    if (this.asked === null && peer.request !== null) {
      const problem = judgePeer(peer, peer.request);
      const keys = problem < 0 ? takeKeys(settings.passphrase, peer.keyRequest) : problem;
      if (typeof keys === 'number') {
        this.refuse(keys, nowUs);
        return;
      }
      this.keyring = keys;
      this.asked = peer;
      this.peerStartUs = peerStartUs;
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
    this.sendCurrent(nowUs);
  }

  protected override own(type: number): SrtHandshake {
    const { settings } = this.options;
    const handshake = super.own(type);
    handshake.encryption = settings.passphrase === '' ? 0 : settings.keyBytes / 8;
    return handshake;
  }

  /** Nothing happens as long as the initiator has not asked. */
  private connectAsResponder(): void {
    const { asked } = this;
    if (asked !== null && asked.request !== null) this.connect(asked, asked.request, '', this.peerStartUs);
  }

  private refuse(code: number, nowUs: number): void {
    this.send(this.own(rejectToWire(code)), nowUs);
    this.fail(code);
  }
}
