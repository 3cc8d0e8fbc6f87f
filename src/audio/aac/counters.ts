/** How often a decoder met each tool of AAC: for tests and for whoever asks what a stream uses. */
export class AacTools {
  frames = 0;
  /** Channels of frames with eight short windows, with a start and with a stop window. */
  shortBlocks = 0;
  startBlocks = 0;
  stopBlocks = 0;
  /** Channels of frames with the Kaiser-Bessel derived window. */
  kaiserBlocks = 0;
  /** Filters of temporal noise shaping. */
  noiseShapers = 0;
  pulses = 0;
  /** Bands. */
  midSideBands = 0;
  intensityBands = 0;
  /** Spectra or sounds added to a channel by a coupling channel. */
  couplings = 0;
  /** Elements with data of spectral band replication. */
  sbrElements = 0;
  /** Bands by codebook: 13 is noise. */
  readonly books = new Uint32Array(16);
}
