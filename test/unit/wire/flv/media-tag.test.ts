import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CODECS, type CodecId } from '../../../../src/codec/codec-id.ts';
import { AudioTag } from '../../../../src/wire/flv/audio-tag.ts';
import { fourCcOf, fourCcText } from '../../../../src/wire/flv/four-cc.ts';
import { VideoTag } from '../../../../src/wire/flv/video-tag.ts';

type Packet = [codec: CodecId, packetType: number, track: number, payload: string, extra?: object];

/** Hex digits with blanks between the fields; `=hvc1` stands for its four characters. */
const bytes = (fields: string) =>
  Buffer.concat(
    fields
      .split(' ')
      .map((field) => (field[0] === '=' ? Buffer.from(field.slice(1)) : Buffer.from(field, 'hex'))),
  );

function videoPackets(hex: string): unknown[] {
  const found: unknown[] = [];
  const tag = new VideoTag();
  tag.reset(bytes(hex));
  while (tag.advance()) {
    const { codec, packetType, trackId, isKey, compositionTimeMs, nanoOffset } = tag;
    const payload = Buffer.from(tag.body.subarray(tag.start, tag.end)).toString('hex');
    found.push([codec, packetType, trackId, payload, { isKey, cts: compositionTimeMs, nano: nanoOffset }]);
  }
  return found;
}

const key = { isKey: true, cts: 0, nano: 0 };
const inter = { isKey: false, cts: 0, nano: 0 };

const video: [string, string, Packet[]][] = [
  ['empty', '', []],
  ['legacy AVC config', '1700000000 01', [['h264', 0, 0, '01', key]]],
  ['legacy AVC key frame', '1701000050 aa', [['h264', 1, 0, 'aa', { ...key, cts: 80 }]]],
  [
    'legacy AVC with negative composition time',
    '2701ffffd8 aa',
    [['h264', 1, 0, 'aa', { ...inter, cts: -40 }]],
  ],
  ['legacy AVC disposable', '3701000000 aa', [['h264', 1, 0, 'aa', inter]]],
  ['legacy AVC key frame made by a server', '4701000000 aa', [['h264', 1, 0, 'aa', key]]],
  ['legacy AVC end of sequence', '1702000000', [['h264', 2, 0, '', key]]],
  ['legacy AVC end of sequence of two bytes', '1702', [['h264', 2, 0, '', key]]],
  ['legacy AVC of one byte', '27', []],
  ['legacy AVC cut off before its frame', '27010000', []],
  ['legacy HEVC by id 12', '1c01000028 bb', [['h265', 1, 0, 'bb', { ...key, cts: 40 }]]],
  ['Sorenson H.263', '22 0000', [['unknown-video', 1, 0, '0000', inter]]],
  ['VP6', '14 01', [['unknown-video', 1, 0, '01', key]]],
  ['command', '5700', []],
  ['hvc1 config', '90 =hvc1 01', [['h265', 0, 0, '01', key]]],
  ['hvc1 frame', 'a1 =hvc1 000021 cc', [['h265', 1, 0, 'cc', { ...inter, cts: 33 }]]],
  ['hvc1 frame X', 'a3 =hvc1 cc', [['h265', 3, 0, 'cc', inter]]],
  ['avc1 frame', '91 =avc1 fffffe cc', [['h264', 1, 0, 'cc', { ...key, cts: -2 }]]],
  ['av01 frame has no composition time', '91 =av01 120000', [['av1', 1, 0, '120000', key]]],
  ['vp09 frame', 'a1 =vp09 82', [['vp9', 1, 0, '82', inter]]],
  ['vp08 frame', 'a1 =vp08 82', [['vp8', 1, 0, '82', inter]]],
  ['vvc1 frame', 'a1 =vvc1 000001 dd', [['unknown-video', 1, 0, 'dd', { ...inter, cts: 1 }]]],
  ['hvc1 end of sequence', '92 =hvc1', [['h265', 2, 0, '', key]]],
  ['metadata marked as a command', 'd4 =hvc1 02', [['h265', 4, 0, '02', inter]]],
  ['extended command', 'd100', []],
  ['AV1 config of MPEG-2 TS', '95 =av01 800481000000', [['av1', 5, 0, '800481000000', key]]],
  ['multitrack, one track', '96 01 =hvc1 03 000010 ee', [['h265', 1, 3, 'ee', { ...key, cts: 16 }]]],
  [
    'multitrack, many tracks',
    'a6 11 =avc1 00 000005 000001 aabb 01 000004 000002 cc',
    [
      ['h264', 1, 0, 'aabb', { ...inter, cts: 1 }],
      ['h264', 1, 1, 'cc', { ...inter, cts: 2 }],
    ],
  ],
  [
    'multitrack, many codecs',
    '96 21 =av01 00 000001 12 =hvc1 02 000004 fffffb cc',
    [
      ['av1', 1, 0, '12', key],
      ['h265', 1, 2, 'cc', { ...key, cts: -5 }],
    ],
  ],
  [
    'time offset in nanoseconds',
    '97 02 07a120 01 =av01 12',
    [['av1', 1, 0, '12', { ...key, nano: 500_000 }]],
  ],
  [
    'unknown modifier with a long size, then the time offset',
    `a7 ff 0101 ${'00'.repeat(258)} 17 02 00000a 01 =av01 12`,
    [['av1', 1, 0, '12', { ...inter, nano: 10 }]],
  ],
  [
    'modifier in front of multitrack',
    '97 02 ffffff 06 00 =av01 01 81',
    [['av1', 0, 1, '81', { ...key, nano: 999_999 }]],
  ],
];

for (const [what, hex, packets] of video) {
  test(`video tag: ${what}`, () => assert.deepEqual(videoPackets(hex), packets));
}

const badVideo: [string, string][] = [
  ['AVC packet type 3', '1703000000'],
  ['no FourCC', '916876'],
  ['no composition time', '91 =hvc1 0000'],
  ['multitrack type 3', '96 31 =hvc1 00'],
  ['multitrack in multitrack', '96 06 =hvc1 00'],
  ['modifier in multitrack', '96 07 =hvc1 00'],
  ['track larger than the body', '96 11 =av01 00 000005 0000'],
  ['track too small for its composition time', '96 11 =hvc1 00 000002 0000 00'],
  ['second track without number', '96 21 =av01 00 000001 12 =av01'],
  ['modifier cut off', '97 02 0000'],
  ['nothing behind a modifier', '97 00 00'],
];

for (const [what, hex] of badVideo) {
  test(`video tag: ${what} is an error`, () =>
    assert.throws(() => videoPackets(hex), { code: 'flv.bad-video-tag' }));
}

function audioPackets(hex: string): unknown[] {
  const found: unknown[] = [];
  const tag = new AudioTag();
  tag.reset(bytes(hex));
  while (tag.advance()) {
    const payload = Buffer.from(tag.body.subarray(tag.start, tag.end)).toString('hex');
    found.push([
      tag.codec,
      tag.packetType,
      tag.trackId,
      payload,
      { first: tag.firstByte, nano: tag.nanoOffset },
    ]);
  }
  return found;
}

const head = (first: number) => ({ first, nano: 0 });

const audio: [string, string, Packet[]][] = [
  ['empty', '', []],
  ['one byte', 'af', []],
  ['AAC config', 'af00 1210', [['aac', 0, 0, '1210', head(0xaf)]]],
  ['AAC frame', 'af01 21', [['aac', 1, 0, '21', head(0xaf)]]],
  ['AAC without frame', 'af01', [['aac', 1, 0, '', head(0xaf)]]],
  ['MP3', '2f fffb', [['mp3', 1, 0, 'fffb', head(0x2f)]]],
  ['MP3 of 8 kHz', 'ee ffe3', [['mp3', 1, 0, 'ffe3', head(0xee)]]],
  ['G.711 A-law', '72 d5', [['g711a', 1, 0, 'd5', head(0x72)]]],
  ['G.711 mu-law', '82 ff', [['g711u', 1, 0, 'ff', head(0x82)]]],
  ['Speex', 'b6 36', [['speex', 1, 0, '36', head(0xb6)]]],
  ['Nellymoser', '5e 01', [['unknown-audio', 1, 0, '01', head(0x5e)]]],
  ['linear PCM', '3f 0000', [['unknown-audio', 1, 0, '0000', head(0x3f)]]],
  ['Opus by id, without packet type', 'df fc01', [['opus', 1, 0, 'fc01', head(0xdf)]]],
  ['Opus by id, config', 'df 00 =OpusHead', [['opus', 0, 0, '4f70757348656164', head(0xdf)]]],
  ['Opus by id, with packet type', 'df 01 fc01', [['opus', 1, 0, 'fc01', head(0xdf)]]],
  ['Opus config', '90 =Opus 01', [['opus', 0, 0, '01', head(0x90)]]],
  ['FLAC frame', '91 =fLaC fff8', [['flac', 1, 0, 'fff8', head(0x91)]]],
  ['AC-3 frame', '91 =ac-3 0b77', [['ac3', 1, 0, '0b77', head(0x91)]]],
  ['E-AC-3 frame', '91 =ec-3 0b77', [['eac3', 1, 0, '0b77', head(0x91)]]],
  ['MP3 by FourCC', '91 =.mp3 fffb', [['mp3', 1, 0, 'fffb', head(0x91)]]],
  ['AAC by FourCC', '91 =mp4a 21', [['aac', 1, 0, '21', head(0x91)]]],
  ['unknown FourCC', '91 =abcd 21', [['unknown-audio', 1, 0, '21', head(0x91)]]],
  ['channel order', '94 =Opus 010203', [['opus', 4, 0, '010203', head(0x94)]]],
  ['end of sequence', '92 =Opus', [['opus', 2, 0, '', head(0x92)]]],
  ['multitrack, one track', '95 01 =mp4a 04 21', [['aac', 1, 4, '21', head(0x95)]]],
  [
    'multitrack, many tracks',
    '95 11 =Opus 00 000001 aa 01 000002 bbcc',
    [
      ['opus', 1, 0, 'aa', head(0x95)],
      ['opus', 1, 1, 'bbcc', head(0x95)],
    ],
  ],
  [
    'multitrack, many codecs',
    '95 21 =Opus 00 000001 aa =mp4a 01 000001 bb',
    [
      ['opus', 1, 0, 'aa', head(0x95)],
      ['aac', 1, 1, 'bb', head(0x95)],
    ],
  ],
  [
    'time offset in nanoseconds',
    '97 02 000064 01 =mp4a 21',
    [['aac', 1, 0, '21', { first: 0x97, nano: 100 }]],
  ],
];

for (const [what, hex, packets] of audio) {
  test(`audio tag: ${what}`, () => assert.deepEqual(audioPackets(hex), packets));
}

test('audio tag: AAC packet type 2, and a FourCC cut off, are errors', () => {
  assert.throws(() => audioPackets('af0200'), { code: 'flv.bad-audio-tag' });
  assert.throws(() => audioPackets('914f70'), { code: 'flv.bad-audio-tag' });
});

test('a tag object forgets the body before', () => {
  const tag = new VideoTag();
  tag.reset(bytes('97 02 00000a 06 11 =hvc1 05 000003 000007'));
  assert.ok(tag.advance());
  tag.reset(Buffer.from('2200', 'hex'));
  assert.ok(tag.advance());
  const { codec, trackId, nanoOffset, compositionTimeMs, start, end } = tag;
  assert.deepEqual(
    [codec, trackId, nanoOffset, compositionTimeMs, start, end],
    ['unknown-video', 0, 0, 0, 1, 2],
  );
  tag.reset(Buffer.alloc(0));
  assert.equal(tag.advance(), false);
});

test('FourCC numbers are those of the codec list', () => {
  for (const [codec, facts] of Object.entries(CODECS)) {
    const number = fourCcOf(codec as CodecId);
    assert.equal(number === 0 ? '' : fourCcText(number), facts.fourCc);
  }
});
