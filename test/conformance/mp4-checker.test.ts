/** The checker must find what is wrong: good bytes of FFmpeg are broken in one place each. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { readByMp4box } from '../support/mp4-oracle.ts';
import { type Box, readBoxes } from './mp4-boxes.ts';
import { Mp4Checker } from './mp4-checker.ts';

const vector = (name: string) => readFileSync(new URL(`../vectors/mp4/${name}.mp4`, import.meta.url));

/** The n-th box (from 0) whose path ends like this. */
function find(bytes: Buffer, path: string, n = 0): Box {
  const found: Box[] = [];
  const walk = (boxes: readonly Box[]) => {
    for (const box of boxes) {
      if (box.path === path || box.path.endsWith(`/${path}`)) found.push(box);
      walk(box.children);
      if (box.type === 'stsd') walk(readBoxes(bytes, box.body + 8, box.end, box.path, () => {}));
      if (/^(avc1|hvc1|av01|vp09)$/.test(box.type))
        walk(readBoxes(bytes, box.body + 78, box.end, box.path, () => {}));
      if (/^(mp4a|Opus|fLaC)$/.test(box.type))
        walk(readBoxes(bytes, box.body + 28, box.end, box.path, () => {}));
    }
  };
  walk(readBoxes(bytes, 0, bytes.length, '', () => {}));
  assert.ok(found[n], `${n}: ${path}`);
  return found[n];
}

/** FFmpeg says 2 where it has tracks 1 and 2. */
function corrected(name: string): Buffer {
  const bytes = vector(name);
  const movie = find(bytes, 'mvhd');
  bytes.writeUInt32BE(9, movie.end - 4);
  return bytes;
}

/** Cuts a box out and makes its parents shorter. */
function without(bytes: Buffer, path: string, n = 0): Buffer {
  const box = find(bytes, path, n);
  const size = box.end - box.start;
  const types = box.path.split('/').slice(0, -1);
  const shrink = (boxes: readonly Box[]) => {
    for (const parent of boxes) {
      if (parent.start >= box.start || parent.end < box.end || !types.includes(parent.type)) continue;
      bytes.writeUInt32BE(parent.end - parent.start - size, parent.start);
      shrink(parent.children);
    }
  };
  shrink(readBoxes(bytes, 0, bytes.length, '', () => {}));
  return Buffer.concat([bytes.subarray(0, box.start), bytes.subarray(box.end)]);
}

function violations(bytes: Uint8Array): string {
  const checker = new Mp4Checker();
  checker.stream(bytes);
  return checker.violations.join('\n');
}

for (const [name, formats, keys] of [
  ['h264-aac', ['avc1', 'mp4a'], [2, 95]],
  ['h264-dash', ['avc1'], [2]],
  ['hevc-eac3', ['hvc1', 'ec-3'], [2, 63]],
  ['av1-opus', ['av01', 'Opus'], [2, 101]],
  ['vp9-mp3', ['vp09', 'mp4a'], [2, 78]],
  ['flac', ['fLaC'], [6]],
  ['ac3', ['ac-3'], [16]],
] as const) {
  test(`mp4 checker: ${name} has no violations`, () => {
    const checker = new Mp4Checker();
    const runs = checker.stream(corrected(name));
    assert.deepEqual(checker.violations, []);
    assert.deepEqual(
      checker.tracks.map(({ format }) => format),
      formats,
    );
    assert.deepEqual(
      runs.map((run) => run.keys),
      keys,
    );
  });
}

test('mp4 checker: tells what it saw', () => {
  const bytes = corrected('h264-aac');
  const checker = new Mp4Checker();
  const [video, audio] = checker.stream(bytes);
  assert.deepEqual(
    { ...video, bytes: 0 },
    { track: 1, start: 0, duration: 2, firstPts: 0, samples: 50, keys: 2, bytes: 0 },
  );
  assert.equal(audio!.duration, 97_024 / 48_000);
  assert.equal(checker.fragments, 2);
  assert.equal(checker.clocks.length, 2);
  assert.equal(checker.tracks[0]!.width, 64);
});

test('mp4 checker: mp4box reads the same samples', () => {
  for (const name of ['h264-aac', 'hevc-eac3', 'av1-opus', 'flac']) {
    const bytes = corrected(name);
    const checker = new Mp4Checker();
    const runs = checker.stream(bytes);
    const { tracks, error } = readByMp4box([bytes]);
    assert.equal(error, '');
    const seen = tracks.map(({ id, timescale, samples }) => [id, timescale, samples.length, samples[0]?.dts]);
    assert.deepEqual(
      runs.map((run, i) => [run.track, checker.tracks[i]!.timescale, run.samples, run.start]),
      seen,
    );
  }
  assert.notEqual(readByMp4box([Buffer.alloc(64)]).error, '');
});

test('mp4 checker: finds that FFmpeg counts its tracks wrongly', () => {
  assert.match(violations(vector('h264-aac')), /next track id 2 is not above 2/);
});

type Change = (bytes: Buffer) => Buffer | undefined;

/** Sets a field of the n-th box with this path, `offset` bytes behind its header. */
const u32 =
  (path: string, offset: number, value: number, n = 0) =>
  (bytes: Buffer): undefined =>
    void bytes.writeUInt32BE(value >>> 0, find(bytes, path, n).body + offset);
const u16 =
  (path: string, offset: number, value: number, n = 0) =>
  (bytes: Buffer): undefined =>
    void bytes.writeUInt16BE(value, find(bytes, path, n).body + offset);
const u8 =
  (path: string, offset: number, value: number, n = 0) =>
  (bytes: Buffer): undefined =>
    void bytes.writeUInt8(value, find(bytes, path, n).body + offset);
const rename =
  (path: string, type: string, n = 0) =>
  (bytes: Buffer): undefined =>
    void bytes.write(type, find(bytes, path, n).start + 4, 'latin1');
const cut =
  (path: string, n = 0) =>
  (bytes: Buffer) =>
    without(bytes, path, n);
/** Adds to a 32-bit field. */
const add =
  (path: string, offset: number, by: number, n = 0) =>
  (bytes: Buffer): undefined => {
    const at = find(bytes, path, n).body + offset;
    bytes.writeUInt32BE((bytes.readUInt32BE(at) + by) >>> 0, at);
  };

type Break = [string, RegExp, Change, string?];
const AV1 = 'av1-opus';
const HEVC = 'hevc-eac3';
const DASH = 'h264-dash';
const MP3 = 'vp9-mp3';

const breaks: Break[] = [
  // Boxes as such.
  ['a cut file', /over the end/, (bytes) => bytes.subarray(0, -1)],
  ['a few bytes more', /are no box/, (bytes) => Buffer.concat([bytes, Buffer.alloc(5)])],
  ['no type', /box type 00000000/, (bytes) => Buffer.concat([bytes, Buffer.alloc(16)])],
  ['size 0', /has no size/, (bytes) => void bytes.writeUInt32BE(0, find(bytes, 'mdat', 1).start)],
  ['size 4', /shorter than its header/, (bytes) => void bytes.writeUInt32BE(4, find(bytes, 'moof', 1).start)],
  [
    'a child over its parent',
    /over the end/,
    (bytes) => void bytes.writeUInt32BE(4000, find(bytes, 'mvhd').start),
  ],
  // Initialization section.
  ['ftyp', /does not begin with ftyp/, rename('ftyp', 'free')],
  [
    'brands',
    /allows such fragments/,
    (bytes) => {
      const box = find(bytes, 'ftyp');
      for (let at = box.body + 8; at < box.end; at += 4) bytes.write('isom', at, 'latin1');
      return undefined;
    },
  ],
  ['no mvhd', /moov has no mvhd/, cut('mvhd')],
  ['mvhd timescale', /mvhd: timescale is 0/, u32('mvhd', 12, 0)],
  ['mvhd duration', /mvhd: duration/, u32('mvhd', 16, 5)],
  ['mvhd rate', /rate is not 1/, u32('mvhd', 20, 0x2_0000)],
  ['mvhd matrix', /matrix is not unity/, u32('mvhd', 36, 0)],
  ['mvhd version', /mvhd has version 2/, u8('mvhd', 0, 2)],
  ['no mvex', /moov has no mvex/, cut('mvex')],
  ['no trex', /track 1 has no trex/, cut('trex')],
  ['trex of no track', /trex of track 7/, u32('trex', 4, 7)],
  ['trex description', /default sample description/, u32('trex', 8, 2)],
  ['tkhd disabled', /not enabled/, u8('tkhd', 3, 2)],
  ['tkhd id', /track id 0/, u32('tkhd', 12, 0)],
  ['two tracks of one id', /track 1 twice/, u32('tkhd', 12, 1, 1)],
  ['tkhd duration', /tkhd: duration/, u32('tkhd', 20, 5)],
  ['tkhd volume', /volume 1 of vide/, u16('tkhd', 36, 0x100)],
  ['tkhd size', /video of no size/, u32('tkhd', 76, 0)],
  ['no mdhd', /mdia has no mdhd/, cut('mdhd')],
  ['mdhd timescale', /mdhd: timescale is 0/, u32('mdhd', 12, 0)],
  ['mdhd language', /language 0/, u16('mdhd', 20, 0)],
  ['handler', /handler hint/, (bytes) => void bytes.write('hint', find(bytes, 'hdlr').body + 8, 'latin1')],
  ['handler name', /name does not end/, (bytes) => void bytes.writeUInt8(65, find(bytes, 'hdlr').end - 1)],
  ['no vmhd', /minf has no vmhd/, cut('vmhd')],
  ['vmhd flags', /flags are not 1/, u8('vmhd', 3, 0)],
  ['no smhd', /minf has no smhd/, cut('smhd')],
  ['dref elsewhere', /samples are not in this file/, u8('dref', 8 + 11, 0)],
  ['no stts', /stbl has no stts/, cut('stts')],
  ['no stsz', /stbl has no stsz/, cut('stsz')],
  ['entries in stco', /stco is not empty|stco has/, u32('stco', 4, 1)],
  ['count in stsd', /says 2 entries/, u32('stsd', 4, 2)],
  ['edit rate', /elst: rate/, u32('elst', 16, 0x8000), 'edit'],
  ['empty edit', /empty edit/, u32('elst', 12, 0xffff_ffff), 'edit'],
  ['two edits', /2 edits/, u32('elst', 4, 2), 'edit'],
  // Sample entries.
  ['an unknown entry', /is no vide sample entry/, rename('avc1', 'zzzz')],
  ['data reference', /data reference is not 1/, u16('avc1', 6, 2)],
  ['no picture size', /picture of 0 x/, u16('avc1', 24, 0)],
  ['depth', /depth is not 24/, u16('avc1', 74, 32)],
  ['no channels', /no channels/, u16('mp4a', 16, 0)],
  ['no avcC', /has no avcC/, rename('avcC', 'free')],
  ['avcC version', /avcC: version/, u8('avcC', 0, 0)],
  ['avcC no SPS', /no sequence parameter set/, u8('avcC', 5, 0xe0)],
  ['avcC PPS first', /no sequence parameter set in its place/, u8('avcC', 8, 0x68)],
  ['hvcC array', /NAL unit in the wrong array|no NAL unit of type/, u8('hvcC', 23, 33), HEVC],
  ['hvcC version', /hvcC: version/, u8('hvcC', 0, 0), HEVC],
  ['av1C marker', /marker and version/, u8('av1C', 0, 1), AV1],
  ['dOps channels', /2 channels|channels, the sample/, u8('dOps', 1, 7), AV1],
  ['Opus rate', /48000 Hz/, u32('Opus', 24, 44_100 << 16), AV1],
  ['vpcC version', /vpcC has version 0/, u8('vpcC', 0, 0), MP3],
  ['dfLa without STREAMINFO', /STREAMINFO/, u8('dfLa', 4, 0x84), 'flac'],
  ['esds tag', /no ES descriptor/, u8('esds', 4, 9)],
  ['esds stream type', /stream type is not audio/, u8('esds', 18, 0x11)],
  ['esds object', /object type 0x41/, u8('esds', 17, 0x41)],
  ['esds length', /ES descriptor of/, u8('esds', 8, 1)],
  // Fragments.
  ['no mfhd', /moof has no mfhd/, cut('mfhd')],
  ['a sequence number twice', /fragment 1 behind fragment 1/, u32('mfhd', 4, 1, 1)],
  [
    'fragments in the wrong order',
    /behind fragment/,
    (bytes) => {
      const moof = find(bytes, 'prft').start;
      const next = find(bytes, 'prft', 1).start;
      return Buffer.concat([bytes.subarray(0, moof), bytes.subarray(next), bytes.subarray(moof, next)]);
    },
  ],
  ['no tfdt', /traf has no tfdt/, cut('tfdt')],
  ['no tfhd', /traf has no tfhd/, cut('tfhd')],
  ['no trun', /traf has no trun/, cut('trun')],
  ['unknown track', /fragment of track 9/, u32('tfhd', 4, 9)],
  ['base data offset', /base data offset/, u8('tfhd', 3, 0x39)],
  ['base is not moof', /does not count from its moof/, u8('tfhd', 1, 0)],
  ['a gap', /begins 512 ticks off/, add('tfdt', 8, 512, 2)],
  ['an overlap', /begins -512 ticks off/, add('tfdt', 8, -512, 2)],
  ['data offset', /belong to no sample|before mdat|over another/, add('trun', 8, 4)],
  ['data offset before mdat', /before mdat/, add('trun', 8, -8)],
  ['samples over the end', /over the end of mdat|over another/, add('trun', 16, 5000)],
  ['no samples', /trun without samples/, u32('trun', 4, 0)],
  ['count of samples', /has room for/, add('trun', 4, 500)],
  ['fewer samples', /bytes too many/, add('trun', 4, -1)],
  ['no data offset', /trun has no data offset/, u8('trun', 3, 4)],
  ['not a key frame first', /does not begin with a key frame/, u32('trun', 12, 0x0101_0000)],
  ['the flag against the bytes', /its bytes say otherwise/, u32('trun', 12, 0x0101_0000)],
  ['a key frame that depends', /depends on others/, u32('trun', 12, 0x0100_0000)],
  ['mdat away', /not followed by its mdat/, cut('mdat')],
  ['moof away', /mdat does not follow a moof/, cut('moof', 1)],
  [
    'an unknown box',
    /zzzz in a segment/,
    (bytes) => Buffer.concat([bytes, Buffer.from('00000008', 'hex'), Buffer.from('zzzz')]),
  ],
  [
    'a length of a NAL unit',
    /NAL unit/,
    (bytes) => void bytes.writeUInt32BE(0xffff, find(bytes, 'mdat').body),
  ],
  [
    'an OBU',
    /forbidden|over the end of the sample|temporal/,
    (bytes) => void bytes.writeUInt8(0x92, find(bytes, 'mdat').body),
    AV1,
  ],
  // Wall clock and index.
  ['prft of an unknown track', /prft of track 9/, u32('prft', 4, 9)],
  ['prft without a clock', /no likely wall clock/, u32('prft', 8, 1)],
  ['prft that leaves the clock', /leaves the media clock by/, add('prft', 8, 10, 1)],
  ['prft of another time', /prft of time/, add('prft', 20, 9_000_000)],
  [
    'prft before nothing',
    /prft stands before no moof/,
    (bytes) => bytes.subarray(0, find(bytes, 'moof', 1).start),
  ],
  ['sidx with a wrong size', /sidx speaks of/, add('sidx', 32, 1), DASH],
  ['sidx of an unknown track', /sidx of an unknown track/, u32('sidx', 4, 9), DASH],
];

/** An edit list of one edit, put behind the first tkhd. */
function withEdit(bytes: Buffer): Buffer {
  const elst = Buffer.alloc(36);
  elst.writeUInt32BE(36, 0);
  elst.write('edts', 4, 'latin1');
  elst.writeUInt32BE(28, 8);
  elst.write('elst', 12, 'latin1');
  elst.writeUInt32BE(1, 20);
  elst.writeUInt32BE(512, 28);
  elst.writeUInt32BE(0x1_0000, 32);
  const at = find(bytes, 'tkhd').end;
  for (const path of ['moov', 'trak']) {
    const box = find(bytes, path);
    bytes.writeUInt32BE(box.end - box.start + 36, box.start);
  }
  return Buffer.concat([bytes.subarray(0, at), elst, bytes.subarray(at)]);
}

test('mp4 checker: an edit moves the presentation', () => {
  const checker = new Mp4Checker();
  const [video] = checker.stream(withEdit(corrected('h264-aac')));
  assert.deepEqual(checker.violations, []);
  assert.equal(video!.firstPts, -512 / 12_800);
});

for (const [name, expected, change, of = 'h264-aac'] of breaks) {
  test(`mp4 checker: finds ${name}`, () => {
    const bytes = of === 'edit' ? withEdit(corrected('h264-aac')) : corrected(of);
    assert.equal(violations(bytes), '');
    assert.match(violations(change(bytes) ?? bytes), expected);
  });
}

/** Initialization section and the fragments of a vector, one by one. */
function pieces(name: string): { init: Buffer; fragments: Buffer[] } {
  const bytes = corrected(name);
  const boxes = readBoxes(bytes, 0, bytes.length, '', () => {});
  const init = bytes.subarray(0, boxes.find(({ type }) => type === 'moov')!.end);
  const fragments: Buffer[] = [];
  let from = init.length;
  for (const { type, end } of boxes) {
    if (type !== 'mdat') continue;
    fragments.push(bytes.subarray(from, end));
    from = end;
  }
  return { init, fragments };
}

test('mp4 checker: segments one by one, with what a playlist says of them', () => {
  const { init, fragments } = pieces('h264-aac');
  const fed = (options: Parameters<Mp4Checker['segment']>[1], order = [0, 1]) => {
    const checker = new Mp4Checker();
    checker.init(init);
    for (const i of order) checker.segment(fragments[i]!, { name: `s${i}`, ...options });
    return checker.violations.join('\n');
  };
  assert.equal(fed({}), '');
  assert.match(fed({ seconds: 3 }), /s0: lasts 1.\d+ s, 3 s were announced/);
  assert.equal(fed({ seconds: 1, secondsTolerance: 0.07 }), '');
  assert.match(fed({}, [1, 0]), /s0: track 1 begins -25600 ticks off/);
  assert.doesNotMatch(fed({ discontinuity: true }, [1, 0]), /ticks off/);
  const alone = new Mp4Checker();
  alone.segment(fragments[0]!);
  assert.match(alone.violations.join(), /no initialization section/);
  const empty = new Mp4Checker();
  empty.init(init);
  empty.segment(Buffer.alloc(0));
  assert.match(empty.violations.join(), /no samples/);
});

test('mp4 checker: a part may begin with no key frame when it says so', () => {
  const { init, fragments } = pieces('h264-dash');
  const part = Buffer.from(fragments[0]!);
  const flags = find(part, 'trun').body + 12;
  part.writeUInt32BE(0x0101_0000, flags);
  const checker = new Mp4Checker();
  checker.init(init);
  checker.segment(part, { independent: false });
  assert.doesNotMatch(checker.violations.join(), /begin with a key frame/);
});

test('mp4 checker: two pictures at one time', () => {
  const { init, fragments } = pieces('h264-aac');
  const segment = Buffer.from(fragments[0]!);
  const trun = find(segment, 'trun');
  const flags = segment.readUInt32BE(trun.body) & 0xff_ffff;
  assert.equal(flags & 0x800, 0x800, 'has composition offsets');
  const row = [0x100, 0x200, 0x400, 0x800].filter((bit) => (flags & bit) !== 0).length * 4;
  const first = trun.body + 8 + ((flags & 1) !== 0 ? 4 : 0) + ((flags & 4) !== 0 ? 4 : 0);
  // The second sample is moved to where the first is shown.
  const offset = segment.readInt32BE(first + row - 4) - 512;
  segment.writeInt32BE(offset, first + 2 * row - 4);
  const checker = new Mp4Checker();
  checker.init(init);
  checker.segment(segment);
  assert.match(checker.violations.join(), /two samples are shown at/);
});
