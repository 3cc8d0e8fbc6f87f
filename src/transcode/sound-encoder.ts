/** What an encoder of sound is to a conversion. */

export interface SoundEncoder {
  /** Hz. */
  readonly sampleRate: number;
  readonly channels: number;
  /** Samples per channel that each call takes. */
  readonly frameSamples: number;
  /** Samples by which the sound of a packet is the sound before the frame that `packetFrame` names. */
  readonly leadSamples: number;
  /**
   * Encodes `frameSamples` interleaved samples within +-1. Returns a packet that is the caller's, or null when none is
   * ready. Throws only when the codec itself broke.
   */
  encode(interleaved: Float32Array): Uint8Array | null;
  /** Of the packet that came last: number of the frame, counted from 0, whose sound it decodes to; negative = before the first. */
  readonly packetFrame: number;
  /** Frames that could not be encoded. */
  readonly errors: number;
  close(): void;
}
