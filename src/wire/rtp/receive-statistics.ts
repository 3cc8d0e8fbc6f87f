/**
 * What a receiver tells its sender about one source: RFC 3550 appendix A.1 (extended sequence numbers), A.3 (loss),
 * A.8 (interarrival jitter), section 6.4.1 (report block). Times are injected.
 */
import { MODULUS_16, MODULUS_32, serialDifference } from '../../util/serial-number.ts';
import { MAX_SEQUENCE_STEP } from './reorder-buffer.ts';
import type { ReportBlock, SenderReport } from './rtcp.ts';

const MAX_LOST = 0x7f_ffff;
/** Seconds after which a sender report says nothing about the way any more. */
const MAX_DELAY_UNITS = 0xffff_ffff;

export class ReceiveStatistics {
  readonly clockRate: number;
  ssrc: number;
  packets: number;
  bytes: number;
  private started: boolean;
  /** Packets of this source since it began (again); `packets` counts all. */
  private received: number;
  private firstSequence: number;
  /** With its wraps. */
  private highest: number;
  private transit: number;
  private jitterTicks: number;
  private expectedBefore: number;
  private receivedBefore: number;
  private lostBefore: number;
  private lastSr: number;
  private lastSrUs: number;

  constructor(clockRate: number) {
    this.clockRate = clockRate;
    this.ssrc = 0;
    this.packets = 0;
    this.bytes = 0;
    this.started = false;
    this.received = 0;
    this.firstSequence = 0;
    this.highest = 0;
    this.transit = 0;
    this.jitterTicks = 0;
    this.expectedBefore = 0;
    this.receivedBefore = 0;
    this.lostBefore = 0;
    this.lastSr = 0;
    this.lastSrUs = 0;
  }

  /** Hot path; packets in order of arrival. `timestamp` is that of RTP. */
  onPacket(ssrc: number, sequence: number, timestamp: number, bytes: number, nowUs: number): void {
    this.packets++;
    this.bytes += bytes;
    const ahead = serialDifference(sequence, this.highest % MODULUS_16, MODULUS_16);
    if (!this.started || ssrc !== this.ssrc || ahead > MAX_SEQUENCE_STEP || ahead < -MAX_SEQUENCE_STEP) {
      this.restart(ssrc, sequence);
    } else if (ahead > 0) this.highest += ahead;
    this.received++;
    const arrival = Math.floor((nowUs * this.clockRate) / 1_000_000);
    const transit = (((arrival % MODULUS_32) - timestamp) % MODULUS_32) + MODULUS_32;
    const before = this.transit;
    this.transit = transit;
    if (this.received === 1) return;
    const difference = Math.abs(serialDifference(transit % MODULUS_32, before % MODULUS_32, MODULUS_32));
    this.jitterTicks += (difference - this.jitterTicks) / 16;
  }

  private restart(ssrc: number, sequence: number): void {
    this.lostBefore = this.lost;
    this.started = true;
    this.ssrc = ssrc;
    this.received = 0;
    this.firstSequence = sequence;
    this.highest = sequence;
    this.expectedBefore = 0;
    this.receivedBefore = 0;
    this.jitterTicks = 0;
  }

  onSenderReport(report: SenderReport, nowUs: number): void {
    this.lastSr = (((report.ntpSeconds & 0xffff) << 16) | (report.ntpFraction >>> 16)) >>> 0;
    this.lastSrUs = nowUs;
  }

  /** Of all sources there were here. */
  get lost(): number {
    return this.started ? this.lostBefore + this.expected - this.received : 0;
  }

  get jitterUs(): number {
    return this.clockRate === 0 ? 0 : Math.round((this.jitterTicks * 1_000_000) / this.clockRate);
  }

  private get expected(): number {
    return this.highest - this.firstSequence + 1;
  }

  /** The block for the next report; null while nothing came. Begins a new interval. */
  report(nowUs: number): ReportBlock | null {
    if (!this.started) return null;
    const expected = this.expected - this.expectedBefore;
    const lost = expected - (this.received - this.receivedBefore);
    this.expectedBefore = this.expected;
    this.receivedBefore = this.received;
    const fraction = expected <= 0 || lost <= 0 ? 0 : Math.min(255, Math.floor((lost * 256) / expected));
    const total = this.expected - this.received;
    const delay = this.lastSr === 0 ? 0 : Math.round(((nowUs - this.lastSrUs) * 65_536) / 1_000_000);
    return {
      ssrc: this.ssrc,
      fractionLost: fraction,
      lost: Math.max(-MAX_LOST - 1, Math.min(MAX_LOST, total)),
      highestSequence: this.highest % MODULUS_32,
      jitter: Math.floor(this.jitterTicks),
      lastSr: this.lastSr,
      delaySinceLastSr: Math.min(MAX_DELAY_UNITS, delay),
    };
  }
}
