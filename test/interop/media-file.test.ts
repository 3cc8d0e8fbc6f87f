/** Files that FFmpeg 8 writes, against what FFmpeg 8 reads in them: every codec and container that we play. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { FRAME_KEY } from '../../src/media/frame.ts';
import { openMediaFile } from '../../src/media-file/media-file.ts';
import { makeClip, playUrl } from '../support/node-av.ts';
import { NODE_AV_MISSING } from '../support/programs.ts';
import { readFrom } from '../unit/media-file/media-files.ts';

const SECONDS = 3;

/** Encoders, container, and the kinds whose payloads FFmpeg hands out as we do. */
const CLIPS: readonly (readonly [video: string, audio: string, format: string, same: readonly string[]])[] = [
  ['libx264', 'aac', 'mp4', ['video', 'audio']],
  ['libx264', 'aac', 'mov', ['video', 'audio']],
  ['libx264', 'aac', 'flv', ['video', 'audio']],
  ['libx264', 'aac', 'mpegts', []],
  ['libx265', 'aac', 'mp4', ['video', 'audio']],
  ['libx265', 'aac', 'flv', ['video', 'audio']],
  ['libx265', 'aac', 'mpegts', []],
  ['libsvtav1', 'libopus', 'mp4', ['audio']],
  ['libsvtav1', 'libopus', 'flv', ['audio']],
  ['libvpx-vp9', 'libopus', 'mp4', ['video', 'audio']],
  ['none', 'libmp3lame', 'mp4', ['audio']],
  ['none', 'libmp3lame', 'flv', ['audio']],
  ['none', 'libmp3lame', 'mpegts', ['audio']],
  ['none', 'aac', 'mpegts', []],
  ['none', 'libopus', 'mpegts', []],
];

describe('files of FFmpeg 8', { skip: NODE_AV_MISSING }, () => {
  for (const [video, audio, format, same] of CLIPS) {
    test(`${video} and ${audio} in ${format}`, async () => {
      const path = await makeClip({ video, audio, format }, SECONDS);
      const seen = await playUrl(path, 1000);
      assert.equal(seen.error, undefined);
      const file = await openMediaFile(path);
      try {
        assert.equal(file.damage, '');
        assert.deepEqual(file.leftOut, []);
        const frames = await readFrom(file, 0);
        assert.equal(file.tracks.length, seen.streams.length);
        const origin = Math.min(...seen.streams.flatMap(({ pts }) => pts));
        for (const track of file.tracks) {
          const stream = seen.streams.find(({ kind }) => kind === track.kind);
          assert.ok(stream !== undefined);
          const got = frames.filter(({ trackId }) => trackId === track.id);
          assert.equal(got.length, stream.packets.length, `frames of ${track.kind}`);
          for (const [index, frame] of got.entries()) {
            const where = `${track.kind} ${index}`;
            assert.ok(Math.abs(frame.pts / 1e6 - (stream.pts[index]! - origin)) <= 0.0011, `${where}: pts`);
            assert.ok(Math.abs(frame.dts / 1e6 - (stream.dts[index]! - origin)) <= 0.0011, `${where}: dts`);
            assert.equal((frame.flags & FRAME_KEY) !== 0, stream.keys[index], `${where}: key`);
            if (same.includes(track.kind)) {
              const digest = createHash('sha1').update(frame.payload).digest('base64url');
              assert.equal(digest, stream.packets[index], `${where}: bytes`);
            }
          }
        }
        assert.ok(Math.abs(file.durationUs - SECONDS * 1e6) < 150_000, `${file.durationUs}`);
      } finally {
        await file.close();
      }
    });
  }
});
