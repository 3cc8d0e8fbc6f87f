/**
 * G.726 ADPCM (16, 24, 32 and 40 kbit/s) to samples at 8 kHz: ITU-T G.726 (12/90) section 4, in its fixed-point
 * arithmetic; the names in comments are the standard's blocks. Codes lie in the octets first one lowest (RFC 3551
 * section 4.5.4). Leaves out the conversion to G.711 at the end (blocks COMPRESS to SYNC): linear samples are wanted.
 */
import { G726_SAMPLE_RATE } from '../codec/g726.ts';
import { PlainDecoder } from './plain-decoder.ts';

interface Tables {
  /** Logarithm of the quantized difference by magnitude of the code. */
  readonly logDifference: readonly number[];
  /** W(I) times 32: step of the scale factor. */
  readonly step: readonly number[];
  /** F(I) times 512: how lively the signal is. */
  readonly liveliness: readonly number[];
}

/** By bits of a code from 2 on; of the non-negative codes, the others mirror them. */
const TABLES: readonly Tables[] = [
  { logDifference: [116, 365], step: [-704, 14_048], liveliness: [0, 0xe00] },
  {
    logDifference: [-2048, 135, 273, 373],
    step: [-128, 960, 4384, 18_624],
    liveliness: [0, 0x200, 0x400, 0xe00],
  },
  {
    logDifference: [-2048, 4, 135, 213, 273, 323, 373, 425],
    step: [-384, 576, 1312, 2048, 3584, 6336, 11_360, 35_904],
    liveliness: [0, 0, 0, 0x200, 0x200, 0x200, 0x600, 0xe00],
  },
  {
    logDifference: [-2048, -66, 28, 104, 169, 224, 274, 318, 358, 395, 429, 459, 488, 514, 539, 566],
    step: [
      448, 448, 768, 1248, 1280, 1312, 1856, 3200, 4512, 5728, 7008, 8960, 11_456, 14_080, 16_928, 22_272,
    ],
    liveliness: [0, 0, 0, 0, 0, 0x200, 0x200, 0x200, 0x200, 0x200, 0x400, 0x600, 0x800, 0xa00, 0xc00, 0xc00],
  },
];

const FIRST_FAST_SCALE = 544;
const MOST_FAST_SCALE = 5120;
const FIRST_SLOW_SCALE = 34_816;
/** Zero as the standard's floating point of 4 bits exponent and 6 bits mantissa. */
const FLOAT_ZERO = 32;

/** Bits that a magnitude below 32768 needs. */
function bitsOf(magnitude: number): number {
  return 32 - Math.clz32(magnitude);
}

/** FLOATA, FLOATB; `negative` by its offset, as the standard's sign bit. */
function toFloat(magnitude: number, isNegative: boolean): number {
  const exponent = bitsOf(magnitude);
  const float = magnitude === 0 ? FLOAT_ZERO : (exponent << 6) + ((magnitude << 6) >> exponent);
  return isNegative ? float - 0x400 : float;
}

/** FMULT: predictor coefficient times a float. */
function multiply(coefficient: number, float: number): number {
  const magnitude = coefficient > 0 ? coefficient : -coefficient & 0x1fff;
  const exponent = bitsOf(magnitude) - 6;
  const mantissa = magnitude === 0 ? 32 : exponent >= 0 ? magnitude >> exponent : magnitude << -exponent;
  const sum = exponent + ((float >> 6) & 15) - 13;
  const product = (mantissa * (float & 63) + 0x30) >> 4;
  const value = sum >= 0 ? (product << sum) & 0x7fff : product >> -sum;
  return (coefficient ^ float) < 0 ? -value : value;
}

export class G726Decoder extends PlainDecoder {
  private readonly bits: number;
  private readonly tables: Tables;
  private slowScale = FIRST_SLOW_SCALE;
  private fastScale = FIRST_FAST_SCALE;
  private shortLiveliness = 0;
  private longLiveliness = 0;
  private speed = 0;
  private a1 = 0;
  private a2 = 0;
  private isTone = false;
  private wasNegative1 = false;
  private wasNegative2 = false;
  private readonly zeros = new Int32Array(6);
  private readonly differences = new Int32Array(6).fill(FLOAT_ZERO);
  private reconstructed1 = FLOAT_ZERO;
  private reconstructed2 = FLOAT_ZERO;

  /** `bits` of a code: 2 to 5. */
  constructor(bits: number) {
    super(G726_SAMPLE_RATE, 1);
    this.bits = bits;
    this.tables = TABLES[bits - 2]!;
  }

  protected samplesIn(bytes: number): number {
    return Math.floor((bytes * 8) / this.bits);
  }

  protected fill(channels: readonly Float32Array[], payload: Uint8Array, samples: number): void {
    const out = channels[0]!;
    const mask = (1 << this.bits) - 1;
    let waiting = 0;
    let held = 0;
    let at = 0;
    for (let i = 0; i < samples; i++) {
      while (held < this.bits) {
        waiting |= payload[at++]! << held;
        held += 8;
      }
      out[i] = this.decodeCode(waiting & mask) / 32_768;
      waiting >>= this.bits;
      held -= this.bits;
    }
  }

  /** One sample, 16 bits. */
  private decodeCode(code: number): number {
    const { tables, zeros, differences } = this;
    const isNegative = code >> (this.bits - 1) === 1;
    const level = isNegative ? (1 << this.bits) - 1 - code : code;
    let zeroSum = 0;
    for (let i = 0; i < 6; i++) zeroSum += multiply(zeros[i]! >> 2, differences[i]!);
    const zeroPart = zeroSum >> 1;
    const poleSum = multiply(this.a2 >> 2, this.reconstructed2) + multiply(this.a1 >> 2, this.reconstructed1);
    const estimate = (zeroSum + poleSum) >> 1;
    const scale = this.mixedScale();
    // RECONST, ADDA, ANTILOG
    const log = tables.logDifference[level]! + (scale >> 2);
    const difference = log < 0 ? 0 : ((128 + (log & 127)) << 7) >> (14 - ((log >> 7) & 15));
    const reconstructed = isNegative ? estimate - difference : estimate + difference;
    const partial = reconstructed - estimate + zeroPart;
    this.update(
      scale,
      tables.step[level]!,
      tables.liveliness[level]!,
      difference,
      isNegative,
      reconstructed,
      partial,
    );
    const wide = reconstructed * 4;
    return wide > 32_767 ? 32_767 : wide < -32_768 ? -32_768 : wide;
  }

  /** MIX: between the slow and the fast scale factor, by speed. */
  private mixedScale(): number {
    if (this.speed >= 256) return this.fastScale;
    const slow = this.slowScale >> 6;
    const distance = this.fastScale - slow;
    const share = this.speed >> 2;
    if (distance > 0) return slow + ((distance * share) >> 6);
    return distance < 0 ? slow + ((distance * share + 0x3f) >> 6) : slow;
  }

  private update(
    scale: number,
    step: number,
    liveliness: number,
    difference: number,
    isNegative: boolean,
    reconstructed: number,
    partial: number,
  ): void {
    const isTransition = this.isTone && difference > this.transitionThreshold();
    // FUNCTW, FILTD, LIMB, FILTE
    const fast = scale + ((step - scale) >> 5);
    this.fastScale =
      fast < FIRST_FAST_SCALE ? FIRST_FAST_SCALE : fast > MOST_FAST_SCALE ? MOST_FAST_SCALE : fast;
    this.slowScale += this.fastScale + (-this.slowScale >> 6);
    const isPartialNegative = partial < 0;
    if (isTransition) {
      this.a1 = 0;
      this.a2 = 0;
      this.zeros.fill(0);
    } else {
      this.updatePoles(partial, isPartialNegative);
      this.updateZeros(difference, isNegative);
    }
    this.differences.copyWithin(1, 0, 5);
    this.differences[0] = toFloat(difference, isNegative);
    this.reconstructed2 = this.reconstructed1;
    this.reconstructed1 =
      reconstructed <= -32_768 ? FLOAT_ZERO - 0x400 : toFloat(Math.abs(reconstructed), reconstructed < 0);
    this.wasNegative2 = this.wasNegative1;
    this.wasNegative1 = isPartialNegative;
    // TONE
    this.isTone = !isTransition && this.a2 < -11_776;
    // FILTA, FILTB, SUBTC, FILTC, TRIGA
    this.shortLiveliness += (liveliness - this.shortLiveliness) >> 5;
    this.longLiveliness += (liveliness * 4 - this.longLiveliness) >> 7;
    if (isTransition) {
      this.speed = 256;
      return;
    }
    const isLively =
      scale < 1536 ||
      this.isTone ||
      Math.abs(this.shortLiveliness * 4 - this.longLiveliness) >= this.longLiveliness >> 3;
    this.speed += isLively ? (0x200 - this.speed) >> 4 : -this.speed >> 4;
  }

  /** TRANS */
  private transitionThreshold(): number {
    const whole = this.slowScale >> 15;
    const part = (this.slowScale >> 10) & 31;
    const threshold = whole > 9 ? 31 << 10 : (32 + part) << whole;
    return (threshold + (threshold >> 1)) >> 1;
  }

  /** UPA2, LIMC, UPA1, LIMD */
  private updatePoles(partial: number, isNegative: boolean): void {
    const isUnlike1 = isNegative !== this.wasNegative1;
    let a2 = this.a2 - (this.a2 >> 7);
    if (partial !== 0) {
      const towards = isUnlike1 ? this.a1 : -this.a1;
      a2 += towards < -8191 ? -0x100 : towards > 8191 ? 0xff : towards >> 5;
      a2 += isNegative !== this.wasNegative2 ? -0x80 : 0x80;
      a2 = a2 < -12_288 ? -12_288 : a2 > 12_288 ? 12_288 : a2;
    }
    this.a2 = a2;
    let a1 = this.a1 - (this.a1 >> 8);
    if (partial !== 0) a1 += isUnlike1 ? -192 : 192;
    const most = 15_360 - a2;
    this.a1 = a1 < -most ? -most : a1 > most ? most : a1;
  }

  /** UPB */
  private updateZeros(difference: number, isNegative: boolean): void {
    const leak = this.bits === 5 ? 9 : 8;
    for (let i = 0; i < 6; i++) {
      let zero = this.zeros[i]! - (this.zeros[i]! >> leak);
      if (difference !== 0) zero += isNegative === this.differences[i]! < 0 ? 128 : -128;
      this.zeros[i] = zero;
    }
  }
}
