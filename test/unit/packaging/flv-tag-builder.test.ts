import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type CodecConfig, makeCodecConfig } from '../../../src/codec/codec-config.ts';
import { CODECS, type CodecId } from '../../../src/codec/codec-id.ts';
import { configFromRecord } from '../../../src/codec/describe-config.ts';
import { FRAME_KEY, Frame } from '../../../src/media/frame.ts';
import { makeTrack, type Track } from '../../../src/media/track.ts';
import { FlvTagBuilder, type FlvTagBuilderOptions } from '../../../src/packaging/flv-tag-builder.ts';
import { type AmfObject, makeAmfEcmaArray } from '../../../src/wire/amf/amf-value.ts';
import { AudioTag } from '../../../src/wire/flv/audio-tag.ts';
import { parseScript } from '../../../src/wire/flv/script-tag.ts';
import { TAG_AUDIO, TAG_VIDEO } from '../../../src/wire/flv/tag-header.ts';
import { VideoTag } from '../../../src/wire/flv/video-tag.ts';
import type { IngestedFrame } from '../../support/ingest-recorder.ts';
import { flvFiles, loadFlv, loadMessages, type Tag, tagsOf } from '../wire/flv/vectors.ts';
import { FlvRecorder } from './flv-recorder.ts';

const all: FlvTagBuilderOptions = { enhanced: true, multitrack: true };
const fourCc = (text: string) => Buffer.from(text).toString('hex');

function frameOf(frame: IngestedFrame): Frame {
  const { trackId, flags, dtsMs, ptsMs, payload, config } = frame;
  return new Frame(trackId, flags, dtsMs * 1000, ptsMs * 1000, 0, payload, config, 0, Number.NaN);
}

function bodyOf(builder: FlvTagBuilder, frame: Frame, track: Track): Buffer {
  const headBytes = builder.writeHead(frame, track);
  return Buffer.concat([builder.head.subarray(0, headBytes), frame.payload]);
}

/** The body in the one form that we write: extended frames always with their composition time. */
function withCompositionTime(tag: Tag): Buffer {
  const { body } = tag;
  if (tag.type !== TAG_VIDEO || (body[0]! & 0x80) === 0) return body;
  const isMultitrack = (body[0]! & 15) === 6;
  const typeAt = isMultitrack ? 1 : 0;
  if ((body[typeAt]! & 15) !== 3) return body;
  const dataAt = isMultitrack ? 7 : 5;
  const changed = Buffer.concat([body.subarray(0, dataAt), Buffer.alloc(3), body.subarray(dataAt)]);
  changed[typeAt]! -= 2;
  return changed;
}

const isSame = (a: Tag, type: number, body: Uint8Array) =>
  a.type === type && Buffer.compare(withCompositionTime(a), body) === 0;

/** Every frame and config of a publisher becomes the very bytes that it sent. */
function assertRebuilt(tags: readonly Tag[]): void {
  const builder = new FlvTagBuilder(all);
  const recorder = new FlvRecorder();
  let seen = 0;
  for (const tag of tags) {
    recorder.ingest.tag(tag.type, tag.timestampMs, tag.body);
    for (const frame of recorder.frames.slice(seen)) {
      const track = recorder.track(frame.trackId);
      const body = bodyOf(builder, frameOf(frame), track);
      assert.equal(body.toString('hex'), withCompositionTime(tag).toString('hex'));
    }
    seen = recorder.frames.length;
  }
  assert.ok(seen > 0);
  for (const track of recorder.tracks) {
    assert.equal(builder.reasonNotCarried(track), '');
    const header = builder.sequenceHeader(track);
    // FFmpeg writes STREAMINFO bare, the specification wants it behind `fLaC` and its block header.
    if (header === null || track.config.codec === 'flac') continue;
    assert.ok(
      tags.some((tag) => isSame(tag, header.typeId, header.bytes)),
      `${track.config.codec} header`,
    );
  }
}

for (const name of flvFiles) {
  test(`tag builder writes ${name} as it was`, () => assertRebuilt(tagsOf(loadFlv(name))));
}

for (const program of ['obs29', 'gst-rtmp2sink'] as const) {
  test(`tag builder writes the messages of ${program} as they were`, () =>
    assertRebuilt(loadMessages(program)));
}

const made = new FlvRecorder();
for (const name of ['ffmpeg51-h264-aac', 'ff8-hevc-aac', 'ff8-av1-opus', 'ff8-vp9-opus', 'ff8-flac']) {
  const recorder = new FlvRecorder();
  for (const tag of tagsOf(loadFlv(name))) recorder.ingest.tag(tag.type, tag.timestampMs, tag.body);
  made.tracks.push(...recorder.tracks);
}
const configOf = (codec: CodecId): CodecConfig =>
  made.tracks.find((track) => track.config.codec === codec)?.config ??
  configFromRecord(codec, new Uint8Array(0));

/** A payload that FlvIngest passes on as it is. */
function payloadOf(codec: CodecId): Buffer {
  if (codec === 'h264') return Buffer.from('0000000341aabb', 'hex');
  if (codec === 'h265') return Buffer.from('000000040201aabb', 'hex');
  if (codec === 'av1') return Buffer.from('3201aa', 'hex');
  return Buffer.from('21aabbcc', 'hex');
}

type Form = 'legacy' | 'FourCC' | 'other track' | 'none';

/** Head of an inter frame (video: 40 ms of composition time) by form. */
const forms: [CodecId, Partial<Record<Form, string>>][] = [
  ['h264', { legacy: '2701000028', 'other track': `a601${fourCc('avc1')}05000028` }],
  ['h265', { FourCC: `a1${fourCc('hvc1')}000028`, 'other track': `a601${fourCc('hvc1')}05000028` }],
  ['av1', { FourCC: `a1${fourCc('av01')}`, 'other track': `a601${fourCc('av01')}05` }],
  ['vp8', { FourCC: `a1${fourCc('vp08')}`, 'other track': `a601${fourCc('vp08')}05` }],
  ['vp9', { FourCC: `a1${fourCc('vp09')}`, 'other track': `a601${fourCc('vp09')}05` }],
  ['aac', { legacy: 'af01', 'other track': `9501${fourCc('mp4a')}05` }],
  ['opus', { FourCC: `91${fourCc('Opus')}`, 'other track': `9501${fourCc('Opus')}05` }],
  ['mp3', { legacy: '2e', 'other track': `9501${fourCc('.mp3')}05` }],
  ['ac3', { FourCC: `91${fourCc('ac-3')}`, 'other track': `9501${fourCc('ac-3')}05` }],
  ['eac3', { FourCC: `91${fourCc('ec-3')}`, 'other track': `9501${fourCc('ec-3')}05` }],
  ['flac', { FourCC: `91${fourCc('fLaC')}`, 'other track': `9501${fourCc('fLaC')}05` }],
  ['g711a', { legacy: '72' }],
  ['g711u', { legacy: '82' }],
  ['speex', { legacy: 'b6' }],
];

for (const [codec, heads] of forms) {
  const { kind } = CODECS[codec];
  const config = configOf(codec);
  const payload = payloadOf(codec);
  for (const [form, head] of Object.entries(heads)) {
    test(`tag builder: ${codec}, ${form}, and back through the reader`, () => {
      const track = makeTrack(kind === 'video' ? 4 : 5, config, form === 'other track' ? 5 : 0);
      const pts = kind === 'video' ? 140_000 : 100_000;
      const builder = new FlvTagBuilder(all);
      const body = bodyOf(builder, new Frame(4, 0, 100_000, pts, 0, payload, config, 0, Number.NaN), track);
      assert.equal(body.toString('hex'), head + payload.toString('hex'));
      const tag = kind === 'video' ? new VideoTag() : new AudioTag();
      tag.reset(body);
      assert.ok(tag.advance());
      assert.equal(tag.codec, codec);
      assert.equal(tag.trackId, track.wireIndex);
      if (tag instanceof VideoTag) assert.equal(tag.compositionTimeMs, /00000?28$/.test(head) ? 40 : 0);
      assert.deepEqual(Buffer.from(body.subarray(tag.start, tag.end)), payload);
      assert.equal(tag.advance(), false);
    });
  }

  test(`tag builder: who takes ${codec}`, () => {
    const old = new FlvTagBuilder({ enhanced: false, multitrack: false });
    const single = new FlvTagBuilder({ enhanced: true, multitrack: false });
    const track = makeTrack(0, config);
    const other = makeTrack(1, config, 1);
    assert.equal(old.canCarry(track), heads.legacy !== undefined);
    assert.equal(single.canCarry(track), true);
    assert.equal(old.canCarry(other), false);
    assert.equal(single.canCarry(other), false);
    assert.equal(new FlvTagBuilder(all).canCarry(other), heads['other track'] !== undefined);
    const picky = new FlvTagBuilder({ enhanced: true, multitrack: true, fourCcs: new Set(['abcd']) });
    assert.equal(picky.canCarry(track), heads.legacy !== undefined);
    assert.equal(picky.canCarry(other), false);
    const any = new FlvTagBuilder({ enhanced: true, multitrack: true, fourCcs: new Set(['*']) });
    assert.equal(any.canCarry(other), heads['other track'] !== undefined);
  });
}

test('tag builder: reasons say what is wrong', () => {
  const old = new FlvTagBuilder({ enhanced: false, multitrack: false });
  const picky = new FlvTagBuilder({ ...all, fourCcs: new Set(['hvc1']) });
  const cases: [FlvTagBuilder, Track, string][] = [
    [old, makeTrack(0, configOf('av1')), 'AV1 needs enhanced RTMP, which the player does not take.'],
    [
      old,
      makeTrack(3, configOf('aac'), 1),
      'The player takes one audio track only, and this is another one.',
    ],
    [picky, makeTrack(0, configOf('vp9')), 'The player does not take VP9 (vp09).'],
    [picky, makeTrack(0, configOf('h265')), ''],
    [picky, makeTrack(3, configOf('g711a'), 1), 'FLV has no place for G.711 A-law in another track.'],
    [
      old,
      makeTrack(0, makeCodecConfig('unknown-video', new Uint8Array(0), '')),
      'FLV has no place for unknown video.',
    ],
    [old, makeTrack(30, makeCodecConfig('data', new Uint8Array(0), '')), ''],
  ];
  for (const [builder, track, reason] of cases) assert.equal(builder.reasonNotCarried(track), reason);
});

test('tag builder: H.265 by id 12 when it is asked for', () => {
  const builder = new FlvTagBuilder({ enhanced: false, multitrack: false, legacyHevc: true });
  const config = configOf('h265');
  const track = makeTrack(0, config);
  assert.equal(builder.canCarry(track), true);
  assert.equal(builder.sequenceHeader(track)?.bytes.subarray(0, 5).toString('hex'), '1c00000000');
  const frame = new Frame(0, FRAME_KEY, 0, 80_000, 0, payloadOf('h265'), config, 0, Number.NaN);
  assert.equal(bodyOf(builder, frame, track).subarray(0, 5).toString('hex'), '1c01000050');
  assert.equal(builder.endOfSequence(track)?.bytes.toString('hex'), '1c02000000');
});

test('tag builder: composition times are the difference of the milliseconds, and stay in 24 bits', () => {
  const builder = new FlvTagBuilder(all);
  const config = configOf('h264');
  const track = makeTrack(0, config);
  const headOf = (dts: number, pts: number) =>
    bodyOf(builder, new Frame(0, 0, dts, pts, 0, new Uint8Array(0), config, 0, Number.NaN), track).toString(
      'hex',
    );
  // 33.4 and 66.6 ms are 33 and 67 on the wire: 34 apart, though the difference rounds to 33.
  assert.equal(headOf(33_400, 66_600), '2701000022');
  assert.equal(headOf(80_000, 40_000), '2701ffffd8');
  assert.equal(headOf(0, 9_000_000_000), '27017fffff');
});

const ends: [CodecId, number, string | null][] = [
  ['h264', 0, '1702000000'],
  ['h264', 1, `9602${fourCc('avc1')}01`],
  ['h265', 0, `92${fourCc('hvc1')}`],
  ['av1', 0, `92${fourCc('av01')}`],
  ['aac', 0, null],
  ['aac', 1, `9502${fourCc('mp4a')}01`],
  ['mp3', 0, null],
  ['opus', 0, `92${fourCc('Opus')}`],
  ['data', 0, null],
];

for (const [codec, wireIndex, body] of ends) {
  test(`tag builder: end of sequence of ${codec} in track ${wireIndex}`, () => {
    const end = new FlvTagBuilder(all).endOfSequence(makeTrack(0, configOf(codec), wireIndex));
    assert.equal(end?.bytes.toString('hex') ?? null, body);
    if (end !== null) assert.equal(end.typeId, CODECS[codec].kind === 'video' ? TAG_VIDEO : TAG_AUDIO);
  });
}

test('tag builder: Opus always has a header, other codecs without record have none', () => {
  const builder = new FlvTagBuilder(all);
  const header = builder.sequenceHeader(makeTrack(1, configOf('opus')))?.bytes.toString('hex');
  assert.ok(header?.startsWith(`90${fourCc('OpusOpusHead')}01`));
  const mono = makeCodecConfig('opus', new Uint8Array(0), 'opus', { channels: 1 });
  const made = builder.sequenceHeader(makeTrack(1, mono))?.bytes.toString('hex');
  assert.equal(made, `90${fourCc('OpusOpusHead')}01010000${'80bb0000'}000000`);
  for (const codec of ['mp3', 'ac3', 'g711a', 'vp8'] as const)
    assert.equal(builder.sequenceHeader(makeTrack(1, configOf(codec))), null);
});

test('tag builder: the header of FLAC is its native one', () => {
  const header = new FlvTagBuilder(all).sequenceHeader(makeTrack(1, configOf('flac')))!.bytes;
  assert.equal(header.length, 5 + 8 + 34);
  assert.equal(header.subarray(0, 13).toString('hex'), `90${fourCc('fLaCfLaC')}80000022`);
  const recorder = new FlvRecorder();
  recorder.ingest.audio(0, header);
  assert.deepEqual(recorder.track(1).config, configOf('flac'));
});

test('tag builder: sound bytes of legacy codecs that came by another way', () => {
  const builder = new FlvTagBuilder(all);
  const byteOf = (codec: CodecId, sampleRate: number, channels: number) => {
    const config = makeCodecConfig(codec, new Uint8Array(0), '', { sampleRate, channels });
    const frame = new Frame(1, 0, 0, 0, 0, new Uint8Array(0), config, 0, Number.NaN);
    return bodyOf(builder, frame, makeTrack(1, config)).toString('hex');
  };
  const cases: [CodecId, number, number, string][] = [
    ['mp3', 44_100, 2, '2f'],
    ['mp3', 48_000, 1, '2e'],
    ['mp3', 22_050, 2, '2b'],
    ['mp3', 11_025, 1, '26'],
    ['mp3', 8000, 1, 'e2'],
    ['g711a', 8000, 2, '73'],
    ['g711u', 8000, 1, '82'],
    ['speex', 16_000, 1, 'b6'],
  ];
  for (const [codec, rate, channels, byte] of cases)
    assert.equal(byteOf(codec, rate, channels), byte, `${codec} ${rate} ${channels}`);
});

test('tag builder: unknown extended codecs are relayed whole', () => {
  const recorder = new FlvRecorder();
  const tags: Tag[] = [
    ['90', '000102'],
    ['91', '000010aabb'],
    ['a1', '000020cc'],
  ].map(([first, rest], i) => ({
    type: TAG_VIDEO,
    timestampMs: i * 40,
    body: Buffer.from(`${first}${fourCc('vvc1')}${rest}`, 'hex'),
  }));
  for (const tag of tags) recorder.ingest.tag(tag.type, tag.timestampMs, tag.body);
  assert.equal(recorder.frames.length, 2);
  assertRebuilt(tags);
});

function metadataOf(
  tracks: readonly Track[],
  publisher: unknown,
  builder = new FlvTagBuilder(all),
): AmfObject {
  const script = parseScript(builder.metadata(tracks, publisher));
  assert.equal(script.name, 'onMetaData');
  return script.value as AmfObject;
}

test('metadata: facts of the tracks win, what holds for a live stream is kept, what describes a file is not', () => {
  const publisher = makeAmfEcmaArray({
    duration: 12,
    filesize: 99,
    width: 1,
    height: 2,
    framerate: 25,
    videodatarate: 500,
    audiodatarate: 96,
    videocodecid: 'avc1',
    encoder: 'Some encoder',
    server: 'Another server',
    keyframes: makeAmfEcmaArray({ times: [1, 2] }),
    title: 'x'.repeat(2000),
  });
  const tracks = [makeTrack(0, configOf('h264')), makeTrack(1, configOf('aac'))];
  assert.deepEqual(
    { ...metadataOf(tracks, publisher) },
    {
      ...makeAmfEcmaArray(),
      width: 64,
      height: 48,
      framerate: configOf('h264').frameRate || 25,
      videodatarate: 500,
      audiodatarate: 96,
      videocodecid: 7,
      encoder: 'Some encoder',
      audiosamplerate: 48_000,
      audiochannels: 1,
      stereo: false,
      audiocodecid: 10,
      server: 'Sluice',
    },
  );
});

test('metadata: nothing is said about tracks that are not carried', () => {
  const publisher = { width: 10, videocodecid: 7, audiocodecid: 10, stereo: true, note: 'n' };
  const audioOnly = metadataOf([makeTrack(1, configOf('aac'))], publisher);
  const { width, videocodecid, note } = audioOnly;
  assert.deepEqual([width, videocodecid, note], [undefined, undefined, 'n']);
  assert.deepEqual(Object.keys(metadataOf([], publisher)), ['note', 'server']);
  assert.deepEqual(Object.keys(metadataOf([], null)), ['server']);
});

test('metadata: a publisher cannot make it large', () => {
  const publisher = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`field${i}`, i]));
  assert.equal(Object.keys(metadataOf([], publisher)).length, 65);
});

test('metadata: FourCC ids and the tracks beside the default ones', () => {
  const tracks = [
    makeTrack(0, configOf('h265')),
    makeTrack(2, configOf('av1'), 1),
    makeTrack(1, configOf('opus')),
    makeTrack(3, configOf('aac'), 4),
  ];
  const { videocodecid, audiocodecid, server, videoTrackIdInfoMap, audioTrackIdInfoMap } = metadataOf(
    tracks,
    null,
    new FlvTagBuilder({ ...all, server: 'Sluice/9' }),
  );
  assert.deepEqual([videocodecid, audiocodecid, server], [0x68766331, 0x4f707573, 'Sluice/9']);
  const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;
  assert.deepEqual(plain(videoTrackIdInfoMap), { 1: { width: 96, height: 64, videocodecid: 0x61763031 } });
  assert.deepEqual(plain(audioTrackIdInfoMap), {
    4: { audiosamplerate: 48_000, audiochannels: 1, stereo: false, audiocodecid: 0x6d703461 },
  });
});

test('script data goes through as it came', () => {
  const config = makeCodecConfig('data', new Uint8Array(0), '');
  const frame = new Frame(30, 0, 0, 0, 0, Buffer.from('020001610500', 'hex'), config, 0, Number.NaN);
  const builder = new FlvTagBuilder(all);
  assert.equal(builder.writeHead(frame, makeTrack(30, config)), 0);
  assert.equal(builder.sequenceHeader(makeTrack(30, config)), null);
});

test('metadata are made once for the same tracks and values, and anew for others', () => {
  const builder = new FlvTagBuilder(all);
  const sound = makeTrack(1, configFromRecord('aac', Buffer.from('1210', 'hex')));
  const tracks = [sound];
  const publisher = makeAmfEcmaArray({ encoder: 'first' });
  const first = builder.metadata(tracks, publisher);
  assert.equal(builder.metadata(tracks, publisher), first);
  const changed = makeAmfEcmaArray({ encoder: 'second' });
  assert.notDeepEqual(builder.metadata(tracks, changed), first);
  assert.notDeepEqual(builder.metadata([], publisher), first);
  assert.deepEqual(builder.metadata(tracks, publisher), first);
});
