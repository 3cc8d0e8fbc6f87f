/** The frame rate that a bitstream's timing fields declare, as all video codecs need it. */

/** Above this a declared rate is a mistake (a field meant as time base), not a camera. */
const MAX_FRAME_RATE = 1000;

/** `timeScale / unitsPerFrame` rounded to thousandths; 0 when the fields make no sense. */
export function frameRateOf(timeScale: number, unitsPerFrame: number): number {
  if (timeScale === 0 || unitsPerFrame === 0) return 0;
  const rate = timeScale / unitsPerFrame;
  return rate > MAX_FRAME_RATE ? 0 : Math.round(rate * 1000) / 1000;
}
