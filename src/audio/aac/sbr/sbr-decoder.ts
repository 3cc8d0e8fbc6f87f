/**
 * Spectral band replication, ISO/IEC 14496-3 4.6.18, and parametric stereo, 8.6.4: what HE-AAC (v1 and v2) adds to the
 * decoded core of a mono or stereo element. Full quality (complex subbands), output at twice the core's rate. Left out:
 * the low power variant, output at the core's own rate.
 */

import { readPair, readSingle } from './envelope-reader.ts';
import { FrequencyTables } from './frequency-tables.ts';
import { setCoupled } from './level-dequantizer.ts';
import { PsDecoder } from './ps/ps-decoder.ts';
import { QmfSynthesis } from './qmf-synthesis.ts';
import { SbrBits, sbrCrc } from './sbr-bits.ts';
import { SbrChannel } from './sbr-channel.ts';
import { SbrHeader } from './sbr-header.ts';

const CRC_BITS = 10;
const EXTENSION_PS = 2;
/** So many frames without a good payload are given the last one's envelope; then the high band is left out. */
const MAX_HELD_FRAMES = 8;

export class SbrDecoder {
  private errorCount: number;
  private readonly sampleRate: number;
  /** Time slots of two QMF samples per frame. */
  private readonly timeSlots: number;
  private readonly bits: SbrBits;
  private header: SbrHeader;
  private spareHeader: SbrHeader;
  private readonly tables: FrequencyTables;
  private readonly channels: readonly SbrChannel[];
  private readonly synthesis: readonly QmfSynthesis[];
  private readonly ps: PsDecoder | undefined;
  private readonly rightRe: Float32Array;
  private readonly rightIm: Float32Array;
  private readonly outputs: readonly Float32Array[];
  private readonly monoOutput: readonly Float32Array[];
  /** A header was seen and nothing since took its worth. */
  private hasHeader: boolean;
  /** A good payload came for the frame that `process` is called for next. */
  private isFresh: boolean;
  private heldFrames: number;
  private isCoupled: boolean;
  /** First subband above all sound of the last frame. */
  private lastTop: number;

  /** `coreSampleRate` in Hz, that of the core decoder's output. */
  constructor(coreSampleRate: number, coreChannels: 1 | 2, frameLength: 1024 | 960) {
    this.errorCount = 0;
    this.sampleRate = 2 * coreSampleRate;
    this.timeSlots = frameLength / 64;
    this.bits = new SbrBits();
    this.header = new SbrHeader();
    this.spareHeader = new SbrHeader();
    this.tables = new FrequencyTables();
    this.channels = Array.from({ length: coreChannels }, () => new SbrChannel(frameLength));
    this.synthesis = [new QmfSynthesis(), new QmfSynthesis()];
    this.ps = coreChannels === 1 ? new PsDecoder(2 * this.timeSlots) : undefined;
    this.rightRe = new Float32Array(2 * this.timeSlots * 64);
    this.rightIm = new Float32Array(2 * this.timeSlots * 64);
    this.outputs = [new Float32Array(2 * frameLength), new Float32Array(2 * frameLength)];
    this.monoOutput = this.outputs.slice(0, 1);
    this.hasHeader = false;
    this.isFresh = false;
    this.heldFrames = 0;
    this.isCoupled = false;
    this.lastTop = 0;
  }

  /** Payloads that were damaged. */
  get errors(): number {
    return this.errorCount;
  }

  /**
   * sbr_extension_data() of the next frame: `bitCount` bits from bit `startBit` on, what follows the extension type
   * (13, or 14: begins with a CRC of 10 bits) to the end of the fill element. Never throws: damage is counted, and
   * `process` makes do with the frame before.
   */
  read(bytes: Uint8Array, startBit: number, bitCount: number, hasCrc: boolean): void {
    const { bits } = this;
    // A second payload for one frame cannot be told apart from damage.
    this.isFresh = false;
    bits.begin(bytes, startBit, bitCount);
    if (hasCrc) {
      const crc = bits.bits(CRC_BITS);
      if (bits.isOverrun || crc !== sbrCrc(bytes, bits.position, bits.remaining)) {
        this.errorCount++;
        return;
      }
    }
    const hasNewHeader = bits.bit() === 1;
    if (bits.isOverrun) {
      this.errorCount++;
      return;
    }
    if (hasNewHeader && !this.readHeader()) {
      this.errorCount++;
      this.dropHeader();
      return;
    }
    if (!this.hasHeader) return;
    if (this.readData()) {
      for (const channel of this.channels) channel.accept();
      this.isFresh = true;
      this.readExtensions();
    } else {
      this.errorCount++;
    }
  }

  /**
   * The core's frame, one array per channel of frameLength samples of full scale 1, to twice as many samples: two arrays
   * for a stereo core or once parametric stereo came, else one. They are valid until the next call.
   */
  process(core: readonly Float32Array[]): readonly Float32Array[] {
    this.settleFrame();
    const { channels, tables, outputs } = this;
    const header = this.hasHeader ? this.header : undefined;
    if (header !== undefined) this.dequantize();
    for (let i = 0; i < channels.length; i++) channels[i]!.process(core[i]!, tables, header);
    const slots = 2 * this.timeSlots;
    const first = channels[0]!;
    const second = channels[1];
    if (second !== undefined) {
      this.synthesis[0]!.process(first.re, first.im, slots, outputs[0]!);
      this.synthesis[1]!.process(second.re, second.im, slots, outputs[1]!);
      return outputs;
    }
    const ps = this.ps;
    if (ps?.hasStarted) {
      const top = header === undefined ? 32 : tables.kx + tables.m;
      // The frame before may reach into this one with more subbands.
      ps.process(first.re, first.im, this.rightRe, this.rightIm, Math.max(top, this.lastTop));
      this.lastTop = top;
      this.synthesis[0]!.process(first.re, first.im, slots, outputs[0]!);
      this.synthesis[1]!.process(this.rightRe, this.rightIm, slots, outputs[1]!);
      return outputs;
    }
    this.synthesis[0]!.process(first.re, first.im, slots, outputs[0]!);
    return this.monoOutput;
  }

  /** False: the header is damaged or asks for bands that the standard forbids. */
  private readHeader(): boolean {
    const next = this.spareHeader;
    next.read(this.bits);
    if (this.bits.isOverrun) return false;
    const isNew = !this.hasHeader || !next.hasSpectrumOf(this.header);
    if (isNew) {
      if (!this.tables.build(next, this.sampleRate)) return false;
      // Levels of other bands are no use for differences or for a lost frame.
      for (const channel of this.channels) {
        if (this.hasHeader) channel.startTables();
        else channel.restart();
      }
      this.heldFrames = MAX_HELD_FRAMES;
    } else if (next.limiterBands !== this.header.limiterBands) {
      this.tables.buildLimiter(next.limiterBands);
    }
    this.spareHeader = this.header;
    this.header = next;
    this.hasHeader = true;
    return true;
  }

  private readData(): boolean {
    const { bits, tables, timeSlots, header } = this;
    const first = this.channels[0]!;
    const second = this.channels[1];
    if (second === undefined) {
      return readSingle(bits, tables, timeSlots, header.ampRes, first.next, first.data) && !bits.isOverrun;
    }
    const isCoupled = readPair(
      bits,
      tables,
      timeSlots,
      header.ampRes,
      first.next,
      second.next,
      first.data,
      second.data,
    );
    if (isCoupled === undefined || bits.isOverrun) return false;
    this.isCoupled = isCoupled;
    return true;
  }

  /** bs_extended_data: parametric stereo is the only known kind. Damage here leaves the envelopes good. */
  private readExtensions(): void {
    const { bits, ps } = this;
    if (bits.bit() === 0) return;
    let size = bits.bits(4);
    if (size === 15) size += bits.bits(8);
    const end = bits.position + 8 * size;
    if (bits.isOverrun || 8 * size > bits.remaining) {
      this.errorCount++;
      return;
    }
    if (size === 0 || bits.bits(2) !== EXTENSION_PS || ps === undefined) return;
    if (!ps.read(bits, end)) this.errorCount++;
  }

  /** No good payload: the frame before goes on for a while, then the low band plays alone until the next header. */
  private settleFrame(): void {
    if (this.isFresh) {
      this.isFresh = false;
      this.heldFrames = 0;
    } else if (this.hasHeader) {
      if (this.heldFrames >= MAX_HELD_FRAMES) {
        this.dropHeader();
        return;
      }
      this.heldFrames++;
      for (const channel of this.channels) channel.data.hold(this.timeSlots);
    }
  }

  private dropHeader(): void {
    this.hasHeader = false;
    this.isFresh = false;
  }

  private dequantize(): void {
    const first = this.channels[0]!;
    const second = this.channels[1];
    if (second !== undefined && this.isCoupled) {
      setCoupled(first.data, second.data, first.levels, second.levels);
      return;
    }
    first.levels.setSingle(first.data);
    second?.levels.setSingle(second.data);
  }
}
