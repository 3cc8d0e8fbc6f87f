/** G.711 A-law and mu-law: ITU-T G.711. One byte is one sample of one channel. */

/** Hz; FLV knows no other rate, RTP can tell one. */
export const G711_SAMPLE_RATE = 8000;
