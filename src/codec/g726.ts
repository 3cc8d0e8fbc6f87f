/** G.726 ADPCM: ITU-T G.726. Codes of 2 to 5 bits, one for each sample, 16 to 40 kbit/s; one channel. */

/** Hz. */
export const G726_SAMPLE_RATE = 8000;
const USUAL_BITS = 4;

/** Bits of a code by the record of a config; 4, the usual, when the record tells nothing that makes sense. */
export function g726BitsPerCode(record: Uint8Array): number {
  const bits = record[0] ?? 0;
  return bits >= 2 && bits <= 5 ? bits : USUAL_BITS;
}
