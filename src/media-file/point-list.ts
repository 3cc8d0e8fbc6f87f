/** How many access points a file may have. */

/** Of a file; ten hours with a key frame every second have 36,000. */
export const MAX_POINTS = 200_000;

/** Every second, every fourth, ... so that there are not too many. The first stays. */
export function thinPoints<T>(points: T[]): T[] {
  let thinned = points;
  while (thinned.length > MAX_POINTS) thinned = thinned.filter((_, index) => index % 2 === 0);
  return thinned;
}
