/** Parametric stereo, ISO/IEC 14496-3 8.6.4: a second channel out of the QMF subbands of one and a few parameters. */
import type { SbrBits } from '../sbr-bits.ts';
import { Decorrelator } from './decorrelator.ts';
import { HybridAnalysis, hybridSynthesis, SLOTS } from './hybrid-filter.ts';
import { DIVISION_20, DIVISION_34, SUB_BANDS } from './ps-bands.ts';
import { PsParameters } from './ps-parameters.ts';
import { StereoMixer } from './stereo-mixer.ts';

export class PsDecoder {
  /** A header was seen: there are two channels from now on. */
  hasStarted: boolean;
  private parameters: PsParameters;
  private spare: PsParameters;
  private isFresh: boolean;
  private was34: boolean;
  private readonly slots: number;
  private readonly hybrid: HybridAnalysis;
  private readonly decorrelator: Decorrelator;
  private readonly mixer: StereoMixer;
  private readonly aRe: Float32Array;
  private readonly aIm: Float32Array;
  private readonly bRe: Float32Array;
  private readonly bIm: Float32Array;

  /** `slots` QMF samples per frame, 32 or 30. */
  constructor(slots: number) {
    this.hasStarted = false;
    this.parameters = new PsParameters();
    this.spare = new PsParameters();
    this.isFresh = false;
    this.was34 = false;
    this.slots = slots;
    this.hybrid = new HybridAnalysis();
    this.decorrelator = new Decorrelator();
    this.mixer = new StereoMixer();
    this.aRe = new Float32Array(SUB_BANDS * SLOTS);
    this.aIm = new Float32Array(SUB_BANDS * SLOTS);
    this.bRe = new Float32Array(SUB_BANDS * SLOTS);
    this.bIm = new Float32Array(SUB_BANDS * SLOTS);
  }

  /** ps_data() up to bit `end`. False: it is damaged, the last parameters stay. */
  read(bits: SbrBits, end: number): boolean {
    const next = this.spare;
    const isGood = next.read(bits, end, this.slots, this.parameters, this.hasStarted);
    if (isGood !== true) return isGood === undefined;
    this.spare = this.parameters;
    this.parameters = next;
    this.hasStarted = true;
    this.isFresh = true;
    return true;
  }

  /**
   * `leftRe`, `leftIm`: rows of 64 subbands, one frame and 6 rows more, mono; the frame becomes the left channel. The
   * right one goes to `rightRe`, `rightIm`. Subbands from `top` on are silent.
   */
  process(
    leftRe: Float32Array,
    leftIm: Float32Array,
    rightRe: Float32Array,
    rightIm: Float32Array,
    top: number,
  ): void {
    const { parameters, slots, aRe, aIm, bRe, bIm } = this;
    if (!this.isFresh) parameters.hold(slots);
    this.isFresh = false;
    const division = parameters.is34 ? DIVISION_34 : DIVISION_20;
    if (this.was34 !== parameters.is34) {
      this.was34 = parameters.is34;
      this.mixer.changeDivision(division);
      this.decorrelator.reset();
    }
    const count = division.subBands - 64 + Math.max(top, division.hybridSources);
    this.hybrid.process(leftRe, leftIm, slots, division, count, aRe, aIm);
    this.decorrelator.process(aRe, aIm, slots, division, count, bRe, bIm);
    this.mixer.process(parameters, division, count, aRe, aIm, bRe, bIm);
    hybridSynthesis(aRe, aIm, slots, division, count, leftRe, leftIm);
    hybridSynthesis(bRe, bIm, slots, division, count, rightRe, rightIm);
  }
}
