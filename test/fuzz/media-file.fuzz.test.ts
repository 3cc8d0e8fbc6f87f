/**
 * Media files with flipped, cut, repeated and foreign bytes: a file opens or is refused with a ProtocolError, what it
 * gives is consistent, and nothing grows beyond the file. The readers below are fuzzed without a disk between.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { CodecConfig } from '../../src/codec/codec-config.ts';
import type { Track } from '../../src/media/track.ts';
import { openMediaFile } from '../../src/media-file/media-file.ts';
import { TsIngest, type TsIngestOutput } from '../../src/packaging/ts-ingest.ts';
import { ProtocolError } from '../../src/util/errors.ts';
import { findBox } from '../../src/wire/mp4/box-reader.ts';
import { FragmentReader } from '../../src/wire/mp4/fragment-reader.ts';
import { parseMovie } from '../../src/wire/mp4/movie-index.ts';
import { TsReader, type TsReaderOutput } from '../../src/wire/mpegts/ts-reader.ts';
import { FUZZ_SECONDS, Random, runParser } from '../support/fuzz.ts';
import { vector } from '../unit/media-file/media-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'sluice-fuzz-media-file-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const TS_FILES = [
  'h264-aac.mpegts',
  'h264.m2ts',
  'h265-mp3.mpegts',
  'opus.mpegts',
  'ac3.mpegts',
  'eac3.mpegts',
].map(vector);
const MP4_FILES = [
  'moov-first.mp4',
  'fragments.mp4',
  'fragments-apart.mp4',
  'h265-mp3.mov',
  'av1-opus.mp4',
  'flac.mp4',
].map(vector);
const FILES = [...TS_FILES, ...MP4_FILES, vector('moov-last.mp4'), vector('h264-aac.flv')];

/** Sizes and counts at their limits find more than chance does. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff];

function mutate(random: Random, bytes: Uint8Array): Buffer {
  let copy = Buffer.from(bytes);
  for (let i = random.below(8); i >= 0; i--) {
    const at = random.below(copy.length);
    switch (random.below(6)) {
      case 0:
        copy[at] = copy[at]! ^ (1 << random.below(8));
        break;
      case 1:
        copy[at] = random.below(256);
        break;
      case 2:
        copy.fill(EDGES[random.below(EDGES.length)]!, at, Math.min(at + 1 + random.below(8), copy.length));
        break;
      case 3: {
        const end = at + random.below(1000);
        copy = Buffer.concat([copy.subarray(0, at), copy.subarray(end)]);
        break;
      }
      case 4: {
        const end = at + random.below(1000);
        copy = Buffer.concat([copy.subarray(0, end), copy.subarray(at)]);
        break;
      }
      default:
        if (random.below(4) === 0) copy = copy.subarray(0, at);
    }
    if (copy.length === 0) return Buffer.from(bytes.subarray(0, 1));
  }
  return copy;
}

test('fuzz: whole files', async () => {
  const random = new Random(11);
  const path = join(folder, 'file');
  const endMs = performance.now() + FUZZ_SECONDS * 2000;
  let opened = 0;
  let frames = 0;
  while (performance.now() < endMs) {
    const bytes = mutate(random, FILES[random.below(FILES.length)]!);
    writeFileSync(path, bytes);
    let file: Awaited<ReturnType<typeof openMediaFile>>;
    try {
      file = await openMediaFile(path);
    } catch (error) {
      assert.ok(error instanceof ProtocolError, `${String((error as Error).stack)}`);
      continue;
    }
    opened++;
    const { tracks, points, durationUs } = file;
    assert.ok(tracks.length > 0 && points.length > 0 && Number.isFinite(durationUs) && durationUs >= 0);
    assert.equal(new Set(tracks.map(({ id }) => id)).size, tracks.length);
    for (const [index, { timeUs }] of points.entries()) {
      assert.ok(Number.isFinite(timeUs) && timeUs >= (points[index - 1]?.timeUs ?? 0), 'points ascend');
    }
    const reader = file.open(random.below(points.length));
    let payloadBytes = 0;
    const last = new Map<number, number>();
    for (;;) {
      const batch = await reader.read();
      if (batch.length === 0) break;
      frames += batch.length;
      for (const { trackId, dts, pts, payload, duration } of batch) {
        assert.ok(tracks.some(({ id }) => id === trackId));
        assert.ok(Number.isFinite(dts) && Number.isFinite(pts) && duration >= 0 && payload.length > 0);
        assert.ok(dts >= (last.get(trackId) ?? Number.NEGATIVE_INFINITY), 'decode times do not go back');
        last.set(trackId, dts);
        payloadBytes += payload.length;
      }
      // Samples of a hostile MP4 may lie over each other.
      if (payloadBytes > 64 * 1024 * 1024) break;
    }
    reader.close();
    await file.close();
  }
  assert.ok(opened > 20 && frames > 500, `${opened} opened, ${frames} frames`);
});

test('fuzz: movie boxes and fragments', () => {
  const random = new Random(12);
  let samples = 0;
  const { runs } = runParser(() => {
    const bytes = mutate(random, MP4_FILES[random.below(MP4_FILES.length)]!);
    const moov = findBox(bytes, 'moov');
    if (moov === null) return;
    const { tracks } = parseMovie(moov, bytes.length);
    const moof = findBox(bytes, 'moof');
    if (moof !== null) {
      const reader = new FragmentReader(tracks, bytes.length);
      reader.read(moof, bytes.indexOf('moof') - 4);
    }
    for (const track of tracks) {
      const { count, offsets, sizes, times } = track.samples;
      samples += count;
      for (let i = 0; i < count; i++) {
        assert.ok(offsets[i]! + sizes[i]! <= bytes.length);
        assert.ok(i === 0 || times[i]! >= times[i - 1]!);
      }
    }
  });
  assert.ok(runs > 200 && samples > 1000, `${runs} runs, ${samples} samples`);
});

class Checked implements TsIngestOutput {
  readonly configs = new Map<number, CodecConfig>();
  frames = 0;
  bytes = 0;

  setTrack(track: Track): void {
    assert.ok(track.id >= 0 && track.id <= 30);
    this.configs.set(track.id, track.config);
  }

  write(...[id, , dts, pts, duration, payload, config]: Parameters<TsIngestOutput['write']>): void {
    assert.equal(this.configs.get(id), config);
    assert.ok(Number.isFinite(dts) && Number.isFinite(pts) && duration >= 0 && payload.length > 0);
    this.frames++;
    this.bytes += payload.length;
  }
}

test('fuzz: transport streams in pieces', () => {
  const random = new Random(13);
  let frames = 0;
  const { runs } = runParser(() => {
    const output = new Checked();
    const ingest = new TsIngest(output);
    const reader = new TsReader(ingest);
    let received = 0;
    for (let part = random.below(3); part >= 0; part--) {
      const bytes = mutate(random, TS_FILES[random.below(TS_FILES.length)]!);
      const before = Buffer.from(bytes);
      for (let at = 0; at < bytes.length; ) {
        const length = 1 + random.below(3000);
        reader.push(bytes.subarray(at, at + length));
        at += length;
      }
      received += bytes.length;
      assert.equal(Buffer.compare(before, bytes), 0, 'the input is not changed');
    }
    reader.finish();
    // Each NAL unit may get one byte longer.
    assert.ok(output.bytes <= received * 2);
    assert.ok(reader.skippedBytes <= received);
    frames += output.frames;
  });
  assert.ok(runs > 50 && frames > 1000, `${runs} runs, ${frames} frames`);
});

test('fuzz: bytes that are no transport stream cost little and are forgotten', () => {
  const random = new Random(14);
  const bytes = Buffer.alloc(1 << 20);
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.below(8) === 0 ? 0x47 : random.below(256);
  const output: TsReaderOutput = {
    maxPesBytes: () => 1,
    program: () => assert.fail('no program'),
    pes: () => assert.fail('no packet'),
  };
  const reader = new TsReader(output);
  const startMs = performance.now();
  reader.push(bytes);
  reader.finish();
  assert.ok(performance.now() - startMs < 5000);
  assert.ok(reader.skippedBytes > 0);
});
