/** What is kept of one SSRC of one direction: roll-over counter, highest sequence number, index of RTCP, replays. */
import { InvariantError } from '../../util/errors.ts';
import { ReplayWindow } from '../../util/replay-window.ts';
import { MODULUS_32 } from '../../util/serial-number.ts';

/** Sources of one direction; a peer with more is refused its further ones. */
export const MAX_SRTP_SOURCES = 64;

/** RFC 3711 section 3.3.2 asks for 64 at least; a key frame of a fast stream has several hundred packets. */
const REPLAY_WINDOW_PACKETS = 1024;

const HALF = 0x8000;
const NONE = -1;

export class SrtpSource {
  readonly ssrc: number;
  /** Of the packet with the highest sequence number. */
  rollover: number;
  /** -1 before the first packet. */
  sequence: number;
  /** Of the last packet of RTCP that was sent, 31 bit; -1 before the first. */
  rtcpIndex: number;
  /** Of a receiver: packet indices (48 bit) of RTP and those of RTCP. */
  readonly rtpWindow: ReplayWindow;
  readonly rtcpWindow: ReplayWindow;

  constructor(ssrc: number, rollover: number) {
    this.ssrc = ssrc;
    this.rollover = rollover;
    this.sequence = NONE;
    this.rtcpIndex = NONE;
    this.rtpWindow = new ReplayWindow(REPLAY_WINDOW_PACKETS);
    this.rtcpWindow = new ReplayWindow(REPLAY_WINDOW_PACKETS);
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

  /** A packet was sent, or found genuine. */
  advance(sequence: number, ahead: number): void {
    if (ahead <= 0) return;
    this.rollover = this.rolloverOf(sequence, ahead);
    this.sequence = sequence;
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
