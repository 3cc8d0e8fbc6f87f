/** sbr_header(), ISO/IEC 14496-3 4.4.2.8 table 4.63: what holds for many frames. */
import type { SbrBits } from './sbr-bits.ts';

export class SbrHeader {
  /** Envelopes in steps of 3 dB (1) or 1.5 dB (0). */
  ampRes: number;
  startFrequency: number;
  stopFrequency: number;
  crossoverBand: number;
  frequencyScale: number;
  alterScale: number;
  noiseBands: number;
  limiterBands: number;
  limiterGains: number;
  interpolFrequency: number;
  /** 1: gains are not smoothed over time. */
  smoothingMode: number;

  constructor() {
    this.ampRes = 0;
    this.startFrequency = 0;
    this.stopFrequency = 0;
    this.crossoverBand = 0;
    this.frequencyScale = 2;
    this.alterScale = 1;
    this.noiseBands = 2;
    this.limiterBands = 2;
    this.limiterGains = 2;
    this.interpolFrequency = 1;
    this.smoothingMode = 1;
  }

  read(bits: SbrBits): void {
    this.ampRes = bits.bit();
    this.startFrequency = bits.bits(4);
    this.stopFrequency = bits.bits(4);
    this.crossoverBand = bits.bits(3);
    bits.skip(2);
    const extra1 = bits.bit();
    const extra2 = bits.bit();
    this.frequencyScale = extra1 === 1 ? bits.bits(2) : 2;
    this.alterScale = extra1 === 1 ? bits.bit() : 1;
    this.noiseBands = extra1 === 1 ? bits.bits(2) : 2;
    this.limiterBands = extra2 === 1 ? bits.bits(2) : 2;
    this.limiterGains = extra2 === 1 ? bits.bits(2) : 2;
    this.interpolFrequency = extra2 === 1 ? bits.bit() : 1;
    this.smoothingMode = extra2 === 1 ? bits.bit() : 1;
  }

  /** The frequency tables made for `other` serve this header too. */
  hasSpectrumOf(other: SbrHeader): boolean {
    return (
      this.startFrequency === other.startFrequency &&
      this.stopFrequency === other.stopFrequency &&
      this.crossoverBand === other.crossoverBand &&
      this.frequencyScale === other.frequencyScale &&
      this.alterScale === other.alterScale &&
      this.noiseBands === other.noiseBands
    );
  }
}
