/**
 * Scale factor bands (ISO/IEC 14496-3 tables 4.129 to 4.147) and the reach of temporal noise shaping (4.6.9.4), by
 * sampling rate. The bands of frames of 960 are those of frames of 1024, cut off at the end of the spectrum.
 */

/** Widths of the bands of a window of 1024 or 128 lines, `width*count`. */
const LONG_96 = '4*14 8*5 12*5 16*2 24*1 28*1 36*1 44*1 64*11';
const LONG_64 = '4*14 8*4 12*3 16*3 20*1 24*2 28*1 36*1 40*18';
const LONG_48 = '4*10 8*7 12*4 16*2 20*2 24*2 28*2 32*19 96*1';
const LONG_32 = '4*10 8*7 12*4 16*2 20*2 24*2 28*2 32*22';
const LONG_24 = '4*11 8*10 12*4 16*3 20*2 24*2 28*2 32*1 36*2 40*1 44*1 48*1 52*2 64*5';
const LONG_16 = '8*11 12*9 16*4 20*3 24*2 28*2 32*1 36*1 40*2 44*1 48*1 52*1 56*1 60*1 64*3';
const LONG_8 = '12*13 16*7 20*4 24*3 28*2 32*1 36*2 40*1 44*1 48*1 52*1 56*1 60*1 64*1 80*1';
const SHORT_96 = '4*6 8*3 16*1 28*1 36*1';
const SHORT_48 = '4*5 8*3 12*3 16*3';
const SHORT_24 = '4*7 8*3 12*2 16*2 20*1';
const SHORT_16 = '4*8 8*2 12*2 16*1 20*2';
const SHORT_8 = '4*7 8*4 12*1 16*1 20*2';

interface RateBands {
  /** Lowest rate in Hz that uses the row (4.5.2.5, table 4.82): rates between those of the standard use the nearest. */
  readonly from: number;
  readonly long: string;
  readonly short: string;
  /** Bands that noise shaping reaches in long and short windows. */
  readonly tnsLong: number;
  readonly tnsShort: number;
}

const RATES: readonly RateBands[] = [
  { from: 92_017, long: LONG_96, short: SHORT_96, tnsLong: 31, tnsShort: 9 },
  { from: 75_132, long: LONG_96, short: SHORT_96, tnsLong: 31, tnsShort: 9 },
  { from: 55_426, long: LONG_64, short: SHORT_96, tnsLong: 34, tnsShort: 10 },
  { from: 46_009, long: LONG_48, short: SHORT_48, tnsLong: 40, tnsShort: 14 },
  { from: 37_566, long: LONG_48, short: SHORT_48, tnsLong: 42, tnsShort: 14 },
  { from: 27_713, long: LONG_32, short: SHORT_48, tnsLong: 51, tnsShort: 14 },
  { from: 18_783, long: LONG_24, short: SHORT_24, tnsLong: 46, tnsShort: 14 },
  { from: 9_391, long: LONG_16, short: SHORT_16, tnsLong: 42, tnsShort: 14 },
  { from: 0, long: LONG_8, short: SHORT_8, tnsLong: 39, tnsShort: 14 },
];

export type FrameLength = 1024 | 960;

/** What the bands of a stream are. */
export interface BandTables {
  /** First line of each band, then the number of lines of a window. */
  readonly long: Uint16Array;
  readonly short: Uint16Array;
  readonly tnsLong: number;
  readonly tnsShort: number;
}

function offsets(widths: string, lines: number): Uint16Array {
  const list = [0];
  let next = 0;
  for (const run of widths.split(' ')) {
    const [width = 0, count = 0] = run.split('*').map(Number);
    for (let i = 0; i < count && next < lines; i++) {
      next = Math.min(lines, next + width);
      list.push(next);
    }
  }
  return Uint16Array.from(list);
}

/** Bands of a core rate in Hz. */
export function bandTables(sampleRate: number, frameLength: FrameLength): BandTables {
  const row = RATES.find(({ from }) => sampleRate >= from) ?? RATES[RATES.length - 1]!;
  return {
    long: offsets(row.long, frameLength),
    short: offsets(row.short, frameLength / 8),
    tnsLong: row.tnsLong,
    tnsShort: row.tnsShort,
  };
}
