/**
 * FFmpeg 8 plays files of every container that we read, as HLS and over RTMP: all packets that it finds in the file
 * itself, in order, at their times. FFmpeg 5.1 seeks over RTMP.
 */
import assert from 'node:assert/strict';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeClip, playUrl, type Seen, type SeenStream } from '../support/node-av.ts';
import { missing, NODE_AV_MISSING, run } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';

const CLIP_SECONDS = 15;
const skip = NODE_AV_MISSING;

interface Row {
  readonly name: string;
  readonly video: string;
  readonly audio: string;
  readonly format: string;
  readonly segments: 'ts' | 'm4s';
}

const ROWS: readonly Row[] = [
  { name: 'h264-aac.mp4', video: 'libx264', audio: 'aac', format: 'mp4', segments: 'ts' },
  { name: 'h264-aac.flv', video: 'libx264', audio: 'aac', format: 'flv', segments: 'ts' },
  { name: 'h264-aac.ts', video: 'libx264', audio: 'aac', format: 'mpegts', segments: 'ts' },
  { name: 'hevc-aac.mp4', video: 'libx265', audio: 'aac', format: 'mp4', segments: 'm4s' },
  { name: 'hevc-aac.flv', video: 'libx265', audio: 'aac', format: 'flv', segments: 'm4s' },
  { name: 'av1-opus.mp4', video: 'libsvtav1', audio: 'libopus', format: 'mp4', segments: 'm4s' },
  { name: 'h264-mp3.mp4', video: 'libx264', audio: 'libmp3lame', format: 'mp4', segments: 'ts' },
  { name: 'aac.mp4', video: 'none', audio: 'aac', format: 'mp4', segments: 'ts' },
];

let server: TestServer;
const originals = new Map<string, Seen>();

before(async () => {
  if (skip !== false) return;
  server = await TestServer.start();
  for (const row of ROWS) {
    const clip = await makeClip(row, CLIP_SECONDS);
    originals.set(row.name, await playUrl(clip, 1000));
    copyFileSync(clip, join(server.folder, 'vod', row.name));
  }
});

after(() => server?.close());

function streamOf(seen: Seen, kind: SeenStream['kind'], what: string): SeenStream | undefined {
  assert.equal(seen.error, undefined, what);
  return seen.streams.find((stream) => stream.kind === kind);
}

/** Same count, same distances in time, all up to one constant shift. */
function compare(played: Seen, original: Seen, toleranceMs: number, what: string): void {
  const shifts: number[] = [];
  for (const kind of ['video', 'audio'] as const) {
    const expected = streamOf(original, kind, what);
    const got = streamOf(played, kind, what);
    assert.equal(got === undefined, expected === undefined, `${what}: ${kind}`);
    if (got === undefined || expected === undefined) continue;
    assert.equal(got.pts.length, expected.pts.length, `${what}: packets of ${kind}`);
    for (let i = 1; i < got.dts.length; i++)
      assert.ok(got.dts[i]! > got.dts[i - 1]! - 1e-6, `${what}: ${kind} goes back at packet ${i}`);
    for (const [i, pts] of got.pts.entries()) shifts.push((pts - expected.pts[i]!) * 1000);
    if (kind === 'video') assert.deepEqual(got.keys, expected.keys, `${what}: key frames`);
  }
  const spread = Math.max(...shifts) - Math.min(...shifts);
  assert.ok(spread <= toleranceMs, `${what}: times are up to ${spread} ms apart`);
}

for (const row of ROWS) {
  test(`vod: FFmpeg 8 plays ${row.name} as HLS`, { skip }, async () => {
    const list = await fetch(server.http(`/vod/${row.name}.m3u8`));
    assert.match(await list.text(), new RegExp(`seg-0\\.${row.segments}`));
    const played = await playUrl(server.http(`/vod/${row.name}.m3u8`), 1000);
    // Of sound alone FFmpeg gives the first two frames the same time when they share a PES packet.
    compare(played, originals.get(row.name)!, row.video === 'none' ? 22 : 3, row.name);
  });
}

test('vod: FFmpeg 8 plays files over RTMP to their end', { skip }, async () => {
  const names = ['h264-aac.mp4', 'h264-aac.flv', 'hevc-aac.mp4', 'h264-aac.ts'];
  const played = await Promise.all(names.map((name) => playUrl(server.rtmp(`/vod/${name}`), 1000)));
  for (const [index, name] of names.entries()) compare(played[index]!, originals.get(name)!, 3, name);
});

test('vod: part of an MP4 by ?start= and ?end=', { skip }, async () => {
  for (const name of ['h264-aac.mp4', 'hevc-aac.mp4']) {
    const part = await playUrl(server.http(`/vod/${name}?start=4.5&end=9`), 1000);
    const video = streamOf(part, 'video', name)!;
    assert.equal(video.keys[0], true);
    const seconds = video.pts.at(-1)! - video.pts[0]!;
    assert.ok(seconds > 4.4 && seconds < 5.2, `${name}: ${seconds} s`);
  }
});

test('vod: ffmpeg seeks over RTMP', { skip: skip || missing('ffmpeg') }, async () => {
  for (const name of ['h264-aac.mp4', 'h264-aac.flv']) {
    const url = server.rtmp(`/vod/${name}`);
    const args = [
      '-v',
      'error',
      '-ss',
      '8.5',
      '-t',
      '2',
      '-i',
      url,
      '-c',
      'copy',
      '-copyts',
      '-f',
      'framecrc',
      '-',
    ];
    const { code, out, err } = await run('ffmpeg', args);
    assert.equal(code, 0, err);
    const lines = out.split('\n').filter((line) => /^0,/.test(line));
    const first = Number(lines[0]?.split(',')[1]);
    assert.ok(lines.length > 20, `${name}: ${lines.length} pictures ${err}`);
    assert.ok(first >= 7400 && first <= 8700, `${name}: begins at ${first} ms`);
  }
});
