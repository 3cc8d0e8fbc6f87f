/**
 * When the next packet may leave (draft-sharabayko-srt-01 section 5.1.1): a limit set, or the input rate and some
 * overhead for repairs, or in effect none. Timers are coarse: what was missed by some milliseconds is caught up.
 */
import { SRT_PACKET_OVERHEAD } from '../wire/srt/srt-packet.ts';
import type { SrtSettings } from './settings.ts';

/** 1 Gbit/s, what "no limit" means for libsrt; keeps a report of many losses from flooding the socket. */
const UNLIMITED = 125_000_000;
const CATCH_UP_US = 10_000;
const MEASURE_US = 1_000_000;
/** The least that a measured input counts, bytes a second: pauses are no reason to crawl. */
const MIN_INPUT = 125_000;

export class SendPace {
  private readonly settings: SrtSettings;
  /** Bytes a second. */
  limit: number;
  private dueUs: number;
  private measuredFromUs: number;
  private measuredBytes: number;

  constructor(settings: SrtSettings, nowUs: number) {
    this.settings = settings;
    this.limit = UNLIMITED;
    this.dueUs = nowUs;
    this.measuredFromUs = nowUs;
    this.measuredBytes = 0;
    if (settings.maxBandwidth > 0) this.limit = settings.maxBandwidth;
    else if (settings.maxBandwidth === 0 && settings.inputBandwidth > 0)
      this.limit = this.withOverhead(settings.inputBandwidth);
  }

  /** Counts what the application sends, for the measured limit. */
  addInput(bytes: number, nowUs: number): void {
    if (this.settings.maxBandwidth !== 0 || this.settings.inputBandwidth > 0) return;
    this.measuredBytes += bytes + SRT_PACKET_OVERHEAD;
    const elapsed = nowUs - this.measuredFromUs;
    if (elapsed < MEASURE_US) return;
    this.limit = this.withOverhead(Math.max(MIN_INPUT, (this.measuredBytes * 1e6) / elapsed));
    this.measuredFromUs = nowUs;
    this.measuredBytes = 0;
  }

  get nextUs(): number {
    return this.dueUs;
  }

  /** A packet with so much payload leaves. */
  sent(bytes: number, nowUs: number): void {
    this.dueUs = Math.max(this.dueUs, nowUs - CATCH_UP_US) + this.periodUs(bytes);
  }

  periodUs(bytes: number): number {
    return ((bytes + SRT_PACKET_OVERHEAD) * 1e6) / this.limit;
  }

  private withOverhead(rate: number): number {
    return rate * (1 + this.settings.overheadPercent / 100);
  }
}
