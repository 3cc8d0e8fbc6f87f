/**
 * Mixing down: many channels to two or one, with the coefficients of ITU-R BS.775-3 annex 4 (centre and surrounds at
 * -3 dB), scaled so that nothing can be louder than full scale. Leaves out: dialogue normalisation, the low frequency
 * channel, which a mix for two loudspeakers does without.
 */
import type { PcmBlock, Speaker } from './pcm.ts';
import { PcmBuffer } from './pcm-buffer.ts';

const MINUS_3_DB = Math.SQRT1_2;

/** Shares of left and right that a speaker's channel gets in a mix of two. */
const SHARES: Readonly<Record<Speaker, readonly [left: number, right: number]>> = {
  L: [1, 0],
  R: [0, 1],
  C: [MINUS_3_DB, MINUS_3_DB],
  Lc: [1, 0],
  Rc: [0, 1],
  Ls: [MINUS_3_DB, 0],
  Rs: [0, MINUS_3_DB],
  Lb: [MINUS_3_DB, 0],
  Rb: [0, MINUS_3_DB],
  // Half as strong as in one surround: it goes to both.
  Cs: [0.5, 0.5],
  LFE: [0, 0],
};

/** Mixes blocks of one layout. Its result is its own and holds until the next call. */
export class Downmixer {
  /** By output, by input. */
  private readonly gains: readonly Float64Array[];
  private readonly block: PcmBuffer;

  /** `speakers`: what each input channel is for; `channels`: how many come out. */
  constructor(speakers: readonly Speaker[], channels: 1 | 2) {
    const rows = [new Float64Array(speakers.length), new Float64Array(speakers.length)];
    const isAlone = speakers.length === 1;
    speakers.forEach((speaker, i) => {
      const [left, right] = isAlone ? [1, 1] : SHARES[speaker];
      rows[0]![i] = left;
      rows[1]![i] = right;
    });
    const sums = channels === 2 ? rows : [rows[0]!.map((gain, i) => gain + rows[1]![i]!)];
    // One scale for all, or the middle of the sound would move.
    const loudest = Math.max(...sums.map((row) => row.reduce((sum, gain) => sum + gain, 0)));
    this.gains = sums.map((row) => row.map((gain) => (loudest === 0 ? 0 : gain / loudest)));
    this.block = new PcmBuffer(0, channels);
  }

  /** `block` has as many channels as there are speakers. */
  mix(block: PcmBlock): PcmBlock {
    const { samples } = block;
    this.block.sampleRate = block.sampleRate;
    this.block.resize(samples);
    for (let output = 0; output < this.gains.length; output++) {
      const to = this.block.channels[output]!;
      const gains = this.gains[output]!;
      to.fill(0, 0, samples);
      for (let input = 0; input < gains.length; input++) {
        const gain = gains[input]!;
        if (gain === 0) continue;
        const from = block.channels[input]!;
        for (let i = 0; i < samples; i++) to[i] = to[i]! + gain * from[i]!;
      }
    }
    return this.block;
  }
}
