/**
 * Whether a stream shows pictures in another order than it decodes them (B-frames), which WebRTC cannot carry, and
 * whether leaving some out is enough. Told by the parameter sets (H.264 E.2.1 max_num_reorder_frames, H.265 7.4.3.2.1
 * sps_max_num_reorder_pics) and by the frames themselves, since encoders declare more than they do and hardware often
 * declares nothing.
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import { reorderDepth } from './dts-from-pts.ts';
import { FRAME_DISPOSABLE, type Frame } from './frame.ts';

/**
 * `none`: decoded as shown. `disposable`: no other picture refers to those that are out of order, so that they may be left
 * out. `referenced`: others refer to some of them (a pyramid), so that none of these may be missing.
 */
export type ReorderedPictures = 'none' | 'disposable' | 'referenced';

/** So many pictures in a row tell more than what is declared: two seconds of most cameras. */
const ENOUGH_PICTURES = 48;

/** `frames`: in decoding order, as the GOP cache has them; those of other tracks are passed over. */
export function reorderedPictures(
  trackId: number,
  config: CodecConfig,
  frames: readonly Frame[],
): ReorderedPictures {
  const depth = reorderDepth(config);
  if (depth === 0) return 'none';
  let seen = 0;
  let latest = Number.NEGATIVE_INFINITY;
  let found: ReorderedPictures = 'none';
  for (const frame of frames) {
    if (frame.trackId !== trackId) continue;
    seen++;
    if (frame.pts >= latest) latest = frame.pts;
    else if ((frame.flags & FRAME_DISPOSABLE) === 0) return 'referenced';
    else found = 'disposable';
  }
  const isTold = seen >= ENOUGH_PICTURES || depth < 0;
  if (found === 'none' && isTold) return 'none';
  // One picture ahead leaves no room for a picture that is out of order and referred to.
  return depth > 1 ? 'referenced' : 'disposable';
}
