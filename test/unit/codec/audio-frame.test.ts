/** Frame headers of all audio codecs against what ffprobe says of frames that real encoders made. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAudioSpecificConfig } from '../../../src/codec/aac.ts';
import { parseAc3Frame } from '../../../src/codec/ac3.ts';
import { ascOfAdts, canUseAdts, parseAdtsHeader, writeAdtsHeader } from '../../../src/codec/adts.ts';
import { audioFrameDuration } from '../../../src/codec/audio-frame-duration.ts';
import type { CodecId } from '../../../src/codec/codec-id.ts';
import { configFromFrame, configFromRecord } from '../../../src/codec/describe-config.ts';
import { findStreamInfo, flacFrameSamples, parseStreamInfo } from '../../../src/codec/flac.ts';
import { parseMp3Frame } from '../../../src/codec/mp3.ts';
import { opusPacketDuration, parseOpusHead, serializeOpusHead } from '../../../src/codec/opus.ts';
import { ProtocolError } from '../../../src/util/errors.ts';
import { audios, bytes, hex } from './vectors.ts';

/** ffprobe counts in ticks of 90 kHz at worst. */
const near = (actual: number, expected: number): boolean => Math.abs(actual - expected) <= 12;

for (const vector of audios) {
  test(`${vector.name}: facts and durations are those that ffprobe tells`, () => {
    for (const frame of vector.frames) {
      const payload = bytes(frame.data);
      if (vector.codec === 'adts') {
        const header = parseAdtsHeader(payload)!;
        assert.deepEqual(
          [header.sampleRate, header.frameSize, header.blocks],
          [vector.sampleRate, frame.size, 1],
        );
        const config = configFromRecord('aac', ascOfAdts(header));
        assert.deepEqual([config.channels, config.mime], [vector.channels, 'mp4a.40.2']);
        assert.ok(near(audioFrameDuration(config, payload), frame.durationUs));
        assert.equal(
          audioFrameDuration(config, payload),
          audioFrameDuration(config, payload),
          'the second from memory',
        );
        continue;
      }
      const codec = (vector.codec === 'mp2' ? 'mp3' : vector.codec) as CodecId;
      const config = configFromFrame(configFromRecord(codec, bytes(vector.record)), payload);
      assert.deepEqual([config.sampleRate, config.channels], [vector.sampleRate, vector.channels]);
      assert.equal(configFromFrame(config, payload), config, 'nothing new: the same object');
      assert.ok(near(audioFrameDuration(config, payload), frame.durationUs), `${frame.durationUs}`);
      const size =
        codec === 'mp3'
          ? parseMp3Frame(payload)!.size
          : codec.endsWith('ac3')
            ? parseAc3Frame(payload)!.size
            : -1;
      if (size >= 0) assert.equal(size, frame.size);
    }
  });
}

test('durations of what has no header, and of what is unknown', () => {
  const none = new Uint8Array(0);
  assert.equal(audioFrameDuration(configFromRecord('g711u', none), new Uint8Array(160)), 20_000);
  assert.equal(audioFrameDuration(configFromRecord('g711a', none, 0x73), new Uint8Array(160)), 10_000);
  assert.equal(audioFrameDuration(configFromRecord('speex', none), new Uint8Array(20)), 0);
  assert.equal(audioFrameDuration(configFromRecord('mp3', none), bytes('00000000')), 0);
  assert.equal(audioFrameDuration(configFromRecord('ac3', none), bytes('0b77')), 0);
  assert.equal(audioFrameDuration(configFromRecord('opus', none), none), 0);
  assert.equal(audioFrameDuration(configFromRecord('aac', bytes('1194')), none), 20_000, '960 samples');
  assert.equal(
    audioFrameDuration(configFromRecord('aac', bytes('2b098800')), none),
    42_667,
    'SBR counts at its core rate',
  );
});

test('ADTS: what is written is read', () => {
  const target = new Uint8Array(9);
  for (const [record, payloadBytes] of [
    ['1210', 400],
    ['11b8', 8184],
    ['1188', 0],
    ['2b098800', 100],
  ] as const) {
    const config = parseAudioSpecificConfig(bytes(record));
    assert.equal(writeAdtsHeader(config, payloadBytes, target, 2), true);
    const header = parseAdtsHeader(target, 2)!;
    assert.equal(header.frameSize, payloadBytes + 7);
    assert.equal(header.headerSize, 7);
    const read = parseAudioSpecificConfig(ascOfAdts(header));
    assert.deepEqual(
      [read.sampleRate, read.channelConfig, read.objectType],
      [config.sampleRate, config.channelConfig, 2],
    );
  }
  const lc = parseAudioSpecificConfig(bytes('1210'));
  assert.equal(writeAdtsHeader(lc, 8185, target, 0), false, 'too long');
  assert.equal(canUseAdts(parseAudioSpecificConfig(bytes('b99000'))), false, 'LD');
  assert.equal(canUseAdts(parseAudioSpecificConfig(bytes('17802ee090'))), false, 'escaped rate');
});

test('ADTS: golden bytes of FFmpeg', () => {
  const vector = audios.find((entry) => entry.name === 'aac-48000-2.adts')!;
  const { data, size } = vector.frames[0]!;
  const header = bytes(data).subarray(0, 7);
  const target = new Uint8Array(7);
  writeAdtsHeader(parseAudioSpecificConfig(bytes('1190')), size - 7, target, 0);
  assert.equal(hex(target), hex(header));
});

test('ADTS: what is none', () => {
  const table: [what: string, header: string][] = [
    ['cut', 'fff14c8024ff'],
    ['no sync', 'ffe14c8024fffc'],
    ['layer not 0', 'fff34c8024fffc'],
    ['reserved rate', 'fff1748024fffc'],
    ['shorter than its header', 'fff14c80001ffc'],
  ];
  for (const [what, header] of table) assert.equal(parseAdtsHeader(bytes(header)), null, what);
  assert.equal(parseAdtsHeader(bytes('fff04c8024fffc'))!.headerSize, 9, 'with CRC');
});

test('Opus: durations by TOC (RFC 6716 table 2)', () => {
  const table: [config: number, us: number][] = [
    [0, 10_000],
    [1, 20_000],
    [2, 40_000],
    [3, 60_000],
    [11, 60_000],
    [12, 10_000],
    [13, 20_000],
    [14, 10_000],
    [15, 20_000],
    [16, 2500],
    [17, 5000],
    [18, 10_000],
    [19, 20_000],
    [31, 20_000],
  ];
  for (const [config, us] of table) {
    assert.equal(opusPacketDuration(Uint8Array.of(config << 3)), us, `configuration ${config}`);
    assert.equal(opusPacketDuration(Uint8Array.of((config << 3) | 1)), 2 * us, 'two frames');
    assert.equal(opusPacketDuration(Uint8Array.of((config << 3) | 3, 0xc0 | 2)), 2 * us, 'code 3');
  }
  assert.equal(opusPacketDuration(bytes('83b0')), 48 * 2500, '120 ms');
  assert.equal(opusPacketDuration(bytes('8331')), 0, 'over 120 ms');
  assert.equal(opusPacketDuration(bytes('83')), 0, 'no frame count');
});

test('OpusHead: serialize(parse(x)) is x', () => {
  for (const { codec, record } of audios) {
    if (codec === 'opus') assert.equal(hex(serializeOpusHead(parseOpusHead(bytes(record)))), record);
  }
  const head = parseOpusHead(bytes('4f70757348656164 01 02 3801 80bb0000 00ff 00'));
  assert.deepEqual([head.preSkip, head.inputRate, head.outputGain], [312, 48_000, -256]);
  assert.equal(hex(serializeOpusHead(head)), '4f707573486561640102380180bb000000ff00');
  for (const tail of [
    '10 02 3801 80bb0000 0000 00',
    '01 00 3801 80bb0000 0000 00',
    '01 03 3801 80bb0000 0000 00',
    '01 06 3801 80bb0000 0000 01 0402',
  ]) {
    assert.throws(() => parseOpusHead(bytes(`4f70757348656164 ${tail}`)), ProtocolError, tail);
  }
});

test('MPEG audio: layers, versions, and what is no header', () => {
  const table: [
    what: string,
    header: string,
    expected: [layer: number, rate: number, channels: number, samples: number, size: number] | null,
  ][] = [
    ['MPEG-1 layer I', 'ffff1004', [1, 44_100, 2, 384, 32]],
    ['MPEG-1 layer I, padding', 'ffff1200', [1, 44_100, 2, 384, 36]],
    ['MPEG-1 layer II', 'fffdc400', [2, 48_000, 2, 1152, 768]],
    ['MPEG-1 layer III mono', 'fffb90c0', [3, 44_100, 1, 1152, 417]],
    ['MPEG-2 layer III', 'fff380c4', [3, 22_050, 1, 576, 208]],
    ['MPEG-2.5 layer III', 'ffe318c4', [3, 8000, 1, 576, 72]],
    ['free format', 'fffb0064', [3, 44_100, 2, 1152, 0]],
    ['reserved version', 'ffeb9064', null],
    ['reserved layer', 'fff99064', null],
    ['bit rate 15', 'fffbf064', null],
    ['rate 3', 'fffb9c64', null],
    ['no sync', 'ff1b9064', null],
    ['cut', 'fffb90', null],
  ];
  for (const [what, header, expected] of table) {
    const frame = parseMp3Frame(bytes(header));
    const found =
      frame === null ? null : [frame.layer, frame.sampleRate, frame.channels, frame.samples, frame.size];
    assert.deepEqual(found, expected, what);
  }
});

test('AC-3 and E-AC-3: where lfeon stands, half rates, and what is none', () => {
  const ac3 = (mode: string): number =>
    parseAc3Frame(
      Uint8Array.from([0x0b, 0x77, 0, 0, 0x1e, 0x40, Number.parseInt(mode.replaceAll(' ', ''), 2), 0]),
    )!.channels;
  assert.equal(ac3('000 1 0000'), 3, '1+1 with LFE');
  assert.equal(ac3('001 0 1111'), 1, 'mono');
  assert.equal(ac3('010 00 1 00'), 3, 'stereo has dsurmod');
  assert.equal(ac3('011 00 1 00'), 4, '3/0 has cmixlev');
  assert.equal(ac3('101 00 00 1'), 5, '3/1 has both');
  assert.equal(ac3('111 11 11 0'), 5, '3/2 without LFE');
  const half = parseAc3Frame(bytes('0b77000008480000'))!;
  assert.deepEqual([half.sampleRate, half.isEac3], [24_000, false]);
  const eac3 = (second: number, fifth: number): ReturnType<typeof parseAc3Frame> =>
    parseAc3Frame(Uint8Array.of(0x0b, 0x77, second, 0x7f, fifth, 0x80, 0, 0));
  assert.deepEqual(
    [eac3(0, 0x04)!.samples, eac3(0, 0x14)!.samples, eac3(0, 0x34)!.samples],
    [256, 512, 1536],
  );
  assert.deepEqual([eac3(0, 0xc4)!.sampleRate, eac3(0, 0xd4)!.sampleRate], [24_000, 22_050]);
  assert.equal(eac3(0x40, 0x04)!.streamType, 1);
  assert.equal(eac3(0xc0, 0x04), null, 'reserved stream type');
  assert.equal(eac3(0, 0xf4), null, 'reserved rate');
  for (const none of ['', '0b78', '0b7700003f400000', '0b770000c0400000', '0b770000 00 f80000']) {
    assert.equal(parseAc3Frame(bytes(none)), null, none);
  }
});

test('FLAC: STREAMINFO in all its wrappings', () => {
  const { record } = audios.find((entry) => entry.codec === 'flac')!;
  for (const wrapped of [record, `00000022${record}`, `80000022${record}`, `664c6143 80000022${record}`]) {
    assert.equal(hex(findStreamInfo(bytes(wrapped))), record);
    assert.equal(hex(configFromRecord('flac', bytes(wrapped)).record), record);
  }
  const info = parseStreamInfo(bytes(record));
  assert.deepEqual(
    [info.sampleRate, info.channels, info.bitsPerSample, info.minBlockSamples],
    [44_100, 2, 16, 4608],
  );
  for (const broken of [
    '',
    '664c6143',
    `664c614380000022${record.slice(2)}`,
    `04000022${record}`,
    `${'00'.repeat(34)}`,
  ]) {
    assert.throws(() => parseStreamInfo(findStreamInfo(bytes(broken))), ProtocolError, broken);
  }
});

test('FLAC: block sizes of frame headers (RFC 9639 table 14)', () => {
  const table: [header: string, samples: number][] = [
    ['fff8 18 18 00 00', 192],
    ['fff8 28 18 00 00', 576],
    ['fff8 58 18 00 00', 4608],
    ['fff8 88 18 00 00', 256],
    ['fff8 f8 18 00 00', 32_768],
    ['fff8 68 18 05 bf 00', 192],
    ['fff8 78 18 05 0fff 00', 4096],
    ['fff8 78 18 c285 0fff 00', 4096],
    ['fff9 78 18 fe8080808080 80 0fff', 4096],
    ['fff8 08 18 00 00', 0],
    ['fff8 78 18 05 0f', 0],
    ['fffb 18 18 00 00', 0],
    ['fff8', 0],
  ];
  for (const [header, samples] of table) assert.equal(flacFrameSamples(bytes(header)), samples, header);
});
