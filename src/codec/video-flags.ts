/**
 * What a look at the bytes of a video frame tells. The numbers are those of FRAME_KEY, FRAME_IN_BAND_CONFIG and
 * FRAME_DISPOSABLE in media/frame.ts, which this layer must not import; a unit test keeps them equal.
 */
export const VIDEO_KEY = 1;
export const VIDEO_IN_BAND_CONFIG = 4;
export const VIDEO_DISPOSABLE = 16;
