/**
 * Puts sound, which is there at once, and pictures, which come out of the encoder later, into one order by time. Sound waits
 * for the picture of its time, but not for ever: an encoder that stands still does not silence the stream. Nothing goes
 * out so late that the receiver would take it for a jump of the clock.
 */
import type { Frame } from '../../media/frame.ts';

/** How long sound waits. */
export const MAX_HOLD_US = 1_000_000;
/** A picture that is behind what went out by more is left out: one second is a jump (media/timeline.ts). */
export const MAX_BEHIND_US = 900_000;
const MAX_HELD = 2048;

export class JoinedOutput {
  /** Pictures left out because they came too late. */
  latePictures = 0;
  private readonly send: (frame: Frame) => void;
  private held: { readonly frame: Frame; readonly sinceUs: number }[] = [];
  private latestUs = Number.NEGATIVE_INFINITY;
  private hasBegun = false;

  constructor(send: (frame: Frame) => void) {
    this.send = send;
  }

  /** A frame that was not converted. Before the first picture all of them wait. */
  sound(frame: Frame, nowUs: number): void {
    this.held.push({ frame, sinceUs: nowUs });
    if (this.held.length > MAX_HELD) this.held.shift();
    if (this.hasBegun) this.release(Number.NEGATIVE_INFINITY, nowUs - MAX_HOLD_US);
  }

  /** Whether a picture of this time may go out; what comes before it has gone out then. */
  picture(dtsUs: number): boolean {
    if (!this.hasBegun) {
      this.hasBegun = true;
      // Players begin with the picture.
      this.held = this.held.filter(({ frame }) => frame.dts >= dtsUs);
    }
    if (dtsUs < this.latestUs - MAX_BEHIND_US) {
      this.latePictures++;
      return false;
    }
    this.release(dtsUs, Number.NEGATIVE_INFINITY);
    this.latestUs = Math.max(this.latestUs, dtsUs);
    return true;
  }

  /** What is of this time or before goes out, and what has waited since then or longer. */
  private release(toUs: number, sinceUs: number): void {
    const { held } = this;
    let count = 0;
    while (count < held.length && (held[count]!.frame.dts <= toUs || held[count]!.sinceUs <= sinceUs)) {
      const { frame } = held[count]!;
      this.latestUs = Math.max(this.latestUs, frame.dts);
      this.send(frame);
      count++;
    }
    if (count > 0) held.splice(0, count);
  }
}
