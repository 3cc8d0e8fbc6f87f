/**
 * G.722 at 64 kbit/s to samples at 16 kHz: ITU-T G.722 (09/2012) section 4 (decoder), in its 16-bit arithmetic, so the
 * result is the standard's bit for bit. Names of the steps are the standard's. Leaves out modes 2 and 3 (56 and
 * 48 kbit/s), which RTP never uses.
 */
import { G722_SAMPLE_RATE } from '../codec/g722.ts';
import { PlainDecoder } from './plain-decoder.ts';

/** Inverse quantizer of the lower band, 6 bits (INVQBL). */
const QM6 = Int16Array.of(
  -136,
  -136,
  -136,
  -136,
  -24808,
  -21904,
  -19008,
  -16704,
  -14984,
  -13512,
  -12280,
  -11192,
  -10232,
  -9360,
  -8576,
  -7856,
  -7192,
  -6576,
  -6000,
  -5456,
  -4944,
  -4464,
  -4008,
  -3576,
  -3168,
  -2776,
  -2400,
  -2032,
  -1688,
  -1360,
  -1040,
  -728,
  24808,
  21904,
  19008,
  16704,
  14984,
  13512,
  12280,
  11192,
  10232,
  9360,
  8576,
  7856,
  7192,
  6576,
  6000,
  5456,
  4944,
  4464,
  4008,
  3576,
  3168,
  2776,
  2400,
  2032,
  1688,
  1360,
  1040,
  728,
  432,
  136,
  -432,
  -136,
);
/** The same of its 4 leading bits, which drive the predictor (INVQAL). */
const QM4 = Int16Array.of(
  0,
  -20456,
  -12896,
  -8968,
  -6288,
  -4240,
  -2584,
  -1200,
  20456,
  12896,
  8968,
  6288,
  4240,
  2584,
  1200,
  0,
);
/** Of the higher band (INVQAH). */
const QM2 = Int16Array.of(-7408, -1616, 7408, 1616);
/** Steps of the logarithmic scale factors by code (LOGSCL, LOGSCH). */
const STEP_LOW = Int16Array.of(
  -60,
  3042,
  1198,
  538,
  334,
  172,
  58,
  -30,
  3042,
  1198,
  538,
  334,
  172,
  58,
  -30,
  -60,
);
const STEP_HIGH = Int16Array.of(798, -214, 798, -214);
/** 2 to the n/32 (SCALEL, SCALEH). */
const ILB = Int16Array.of(
  2048,
  2093,
  2139,
  2186,
  2233,
  2282,
  2332,
  2383,
  2435,
  2489,
  2543,
  2599,
  2656,
  2714,
  2774,
  2834,
  2896,
  2960,
  3025,
  3091,
  3158,
  3228,
  3298,
  3371,
  3444,
  3520,
  3597,
  3676,
  3756,
  3838,
  3922,
  4008,
);
/** Half of the receive QMF's 24 symmetric coefficients. */
const QMF = Int16Array.of(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11);
const QMF_TAPS = 24;

function saturate(value: number): number {
  return value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value;
}

/** One of the two bands: adaptive predictor and scale factor. */
class Band {
  /** Predicted sample. */
  predicted = 0;
  /** Scale factor. */
  scale: number;
  private logScale = 0;
  private readonly mostLog: number;
  private readonly shift: number;
  private zeroPart = 0;
  private readonly differences = new Int32Array(7);
  private readonly zeros = new Int32Array(7);
  private a1 = 0;
  private a2 = 0;
  private r1 = 0;
  private partial1 = 0;
  private partial2 = 0;

  constructor(scale: number, mostLog: number, shift: number) {
    this.scale = scale;
    this.mostLog = mostLog;
    this.shift = shift;
  }

  /** LOGSCL and SCALEL, LOGSCH and SCALEH. */
  adaptScale(step: number): void {
    const log = ((this.logScale * 127) >> 7) + step;
    this.logScale = log < 0 ? 0 : log > this.mostLog ? this.mostLog : log;
    const mantissa = ILB[(this.logScale >> 6) & 31]!;
    const shift = this.shift - (this.logScale >> 11);
    this.scale = (shift < 0 ? mantissa << -shift : mantissa >> shift) << 2;
  }

  /** Block 4: a new difference signal goes in, the next prediction comes out in `predicted`. */
  predict(difference: number): void {
    const { differences, zeros } = this;
    const reconstructed = saturate(this.predicted + difference);
    const partial = saturate(this.zeroPart + difference);
    const isLike1 = partial < 0 === this.partial1 < 0;
    const isLike2 = partial < 0 === this.partial2 < 0;
    // UPPOL2
    const quadruple = saturate(this.a1 * 4);
    const towards = isLike1 ? Math.min(-quadruple, 32_767) : quadruple;
    let a2 = (towards >> 7) + (isLike2 ? 128 : -128) + ((this.a2 * 32_512) >> 15);
    a2 = a2 > 12_288 ? 12_288 : a2 < -12_288 ? -12_288 : a2;
    // UPPOL1
    let a1 = saturate((isLike1 ? 192 : -192) + ((this.a1 * 32_640) >> 15));
    const most = saturate(15_360 - a2);
    a1 = a1 > most ? most : a1 < -most ? -most : a1;
    // UPZERO, DELAYA and FILTEZ
    const gain = difference === 0 ? 0 : 128;
    differences[0] = difference;
    let zeroPart = 0;
    for (let i = 6; i > 0; i--) {
      const change = differences[i]! < 0 === difference < 0 ? gain : -gain;
      const zero = saturate(change + ((zeros[i]! * 32_640) >> 15));
      zeros[i] = zero;
      const delayed = differences[i - 1]!;
      differences[i] = delayed;
      zeroPart += (zero * saturate(delayed * 2)) >> 15;
    }
    this.zeroPart = saturate(zeroPart);
    // FILTEP
    const polePart = saturate(
      ((a1 * saturate(reconstructed * 2)) >> 15) + ((a2 * saturate(this.r1 * 2)) >> 15),
    );
    this.predicted = saturate(polePart + this.zeroPart);
    this.r1 = reconstructed;
    this.partial2 = this.partial1;
    this.partial1 = partial;
    this.a1 = a1;
    this.a2 = a2;
  }
}

/** The half millisecond by which the QMF delays is not taken off: no player does. */
export class G722Decoder extends PlainDecoder {
  private readonly low = new Band(32, 18_432, 8);
  private readonly high = new Band(8, 22_528, 10);
  private readonly history = new Int32Array(QMF_TAPS);

  constructor() {
    super(G722_SAMPLE_RATE, 1);
  }

  protected samplesIn(bytes: number): number {
    return bytes * 2;
  }

  protected fill(channels: readonly Float32Array[], payload: Uint8Array): void {
    const out = channels[0]!;
    for (let i = 0; i < payload.length; i++) this.decodeByte(payload[i]!, out, i * 2);
  }

  private decodeByte(code: number, out: Float32Array, at: number): void {
    const { low, high, history } = this;
    const lowCode = code & 63;
    const highCode = code >> 6;
    const lowSum = low.predicted + ((low.scale * QM6[lowCode]!) >> 15);
    const lowSample = lowSum > 16_383 ? 16_383 : lowSum < -16_384 ? -16_384 : lowSum;
    const lowDifference = (low.scale * QM4[lowCode >> 2]!) >> 15;
    low.adaptScale(STEP_LOW[lowCode >> 2]!);
    low.predict(lowDifference);
    const highDifference = (high.scale * QM2[highCode]!) >> 15;
    const highSum = high.predicted + highDifference;
    const highSample = highSum > 16_383 ? 16_383 : highSum < -16_384 ? -16_384 : highSum;
    high.adaptScale(STEP_HIGH[highCode]!);
    high.predict(highDifference);
    history.copyWithin(0, 2);
    history[QMF_TAPS - 2] = lowSample + highSample;
    history[QMF_TAPS - 1] = lowSample - highSample;
    let first = 0;
    let second = 0;
    for (let i = 0; i < QMF.length; i++) {
      second += history[2 * i]! * QMF[i]!;
      first += history[2 * i + 1]! * QMF[QMF.length - 1 - i]!;
    }
    out[at] = saturate(first >> 11) / 32_768;
    out[at + 1] = saturate(second >> 11) / 32_768;
  }
}
