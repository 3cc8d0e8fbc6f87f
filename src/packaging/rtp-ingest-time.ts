/**
 * RTP times of one track to the common clock of its source, in microseconds.
 *
 * Rule: a track begins where its first packet arrived. Once a sender report told the track's wall clock (RFC 3550
 * section 6.4.1), RtpSynchronizer puts the track where the others say that it belongs: the first time at once, by the
 * smallest step that takes no track back; after that in small steps (0.5 % of the time that passes), except that two
 * reports in a row which say that it is far off are believed at once. Reports that make no sense change nothing.
 */
import { MODULUS_32, SerialUnwrapper, serialDifference } from '../util/serial-number.ts';
import { ntpToUs, wallUsOfNtp } from '../wire/rtp/ntp-time.ts';
import type { SenderReport } from '../wire/rtp/rtcp.ts';

/** A step of the RTP time that differs more from the time that passed is a restart of the source. */
const JUMP_US = 3_000_000;
/** What separates the frames on both sides of a jump, at least and at most. */
const MIN_JUMP_STEP_US = 1000;
const MAX_JUMP_STEP_US = 10_000_000;
/** A report whose RTP time is further from the packets around it is garbage. */
const MAX_REPORT_ERROR_US = 10_000_000;
/** A sender whose clock is further from ours never set it. */
const MAX_WALL_ERROR_US = 10_000_000;
/** Steps that slewing makes are one part in this many of the time that passes. */
const SLEW_SHARE = 200;

/** Rates that senders use in spite of what they announce. */
const AUDIO_RATES: readonly number[] = [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 90_000];
const VIDEO_RATES: readonly number[] = [90_000];
const RATE_WINDOW_US = 5_000_000;
const MAX_RATE_DEVIATION = 0.03;
/** A measured rate that is nearer to the announced one is the announced one. */
const MIN_RATE_DIFFERENCE = 0.06;

export class RtpTrackTime {
  /** Common clock minus this track's own; NaN before the first packet. */
  offsetUs: number;
  /** Where `offsetUs` slowly goes. */
  targetUs: number;
  /** Wall clock of the source minus this track's own; NaN = not told. */
  wallUs: number;
  /** The source's wall clock is set: its times may be shown to people. */
  isWallSet: boolean;
  /** The frame just mapped does not follow the one before it; read it right after `map`. */
  jumped: boolean;
  /** Of all that came, what made no sense. */
  badReports: number;
  jumps: number;
  /** Hz, as measured; the announced one until it is found wrong. */
  clockRate: number;
  /** `offsetUs` was made of wall clocks. */
  isSynced: boolean;
  /** Reports in a row that put the track elsewhere. */
  disagreements: number;
  private readonly rates: readonly number[];
  private readonly unwrapper: SerialUnwrapper;
  private lastTicks: number;
  private lastUs: number;
  private lastArrivalUs: number;
  /** Track time = baseUs + (ticks - baseTicks) in microseconds. */
  private baseTicks: number;
  private baseUs: number;
  private mustJump: boolean;
  private pending: SenderReport | null;
  private pendingNowUs: number;
  private windowTicks: number;
  private windowUs: number;
  private likelyRate: number;

  constructor(clockRate: number, isVideo: boolean) {
    this.offsetUs = Number.NaN;
    this.targetUs = Number.NaN;
    this.wallUs = Number.NaN;
    this.isWallSet = false;
    this.jumped = false;
    this.badReports = 0;
    this.jumps = 0;
    this.clockRate = clockRate;
    this.isSynced = false;
    this.disagreements = 0;
    this.rates = isVideo ? VIDEO_RATES : AUDIO_RATES;
    this.unwrapper = new SerialUnwrapper(MODULUS_32);
    this.lastTicks = Number.NaN;
    this.lastUs = 0;
    this.lastArrivalUs = 0;
    this.baseTicks = 0;
    this.baseUs = 0;
    this.mustJump = false;
    this.pending = null;
    this.pendingNowUs = 0;
    this.windowTicks = 0;
    this.windowUs = Number.NaN;
    this.likelyRate = 0;
  }

  get hasStarted(): boolean {
    return !Number.isNaN(this.lastTicks);
  }

  /** The source begins anew: the next RTP time has nothing to do with those before it. */
  restart(): void {
    this.mustJump = this.hasStarted;
  }

  /** Hot path. Track time of a frame; `offsetUs` moves towards its target meanwhile. */
  map(timestamp: number, nowUs: number): number {
    this.jumped = false;
    const ticks = this.unwrapper.unwrap(timestamp);
    if (!this.hasStarted) this.begin(ticks, nowUs);
    const step = ((ticks - this.lastTicks) * 1_000_000) / this.clockRate;
    const passed = nowUs - this.lastArrivalUs;
    if (this.mustJump || step < -JUMP_US || step > passed + JUMP_US) this.jump(ticks, passed, nowUs);
    else this.measureRate(ticks, nowUs);
    const us = this.at(ticks);
    this.slew(us - this.lastUs);
    this.lastTicks = ticks;
    this.lastUs = us;
    this.lastArrivalUs = nowUs;
    return us;
  }

  private begin(ticks: number, nowUs: number): void {
    this.lastTicks = ticks;
    this.lastArrivalUs = nowUs;
    this.baseTicks = ticks;
    this.windowTicks = ticks;
    this.windowUs = nowUs;
  }

  private at(ticks: number): number {
    return this.baseUs + ((ticks - this.baseTicks) * 1_000_000) / this.clockRate;
  }

  private jump(ticks: number, passedUs: number, nowUs: number): void {
    this.baseTicks = ticks;
    this.baseUs = this.lastUs + Math.min(MAX_JUMP_STEP_US, Math.max(MIN_JUMP_STEP_US, passedUs));
    this.mustJump = false;
    this.jumped = true;
    this.jumps++;
    // What reports told was of the clock before.
    this.wallUs = Number.NaN;
    this.isSynced = false;
    this.targetUs = this.offsetUs;
    this.disagreements = 0;
    this.windowTicks = ticks;
    this.windowUs = nowUs;
    this.likelyRate = 0;
  }

  private slew(stepUs: number): void {
    const left = this.targetUs - this.offsetUs;
    if (!(stepUs > 0) || left === 0) return;
    const most = stepUs / SLEW_SHARE;
    this.offsetUs = Math.abs(left) <= most ? this.targetUs : this.offsetUs + Math.sign(left) * most;
  }

  /** Two windows in a row that measure the same other rate are believed. A burst at the start fills one only. */
  private measureRate(ticks: number, nowUs: number): void {
    const passed = nowUs - this.windowUs;
    if (passed < RATE_WINDOW_US) return;
    const measured = ((ticks - this.windowTicks) * 1_000_000) / passed;
    this.windowTicks = ticks;
    this.windowUs = nowUs;
    const rate = this.knownRate(measured);
    const before = this.likelyRate;
    this.likelyRate = rate;
    if (rate === 0 || rate !== before) return;
    this.likelyRate = 0;
    // The new rate holds from the frame before this one on.
    this.baseUs = this.lastUs;
    this.baseTicks = this.lastTicks;
    this.clockRate = rate;
    this.wallUs = Number.NaN;
  }

  /** The rate that is meant by a measured one; 0 = the present one, or none that is known. */
  private knownRate(measured: number): number {
    if (Math.abs(measured / this.clockRate - 1) < MIN_RATE_DIFFERENCE) return 0;
    let found = 0;
    for (const rate of this.rates) {
      if (Math.abs(measured / rate - 1) < Math.abs(measured / found - 1)) found = rate;
    }
    return Math.abs(measured / found - 1) <= MAX_RATE_DEVIATION && found !== this.clockRate ? found : 0;
  }

  /** True when the report told where the track is. One that comes before the first packet waits for it. */
  onReport(report: SenderReport, nowUs: number, nearWallUs: number): boolean {
    // A sender without a wall clock says 0 (RFC 3550 section 6.4.1).
    if (report.ntpSeconds === 0 && report.ntpFraction === 0) {
      this.badReports++;
      return false;
    }
    if (!this.hasStarted) {
      this.pending = report;
      this.pendingNowUs = nowUs;
      return false;
    }
    return this.take(report, nowUs, nearWallUs);
  }

  /** After the first `map`: the report that came before it. True when it told where the track is. */
  takePending(nearWallUs: number): boolean {
    const { pending } = this;
    if (pending === null) return false;
    this.pending = null;
    return this.take(pending, this.pendingNowUs, nearWallUs);
  }

  private take(report: SenderReport, nowUs: number, nearWallUs: number): boolean {
    const ahead = serialDifference(
      report.rtpTime,
      ((this.lastTicks % MODULUS_32) + MODULUS_32) % MODULUS_32,
      MODULUS_32,
    );
    const us = this.at(this.lastTicks + ahead);
    const expected = this.lastUs + nowUs - this.lastArrivalUs;
    if (Math.abs(us - expected) > MAX_REPORT_ERROR_US) {
      this.badReports++;
      return false;
    }
    const wall = wallUsOfNtp(ntpToUs(report.ntpSeconds, report.ntpFraction), nearWallUs);
    this.wallUs = wall - us;
    this.isWallSet = Math.abs(wall - nearWallUs) <= MAX_WALL_ERROR_US;
    return true;
  }

  /** Wall clock of capture for a track time; NaN when it is not known. */
  captureOf(us: number): number {
    return this.isWallSet ? us + this.wallUs : Number.NaN;
  }
}

/** Reports further apart belong to clocks that have nothing to do with each other. */
const MAX_SYNC_US = 10_000_000;
/** What is further off than this is not slewed. */
const STEP_US = 250_000;
const STEP_AFTER_REPORTS = 2;
/** Time of the first frame, so that decode times before it stay positive. */
const START_US = 1_000_000;

/** Puts the tracks of one source on one clock. */
export class RtpSynchronizer {
  private readonly tracks: readonly RtpTrackTime[];
  private reference: RtpTrackTime | null;
  private firstArrivalUs: number;

  constructor(tracks: readonly RtpTrackTime[]) {
    this.tracks = tracks;
    this.reference = null;
    this.firstArrivalUs = Number.NaN;
  }

  /** The first frame of a track was mapped to `us`. */
  begin(track: RtpTrackTime, us: number, nowUs: number, nearWallUs: number): void {
    if (Number.isNaN(this.firstArrivalUs)) this.firstArrivalUs = nowUs;
    track.offsetUs = START_US + nowUs - this.firstArrivalUs - us;
    track.targetUs = track.offsetUs;
    if (!track.takePending(nearWallUs)) return;
    const belongs = this.belongsAt(track);
    if (!Number.isNaN(belongs) && Math.abs(belongs - track.offsetUs) <= MAX_SYNC_US) {
      // Nothing of it went out, so nothing jumps.
      track.offsetUs = belongs;
      track.targetUs = belongs;
      track.isSynced = true;
    }
  }

  /** A report told where this track is. */
  update(track: RtpTrackTime): void {
    const belongs = this.belongsAt(track);
    if (Number.isNaN(belongs)) return;
    const off = belongs - track.offsetUs;
    if (Math.abs(off) > MAX_SYNC_US) return;
    if (track.isSynced && Math.abs(off) > STEP_US) {
      if (++track.disagreements < STEP_AFTER_REPORTS) return;
      this.step(track, off);
    } else if (!track.isSynced) {
      track.isSynced = true;
      this.step(track, off);
    }
    track.disagreements = 0;
    track.targetUs = this.belongsAt(track);
  }

  /** Tracks that would go back make the others go forward instead. */
  private step(track: RtpTrackTime, off: number): void {
    const forward = Math.max(0, -off);
    for (const other of this.tracks) {
      if (!other.hasStarted || forward === 0) continue;
      other.offsetUs += forward;
      other.targetUs += forward;
    }
    track.offsetUs += off;
    track.targetUs = track.offsetUs;
  }

  /** Offset of a track by the wall clocks of it and of the reference; NaN while they are not known. */
  private belongsAt(track: RtpTrackTime): number {
    if (this.reference === null || Number.isNaN(this.reference.wallUs)) {
      this.reference = this.tracks.find((one) => one.hasStarted && !Number.isNaN(one.wallUs)) ?? null;
      if (this.reference !== null) this.reference.isSynced = true;
    }
    const { reference } = this;
    return reference === null ? Number.NaN : track.wallUs - reference.wallUs + reference.offsetUs;
  }
}
