/**
 * FFmpeg 8 publishes every codec, FFmpeg 8 plays it over every protocol: all tracks, in order, byte for byte where the
 * container keeps the bytes.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { indexOfRun } from '../support/flv-tags.ts';
import {
  type ClipSpec,
  makeClip,
  playUrl,
  publishClip,
  readSeen,
  type Seen,
  type SeenStream,
} from '../support/node-av.ts';
import { NODE_AV_MISSING } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';

const CLIP_SECONDS = 6;
const WATCH_SECONDS = 2.5;

type Kind = SeenStream['kind'];

interface Row extends ClipSpec {
  readonly name: string;
  readonly kinds: readonly Kind[];
  /** What MPEG-TS can carry of it. */
  readonly hls: readonly Kind[];
}

const BOTH: readonly Kind[] = ['video', 'audio'];

// G.711 is not here: FFmpeg 8.1 aborts when it publishes it. programs.test.ts has it from FFmpeg 5.1.
const ROWS: readonly Row[] = [
  { name: 'h264-aac', video: 'libx264', audio: 'aac', format: 'mp4', kinds: BOTH, hls: BOTH },
  { name: 'hevc-aac', video: 'libx265', audio: 'aac', format: 'mp4', kinds: BOTH, hls: BOTH },
  { name: 'av1-opus', video: 'libsvtav1', audio: 'libopus', format: 'mp4', kinds: BOTH, hls: ['audio'] },
  { name: 'vp9-opus', video: 'libvpx-vp9', audio: 'libopus', format: 'mp4', kinds: BOTH, hls: ['audio'] },
  { name: 'h264-mp3', video: 'libx264', audio: 'libmp3lame', format: 'mp4', kinds: BOTH, hls: BOTH },
  { name: 'aac', video: 'none', audio: 'aac', format: 'mp4', kinds: ['audio'], hls: ['audio'] },
  { name: 'h264', video: 'libx264', audio: 'none', format: 'mp4', kinds: ['video'], hls: ['video'] },
];

const OUTPUTS = ['rtmp', 'rtmps', 'http-flv', 'hls'] as const;

let server: TestServer;

before(async () => {
  if (NODE_AV_MISSING !== false) return;
  server = await TestServer.start({
    policy: '<application name="live"><hls><duration>1s</duration><count>10</count></hls></application>',
  });
});

after(() => server?.close());

function urlOf(output: (typeof OUTPUTS)[number], name: string): string {
  switch (output) {
    case 'rtmp':
      return server.rtmp(`/live/${name}`);
    case 'rtmps':
      return `rtmps://127.0.0.1:${server.rtmpsPort}/live/${name}`;
    case 'http-flv':
      return server.http(`/live/${name}.flv`);
    case 'hls':
      return server.http(`/live/${name}.m3u8`);
  }
}

function checkTracks(seen: Seen, kinds: readonly Kind[], what: string): void {
  assert.equal(seen.error, undefined, what);
  assert.deepEqual(seen.streams.map(({ kind }) => kind).sort(), [...kinds].sort(), `${what}: tracks`);
  for (const { kind, packets, dts, pts, keys } of seen.streams) {
    assert.ok(packets.length > 5, `${what}: ${packets.length} packets of ${kind}`);
    for (let i = 1; i < dts.length; i++)
      assert.ok(dts[i]! >= dts[i - 1]!, `${what}: ${kind} time goes back at packet ${i}`);
    for (let i = 0; i < dts.length; i++)
      assert.ok(pts[i]! >= dts[i]! - 1e-6, `${what}: ${kind} packet ${i} is shown before it is decoded`);
    if (kind === 'video') assert.ok(keys[0], `${what}: begins with no key frame`);
  }
}

describe('FFmpeg 8', { concurrency: 3, skip: NODE_AV_MISSING }, () => {
  for (const row of ROWS) {
    test(`${row.name} over ${OUTPUTS.join(', ')}`, async () => {
      const clip = await makeClip(row, CLIP_SECONDS);
      const publishing = publishClip(clip, urlOf('rtmp', row.name));
      await server.until(`${row.name} is published`, () => {
        const stream = server.application.context.hub.find(`live/${row.name}`);
        return (
          stream?.state === 'live' && stream.tracks.length === row.kinds.length && stream.cachedBytes > 0
        );
      });
      const watched = await Promise.all(
        OUTPUTS.map(async (output) => ({
          output,
          seen: await playUrl(urlOf(output, row.name), WATCH_SECONDS),
        })),
      );
      const { code, out, err } = await publishing.done;
      const sent = readSeen(out, err);
      assert.equal(code, 0, `${out.slice(-300)} ${err.slice(-300)}`);
      for (const { output, seen } of watched) {
        const what = `${row.name} over ${output}`;
        checkTracks(seen, output === 'hls' ? row.hls : row.kinds, what);
        for (const got of seen.streams) {
          const original = sent.streams.find(({ kind }) => kind === got.kind)!;
          assert.ok(got.packets.length <= original.packets.length, `${what}: more packets than were sent`);
          if (output !== 'hls') {
            assert.equal(got.codecId, original.codecId, `${what}: codec of ${got.kind}`);
            // MP4 and WebM do not give FFmpeg one for VP9; its FLV writer makes it.
            if (original.extradata !== '')
              assert.equal(got.extradata, original.extradata, `${what}: configuration of ${got.kind}`);
            assert.ok(
              indexOfRun(original.packets, got.packets) >= 0,
              `${what}: packets of ${got.kind} differ from what was sent`,
            );
          }
        }
      }
    });
  }
});
