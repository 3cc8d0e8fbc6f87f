/** G.711 A-law and mu-law: ITU-T G.711. One byte is one sample of one channel. */

/** Hz; FLV and RTP know no other rate. */
export const G711_SAMPLE_RATE = 8000;
