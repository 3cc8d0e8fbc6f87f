/**
 * Which packet of a session it is, as ciphers take it: SSRC and packet index (RFC 3711 sections 3.2.1 and 3.4). One
 * object for all packets of a direction: it is filled in for each.
 */
import { MODULUS_31 } from '../../util/serial-number.ts';

export class PacketIndex {
  ssrc: number;
  /** The index is `high` x 2^16 + `low`. */
  high: number;
  low: number;
  /** What is authenticated with the packet: roll-over counter of RTP, E flag and index of RTCP (32 bit). */
  word: number;
  /** False for RTCP without E flag. */
  isEncrypted: boolean;

  constructor() {
    this.ssrc = 0;
    this.high = 0;
    this.low = 0;
    this.word = 0;
    this.isEncrypted = true;
  }

  setRtp(ssrc: number, rollover: number, sequence: number): this {
    this.ssrc = ssrc;
    this.high = rollover;
    this.low = sequence;
    this.word = rollover;
    this.isEncrypted = true;
    return this;
  }

  /** `word`: E flag and 31 bits of index. */
  setRtcp(ssrc: number, word: number): this {
    this.ssrc = ssrc;
    this.high = (word >>> 16) & 0x7fff;
    this.low = word & 0xffff;
    this.word = word;
    this.isEncrypted = word >= MODULUS_31;
    return this;
  }
}
