/**
 * From quantised values to a spectrum: inverse quantisation and scale factors (ISO/IEC 14496-3 4.6.1, 4.6.2), noise.
 */
import { type ChannelStream, INTENSITY_OUT_OF_PHASE, NOISE_BOOK, ZERO_BOOK } from './channel-stream.ts';
import type { NoiseSource } from './noise.ts';

/** 8191 is the largest coded value; pulses add up to 4 * 15. */
const LARGEST = 8191 + 60;
/** Scale factor of a gain of 1. */
const FACTOR_OFFSET = 100;

const POWERS = Float64Array.from({ length: LARGEST + 1 }, (_, value) => value ** (4 / 3));
const GAINS = Float64Array.from({ length: 256 }, (_, factor) => 2 ** ((factor - FACTOR_OFFSET) / 4));

/**
 * Writes all lines of `spectrum`. `noiseStates` gets the state of the generator before each noise band; with `shared`,
 * bands marked in `mask` take the state written there by the other channel of a pair.
 */
export function scaleSpectrum(
  stream: ChannelStream,
  spectrum: Float32Array,
  noise: NoiseSource,
  noiseStates: Int32Array,
  shared: ChannelStream | null,
  mask: Uint8Array,
): void {
  const { quantised, books, factors, offsets, maxBand, windowLines } = stream;
  let first = 0;
  for (let group = 0; group < stream.groups; group++) {
    const windows = stream.groupLength[group]!;
    for (let band = 0; band < maxBand; band++) {
      const i = group * maxBand + band;
      const book = books[i]!;
      const width = offsets[band + 1]! - offsets[band]!;
      let at = first + offsets[band]!;
      if (book === NOISE_BOOK) {
        const next = noise.state;
        const isShared = shared !== null && mask[i] === 1 && shared.books[i] === NOISE_BOOK;
        if (isShared) noise.state = noiseStates[i]!;
        else noiseStates[i] = next;
        for (let window = 0; window < windows; window++, at += windowLines)
          noise.fill(spectrum, at, at + width, factors[i]!);
        if (isShared) noise.state = next;
        continue;
      }
      const isSilent = book === ZERO_BOOK || book >= INTENSITY_OUT_OF_PHASE;
      const gain = isSilent ? 0 : GAINS[factors[i]!]!;
      for (let window = 0; window < windows; window++, at += windowLines) {
        if (isSilent) spectrum.fill(0, at, at + width);
        else scaleBand(quantised, spectrum, at, at + width, gain);
      }
    }
    for (let window = 0; window < windows; window++, first += windowLines)
      spectrum.fill(0, first + offsets[maxBand]!, first + windowLines);
  }
}

function scaleBand(
  quantised: Int16Array,
  spectrum: Float32Array,
  from: number,
  to: number,
  gain: number,
): void {
  for (let k = from; k < to; k++) {
    const value = quantised[k]!;
    spectrum[k] = value < 0 ? -POWERS[-value]! * gain : POWERS[value]! * gain;
  }
}
