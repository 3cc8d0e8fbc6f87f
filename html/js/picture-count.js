// How many pictures a player got and did not show. Pure but for what the element tells.

/** A device that is too slow drops pictures for ever: they are not those of the beginning any more. */
const LONGEST_BEGINNING = 5;

/** `{ total, dropped }` of a video element since it was given its source. */
export function picturesOf(video) {
  const { totalVideoFrames: total, droppedVideoFrames: dropped } = video.getVideoPlaybackQuality?.() ?? {};
  return { total: total ?? 0, dropped: dropped ?? 0 };
}

/**
 * Counts from the end of the beginning on. Who joins by WebRTC gets all pictures since the last key frame with their
 * times pressed together: most of them are to be decoded and never shown, which no device is to blame for.
 */
export class PictureCount {
  #last = { total: 0, dropped: 0 };
  #from = null;
  #beginning = 0;

  /** To be told once a second what `picturesOf` gives; `{ total, dropped }` since the beginning is over, zero before. */
  add(now) {
    const { total, dropped } = this.#last;
    this.#last = now;
    if (this.#from === null) {
      if (total > 0) this.#beginning++;
      const isSteady = total > 0 && now.total > total && now.dropped === dropped;
      if (!isSteady && this.#beginning < LONGEST_BEGINNING) return { total: 0, dropped: 0 };
      this.#from = now;
    }
    return { total: now.total - this.#from.total, dropped: now.dropped - this.#from.dropped };
  }
}
