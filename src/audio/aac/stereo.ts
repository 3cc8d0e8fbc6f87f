/**
 * Tools of a channel pair: M/S stereo (ISO/IEC 14496-3 4.6.8.1) and intensity stereo (4.6.8.2).
 */
import {
  type ChannelStream,
  INTENSITY_IN_PHASE,
  INTENSITY_OUT_OF_PHASE,
  NOISE_BOOK,
} from './channel-stream.ts';

/** ms_mask_present: none, by band, all bands. */
export const MASK_NONE = 0;
export const MASK_BY_BAND = 1;
export const MASK_ALL = 2;

/** Middle and side to left and right where `mask` says so. Gives the number of bands. */
export function applyMidSide(
  left: ChannelStream,
  right: ChannelStream,
  mask: Uint8Array,
  leftSpectrum: Float32Array,
  rightSpectrum: Float32Array,
): number {
  const { offsets, maxBand, windowLines } = left;
  let count = 0;
  let first = 0;
  for (let group = 0; group < left.groups; group++) {
    const windows = left.groupLength[group]!;
    for (let band = 0; band < maxBand; band++) {
      const i = group * maxBand + band;
      if (mask[i] === 0 || left.books[i]! >= NOISE_BOOK || right.books[i]! >= NOISE_BOOK) continue;
      count++;
      const width = offsets[band + 1]! - offsets[band]!;
      let at = first + offsets[band]!;
      for (let window = 0; window < windows; window++, at += windowLines) {
        for (let k = at; k < at + width; k++) {
          const middle = leftSpectrum[k]!;
          const side = rightSpectrum[k]!;
          leftSpectrum[k] = middle + side;
          rightSpectrum[k] = middle - side;
        }
      }
    }
    first += windows * windowLines;
  }
  return count;
}

/** Bands of the right channel that are a copy of the left one at another level. Gives the number of bands. */
export function applyIntensity(
  right: ChannelStream,
  maskPresent: number,
  mask: Uint8Array,
  leftSpectrum: Float32Array,
  rightSpectrum: Float32Array,
): number {
  const { offsets, maxBand, windowLines } = right;
  let count = 0;
  let first = 0;
  for (let group = 0; group < right.groups; group++) {
    const windows = right.groupLength[group]!;
    for (let band = 0; band < maxBand; band++) {
      const i = group * maxBand + band;
      const book = right.books[i]!;
      if (book < INTENSITY_OUT_OF_PHASE) continue;
      count++;
      let scale = 2 ** (-right.factors[i]! / 4);
      if (book !== INTENSITY_IN_PHASE) scale = -scale;
      if (maskPresent === MASK_BY_BAND && mask[i] === 1) scale = -scale;
      const width = offsets[band + 1]! - offsets[band]!;
      let at = first + offsets[band]!;
      for (let window = 0; window < windows; window++, at += windowLines) {
        for (let k = at; k < at + width; k++) rightSpectrum[k] = leftSpectrum[k]! * scale;
      }
    }
    first += windows * windowLines;
  }
  return count;
}
