/**
 * Sound as samples, and what a decoder of sound is to the rest of the product. Synchronous: one frame in, its samples
 * out. Leaves out: encoders, timestamps (a caller counts samples).
 */

/** Planar samples, full scale is +-1 (they may go beyond it; who makes integers of them clips). */
export interface PcmBlock {
  /** Hz. */
  readonly sampleRate: number;
  /** One array per channel, each at least `samples` long. */
  readonly channels: readonly Float32Array[];
  /** Per channel. */
  readonly samples: number;
}

/** Loudspeakers: centre, left, right, half left and half right in front, surround, back, low frequency. */
export type Speaker = 'C' | 'L' | 'R' | 'Lc' | 'Rc' | 'Ls' | 'Rs' | 'Lb' | 'Rb' | 'Cs' | 'LFE';

export interface AudioDecoder {
  /**
   * Sound of one frame in the canonical payload form (src/codec/README.md). The block and its arrays are the decoder's
   * and hold until the next call. null when nothing can be made of the frame, which is counted in `errors`; it never
   * throws for a damaged frame.
   */
  decode(payload: Uint8Array): PcmBlock | null;
  /** What to play in the place of a frame that is lost or was not decoded; null before the first good frame. */
  conceal(): PcmBlock | null;
  /** Frames of which nothing could be made. */
  readonly errors: number;
  /** Ends the use of the decoder and frees what the collector does not. */
  close(): void;
}
