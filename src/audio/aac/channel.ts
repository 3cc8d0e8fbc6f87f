/** What one channel of the sound keeps from frame to frame, and its way from spectrum to samples. */
import type { BandTables, FrameLength } from './band-tables.ts';
import { ChannelStream } from './channel-stream.ts';
import type { AacTools } from './counters.ts';
import { EIGHT_SHORT, type FilterBank, LONG_START, LONG_STOP, ONLY_LONG } from './filter-bank.ts';

/**
 * Lines beyond this come of damage: full scale is 2^15 * 1024. What passes cannot become infinite on its way, and what
 * it leaves behind is gone after a frame.
 */
const LARGEST_LINE = 1e12;
/** 3 dB less with every lost frame, silence after so many. */
const FADE = Math.SQRT1_2;
const FADED_FRAMES = 6;

export class Channel {
  readonly stream: ChannelStream;
  /** Of the frame that is being decoded. */
  spectrum: Float32Array;
  /** Sound of the last frame, full scale +-1. */
  readonly output: Float32Array;
  private readonly overlap: Float32Array;
  /** Spectrum of the last good frame. */
  private kept: Float32Array;
  private sequence: number;
  private shape: number;
  private lost: number;
  private random: number;

  constructor(tables: BandTables, frameLength: FrameLength, tools: AacTools) {
    this.stream = new ChannelStream(tables, frameLength, tools);
    this.spectrum = new Float32Array(frameLength);
    this.kept = new Float32Array(frameLength);
    this.output = new Float32Array(frameLength);
    this.overlap = new Float32Array(frameLength);
    this.sequence = ONLY_LONG;
    this.shape = 0;
    this.lost = 0;
    this.random = 1;
  }

  shapeNoise(): void {
    if (this.stream.tns.isPresent) this.stream.tns.apply(this.spectrum, this.stream);
  }

  /** No line is larger than one can be, none is not a number. */
  get isSane(): boolean {
    const { spectrum } = this;
    for (let k = 0; k < spectrum.length; k++) {
      if (!(Math.abs(spectrum[k]!) < LARGEST_LINE)) return false;
    }
    return true;
  }

  synthesize(bank: FilterBank): void {
    const { sequence, shape } = this.stream;
    bank.synthesize(this.spectrum, sequence, shape, this.shape, this.overlap, this.output);
    this.sequence = sequence;
    this.shape = shape;
    this.lost = 0;
    const swap = this.kept;
    this.kept = this.spectrum;
    this.spectrum = swap;
  }

  /**
   * In the place of a lost frame: the last spectrum, quieter each time and with signs by chance so that tones do not
   * ring; after short windows what is left of them. `isSilent` gives the latter always: for a channel that was not sent.
   */
  conceal(bank: FilterBank, isSilent: boolean): void {
    const { kept } = this;
    const needsStop = this.sequence === EIGHT_SHORT || this.sequence === LONG_START;
    if (isSilent || needsStop || this.lost >= FADED_FRAMES) {
      kept.fill(0);
    } else {
      let { random } = this;
      for (let k = 0; k < kept.length; k++) {
        random = (Math.imul(random, 1_664_525) + 1_013_904_223) | 0;
        kept[k] = random < 0 ? -FADE * kept[k]! : FADE * kept[k]!;
      }
      this.random = random;
    }
    const sequence = needsStop ? LONG_STOP : ONLY_LONG;
    bank.synthesize(kept, sequence, this.shape, this.shape, this.overlap, this.output);
    this.sequence = sequence;
    this.lost++;
  }
}
