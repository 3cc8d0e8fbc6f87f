/**
 * The mark before the packets of a frame in the feed `webrtc`: an interleaved packet of a channel that no track has, with
 * flags, a zero, the generation of the tracks (16 bits: it counts changes, and channels mean something within one only),
 * and dts in microseconds (float64, big endian). Reports that stand alone have a mark too.
 */
export const FRAME_MARK_CHANNEL = 0xff;
export const FRAME_MARK_BYTES = 16;
