import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { aacMime, parseAudioSpecificConfig } from '../../../src/codec/aac.ts';
import { writeAdtsHeader } from '../../../src/codec/adts.ts';
import type { CodecConfig } from '../../../src/codec/codec-config.ts';
import { configFromRecord } from '../../../src/codec/describe-config.ts';
import { parseOpusHead, serializeOpusHead } from '../../../src/codec/opus.ts';
import { FRAME_CONFIG, FRAME_KEY } from '../../../src/media/frame.ts';
import { makeTrack } from '../../../src/media/track.ts';
import { TsIngest, type TsIngestOptions } from '../../../src/packaging/ts-ingest.ts';
import { TsReader } from '../../../src/wire/mpegts/ts-reader.ts';
import { TsWriter } from '../../../src/wire/mpegts/ts-writer.ts';
import { IngestRecorder } from '../../support/ingest-recorder.ts';
import { vector } from '../media-file/media-files.ts';
import { association, line, map, pes, Sender } from '../wire/mpegts/packets.ts';
import * as media from '../wire/mpegts/synthetic.ts';

class Recorder extends IngestRecorder {
  readonly ingest: TsIngest;
  readonly reader: TsReader;

  constructor(options: TsIngestOptions = {}) {
    super();
    this.ingest = new TsIngest(this, options);
    this.reader = new TsReader(this.ingest);
  }

  read(...parts: readonly Uint8Array[]): this {
    for (const part of parts) this.reader.push(part);
    this.reader.finish();
    return this;
  }
}

const MAP_PID = 0x1000;

function tables(...entries: ReturnType<typeof line>[]): Buffer {
  const both = [association([[1, MAP_PID]]), map(MAP_PID, entries)];
  return Buffer.concat([...both, ...both]);
}

function adts(samples = 48_000, bytes = 60): Buffer {
  const record = samples === 48_000 ? media.aac.record : media.aac44.record;
  const frame = Buffer.alloc(7 + bytes, 0x21);
  writeAdtsHeader(parseAudioSpecificConfig(record), bytes, frame, 0);
  return frame;
}

/** LOAS frames that refer to a config that never comes (useSameStreamMux), each with one payload. */
function loas(of: Recorder): Buffer {
  return Buffer.concat(
    of.frames.slice(0, 5).map(({ payload }) => {
      const size = 1 + Math.floor(payload.length / 255) + 1 + payload.length;
      return Buffer.concat([
        Buffer.from([0x56, 0xe0 | (size >> 8), size & 255, 0x80]),
        Buffer.alloc(size - 1),
      ]);
    }),
  );
}

function surroundHead(): Uint8Array {
  return serializeOpusHead({
    version: 1,
    channels: 6,
    preSkip: 312,
    inputRate: 48_000,
    outputGain: 0,
    mappingFamily: 1,
    mapping: Uint8Array.of(4, 2, 0, 4, 1, 2, 3, 5),
  });
}

describe('ts ingest', () => {
  test('what TsWriter wrote comes back', () => {
    const frames = media.clip({ seconds: 4 });
    const writer = new TsWriter({ groupAudio: true });
    writer.setTracks([media.videoTrack, media.audioTrack]);
    const to = new media.Collected();
    for (const frame of frames) writer.write(frame, to);
    writer.flush(to);
    const recorder = new Recorder().read(to.bytes());
    const of = (id: number) => recorder.of(id);
    const { tracks } = recorder;
    assert.deepEqual(
      new Set(tracks.map(({ id, config }) => `${id} ${config.codec}`)),
      new Set(['0 h264', '1 aac']),
    );
    const sent = (id: number) => frames.filter(({ trackId }) => trackId === id);
    assert.equal(of(0).length, sent(0).length);
    assert.equal(of(1).length, sent(1).length);
    const origin = of(0)[0]!.dtsMs - sent(0)[0]!.dts / 1000;
    for (const [index, frame] of sent(0).entries()) {
      const got = of(0)[index]!;
      assert.ok(Math.abs(got.dtsMs - origin - frame.dts / 1000) < 0.02, `dts of ${index}`);
      assert.ok(Math.abs(got.ptsMs - origin - frame.pts / 1000) < 0.02, `pts of ${index}`);
      assert.equal(got.flags & FRAME_KEY, frame.flags & FRAME_KEY);
      // Key frames have got their parameter sets; the picture is the last NAL unit.
      const tail = got.payload.subarray(got.payload.length - frame.payload.length);
      assert.equal(Buffer.compare(tail, frame.payload), 0);
    }
    for (const [index, frame] of sent(1).entries()) {
      const got = of(1)[index]!;
      assert.equal(Buffer.compare(got.payload, frame.payload), 0);
      assert.ok(Math.abs(got.ptsMs - origin - frame.pts / 1000) < 0.05, `sound ${index}`);
      assert.equal(got.durationUs, 21_333);
    }
    assert.equal(recorder.ingest.damagedFrames, 0);
  });

  for (const [name, codecs] of [
    ['h265-mp3.mpegts', ['h265', 'mp3']],
    ['opus.mpegts', ['opus']],
    ['ac3.mpegts', ['ac3']],
    ['eac3.mpegts', ['eac3']],
  ] as const) {
    test(`${name} of FFmpeg, byte by byte`, () => {
      const bytes = vector(name);
      const whole = new Recorder().read(bytes);
      assert.deepEqual(
        [...new Set(whole.tracks.map(({ config }) => config.codec))].sort(),
        [...codecs].sort(),
      );
      assert.ok(whole.frames.length > 10);
      const pieces = new Recorder();
      for (const byte of bytes) pieces.reader.push(Uint8Array.of(byte));
      pieces.reader.finish();
      assert.deepEqual(pieces.frames, whole.frames);
      for (const { config } of whole.tracks) {
        if (config.codec !== 'h265') assert.equal(config.sampleRate, 48_000);
      }
    });
  }

  test('tracks that appear late, and a program that changes', () => {
    const key = pes(annexB(media.h264), { pts: 0 });
    const audio = new Sender(0x101);
    const recorder = new Recorder();
    recorder.read(
      tables(line(0x1b, 0x100)),
      new Sender(0x100).unit(key),
      map(MAP_PID, [line(0x1b, 0x100), line(0x0f, 0x101, [0x0a, 4, 0x64, 0x65, 0x75, 0])], 1),
      audio.unit(pes(adts(), { streamId: 0xc0, pts: 900 })),
      // Another encoder: the picture has another PID and other parameter sets.
      map(MAP_PID, [line(0x1b, 0x110), line(0x0f, 0x101)], 2),
      new Sender(0x110).unit(pes(annexB(media.h264Other), { pts: 9000 })),
      audio.unit(pes(adts(44_100), { streamId: 0xc0, pts: 9000 })),
    );
    assert.deepEqual(
      recorder.tracks.map(({ id, language }) => `${id} ${language}`),
      ['0 ', '1 deu', '0 ', '1 deu'],
    );
    assert.deepEqual(
      recorder.frames.map(({ trackId, flags }) => [trackId, flags & FRAME_CONFIG]),
      [
        [0, 0],
        [1, 0],
        [0, 0],
        [1, FRAME_CONFIG],
      ],
    );
    assert.notEqual(recorder.tracks[0]!.config.mime, recorder.tracks[2]!.config.mime);
    assert.equal(recorder.tracks[3]!.config.sampleRate, 44_100);
  });

  describe('AAC in LOAS frames', () => {
    const read = (name: string) =>
      readFileSync(new URL(`../../vectors/mpegts/${name}.mpegts`, import.meta.url));
    const latm = read('aac-latm');

    test('gives the same frames as ADTS', () => {
      const [a, b] = [latm, read('aac-adts')].map((bytes) => new Recorder().read(bytes)) as [
        Recorder,
        Recorder,
      ];
      assert.ok(a.frames.length > 40);
      assert.deepEqual(
        a.frames.map(({ payload, durationUs }) => [payload.toString('hex'), durationUs]),
        b.frames.map(({ payload, durationUs }) => [payload.toString('hex'), durationUs]),
      );
      for (const [index, frame] of a.frames.entries())
        assert.ok(Math.abs(frame.ptsMs - b.frames[index]!.ptsMs) < 0.05, `time of ${index}`);
      assert.equal(a.tracks.length, 1);
      assert.equal(a.tracks[0]!.config.codec, 'aac');
      assert.equal(a.tracks[0]!.config.sampleRate, 44_100);
      assert.equal(a.tracks[0]!.config.channels, 1);
    });

    test('byte by byte, and behind garbage', () => {
      const whole = new Recorder().read(latm);
      const pieces = new Recorder();
      for (const byte of latm) pieces.reader.push(Uint8Array.of(byte));
      pieces.reader.finish();
      assert.deepEqual(pieces.frames, whole.frames);
      const run = Buffer.concat([
        Buffer.alloc(300, 0x56),
        loas(whole),
        Buffer.from([0x56, 1, 2, 3]),
        loas(whole),
      ]);
      const recorder = new Recorder().read(
        tables(line(0x11, 0x101)),
        new Sender(0x101).unit(pes(run, { streamId: 0xc0, pts: 0 })),
      );
      assert.equal(recorder.frames.length, 0, 'a config is needed');
      assert.ok(recorder.ingest.framesWithoutConfig >= 10);
    });

    test('a PID that changes to it goes on as another track', () => {
      const recorder = new Recorder().read(
        tables(line(0x0f, 0x101)),
        new Sender(0x101).unit(pes(Buffer.concat([adts(), adts()]), { streamId: 0xc0, pts: 0 })),
        map(MAP_PID, [line(0x11, 0x101)], 1),
      );
      assert.equal(recorder.frames.length, 2);
      assert.deepEqual(recorder.ingest.leftOut(), []);
    });
  });

  for (const [what, streamType, descriptors, name] of [
    [
      'AV1',
      0x06,
      [5, 4, 0x41, 0x56, 0x30, 0x31, 0x80, 4, 0x81, 0, 0, 0],
      /does not use AV1 of MPEG-TS \(PID 256\)/,
    ],
    ['KLV', 0x06, [5, 4, 0x4b, 0x4c, 0x56, 0x41], /KLV metadata \(SMPTE 336M\)/],
    [
      'KLV in step',
      0x15,
      [0x26, 9, 1, 0, 0xff, 0x4b, 0x4c, 0x56, 0x41, 0, 0x0f],
      /KLV metadata \(SMPTE 336M\)/,
    ],
    [
      'ID3',
      0x15,
      [0x26, 13, 0xff, 0xff, 0x49, 0x44, 0x33, 0x20, 0xff, 0x49, 0x44, 0x33, 0x20, 0, 0x1f],
      /ID3 timed metadata/,
    ],
    ['metadata without a name', 0x15, [0x26, 3, 0xff, 0xff, 0xff], /does not use timed metadata/],
    ['SCTE-35', 0x86, [5, 4, 0x43, 0x55, 0x45, 0x49], /SCTE-35 cue messages/],
    ['teletext', 0x06, [0x56, 0], /teletext/],
    ['DVB subtitles', 0x06, [0x59, 0], /DVB subtitles/],
    ['SMPTE 302M', 0x06, [5, 4, 0x42, 0x53, 0x53, 0x44], /SMPTE 302M sound/],
    ['unknown registration', 0x06, [5, 4, 0x58, 0x59, 0x5a, 0x31], /private data of type XYZ1/],
  ] as const) {
    test(`${what} is left out by name`, () => {
      const recorder = new Recorder().read(tables(line(streamType, 0x100, descriptors)));
      assert.match(recorder.ingest.leftOut().join(), name);
      assert.equal(recorder.tracks.length, 0);
    });
  }

  test('Opus of six channels comes back from what we write', () => {
    const config = configFromRecord('opus', surroundHead());
    const track = makeTrack(1, config);
    const writer = new TsWriter({ groupAudio: false });
    assert.deepEqual(writer.setTracks([track]), []);
    const to = new media.Collected();
    for (let index = 0; index < 5; index++) writer.write(media.sound(track, index * 20_000, 100, 20_000), to);
    const recorder = new Recorder().read(to.bytes());
    assert.equal(recorder.frames.length, 5);
    const got = recorder.tracks[0]!.config;
    assert.deepEqual([got.codec, got.channels, got.sampleRate], ['opus', 6, 48_000]);
    assert.deepEqual(parseOpusHead(got.record).mapping, parseOpusHead(config.record).mapping);
  });

  test('what is not used is named', () => {
    const recorder = new Recorder().read(
      tables(
        line(0x02, 0x100),
        line(0x42, 0x101),
        line(0x06, 0x102, [5, 4, 0x41, 0x56, 0x30, 0x31]),
        line(0x06, 0x103, [0x7f, 2, 0x80, 0x82]),
        line(0xef, 0x104),
      ),
    );
    const text = recorder.ingest.leftOut().join('\n');
    for (const part of [/MPEG-2 video/, /AVS video/, /AV1/, /Opus with the channel/, /stream type 239/]) {
      assert.match(text, part);
    }
  });

  test('frames of sound that are cut by packets have their times', () => {
    const audio = new Sender(0x101);
    const run = Buffer.concat([adts(), adts(), adts(), adts()]);
    const recorder = new Recorder().read(
      tables(line(0x0f, 0x101)),
      audio.unit(pes(run.subarray(0, 100), { streamId: 0xc0, pts: 90_000 })),
      audio.unit(pes(run.subarray(100, 110), { streamId: 0xc0 })),
      // Its time belongs to the first frame that begins in it, which is the third.
      audio.unit(pes(run.subarray(110), { streamId: 0xc0, pts: 90_000 + 4000 })),
    );
    assert.equal(recorder.frames.length, 4);
    const expected = [1000, 1021.333, 1000 + 4000 / 90, 1021.333 + 4000 / 90];
    for (const [index, { ptsMs }] of recorder.frames.entries()) {
      assert.ok(Math.abs(ptsMs - expected[index]!) < 0.01, `frame ${index} at ${ptsMs}`);
    }
  });

  test('garbage between frames of sound costs only what it hits', () => {
    const audio = new Sender(0x101);
    // What begins like a long frame must not be waited for.
    const head = Buffer.from([0xff, 0xf1, 0x00]);
    const garbage = Buffer.alloc(33, 0xff);
    const run = Buffer.concat([head, adts(), adts(), garbage, adts(), adts()]);
    const recorder = new Recorder().read(
      tables(line(0x0f, 0x101)),
      audio.unit(pes(run, { streamId: 0xc0, pts: 0 })),
    );
    assert.equal(recorder.frames.length, 4);
    assert.equal(recorder.ingest.damagedFrames, 1);
  });

  test('pictures without a time go on at the pace of those before', () => {
    const video = new Sender(0x100);
    const picture = annexB(media.h264);
    const recorder = new Recorder().read(
      tables(line(0x1b, 0x100)),
      video.unit(pes(picture, { pts: 0 })),
      video.unit(pes(picture, { pts: 1800 })),
      video.unit(pes(picture)),
      video.unit(pes(picture, { pts: 5400 })),
    );
    assert.deepEqual(
      recorder.frames.map(({ dtsMs }) => dtsMs),
      [0, 20, 40, 60],
    );
  });

  test('pictures in front of any parameter sets are counted and dropped', () => {
    const recorder = new Recorder().read(
      tables(line(0x1b, 0x100)),
      new Sender(0x100).unit(pes(Buffer.from([0, 0, 0, 1, 0x41, 9, 9, 9]), { pts: 0 })),
    );
    assert.equal(recorder.frames.length, 0);
    assert.equal(recorder.ingest.framesWithoutConfig, 1);
  });

  test('an ingest that begins in the middle knows what the one before knew', () => {
    const tracks = tables(line(0x1b, 0x100), line(0x0f, 0x101));
    const first = new Recorder().read(
      tracks,
      new Sender(0x100).unit(pes(annexB(media.h264), { pts: 2 ** 33 - 900 })),
    );
    const state = first.ingest.saveState();
    const second = new Recorder({ state, nearMs: first.frames[0]!.dtsMs });
    assert.equal(state.program?.streams.length, 2);
    const inter = Buffer.from([0, 0, 0, 1, 0x41, 9, 9, 9]);
    second.read(tracks, new Sender(0x100).unit(pes(inter, { pts: 900 })));
    assert.equal(second.frames.length, 1);
    assert.equal(second.tracks.length, 0, 'the config is known');
    assert.ok(
      Math.abs(second.frames[0]!.dtsMs - first.frames[0]!.dtsMs - 20) < 0.001,
      'over the wrap of the clock',
    );
  });

  test('descriptors of AAC are read off ADTS', () => {
    const { tracks } = new Recorder().read(
      tables(line(0x0f, 0x101)),
      new Sender(0x101).unit(pes(Buffer.concat([adts(), adts()]), { streamId: 0xc0, pts: 0 })),
    );
    assert.equal(tracks[0]!.config.mime, aacMime(parseAudioSpecificConfig(media.aac.record)));
    assert.deepEqual(makeTrack(1, tracks[0]!.config), tracks[0]);
  });
});

/** A key frame with the parameter sets of a config, with start codes. */
function annexB(config: CodecConfig): Buffer {
  const track = makeTrack(0, config);
  const writer = new TsWriter({ groupAudio: false });
  writer.setTracks([track]);
  const to = new media.Collected();
  writer.write(media.picture(track, 0, true, 40), to);
  writer.flush(to);
  let found = Buffer.alloc(0);
  const reader = new TsReader({
    maxPesBytes: () => 10_000,
    program: () => undefined,
    pes: ({ payload }) => {
      found = Buffer.from(payload);
    },
  });
  reader.push(to.bytes());
  reader.finish();
  return found;
}
