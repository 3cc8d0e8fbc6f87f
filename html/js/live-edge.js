// How far behind the newest received picture playback is, and keeping it near.

/** How far behind the newest received picture live playback may fall before it hurries, and before it jumps. */
export const SYNC_MAX_S = 1.5;
export const SYNC_TARGET_S = 0.8;
export const SYNC_RATE = 1.1;
const JUMP_S = 4;

/** Seconds that are received and not shown yet; null when nothing is. */
export function bufferedAhead(video) {
  const { buffered, currentTime } = video;
  for (let i = buffered.length - 1; i >= 0; i--) {
    if (buffered.start(i) <= currentTime + 0.1 && buffered.end(i) >= currentTime)
      return buffered.end(i) - currentTime;
  }
  return null;
}

/** After a pause or in a tab that slept, catching up at a higher speed would take minutes. */
export function jumpToLive(video) {
  const ahead = bufferedAhead(video);
  if (!video.paused && ahead !== null && ahead > JUMP_S) video.currentTime += ahead - SYNC_TARGET_S;
}

/** The speed for what is buffered: faster from SYNC_MAX_S on until SYNC_TARGET_S is reached. */
export function catchUpRate(ahead, rate) {
  if (ahead === null) return 1;
  if (ahead > SYNC_MAX_S) return SYNC_RATE;
  return ahead < SYNC_TARGET_S ? 1 : rate;
}
