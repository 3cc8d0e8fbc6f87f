/**
 * Whether a stream shows pictures in another order than it decodes them (B-frames), which WebRTC cannot carry, and
 * whether leaving some out is enough. Told by the parameter sets (H.264 E.2.1 max_num_reorder_frames, H.265 7.4.3.2.1
 * sps_max_num_reorder_pics) and by the frames themselves, since encoders declare more than they do and hardware often
 * declares nothing.
 */
import type { CodecConfig } from '../codec/codec-config.ts';
import { H264References } from '../codec/h264-references.ts';
import { reorderDepth } from './dts-from-pts.ts';
import { FRAME_DISPOSABLE, FRAME_KEY, type Frame } from './frame.ts';

/**
 * `none`: decoded as shown. `disposable`: nothing refers to pictures that are out of order. `separable`: only pictures that
 * are out of order themselves refer to them. In both cases all of them may be left out. `referenced`: pictures that are
 * in order refer to some, so that none of these may be missing.
 */
export type ReorderedPictures = 'none' | 'disposable' | 'separable' | 'referenced';

/** So many pictures in a row tell more than what is declared: two seconds of most cameras. */
const ENOUGH_PICTURES = 48;
/** So many pictures in order behind referenced ones that are not, none of which refers to these, tell how the encoder works. */
const ENOUGH_PROOFS = 3;

/** `frames`: in decoding order, as the GOP cache has them; those of other tracks are passed over. */
export function reorderedPictures(
  trackId: number,
  config: CodecConfig,
  frames: readonly Frame[],
): ReorderedPictures {
  const depth = reorderDepth(config);
  if (depth === 0) return 'none';
  const order = new PictureOrder(config, true);
  let seen = 0;
  for (const frame of frames) {
    if (frame.trackId !== trackId) continue;
    seen++;
    order.push(frame);
  }
  if (order.hasReferenced) return order.isSeparable ? 'separable' : 'referenced';
  if (!order.hasReordered && (seen >= ENOUGH_PICTURES || depth < 0)) return 'none';
  // One picture ahead leaves no room for a picture that is out of order and referred to.
  return depth > 1 ? 'referenced' : 'disposable';
}

/** Watches the pictures of one track with one config, in decoding order. */
class PictureOrder {
  hasReordered = false;
  /** Some that are out of order are referred to. */
  hasReferenced = false;
  private readonly references: H264References | null;
  private latest = Number.NEGATIVE_INFINITY;
  private proofs = 0;
  private isDependent = false;
  /** Slices are looked into. */
  private isLooking: boolean;

  /** `isLooking`: from the first picture on; else from a key frame on when there is reason to. */
  constructor(config: CodecConfig, isLooking: boolean) {
    this.isLooking = isLooking;
    this.references = config.codec === 'h264' ? new H264References() : null;
    this.references?.configure(config);
  }

  /** Enough was seen, and leaving out all that is out of order harms nothing. */
  get isSeparable(): boolean {
    return this.proofs >= ENOUGH_PROOFS && !this.isDependent;
  }

  /** Nothing that comes will change it. */
  get isDecided(): boolean {
    return this.isDependent || this.isSeparable;
  }

  /** True when the picture is out of order. */
  push({ flags, pts, payload }: Frame): boolean {
    if ((flags & FRAME_KEY) !== 0) this.latest = Number.NEGATIVE_INFINITY;
    const isOutOfOrder = pts < this.latest;
    this.latest = Math.max(this.latest, pts);
    if (isOutOfOrder) {
      this.hasReordered = true;
      if ((flags & FRAME_DISPOSABLE) === 0) this.hasReferenced = true;
    }
    if (this.hasReferenced && (flags & FRAME_KEY) !== 0) this.isLooking = true;
    if (this.isDecided || !this.isLooking) return isOutOfOrder;
    const isFree = this.references?.push(payload, isOutOfOrder) === true;
    if (!isOutOfOrder && this.hasReferenced) {
      if (!isFree) this.isDependent = true;
      else if ((flags & FRAME_KEY) === 0) this.proofs++;
    }
    return isOutOfOrder;
  }
}

/**
 * Decides picture by picture what goes out where the order of decoding must be that of showing. Once it knows that it
 * harms nothing, everything that is out of order is left out; until then, and where others refer to it, what
 * nothing refers to.
 */
export class InOrderPictures {
  private order: PictureOrder | null = null;
  private config: CodecConfig | null = null;

  /** Hot path. True: the picture goes out. Some that do may still be out of order. */
  admits(frame: Frame): boolean {
    if (this.config !== frame.config) this.configure(frame.config);
    if (this.order === null) return true;
    if (!this.order.push(frame)) return true;
    return (frame.flags & FRAME_DISPOSABLE) === 0 && !this.order.isSeparable;
  }

  private configure(config: CodecConfig): void {
    this.config = config;
    const depth = reorderDepth(config);
    this.order = depth === 0 ? null : new PictureOrder(config, depth > 0);
  }
}
