/**
 * FFmpeg 8 publishes every codec, FFmpeg 8 plays it over every protocol: all tracks, in order, byte for byte where the
 * container keeps the bytes.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Codec, type Container, carriedBy, isVideo } from '../support/containers.ts';
import { indexOfRun } from '../support/flv-tags.ts';
import { type ClipSpec, makeClip, playUrls, publishClip, readSeen, type Seen } from '../support/node-av.ts';
import { NODE_AV_MISSING } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';

/** Longer than anybody watches, on a machine with much else to do as well. */
const CLIP_SECONDS = 16;
const WATCH_SECONDS = 2.5;
/** Pictures come 25 times a second, sound oftener. */
const MAX_STEP_SECONDS = 0.2;

interface Row extends ClipSpec {
  readonly name: string;
  readonly codecs: readonly Codec[];
}

// G.711 is not here: FFmpeg 8.1 aborts when it publishes it. programs.test.ts has it from FFmpeg 5.1.
const ROWS: readonly Row[] = [
  { name: 'h264-aac', video: 'libx264', audio: 'aac', format: 'mp4', codecs: ['h264', 'aac'] },
  { name: 'hevc-aac', video: 'libx265', audio: 'aac', format: 'mp4', codecs: ['h265', 'aac'] },
  { name: 'av1-opus', video: 'libsvtav1', audio: 'libopus', format: 'mp4', codecs: ['av1', 'opus'] },
  { name: 'vp9-opus', video: 'libvpx-vp9', audio: 'libopus', format: 'mp4', codecs: ['vp9', 'opus'] },
  { name: 'h264-mp3', video: 'libx264', audio: 'libmp3lame', format: 'mp4', codecs: ['h264', 'mp3'] },
  { name: 'aac', video: 'none', audio: 'aac', format: 'mp4', codecs: ['aac'] },
  { name: 'h264', video: 'libx264', audio: 'none', format: 'mp4', codecs: ['h264'] },
];

interface Output {
  readonly name: string;
  readonly container: Container;
  /** Of the address, before the host and behind the name of the stream. */
  readonly scheme: 'rtmp' | 'rtmps' | 'http';
  readonly suffix: string;
}

const OUTPUTS: readonly Output[] = [
  { name: 'rtmp', container: 'rtmp', scheme: 'rtmp', suffix: '' },
  { name: 'rtmps', container: 'rtmp', scheme: 'rtmps', suffix: '' },
  { name: 'http-flv', container: 'flv', scheme: 'http', suffix: '.flv' },
  { name: 'http-ts', container: 'ts', scheme: 'http', suffix: '.ts' },
  { name: 'http-fmp4', container: 'fmp4', scheme: 'http', suffix: '.mp4' },
  { name: 'http-aac', container: 'adts', scheme: 'http', suffix: '.aac' },
  { name: 'http-mp3', container: 'mp3', scheme: 'http', suffix: '.mp3' },
  { name: 'hls', container: 'hls', scheme: 'http', suffix: '.m3u8' },
  { name: 'hls-ts', container: 'ts', scheme: 'http', suffix: '.ts.m3u8' },
  { name: 'hls-fmp4', container: 'fmp4', scheme: 'http', suffix: '.fmp4.m3u8' },
  { name: 'dash', container: 'fmp4', scheme: 'http', suffix: '.mpd' },
];

/**
 * When FFmpeg 8.1 reloads a manifest it goes back to the whole second, so that it reads a segment of sound that begins
 * and ends between two of them again and again (seen as thousands of the same packets).
 */
const NOT_BY_FFMPEG: Readonly<Record<string, string>> = { dash: 'aac' };

/** FFmpeg gives the bytes of these another frame: start codes, ADTS headers. */
const REFRAMED: readonly Container[] = ['ts', 'hls', 'adts'];

let server: TestServer;

before(async () => {
  if (NODE_AV_MISSING !== false) return;
  server = await TestServer.start({
    policy: '<application name="live"><hls><duration>1s</duration><count>10</count></hls></application>',
  });
});

after(() => server?.close());

function urlOf({ scheme, suffix }: Output, name: string): string {
  const ports = { rtmp: server.rtmpPort, rtmps: server.rtmpsPort, http: server.httpPort };
  return `${scheme}://127.0.0.1:${ports[scheme]}/live/${name}${suffix}`;
}

function checkTracks(seen: Seen, codecs: readonly Codec[], what: string): void {
  assert.equal(seen.error, undefined, what);
  const kinds = codecs.map((codec) => (isVideo(codec) ? 'video' : 'audio')).sort();
  assert.deepEqual(seen.streams.map(({ kind }) => kind).sort(), kinds, `${what}: tracks`);
  for (const { kind, packets, dts, pts, keys } of seen.streams) {
    assert.ok(packets.length > 5, `${what}: ${packets.length} packets of ${kind}`);
    for (let i = 1; i < dts.length; i++)
      assert.ok(dts[i]! >= dts[i - 1]!, `${what}: ${kind} time goes back at packet ${i}`);
    for (let i = 0; i < dts.length; i++)
      assert.ok(pts[i]! >= dts[i]! - 1e-6, `${what}: ${kind} packet ${i} is shown before it is decoded`);
    for (let i = 1; i < dts.length; i++)
      assert.ok(dts[i]! - dts[i - 1]! < MAX_STEP_SECONDS, `${what}: ${kind} leaps at packet ${i}`);
    const seconds = dts.at(-1)! - dts[0]!;
    assert.ok(seconds > WATCH_SECONDS - 0.7, `${what}: only ${seconds} s of ${kind}`);
    if (kind === 'video') assert.ok(keys[0], `${what}: begins with no key frame`);
  }
}

describe('FFmpeg 8', { concurrency: 2, skip: NODE_AV_MISSING }, () => {
  for (const row of ROWS) {
    const outputs = OUTPUTS.filter(
      ({ name, container }) =>
        carriedBy(container, row.codecs).length > 0 && NOT_BY_FFMPEG[name] !== row.name,
    );
    test(`${row.name} over ${outputs.map(({ name }) => name).join(', ')}`, async () => {
      const clip = await makeClip(row, CLIP_SECONDS);
      const publishing = publishClip(clip, server.rtmp(`/live/${row.name}`));
      await server.until(`${row.name} is published`, () => {
        const stream = server.application.context.hub.find(`live/${row.name}`);
        return (
          stream?.state === 'live' && stream.tracks.length === row.codecs.length && stream.cachedBytes > 0
        );
      });
      const urls = outputs.map((output) => urlOf(output, row.name));
      const watched = await playUrls(urls, WATCH_SECONDS);
      publishing.interrupt();
      const { code, out, err } = await publishing.done;
      const sent = readSeen(out, err);
      assert.equal(code, 0, `${out.slice(-300)} ${err.slice(-300)}`);
      for (const [index, output] of outputs.entries()) {
        const seen = watched[index]!; // one for each
        const what = `${row.name} over ${output.name}`;
        checkTracks(seen, carriedBy(output.container, row.codecs), what);
        for (const got of seen.streams) {
          const original = sent.streams.find(({ kind }) => kind === got.kind)!;
          assert.ok(got.packets.length <= original.packets.length, `${what}: more packets than were sent`);
          if (!REFRAMED.includes(output.container)) {
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
