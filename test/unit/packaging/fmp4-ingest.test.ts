/** Fragmented MP4 as a stream: FFmpeg's files and hand-made boxes, in pieces of every size. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FRAME_CONFIG, FRAME_KEY } from '../../../src/media/frame.ts';
import { openMediaFile } from '../../../src/media-file/media-file.ts';
import { Fmp4Ingest } from '../../../src/packaging/fmp4-ingest.ts';
import { ProtocolError } from '../../../src/util/errors.ts';
import { BoxCursor } from '../../../src/wire/mp4/box-reader.ts';
import { IngestRecorder } from '../../support/ingest-recorder.ts';
import { readFrom, vector, vectorPath } from '../media-file/media-files.ts';

class Recorder extends IngestRecorder {
  readonly ingest = new Fmp4Ingest(this);

  read(...parts: readonly Uint8Array[]): this {
    for (const part of parts) this.ingest.push(part);
    return this;
  }

  /** What must not depend on how the bytes came. */
  text(): string {
    const tracks = this.tracks.map(({ id, config }) => `${id} ${config.codec} ${config.mime}`);
    const frames = this.frames.map(
      ({ trackId, flags, dtsMs, ptsMs, durationUs, payload }) =>
        `${trackId} ${flags} ${dtsMs} ${ptsMs} ${durationUs} ${payload.toString('base64')}`,
    );
    return [...tracks, ...frames].join('\n');
  }
}

const mp4Vector = (name: string) =>
  readFileSync(fileURLToPath(new URL(`../../vectors/mp4/${name}`, import.meta.url)));

/** Outer boxes of a file, whole. */
function boxesOf(bytes: Buffer): { type: string; bytes: Buffer }[] {
  const found: { type: string; bytes: Buffer }[] = [];
  const boxes = new BoxCursor(bytes);
  let at = 0;
  while (boxes.advance()) {
    found.push({ type: boxes.type, bytes: bytes.subarray(at, boxes.end) });
    at = boxes.end;
  }
  return found;
}

function box(type: string, ...parts: readonly Uint8Array[]): Buffer {
  const contents = Buffer.concat(parts);
  const header = Buffer.alloc(8);
  header.writeUInt32BE(8 + contents.length);
  header.write(type, 4, 'latin1');
  return Buffer.concat([header, contents]);
}

const u32 = (...values: readonly number[]) => {
  const bytes = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value >>> 0, index * 4);
  return bytes;
};

const clip = boxesOf(mp4Vector('h264-aac.mp4'));
const [ftyp, moov] = [clip[0]!.bytes, clip[1]!.bytes];
const rest = clip.filter(({ type }) => type === 'moof' || type === 'mdat').map(({ bytes }) => bytes);

describe('fmp4 ingest', () => {
  for (const name of ['fragments.mp4', 'fragments-apart.mp4']) {
    test(`${name}: the frames that the file reader finds`, async () => {
      const file = await openMediaFile(vectorPath(name));
      const expected = await readFrom(file, 0);
      await file.close();
      const recorder = new Recorder().read(vector(name));
      assert.ok(recorder.ingest.finish());
      for (const track of file.tracks) {
        const wanted = expected.filter((frame) => frame.trackId === track.id);
        const found = recorder.of(track.id);
        assert.ok(wanted.length >= 10);
        assert.equal(found.length, wanted.length);
        assert.equal(recorder.tracks.filter(({ id }) => id === track.id).length, 1);
        const shiftUs = wanted[0]!.dts - found[0]!.dtsMs * 1000;
        for (const [i, frame] of found.entries()) {
          const same = wanted[i]!;
          assert.ok(Math.abs(frame.dtsMs * 1000 + shiftUs - same.dts) <= 1, `dts of ${i}`);
          assert.ok(Math.abs(frame.ptsMs * 1000 + shiftUs - same.pts) <= 1, `pts of ${i}`);
          assert.equal(frame.flags & FRAME_KEY, same.flags & FRAME_KEY);
          assert.ok(frame.payload.equals(same.payload));
        }
      }
      assert.equal(recorder.ingest.damagedFrames, 0);
    });
  }

  for (const name of ['ac3', 'av1-opus', 'flac', 'h264-aac', 'h264-dash', 'hevc-eac3', 'vp9-mp3']) {
    const bytes = mp4Vector(`${name}.mp4`);
    test(`${name}: whole, byte by byte and cut at random are the same`, () => {
      const isFragmented = boxesOf(bytes).some(({ type }) => type === 'moof');
      if (!isFragmented) {
        assert.throws(() => new Recorder().read(bytes), { code: 'mp4.not-fragmented' });
        return;
      }
      const whole = new Recorder().read(bytes);
      assert.ok(whole.frames.length > 0);
      const single = new Recorder();
      for (let at = 0; at < bytes.length; at++) single.ingest.push(bytes.subarray(at, at + 1));
      assert.equal(single.text(), whole.text());
      let seed = 7;
      for (let round = 0; round < 5; round++) {
        const cut = new Recorder();
        for (let at = 0; at < bytes.length; ) {
          seed = (seed * 1_103_515_245 + 12_345) % 0x8000_0000;
          const end = at + 1 + (seed % 3000);
          cut.ingest.push(bytes.subarray(at, end));
          at = end;
        }
        assert.equal(cut.text(), whole.text());
      }
    });
  }

  test('frames of several tracks come by decode time, and never before their bytes', () => {
    const recorder = new Recorder().read(ftyp, moov, rest[0]!, rest[1]!.subarray(0, -1));
    assert.equal(recorder.frames.length, 0);
    recorder.read(rest[1]!.subarray(-1));
    assert.deepEqual(new Set(recorder.frames.map(({ trackId }) => trackId)), new Set([0, 1]));
    for (let i = 1; i < recorder.frames.length; i++)
      assert.ok(recorder.frames[i]!.dtsMs >= recorder.frames[i - 1]!.dtsMs);
  });

  test('boxes between, large sizes, the same movie once more', () => {
    const plain = new Recorder().read(ftyp, moov, ...rest);
    const noise = [
      box('styp', Buffer.alloc(12)),
      box('sidx', Buffer.alloc(40)),
      box('prft', u32(0, 1, 2, 3)),
    ];
    const [moof, mdat] = [rest[0]!, rest[1]!];
    const recorder = new Recorder().read(
      ftyp,
      moov,
      ...noise,
      moof,
      mdat,
      box('emsg', Buffer.alloc(99)),
      moov,
    );
    recorder.read(...rest.slice(2), box('free'), Buffer.from([0, 0, 0, 1, ...Buffer.from('skip')]));
    recorder.read(Buffer.from([0, 0, 0, 0, 0, 0, 0, 19, 1, 2, 3]));
    assert.equal(recorder.text(), plain.text());
    assert.ok(recorder.ingest.finish());
  });

  test('a movie that is only repeated tells nothing new, one with other tracks does', () => {
    const recorder = new Recorder().read(ftyp, moov, ftyp, moov);
    assert.deepEqual(
      recorder.tracks.map(({ id }) => id),
      [0, 1],
    );
    recorder.read(...boxesOf(mp4Vector('vp9-mp3.mp4')).map(({ bytes }) => bytes));
    assert.deepEqual(
      recorder.tracks
        .slice(2)
        .map(({ id, config }) => `${id} ${config.codec}`)
        .sort(),
      ['0 vp9', '1 mp3'],
    );
  });

  test('another movie in the middle: tracks go on under their ids', () => {
    const recorder = new Recorder().read(ftyp, moov, ...rest);
    const hevc = boxesOf(mp4Vector('hevc-eac3.mp4'));
    const before = recorder.frames.length;
    recorder.read(...hevc.map(({ bytes }) => bytes));
    const first = recorder.frames.slice(before).find(({ trackId }) => trackId === 0);
    assert.equal(first?.config.codec, 'h265');
    assert.ok((first.flags & FRAME_CONFIG) !== 0);
    assert.deepEqual(new Set(recorder.tracks.map(({ id }) => id)), new Set([0, 1]));
  });

  test('a resource that begins anew: positions count from there', () => {
    const plain = new Recorder().read(ftyp, moov, ...rest);
    const recorder = new Recorder().read(ftyp, moov);
    for (let i = 0; i < rest.length; i += 2) {
      recorder.ingest.restart(i * 1000);
      recorder.read(rest[i]!, rest[i + 1]!);
    }
    assert.equal(recorder.text(), plain.text());
    recorder.read(rest[0]!, rest[1]!.subarray(0, 100));
    assert.ok(!recorder.ingest.finish());
    assert.ok(recorder.ingest.damagedFrames > 0);
  });

  test('an mdat without end is over with the stream', () => {
    const plain = new Recorder().read(ftyp, moov, rest[0]!, rest[1]!);
    const endless = Buffer.from(rest[1]!);
    endless.writeUInt32BE(0);
    const recorder = new Recorder().read(ftyp, moov, rest[0]!, endless);
    assert.equal(recorder.frames.length, 0);
    assert.ok(recorder.ingest.finish());
    assert.equal(recorder.text(), plain.text());
  });

  test('fragments before the movie are counted and left out', () => {
    const recorder = new Recorder().read(rest[0]!, rest[1]!, ftyp, moov, rest[0]!, rest[1]!);
    assert.equal(recorder.ingest.fragmentsWithoutMovie, 1);
    assert.equal(recorder.text(), new Recorder().read(ftyp, moov, rest[0]!, rest[1]!).text());
  });

  /** Two runs at one place. */
  const overlapping = (offset: number) =>
    box(
      'moof',
      box(
        'traf',
        box('tfhd', u32(0x02_0000, 1)),
        box('trun', u32(0x0201, 1, offset, 900)),
        box('trun', u32(0x0201, 1, offset, 900)),
      ),
    );
  const faults: readonly (readonly [string, readonly Buffer[], string])[] = [
    [
      'a movie with sample tables',
      [boxesOf(vector('moov-first.mp4')).find(({ type }) => type === 'moov')!.bytes],
      'mp4.not-fragmented',
    ],
    ['no boxes at all', [Buffer.from('GET / HTTP/1.1\r\n')], 'mp4.bad-box'],
    ['unprintable types', [Buffer.from([0, 0, 0, 99, 1, 2, 3, 4])], 'mp4.bad-box'],
    ['a size below its header', [Buffer.from([0, 0, 0, 7, ...Buffer.from('moov')])], 'mp4.bad-box'],
    ['a huge movie', [Buffer.concat([u32(0x7fff_ffff), Buffer.from('moov')])], 'mp4.box-too-big'],
    ['a huge fragment', [moov, Buffer.concat([u32(0x7fff_ffff), Buffer.from('moof')])], 'mp4.box-too-big'],
    ['a movie without end', [Buffer.concat([u32(0), Buffer.from('moov')])], 'mp4.box-too-big'],
    [
      'huge media',
      [moov, rest[0]!, Buffer.concat([u32(0x7fff_ffff), Buffer.from('mdat')])],
      'mp4.box-too-big',
    ],
    [
      'samples of nothing without number',
      [moov, box('moof', box('traf', box('tfhd', u32(0x02_0000, 1)), box('trun', u32(0, 0xffff_ffff))))],
      'mp4.too-many-samples',
    ],
    [
      'a run cut off',
      [moov, box('moof', box('traf', box('tfhd', u32(0, 1)), box('trun', u32(0))))],
      'mp4.bad-fragment',
    ],
    [
      'samples upon each other',
      [moov, overlapping(overlapping(0).length + 8), box('mdat', Buffer.alloc(1000))],
      'mp4.bad-fragment',
    ],
  ];
  for (const [name, parts, code] of faults) {
    test(`refused: ${name}`, () => {
      assert.throws(
        () => new Recorder().read(...parts),
        (error) => error instanceof ProtocolError && error.code === code,
      );
    });
  }
});
