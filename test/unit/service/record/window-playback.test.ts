/** Windows over files that lie there, without a server around: changes of codecs, readers, sound alone. */
import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openMediaFile } from '../../../../src/media-file/media-file.ts';
import type { RecordingFormat } from '../../../../src/recordings/recording-entry.ts';
import { RecordingIndex } from '../../../../src/recordings/recording-index.ts';
import { FileReaders } from '../../../../src/runtime/file-response.ts';
import { WindowPlayback } from '../../../../src/service/record/window-playback.ts';
import { RejectedError } from '../../../../src/util/errors.ts';
import { checkPlaylist } from '../../../conformance/m3u8-checker.ts';
import { ask } from '../../../support/http-client.ts';

const VECTORS = 'test/vectors/media-file';
const START = Date.parse('2026-11-21T10:00:00Z');

class WatchedReaders extends FileReaders {
  readonly entered: string[] = [];
  most = 0;

  override enter(path: string): void {
    super.enter(path);
    this.entered.push(path);
    this.most = Math.max(this.most, this.size);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-windows-'));
const readers = new WatchedReaders();
const index = new RecordingIndex(folder, readers);
let sentBytes = 0;
const windows = new WindowPlayback({
  index,
  files: {},
  nowMs: () => START + 3_600_000,
  onSent: (bytes) => {
    sentBytes += bytes;
  },
});
let server: Server;

/** Copies a vector into the archive; returns where it ends. */
async function record(
  stream: string,
  vector: string,
  format: RecordingFormat,
  startMs: number,
): Promise<number> {
  const name = `${stream.replace('/', '-')}-${startMs}${vector.slice(vector.lastIndexOf('.'))}`;
  copyFileSync(join(VECTORS, vector), join(folder, name));
  return await enter(stream, name, format, startMs);
}

async function enter(
  stream: string,
  name: string,
  format: RecordingFormat,
  startMs: number,
): Promise<number> {
  const path = join(folder, name);
  const media = await openMediaFile(path);
  await media.close();
  const endMs = startMs + media.durationUs / 1000;
  const facts = { stream, recording: 'r', format, startMs, endMs, bytes: statSync(path).size };
  await index.add({ file: name, ...facts, tracks: [], parts: [], keys: [], open: false });
  return endMs;
}

before(async () => {
  server = createServer((message, response) => {
    const url = new URL(message.url ?? '/', 'http://h');
    const { method = 'GET' } = message;
    if (!windows.accepts(method, url.pathname, url.searchParams)) {
      response.writeHead(421).end();
      return;
    }
    const about = { message, response, method, path: url.pathname, query: url.searchParams };
    windows
      .handle({ ...about, rawQuery: url.search.slice(1), host: 'h', secure: false, remote: '' })
      .catch((error: unknown) => {
        response.writeHead(error instanceof RejectedError ? 400 : 500).end(String(error));
      });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});

after(async () => {
  server.close();
  await windows.close();
  rmSync(folder, { recursive: true, force: true });
});

const get = (path: string) => ask({ port: (server.address() as AddressInfo).port, path });

test('window playback: a change of codecs is a discontinuity of HLS, and no clip goes over it', async () => {
  const middleMs = await record('live/change', 'h264-aac.flv', 'flv', START);
  const endMs = await record('live/change', 'h265-mp3.mov', 'fmp4', middleMs);
  const list = await get(`/rec/live/change/index.m3u8?start=${START}&end=${endMs}`);
  const { segments, violations } = checkPlaylist(list.text);
  assert.deepEqual(violations, []);
  assert.equal(segments.filter(({ discontinuity }) => discontinuity).length, 1);
  assert.equal(new Set(list.text.match(/EXT-X-MAP:URI="[^"]+"/g)).size, 2);
  const refused = await get(`/rec/live/change/clip.mp4?start=${START}&end=${endMs}`);
  assert.equal(refused.status, 400);
  assert.match(refused.text, /change at 2026-11-21T10:00:0\d\.\d{3}Z/);
  const until = Math.floor(middleMs) - 1;
  assert.equal((await get(`/rec/live/change/clip.mp4?start=${START}&end=${until}`)).status, 200);
  assert.equal(
    (await get(`/rec/live/change/clip.mp4?start=${Math.ceil(middleMs)}&end=${endMs}`)).status,
    200,
  );
});

/** Of an FLV file: its headers and the first picture alone. */
function onePicture(flv: Buffer): Buffer {
  const kept = [flv.subarray(0, 13)];
  let pictures = 0;
  for (let at = 13; at + 15 <= flv.length && pictures < 2; ) {
    const end = at + 15 + flv.readUIntBE(at + 1, 3);
    if (flv[at] === 9) {
      kept.push(flv.subarray(at, end));
      pictures++;
    }
    at = end;
  }
  return Buffer.concat(kept);
}

test('window playback: a file that ended before its first sound breaks neither list nor clip', async () => {
  const middleMs = await record('live/stub', 'h264-aac.flv', 'flv', START);
  const name = 'live-stub.flv';
  writeFileSync(join(folder, name), onePicture(readFileSync(join(VECTORS, 'h264-aac.flv'))));
  const endMs = await enter('live/stub', name, 'flv', middleMs);
  assert.ok(endMs > middleMs && endMs - middleMs < 250, `${endMs - middleMs} ms`);
  const window = `start=${START}&end=${Math.ceil(endMs) + 5000}`;
  const { segments } = checkPlaylist((await get(`/rec/live/stub/index.m3u8?${window}`)).text);
  assert.equal(segments.filter(({ discontinuity }) => discontinuity).length, 0);
  assert.equal((await get(`/rec/live/stub/clip.mp4?${window}`)).status, 200);
});

test('window playback: all files of a clip are held while it is sent, and none afterwards', async () => {
  const middleMs = await record('live/held', 'h264-aac.flv', 'flv', START);
  const endMs = await record('live/held', 'h264-aac.mpegts', 'ts', middleMs + 60_000);
  readers.entered.length = 0;
  readers.most = 0;
  sentBytes = 0;
  const clip = await get(`/rec/live/held/clip.mp4?start=${START}&end=${endMs}`);
  assert.equal(clip.status, 200, clip.text);
  assert.equal(readers.most, 2);
  assert.equal(new Set(readers.entered).size, 2);
  assert.equal(readers.size, 0);
  assert.equal(sentBytes, clip.body.length);
});

test('window playback: sound alone, and a file that is gone', async () => {
  const endMs = await record('live/sound', 'opus.mpegts', 'ts', START);
  const list = await get(`/rec/live/sound/index.m3u8?start=${START}&end=${endMs}`);
  assert.match(list.text, /EXT-X-MAP/, 'Opus goes into fragments');
  const [segment] = checkPlaylist(list.text).segments;
  assert.equal((await get(`/rec/live/sound/${segment!.uri}`)).status, 200);
  rmSync(join(folder, `live-sound-${START}.mpegts`));
  const gone = await get(`/rec/live/sound/${segment!.uri.replace('at-', 'tail-')}`);
  assert.match(gone.text, /There is no such file/);
});

test('window playback: which addresses are those of windows', () => {
  const accepts = (address: string, method = 'GET') => {
    const url = new URL(address, 'http://h');
    return windows.accepts(method, url.pathname, url.searchParams);
  };
  for (const address of [
    '/rec/cam/index.m3u8?start=1',
    '/rec/live/cam/index.m3u8?duration=5',
    '/rec/a/b/c/clip.mp4?end=1',
    '/rec/cam/at-1-0-end.ts?recording=',
    '/rec/cam/tail-1-0-2.m4s?recording=x',
    '/rec/cam/at-1.mp4?recording=x',
  ])
    assert.equal(accepts(address), true, address);
  for (const address of [
    '/rec/cam/index.m3u8',
    '/rec/cam/clip.mp4',
    '/rec/index.m3u8?start=1',
    '/live/cam/index.m3u8?start=1',
    '/rec/cam/2026-11-21/clip.mp4?start=1',
    '/rec/-/h/clip.mp4?start=1',
    '/rec/cam/at-1-0-end.ts',
    '/rec/cam/at-x-0-end.ts?recording=x',
    '/rec/cam/at-1-0-.ts?recording=x',
  ])
    assert.equal(accepts(address), false, address);
  assert.equal(accepts('/rec/cam/index.m3u8?start=1', 'POST'), false);
});
