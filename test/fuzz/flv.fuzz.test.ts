/**
 * FLV parsers against broken input: real files with flipped, cut and repeated bytes. Whatever comes, a parser returns
 * or throws a ProtocolError, and what FlvIngest puts out is consistent.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Frame } from '../../src/media/frame.ts';
import type { Track } from '../../src/media/track.ts';
import { FlvIngest, type FlvIngestOutput } from '../../src/packaging/flv-ingest.ts';
import { FlvTagBuilder } from '../../src/packaging/flv-tag-builder.ts';
import { AudioTag } from '../../src/wire/flv/audio-tag.ts';
import type { MediaTag } from '../../src/wire/flv/media-tag.ts';
import { FlvTagReader } from '../../src/wire/flv/tag-reader.ts';
import { VideoTag } from '../../src/wire/flv/video-tag.ts';
import { mutateHead, Random, runParser } from '../support/fuzz.ts';
import { flvFiles, loadFlv, type Tag, tagsOf } from '../unit/wire/flv/vectors.ts';

const files = flvFiles.map(loadFlv);
const tags: Tag[] = files.flatMap(tagsOf);

test('fuzz: tag reader', () => {
  const random = new Random(1);
  const { runs } = runParser(() => {
    const bytes = mutateHead(random, files[random.below(files.length)]!);
    const reader = new FlvTagReader(
      (_, timestampMs, body) => {
        assert.ok(timestampMs >= 0 && body.length <= 100_000);
      },
      { maxBodyBytes: 100_000 },
    );
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + random.below(2000);
      reader.receive(bytes.subarray(at, at + length));
      at += length;
    }
  });
  assert.ok(runs > 10);
});

function walk(tag: MediaTag, body: Uint8Array): void {
  let packets = 0;
  let end = 0;
  while (tag.advance()) {
    assert.ok(tag.start >= end && tag.start <= tag.end && tag.end <= body.length);
    assert.ok(tag.trackId <= 255 && tag.nanoOffset < 1_000_000);
    end = tag.end;
    packets++;
  }
  assert.ok(packets <= body.length);
}

test('fuzz: video and audio tags', () => {
  const random = new Random(2);
  const video = new VideoTag();
  const audio = new AudioTag();
  const { runs } = runParser(() => {
    const body = mutateHead(random, tags[random.below(tags.length)]!.body);
    // As both kinds: each must survive what the other sends.
    if (random.below(2) === 0) walk(video.reset(body), body);
    else walk(audio.reset(body), body);
  });
  assert.ok(runs > 1000);
});

class CheckedOutput implements FlvIngestOutput {
  readonly tracks: (Track | undefined)[] = [];
  readonly builder = new FlvTagBuilder({ enhanced: true, multitrack: true });
  frames = 0;

  setTrack(track: Track): void {
    assert.ok(track.id >= 0 && track.id <= 30);
    this.tracks[track.id] = track;
    this.builder.sequenceHeader(track);
    this.builder.metadata([track], null);
  }

  write(...[id, flags, dts, pts, duration, payload, config]: Parameters<FlvIngestOutput['write']>): void {
    const track = this.tracks[id];
    assert.ok(track !== undefined && track.config === config);
    assert.ok(payload.length > 0 && Number.isFinite(dts) && Number.isFinite(pts) && duration >= 0);
    this.frames++;
    if (!this.builder.canCarry(track)) return;
    const frame = new Frame(id, flags, dts * 1000, pts * 1000, duration, payload, config, 0, Number.NaN);
    const headBytes = this.builder.writeHead(frame, track);
    assert.ok(headBytes >= 0 && headBytes <= this.builder.head.length);
  }

  metadata(): void {}
}

test('fuzz: ingest, and its output through the tag builder', () => {
  const random = new Random(3);
  let frames = 0;
  let output = new CheckedOutput();
  let ingest = new FlvIngest(output);
  runParser(() => {
    if (random.below(50) === 0) {
      frames += output.frames;
      output = new CheckedOutput();
      ingest = new FlvIngest(output);
    }
    const tag = tags[random.below(tags.length)]!;
    const body = random.below(3) === 0 ? mutateHead(random, tag.body) : tag.body;
    const before = Buffer.from(body);
    try {
      ingest.tag(tag.type, random.below(0x1_0000_0000), body);
    } finally {
      assert.equal(Buffer.compare(before, body), 0, 'the input is not changed');
    }
  });
  assert.ok(frames > 100);
});
