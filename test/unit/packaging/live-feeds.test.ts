/** TS, fragmented MP4, ADTS and MP3 feeds: recordings of foreign programs in, judged by our checkers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAdtsHeader } from '../../../src/codec/adts.ts';
import { makeCodecConfig } from '../../../src/codec/codec-config.ts';
import type { FeedFormat } from '../../../src/media/feed.ts';
import { FRAME_DISCONTINUITY, FRAME_KEY, Frame } from '../../../src/media/frame.ts';
import { makeTrack, type Track } from '../../../src/media/track.ts';
import { adtsFormat, mp3Format, wsAdtsFormat, wsMp3Format } from '../../../src/packaging/audio-feed.ts';
import { fmp4Format, wsFmp4Format } from '../../../src/packaging/fmp4-feed.ts';
import { tsFormat, wsTsFormat } from '../../../src/packaging/ts-feed.ts';
import { Mp4Checker } from '../../conformance/mp4-checker.ts';
import { TsChecker } from '../../conformance/ts-checker.ts';
import { encodeAll, openEncoder, type Recording, recordingOf } from '../../support/feed-frames.ts';
import { webSocketMessages } from '../../support/websocket-messages.ts';

/** What a player gets that joins with the frame `from`, which is a random access point, or that plays on. */
function played(format: FeedFormat, recording: Recording, from = 0): Buffer[] {
  const encoder = openEncoder(format, recording);
  const before = encodeAll(encoder, recording.frames.slice(0, from + 1));
  const prologue = Buffer.from(encoder.prologue(recording.frames[from]!.dts));
  return [prologue, before[from]!, ...encodeAll(encoder, recording.frames.slice(from + 1))];
}

/** A frame for each track of a source whose tracks may be replaced. */
class Source {
  tracks: readonly Track[];
  readonly metadata = null;
  readonly label = 'live/cam';

  constructor(tracks: readonly Track[]) {
    this.tracks = tracks;
  }
}

const AVC = recordingOf('ffmpeg51-h264-aac');

/** Clip -> stream types that must be in it (ISO/IEC 13818-1 table 2-34). */
const TS_CLIPS: readonly (readonly [string, readonly number[]])[] = [
  ['ffmpeg51-h264-aac', [0x0f, 0x1b]],
  ['ff8-hevc-aac', [0x0f, 0x24]],
  // 22050 Hz is a rate of MPEG-2.
  ['ffmpeg51-mp3', [0x04]],
  ['ff8-av1-opus', [0x06]],
];

for (const [clip, types] of TS_CLIPS) {
  test(`TS feed of ${clip}`, () => {
    const recording = recordingOf(clip);
    const checker = new TsChecker({ maxDelayMs: 1500 });
    const [prologue, ...chunks] = played(tsFormat, recording);
    checker.segment(Buffer.concat([prologue!, ...chunks]), clip, types.length > 1);
    assert.deepEqual(checker.finish(), []);
    assert.deepEqual(
      [...checker.streams.values()].map((one) => one.streamType).sort((a, b) => a - b),
      types,
    );
    for (const chunk of chunks) assert.equal(chunk.length % 188, 0);
    const carried = recording.frames.filter((_, index) => chunks[index]!.length > 0).length;
    const units = [...checker.streams.values()].reduce((sum, one) => sum + one.accessUnits, 0);
    assert.equal(units, carried, 'every frame is there');
  });
}

test('TS feed: tables stand before every key frame, so a joiner needs no prologue', () => {
  const encoder = openEncoder(tsFormat, AVC);
  const chunks = encodeAll(encoder, AVC.frames);
  let keys = 0;
  AVC.frames.forEach((frame, index) => {
    const isVideo = AVC.tracks.find((track) => track.id === frame.trackId)?.kind === 'video';
    if (!isVideo || (frame.flags & FRAME_KEY) === 0) return;
    keys++;
    assert.equal(chunks[index]!.readUInt16BE(1) & 0x1fff, 0, 'PAT first');
    assert.equal(chunks[index]!.readUInt16BE(189) & 0x1fff, 0x1000, 'then PMT');
  });
  assert.ok(keys > 0);
  const key = AVC.frames.findIndex((frame) => frame.trackId === 0 && (frame.flags & FRAME_KEY) !== 0);
  assert.equal(played(tsFormat, AVC, key)[0]!.length, 0);
});

test('TS feed: a joiner of sound alone gets the tables, and their counters go on', () => {
  const recording = recordingOf('ffmpeg51-mp3');
  for (const from of [0, 1, 4, 7]) {
    const [prologue, ...chunks] = played(tsFormat, recording, from);
    const tables = prologue!.length > 0 ? prologue! : chunks[0]!;
    assert.equal(tables.readUInt16BE(1) & 0x1fff, 0);
    const checker = new TsChecker();
    checker.segment(Buffer.concat([prologue!, ...chunks]), `from ${from}`, false);
    assert.deepEqual(checker.finish(), []);
  }
});

test('TS feed: a jump of the timeline is marked', () => {
  const jumped = AVC.frames.map((frame, index) =>
    index < 8
      ? frame
      : new Frame(
          frame.trackId,
          index === 8 ? frame.flags | FRAME_DISCONTINUITY : frame.flags,
          frame.dts + 7_000_000,
          frame.pts + 7_000_000,
          frame.duration,
          frame.payload,
          frame.config,
          frame.arrival,
          Number.NaN,
        ),
  );
  const checker = new TsChecker({ maxDelayMs: 1500, maxTableGapMs: 8000 });
  checker.segment(Buffer.concat(played(tsFormat, { ...AVC, frames: jumped })));
  assert.deepEqual(checker.finish(), []);
  assert.equal(checker.discontinuities.length, 1);
});

const MP4_CLIPS: readonly (readonly [string, number])[] = [
  ['ffmpeg51-h264-aac', 2],
  ['ff8-hevc-aac', 2],
  ['ff8-av1-opus', 2],
  ['ff8-vp9-opus', 2],
  ['ffmpeg51-mp3', 1],
  ['ff8-flac', 1],
  ['ff8-multitrack', 4],
];

for (const [clip, tracks] of MP4_CLIPS) {
  test(`fMP4 feed of ${clip}`, () => {
    const recording = recordingOf(clip);
    const [prologue, ...chunks] = played(fmp4Format, recording);
    // Times come in whole milliseconds, so what a sample lasts is known to a millisecond.
    const checker = new Mp4Checker(Math.ceil(90_000 / 1000) + 1);
    assert.equal(checker.init(prologue!).length, tracks);
    for (const chunk of chunks) if (chunk.length > 0) checker.segment(chunk, { independent: false });
    // How long the first picture lasts is not known where the bitstream tells no frame rate.
    const unknown = recording.tracks.filter(({ kind, config }) => kind === 'video' && config.frameRate === 0);
    assert.deepEqual(
      checker.violations.map((text) => text.replace(/^segment: track \d+ begins 5400 ticks off .*/, 'guess')),
      unknown.map(() => 'guess'),
    );
    assert.equal(checker.fragments, recording.frames.filter((_, index) => chunks[index]!.length > 0).length);
  });
}

/** Decode time and first sample's row of a chunk that is one fragment. */
function fragmentOf(chunk: Buffer): { track: number; dts: number; duration: number } {
  const tfhd = chunk.indexOf('tfhd');
  const tfdt = chunk.indexOf('tfdt');
  const trun = chunk.indexOf('trun');
  return {
    track: chunk.readUInt32BE(tfhd + 8),
    dts: Number(chunk.readBigUInt64BE(tfdt + 8)),
    duration: chunk.readUInt32BE(trun + 16),
  };
}

test('fMP4 feed: decode times are exact, lengths are those of the step before or of the codec', () => {
  const video = AVC.tracks.find((track) => track.kind === 'video')!;
  const audio = AVC.tracks.find((track) => track.kind === 'audio')!;
  const encoder = openEncoder(fmp4Format, AVC);
  const make = (track: Track, dts: number, duration: number) =>
    new Frame(track.id, FRAME_KEY, dts, dts, duration, Buffer.alloc(9), track.config, 0, Number.NaN);
  const rate = audio.config.sampleRate;
  const hour = 100 * 3600 * 1_000_000;
  const chunks = encodeAll(encoder, [
    make(video, hour, 0),
    make(video, hour + 33_000, 0),
    make(video, hour + 67_000, 0),
    make(video, hour + 9_000_000, 0),
    make(audio, hour, Math.round((1024 * 1_000_000) / rate)),
  ]);
  assert.deepEqual(chunks.map(fragmentOf), [
    { track: video.id + 1, dts: 0.09 * hour, duration: 9000 },
    { track: video.id + 1, dts: 0.09 * hour + 2970, duration: 2970 },
    { track: video.id + 1, dts: 0.09 * hour + 6030, duration: 3060 },
    { track: video.id + 1, dts: 0.09 * hour + 810_000, duration: 3060 },
    { track: audio.id + 1, dts: (hour / 1_000_000) * rate, duration: 1024 },
  ]);
});

test('fMP4 feed: a new moov stands before the next fragment when a track changes, and only then', () => {
  const [video, audio] = AVC.tracks as [Track, Track];
  const source = new Source([video, audio]);
  const encoder = fmp4Format.open(source);
  const { payload } = AVC.frames[0]!;
  const frame = (track: Track, ms: number) =>
    new Frame(track.id, FRAME_KEY, ms * 1000, ms * 1000, 0, payload, track.config, 0, Number.NaN);
  const [first] = encodeAll(encoder, [frame(video, 0)]);
  assert.equal(first!.toString('latin1', 4, 8), 'moof');
  const init = Buffer.from(encoder.prologue(0));
  assert.equal(init.toString('latin1', 4, 8), 'ftyp');
  // The same tracks again: a republish with the same settings.
  source.tracks = [...source.tracks];
  assert.equal(encoder.tracksChanged(0).length, 0);
  const [same] = encodeAll(encoder, [frame(video, 40)]);
  assert.equal(same!.toString('latin1', 4, 8), 'moof');
  const mono = makeCodecConfig('mp3', Buffer.alloc(0), 'mp4a.6B', { sampleRate: 44_100, channels: 1 });
  const other = makeTrack(audio.id, mono);
  source.tracks = [video, other];
  const [changed] = encodeAll(encoder, [frame(video, 80)]);
  assert.equal(changed!.toString('latin1', 4, 8), 'ftyp');
  assert.equal(encoder.prologue(0).length, 0, 'a joiner finds it in the chunk');
  const checker = new Mp4Checker();
  assert.equal(checker.stream(changed!).length, 1);
  assert.deepEqual(checker.violations, []);
  const [next] = encodeAll(encoder, [frame(other, 80)]);
  assert.equal(next!.toString('latin1', 4, 8), 'moof');
  assert.notDeepEqual(Buffer.from(encoder.prologue(0)), init);
});

test('ADTS feed: every frame with its header, the other tracks left out', () => {
  const [prologue, ...chunks] = played(adtsFormat, AVC);
  const aac = AVC.tracks.find((track) => track.config.codec === 'aac')!;
  assert.equal(prologue!.length, 0);
  AVC.frames.forEach((frame, index) => {
    const chunk = chunks[index]!;
    if (frame.trackId !== aac.id) {
      assert.equal(chunk.length, 0);
      return;
    }
    const header = parseAdtsHeader(chunk);
    assert.equal(header?.frameSize, chunk.length);
    assert.equal(header.sampleRate, aac.config.sampleRate);
    assert.deepEqual(chunk.subarray(7), Buffer.from(frame.payload));
  });
  const [left, ...others] = openEncoder(adtsFormat, AVC).leftOut();
  assert.match(left!.reason, /AAC sound alone, no H\.264/);
  assert.equal(others.length, 0);
});

test('MP3 feed: the frames as they are', () => {
  const recording = recordingOf('ffmpeg51-mp3');
  const mp3 = recording.tracks.find((track) => track.config.codec === 'mp3')!;
  const sound = recording.frames.filter((frame) => frame.trackId === mp3.id);
  const bytes = Buffer.concat(played(mp3Format, recording));
  assert.equal(sound.length, 10);
  assert.deepEqual(bytes, Buffer.concat(sound.map((frame) => frame.payload)));
});

const asc = (text: string) => makeCodecConfig('aac', Buffer.from(text, 'hex'), 'mp4a.40.2', { channels: 2 });

test('sound alone: what cannot be sent is refused with a sentence', () => {
  const opus = makeCodecConfig('opus', Buffer.alloc(0), 'opus');
  for (const [tracks, reasons] of [
    [[makeTrack(0, opus)], [/AAC sound alone, no Opus/]],
    // Object type 39 (ELD), escaped; a config without channels; one byte.
    [[makeTrack(0, asc('f8e85000'))], [/ADTS cannot carry AAC of object type/]],
    [[makeTrack(0, asc('120000000000000000000000'))], [/ADTS cannot tell the channel layout/]],
    [[makeTrack(0, asc('12'))], [/configuration of the AAC track is broken/]],
    [[makeTrack(0, asc('1210'), 1), makeTrack(1, asc('1210'), 0)], [/one track of AAC, and this is another/]],
    [[makeTrack(0, asc('1210'))], []],
  ] as const) {
    const left = adtsFormat.open(new Source(tracks)).leftOut();
    assert.equal(left.length, reasons.length);
    for (const [index, { reason }] of left.entries()) assert.match(reason, reasons[index]!);
  }
});

test('ADTS feed: the second of two tracks is sent when it is the default one; frames that do not fit are not', () => {
  const config = asc('1210');
  const encoder = adtsFormat.open(new Source([makeTrack(0, config, 1), makeTrack(1, config, 0)]));
  const frame = (trackId: number, bytes: number) =>
    new Frame(trackId, FRAME_KEY, 0, 0, 0, Buffer.alloc(bytes), config, 0, Number.NaN);
  const sizes = encodeAll(encoder, [frame(0, 10), frame(1, 10), frame(1, 0), frame(1, 8184), frame(1, 8185)]);
  assert.deepEqual(
    sizes.map((chunk) => chunk.length),
    [0, 17, 0, 8191, 0],
  );
});

for (const [plain, webSocket] of [
  [tsFormat, wsTsFormat],
  [fmp4Format, wsFmp4Format],
  [adtsFormat, wsAdtsFormat],
] as const) {
  test(`${webSocket.name}: the same bytes, a message for each frame`, () => {
    const chunks = played(plain, AVC).filter((chunk) => chunk.length > 0);
    assert.deepEqual(webSocketMessages(Buffer.concat(played(webSocket, AVC))), chunks);
  });
}

test('all formats have names of their own', () => {
  const formats = [
    tsFormat,
    wsTsFormat,
    fmp4Format,
    wsFmp4Format,
    adtsFormat,
    wsAdtsFormat,
    mp3Format,
    wsMp3Format,
  ];
  assert.equal(new Set(formats.map(({ name }) => name)).size, formats.length);
});
