/**
 * Temporal noise shaping: ISO/IEC 14496-3 4.6.9. Filters over the lines of a window, as read and as applied.
 */
import type { AacBits } from './aac-bits.ts';
import type { ChannelStream } from './channel-stream.ts';

const WINDOWS = 8;
const MAX_FILTERS = 3;
const MAX_ORDER_LONG = 12;
const MAX_ORDER_SHORT = 7;
const FILTERS = WINDOWS * MAX_FILTERS;

/** tns_data of one channel. Filters are by window * MAX_FILTERS + filter. */
export class TnsData {
  isPresent: boolean;
  private readonly filters: Uint8Array;
  private readonly lengths: Uint8Array;
  private readonly orders: Uint8Array;
  private readonly isDownward: Uint8Array;
  /** Reflection coefficients, MAX_ORDER_LONG for each filter. */
  private readonly reflections: Float64Array;
  private readonly predictor: Float64Array;
  private readonly spare: Float64Array;

  constructor() {
    this.isPresent = false;
    this.filters = new Uint8Array(WINDOWS);
    this.lengths = new Uint8Array(FILTERS);
    this.orders = new Uint8Array(FILTERS);
    this.isDownward = new Uint8Array(FILTERS);
    this.reflections = new Float64Array(FILTERS * MAX_ORDER_LONG);
    this.predictor = new Float64Array(MAX_ORDER_LONG + 1);
    this.spare = new Float64Array(MAX_ORDER_LONG + 1);
  }

  /** Filters of the last frame. */
  get filterCount(): number {
    let count = 0;
    for (let window = 0; window < WINDOWS; window++) count += this.filters[window]!;
    return count;
  }

  /** tns_data (table 4.54); false when a filter is longer than AAC LC allows. */
  read(bits: AacBits, isShort: boolean): boolean {
    const windows = isShort ? WINDOWS : 1;
    const maxOrder = isShort ? MAX_ORDER_SHORT : MAX_ORDER_LONG;
    this.filters.fill(0);
    for (let window = 0; window < windows; window++) {
      const count = bits.bits(isShort ? 1 : 2);
      this.filters[window] = count;
      if (count === 0) continue;
      const resolution = bits.bits(1) + 3;
      for (let filter = 0; filter < count; filter++) {
        const at = window * MAX_FILTERS + filter;
        this.lengths[at] = bits.bits(isShort ? 4 : 6);
        const order = bits.bits(isShort ? 3 : 5);
        this.orders[at] = order;
        if (order > maxOrder) return false;
        if (order === 0) continue;
        this.isDownward[at] = bits.bits(1);
        const width = resolution - bits.bits(1);
        this.readReflections(bits, at * MAX_ORDER_LONG, order, resolution, width);
      }
    }
    return true;
  }

  private readReflections(bits: AacBits, at: number, order: number, resolution: number, width: number): void {
    const half = 1 << (resolution - 1);
    for (let i = 0; i < order; i++) {
      const code = bits.bits(width);
      const value = code >= 1 << (width - 1) ? code - (1 << width) : code;
      const steps = value >= 0 ? half - 0.5 : half + 0.5;
      this.reflections[at + i] = Math.sin((value * Math.PI) / (2 * steps));
    }
  }

  /** Filters the spectrum of a channel. */
  apply(spectrum: Float32Array, stream: ChannelStream): void {
    const { offsets, bands, windowLines } = stream;
    const reach = Math.min(stream.isShort ? stream.tables.tnsShort : stream.tables.tnsLong, stream.maxBand);
    for (let window = 0; window < WINDOWS; window++) {
      let top = bands;
      for (let filter = 0; filter < this.filters[window]!; filter++) {
        const at = window * MAX_FILTERS + filter;
        const bottom = Math.max(0, top - this.lengths[at]!);
        const order = this.orders[at]!;
        const start = offsets[Math.min(bottom, reach)]!;
        const size = offsets[Math.min(top, reach)]! - start;
        top = bottom;
        if (order === 0 || size <= 0) continue;
        this.makePredictor(at * MAX_ORDER_LONG, order);
        const first = window * windowLines + start;
        if (this.isDownward[at] === 1) this.filterDown(spectrum, first, size, order);
        else this.filterUp(spectrum, first, size, order);
      }
    }
  }

  /** Reflection coefficients to those of the direct form, `predictor[1..order]` (4.6.9.3). */
  private makePredictor(at: number, order: number): void {
    const { predictor, spare, reflections } = this;
    predictor[0] = 1;
    for (let m = 1; m <= order; m++) {
      const reflection = reflections[at + m - 1]!;
      for (let i = 1; i < m; i++) spare[i] = predictor[i]! + reflection * predictor[m - i]!;
      for (let i = 1; i < m; i++) predictor[i] = spare[i]!;
      predictor[m] = reflection;
    }
  }

  private filterUp(x: Float32Array, first: number, size: number, order: number): void {
    const { predictor } = this;
    for (let n = 0; n < size; n++) {
      let value = x[first + n]!;
      const taps = n < order ? n : order;
      for (let i = 1; i <= taps; i++) value -= predictor[i]! * x[first + n - i]!;
      x[first + n] = value;
    }
  }

  private filterDown(x: Float32Array, first: number, size: number, order: number): void {
    const { predictor } = this;
    const last = first + size - 1;
    for (let n = 0; n < size; n++) {
      let value = x[last - n]!;
      const taps = n < order ? n : order;
      for (let i = 1; i <= taps; i++) value -= predictor[i]! * x[last - n + i]!;
      x[last - n] = value;
    }
  }
}
