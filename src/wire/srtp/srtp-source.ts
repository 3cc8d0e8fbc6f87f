/** What is kept of one SSRC of one direction: roll-over counter, highest sequence number, index of RTCP, replays. */
import { InvariantError } from '../../util/errors.ts';
import { MODULUS_32 } from '../../util/serial-number.ts';
import { ReplayWindow } from './replay-window.ts';

/** Sources of one direction; a peer with more is refused its further ones. */
export const MAX_SRTP_SOURCES = 64;

const HALF = 0x8000;
const NONE = -1;

export class SrtpSource {
  readonly ssrc: number;
  /** Of the packet with the highest sequence number. */
  rollover: number;
  /** -1 before the first packet. */
  sequence: number;
  /** Of the last packet of RTCP, 31 bit; -1 before the first. */
  rtcpIndex: number;
  private readonly rtpWindow: ReplayWindow;
  private readonly rtcpWindow: ReplayWindow;

  constructor(ssrc: number, rollover: number) {
    this.ssrc = ssrc;
    this.rollover = rollover;
    this.sequence = NONE;
    this.rtcpIndex = NONE;
    this.rtpWindow = new ReplayWindow();
    this.rtcpWindow = new ReplayWindow();
  }

  /** How far a sequence number is ahead of the highest, the short way round (RFC 3711 appendix A). */
  ahead(sequence: number): number {
    const { sequence: highest } = this;
    if (highest === NONE) return 1;
    const difference = (sequence - highest) & 0xffff;
    const isBehind = difference > HALF || (difference === HALF && sequence < highest);
    return isBehind ? difference - 0x1_0000 : difference;
  }

  /** The roll-over counter of a packet that is so far ahead; -1 = there is none. */
  rolloverOf(sequence: number, ahead: number): number {
    const { sequence: highest, rollover } = this;
    if (highest === NONE) return rollover;
    if (ahead > 0) {
      if (sequence > highest) return rollover;
      return rollover + 1 < MODULUS_32 ? rollover + 1 : -1;
    }
    return sequence <= highest ? rollover : rollover - 1;
  }

  isReplay(sequence: number, ahead: number): boolean {
    return this.rtpWindow.isTaken(sequence, -ahead);
  }

  take(sequence: number, ahead: number): void {
    this.rtpWindow.take(sequence, ahead);
    this.advance(sequence, ahead);
  }

  /** Of a sender, which needs no window. */
  advance(sequence: number, ahead: number): void {
    if (ahead <= 0) return;
    this.rollover = this.rolloverOf(sequence, ahead);
    this.sequence = sequence;
  }

  isRtcpReplay(index: number): boolean {
    return this.rtcpIndex !== NONE && this.rtcpWindow.isTaken(index, this.rtcpIndex - index);
  }

  takeRtcp(index: number): void {
    this.rtcpWindow.take(index, index - this.rtcpIndex);
    if (index > this.rtcpIndex) this.rtcpIndex = index;
  }
}

/** The sources of one direction. */
export class SrtpSources {
  private readonly sources: SrtpSource[] = [];
  private last: SrtpSource | null = null;

  /** Hot path. */
  find(ssrc: number): SrtpSource | null {
    const { last, sources } = this;
    if (last !== null && last.ssrc === ssrc) return last;
    for (let i = 0; i < sources.length; i++) {
      const source = sources[i]!;
      if (source.ssrc === ssrc) {
        this.last = source;
        return source;
      }
    }
    return null;
  }

  get isFull(): boolean {
    return this.sources.length === MAX_SRTP_SOURCES;
  }

  add(source: SrtpSource): SrtpSource {
    if (this.isFull) throw new InvariantError(`more than ${MAX_SRTP_SOURCES} SRTP sources`);
    this.sources.push(source);
    this.last = source;
    return source;
  }
}
