/** Files of every format, read back by our own readers and checkers and by FFmpeg 8. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FRAME_KEY, Frame } from '../../../src/media/frame.ts';
import { makeTrack } from '../../../src/media/track.ts';
import type { FileMark } from '../../../src/packaging/file-fragment.ts';
import { type FileFormat, type FileMuxer, openFileMuxer } from '../../../src/packaging/file-muxer.ts';
import { Fmp4FileMuxer } from '../../../src/packaging/fmp4-file-muxer.ts';
import { TsChecker } from '../../conformance/ts-checker.ts';
import { CLIPS, readLines, recordingOf, sentLines } from '../../support/feed-frames.ts';
import { playUrl } from '../../support/node-av.ts';
import { NODE_AV_MISSING } from '../../support/programs.ts';
import { tagsOf } from '../wire/flv/vectors.ts';
import { FlvRecorder } from './flv-recorder.ts';

const FORMATS: readonly FileFormat[] = ['flv', 'ts', 'fmp4'];
const START_WALL_US = 1_700_000_000_250_000;

interface Written {
  readonly bytes: Buffer;
  readonly marks: readonly FileMark[];
  readonly pieces: readonly Buffer[];
}

function writeAll(muxer: FileMuxer, frames: readonly Frame[]): Written {
  const pieces: Buffer[] = [];
  const marks: FileMark[] = [];
  const drain = () => {
    const { readyBytes } = muxer;
    const parts = Buffer.concat(muxer.take());
    assert.equal(parts.length, readyBytes);
    if (parts.length > 0) pieces.push(parts);
    marks.push(...muxer.takeMarks());
  };
  for (const frame of frames) {
    muxer.write(frame);
    drain();
  }
  muxer.finish();
  drain();
  return { bytes: Buffer.concat(pieces), marks, pieces };
}

const configOf = (kind: string) =>
  recordingOf('ffmpeg51-h264-aac').tracks.find((track) => track.kind === kind)!.config;
const VIDEO = configOf('video');
const AUDIO = configOf('audio');

const video = (ms: number, key: boolean, bytes = 40) =>
  new Frame(0, key ? FRAME_KEY : 0, ms * 1000, ms * 1000, 0, nal(bytes, key), VIDEO, ms * 1000, Number.NaN);
const audio = (ms: number) =>
  new Frame(1, FRAME_KEY, ms * 1000, ms * 1000, 23_220, Buffer.alloc(6, 2), AUDIO, ms * 1000, Number.NaN);

function nal(bytes: number, key: boolean): Buffer {
  const payload = Buffer.alloc(bytes + 4, 0x55);
  payload.writeUInt32BE(bytes, 0);
  payload[4] = key ? 0x65 : 0x41;
  return payload;
}

/** Pictures every 40 ms and sound every 23, a key frame every `gopMs`. */
function clip(fromMs: number, toMs: number, gopMs: number): Frame[] {
  const frames: Frame[] = [];
  for (let ms = fromMs; ms < toMs; ms += 40) frames.push(video(ms, (ms - fromMs) % gopMs === 0));
  for (let ms = fromMs + 5; ms < toMs; ms += 23) frames.push(audio(ms));
  return frames.sort((a, b) => a.dts - b.dts);
}

const TRACKS = [makeTrack(0, VIDEO), makeTrack(1, AUDIO)];

function open(format: FileFormat): FileMuxer {
  const muxer = openFileMuxer(format, { startWallUs: START_WALL_US });
  assert.equal(muxer.setTracks(TRACKS), true);
  return muxer;
}

for (const name of CLIPS) {
  test(`file muxer: ${name} as FLV reads back as it was written`, () => {
    const recording = recordingOf(name, 5000);
    const muxer = openFileMuxer('flv', { startWallUs: START_WALL_US, metadata: recording.metadata });
    muxer.setTracks(recording.tracks);
    const { bytes } = writeAll(muxer, recording.frames);
    const recorder = new FlvRecorder();
    for (const tag of tagsOf(bytes)) recorder.ingest.tag(tag.type, tag.timestampMs, tag.body);
    const carried = recordingOf(name).frames;
    assert.deepEqual(readLines(recorder), sentLines(carried));
    const values = recorder.metadatas[0]!.values as Readonly<Record<string, unknown>>;
    assert.equal(values['creationdate'], '2023-11-14T22:13:20.250Z');
  });

  for (const format of FORMATS) {
    test(`file muxer: ${name} as ${format} is what FFmpeg 8 reads`, { skip: NODE_AV_MISSING }, async () => {
      const recording = recordingOf(name);
      const muxer = openFileMuxer(format, { startWallUs: START_WALL_US, metadata: recording.metadata });
      muxer.setTracks(recording.tracks);
      const { bytes } = writeAll(muxer, recording.frames);
      const carried = recording.tracks.filter((track) => !muxer.leftOut.some((one) => one.track === track));
      for (const { reason } of muxer.leftOut) assert.match(reason, /\w+ \w+/);
      if (carried.length === 0) {
        assert.equal(bytes.length, 0);
        return;
      }
      const folder = mkdtempSync(join(tmpdir(), 'sluice-mux-'));
      try {
        const path = join(folder, `a.${format}`);
        writeFileSync(path, bytes);
        const seen = await playUrl(path, 60);
        assert.equal(seen.error, undefined);
        assert.equal(seen.streams.length, carried.length);
        for (const track of carried) {
          const sent = recording.frames.filter((frame) => frame.trackId === track.id).length;
          const counts = seen.streams
            .filter((stream) => stream.kind === track.kind)
            .map((stream) => stream.packets.length);
          // FFmpeg's parser of MP3 in MPEG-TS gives nothing until it has seen some frames.
          const late = format === 'ts' && track.config.codec === 'mp3' ? 4 : 0;
          assert.ok(
            counts.some((count) => count <= sent && count >= sent - late),
            `${track.kind}: ${counts.join(', ')} packets, ${sent} were written`,
          );
        }
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  }
}

for (const format of FORMATS) {
  test(`file muxer: ${format} fragments lie behind each other and begin at key frames or after a second`, () => {
    const { bytes, marks, pieces } = writeAll(open(format), clip(2000, 9000, 2000));
    let offset = 0;
    for (const mark of marks) {
      assert.equal(mark.offset, offset);
      assert.ok(mark.durationUs > 0 && mark.durationUs <= 1_040_000, `${mark.durationUs} us`);
      offset += mark.length;
    }
    assert.equal(offset, bytes.length);
    assert.equal(pieces.length, marks.length, 'a piece for each fragment');
    const keys = marks.filter((mark) => mark.isKey).map((mark) => mark.startUs);
    assert.deepEqual(keys, [2_000_000, 4_000_000, 6_000_000, 8_000_000]);
  });

  test(`file muxer: a ${format} file that ends after any fragment is whole up to there`, {
    skip: NODE_AV_MISSING,
  }, async () => {
    const recording = recordingOf('ffmpeg51-h264-aac');
    const muxer = openFileMuxer(format, { startWallUs: START_WALL_US });
    muxer.setTracks(recording.tracks);
    const { bytes, marks } = writeAll(muxer, recording.frames);
    const folder = mkdtempSync(join(tmpdir(), 'sluice-mux-'));
    try {
      let before = 0;
      for (const mark of marks) {
        const path = join(folder, `${mark.offset}`);
        // And a few bytes of the next one, as a power cut leaves it.
        writeFileSync(path, bytes.subarray(0, mark.offset + mark.length + 30));
        const seen = await playUrl(path, 60);
        const packets = seen.streams.reduce((sum, stream) => sum + stream.packets.length, 0);
        assert.ok(packets > before, `${packets} packets after ${mark.offset + mark.length} bytes`);
        before = packets;
      }
      assert.equal(before, recording.frames.length);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test('file muxer: MPEG-TS passes the checker, with tables at every fragment', () => {
  const recording = recordingOf('ffmpeg51-h264-aac');
  const muxer = openFileMuxer('ts', { startWallUs: 0 });
  muxer.setTracks(recording.tracks);
  const { bytes, marks } = writeAll(muxer, recording.frames);
  const checker = new TsChecker();
  checker.segment(bytes);
  assert.deepEqual(checker.violations, []);
  for (const { offset } of marks) assert.deepEqual([...bytes.subarray(offset, offset + 3)], [0x47, 0x40, 0]);
});

test('file muxer: fMP4 says when it began, and counts from there', () => {
  const { bytes } = writeAll(open('fmp4'), clip(5000, 7000, 1000));
  const at = bytes.indexOf('prft');
  const seconds = bytes.readUInt32BE(at + 12) - 2_208_988_800;
  const fraction = bytes.readUInt32BE(at + 16) / 0x1_0000_0000;
  assert.equal(Math.round((seconds + fraction) * 1_000_000), START_WALL_US);
  const firstDecodeTime = bytes.readUInt32BE(bytes.indexOf('tfdt') + 12);
  assert.equal(firstDecodeTime, 0);
  const created = bytes.readUInt32BE(bytes.indexOf('mvhd') + 8) - 2_082_844_800;
  assert.equal(created, 1_700_000_000);
});

/** Another level in avcC. */
function configOtherThan(config: typeof VIDEO): typeof VIDEO {
  const record = Uint8Array.from(config.record);
  record[3] = 51;
  return { ...config, record };
}

test('file muxer: which changes need a new file', () => {
  const other = makeTrack(0, configOtherThan(VIDEO));
  const cases: [FileFormat, boolean, boolean][] = [
    ['flv', true, false],
    ['ts', true, true],
    ['fmp4', false, false],
  ];
  for (const [format, configGoesOn, trackGoesOn] of cases) {
    const muxer = openFileMuxer(format, { startWallUs: 0 });
    muxer.setTracks([TRACKS[0]!]);
    for (const frame of clip(0, 3000, 1000)) if (frame.trackId === 0) muxer.write(frame);
    assert.equal(muxer.setTracks(TRACKS), trackGoesOn, `${format}: another track`);
    const again = openFileMuxer(format, { startWallUs: 0 });
    again.setTracks(TRACKS);
    for (const frame of clip(0, 3000, 1000)) again.write(frame);
    assert.equal(again.setTracks([other, TRACKS[1]!]), configGoesOn, `${format}: another configuration`);
    assert.equal(again.setTracks(TRACKS), true, `${format}: the same tracks`);
  }
});

for (const format of FORMATS) {
  test(`file muxer: ${format} takes tracks that are announced during the first fragment`, {
    skip: NODE_AV_MISSING,
  }, async () => {
    const { tracks, frames } = recordingOf('ffmpeg51-h264-aac');
    const sound = tracks.find((track) => track.kind === 'audio')!;
    const early = frames.find((frame) => frame.trackId === sound.id)!;
    const muxer = openFileMuxer(format, { startWallUs: 0 });
    muxer.setTracks([sound]);
    muxer.write(early);
    assert.equal(muxer.setTracks(tracks), true);
    const { bytes } = writeAll(
      muxer,
      frames.filter((frame) => frame !== early),
    );
    const folder = mkdtempSync(join(tmpdir(), 'sluice-mux-'));
    try {
      writeFileSync(join(folder, 'a'), bytes);
      const { streams } = await playUrl(join(folder, 'a'), 60);
      assert.equal(
        streams.reduce((sum, stream) => sum + stream.packets.length, 0),
        frames.length,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

test('file muxer: fMP4 goes on with a file of the same tracks', () => {
  const first = writeAll(open('fmp4'), clip(0, 2000, 1000));
  const muxer = new Fmp4FileMuxer({
    startWallUs: START_WALL_US,
    continues: { bytes: first.bytes.length, durationUs: 2_000_000 },
  });
  muxer.setTracks(TRACKS);
  const header = muxer.header();
  assert.deepEqual(first.bytes.subarray(0, header.length), header);
  const second = writeAll(muxer, clip(60_000, 62_000, 1000));
  assert.equal(second.marks[0]!.offset, first.bytes.length);
  assert.equal(second.bytes.indexOf('moov'), -1);
  const decodeTime = second.bytes.readUInt32BE(second.bytes.indexOf('tfdt') + 12);
  assert.equal(decodeTime, 2 * 90_000);
});
