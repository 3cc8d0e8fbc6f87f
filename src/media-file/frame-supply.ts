/** Frames in order, read at the reader's pace: from files one after the other, from a pull, from memory. */
import type { Frame } from '../media/frame.ts';
import type { Track } from '../media/track.ts';

export interface SupplyPart {
  /** The tracks from here on, all of them; null = as before. */
  readonly tracks: readonly Track[] | null;
  /** In decode order as the source has them; may be empty. Times go on over all parts. */
  readonly frames: readonly Frame[];
}

export interface FrameSupply {
  /** Null when there will be no more. Rejects when the source cannot be read any further. */
  read(): Promise<SupplyPart | null>;
  /** A read that is under way gives null. May be called twice. */
  close(): void;
}
