import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAv1Config, serializeAv1Config } from '../../../src/codec/av1-config.ts';
import { buildAvcConfig, parseAvcConfig, serializeAvcConfig } from '../../../src/codec/avc-config.ts';
import {
  configFromFrame,
  configFromRecord,
  MAX_RECORD_BYTES,
  nalLengthSize,
} from '../../../src/codec/describe-config.ts';
import { H265_PPS, H265_SPS, H265_VPS } from '../../../src/codec/h265.ts';
import {
  buildHevcConfig,
  hevcNalsOf,
  parseHevcConfig,
  serializeHevcConfig,
} from '../../../src/codec/hevc-config.ts';
import { ANNEX_B } from '../../../src/codec/nal-unit.ts';
import { parseVpConfig, serializeVpConfig } from '../../../src/codec/vp9.ts';
import { ProtocolError } from '../../../src/util/errors.ts';
import { bytes, hex, recordNamed, records, videos, wholeFrame } from './vectors.ts';

/** What ffmpeg's DASH writer calls them; for H.265 worked out by hand from ISO/IEC 14496-15 E.3. */
const MIMES: Readonly<Record<string, string>> = {
  'h264-high': 'avc1.64000c',
  'h264-main-crop': 'avc1.4d400d',
  'h264-high10': 'avc1.6e000c',
  'h264-422-10': 'avc1.7a000c',
  'h265-main': 'hvc1.1.6.L60.90',
  'h265-main10': 'hvc1.2.4.L60.90',
  'h265-444': 'hvc1.4.10.L60.9E.8',
  'h265-422-10': 'hvc1.4.10.L60.9D.8',
  'h265-scaling-high': 'hvc1.1.6.H123.90',
  'h265-interlaced': 'hvc1.1.6.L60.40',
  'av1-svt': 'av01.0.00M.08',
  'av1-svt10': 'av01.0.00M.10',
  'av1-aom-444': 'av01.1.00M.08.0.000.02.02.02.0',
  'av1-rav1e': 'av01.0.31M.08',
  vp9: 'vp09.00.11.08',
  'vp9-10': 'vp09.02.11.10',
  'vp9-444': 'vp09.01.11.08',
  'aac-44100-2': 'mp4a.40.2',
};

const PROFILE_NAMES: Readonly<Record<string, string>> = { Rext: 'Range Extensions' };

/** ffprobe's number for a level to our text. */
function levelText(codec: string, level: number): string {
  if (codec === 'h264') return (level / 10).toFixed(1);
  if (codec === 'h265') return (level / 30).toFixed(1);
  if (codec === 'av1') return level === 31 ? '' : `${2 + (level >> 2)}.${level & 3}`;
  return '1.1';
}

for (const vector of records) {
  test(`facts of ${vector.name} are those that ffprobe tells`, () => {
    const config = configFromRecord(vector.codec, bytes(vector.record), 5);
    assert.equal(config.codec, vector.codec);
    assert.equal(config.flvHeader, 5);
    assert.equal(hex(config.record), vector.record);
    assert.equal(config.profile, PROFILE_NAMES[vector.profile] ?? vector.profile);
    assert.equal(config.mime, MIMES[vector.name] ?? config.mime);
    assert.notEqual(config.mime, '');
    if (vector.codec === 'aac') {
      assert.equal(config.sampleRate, vector.sampleRate);
      assert.equal(config.channels, vector.channels);
      return;
    }
    assert.equal(config.level, levelText(vector.codec, vector.level));
    if (vector.codec === 'vp9') return;
    assert.equal(config.width, vector.width);
    assert.equal(config.height, vector.height);
    // The AV1 encoders leave the rate to the container.
    if (vector.codec !== 'av1') assert.equal(config.frameRate, vector.frameRate);
  });
}

test('every mime that the table names was met', () => {
  const names = new Set(records.map((record) => record.name));
  for (const name of Object.keys(MIMES)) assert.ok(names.has(name), name);
});

test('serialize(parse(record)) is the record', () => {
  for (const { name, codec, record } of records) {
    const source = bytes(record);
    const again =
      codec === 'h264'
        ? serializeAvcConfig(parseAvcConfig(source))
        : codec === 'h265'
          ? serializeHevcConfig(parseHevcConfig(source))
          : codec === 'av1'
            ? serializeAv1Config(parseAv1Config(source))
            : codec === 'vp9'
              ? serializeVpConfig(parseVpConfig(source))
              : source;
    assert.equal(hex(again), record, name);
  }
});

test('records built from their parameter sets are those that FFmpeg wrote', () => {
  for (const { name, codec, record } of records) {
    const source = bytes(record);
    if (codec === 'h264') {
      const { sps, pps } = parseAvcConfig(source);
      assert.equal(hex(buildAvcConfig(sps, pps)), record, name);
    } else if (codec === 'h265') {
      const config = parseHevcConfig(source);
      const nals = [H265_VPS, H265_SPS, H265_PPS].map((type) => hevcNalsOf(config, type));
      // FFmpeg leaves the completeness of the arrays open and adds SEI; ours say complete.
      const sets = config.arrays.filter((array) => array.type <= H265_PPS);
      const arrays = sets.map((array) => ({ ...array, isComplete: true }));
      const expected = serializeHevcConfig({ ...config, arrays });
      assert.equal(hex(buildHevcConfig(nals[0]!, nals[1]!, nals[2]!)), hex(expected), name);
    }
  }
});

test('the kept record says 4-byte lengths, nalLengthSize the length that the publisher uses', () => {
  for (const [name, at] of [
    ['h264-high', 4],
    ['h265-main', 21],
  ] as const) {
    const { codec, record } = recordNamed(name);
    for (const lengthSize of [1, 2, 4]) {
      const source = bytes(record);
      source[at] = (source[at]! & 0xfc) | (lengthSize - 1);
      assert.equal(nalLengthSize(codec, source), lengthSize);
      assert.equal(hex(configFromRecord(codec, source).record), record);
    }
    const three = bytes(record);
    three[at] = (three[at]! & 0xfc) | 2;
    assert.throws(() => configFromRecord(codec, three), ProtocolError);
  }
  assert.equal(nalLengthSize('vp9', bytes('01')), 4);
  assert.equal(nalLengthSize('h264', bytes('01')), 4);
});

test('parameter sets in Annex B where a record should be become one', () => {
  const startCode = Buffer.from([0, 0, 0, 1]);
  const avc = recordNamed('h264-high');
  const { sps, pps } = parseAvcConfig(bytes(avc.record));
  const sets = Buffer.concat([startCode, sps[0]!, startCode, pps[0]!]);
  assert.equal(nalLengthSize('h264', sets), ANNEX_B);
  assert.equal(hex(configFromRecord('h264', sets).record), avc.record);
  assert.throws(() => configFromRecord('h264', sets.subarray(0, 4 + sps[0]!.length)), ProtocolError);

  const config = parseHevcConfig(bytes(recordNamed('h265-main').record));
  const nals = [H265_VPS, H265_SPS, H265_PPS].map((type) => hevcNalsOf(config, type)[0]!);
  const hevc = Buffer.concat(nals.flatMap((nal) => [startCode, nal]));
  assert.equal(configFromRecord('h265', hevc).mime, 'hvc1.1.6.L60.90');
});

test('a broken record is a ProtocolError', () => {
  const avc = recordNamed('h264-high').record;
  const table: [what: string, codec: Parameters<typeof configFromRecord>[0], record: string][] = [
    ['avcC empty', 'h264', ''],
    ['avcC version 0', 'h264', `00${avc.slice(2)}`],
    ['avcC cut in the SPS', 'h264', avc.slice(0, 40)],
    ['avcC without SPS', 'h264', '0164001effe000'],
    ['avcC whose SPS is a PPS', 'h264', '0164001effe1000468ee3cb000'],
    ['hvcC cut', 'h265', recordNamed('h265-main').record.slice(0, 60)],
    ['hvcC without arrays', 'h265', `${recordNamed('h265-main').record.slice(0, 44)}00`],
    ['av1C version', 'av1', '80000000'],
    ['av1C short', 'av1', '810000'],
    ['av1C with a broken sequence header', 'av1', '810000000a0100'],
    ['vpcC short', 'vp9', '00148202'],
    ['ASC short', 'aac', '12'],
    ['ASC of object type 0', 'aac', '0210'],
    ['ASC with a reserved rate', 'aac', '1690'],
    ['OpusHead without magic', 'opus', '00'.repeat(19)],
    ['STREAMINFO short', 'flac', '00'.repeat(20)],
    ['FLAC without STREAMINFO', 'flac', `664c6143 01000022 ${'11'.repeat(34)}`],
  ];
  for (const [what, codec, record] of table) {
    assert.throws(() => configFromRecord(codec, bytes(record)), ProtocolError, what);
  }
  assert.throws(() => configFromRecord('data', new Uint8Array(MAX_RECORD_BYTES + 1)), ProtocolError);
});

test('an avcC with garbage behind its PPS is accepted', () => {
  const { record } = recordNamed('h264-high');
  const withGarbage = bytes(`${record.slice(0, -8)}ffffffffffff`);
  assert.equal(configFromRecord('h264', withGarbage).width, 320);
});

test('codecs without record', () => {
  const none = new Uint8Array(0);
  assert.equal(configFromRecord('mp3', none).mime, 'mp4a.40.34');
  assert.equal(configFromRecord('ac3', none).mime, 'ac-3');
  assert.equal(configFromRecord('eac3', none).mime, 'ec-3');
  assert.equal(configFromRecord('vp8', none).mime, 'vp8');
  assert.equal(configFromRecord('vp9', none).mime, 'vp09.00.10.08');
  assert.equal(configFromRecord('av1', none).mime, '');
  const opus = configFromRecord('opus', none);
  assert.deepEqual([opus.sampleRate, opus.channels, opus.mime], [48_000, 0, 'opus']);
  const law = configFromRecord('g711a', none, 0x73);
  assert.deepEqual([law.sampleRate, law.channels, law.mime], [8000, 2, '']);
  assert.equal(configFromRecord('g711u', none).channels, 1);
  assert.equal(configFromRecord('speex', none).sampleRate, 16_000);
  const unknown = configFromRecord('unknown-video', bytes('0102'), 4);
  assert.deepEqual([hex(unknown.record), unknown.flvHeader, unknown.mime], ['0102', 4, '']);
});

test('VP9 and vpcC: with and without the four bytes of the MP4 box', () => {
  const { record } = recordNamed('vp9-10');
  assert.deepEqual(parseVpConfig(bytes(record.slice(8))), parseVpConfig(bytes(record)));
});

test('frames of VP8 and VP9 tell the size that their record lacks', () => {
  for (const name of ['vp8', 'vp9', 'vp9-10', 'vp9-444'] as const) {
    const video = videos.find((entry) => entry.name === name)!;
    const start = configFromRecord(video.codec, new Uint8Array(0));
    const config = configFromFrame(start, wholeFrame(video.frames[0]!));
    assert.deepEqual([config.width, config.height], name === 'vp9-10' ? [320, 180] : [322, 182], name);
    assert.equal(
      configFromFrame(config, wholeFrame(video.frames[0]!)),
      config,
      'nothing new: the same object',
    );
    assert.equal(configFromFrame(config, wholeFrame(video.frames[1]!)), config, 'no key frame');
    if (video.codec === 'vp9') {
      assert.equal(config.mime, MIMES[name]);
      assert.equal(hex(serializeVpConfig(parseVpConfig(config.record))), hex(config.record));
      // With the record of the file, only the size is new.
      const described = configFromRecord('vp9', bytes(recordNamed(name).record));
      const sized = configFromFrame(described, wholeFrame(video.frames[0]!));
      assert.deepEqual([hex(sized.record), sized.width > 0], [recordNamed(name).record, true]);
    }
  }
});

test('an MJPEG picture tells its size, whatever stands before its frame header', () => {
  const start = configFromRecord('mjpeg', new Uint8Array(0));
  const app0 = 'ffe000104a46494600010100000100010000';
  const table = `ffdb0043${'00'.repeat(65)}`;
  const scan = `ffda000c03010002110311003f00${'00'.repeat(20)}ffd9`;
  const frame = (marker: string) => `ff${marker}001108 0168 0280 03 012200 021101 031101`.replaceAll(' ', '');
  for (const before of ['', app0, app0 + table, `${table}ffffff`, `ffc40004 0000`.replaceAll(' ', '')])
    for (const marker of ['c0', 'c2', 'cf']) {
      const config = configFromFrame(start, bytes(`ffd8${before}${frame(marker)}${scan}`));
      assert.deepEqual([config.width, config.height, config.codec], [640, 360, 'mjpeg'], before + marker);
      const same = configFromFrame(config, bytes(`ffd8${frame('c0')}${scan}`));
      assert.equal(same, config, 'nothing new: the same object');
    }
  const broken = [
    '',
    'ffd8',
    `ffd8${scan}`,
    `ffd8${frame('cc')}`,
    `d8ff${frame('c0')}`,
    `ffd8${'ff'.repeat(500)}`,
  ];
  for (const picture of broken) assert.equal(configFromFrame(start, bytes(picture)), start, picture);
  for (let end = 0; end < 18; end++) configFromFrame(start, bytes(`ffd8${frame('c0')}`).subarray(0, end));
});

test('an AV1 key frame tells what a missing or older record lacks', () => {
  for (const name of ['av1-svt', 'av1-aom-444', 'av1-rav1e']) {
    const frame = wholeFrame(videos.find((entry) => entry.name === name)!.frames[0]!);
    const { record, width, height } = recordNamed(name);
    const described = configFromRecord('av1', bytes(record));
    assert.equal(configFromFrame(described, frame), described, `${name}: known already`);
    const found = configFromFrame(configFromRecord('av1', new Uint8Array(0)), frame);
    assert.deepEqual([found.width, found.height, found.mime], [width, height, described.mime], name);
    assert.deepEqual([hex(found.record.subarray(0, 4)), found.record[4]], [record.slice(0, 8), 0x0a], name);
    assert.equal(configFromFrame(found, frame), found, `${name}: known now`);
    const other = configFromRecord('av1', bytes(recordNamed('av1-svt10').record));
    assert.equal(configFromFrame(other, frame).mime, described.mime);
  }
});

test('H.264 and H.265 parameter sets in band replace the record when they differ', () => {
  const prefixed = (nals: readonly Uint8Array[]): Uint8Array =>
    Buffer.concat(nals.flatMap((nal) => [Buffer.from([0, 0, nal.length >> 8, nal.length & 255]), nal]));
  const small = configFromRecord('h264', bytes(recordNamed('h264-high').record));
  const large = parseAvcConfig(bytes(recordNamed('h264-1080p60').record));
  const frame = prefixed([large.sps[0]!, large.pps[0]!, bytes('6588')]);
  const changed = configFromFrame(small, frame);
  assert.deepEqual([changed.width, changed.height, changed.frameRate], [1920, 1080, 60]);
  assert.equal(hex(changed.record), recordNamed('h264-1080p60').record);
  assert.equal(configFromFrame(changed, frame), changed);
  assert.equal(
    configFromFrame(small, prefixed([large.pps[0]!, bytes('6588')])),
    small,
    'no SPS: nothing to judge',
  );
  assert.equal(
    configFromFrame(small, prefixed([bytes('67640000'), large.pps[0]!])),
    small,
    'a broken SPS is ignored',
  );

  const main = configFromRecord('h265', bytes(recordNamed('h265-main').record));
  const ten = parseHevcConfig(bytes(recordNamed('h265-main10').record));
  const nals = [H265_VPS, H265_SPS, H265_PPS].map((type) => hevcNalsOf(ten, type)[0]!);
  const toTen = configFromFrame(main, prefixed([...nals, bytes('2601aa')]));
  assert.equal(toTen.profile, 'Main 10');
  assert.equal(configFromFrame(toTen, prefixed([...nals, bytes('2601aa')])), toTen);
});
