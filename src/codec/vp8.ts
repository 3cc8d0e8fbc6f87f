/** VP8 frame header: RFC 6386 9.1. Only the uncompressed part is read. */
import { VIDEO_KEY } from './video-flags.ts';

/** Flags (video-flags.ts) of a frame. */
export function vp8Flags(frame: Uint8Array): number {
  return frame.length >= 3 && (frame[0]! & 1) === 0 ? VIDEO_KEY : 0;
}

export interface FrameSize {
  readonly width: number;
  readonly height: number;
}

/** Size in pixels that a key frame tells, without upscaling; null when it is no key frame. */
export function parseVp8Size(frame: Uint8Array): FrameSize | null {
  if (frame.length < 10 || (frame[0]! & 1) !== 0) return null;
  if (frame[3] !== 0x9d || frame[4] !== 0x01 || frame[5] !== 0x2a) return null;
  const width = ((frame[7]! & 0x3f) << 8) | frame[6]!;
  const height = ((frame[9]! & 0x3f) << 8) | frame[8]!;
  return width === 0 || height === 0 ? null : { width, height };
}
