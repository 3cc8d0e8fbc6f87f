/** Random numbers of sources (RFC 3550 section 8.1). */
import { randomBytes } from 'node:crypto';

/** Of one connection: neither 0 nor given twice nor one that the peer has. */
export class SsrcSource {
  private readonly taken: Set<number>;

  constructor(taken: Iterable<number> = []) {
    this.taken = new Set(taken);
  }

  next(): number {
    let ssrc: number;
    do ssrc = randomBytes(4).readUInt32BE(0);
    while (ssrc === 0 || this.taken.has(ssrc));
    this.taken.add(ssrc);
    return ssrc;
  }
}
