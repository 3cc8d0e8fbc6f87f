/**
 * From a publisher's clock to the stream's: integer microseconds, never going back within a track, going on over a
 * republish. One Timeline lives as long as the stream; `begin` is called for each publisher.
 *
 * Modes: `full` repairs jumps (a track whose own clock leaps by more than a second against the time that really
 * passed, or backwards, is re-anchored by arrival and marks a discontinuity) and re-spaces audio whose times were
 * rounded to milliseconds; `zero` only moves the start to 0; `off` keeps the publisher's own differences. With
 * `absolute` (ATC) the publisher's own start is kept as well, so that two servers that get the same feed stamp it alike.
 *
 * Tracks of one publisher share a clock, but one may be delivered seconds ahead of another. So a jump is looked for
 * within a track; the first track that jumps gets a new offset, and the others take it over when they get there too.
 */

export type JitterMode = 'full' | 'zero' | 'off';

const WRAP_US = 0x1_0000_0000 * 1000;
const HALF_WRAP_US = WRAP_US / 2;
const JUMP_US = 1_000_000;
/** What separates the last frame of one publisher from the first of the next, at least. */
const REPUBLISH_STEP_US = 40_000;
/** How far apart a publisher may deliver what belongs together; what is further off has another clock. */
const MAX_LEAD_US = 10_000_000;
const MAX_TRACKS = 64;

/** What is kept of a track lies in one line of memory; the places of its numbers there. */
const FIELDS = 8;
/** 1 = it has sent something since the stream began. */
const STARTED = 0;
/** Latest stream time given out. */
const LAST = 1;
/** Which offset it has; 0 = it has sent nothing since the publisher began. */
const EPOCH = 2;
const OFFSET = 3;
/** Of the latest frame: publisher's time, unwrapped, and arrival. */
const RAW = 4;
const ARRIVAL = 5;
/** Where the next sound belongs; below 0 = not known. */
const EXPECTED = 6;

export class Timeline {
  private readonly mode: JitterMode;
  private readonly absolute: boolean;
  /** Added to the unwrapped publisher time, since the latest jump of any track. */
  private offsetUs = 0;
  /** Counts the offsets there were; 0 is none. */
  private epoch = 0;
  private anchored = false;
  /** Of the latest frame with the present offset: publisher's time, unwrapped, and arrival. */
  private lastRawUs = 0;
  private lastRawArrivalUs = 0;
  /** By how much the present offset moved its first track against the time of arrival. */
  private shiftUs = 0;
  private lastArrivalUs = 0;
  /** Latest stream time given out, over all tracks. */
  lastUs = 0;
  private started = false;
  /** The publisher that begins sends what the one before it sent, so a short gap is no jump. */
  private continues = false;
  private readonly tracks = new Float64Array(MAX_TRACKS * FIELDS);
  /** Set by `map` when the frame just mapped follows a jump; read it right after. */
  jumped = false;

  constructor(mode: JitterMode, absolute: boolean) {
    this.mode = mode;
    this.absolute = absolute;
  }

  /**
   * A publisher begins (for the first time, or again). `continues`: it takes over with the same tracks, so that players
   * need not be told unless there is a gap.
   */
  begin(continues = false): void {
    this.continues = continues;
    this.anchored = false;
    for (let track = 0; track < this.tracks.length; track += FIELDS) {
      this.tracks[track + EPOCH] = 0;
      this.tracks[track + EXPECTED] = -1;
    }
  }

  /**
   * Hot path. Stream time of a frame. `rawMs` is the publisher's 32-bit millisecond clock (fractions allowed),
   * `audioDurationUs` the frame's exact duration for audio that may be re-spaced, else 0.
   */
  map(trackId: number, rawMs: number, arrivalUs: number, audioDurationUs: number): number {
    const track = (trackId % MAX_TRACKS) * FIELDS;
    const { tracks } = this;
    const rawUs = this.unwrap(track, rawMs * 1000);
    this.jumped = false;
    if (!this.anchored) this.anchor(track, rawUs, arrivalUs);
    else if (tracks[track + EPOCH] === 0) this.admit(track, rawUs, arrivalUs);
    else if (this.mode === 'full') this.follow(track, rawUs, arrivalUs);
    // Audio that is a little older than the first video frame belongs to its start.
    let us = Math.max(0, Math.round(rawUs + tracks[track + OFFSET]!));
    if (audioDurationUs > 0 && this.mode === 'full') us = this.respace(track, us, audioDurationUs);
    if (tracks[track + STARTED] === 1 && us < tracks[track + LAST]!) us = tracks[track + LAST]!;
    tracks[track + STARTED] = 1;
    tracks[track + LAST] = us;
    if (!this.started || us > this.lastUs) this.lastUs = us;
    this.started = true;
    tracks[track + RAW] = rawUs;
    tracks[track + ARRIVAL] = arrivalUs;
    this.lastArrivalUs = arrivalUs;
    if (tracks[track + EPOCH] === this.epoch) {
      this.lastRawUs = rawUs;
      this.lastRawArrivalUs = arrivalUs;
    }
    return us;
  }

  /** 32-bit clock to a steady one: the turn nearest to the previous value is meant, which may be one before a wrap. */
  private unwrap(track: number, rawUs: number): number {
    if (!this.anchored) return rawUs;
    const { tracks } = this;
    const nearUs = tracks[track + EPOCH] === 0 ? this.lastRawUs : tracks[track + RAW]!;
    const behindUs = nearUs - rawUs;
    return behindUs < HALF_WRAP_US ? rawUs : rawUs + WRAP_US * Math.round(behindUs / WRAP_US);
  }

  /** The first frame of a publisher. */
  private anchor(track: number, rawUs: number, arrivalUs: number): void {
    this.anchored = true;
    if (this.started) {
      const passedUs = Math.max(arrivalUs - this.lastArrivalUs, REPUBLISH_STEP_US);
      this.offsetUs = this.lastUs + passedUs - rawUs;
      this.jumped = !this.continues || passedUs > JUMP_US;
    } else {
      this.offsetUs = this.absolute || this.mode === 'off' ? 0 : -rawUs;
    }
    this.epoch++;
    this.shiftUs = 0;
    this.join(track);
  }

  /** The first frame of a track. */
  private admit(track: number, rawUs: number, arrivalUs: number): void {
    if (this.mode === 'full' && !this.isNear(rawUs, arrivalUs)) this.reanchor(track, rawUs, arrivalUs);
    else {
      const earlyUs = -(rawUs + this.offsetUs);
      if (this.mode === 'full' && earlyUs > JUMP_US) this.delay(earlyUs);
      this.join(track);
    }
  }

  /** The start of the stream was that of a track far ahead of another: what is behind begins at 0 instead. */
  private delay(us: number): void {
    this.offsetUs += us;
    for (let track = 0; track < this.tracks.length; track += FIELDS) {
      this.tracks[track + OFFSET]! += us;
      this.tracks[track + EXPECTED] = -1;
    }
  }

  private follow(track: number, rawUs: number, arrivalUs: number): void {
    const isBehind = this.tracks[track + EPOCH] !== this.epoch;
    const step = rawUs - this.tracks[track + RAW]!;
    if (isOff(step, arrivalUs - this.tracks[track + ARRIVAL]!, JUMP_US)) {
      if (isBehind && this.isNear(rawUs, arrivalUs)) this.join(track);
      else this.reanchor(track, rawUs, arrivalUs);
    } else if (isBehind && this.fitsBetter(track, rawUs, arrivalUs)) this.join(track);
  }

  /** Whether it can be of the clock that the present offset is for. */
  private isNear(rawUs: number, arrivalUs: number): boolean {
    return !isOff(rawUs - this.lastRawUs, arrivalUs - this.lastRawArrivalUs, MAX_LEAD_US);
  }

  /** Another track jumped by little more than a jump, this one by little less: the present offset is meant. */
  private fitsBetter(track: number, rawUs: number, arrivalUs: number): boolean {
    const expectedUs = arrivalUs + this.tracks[track + LAST]! - this.tracks[track + ARRIVAL]!;
    const own = Math.abs(rawUs + this.tracks[track + OFFSET]! - expectedUs);
    return Math.abs(rawUs + this.offsetUs - expectedUs - this.shiftUs) < own;
  }

  private reanchor(track: number, rawUs: number, arrivalUs: number): void {
    const passedUs = Math.min(Math.max(arrivalUs - this.lastArrivalUs, REPUBLISH_STEP_US), JUMP_US);
    const us = this.lastUs + passedUs;
    const isFirst = this.tracks[track + EPOCH] === 0;
    const expectedUs = arrivalUs + this.tracks[track + LAST]! - this.tracks[track + ARRIVAL]!;
    this.shiftUs = isFirst ? 0 : us - expectedUs;
    this.offsetUs = us - rawUs;
    this.epoch++;
    this.jumped = true;
    this.join(track);
  }

  /** The track has the present offset from now on. */
  private join(track: number): void {
    this.tracks[track + EPOCH] = this.epoch;
    this.tracks[track + OFFSET] = this.offsetUs;
    this.tracks[track + EXPECTED] = -1;
  }

  /** Audio stamped in whole milliseconds gets its exact spacing back while it stays near what was stamped. */
  private respace(track: number, us: number, durationUs: number): number {
    const expected = this.tracks[track + EXPECTED]!;
    const near = expected >= 0 && Math.abs(expected - us) < durationUs / 2;
    const spaced = near ? expected : us;
    this.tracks[track + EXPECTED] = spaced + durationUs;
    return Math.round(spaced);
  }
}

/** A clock that went `step` while `passed` went by, microseconds: backwards, or forwards by too much. */
function isOff(step: number, passed: number, bound: number): boolean {
  return step < -bound || (step > bound && step - passed > bound);
}
