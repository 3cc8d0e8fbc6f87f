/** HLS pulled back: from this server, and from folders that FFmpeg 8 made. Every frame arrives as it was. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Pull } from '../../src/client/pull.ts';
import type { Frame } from '../../src/media/frame.ts';
import { openMediaFile } from '../../src/media-file/media-file.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { demoTags, isConfig, TAG_AUDIO, TAG_VIDEO } from '../support/flv-tags.ts';
import { makeClip } from '../support/node-av.ts';
import { NODE_AV_MISSING, run, start } from '../support/programs.ts';
import { Pulled } from '../support/pulled.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';
import { readFrom } from '../unit/media-file/media-files.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const MUXER = fileURLToPath(new URL('../support/node-av-hls.mjs', import.meta.url));

let server: TestServer;
let publisher: ClipPublisher;
let origin: Server;
const folder = mkdtempSync(join(tmpdir(), 'sluice-hls-pull-'));
const pulls: Pull[] = [];

before(async () => {
  server = await TestServer.start({
    policy: `<application name="live"><publish grace="0"/><hls duration="1s"/>
      <stream name="locked"><hls key="aes-128" key-segments="2"/></stream></application>`,
  });
  publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam', leadMs: 6000 });
  origin = createServer((request, response) => {
    try {
      let bytes = readFileSync(join(folder, new URL(request.url ?? '/', 'http://a').pathname));
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
      if (range !== null) {
        response.statusCode = 206;
        bytes = bytes.subarray(Number(range[1]), Number(range[2]) + 1);
      }
      response.end(bytes);
    } catch {
      response.statusCode = 404;
      response.end();
    }
  });
  await new Promise<void>((done) => origin.listen(0, '127.0.0.1', done));
});

after(async () => {
  for (const pull of pulls) pull.close();
  publisher.stop();
  origin.close();
  origin.closeAllConnections();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Tests that run at once want the same clips. */
const clips = new Map<string, Promise<string>>();

function clipOf(video: string, audio: string): Promise<string> {
  const name = `${video} ${audio}`;
  const known = clips.get(name) ?? makeClip({ video, audio, format: 'mp4' }, 5);
  clips.set(name, known);
  return known;
}

class HlsPulled extends Pulled {
  constructor(url: string) {
    super(url, {
      verifies: true,
      connectMs: 5000,
      silenceMs: 10_000,
      onFault: (error) => assert.fail(error as Error),
    });
    pulls.push(this.pull);
  }

  of(kind: string): string[] {
    const ids = this.tracks.filter((track) => track.kind === kind).map(({ id }) => id);
    return this.frames.filter(({ trackId }) => ids.includes(trackId)).map(essence);
  }
}

/** The payload; of H.264 and H.265 without what the way through MPEG-TS adds and repeats. */
function essence({ payload, config }: Frame): string {
  const bytes = Buffer.from(payload);
  if (config.codec !== 'h264' && config.codec !== 'h265') return bytes.toString('base64');
  return withoutParameterSets(bytes, config.codec === 'h265');
}

function withoutParameterSets(bytes: Buffer, isH265: boolean): string {
  const kept: Buffer[] = [];
  for (let at = 0; at + 4 < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    const type = isH265 ? (bytes[at + 4]! >> 1) & 63 : bytes[at + 4]! & 31;
    const isSet = isH265 ? type >= 32 && type <= 35 : type >= 7 && type <= 9;
    if (!isSet) kept.push(bytes.subarray(at, end));
    at = end;
  }
  return Buffer.concat(kept).toString('base64');
}

function checkOrder(frames: readonly Frame[]): void {
  const last = new Map<number, number>();
  for (const { trackId, dts } of frames) {
    assert.ok(dts >= (last.get(trackId) ?? Number.NEGATIVE_INFINITY), 'times go back');
    last.set(trackId, dts);
  }
}

const TAGS = demoTags().filter((tag) => !isConfig(tag));
const SENT = {
  video: TAGS.filter(({ type }) => type === TAG_VIDEO).map(({ payload }) =>
    withoutParameterSets(payload.subarray(5), false),
  ),
  audio: TAGS.filter(({ type }) => type === TAG_AUDIO).map(({ payload }) =>
    payload.subarray(2).toString('base64'),
  ),
};

/** What came is a run of what is sent round and round. */
function checkRun(came: readonly string[], sent: readonly string[]): void {
  assert.ok(came.length > 10, `${came.length} frames`);
  const candidates = sent.flatMap((one, at) => (one === came[0] ? [at] : []));
  assert.ok(
    candidates.some((at) => came.every((one, i) => one === sent[(at + i) % sent.length])),
    'frames are missing, changed or in another order',
  );
}

describe('HLS pull', { concurrency: 4 }, () => {
  for (const path of ['/live/cam.m3u8', '/live/cam.fmp4.m3u8', '/live/cam.ll.m3u8'])
    test(`live, from this server: ${path}`, async () => {
      const pulled = new HlsPulled(server.http(path));
      await until('frames', () => pulled.end !== null || pulled.of('video').length > 100, 20_000);
      assert.equal(pulled.end, null);
      pulled.pull.close();
      checkRun(pulled.of('video'), SENT.video);
      checkRun(pulled.of('audio'), SENT.audio);
      checkOrder(pulled.frames);
      assert.deepEqual(pulled.tracks.map(({ kind }) => kind).sort(), ['audio', 'video']);
      // Of a list with parts, what is older than its hold-back came at once.
      const first = pulled.frames[pulled.frames.length >> 1]!;
      const last = pulled.frames.at(-1)!;
      const pace = (last.arrival - first.arrival) / (last.dts - first.dts);
      // A busy machine pauses and makes up for it; all at once would be next to nothing.
      assert.ok(pace > 0.4 && pace < 2.5, `media came in ${pace} of its own time`);
    });

  test('live, low latency: the parts come about a second behind their publisher', async () => {
    const quick = await ClipPublisher.start({ port: server.rtmpPort, name: 'quick', leadMs: 0 });
    const pulled = new HlsPulled(server.http('/live/quick.ll.m3u8'));
    await until('frames', () => pulled.end !== null || pulled.of('video').length > 100, 20_000);
    assert.equal(pulled.end, null);
    pulled.pull.close();
    quick.stop();
    checkRun(pulled.of('video'), SENT.video);
    checkOrder(pulled.frames);
    const behind = pulled.frames
      .slice(-60)
      .map(({ arrival, captureTime }) => performance.timeOrigin + (arrival - captureTime) / 1000)
      .sort((a, b) => a - b);
    // With whole segments, which are at least one second here, it would be more than three.
    assert.ok(behind[30]! < 3000, `${behind[30]} ms behind`);
  });

  test('live, as fragmented MP4 without a list', async () => {
    const pulled = new HlsPulled(server.http('/live/cam.mp4'));
    await until('frames', () => pulled.end !== null || pulled.of('video').length > 60, 20_000);
    assert.equal(pulled.end, null);
    pulled.pull.close();
    checkRun(pulled.of('video'), SENT.video);
    checkRun(pulled.of('audio'), SENT.audio);
    checkOrder(pulled.frames);
  });

  test('live, encrypted, and on over a second publisher', async () => {
    const open = () => ClipPublisher.start({ port: server.rtmpPort, name: 'locked', leadMs: 5000 });
    const one = await open();
    const pulled = new HlsPulled(server.http('/live/locked.ts.m3u8'));
    await until('frames', () => pulled.end !== null || pulled.of('video').length > 30, 20_000);
    one.stop();
    const count = pulled.frames.length;
    const two = await open();
    await until('more frames', () => pulled.end !== null || pulled.frames.length > count + 400, 30_000);
    two.stop();
    assert.equal(pulled.end, null);
    checkOrder(pulled.frames);
    const video = pulled.frames.filter(({ trackId }) => trackId === 0);
    for (let i = 1; i < video.length; i++)
      assert.ok(video[i]!.dts - video[i - 1]!.dts < 3_000_000, `${i} of ${video.length}: a jump`);
    for (const frame of pulled.of('video')) assert.ok(SENT.video.includes(frame));
    pulled.pull.close();
  });

  const made: readonly (readonly [string, string, string, readonly string[]])[] = [
    ['ts', 'libx264', 'aac', []],
    ['fmp4', 'libx264', 'aac', ['hls_segment_type=fmp4']],
    ['fmp4-hevc', 'libx265', 'aac', ['hls_segment_type=fmp4']],
    ['fmp4-av1', 'libsvtav1', 'libopus', ['hls_segment_type=fmp4']],
    ['ts-ranges', 'libx264', 'aac', ['hls_flags=single_file']],
    ['fmp4-ranges', 'libx264', 'aac', ['hls_flags=single_file', 'hls_segment_type=fmp4']],
  ];
  for (const [name, video, audio, options] of made)
    test(`FFmpeg's ${name}: every frame`, { skip: NODE_AV_MISSING }, async () => {
      const clip = await clipOf(video, audio);
      const base = join(folder, name);
      const all = [
        'hls_time=1',
        'hls_list_size=0',
        'hls_playlist_type=vod',
        `hls_fmp4_init_filename=${name}-init.mp4`,
      ];
      const muxed = await run(process.execPath, [MUXER, clip, `${base}.m3u8`, ...all, ...options]);
      assert.equal(muxed.code, 0, muxed.err);
      const file = await openMediaFile(clip);
      const frames = await readFrom(file, 0);
      await file.close();
      const pulled = new HlsPulled(`http://127.0.0.1:${(origin.address() as AddressInfo).port}/${name}.m3u8`);
      await until('the end', () => pulled.end !== null, 20_000);
      assert.equal(pulled.end!.kind, 'over', pulled.end!.reason);
      for (const kind of ['video', 'audio']) {
        const ids = file.tracks.filter((track) => track.kind === kind).map(({ id }) => id);
        const wanted = frames.filter(({ trackId }) => ids.includes(trackId));
        assert.deepEqual(pulled.of(kind), wanted.map(essence), kind);
        const came = pulled.frames.filter(({ trackId }) => ids.includes(trackId));
        const shift = came[0]!.dts - wanted[0]!.dts;
        for (const [i, frame] of came.entries()) {
          const { dts, pts } = wanted[i]!;
          assert.ok(
            Math.abs(frame.dts - shift - dts) < 1000,
            `${kind} ${i}: ${frame.dts - shift} for ${dts}`,
          );
          assert.equal(
            Math.round((frame.pts - frame.dts) / 1000),
            Math.round((pts - dts) / 1000),
            `${kind} ${i}`,
          );
        }
      }
      checkOrder(pulled.frames);
    });

  test('sub-commands: record, probe and push take a list', { skip: NODE_AV_MISSING }, async () => {
    const clip = await clipOf('libx264', 'aac');
    const muxed = await run(process.execPath, [MUXER, clip, join(folder, 'c.m3u8'), 'hls_list_size=0']);
    assert.equal(muxed.code, 0, muxed.err);
    const url = `http://127.0.0.1:${(origin.address() as AddressInfo).port}/c.m3u8`;
    const to = join(folder, 'out.mp4');
    const recorded = await run(process.execPath, [MAIN, 'record', url, to]);
    assert.equal(recorded.code, 0, recorded.err);
    assert.match(recorded.err, /recorded 5\.\d s/);
    const file = await openMediaFile(to);
    const video = file.tracks.find(({ kind }) => kind === 'video')!;
    assert.equal((await readFrom(file, 0)).filter(({ trackId }) => trackId === video.id).length, 125);
    await file.close();
    const probed = await run(process.execPath, [
      MAIN,
      'probe',
      '--json',
      '--time',
      '3',
      server.http('/live/cam.m3u8'),
    ]);
    assert.equal(probed.code, 0, probed.err);
    assert.match(probed.out, /avc1|h\.?264/i);
    const pushing = start(process.execPath, [MAIN, 'push', url, server.rtmp('/live/again')]);
    const seen = new HlsPulled(server.http('/live/again.flv'));
    await until('frames of what is pushed', () => seen.end !== null || seen.frames.length > 100, 15_000);
    seen.pull.close();
    pushing.child.kill('SIGINT');
    await pushing.done;
  });

  test('what is no list and what is not there', async () => {
    writeFileSync(join(folder, 'empty.m3u8'), '\uFEFF#EXTM3U\r\n#EXT-X-ENDLIST\r\n');
    writeFileSync(join(folder, 'page.m3u8'), '<html>no list</html>');
    for (const [path, reason] of [
      ['/nothing.m3u8', /answers 404/],
      ['/empty.m3u8', /is empty and ended/],
      ['/page.m3u8', /none of FLV, MPEG-TS, fragmented MP4 and HLS/],
    ] as const) {
      const pulled = new HlsPulled(`http://127.0.0.1:${(origin.address() as AddressInfo).port}${path}`);
      await until('the end', () => pulled.end !== null);
      assert.equal(pulled.end!.kind, 'failed');
      assert.match(pulled.end!.reason, reason);
    }
  });
});
