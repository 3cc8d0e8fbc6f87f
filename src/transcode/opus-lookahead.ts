/** Samples at 48 kHz that libopus looks ahead at most settings, the one used here among them: pre-skip of OpusHead. */
export const OPUS_LOOKAHEAD = 312;
