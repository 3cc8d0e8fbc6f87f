/** What the payload says of one channel's frame: grid, levels, inverse filtering, sinusoids. */
import { MAX_ENVELOPES, TimeGrid } from './time-grid.ts';

/** Room for the bands of one envelope. */
export const BANDS = 64;
export const MAX_NOISE_FLOORS = 2;
/** Room for the bands of one noise floor. */
export const NOISE_BANDS = 5;

export class ChannelData {
  readonly grid: TimeGrid;
  /** By envelope: 1 when its levels are differences from the envelope before it. */
  readonly envelopeInTime: Uint8Array;
  readonly noiseInTime: Uint8Array;
  /** bs_invf_mode by noise band. */
  readonly inverseFilter: Uint8Array;
  /** Quantized levels, BANDS per envelope; of the second channel of a coupled pair the balance. */
  readonly envelopes: Int16Array;
  /** Quantized noise floors, NOISE_BANDS each. */
  readonly noise: Int16Array;
  /** 1 in bands of high resolution that hold a sinusoid. */
  readonly sinusoids: Uint8Array;

  constructor() {
    this.grid = new TimeGrid();
    this.envelopeInTime = new Uint8Array(MAX_ENVELOPES);
    this.noiseInTime = new Uint8Array(MAX_NOISE_FLOORS);
    this.inverseFilter = new Uint8Array(NOISE_BANDS);
    this.envelopes = new Int16Array(MAX_ENVELOPES * BANDS);
    this.noise = new Int16Array(MAX_NOISE_FLOORS * NOISE_BANDS);
    this.sinusoids = new Uint8Array(BANDS);
  }

  reset(): void {
    const { grid } = this;
    grid.envelopes = 1;
    grid.borders.fill(0);
    grid.resolution.fill(0);
    grid.transient = -1;
    this.inverseFilter.fill(0);
    this.envelopes.fill(0);
    this.noise.fill(0);
    this.sinusoids.fill(0);
  }

  /** Turns itself into a guess at the frame after this one: its last envelope and noise floor go on. */
  hold(slots: number): void {
    const { grid, envelopes, noise } = this;
    const last = (grid.envelopes - 1) * BANDS;
    envelopes.copyWithin(0, last, last + BANDS);
    const lastNoise = (grid.noiseFloors - 1) * NOISE_BANDS;
    noise.copyWithin(0, lastNoise, lastNoise + NOISE_BANDS);
    grid.hold(slots);
  }
}
