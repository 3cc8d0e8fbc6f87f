/** Frequency tables, patches, time grids: ISO/IEC 14496-3 4.6.18.3. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FrequencyTables } from '../../../../../src/audio/aac/sbr/frequency-tables.ts';
import { SbrBits } from '../../../../../src/audio/aac/sbr/sbr-bits.ts';
import { SbrHeader } from '../../../../../src/audio/aac/sbr/sbr-header.ts';
import { TimeGrid } from '../../../../../src/audio/aac/sbr/time-grid.ts';
import { BitWriter } from '../../../../support/bit-writer.ts';
import { type HeaderFields, writeHeader } from './sbr-writer.ts';

const RATES = [16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000];

function headerOf(fields: Partial<HeaderFields>): SbrHeader {
  const out = new BitWriter();
  const defaults = { ampRes: 1, start: 5, stop: 9, crossover: 0, scale: 2, alter: 1, noiseBands: 2 };
  const limits = { limiterBands: 2, limiterGains: 2, interpol: 1, smoothing: 1 };
  writeHeader(out, { ...defaults, ...limits, ...fields });
  const bits = new SbrBits();
  bits.begin(out.bytes(), 0, out.bits.length);
  const header = new SbrHeader();
  header.read(bits);
  assert.equal(bits.isOverrun, false);
  return header;
}

function listed(tables: FrequencyTables): Record<string, number[]> {
  return {
    high: [...tables.high.subarray(0, tables.highCount + 1)],
    low: [...tables.low.subarray(0, tables.lowCount + 1)],
    noise: [...tables.noise.subarray(0, tables.noiseCount + 1)],
    limiter: [...tables.limiter.subarray(0, tables.limiterCount + 1)],
    patchStart: [...tables.patchStart.subarray(0, tables.patchCount)],
    patchSize: [...tables.patchSize.subarray(0, tables.patchCount)],
  };
}

function assertAscending(values: readonly number[], what: string): void {
  for (let i = 1; i < values.length; i++) assert.ok(values[i]! > values[i - 1]!, `${what}: ${values}`);
}

describe('frequency tables', () => {
  it('linear bands', () => {
    const tables = new FrequencyTables();
    // 48 kHz: k0 = round(4000 * 128 / 48000) + 2 = 13, k2 = 2 k0; the band left over widens the last one.
    assert.ok(tables.build(headerOf({ start: 5, stop: 14, scale: 0, alter: 0, limiterBands: 0 }), 48_000));
    assert.deepEqual(listed(tables), {
      high: [13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 26],
      low: [13, 15, 17, 19, 21, 23, 26],
      noise: [13, 19, 26],
      limiter: [13, 26],
      // 24 and 25 would be a patch of two subbands, which is not made.
      patchStart: [1],
      patchSize: [11],
    });
    assert.ok(tables.build(headerOf({ start: 5, stop: 14, scale: 0, alter: 1 }), 48_000));
    assert.deepEqual(listed(tables)['high'], [13, 15, 17, 19, 21, 23, 26]);
  });

  it('warped bands in one octave: eight, ten, twelve of them', () => {
    const tables = new FrequencyTables();
    const highOf = (scale: number, crossover: number): number[] | undefined => {
      assert.ok(tables.build(headerOf({ start: 9, stop: 14, scale, crossover }), 48_000));
      return listed(tables)['high'];
    };
    // k0 = 17, k1 = 34: 17 * 2^(i / n), rounded, widths sorted.
    assert.deepEqual(highOf(3, 0), [17, 18, 20, 22, 24, 26, 28, 31, 34]);
    assert.deepEqual(highOf(2, 0), [17, 18, 19, 20, 22, 24, 26, 28, 30, 32, 34]);
    assert.deepEqual(highOf(1, 0), [17, 18, 19, 20, 21, 22, 23, 24, 26, 28, 30, 32, 34]);
    assert.deepEqual(highOf(1, 3), [20, 21, 22, 23, 24, 26, 28, 30, 32, 34]);
  });

  it('every header is either refused or gives tables within their limits', () => {
    const tables = new FrequencyTables();
    let built = 0;
    for (const rate of RATES) {
      for (let packed = 0; packed < 16 * 16 * 8; packed++) {
        const start = packed & 15;
        const stop = (packed >> 4) & 15;
        const scale = (packed >> 8) & 3;
        const alter = packed >> 10;
        const crossover = packed % 7;
        const fields = {
          start,
          stop,
          scale,
          alter,
          crossover,
          noiseBands: packed & 3,
          limiterBands: packed % 4,
        };
        if (!tables.build(headerOf(fields), rate)) continue;
        built++;
        const { high, low, noise, limiter, patchSize, patchStart } = listed(tables);
        const { k0, kx, m } = tables;
        const what = `${rate} ${JSON.stringify(fields)}`;
        for (const borders of [high!, low!, limiter!]) {
          assertAscending(borders, what);
          assert.deepEqual([borders[0], borders.at(-1)], [kx, kx + m], what);
        }
        assert.deepEqual([noise![0], noise!.at(-1)], [kx, kx + m], what);
        assert.ok(noise!.length <= 6 && high!.length <= 49 && limiter!.length <= 54, what);
        assert.ok(k0 <= kx && kx <= 32 && kx + m <= 64 && m <= 48, what);
        let top = kx;
        patchStart!.forEach((from, i) => {
          assert.ok(from >= 0 && from + patchSize![i]! <= k0, what);
          top += patchSize![i]!;
        });
        assert.ok(top <= kx + m && top > kx + m - 3, what);
      }
    }
    assert.ok(built > 5000, `${built}`);
  });

  it('refuses bands that are too many or none', () => {
    const tables = new FrequencyTables();
    assert.equal(tables.build(headerOf({ start: 0, stop: 13 }), 48_000), false);
    assert.equal(tables.build(headerOf({ start: 15, stop: 0 }), 48_000), false);
    assert.equal(tables.build(headerOf({ start: 13, stop: 4, scale: 3, crossover: 7 }), 48_000), false);
  });
});

describe('time grid', () => {
  const read = (bits: BitWriter, slots = 16, ampRes = 1): TimeGrid | undefined => {
    const reader = new SbrBits();
    reader.begin(bits.bytes(), 0, bits.bits.length);
    const grid = new TimeGrid();
    const isGood = grid.read(reader, slots, ampRes);
    if (isGood) assert.deepEqual([reader.remaining, reader.isOverrun], [0, false]);
    return isGood ? grid : undefined;
  };
  const shown = (grid: TimeGrid | undefined): unknown =>
    grid && {
      borders: [...grid.borders.subarray(0, grid.envelopes + 1)],
      resolution: [...grid.resolution.subarray(0, grid.envelopes)],
      noise: [...grid.noiseBorders.subarray(0, grid.noiseFloors + 1)],
      transient: grid.transient,
      ampRes: grid.ampRes,
    };

  const cases: readonly (readonly [string, BitWriter, number, unknown])[] = [
    [
      'FIXFIX of one envelope is always fine',
      new BitWriter().put(0, 2).put(0, 2).put(1, 1),
      16,
      { borders: [0, 16], resolution: [1], noise: [0, 16], transient: -1, ampRes: 0 },
    ],
    [
      'FIXFIX of four in frames of 960',
      new BitWriter().put(0, 2).put(2, 2).put(0, 1),
      15,
      { borders: [0, 4, 8, 12, 15], resolution: [0, 0, 0, 0], noise: [0, 8, 15], transient: -1, ampRes: 1 },
    ],
    ['FIXFIX of eight', new BitWriter().put(0, 2).put(3, 2).put(0, 1), 16, undefined],
    [
      'FIXVAR counts back from its end',
      // End 18, two relative borders (4, 2), pointer 2, resolutions from the last to the first.
      new BitWriter().put(1, 2).put(2, 2).put(2, 2).put(1, 2).put(0, 2).put(2, 2).put(0b100, 3),
      16,
      { borders: [0, 12, 14, 18], resolution: [0, 0, 1], noise: [0, 14, 18], transient: 2, ampRes: 1 },
    ],
    [
      'VARFIX counts on from its begin',
      new BitWriter().put(2, 2).put(3, 2).put(1, 2).put(2, 2).put(2, 2).put(0b10, 2),
      16,
      { borders: [3, 9, 16], resolution: [1, 0], noise: [3, 9, 16], transient: 1, ampRes: 1 },
    ],
    [
      'VARVAR does both',
      // Begin 1, end 17, one leading border (2), one trailing (4), pointer 1.
      new BitWriter()
        .put(3, 2)
        .put(1, 2)
        .put(1, 2)
        .put(1, 2)
        .put(1, 2)
        .put(0, 2)
        .put(1, 2)
        .put(1, 2)
        .put(0b011, 3),
      16,
      { borders: [1, 3, 13, 17], resolution: [0, 1, 1], noise: [1, 13, 17], transient: 3, ampRes: 1 },
    ],
    [
      'VARVAR of six envelopes',
      new BitWriter().put(3, 2).put(0, 2).put(0, 2).put(3, 2).put(2, 2),
      16,
      undefined,
    ],
    [
      'borders that cross',
      new BitWriter().put(2, 2).put(0, 2).put(3, 2).put(0b111111, 6).put(0, 2).put(0, 4),
      16,
      undefined,
    ],
    [
      'a pointer behind the envelopes',
      new BitWriter().put(2, 2).put(0, 2).put(1, 2).put(0, 2).put(3, 2).put(0, 2),
      16,
      { borders: [0, 2, 16], resolution: [0, 0], noise: [0, 16, 16], transient: 2, ampRes: 1 },
    ],
  ];
  for (const [name, bits, slots, wanted] of cases) {
    it(name, () => assert.deepEqual(shown(read(bits, slots)), wanted));
  }

  it('holds the last envelope of a lost frame from where it ended', () => {
    const grid = read(
      new BitWriter().put(1, 2).put(2, 2).put(2, 2).put(1, 2).put(0, 2).put(2, 2).put(0b100, 3),
    )!;
    grid.hold(16);
    assert.deepEqual(shown(grid), {
      borders: [2, 16],
      resolution: [1],
      noise: [2, 16],
      transient: -1,
      ampRes: 1,
    });
  });
});
