/** Files of FFmpeg against what ffprobe says about them, and everything that may be wrong with a file. */
import assert from 'node:assert/strict';
import { appendFileSync, renameSync, rmSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { FRAME_KEY, type Frame } from '../../../src/media/frame.ts';
import { type MediaFile, openMediaFile } from '../../../src/media-file/media-file.ts';
import { InvariantError, ProtocolError } from '../../../src/util/errors.ts';
import { describeFrame, probed, readFrom, ScratchFiles, vector, vectorPath } from './media-files.ts';

const scratch = new ScratchFiles();
after(() => rmSync(scratch.folder, { recursive: true, force: true }));

/** Opens, uses and closes. */
async function withFile(path: string, use: (file: MediaFile) => Promise<void>): Promise<void> {
  const file = await openMediaFile(path);
  try {
    await use(file);
  } finally {
    await file.close();
  }
}

async function framesOf(path: string): Promise<Frame[]> {
  const file = await openMediaFile(path);
  const frames = await readFrom(file, 0);
  await file.close();
  return frames;
}

async function count(path: string): Promise<number> {
  return (await framesOf(path)).length;
}

function leaderOf({ tracks }: MediaFile): number {
  return (tracks.find(({ kind }) => kind === 'video') ?? tracks[0])!.id;
}

/** Every access point gives what reading from the start gives from there on. */
async function assertSeeks(file: MediaFile, all: readonly Frame[]): Promise<void> {
  const leader = leaderOf(file);
  for (const [index, { timeUs }] of file.points.entries()) {
    const first = all.find(
      ({ trackId, flags, pts }) => trackId === leader && pts === timeUs && (flags & FRAME_KEY) !== 0,
    );
    assert.ok(first !== undefined, `point ${index} is a key frame`);
    const got = await readFrom(file, index);
    for (const { id } of file.tracks) {
      const track = all.filter(({ trackId }) => trackId === id);
      const want: readonly Frame[] =
        index === 0
          ? track
          : id === leader
            ? track.slice(track.indexOf(first))
            : track.filter(({ dts }) => dts >= first.dts);
      assert.deepEqual(
        got.filter(({ trackId }) => trackId === id).map(describeFrame),
        want.map(describeFrame),
        `point ${index}, track ${id}`,
      );
    }
  }
}

interface Expected {
  readonly name: string;
  readonly format: string;
  readonly codecs: readonly string[];
  /** The payloads are those of the container, so that sizes can be compared: all, or what they have more. */
  readonly videoMore?: number;
  readonly audioMore?: number;
  readonly language?: string;
}

const FILES: readonly Expected[] = [
  { name: 'moov-last.mp4', format: 'mp4', codecs: ['h264', 'aac'], videoMore: 0, audioMore: 0 },
  { name: 'moov-first.mp4', format: 'mp4', codecs: ['h264', 'aac'], videoMore: 0, audioMore: 0 },
  { name: 'fragments.mp4', format: 'mp4', codecs: ['h264', 'aac'], videoMore: 0, audioMore: 0 },
  {
    name: 'fragments-apart.mp4',
    format: 'mp4',
    codecs: ['h264', 'aac'],
    videoMore: 0,
    audioMore: 0,
    language: 'deu',
  },
  { name: 'h265-mp3.mov', format: 'mp4', codecs: ['h265', 'mp3'], videoMore: 0, audioMore: 0 },
  { name: 'av1-opus.mp4', format: 'mp4', codecs: ['av1', 'opus'], audioMore: 0 },
  { name: 'flac.mp4', format: 'mp4', codecs: ['flac'], audioMore: 0 },
  { name: 'h264-aac.flv', format: 'flv', codecs: ['h264', 'aac'], videoMore: 0, audioMore: 0 },
  // ADTS headers are 7 bytes.
  { name: 'h264-aac.mpegts', format: 'ts', codecs: ['h264', 'aac'], audioMore: 7 },
  { name: 'h264.m2ts', format: 'ts', codecs: ['h264'] },
  { name: 'h265-mp3.mpegts', format: 'ts', codecs: ['h265', 'mp3'], audioMore: 0 },
  { name: 'opus.mpegts', format: 'ts', codecs: ['opus'] },
  { name: 'ac3.mpegts', format: 'ts', codecs: ['ac3'], audioMore: 0 },
  { name: 'eac3.mpegts', format: 'ts', codecs: ['eac3'], audioMore: 0 },
];

describe('files of FFmpeg are read as ffprobe reads them', () => {
  for (const { name, format, codecs, videoMore, audioMore, language = '' } of FILES) {
    test(name, async () => {
      await withFile(vectorPath(name), async (file) => {
        assert.equal(file.format, format);
        assert.equal(file.damage, '');
        assert.deepEqual(
          file.tracks.map(({ config }) => config.codec),
          codecs,
        );
        assert.equal(file.tracks.at(-1)!.language, language);
        const all = await readFrom(file, 0);
        assert.equal(Math.min(...all.map(({ pts }) => pts)), 0, 'the earliest presentation time');
        const expected = probed[name]!;
        // M2TS of FFmpeg hides its sound from everybody but FFmpeg.
        const heard = codecs.length === 1 && codecs[0] === 'h264' ? [] : expected.audio;
        const origin = Math.min(...[...expected.video, ...heard].map(([pts]) => pts));
        for (const { id, kind } of file.tracks) {
          const want = kind === 'video' ? expected.video : heard;
          const got = all.filter(({ trackId }) => trackId === id);
          assert.equal(got.length, want.length, `frames of ${kind}`);
          const more = kind === 'video' ? videoMore : audioMore;
          for (const [index, frame] of got.entries()) {
            const [pts, dts, size, key] = want[index]!;
            const where = `${kind} frame ${index}`;
            // ffprobe rounds to the ticks of the container.
            assert.ok(
              Math.abs(frame.pts - (pts - origin)) <= 1000,
              `${where}: pts ${frame.pts}, ${pts - origin}`,
            );
            assert.ok(
              Math.abs(frame.dts - (dts - origin)) <= 1000,
              `${where}: dts ${frame.dts}, ${dts - origin}`,
            );
            assert.equal(frame.flags & FRAME_KEY, key, `${where}: key`);
            if (more !== undefined) assert.equal(frame.payload.length, size - more, `${where}: size`);
          }
        }
        await assertSeeks(file, all);
        const end = Math.max(...all.map(({ pts, duration }) => pts + duration));
        assert.ok(Math.abs(file.durationUs - end) <= 100_000, `duration ${file.durationUs}, ${end}`);
      });
    });
  }

  test('the same pictures come out of every container', async () => {
    const digests: string[][] = [];
    for (const name of ['moov-last.mp4', 'moov-first.mp4', 'fragments.mp4', 'h264-aac.flv']) {
      await withFile(vectorPath(name), async (file) => {
        const all = await readFrom(file, 0);
        digests.push(
          file.tracks.flatMap(({ id }) =>
            all
              .filter(({ trackId }) => trackId === id)
              .map(({ payload }) => Buffer.from(payload).toString('base64')),
          ),
        );
      });
    }
    for (const other of digests.slice(1)) assert.deepEqual(other, digests[0]);
  });

  test('sound of MPEG-TS is what was put into it', async () => {
    const sounds: string[][] = [];
    for (const name of ['moov-last.mp4', 'h264-aac.mpegts']) {
      await withFile(vectorPath(name), async (file) => {
        const all = await readFrom(file, 0);
        sounds.push(
          all
            .filter(({ trackId }) => trackId === 1)
            .map(({ payload }) => Buffer.from(payload).toString('base64')),
        );
      });
    }
    assert.deepEqual(sounds[1], sounds[0]);
  });
});

describe('a file that was cut off', () => {
  for (const name of ['moov-first.mp4', 'fragments.mp4', 'h264-aac.flv', 'h264-aac.mpegts']) {
    test(`${name}: whatever is there is played as in the whole file`, async () => {
      const bytes = vector(name);
      const all = await framesOf(vectorPath(name));
      let played = 0;
      let most = 0;
      for (let length = 37; length < bytes.length; length += 211) {
        let file: MediaFile;
        try {
          file = await openMediaFile(scratch.write(bytes.subarray(0, length)));
        } catch (error) {
          assert.ok(error instanceof ProtocolError, `${length} bytes: ${String(error)}`);
          continue;
        }
        const frames = await readFrom(file, 0);
        await file.close();
        assert.ok(frames.length > 0, `${length} bytes: a file that opens has frames`);
        // Where the track is missing that begins first, all times are earlier by the same.
        let shift = Number.NaN;
        let strange = 0;
        for (const { id } of file.tracks) {
          const whole = all.filter(({ trackId }) => trackId === id);
          for (const [index, frame] of frames.filter(({ trackId }) => trackId === id).entries()) {
            const same = whole[index]!;
            if (Number.isNaN(shift)) shift = same.pts - frame.pts;
            assert.equal(same.pts - frame.pts, shift, `${length} bytes: pts`);
            assert.equal(same.dts - frame.dts, shift, `${length} bytes: dts`);
            if (Buffer.compare(same.payload, frame.payload) !== 0) strange++;
          }
        }
        // Of a picture in MPEG-TS nothing tells the length before the next one begins.
        assert.ok(
          strange <= (name.endsWith('.mpegts') ? 1 : 0),
          `${length} bytes: ${strange} unknown frames`,
        );
        for (const { timeUs } of file.points) assert.ok(timeUs >= 0 && timeUs <= file.durationUs);
        most = Math.max(most, frames.length);
        played++;
      }
      assert.ok(played > 10, `${played} were played`);
      assert.ok(most > all.length * 0.9, `${most} of ${all.length} frames`);
    });
  }

  test('is told', async () => {
    for (const name of ['moov-first.mp4', 'fragments.mp4', 'h264-aac.flv']) {
      const bytes = vector(name);
      await withFile(scratch.write(bytes.subarray(0, bytes.length - 700)), async ({ damage }) => {
        assert.match(damage, /cut off/, name);
      });
    }
  });

  test('an MP4 file without its movie box says so', async () => {
    const path = scratch.write(vector('moov-last.mp4').subarray(0, 6000));
    await assert.rejects(openMediaFile(path), /no movie box/);
  });
});

describe('damage', () => {
  test('FLV: reading goes on behind garbage', async () => {
    const bytes = vector('h264-aac.flv');
    const broken = Buffer.concat([bytes.subarray(0, 4000), Buffer.alloc(3000, 0x77), bytes.subarray(4000)]);
    const total = await count(vectorPath('h264-aac.flv'));
    await withFile(scratch.write(broken), async (file) => {
      const frames = await readFrom(file, 0);
      assert.ok(frames.length >= total - 2, `${frames.length} of ${total}`);
      assert.match(file.damage, /\d+ bytes are no tags/);
      await assertSeeks(file, frames);
    });
  });

  test('FLV: a wrong tag size costs that tag and no more', async () => {
    const bytes = Buffer.from(vector('h264-aac.flv'));
    const keyFrameTag = 383;
    assert.equal(bytes[keyFrameTag], 9);
    bytes[keyFrameTag + 2] = bytes[keyFrameTag + 2]! ^ 0x40;
    const total = await count(vectorPath('h264-aac.flv'));
    await withFile(scratch.write(bytes), async (file) => {
      const frames = await readFrom(file, 0);
      // Pictures that refer to the lost key frame wait for the next.
      assert.ok(frames.length >= total - 6, `${frames.length} of ${total}`);
      assert.match(file.damage, /bytes are no tags/);
    });
  });

  test('TS: garbage between packets, and packets that are missing', async () => {
    const bytes = vector('h264-aac.mpegts');
    const garbage = Buffer.alloc(1001, 0x47);
    const broken = Buffer.concat([bytes.subarray(0, 188 * 40), garbage, bytes.subarray(188 * 43)]);
    const total = await count(vectorPath('h264-aac.mpegts'));
    await withFile(scratch.write(broken), async (file) => {
      const frames = await readFrom(file, 0);
      assert.ok(frames.length >= total - 12, `${frames.length} of ${total}`);
      assert.match(file.damage, /bytes are no packets/);
      assert.match(file.damage, /packets are missing/);
      await assertSeeks(file, frames);
    });
  });

  test('TS: a file that begins in the middle of a packet', async () => {
    await withFile(scratch.write(vector('h264-aac.mpegts').subarray(100)), async (file) => {
      assert.ok((await readFrom(file, 0)).length > 0);
    });
  });

  test('MP4: a broken fragment costs that fragment', async () => {
    const bytes = Buffer.from(vector('fragments.mp4'));
    const second = bytes.indexOf('moof', bytes.indexOf('moof') + 4);
    bytes.writeUInt32BE(0xffff_ffff, bytes.indexOf('trun', second) + 8);
    await withFile(scratch.write(bytes), async (file) => {
      const frames = await readFrom(file, 0);
      const total = await count(vectorPath('fragments.mp4'));
      assert.ok(frames.length > total / 2, `${frames.length} of ${total}`);
    });
  });
});

describe('clocks', () => {
  for (const name of ['h264-aac.mpegts', 'h264-aac.flv']) {
    test(`${name} twice in a row goes on`, async () => {
      const bytes = vector(name);
      const second = name.endsWith('.flv') ? bytes.subarray(13) : bytes;
      const single = await count(vectorPath(name));
      await withFile(scratch.write(Buffer.concat([bytes, second])), async (file) => {
        const all = await readFrom(file, 0);
        assert.equal(all.length, single * 2);
        assert.ok(file.durationUs > 3_100_000 && file.durationUs < 3_500_000, `${file.durationUs}`);
        for (const { id } of file.tracks) {
          const times = all.filter(({ trackId }) => trackId === id).map(({ dts }) => dts);
          for (let i = 1; i < times.length; i++)
            assert.ok(times[i]! >= times[i - 1]!, `track ${id}, frame ${i}`);
        }
        await assertSeeks(file, all);
      });
    });
  }

  test('the 33-bit clock of a transport stream wraps', async () => {
    const bytes = Buffer.from(vector('h264-aac.mpegts'));
    shiftTimes(bytes, 2 ** 33 - 1.4 * 90_000 - 70_000);
    const plain = await openMediaFile(vectorPath('h264-aac.mpegts'));
    const expected = (await readFrom(plain, 0)).map(describeFrame);
    await plain.close();
    await withFile(scratch.write(bytes), async (file) => {
      const all = await readFrom(file, 0);
      assert.deepEqual(all.map(describeFrame), expected);
      await assertSeeks(file, all);
    });
  });
});

/** Adds ticks to all timestamps of PES headers. */
function shiftTimes(bytes: Buffer, ticks: number): void {
  for (let packet = 0; packet < bytes.length; packet += 188) {
    if ((bytes[packet + 1]! & 0x40) === 0) continue;
    let at = packet + 4;
    if ((bytes[packet + 3]! & 0x20) !== 0) at += 1 + bytes[at]!;
    if (bytes[at] !== 0 || bytes[at + 1] !== 0 || bytes[at + 2] !== 1) continue;
    const times = bytes[at + 7]! >> 6 === 3 ? 2 : 1;
    for (let i = 0; i < times; i++) {
      const field = at + 9 + i * 5;
      const high = (bytes[field]! >> 1) & 7;
      const middle = bytes.readUInt16BE(field + 1) >> 1;
      const low = bytes.readUInt16BE(field + 3) >> 1;
      const shifted = (high * 2 ** 30 + middle * 2 ** 15 + low + ticks) % 2 ** 33;
      bytes[field] = (bytes[field]! & 0xf1) | (Math.floor(shifted / 2 ** 30) << 1);
      bytes.writeUInt16BE(((Math.floor(shifted / 2 ** 15) & 0x7fff) << 1) | 1, field + 1);
      bytes.writeUInt16BE(((shifted % 2 ** 15) << 1) | 1, field + 3);
    }
  }
}

describe('files that are not played', () => {
  const unknown: readonly (readonly [string, Buffer, RegExp])[] = [
    ['empty', Buffer.alloc(0), /empty/],
    ['text', Buffer.from('hello world, this is no media'), /no media file that we know/],
    ['Matroska', Buffer.from('1a45dfa39f4286810142f7810142f281', 'hex'), /Matroska/],
    ['Ogg', Buffer.from('OggS\0\0\0\0\0\0\0\0'), /Ogg/],
    ['MP3', Buffer.from('fffb9064000000000000', 'hex'), /MP3 or AAC/],
    ['an FLV header alone', Buffer.from('464c5601050000000900000000', 'hex'), /nothing to play/],
    ['zeros', Buffer.alloc(5000), /no media file/],
  ];
  for (const [name, bytes, message] of unknown) {
    test(name, async () => {
      await assert.rejects(openMediaFile(scratch.write(bytes)), (error) => {
        assert.ok(error instanceof ProtocolError);
        assert.match(error.message, message);
        return true;
      });
    });
  }

  test('a folder, and what is not there', async () => {
    await assert.rejects(openMediaFile(scratch.folder), ProtocolError);
    await assert.rejects(openMediaFile(join(scratch.folder, 'nothing')), { code: 'ENOENT' });
  });

  test('codecs that are left out are named', async () => {
    const bytes = Buffer.from(vector('moov-last.mp4'));
    bytes.write('mp9z', bytes.indexOf('mp4a'), 'latin1');
    await withFile(scratch.write(bytes), async ({ tracks, leftOut }) => {
      assert.deepEqual(
        tracks.map(({ kind }) => kind),
        ['video'],
      );
      assert.match(leftOut.join(), /"mp9z"/);
    });
    await withFile(vectorPath('h264.m2ts'), async ({ leftOut }) =>
      assert.match(leftOut.join(), /private data/),
    );
  });
});

describe('a file that changes', () => {
  for (const name of ['h264-aac.flv', 'h264-aac.mpegts', 'fragments.mp4']) {
    test(`${name}: one that grows is what it was`, async () => {
      const bytes = vector(name);
      const half = Math.floor(bytes.length * 0.6);
      const path = scratch.write(bytes.subarray(0, half));
      await withFile(path, async (file) => {
        const before = (await readFrom(file, 0)).map(describeFrame);
        appendFileSync(path, bytes.subarray(half));
        assert.equal(file.sizeBytes, half);
        assert.deepEqual((await readFrom(file, 0)).map(describeFrame), before);
        await withFile(path, async (grown) => {
          assert.ok((await readFrom(grown, 0)).length > before.length);
        });
      });
    });
  }

  test('one that shrinks gives what is left and ends', async () => {
    const path = scratch.write(vector('moov-first.mp4'));
    await withFile(path, async (file) => {
      truncateSync(path, 5000);
      const frames = await readFrom(file, 0);
      assert.ok(frames.length > 0 && frames.length < 92);
    });
  });
});

test('a reader that was closed gives nothing more, and points are checked', async () => {
  await withFile(vectorPath('h264-aac.flv'), async (file) => {
    const reader = file.open(1);
    reader.close();
    assert.deepEqual(await reader.read(), []);
    assert.throws(() => file.open(99), InvariantError);
  });
  await withFile(vectorPath('moov-last.mp4'), async (file) => {
    const reader = file.open(1);
    reader.close();
    assert.deepEqual(await reader.read(), []);
    assert.throws(() => file.open(99), InvariantError);
  });
});

test('a clip of 20 seconds: batches are small, payloads may be kept', async () => {
  const path = join(import.meta.dirname, '../../../build/demo-clip.flv');
  await withFile(path, async (file) => {
    const reader = file.open(3);
    const kept: { frame: Frame; copy: Buffer }[] = [];
    for (;;) {
      const batch = await reader.read();
      if (batch.length === 0) break;
      const bytes = batch.reduce((sum, { payload }) => sum + payload.length, 0);
      assert.ok(bytes < 700_000, `${bytes} bytes`);
      for (const frame of batch) kept.push({ frame, copy: Buffer.from(frame.payload) });
    }
    assert.ok(kept.length > 500);
    for (const { frame, copy } of kept) assert.equal(Buffer.compare(frame.payload, copy), 0);
  });
});

test('a file that was replaced while its handle rested is not read', async () => {
  const { openIndexedFile } = await import('../../../src/media-file/media-file.ts');
  const path = scratch.write(vector('moov-first.mp4'));
  const file = await openIndexedFile(path);
  await file.rest();
  assert.equal((await readFrom(file, 0)).length, 92, 'opens again by itself');
  await file.rest();
  const other = scratch.write(vector('moov-last.mp4'));
  utimesSync(other, 1, 1);
  renameSync(other, path);
  await assert.rejects(readFrom(file, 0), /has changed/);
  await file.close();
  writeFileSync(path, '');
});
