/**
 * The mark before the packets of a frame in the feed `webrtc`: an interleaved packet of a channel that no track has, with
 * flags, three zeros, and dts in microseconds (float64, big endian).
 */
export const FRAME_MARK_CHANNEL = 0xff;
export const FRAME_MARK_BYTES = 16;
