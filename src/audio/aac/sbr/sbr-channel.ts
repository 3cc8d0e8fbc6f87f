/**
 * One channel of SBR decoding: the core's samples into QMF subbands, the high band added by what the payload said, as
 * rows of 64 subbands for the synthesis bank or parametric stereo. ISO/IEC 14496-3 4.6.18.5.
 */
import { BANDS, ChannelData } from './channel-data.ts';
import type { FrequencyTables } from './frequency-tables.ts';
import { HfAdjuster } from './hf-adjuster.ts';
import { HfGenerator } from './hf-generator.ts';
import { Levels } from './level-dequantizer.ts';
import { LOW_BANDS, QmfAnalysis } from './qmf-analysis.ts';
import type { SbrHeader } from './sbr-header.ts';

/** QMF samples of the frame before that the generator looks at. */
const PAST_ROWS = 8;
/** The frame proper begins this many rows later than the generator's window. */
const LEAD_ROWS = 2;
/** QMF samples that envelopes may reach into the next frame. */
const AHEAD_ROWS = 6;

export class SbrChannel {
  /** What was read last; `next` is for the reader to fill. */
  data: ChannelData;
  next: ChannelData;
  readonly levels: Levels;
  /** The result: a frame of rows of 64 subbands and 6 rows of the next, there the low band alone is complete. */
  readonly re: Float32Array;
  readonly im: Float32Array;
  private readonly rows: number;
  private readonly analysis: QmfAnalysis;
  private readonly generator: HfGenerator;
  private readonly adjuster: HfAdjuster;
  private readonly lowRe: Float32Array;
  private readonly lowIm: Float32Array;
  private readonly highRe: Float32Array;
  private readonly highIm: Float32Array;
  /** First subband of the high band in the last frame, and rows that it reached into this one. */
  private lastKx: number;
  private overhang: number;

  constructor(frameLength: number) {
    const rows = frameLength / LOW_BANDS;
    this.data = new ChannelData();
    this.next = new ChannelData();
    this.levels = new Levels();
    this.re = new Float32Array((rows + AHEAD_ROWS) * BANDS);
    this.im = new Float32Array((rows + AHEAD_ROWS) * BANDS);
    this.rows = rows;
    this.analysis = new QmfAnalysis(frameLength);
    this.generator = new HfGenerator();
    this.adjuster = new HfAdjuster();
    this.lowRe = new Float32Array((rows + PAST_ROWS) * LOW_BANDS);
    this.lowIm = new Float32Array((rows + PAST_ROWS) * LOW_BANDS);
    this.highRe = new Float32Array((rows + AHEAD_ROWS) * BANDS);
    this.highIm = new Float32Array((rows + AHEAD_ROWS) * BANDS);
    this.lastKx = LOW_BANDS;
    this.overhang = 0;
  }

  /** Forgets what was read; the signal goes on. */
  restart(): void {
    this.data.reset();
    this.generator.reset();
    this.adjuster.reset();
  }

  /** The frequency tables are new. */
  startTables(): void {
    this.adjuster.startTables();
  }

  /** What the reader filled is good. */
  accept(): void {
    const good = this.next;
    this.next = this.data;
    this.data = good;
  }

  /** One frame. Without `header` the low band passes alone, of the full 32 subbands. */
  process(core: Float32Array, tables: FrequencyTables, header: SbrHeader | undefined): void {
    const { rows, re, im, lowRe, lowIm, overhang } = this;
    const kx = header === undefined ? LOW_BANDS : tables.kx;
    lowRe.copyWithin(0, rows * LOW_BANDS, (rows + PAST_ROWS) * LOW_BANDS);
    lowIm.copyWithin(0, rows * LOW_BANDS, (rows + PAST_ROWS) * LOW_BANDS);
    for (let row = 0; row < PAST_ROWS; row++) {
      // What was high band then does not become low band now.
      lowRe.fill(0, row * LOW_BANDS + Math.min(this.lastKx, kx), row * LOW_BANDS + kx);
      lowIm.fill(0, row * LOW_BANDS + Math.min(this.lastKx, kx), row * LOW_BANDS + kx);
    }
    this.analysis.process(core, lowRe, lowIm, PAST_ROWS);
    re.copyWithin(0, rows * BANDS, (rows + overhang) * BANDS);
    im.copyWithin(0, rows * BANDS, (rows + overhang) * BANDS);
    re.fill(0, overhang * BANDS);
    im.fill(0, overhang * BANDS);
    this.overhang = 0;
    if (header !== undefined) this.addHighBand(tables, header, overhang);
    for (let row = 0; row < rows + AHEAD_ROWS; row++) {
      const stop = row < overhang ? this.lastKx : kx;
      const from = (row + LEAD_ROWS) * LOW_BANDS;
      const to = row * BANDS;
      for (let k = 0; k < stop; k++) {
        re[to + k] = lowRe[from + k]!;
        im[to + k] = lowIm[from + k]!;
      }
    }
    this.lastKx = kx;
  }

  private addHighBand(tables: FrequencyTables, header: SbrHeader, overhang: number): void {
    const { data, levels, rows, highRe, highIm } = this;
    const begin = 2 * data.grid.borders[0]!;
    const end = 2 * data.grid.end;
    this.generator.generate(
      tables,
      data.inverseFilter,
      this.lowRe,
      this.lowIm,
      rows + PAST_ROWS,
      highRe,
      highIm,
      begin,
      end,
    );
    this.adjuster.adjust(header, tables, data, levels, highRe, highIm, this.re, this.im, overhang);
    this.overhang = Math.max(end - rows, 0);
  }
}
