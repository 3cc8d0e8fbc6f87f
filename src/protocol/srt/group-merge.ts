/**
 * One stream that comes over several connections of a socket group (bonding): all of them number their packets alike, so
 * each number is let through once and in order. What one connection lost the others may still bring: a gap is waited for
 * while more than one connection is there, within bounds.
 */
import { MODULUS_31, serialDifference } from '../../util/serial-number.ts';

const MAX_HELD = 1024;
const MAX_WAIT_US = 200_000;

export class GroupMerge {
  /** Connections that are there. */
  links = 0;
  /** Numbers that no connection brought. */
  lost = 0;
  /** Packets that had come by another connection. */
  repeated = 0;
  private readonly onPayload: (payload: Uint8Array) => void;
  private readonly held = new Map<number, Uint8Array>();
  private next = -1;
  private gapSinceUs = 0;

  constructor(onPayload: (payload: Uint8Array) => void) {
    this.onPayload = onPayload;
  }

  /** Hot path. */
  push(payload: Uint8Array, sequence: number, nowUs: number): void {
    if (this.next < 0) this.next = sequence;
    const ahead = serialDifference(sequence, this.next, MODULUS_31);
    if (ahead < 0 || (ahead > 0 && this.held.has(sequence))) {
      this.repeated++;
      return;
    }
    if (ahead === 0) {
      this.hand(payload);
      this.drain(nowUs);
      return;
    }
    if (this.held.size === 0) this.gapSinceUs = nowUs;
    this.held.set(sequence, payload);
    while (this.held.size > 0 && this.isOver(nowUs)) this.skipGap(nowUs);
  }

  private isOver(nowUs: number): boolean {
    return this.links < 2 || this.held.size > MAX_HELD || nowUs - this.gapSinceUs > MAX_WAIT_US;
  }

  /** A connection is gone: what it alone could have brought is not waited for. */
  left(nowUs: number): void {
    this.links--;
    while (this.held.size > 0 && this.links < 2) this.skipGap(nowUs);
  }

  private hand(payload: Uint8Array): void {
    this.next = (this.next + 1) % MODULUS_31;
    this.onPayload(payload);
  }

  private drain(nowUs: number): void {
    for (;;) {
      const payload = this.held.get(this.next);
      if (payload === undefined) break;
      this.held.delete(this.next);
      this.hand(payload);
    }
    this.gapSinceUs = nowUs;
  }

  private skipGap(nowUs: number): void {
    let nearest = Number.POSITIVE_INFINITY;
    for (const sequence of this.held.keys())
      nearest = Math.min(nearest, serialDifference(sequence, this.next, MODULUS_31));
    this.lost += nearest;
    this.next = (this.next + nearest) % MODULUS_31;
    this.drain(nowUs);
  }
}
