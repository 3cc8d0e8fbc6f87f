/**
 * One audio element of a frame with all that it keeps: a single channel, a channel pair or a low frequency channel
 * (ISO/IEC 14496-3 4.4.2.1), and its spectral band replication.
 */
import type { AacBits } from './aac-bits.ts';
import type { BandTables, FrameLength } from './band-tables.ts';
import { Channel } from './channel.ts';
import { type LayoutElement, LOW_FREQUENCY, PAIR } from './channel-layout.ts';
import { MAX_BANDS } from './channel-stream.ts';
import type { AacTools } from './counters.ts';
import type { FilterBank } from './filter-bank.ts';
import type { NoiseSource } from './noise.ts';
import type { SbrDecoder } from './sbr/sbr-decoder.ts';
import { scaleSpectrum } from './scaling.ts';
import { applyIntensity, applyMidSide, MASK_ALL, MASK_BY_BAND, MASK_NONE } from './stereo.ts';

export class AacElement {
  readonly type: number;
  readonly layout: LayoutElement;
  readonly left: Channel;
  /** The second of a pair. */
  readonly right: Channel | null;
  /** Its tag in the frame that is being decoded; -1 = it did not come. */
  tag: number;
  sbr: SbrDecoder | null;
  /** Where its SBR data lie in the frame; 0 bits = it has none. */
  sbrStart: number;
  sbrBits: number;
  hasSbrCrc: boolean;
  private readonly core: readonly Float32Array[];
  private readonly mask: Uint8Array;
  private readonly noiseStates: Int32Array;
  private maskPresent: number;
  private readonly tools: AacTools;

  constructor(layout: LayoutElement, tables: BandTables, frameLength: FrameLength, tools: AacTools) {
    this.type = layout.type;
    this.layout = layout;
    this.left = new Channel(tables, frameLength, tools);
    this.right = layout.type === PAIR ? new Channel(tables, frameLength, tools) : null;
    this.tag = -1;
    this.sbr = null;
    this.sbrStart = 0;
    this.sbrBits = 0;
    this.hasSbrCrc = false;
    this.core = this.right === null ? [this.left.output] : [this.left.output, this.right.output];
    this.mask = new Uint8Array(MAX_BANDS);
    this.noiseStates = new Int32Array(MAX_BANDS);
    this.maskPresent = MASK_NONE;
    this.tools = tools;
  }

  get coreChannels(): 1 | 2 {
    return this.right === null ? 1 : 2;
  }

  get mayHaveSbr(): boolean {
    return this.type !== LOW_FREQUENCY;
  }

  /** The element behind its tag; false when it breaks the rules. */
  read(bits: AacBits): boolean {
    this.maskPresent = MASK_NONE;
    const { left, right } = this;
    if (right === null) return left.stream.read(bits, false);
    const hasCommonWindow = bits.flag();
    if (hasCommonWindow) {
      if (!left.stream.readInfo(bits)) return false;
      right.stream.copyInfo(left.stream);
      if (!this.readMask(bits)) return false;
    }
    if (!left.stream.read(bits, hasCommonWindow)) return false;
    return right.stream.read(bits, hasCommonWindow);
  }

  private readMask(bits: AacBits): boolean {
    const { groups, maxBand } = this.left.stream;
    this.maskPresent = bits.bits(2);
    if (this.maskPresent > MASK_ALL) return false;
    if (this.maskPresent === MASK_BY_BAND) {
      for (let i = 0; i < groups * maxBand; i++) this.mask[i] = bits.bits(1);
    } else {
      this.mask.fill(this.maskPresent === MASK_ALL ? 1 : 0);
    }
    return true;
  }

  /** Spectra of both channels as they are before noise shaping. */
  makeSpectra(noise: NoiseSource): void {
    const { left, right, mask, maskPresent, noiseStates } = this;
    scaleSpectrum(left.stream, left.spectrum, noise, noiseStates, null, mask);
    if (right === null) return;
    const shared = maskPresent === MASK_NONE ? null : left.stream;
    scaleSpectrum(right.stream, right.spectrum, noise, noiseStates, shared, mask);
    if (maskPresent !== MASK_NONE)
      this.tools.midSideBands += applyMidSide(left.stream, right.stream, mask, left.spectrum, right.spectrum);
    this.tools.intensityBands += applyIntensity(
      right.stream,
      maskPresent,
      mask,
      left.spectrum,
      right.spectrum,
    );
  }

  shapeNoise(): void {
    this.left.shapeNoise();
    this.right?.shapeNoise();
  }

  get isSane(): boolean {
    return this.left.isSane && (this.right === null || this.right.isSane);
  }

  synthesize(bank: FilterBank): void {
    this.left.synthesize(bank);
    this.right?.synthesize(bank);
  }

  conceal(bank: FilterBank, isSilent: boolean): void {
    this.left.conceal(bank, isSilent);
    this.right?.conceal(bank, isSilent);
  }

  /** Sound of the last frame: of the core, or with SBR of twice the rate. */
  sound(): readonly Float32Array[] {
    return this.sbr === null ? this.core : this.sbr.process(this.core);
  }
}
