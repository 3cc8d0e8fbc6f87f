/**
 * Which packets of one source are missing and when to ask for them again (RFC 4585 section 6.2.1). A gap is asked for at
 * once, again after a round trip, and given up after a few times.
 */
import { MODULUS_16, serialDifference } from '../../util/serial-number.ts';

/** A larger gap is a new beginning, or a loss that only a key frame mends. */
const MAX_GAP = 500;
const MAX_MISSING = 512;
const MAX_ASKS = 8;
const FIRST_ROUND_TRIP_US = 60_000;
const MIN_RETRY_US = 20_000;
/** A packet that comes later than this is too late for any player. */
const GIVE_UP_US = 1_000_000;

class Missing {
  readonly sequence: number;
  readonly sinceUs: number;
  askedUs = Number.NEGATIVE_INFINITY;
  asks = 0;

  constructor(sequence: number, sinceUs: number) {
    this.sequence = sequence;
    this.sinceUs = sinceUs;
  }
}

export class MissingPackets {
  /** Packets that were given up. */
  lost = 0;
  /** Packets that came after they were asked for. */
  recovered = 0;
  private missing: Missing[] = [];
  private highest = -1;
  /** Time from asking to getting, smoothed. */
  private roundTripUs = FIRST_ROUND_TRIP_US;

  /** True when the source began anew, or lost so much that pictures need a key frame. */
  onPacket(sequence: number, nowUs: number): boolean {
    if (this.highest < 0) {
      this.highest = sequence;
      return false;
    }
    const ahead = serialDifference(sequence, this.highest, MODULUS_16);
    if (ahead > MAX_GAP || ahead < -MAX_GAP) {
      this.lost += this.missing.length;
      this.missing = [];
      this.highest = sequence;
      return true;
    }
    if (ahead <= 0) {
      this.found(sequence, nowUs);
      return false;
    }
    for (let step = 1; step < ahead; step++)
      this.missing.push(new Missing((this.highest + step) & 0xffff, nowUs));
    this.highest = sequence;
    const over = this.missing.length - MAX_MISSING;
    if (over <= 0) return false;
    this.missing.splice(0, over);
    this.lost += over;
    return true;
  }

  private found(sequence: number, nowUs: number): void {
    const at = this.missing.findIndex((one) => one.sequence === sequence);
    if (at < 0) return;
    const { asks, askedUs } = this.missing[at]!;
    if (asks > 0) this.recovered++;
    if (asks === 1) this.roundTripUs += (nowUs - askedUs - this.roundTripUs) / 8;
    this.missing.splice(at, 1);
  }

  /** Sequence numbers to ask for now; null when there are none. */
  due(nowUs: number): number[] | null {
    if (this.missing.length === 0) return null;
    const retryUs = Math.max(MIN_RETRY_US, this.roundTripUs * 1.25);
    const wanted: number[] = [];
    const kept: Missing[] = [];
    for (const one of this.missing) {
      const isOver =
        nowUs - one.sinceUs > GIVE_UP_US || (one.asks >= MAX_ASKS && nowUs - one.askedUs > retryUs);
      if (isOver) {
        this.lost++;
        continue;
      }
      kept.push(one);
      if (nowUs - one.askedUs < retryUs || one.asks >= MAX_ASKS) continue;
      one.askedUs = nowUs;
      one.asks++;
      wanted.push(one.sequence);
    }
    this.missing = kept;
    return wanted.length === 0 ? null : wanted;
  }
}
