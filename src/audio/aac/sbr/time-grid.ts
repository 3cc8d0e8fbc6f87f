/**
 * sbr_grid(), ISO/IEC 14496-3 4.4.2.8 table 4.69 and 4.6.18.3.3: where the envelopes and noise floors of a channel's
 * frame begin and end. Borders are in time slots of two QMF samples; the last may lie up to 3 slots in the next frame.
 */
import type { SbrBits } from './sbr-bits.ts';

export const MAX_ENVELOPES = 5;

const FIXFIX = 0;
const FIXVAR = 1;
const VARFIX = 2;

/** Bits of bs_pointer by number of envelopes. */
const POINTER_BITS = [0, 1, 2, 2, 3, 3];

export class TimeGrid {
  /** Envelopes of the frame, 1 to 5. */
  envelopes: number;
  /** `envelopes` + 1 ascending borders. */
  readonly borders: Uint8Array;
  /** By envelope: 1 bands of high, 0 of low resolution. */
  readonly resolution: Uint8Array;
  /** 1 or 2. */
  noiseFloors: number;
  readonly noiseBorders: Uint8Array;
  /** The envelope that begins with a transient; `envelopes` when that is the next frame's first; -1: none. */
  transient: number;
  /** 1: levels in steps of 3 dB, 0: of 1.5 dB. */
  ampRes: number;

  constructor() {
    this.envelopes = 1;
    this.borders = new Uint8Array(MAX_ENVELOPES + 1);
    this.resolution = new Uint8Array(MAX_ENVELOPES);
    this.noiseFloors = 1;
    this.noiseBorders = new Uint8Array(3);
    this.transient = -1;
    this.ampRes = 0;
  }

  /** Where the last envelope ends. */
  get end(): number {
    return this.borders[this.envelopes]!;
  }

  /** `slots` time slots per frame, 16 or 15. False: the grid is against the standard. */
  read(bits: SbrBits, slots: number, ampRes: number): boolean {
    const { borders, resolution } = this;
    const frameClass = bits.bits(2);
    this.ampRes = ampRes;
    let pointer = 0;
    if (frameClass === FIXFIX) {
      const envelopes = 1 << bits.bits(2);
      if (envelopes > MAX_ENVELOPES) return false;
      if (envelopes === 1) this.ampRes = 0;
      this.envelopes = envelopes;
      resolution.fill(bits.bit());
      const length = Math.floor((slots + (envelopes >> 1)) / envelopes);
      for (let i = 0; i < envelopes; i++) borders[i] = i * length;
      borders[envelopes] = slots;
    } else {
      const first = frameClass === FIXVAR ? 0 : bits.bits(2);
      const last = frameClass === VARFIX ? slots : slots + bits.bits(2);
      const leading = frameClass === FIXVAR ? 0 : bits.bits(2);
      const trailing = frameClass === VARFIX ? 0 : bits.bits(2);
      const envelopes = leading + trailing + 1;
      if (envelopes > MAX_ENVELOPES) return false;
      this.envelopes = envelopes;
      let border = first;
      borders[0] = border;
      for (let i = 1; i <= leading; i++) {
        border += 2 * bits.bits(2) + 2;
        borders[i] = border;
      }
      border = last;
      borders[envelopes] = border;
      for (let i = 1; i <= trailing; i++) {
        border -= 2 * bits.bits(2) + 2;
        if (border < 0) return false;
        borders[envelopes - i] = border;
      }
      pointer = bits.bits(POINTER_BITS[envelopes]!);
      if (pointer > envelopes + 1) return false;
      for (let i = 0; i < envelopes; i++) {
        resolution[frameClass === FIXVAR ? envelopes - 1 - i : i] = bits.bit();
      }
    }
    for (let i = 0; i < this.envelopes; i++) if (borders[i]! >= borders[i + 1]!) return false;
    this.placeNoiseAndTransient(frameClass, pointer);
    return true;
  }

  /** Tables 4.156 and 4.157: the border between two noise floors, and the envelope of the transient. */
  private placeNoiseAndTransient(frameClass: number, pointer: number): void {
    const { borders, envelopes, noiseBorders } = this;
    const isTrailing = frameClass !== FIXFIX && frameClass !== VARFIX;
    this.transient = -1;
    if (isTrailing && pointer > 0) this.transient = envelopes + 1 - pointer;
    else if (frameClass === VARFIX && pointer > 1) this.transient = pointer - 1;
    noiseBorders[0] = borders[0]!;
    if (envelopes === 1) {
      this.noiseFloors = 1;
      noiseBorders[1] = borders[1]!;
      return;
    }
    let middle = envelopes >> 1;
    if (isTrailing) middle = envelopes - Math.max(pointer - 1, 1);
    else if (frameClass === VARFIX) middle = pointer === 0 ? 1 : pointer === 1 ? envelopes - 1 : pointer - 1;
    this.noiseFloors = 2;
    noiseBorders[1] = borders[middle]!;
    noiseBorders[2] = borders[envelopes]!;
  }

  /** The same grid as another channel's. */
  copy(other: TimeGrid): void {
    this.envelopes = other.envelopes;
    this.borders.set(other.borders);
    this.resolution.set(other.resolution);
    this.noiseFloors = other.noiseFloors;
    this.noiseBorders.set(other.noiseBorders);
    this.transient = other.transient;
    this.ampRes = other.ampRes;
  }

  /** A lost frame: one envelope of the last one's form, from where that one ended to the end of the frame. */
  hold(slots: number): void {
    const { borders, noiseBorders } = this;
    const start = Math.max(this.end - slots, 0);
    this.resolution[0] = this.resolution[this.envelopes - 1]!;
    this.envelopes = 1;
    this.noiseFloors = 1;
    this.transient = -1;
    borders[0] = start;
    borders[1] = slots;
    noiseBorders[0] = start;
    noiseBorders[1] = slots;
  }
}
