/**
 * Writes SBR and parametric stereo payloads with random, valid contents: every kind of grid, both directions of
 * differences, all header fields. ISO/IEC 14496-3 4.4.2.8 and 8.4.2. The reader's tables are used the other way round.
 */
import { FrequencyTables } from '../../../../../src/audio/aac/sbr/frequency-tables.ts';
import * as codes from '../../../../../src/audio/aac/sbr/huffman-tables.ts';
import type { HuffmanCode } from '../../../../../src/audio/aac/sbr/huffman-tree.ts';
import * as psCodes from '../../../../../src/audio/aac/sbr/ps/ps-huffman-tables.ts';
import { SbrBits } from '../../../../../src/audio/aac/sbr/sbr-bits.ts';
import { SbrHeader } from '../../../../../src/audio/aac/sbr/sbr-header.ts';
import { TimeGrid } from '../../../../../src/audio/aac/sbr/time-grid.ts';
import { BitWriter } from '../../../../support/bit-writer.ts';
import { Random } from '../../../../support/fuzz.ts';

export interface HeaderFields {
  readonly ampRes: number;
  readonly start: number;
  readonly stop: number;
  readonly crossover: number;
  readonly scale: number;
  readonly alter: number;
  readonly noiseBands: number;
  readonly limiterBands: number;
  readonly limiterGains: number;
  readonly interpol: number;
  readonly smoothing: number;
}

export function writeHeader(out: BitWriter, h: HeaderFields): void {
  out.put(h.ampRes, 1).put(h.start, 4).put(h.stop, 4).put(h.crossover, 3).put(0, 2).put(3, 2);
  out.put(h.scale, 2).put(h.alter, 1).put(h.noiseBands, 2);
  out.put(h.limiterBands, 2).put(h.limiterGains, 2).put(h.interpol, 1).put(h.smoothing, 1);
}

const ENVELOPE_TIME = [
  codes.ENVELOPE_TIME_1_5,
  codes.ENVELOPE_TIME_3,
  codes.BALANCE_TIME_1_5,
  codes.BALANCE_TIME_3,
];
const ENVELOPE_FREQUENCY = [
  codes.ENVELOPE_FREQUENCY_1_5,
  codes.ENVELOPE_FREQUENCY_3,
  codes.BALANCE_FREQUENCY_1_5,
  codes.BALANCE_FREQUENCY_3,
];
const START_BITS = [7, 6, 6, 5];

/** What a channel's next frame counts from. */
class LastFrame {
  end = 16;
  resolution = 0;
  levels: number[] = [];
  noise: number[] = [];
}

export interface WriterOptions {
  /** Of the output. */
  readonly sampleRate: number;
  readonly channels: 1 | 2;
  readonly seed: number;
  readonly hasPs?: boolean;
  readonly hasPhases?: boolean;
}

export class SbrWriter {
  private readonly random: Random;
  private readonly options: WriterOptions;
  private readonly tables = new FrequencyTables();
  private last: LastFrame[] = [new LastFrame(), new LastFrame()];
  private header: HeaderFields | undefined;
  private readonly ps: PsWriter | undefined;
  /** Headers whose tables were new. */
  resets = 0;
  wasCoupled = false;

  constructor(options: WriterOptions) {
    this.options = options;
    this.random = new Random(options.seed);
    this.ps = options.hasPs ? new PsWriter(this.random, options.hasPhases ?? false) : undefined;
  }

  /** One frame, as many bits as come behind the extension type. */
  frame(): BitWriter {
    const { random } = this;
    const out = new BitWriter();
    const isNew = this.header === undefined || random.below(12) === 0;
    out.put(isNew ? 1 : 0, 1);
    if (isNew) writeHeader(out, this.chooseHeader());
    // One grid for both: it must go on from where either ended.
    const isAligned = this.last[0]!.end === this.last[1]!.end;
    const isCoupled = this.options.channels === 2 && isAligned && random.below(2) === 0;
    // Differences in time of another kind of levels mean nothing.
    const mayBeTime = !isNew && isCoupled === this.wasCoupled;
    this.wasCoupled = isCoupled;
    out.put(0, 1);
    if (this.options.channels === 2) out.put(isCoupled ? 1 : 0, 1);
    const grids = [this.grid(out, 0)];
    if (this.options.channels === 2) grids.push(isCoupled ? grids[0]! : this.grid(out, 1));
    const directions = grids.map((grid) => {
      const envelopes = Array.from({ length: grid.envelopes }, (_, e) =>
        (e > 0 || mayBeTime) && random.below(2) === 0 ? 1 : 0,
      );
      const noise = Array.from({ length: grid.noiseFloors }, (_, f) =>
        (f > 0 || mayBeTime) && random.below(2) === 0 ? 1 : 0,
      );
      for (const bit of [...envelopes, ...noise]) out.put(bit, 1);
      return { envelopes, noise };
    });
    for (let c = 0; c < (isCoupled ? 1 : grids.length); c++) {
      for (let i = 0; i < this.tables.noiseCount; i++) out.put(random.below(4), 2);
    }
    const steps: (() => void)[] = [];
    grids.forEach((grid, c) => {
      const isBalance = isCoupled && c === 1;
      steps.push(() => this.envelopes(out, grid, this.last[c]!, directions[c]!.envelopes, isBalance));
      steps.push(() => this.noise(out, grid, this.last[c]!, directions[c]!.noise, isBalance));
    });
    const order = steps.length === 2 || isCoupled ? [0, 1, 2, 3] : [0, 2, 1, 3];
    for (const i of order) steps[i]?.();
    for (let c = 0; c < grids.length; c++) {
      const has = random.below(3) === 0;
      out.put(has ? 1 : 0, 1);
      for (let i = 0; has && i < this.tables.highCount; i++) out.put(random.below(4) === 0 ? 1 : 0, 1);
    }
    this.extension(out);
    return out;
  }

  private extension(out: BitWriter): void {
    out.put(this.ps === undefined ? 0 : 1, 1);
    if (this.ps === undefined) return;
    const data = new BitWriter().put(2, 2).append(this.ps.frame());
    const size = (data.bits.length + 7) >> 3;
    out.put(Math.min(size, 15), 4);
    if (size >= 15) out.put(size - 15, 8);
    out.append(data).put(0, size * 8 - data.bits.length);
  }

  private chooseHeader(): HeaderFields {
    const { random } = this;
    const isNewSpectrum = this.header === undefined || random.below(2) === 0;
    for (;;) {
      const old = this.header;
      const fields: HeaderFields = {
        ampRes: random.below(2),
        start: isNewSpectrum ? random.below(16) : old!.start,
        stop: isNewSpectrum ? random.below(16) : old!.stop,
        crossover: isNewSpectrum ? random.below(4) : old!.crossover,
        scale: isNewSpectrum ? random.below(4) : old!.scale,
        alter: isNewSpectrum ? random.below(2) : old!.alter,
        noiseBands: isNewSpectrum ? random.below(4) : old!.noiseBands,
        limiterBands: random.below(4),
        limiterGains: random.below(4),
        interpol: random.below(2),
        // Smoothing that begins without new tables has a past that decoders invent differently.
        smoothing: isNewSpectrum ? random.below(2) : old!.smoothing,
      };
      const bits = new BitWriter();
      writeHeader(bits, fields);
      const reader = new SbrBits();
      reader.begin(bits.bytes(), 0, bits.bits.length);
      const header = new SbrHeader();
      header.read(reader);
      if (!this.tables.build(header, this.options.sampleRate) || this.tables.patchCount > 5) continue;
      // A last patch of one or two subbands is not made: decoders treat the gap each in its own way.
      let covered = 0;
      for (let i = 0; i < this.tables.patchCount; i++) covered += this.tables.patchSize[i]!;
      if (covered !== this.tables.m) continue;
      if (isNewSpectrum) this.resets++;
      this.header = fields;
      return fields;
    }
  }

  private grid(out: BitWriter, channel: number): TimeGrid {
    const { random } = this;
    const last = this.last[channel]!;
    const first = last.end - 16;
    for (;;) {
      const bits = new BitWriter();
      const frameClass = first > 0 ? 2 + random.below(2) : random.below(4);
      bits.put(frameClass, 2);
      if (frameClass === 0) {
        bits.put(random.below(3), 2).put(random.below(2), 1);
      } else {
        if (frameClass > 1) bits.put(first, 2);
        if (frameClass !== 2) bits.put(random.below(4), 2);
        const leading = random.below(4);
        const trailing = random.below(4);
        if (frameClass > 1) bits.put(leading, 2);
        if (frameClass !== 2) bits.put(trailing, 2);
        const relative = (frameClass > 1 ? leading : 0) + (frameClass !== 2 ? trailing : 0);
        for (let i = 0; i < relative; i++) bits.put(random.below(4), 2);
        const envelopes = relative + 1;
        if (envelopes > 5) continue;
        bits.put(random.below(envelopes + 2), [0, 1, 2, 2, 3, 3][envelopes]!);
        for (let i = 0; i < envelopes; i++) bits.put(random.below(2), 1);
      }
      const reader = new SbrBits();
      reader.begin(bits.bytes(), 0, bits.bits.length);
      const grid = new TimeGrid();
      if (!grid.read(reader, 16, this.header!.ampRes) || reader.isOverrun) continue;
      out.append(bits);
      last.end = grid.end;
      if (this.options.channels === 2 && this.wasCoupled) this.last[1 - channel]!.end = grid.end;
      return grid;
    }
  }

  private envelopes(
    out: BitWriter,
    grid: TimeGrid,
    last: LastFrame,
    inTime: number[],
    isBalance: boolean,
  ): void {
    const { random, tables } = this;
    const code = grid.ampRes + (isBalance ? 2 : 0);
    const odd = tables.highCount & 1;
    // Of the codes' units: levels of up to about 60 dB, a balance of a few dB to either side.
    const middle = isBalance ? (grid.ampRes === 1 ? 6 : 12) : grid.ampRes === 1 ? 14 : 28;
    const spread = isBalance ? 4 : 10;
    for (let e = 0; e < grid.envelopes; e++) {
      const resolution = grid.resolution[e]!;
      const count = resolution === 1 ? tables.highCount : tables.lowCount;
      const levels = Array.from({ length: count }, () => middle + random.below(spread) - (spread >> 1));
      if (inTime[e] === 1) {
        for (let i = 0; i < count; i++) {
          let from = i;
          if (resolution > last.resolution) from = (i + odd) >> 1;
          else if (resolution < last.resolution) from = i === 0 ? 0 : 2 * i - odd;
          const limit = -ENVELOPE_TIME[code]!.first;
          const step = Math.max(-limit, Math.min(limit, levels[i]! - last.levels[from]!));
          levels[i] = last.levels[from]! + step;
          out.code(ENVELOPE_TIME[code]!, step);
        }
      } else {
        out.put(levels[0]!, START_BITS[code]!);
        for (let i = 1; i < count; i++) out.code(ENVELOPE_FREQUENCY[code]!, levels[i]! - levels[i - 1]!);
      }
      last.levels = levels;
      last.resolution = resolution;
    }
  }

  private noise(out: BitWriter, grid: TimeGrid, last: LastFrame, inTime: number[], isBalance: boolean): void {
    const { random, tables } = this;
    const time = isBalance ? codes.NOISE_BALANCE_TIME : codes.NOISE_TIME;
    const frequency = isBalance ? codes.BALANCE_FREQUENCY_3 : codes.ENVELOPE_FREQUENCY_3;
    for (let f = 0; f < grid.noiseFloors; f++) {
      const levels = Array.from({ length: tables.noiseCount }, () => 4 + random.below(8));
      levels.forEach((level, i) => {
        if (inTime[f] === 1) out.code(time, level - last.noise[i]!);
        else if (i === 0) out.put(level, 5);
        else out.code(frequency, level - levels[i - 1]!);
      });
      last.noise = levels;
    }
  }
}

const BANDS = [10, 20, 34, 10, 20, 34];
const PHASE_BANDS = [5, 11, 17, 5, 11, 17];

class PsWriter {
  private readonly random: Random;
  private readonly hasPhases: boolean;
  private iidMode = -1;
  private iccMode = -1;
  private hasStarted = false;
  private iid: number[] = [];
  private icc: number[] = [];
  private ipd: number[] = [];
  private opd: number[] = [];
  /** Indexes stay near these, which wander: a payload must fit its fill element. */
  private iidMiddle = 0;
  private iccMiddle = 3;

  constructor(random: Random, hasPhases: boolean) {
    this.random = random;
    this.hasPhases = hasPhases;
  }

  frame(): BitWriter {
    const { random } = this;
    const out = new BitWriter();
    const isNew = !this.hasStarted || random.below(10) === 0;
    out.put(isNew ? 1 : 0, 1);
    if (isNew) {
      this.hasStarted = true;
      this.iidMode = random.below(6);
      this.iccMode = random.below(6);
      out.put(1, 1).put(this.iidMode, 3).put(1, 1).put(this.iccMode, 3);
      out.put(this.hasPhases ? 1 : 0, 1);
    }
    const isVariable = random.below(2) === 0;
    const code = random.below(4);
    const envelopes = isVariable ? code + 1 : [0, 1, 2, 4][code]!;
    if (isNew && envelopes === 0) return this.frameOver(isNew);
    out.put(isVariable ? 1 : 0, 1).put(code, 2);
    if (isVariable) {
      const borders = Array.from({ length: envelopes }, () => random.below(32)).sort((a, b) => a - b);
      for (const border of borders) out.put(border, 5);
    }
    const fine = this.iidMode > 2 ? 1 : 0;
    const iidFrequency = fine ? psCodes.IID_FINE_FREQUENCY : psCodes.IID_FREQUENCY;
    const iidTime = fine ? psCodes.IID_FINE_TIME : psCodes.IID_TIME;
    const largest = fine ? 15 : 7;
    for (let e = 0; e < envelopes; e++) {
      const isTime = e > 0 || !isNew ? random.below(2) : 0;
      this.iidMiddle = this.near(this.iidMiddle, 3, -largest, largest);
      const values = this.around(BANDS[this.iidMode]!, this.iidMiddle, -largest, largest);
      row(out, isTime, values, this.iid, iidFrequency, iidTime);
      this.iid = values;
    }
    for (let e = 0; e < envelopes; e++) {
      const isTime = e > 0 || !isNew ? random.below(2) : 0;
      this.iccMiddle = this.near(this.iccMiddle, 2, 0, 7);
      const values = this.around(BANDS[this.iccMode]!, this.iccMiddle, 0, 7);
      row(out, isTime, values, this.icc, psCodes.ICC_FREQUENCY, psCodes.ICC_TIME);
      this.icc = values;
    }
    if (this.hasPhases) this.phases(out, envelopes, isNew);
    return out;
  }

  private near(value: number, reach: number, least: number, most: number): number {
    return Math.max(least, Math.min(most, value + this.random.below(2 * reach + 1) - reach));
  }

  private around(count: number, middle: number, least: number, most: number): number[] {
    return Array.from({ length: count }, () => this.near(middle, 1, least, most));
  }

  /** A first frame without an envelope has nothing to repeat: another one. */
  private frameOver(isNew: boolean): BitWriter {
    if (isNew) this.hasStarted = false;
    return this.frame();
  }

  private phases(out: BitWriter, envelopes: number, isNew: boolean): void {
    const { random } = this;
    const data = new BitWriter().put(0, 2).put(1, 1);
    const count = PHASE_BANDS[this.iidMode]!;
    for (let e = 0; e < envelopes; e++) {
      for (const name of ['ipd', 'opd'] as const) {
        const isTime = e > 0 || !isNew ? random.below(2) : 0;
        const values = Array.from({ length: count }, () => random.below(8));
        const frequency = name === 'ipd' ? psCodes.IPD_FREQUENCY : psCodes.OPD_FREQUENCY;
        const time = name === 'ipd' ? psCodes.IPD_TIME : psCodes.OPD_TIME;
        data.put(isTime, 1);
        values.forEach((value, b) => {
          const before = isTime === 1 ? this[name][b]! : b === 0 ? 0 : values[b - 1]!;
          data.code(isTime === 1 ? time : frequency, (value - before) & 7);
        });
        this[name] = values;
      }
    }
    data.put(0, 1);
    const size = (data.bits.length + 7) >> 3;
    out.put(Math.min(size, 15), 4);
    if (size >= 15) out.put(size - 15, 8);
    out.append(data).put(0, size * 8 - data.bits.length);
  }
}

function row(
  out: BitWriter,
  isTime: number,
  values: number[],
  last: number[],
  frequency: HuffmanCode,
  time: HuffmanCode,
): void {
  out.put(isTime, 1);
  values.forEach((value, b) => {
    const before = isTime === 1 ? last[b]! : b === 0 ? 0 : values[b - 1]!;
    out.code(isTime === 1 ? time : frequency, value - before);
  });
}
