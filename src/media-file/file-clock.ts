/**
 * The clock of an FLV or TS file to one timeline that goes on over jumps (recordings that were joined, an encoder that
 * was started again in the middle). Found once while the file is scanned and kept as what is to be added from which
 * byte on, so that a reader that begins anywhere gives the same times.
 */

/** A track whose clock goes back further has begun again; less is disorder. */
const BACK_US = 1_000_000;
/** ... and one that goes ahead further has jumped; less is a gap. */
const AHEAD_US = 10_000_000;
/** What separates the last frame in front of a jump from the first behind it. */
const STEP_US = 40_000;
/** A file that jumps more often is not worth repairing further. */
const MAX_CHANGES = 20_000;

/** What is added to the clock of one track, from which byte on. */
class TrackOffsets {
  readonly positions: number[] = [];
  readonly offsets: number[] = [];
  lastRawUs = Number.NaN;
  offsetUs = 0;

  set(position: number, offsetUs: number): void {
    this.offsetUs = offsetUs;
    // Of frames that begin at the same byte the last one counts.
    if (this.positions.at(-1) === position) this.offsets[this.offsets.length - 1] = offsetUs;
    else {
      this.positions.push(position);
      this.offsets.push(offsetUs);
    }
  }
}

/** Made by a scan, frame by frame in the order of the file. */
export class FileClock {
  private readonly tracks = new Map<number, TrackOffsets>();
  private changes = 0;
  private lastUs = 0;

  /** Time of a frame whose own clock says `rawUs`. */
  map(trackId: number, rawUs: number, position: number): number {
    let track = this.tracks.get(trackId);
    if (track === undefined) {
      const isFirst = this.tracks.size === 0;
      const offsetUs = isFirst ? -rawUs : this.offsetFor(rawUs, Number.NaN);
      track = new TrackOffsets();
      this.tracks.set(trackId, track);
      track.set(position, offsetUs);
    } else {
      const step = rawUs - track.lastRawUs;
      if ((step < -BACK_US || step > AHEAD_US) && this.changes < MAX_CHANGES) {
        this.changes++;
        track.set(position, this.offsetFor(rawUs, track.lastRawUs + track.offsetUs));
      }
    }
    track.lastRawUs = rawUs;
    const us = rawUs + track.offsetUs;
    if (us > this.lastUs) this.lastUs = us;
    return us;
  }

  /**
   * That of another track whose clock is near, if the track goes on with it from `lastUs`; else one that puts the
   * frame right behind all others.
   */
  private offsetFor(rawUs: number, lastUs: number): number {
    let offsetUs = this.lastUs + STEP_US - rawUs;
    let nearest = AHEAD_US;
    for (const track of this.tracks.values()) {
      const distance = Math.abs(rawUs - track.lastRawUs);
      const step = rawUs + track.offsetUs - lastUs;
      if (distance >= nearest || step < -BACK_US || step > AHEAD_US) continue;
      nearest = distance;
      offsetUs = track.offsetUs;
    }
    return offsetUs;
  }

  /** What a reader adds; for frames in the order of the file. */
  replay(): (trackId: number, rawUs: number, position: number) => number {
    const places = new Map<number, number>();
    return (trackId, rawUs, position) => {
      const track = this.tracks.get(trackId);
      if (track === undefined) return rawUs;
      const { positions, offsets } = track;
      let place = places.get(trackId) ?? 0;
      while (place + 1 < positions.length && positions[place + 1]! <= position) place++;
      places.set(trackId, place);
      return rawUs + offsets[place]!;
    };
  }

  get memoryBytes(): number {
    return this.changes * 16;
  }
}
