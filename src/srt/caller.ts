/** The calling side of a handshake (draft-sharabayko-srt-01 section 4.3.1): induction, cookie, conclusion. */
import {
  isOwnKind,
  readHandshake,
  SRT_HANDSHAKE,
  SRT_INDUCTION_TYPE,
  SRT_MAGIC,
  type SrtHandshake,
} from '../wire/srt/handshake.ts';
import { rejectFromWire, SRT_REJECT } from '../wire/srt/reject.ts';
import { readU32, srtDestination } from '../wire/srt/srt-packet.ts';
import { Calling, type SrtCallerEvents, type SrtCallerOptions } from './calling.ts';
import { ownMessage } from './negotiation.ts';

export class SrtCaller extends Calling {
  private isConcluding: boolean;

  constructor(options: SrtCallerOptions, events: SrtCallerEvents, nowUs: number) {
    super(options, events, SRT_HANDSHAKE.induction, 0, nowUs);
    this.isConcluding = false;
    this.current.version = 4;
    this.current.extension = SRT_INDUCTION_TYPE;
    this.tick(nowUs);
  }

  /** A datagram for our socket id from the peer's address. */
  receive(datagram: Uint8Array, nowUs: number): void {
    if (this.isOver || srtDestination(datagram) !== this.options.localSocketId) return;
    const handshake = readHandshake(datagram);
    if (handshake === null) return;
    const refusal = rejectFromWire(handshake.type);
    if (refusal >= 0) this.fail(refusal);
    else if (handshake.type === SRT_HANDSHAKE.induction && !this.isConcluding)
      this.conclude(handshake, nowUs);
    else if (handshake.type === SRT_HANDSHAKE.conclusion && this.isConcluding)
      this.finish(handshake, nowUs - readU32(datagram, 8));
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
    this.addKeys(handshake, answer);
    this.isConcluding = true;
    this.current = handshake;
    this.sendCurrent(nowUs);
  }

  private finish(answer: SrtHandshake, peerStartUs: number): void {
    const problem = this.judgeAnswer(answer);
    if (problem >= 0 || answer.response === null) this.fail(problem);
    else this.connect(answer, answer.response, this.options.streamId, peerStartUs);
  }
}
