/**
 * Decides where a stream is cut into segments; used for HLS and recording. It sees every frame of the carried tracks
 * before it is written and knows nothing of containers.
 *
 * The leading track is the video, or the audio when there is none. A cut is made at the first key frame at or after
 * the target duration, on an audio frame when audio leads, and at the hard limit when no key frame comes. A change of
 * config and a jump of the timeline cut at once and mark a discontinuity.
 */
import { FRAME_CONFIG, FRAME_DISCONTINUITY, FRAME_KEY, type Frame } from '../media/frame.ts';

/** The frame is not to be written: the stream has not begun yet. */
export const SKIP = 0;
export const CONTINUE = 1;
/** A new segment begins with this frame. */
export const CUT = 2;
/** A new segment begins with this frame, and it does not go on from the one before. */
export const CUT_DISCONTINUITY = 3;

/** Longest segment in target durations. */
export const HARD_LIMIT = 3;
/** A key frame this little too early (one 40th of the target) is taken: its time may be rounded. */
const EARLY_SHARE = 40;

export class Segmenter {
  /** Wanted length of a segment, microseconds; a change holds from the open segment on. */
  targetUs: number;
  /** No segment is longer, key frame or not; nor is the wait for the first key frame. */
  private readonly limitUs: number;
  /** -1 = nothing to lead. */
  private leaderId: number;
  private leaderIsVideo: boolean;
  /** A segment is open. */
  private isOpen: boolean;
  /** The open segment has a frame of the leading track. */
  private hasLead: boolean;
  /** The next segment does not go on from the one before. */
  private isBroken: boolean;
  private startDts: number;
  /** Decode time of the first frame that was skipped while waiting for a key frame; NaN = none. */
  private waitingSinceDts: number;

  constructor(targetUs: number, limitUs: number = targetUs * HARD_LIMIT) {
    this.targetUs = targetUs;
    this.limitUs = limitUs;
    this.leaderId = -1;
    this.leaderIsVideo = false;
    this.isOpen = false;
    this.hasLead = false;
    this.isBroken = false;
    this.startDts = 0;
    this.waitingSinceDts = Number.NaN;
  }

  /** The track to cut by. The present segment ends when this is a change. */
  setLeader(trackId: number, isVideo: boolean): void {
    if (trackId === this.leaderId) return;
    this.leaderId = trackId;
    this.leaderIsVideo = isVideo;
    this.breakOff();
  }

  /** The next frame begins a segment that does not go on from the open one. */
  breakHere(): void {
    if (this.isOpen) this.isBroken = true;
  }

  /** What was written so far has ended. The next segment waits for a key frame. */
  breakOff(): void {
    if (this.isOpen) this.isBroken = true;
    this.isOpen = false;
    this.hasLead = false;
    this.waitingSinceDts = Number.NaN;
  }

  /** The frame begins a segment for a reason that is not ours, after `decide` let it pass. */
  restart(frame: Frame): void {
    this.cut(frame, frame.trackId === this.leaderId);
  }

  /** SKIP, CONTINUE, CUT or CUT_DISCONTINUITY. Hot path. */
  decide(frame: Frame): number {
    const isLead = frame.trackId === this.leaderId;
    const marks = frame.flags & (FRAME_CONFIG | FRAME_DISCONTINUITY);
    if (!this.isOpen) return this.decideStart(frame, isLead);
    // Where audio and video both bring a mark, the first makes the cut: the leader has not come since.
    if (marks !== 0 && this.hasLead) this.isBroken = true;
    if (this.isBroken) return this.cut(frame, isLead);
    if (isLead && !this.hasLead) {
      this.hasLead = true;
      this.startDts = frame.dts;
      return CONTINUE;
    }
    return this.isDue(frame, isLead) ? this.cut(frame, isLead) : CONTINUE;
  }

  private isDue(frame: Frame, isLead: boolean): boolean {
    const length = frame.dts - this.startDts;
    if (length >= this.limitUs) return true;
    // A leader that has fallen silent must not hold up the others, but one that is alive decides alone.
    if (!isLead) return !this.hasLead && length >= this.targetUs;
    if (!this.leaderIsVideo) return length >= this.targetUs;
    return (frame.flags & FRAME_KEY) !== 0 && length >= this.targetUs - this.targetUs / EARLY_SHARE;
  }

  /** A stream begins with a key frame of its video, or without one when none comes for the hard limit. */
  private decideStart(frame: Frame, isLead: boolean): number {
    const isStart = isLead && (!this.leaderIsVideo || (frame.flags & FRAME_KEY) !== 0);
    if (isStart) return this.cut(frame, isLead);
    if (Number.isNaN(this.waitingSinceDts)) this.waitingSinceDts = frame.dts;
    const hasWaited = frame.dts - this.waitingSinceDts >= this.limitUs;
    return hasWaited ? this.cut(frame, isLead) : SKIP;
  }

  private cut(frame: Frame, isLead: boolean): number {
    const decision = this.isBroken ? CUT_DISCONTINUITY : CUT;
    this.isBroken = false;
    this.isOpen = true;
    this.hasLead = isLead;
    this.startDts = frame.dts;
    this.waitingSinceDts = Number.NaN;
    return decision;
  }
}
