/** What FFmpeg's files (test/unit/media-file) do not have. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ProtocolError } from '../../../../src/util/errors.ts';
import { BoxCursor, findBox, parseBoxHeader } from '../../../../src/wire/mp4/box-reader.ts';
import { BoxWriter } from '../../../../src/wire/mp4/box-writer.ts';
import { FragmentReader } from '../../../../src/wire/mp4/fragment-reader.ts';
import { type Movie, parseMovie } from '../../../../src/wire/mp4/movie-index.ts';
import { DESCRIPTION_SHIFT, SAMPLE_SYNC } from '../../../../src/wire/mp4/sample-table.ts';
import { bytes, recordNamed } from '../../codec/vectors.ts';

type Tables = (writer: BoxWriter) => void;

interface Options {
  readonly tables: Tables;
  readonly entries?: Tables;
  readonly edits?: Tables;
  readonly extension?: Tables;
  readonly isLong?: boolean;
  readonly fileBytes?: number;
  readonly handler?: string;
  readonly language?: number;
}

const AVC = bytes(recordNamed('h264-high').record);
const ASC = bytes(recordNamed('aac-48000-1').record);

function avc1(writer: BoxWriter, type = 'avc1'): void {
  writer.begin(type).zeros(6).u16(1).zeros(16).u16(64).u16(48).zeros(50);
  writer.begin('avcC').bytes(AVC).end().end();
}

function movie(options: Options): Movie {
  const { tables, entries = avc1, edits, extension, isLong = false, fileBytes = 1_000_000 } = options;
  const version = isLong ? 1 : 0;
  const times = isLong ? 16 : 8;
  const writer = new BoxWriter();
  writer.beginFull('mvhd', version, 0).zeros(times).u32(1000).zeros(80).end();
  writer.begin('trak');
  writer.beginFull('tkhd', version, 0).zeros(times).u32(7).zeros(60).end();
  if (edits !== undefined) {
    writer.begin('edts');
    edits(writer);
    writer.end();
  }
  writer.begin('mdia');
  writer
    .beginFull('mdhd', version, 0)
    .zeros(times)
    .u32(90_000)
    .zeros(isLong ? 8 : 4);
  writer
    .u16(options.language ?? 0x55c4)
    .u16(0)
    .end();
  writer
    .beginFull('hdlr', 0, 0)
    .u32(0)
    .utf8(options.handler ?? 'vide')
    .zeros(13)
    .end();
  writer.begin('minf').begin('stbl').beginFull('stsd', 0, 0).u32(1);
  entries(writer);
  writer.end();
  tables(writer);
  writer.end().end().end().end();
  if (extension !== undefined) {
    writer.begin('mvex');
    extension(writer);
    writer.end();
  }
  return parseMovie(writer.finish(), fileBytes);
}

/** A table with rows of 32-bit values. */
function rows(writer: BoxWriter, type: string, ...values: readonly (readonly number[])[]): void {
  writer.beginFull(type, 0, 0).u32(values.length);
  for (const row of values) for (const value of row) writer.u32(value >>> 0);
  writer.end();
}

function sizes(writer: BoxWriter, ...values: readonly number[]): void {
  writer.beginFull('stsz', 0, 0).u32(0).u32(values.length);
  for (const value of values) writer.u32(value);
  writer.end();
}

function usual(writer: BoxWriter): void {
  sizes(writer, 10, 20, 30, 40);
  rows(writer, 'stts', [4, 3000]);
  rows(writer, 'stsc', [1, 2, 1]);
  rows(writer, 'stco', [100], [500]);
}

function column(values: ArrayLike<number>, count: number): number[] {
  return Array.from(values).slice(0, count);
}

describe('movie index', () => {
  test('chunks, sizes, times, shifts, sync samples', () => {
    const { tracks, isFragmented, samplesBeyondFile } = movie({
      tables: (writer) => {
        usual(writer);
        rows(writer, 'ctts', [1, 6000], [1, -3000], [9, 0]);
        rows(writer, 'stss', [1], [3], [99]);
      },
    });
    const { id, timescale, language, shiftUs, samples } = tracks[0]!;
    assert.deepEqual([id, timescale, language, shiftUs, samples.count], [7, 90_000, '', 0, 4]);
    assert.deepEqual(column(samples.offsets, 4), [100, 110, 500, 530]);
    assert.deepEqual(column(samples.sizes, 4), [10, 20, 30, 40]);
    assert.deepEqual(column(samples.times, 4), [0, 3000, 6000, 9000]);
    assert.deepEqual(column(samples.shifts, 4), [6000, -3000, 0, 0]);
    assert.deepEqual(column(samples.marks, 4), [SAMPLE_SYNC, 0, SAMPLE_SYNC, 0]);
    assert.equal(samples.endTime, 12_000);
    assert.ok(!isFragmented && samplesBeyondFile === 0);
  });

  test('the long forms of the headers, a language, 64-bit places', () => {
    const { tracks } = movie({
      isLong: true,
      language: ((100 - 96) << 10) | ((101 - 96) << 5) | (117 - 96),
      fileBytes: 2 ** 40,
      tables: (writer) => {
        sizes(writer, 10);
        rows(writer, 'stts', [1, 3000]);
        rows(writer, 'stsc', [1, 1, 1]);
        rows(writer, 'co64', [0x10, 0x20]);
      },
    });
    assert.equal(tracks[0]!.language, 'deu');
    assert.equal(tracks[0]!.samples.offsets[0], 0x10_0000_0020);
  });

  const edits: readonly (readonly [string, Tables, number])[] = [
    [
      'media that begins late in the track',
      (writer) => rows(writer, 'elst', [1000, 9000, 0x1_0000]),
      -100_000,
    ],
    [
      'a pause, then media',
      (writer) => rows(writer, 'elst', [500, -1, 0x1_0000], [1000, 0, 0x1_0000]),
      500_000,
    ],
    ['both', (writer) => rows(writer, 'elst', [500, -1, 0x1_0000], [1000, 900, 0x1_0000]), 490_000],
    ['none', (writer) => rows(writer, 'elst'), 0],
    [
      'in 64 bits',
      (writer) =>
        writer
          .beginFull('elst', 1, 0)
          .u32(2)
          .u32(0)
          .u32(250)
          .u32(0xffff_ffff)
          .u32(0xffff_ffff)
          .u32(0x1_0000)
          .u32(0)
          .u32(1)
          .u32(0)
          .u32(9000)
          .u32(0x1_0000)
          .end(),
      150_000,
    ],
  ];
  for (const [name, elst, expected] of edits) {
    test(`edit list: ${name}`, () => {
      assert.equal(movie({ tables: usual, edits: elst }).tracks[0]!.shiftUs, expected);
    });
  }

  for (const [bits, packed] of [
    [4, [0x12, 0x34]],
    [8, [1, 2, 3, 4]],
    [16, [0, 1, 0, 2, 0, 3, 0, 4]],
  ] as const) {
    test(`sizes of ${bits} bits`, () => {
      const { tracks } = movie({
        tables: (writer) => {
          writer.beginFull('stz2', 0, 0).u32(bits).u32(4).bytes(Uint8Array.from(packed)).end();
          rows(writer, 'stts', [4, 1]);
          rows(writer, 'stsc', [1, 4, 1]);
          rows(writer, 'stco', [0]);
        },
      });
      assert.deepEqual(column(tracks[0]!.samples.sizes, 4), [1, 2, 3, 4]);
    });
  }

  test('several sample entries', () => {
    const { tracks } = movie({
      entries: (writer) => {
        avc1(writer);
        avc1(writer, 'zzzz');
        avc1(writer, 'avc3');
      },
      tables: (writer) => {
        sizes(writer, 1, 1, 1);
        rows(writer, 'stts', [3, 1]);
        rows(writer, 'stsc', [1, 1, 1], [2, 1, 3], [3, 1, 2]);
        rows(writer, 'stco', [0], [10], [20]);
      },
    });
    const { entries, samples } = tracks[0]!;
    assert.deepEqual(
      column(samples.marks, 3).map((mark) => mark >> DESCRIPTION_SHIFT),
      [0, 2, 1],
    );
    assert.deepEqual(
      entries.map(({ config }) => config?.mime ?? ''),
      ['avc1.64000c', '', 'avc1.64000c'],
    );
    assert.match(entries[1]!.reason, /"zzzz"/);
  });

  test('tables that end early are used as far as they go', () => {
    const short: Tables = (writer) => {
      writer.beginFull('stsz', 0, 0).u32(0).u32(1000).u32(10).u32(20).u32(30).end();
      rows(writer, 'stts', [2, 3000]);
      rows(writer, 'stsc', [1, 2, 1]);
      writer.beginFull('stco', 0, 0).u32(99).u32(100).end();
    };
    const { samples } = movie({ tables: short }).tracks[0]!;
    assert.equal(samples.count, 2, 'one chunk of two samples');
    const none = movie({ tables: () => undefined }).tracks[0]!;
    assert.equal(none.samples.count, 0);
  });

  test('samples behind the end of the file are counted and dropped', () => {
    const { tracks, samplesBeyondFile } = movie({ tables: usual, fileBytes: 531 });
    assert.deepEqual(column(tracks[0]!.samples.offsets, tracks[0]!.samples.count), [100, 110, 500]);
    assert.equal(samplesBeyondFile, 1);
  });

  test('a file that claims more samples than it has bytes', () => {
    const tables: Tables = (writer) => {
      writer.beginFull('stsz', 0, 0).u32(1).u32(0xffff_ffff).end();
      rows(writer, 'stts', [0xffff_ffff, 1]);
      rows(writer, 'stsc', [1, 0xffff_ffff, 1]);
      rows(writer, 'stco', [0]);
    };
    assert.equal(movie({ tables, fileBytes: 1000 }).tracks[0]!.samples.count, 1000);
    assert.throws(() => movie({ tables, fileBytes: 2 ** 33 }), /too-many-samples/);
  });

  test('encrypted and unknown tracks say so', () => {
    for (const [type, reason] of [
      ['encv', /encrypted/],
      ['mjpg', /"mjpg"/],
    ] as const) {
      const { tracks } = movie({ tables: usual, entries: (writer) => avc1(writer, type) });
      assert.match(tracks[0]!.entries[0]!.reason, reason);
      assert.equal(tracks[0]!.samples.count, 0, 'its tables are not expanded');
    }
  });

  test('sound of QuickTime keeps its config one level deeper', () => {
    const esds: Tables = (writer) => {
      writer
        .beginFull('esds', 0, 0)
        .u8(3)
        .u8(22 + ASC.length)
        .zeros(3)
        .u8(4)
        .u8(15 + ASC.length);
      writer.u8(0x40).zeros(12).u8(5).u8(ASC.length).bytes(ASC).end();
    };
    const entries: Tables = (writer) => {
      writer.begin('mp4a').zeros(6).u16(1).u16(1).zeros(6).u16(1).u16(16).zeros(8).zeros(16);
      writer.begin('wave').begin('frma').utf8('mp4a').end();
      esds(writer);
      writer.zeros(8).end().end();
    };
    const { tracks } = movie({ tables: usual, handler: 'soun', entries });
    assert.equal(tracks[0]!.entries[0]!.config?.mime, 'mp4a.40.2');
  });

  test('a movie box without header, and a compressed one', () => {
    assert.throws(() => parseMovie(new Uint8Array(0), 10), ProtocolError);
    assert.throws(() => parseMovie(new BoxWriter().begin('cmov').zeros(4).end().finish(), 10), /compressed/);
  });
});

describe('fragments', () => {
  const extension: Tables = (writer) =>
    writer.beginFull('trex', 0, 0).u32(7).u32(1).u32(3000).u32(50).u32(0x1_0000).end();

  function fragments(fileBytes = 1_000_000): {
    reader: FragmentReader;
    samples: Movie['tracks'][number]['samples'];
  } {
    const { tracks, isFragmented } = movie({ tables: () => undefined, extension });
    assert.ok(isFragmented);
    return { reader: new FragmentReader(tracks, fileBytes), samples: tracks[0]!.samples };
  }

  function moof(tfhd: Tables, ...runs: readonly Tables[]): Buffer {
    const writer = new BoxWriter().begin('traf');
    tfhd(writer);
    for (const run of runs) run(writer);
    return writer.end().finish();
  }

  const plain: Tables = (writer) => writer.beginFull('tfhd', 0, 0x02_0000).u32(7).end();
  const at =
    (time: number): Tables =>
    (writer) =>
      writer.beginFull('tfdt', 0, 0).u32(time).end();

  test('defaults of the movie, of the fragment, and of the first sample', () => {
    const { reader, samples } = fragments();
    const run: Tables = (writer) => writer.beginFull('trun', 0, 0x5).u32(2).u32(100).u32(0x200_0000).end();
    reader.read(moof(plain, at(9000), run), 1000);
    const head: Tables = (writer) =>
      writer.beginFull('tfhd', 0, 0x3a).u32(7).u32(2).u32(10).u32(5).u32(0).end();
    const next: Tables = (writer) => writer.beginFull('trun', 0, 1).u32(2).u32(200).end();
    reader.read(moof(head, next, next), 5000);
    assert.deepEqual(column(samples.offsets, 6), [1100, 1150, 5200, 5205, 5200, 5205]);
    assert.deepEqual(column(samples.times, 6), [9000, 12_000, 15_000, 15_010, 15_020, 15_030]);
    const second = SAMPLE_SYNC | (1 << DESCRIPTION_SHIFT);
    assert.deepEqual(column(samples.marks, 6), [SAMPLE_SYNC, 0, second, second, second, second]);
  });

  test('runs without a place follow each other; a place of its own counts from the file', () => {
    const { reader, samples } = fragments();
    const run: Tables = (writer) =>
      writer
        .beginFull('trun', 1, 0xa00)
        .u32(1)
        .u32(10)
        .u32(-3 >>> 0)
        .end();
    const head: Tables = (writer) => writer.beginFull('tfhd', 0, 1).u32(7).u32(0).u32(70_000).end();
    reader.read(moof(head, run, run), 1000);
    assert.deepEqual(column(samples.offsets, 2), [70_000, 70_010]);
    assert.deepEqual(column(samples.shifts, 2), [-3, -3]);
  });

  test('times that begin again go on behind what is there', () => {
    const { reader, samples } = fragments();
    const run: Tables = (writer) => writer.beginFull('trun', 0, 1).u32(2).u32(0).end();
    reader.read(moof(plain, at(90_000), run), 0);
    reader.read(moof(plain, at(0), run), 0);
    reader.read(moof(plain, at(6000), run), 0);
    assert.deepEqual(column(samples.times, 6), [90_000, 93_000, 96_000, 99_000, 102_000, 105_000]);
  });

  test('samples behind the end of the file are counted, their time passes', () => {
    const { reader, samples } = fragments(1060);
    const run: Tables = (writer) => writer.beginFull('trun', 0, 1).u32(3).u32(0).end();
    reader.read(moof(plain, run), 1000);
    assert.equal(samples.count, 1);
    assert.equal(samples.endTime, 9000);
    assert.equal(reader.samplesBeyondFile, 2);
  });

  test('rows that are not there are not believed, other tracks are skipped', () => {
    const { reader, samples } = fragments();
    const run: Tables = (writer) =>
      writer.beginFull('trun', 0, 0x301).u32(0xffff_ffff).u32(0).u32(1).u32(2).end();
    reader.read(moof(plain, run), 0);
    assert.equal(samples.count, 1);
    const stranger: Tables = (writer) => writer.beginFull('tfhd', 0, 0).u32(99).end();
    reader.read(moof(stranger, run), 0);
    assert.equal(samples.count, 1);
    assert.throws(
      () =>
        reader.read(
          moof((writer) => writer.begin('tfhd').end(), run),
          0,
        ),
      ProtocolError,
    );
  });
});

describe('boxes', () => {
  const header = (hex: string) => parseBoxHeader(Buffer.from(hex, 'hex'), 0);

  test('headers', () => {
    assert.deepEqual(header('000000106d6f6f76'), { type: 'moov', headerBytes: 8, sizeBytes: 16 });
    assert.deepEqual(header('000000006d646174'), { type: 'mdat', headerBytes: 8, sizeBytes: 0 });
    assert.deepEqual(header('000000016d6461740000000100000000'), {
      type: 'mdat',
      headerBytes: 16,
      sizeBytes: 2 ** 32,
    });
    assert.equal(header('0000001'), null);
    assert.equal(header('000000016d646174'), null);
    assert.throws(() => header('000000076d646174'), ProtocolError);
    assert.throws(() => header('000000016d646174ffffffffffffffff'), ProtocolError);
    assert.throws(() => header('000000016d6461740000000000000002'), ProtocolError);
  });

  test('walking', () => {
    const bytes = new BoxWriter().begin('aaaa').u8(1).end().begin('bbbb').end().u32(0).finish();
    const boxes = new BoxCursor(bytes);
    assert.ok(boxes.advance());
    assert.deepEqual([boxes.type, boxes.end - boxes.start], ['aaaa', 1]);
    assert.ok(boxes.advance());
    assert.deepEqual([boxes.type, boxes.end - boxes.start], ['bbbb', 0]);
    assert.ok(!boxes.advance() && !boxes.isCut);
    const cut = new BoxCursor(bytes.subarray(0, 16));
    assert.ok(cut.advance() && !cut.advance());
    const long = new BoxCursor(Buffer.from('000000ff6161616100', 'hex'));
    assert.ok(!long.advance() && long.isCut);
    assert.equal(findBox(bytes, 'cccc'), null);
    assert.deepEqual(findBox(bytes, 'aaaa'), bytes.subarray(8, 9));
  });
});
