/** G.722: ITU-T G.722 at 64 kbit/s. One byte is two samples of one channel. */

/** Hz. */
export const G722_SAMPLE_RATE = 16_000;
