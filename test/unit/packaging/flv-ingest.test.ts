import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAvcConfig, serializeAvcConfig } from '../../../src/codec/avc-config.ts';
import { FRAME_CONFIG, FRAME_IN_BAND_CONFIG, FRAME_KEY } from '../../../src/media/frame.ts';
import { serializeScript } from '../../../src/wire/flv/script-tag.ts';
import { TAG_AUDIO, TAG_SCRIPT, TAG_VIDEO } from '../../../src/wire/flv/tag-header.ts';
import { loadFlv, loadMessages, type Tag, tagsOf } from '../wire/flv/vectors.ts';
import { FlvRecorder } from './flv-recorder.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const fourCc = (text: string) => Buffer.from(text).toString('hex');

function take(tags: readonly Tag[]): FlvRecorder {
  const recorder = new FlvRecorder();
  for (const tag of tags) recorder.ingest.tag(tag.type, tag.timestampMs, tag.body);
  return recorder;
}

/** `id codec wireIndex WxH rate/channels` of every track, then `id:flags` of the frames and how often. */
function summary(recorder: FlvRecorder): string[] {
  const lines = recorder.tracks.map(({ id, wireIndex, config }) => {
    const { codec, width, height, sampleRate, channels } = config;
    return `${id} ${codec} ${wireIndex} ${width}x${height} ${sampleRate}/${channels}`;
  });
  const counts = new Map<string, number>();
  for (const { trackId, flags } of recorder.frames) {
    const name = `${trackId}:${flags}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...lines, [...counts].map(([name, count]) => `${name}*${count}`).join(' ')];
}

const programs: [string, string[]][] = [
  ['ffmpeg51-h264-aac', ['0 h264 0 64x48 0/0', '1 aac 0 0x0 48000/1', '0:1*2 1:1*11 0:0*2 0:16*2']],
  ['ffmpeg51-mp3', ['1 mp3 0 0x0 22050/1', '1:1*10']],
  ['ffmpeg51-speex', ['1 speex 0 0x0 16000/1', '1:1*5']],
  ['ffmpeg51-g711u', ['1 g711u 0 0x0 8000/1', '1:1*1']],
  ['ffmpeg51-g711a', ['1 g711a 0 0x0 8000/1', '1:1*1']],
  [
    'ffmpeg51-sorenson-adpcm',
    ['0 unknown-video 0 0x0 0/0', '1 unknown-audio 0 0x0 0/0', '0:1*2 1:1*1 0:0*4'],
  ],
  ['ff8-hevc-aac', ['0 h265 0 64x48 0/0', '1 aac 0 0x0 48000/1', '0:1*2 1:1*11 0:0*2 0:16*2']],
  ['ff8-av1-opus', ['0 av1 0 96x64 0/0', '1 opus 0 0x0 48000/1', '1:1*11 0:5*2 0:0*4']],
  ['ff8-vp9-opus', ['1 opus 0 0x0 48000/1', '0 vp9 0 64x48 0/0', '1:1*11 0:1*2 0:0*4']],
  ['ff8-flac', ['1 flac 0 0x0 48000/1', '1:1*2']],
  ['ff8-ac3', ['1 ac3 0 0x0 48000/1', '1:1*4']],
  ['ff8-eac3', ['1 eac3 0 0x0 48000/1', '1:1*4']],
  [
    'ff8-multitrack',
    [
      '0 h264 0 64x48 0/0',
      '2 h265 1 32x32 0/0',
      '1 aac 0 0x0 48000/1',
      '3 opus 1 0x0 48000/1',
      '0:1*1 2:1*1 0:0*1 2:0*2 1:1*6 3:1*6 0:16*1',
    ],
  ],
];

for (const [name, expected] of programs) {
  test(`ingest of ${name}: tracks and frames`, () => {
    const recorder = take(tagsOf(loadFlv(name)));
    assert.deepEqual(summary(recorder), expected);
    const { framesWithoutConfig, damagedFrames, packetsBeyondTracks, badScripts } = recorder.ingest;
    assert.deepEqual([framesWithoutConfig, damagedFrames, packetsBeyondTracks, badScripts], [0, 0, 0, 0]);
    assert.equal(recorder.metadatas.length, 1);
  });
}

test('ingest of OBS and GStreamer', () => {
  assert.deepEqual(summary(take(loadMessages('obs29'))), [
    '1 aac 0 0x0 48000/2',
    '0 h264 0 320x180 0/0',
    '1:1*2 0:0*2',
  ]);
  assert.equal(take(loadMessages('gst-rtmp2sink')).frames.length, 4);
});

const h264 = tagsOf(loadFlv('ffmpeg51-h264-aac')).filter((tag) => tag.type === TAG_VIDEO);
const avcHeader = h264[0]!.body;
const avcRecord = avcHeader.subarray(5);
const keyTag = h264[1]!.body;
const interTag = h264[2]!.body;
const keyPayload = keyTag.subarray(5);
const { sps, pps } = parseAvcConfig(avcRecord);

/** NAL units with lengths of `size` bytes; 0 = start codes. */
function frameOf(nals: readonly Uint8Array[], size: number): Buffer {
  return Buffer.concat(
    nals.flatMap((nal) => {
      const prefix = Buffer.alloc(size === 0 ? 4 : size);
      if (size === 0) prefix[3] = 1;
      else prefix.writeUIntBE(nal.length, 0, size);
      return [prefix, nal];
    }),
  );
}

function nalsOf(payload: Buffer): Buffer[] {
  const nals: Buffer[] = [];
  for (let at = 0; at < payload.length; at += 4 + payload.readUInt32BE(at))
    nals.push(payload.subarray(at + 4, at + 4 + payload.readUInt32BE(at)));
  return nals;
}

const avcFrame = (payload: Uint8Array, isKey = true) =>
  Buffer.concat([hex(isKey ? '17 01 000000' : '27 01 000000'), payload]);
const avcHeaderOf = (record: Uint8Array) => Buffer.concat([hex('17 00 000000'), record]);

test('video that is canonical is passed on as it is', () => {
  let seen: Uint8Array | null = null;
  const recorder = new FlvRecorder();
  const write = recorder.write.bind(recorder);
  recorder.write = (...frame) => {
    seen = frame[5];
    write(...frame);
  };
  recorder.ingest.video(0, avcHeader);
  recorder.ingest.video(40, keyTag);
  assert.equal(seen!.buffer, keyTag.buffer);
  assert.deepEqual(recorder.frames[0]!.payload, keyPayload);
  assert.equal(recorder.frames[0]!.ptsMs - recorder.frames[0]!.dtsMs, keyTag.readIntBE(2, 3));
});

const aud = hex('09 f0');
const filler = hex('0c ffffff80');
const slices = nalsOf(keyPayload);

for (const size of [4, 2, 1, 0]) {
  const record =
    size === 0 ? avcRecord : serializeAvcConfig({ ...parseAvcConfig(avcRecord), lengthSize: size });
  test(`H.264 with ${size === 0 ? 'start codes' : `lengths of ${size} bytes`} becomes canonical`, () => {
    const nals = size === 1 ? slices.map((nal) => nal.subarray(0, 200)) : slices;
    const recorder = new FlvRecorder();
    recorder.ingest.video(0, avcHeaderOf(record));
    recorder.ingest.video(0, avcFrame(frameOf(nals, size)));
    recorder.ingest.video(40, avcFrame(frameOf([aud, ...nals, filler], size)));
    assert.equal(recorder.track(0).config.record[4], 0xff, 'the record says 4 bytes');
    const canonical = frameOf(nals, 4);
    assert.deepEqual(
      recorder.frames.map((frame) => frame.payload),
      [canonical, canonical],
    );
  });
}

test('H.264 in start codes without any record: parameter sets in band make the track', () => {
  const recorder = new FlvRecorder();
  recorder.ingest.video(0, avcFrame(frameOf(slices, 0)));
  assert.equal(recorder.ingest.framesWithoutConfig, 1);
  recorder.ingest.video(40, avcFrame(frameOf([...sps, ...pps, ...slices], 0)));
  assert.equal(recorder.tracks.length, 1);
  assert.equal(recorder.track(0).config.width, 64);
  assert.deepEqual(
    recorder.frames.map((frame) => [frame.dtsMs, frame.flags]),
    [[40, FRAME_KEY | FRAME_IN_BAND_CONFIG]],
  );
});

test('parameter sets in a frame of their own, marked as a key frame, make the track and are no frame', () => {
  const recorder = new FlvRecorder();
  recorder.ingest.video(0, avcFrame(frameOf([...sps, ...pps], 0)));
  recorder.ingest.video(0, avcFrame(frameOf(slices, 0)));
  assert.equal(recorder.tracks.length, 1);
  assert.deepEqual(
    recorder.frames.map((frame) => [frame.flags, frame.payload]),
    [[FRAME_KEY, frameOf(slices, 4)]],
  );
});

test('parameter sets in a frame of their own change the config and are no frame', () => {
  const other = parseAvcConfig(take(loadMessages('obs29')).track(0).config.record);
  const recorder = new FlvRecorder();
  recorder.ingest.video(0, avcHeader);
  recorder.ingest.video(0, keyTag);
  recorder.ingest.video(40, avcFrame(frameOf([...other.sps, ...other.pps], 4), false));
  recorder.ingest.video(40, keyTag);
  recorder.ingest.video(80, interTag);
  assert.deepEqual(
    recorder.tracks.map((track) => [track.id, track.config.width]),
    [
      [0, 64],
      [0, 320],
    ],
  );
  assert.deepEqual(
    recorder.frames.map((frame) => frame.flags & (FRAME_KEY | FRAME_CONFIG)),
    [FRAME_KEY, FRAME_KEY | FRAME_CONFIG, 0],
  );
});

test('a repeated config changes nothing, a new one is announced and marks the next frame', () => {
  const other = take(loadMessages('obs29')).track(0).config.record;
  const recorder = new FlvRecorder();
  for (const body of [avcHeader, keyTag, avcHeader, interTag, avcHeaderOf(other), keyTag, interTag])
    recorder.ingest.video(0, body);
  assert.equal(recorder.tracks.length, 2);
  assert.deepEqual(
    recorder.frames.map((frame) => frame.flags & FRAME_CONFIG),
    [0, 0, FRAME_CONFIG, 0],
  );
  assert.equal(recorder.frames[3]!.config, recorder.track(0).config);
});

test('frames before their config are counted and dropped, an empty config is none', () => {
  const recorder = new FlvRecorder();
  recorder.ingest.video(0, keyTag);
  recorder.ingest.video(0, hex('17 00 000000'));
  recorder.ingest.audio(0, hex('af 01 2100'));
  recorder.ingest.audio(0, hex('af 00'));
  recorder.ingest.audio(0, hex(`91 ${fourCc('fLaC')} fff8`));
  assert.equal(recorder.ingest.framesWithoutConfig, 3);
  assert.equal(recorder.tracks.length + recorder.frames.length, 0);
});

test('a config that cannot be read ends the publisher', () => {
  const { ingest } = new FlvRecorder();
  assert.throws(() => ingest.video(0, hex('17 00 000000 02')), { code: 'codec.bad-avcc' });
  assert.throws(() => ingest.audio(0, hex('af 00 ff')), { code: 'codec.bad-aac-config' });
});

test('a frame whose lengths run over its end is counted and dropped', () => {
  const recorder = new FlvRecorder();
  recorder.ingest.video(0, avcHeader);
  recorder.ingest.video(0, keyTag);
  recorder.ingest.video(40, keyTag.subarray(0, keyTag.length - 3));
  recorder.ingest.video(80, interTag);
  recorder.ingest.video(80, hex('1702000000'));
  assert.equal(recorder.ingest.damagedFrames, 1);
  assert.equal(recorder.frames.length, 2);
});

test('the publisher is believed about key frames when the bitstream shows none for ten seconds', () => {
  const recorder = new FlvRecorder();
  const inter = interTag.subarray(5);
  recorder.ingest.video(0, avcHeader);
  for (const [timestampMs, body] of [
    [0, keyTag],
    [5000, avcFrame(inter)],
    [10_001, avcFrame(inter)],
    [10_041, avcFrame(inter, false)],
  ] as const) {
    recorder.ingest.video(timestampMs, body);
  }
  assert.deepEqual(
    recorder.frames.map((frame) => frame.flags & FRAME_KEY),
    [1, 0, 1, 0],
  );
});

test('another codec on the same track replaces its config', () => {
  const recorder = new FlvRecorder();
  recorder.ingest.audio(0, hex('af 00 1190'));
  recorder.ingest.audio(0, hex('af 01 2100'));
  recorder.ingest.audio(20, hex('72 d5d5'));
  recorder.ingest.audio(40, hex('af 00 1190'));
  recorder.ingest.audio(40, hex('af 01 2100'));
  assert.deepEqual(
    recorder.tracks.map((track) => `${track.id} ${track.config.codec}`),
    ['1 aac', '1 g711a', '1 aac'],
  );
  assert.deepEqual(
    recorder.frames.map((frame) => frame.flags & FRAME_CONFIG),
    [0, FRAME_CONFIG, FRAME_CONFIG],
  );
});

test('the same codec in legacy and in extended form is one config', () => {
  const recorder = new FlvRecorder();
  recorder.ingest.audio(0, hex('af 00 1190'));
  recorder.ingest.audio(0, hex(`90 ${fourCc('mp4a')} 1190`));
  recorder.ingest.audio(0, hex(`91 ${fourCc('mp4a')} 2100`));
  assert.equal(recorder.tracks.length, 1);
  assert.deepEqual(
    recorder.frames.map((frame) => [frame.flags, frame.durationUs]),
    [[FRAME_KEY, 21_333]],
  );
});

test('AV1: config as MPEG-2 TS descriptor, temporal delimiters leave the frames', () => {
  const av1 = tagsOf(loadFlv('ff8-av1-opus')).filter((tag) => tag.type === TAG_VIDEO);
  const header = av1.find((tag) => tag.body[0] === 0x90)!.body;
  const frame = av1.find((tag) => tag.body[0] === 0x91)!.body;
  const recorder = new FlvRecorder();
  recorder.ingest.video(0, Buffer.concat([hex(`95 ${fourCc('av01')} 8004`), header.subarray(5, 9)]));
  assert.deepEqual(Buffer.from(recorder.track(0).config.record), header.subarray(5, 9));
  recorder.ingest.video(0, Buffer.concat([frame.subarray(0, 5), hex('1200'), frame.subarray(5)]));
  assert.deepEqual(recorder.frames[0]!.payload, frame.subarray(5));
  assert.equal(recorder.track(0).config.width, 96, 'the sequence header in band completes the config');
});

test('AAC in ADTS inside of FLV is taken out of it', () => {
  const recorder = new FlvRecorder();
  recorder.ingest.audio(0, hex('af 00 1190'));
  recorder.ingest.audio(0, hex('af 01 fff14c80013ffc 2110'));
  recorder.ingest.audio(0, hex('af 01 fff04c80013ffc 1234 2110'));
  recorder.ingest.audio(0, hex('af 01 2110'));
  assert.deepEqual(
    recorder.frames.map((frame) => frame.payload.toString('hex')),
    ['2110', '2110', '2110'],
  );
});

test('nanoseconds of ModEx are fractions of the milliseconds', () => {
  const recorder = new FlvRecorder();
  recorder.ingest.audio(7, hex(`97 02 07a120 01 ${fourCc('Opus')} fc`));
  recorder.ingest.audio(27, hex(`97 02 07a120 05 01 ${fourCc('Opus')} 02 fc`));
  assert.deepEqual(
    recorder.frames.map((frame) => [frame.trackId, frame.dtsMs, frame.ptsMs]),
    [
      [1, 7.5, 7.5],
      [3, 27.5, 27.5],
    ],
  );
});

test('legacy codecs keep the rest of their first byte; the unknown ones the id or the whole byte', () => {
  const cases: [number, string, number, string][] = [
    [TAG_AUDIO, '2f fffb5064 00', 15, 'fffb506400'],
    [TAG_AUDIO, 'ee ffe3', 14, 'ffe3'],
    [TAG_AUDIO, '73 d5', 3, 'd5'],
    [TAG_AUDIO, 'b6 36', 6, '36'],
    [TAG_AUDIO, '5e 0102', 0x5e, '0102'],
    [TAG_AUDIO, `91 ${fourCc('abcd')} 0102`, 0x61626364, '0102'],
    [TAG_VIDEO, '14 0102', 4, '0102'],
    [TAG_VIDEO, `91 ${fourCc('vvc1')} 000000 0102`, 0x76766331, '0102'],
  ];
  for (const [type, body, flvHeader, payload] of cases) {
    const recorder = new FlvRecorder();
    recorder.ingest.tag(type, 0, hex(body));
    const [frame] = recorder.frames;
    assert.equal(frame?.config.flvHeader, flvHeader, body);
    assert.equal(frame?.payload.toString('hex'), payload, body);
    assert.equal(frame?.flags, FRAME_KEY, body);
  }
});

test('more tracks than fifteen of a kind are counted and dropped', () => {
  const recorder = new FlvRecorder();
  for (let track = 255; track >= 0; track--)
    recorder.ingest.audio(0, Buffer.concat([hex(`95 01 ${fourCc('Opus')}`), Buffer.from([track, 0xfc])]));
  assert.equal(recorder.tracks.length, 15);
  assert.equal(recorder.ingest.packetsBeyondTracks, 256 - 15);
  assert.equal(recorder.track(1).wireIndex, 0, 'the default track has its place whenever it comes');
  assert.ok(recorder.tracks.every((track) => track.id < 30 && track.id % 2 === 1));
});

test('onMetaData is passed on once, with what it says about video', () => {
  const cases: [object, boolean][] = [
    [{ videocodecid: 7 }, true],
    [{ videocodecid: 'avc1' }, true],
    [{ videocodecid: 0 }, false],
    [{ width: 320 }, true],
    [{ audiocodecid: 10 }, false],
    [{ videocodecid: 7, hasVideo: false }, false],
  ];
  for (const [values, promisesVideo] of cases) {
    const recorder = new FlvRecorder();
    const body = serializeScript('onMetaData', { ...values });
    recorder.ingest.script(0, body);
    recorder.ingest.script(5, body);
    assert.deepEqual(
      recorder.metadatas.map((metadata) => [{ ...(metadata.values as object) }, metadata.promisesVideo]),
      [[values, promisesVideo]],
    );
  }
});

test('other script messages become frames of a data track, near the media time', () => {
  const recorder = new FlvRecorder();
  const data = serializeScript('onTextData', { text: 'hello' });
  recorder.ingest.tag(TAG_SCRIPT, 0, data);
  recorder.ingest.audio(100_000, hex('72 d5'));
  recorder.ingest.tag(TAG_SCRIPT, 100_010, data);
  recorder.ingest.tag(TAG_SCRIPT, 0, data);
  recorder.ingest.tag(TAG_SCRIPT, 100_020, serializeScript('|RtmpSampleAccess', true));
  recorder.ingest.tag(TAG_SCRIPT, 100_020, serializeScript('onBig', 'x'.repeat(70_000)));
  assert.equal(recorder.track(30).kind, 'data');
  assert.deepEqual(
    recorder.frames.slice(1).map((frame) => [frame.trackId, frame.dtsMs, frame.payload]),
    [
      [30, 100_010, data],
      [30, 100_000, data],
    ],
  );
  assert.equal(recorder.ingest.badScripts, 1);
});

test('a script message that is no AMF0 is counted', () => {
  const recorder = new FlvRecorder();
  recorder.ingest.script(0, hex('ffff'));
  recorder.ingest.script(0, hex(''));
  assert.equal(recorder.ingest.badScripts, 2);
});
