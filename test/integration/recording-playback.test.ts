/** Windows of the archive as HLS and as MP4, through the whole server: across files, formats and gaps. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { checkPlaylist } from '../conformance/m3u8-checker.ts';
import { Mp4Checker } from '../conformance/mp4-checker.ts';
import { TsChecker } from '../conformance/ts-checker.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { parseFlv } from '../support/flv-tags.ts';
import { ask, type HttpAnswer } from '../support/http-client.ts';
import { playUrl } from '../support/node-av.ts';
import { NODE_AV_MISSING } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';

/** Of the clip. */
const GOP_MS = 2000;
const FIRST_POLICY = '<record format="fmp4" duration="4s"/>';
const SECOND_POLICY = '<record format="ts" duration="4s"/>';
const policy = (inner: string) =>
  `<application name="live"><publish grace="0"/>${inner}<stream name="av1"><record enable="off"/>
    <record format="flv"/></stream><stream name="again"><record enable="off"/>
    <record name="one" format="fmp4" plan="append"/></stream></application><application name="rec"><publish grace="0"/></application>`;
const config = '<rec><period>60s</period></rec>';

let server: TestServer;

interface FileView {
  readonly start: string;
  readonly end: string;
  readonly format: string;
  readonly open: boolean;
}

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  ask({ port: server.httpPort, path, headers, method });

async function recordings(stream: string): Promise<FileView[]> {
  return JSON.parse((await get(`/api/v1/recordings?stream=${stream}`)).text).recordings;
}

async function until(what: string, test: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!(await test())) {
    if (Date.now() > deadline) assert.fail(`${what} did not happen`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

/** Start of the first file and end of the last, and all of them. */
async function extent(stream: string) {
  const files = await recordings(stream);
  const starts = files.map(({ start }) => Date.parse(start));
  const ends = files.map(({ end }) => Date.parse(end));
  return { files, startMs: Math.min(...starts), endMs: Math.max(...ends) };
}

/** Two formats with a gap between them, and a list; recorded in real time, since times are those of the wall clock. */
before(async () => {
  server = await TestServer.start({ config, policy: policy(FIRST_POLICY) });
  const port = server.rtmpPort;
  const own = await ClipPublisher.start({ port, app: 'rec', name: 'own', leadMs: 0 });
  const first = await ClipPublisher.start({ port, name: 'cam', leadMs: 0 });
  const closed = async (count: number) =>
    (await recordings('live/cam')).filter(({ open }) => !open).length >= count;
  await until('a file', () => closed(1));
  await until(
    'another one',
    async () => (await extent('live/cam')).endMs - (await extent('live/cam')).startMs > 5500,
  );
  first.stop();
  await until('the end of the first publisher', () => closed(2));
  server.application.reload(TestServer.configuration({ config, policy: policy(SECOND_POLICY) }));
  const second = await ClipPublisher.start({ port, name: 'cam', leadMs: 0 });
  await until('a file of the other format', () => closed(3));
  second.stop();
  own.stop();
  await until('the end', async () => (await recordings('live/cam')).every(({ open }) => !open));
  await until('the end of the list', async () => (await recordings('rec/own')).every(({ open }) => !open));
});

after(() => server.close());

async function playlistOf(path: string) {
  const answer = await get(path);
  assert.equal(answer.status, 200, answer.text);
  const list = checkPlaylist(answer.text);
  assert.deepEqual(list.violations, []);
  assert.equal(list.ended, true);
  const resolve = (uri: string) => {
    const url = new URL(uri, `http://x${path}`);
    return url.pathname + url.search;
  };
  const seconds = list.segments.reduce((sum, one) => sum + one.seconds, 0);
  return { answer, list, seconds, paths: list.segments.map(({ uri }) => resolve(uri)) };
}

async function checkTs({ list, paths }: Awaited<ReturnType<typeof playlistOf>>): Promise<HttpAnswer[]> {
  let checker = new TsChecker();
  const answers: HttpAnswer[] = [];
  for (const [index, segment] of list.segments.entries()) {
    const answer = await get(paths[index]!);
    assert.equal(answer.status, 200, answer.text);
    if (segment.discontinuity) {
      assert.deepEqual(checker.finish(), []);
      checker = new TsChecker();
    }
    checker.segment(answer.body, paths[index]);
    answers.push(answer);
  }
  assert.deepEqual(checker.finish(), []);
  return answers;
}

test('recording playback: a window over files of two formats and the gap between them', async () => {
  const { files, startMs, endMs } = await extent('live/cam');
  assert.deepEqual(new Set(files.map(({ format }) => format)), new Set(['fmp4', 'ts']));
  const iso = (ms: number) => encodeURIComponent(new Date(ms).toISOString());
  const list = await playlistOf(
    `/rec/live/cam/index.m3u8?start=${iso(startMs - 5000)}&end=${iso(endMs + 5000)}`,
  );
  await checkTs(list);
  const recorded = files.reduce((sum, one) => sum + Date.parse(one.end) - Date.parse(one.start), 0) / 1000;
  assert.ok(Math.abs(list.seconds - recorded) < 0.3, `${list.seconds} s of ${recorded}`);
  assert.equal(list.list.segments.filter(({ discontinuity }) => discontinuity).length, 1, 'one gap');
  const dates = [...list.answer.text.matchAll(/DATE-TIME:(\S+)/g)].map(([, text]) => Date.parse(text!));
  assert.ok(Math.abs(dates[0]! - startMs) < 200, `${dates[0]! - startMs} ms`);
  assert.ok(Math.abs(Date.parse(String(list.answer.headers['x-sluice-start'])) - startMs) < 200);
  assert.ok(Math.abs(Date.parse(String(list.answer.headers['x-sluice-end'])) - endMs) < 200);
});

test('recording playback: a window grows to key frames and no further', async () => {
  const { startMs } = await extent('live/cam');
  const path = `/rec/live/cam/index.m3u8?start=${startMs + 2500}&duration=1`;
  const { list, seconds, answer, paths } = await playlistOf(path);
  assert.equal(list.segments.length, 1);
  assert.ok(Math.abs(seconds - GOP_MS / 1000) < 0.1, `${seconds}`);
  assert.ok(Math.abs(Date.parse(String(answer.headers['x-sluice-start'])) - startMs - GOP_MS) < 200);
  const whole = await get(paths[0]!);
  assert.match(whole.headers['cache-control'] ?? '', /immutable/);
  const part = await get(paths[0]!, { range: 'bytes=188-375' });
  assert.deepEqual([part.status, part.body], [206, whole.body.subarray(188, 376)]);
  assert.equal((await get(paths[0]!, { 'if-none-match': String(whole.headers.etag) })).status, 304);
  const wider = await playlistOf(`/rec/live/cam/index.m3u8?start=${startMs + 2500}&duration=2.9`);
  assert.ok(wider.list.segments.length > 1, 'the same file and the one behind it');
  assert.ok(
    wider.list.segments.slice(1).every(({ discontinuity }) => !discontinuity),
    'files that go on',
  );
  await checkTs(wider);
});

test('recording playback: lists are found under their short name', async () => {
  const { startMs, endMs } = await extent('rec/own');
  const spelled = [
    `/rec/own/index.m3u8?start=${startMs}&end=${endMs}`,
    `/rec/rec/own/index.m3u8?start=${startMs / 1000}&duration=${(endMs - startMs) / 1000}`,
  ];
  const [one, other] = [await playlistOf(spelled[0]!), await playlistOf(spelled[1]!)];
  assert.ok(Math.abs(one.seconds - (endMs - startMs) / 1000) < 0.3, `${one.seconds} s`);
  assert.ok(one.list.segments.every(({ discontinuity }) => !discontinuity));
  assert.deepEqual(
    (await checkTs(one)).map(({ body }) => body),
    (await checkTs(other)).map(({ body }) => body),
  );
});

test('recording playback: a clip over both formats, whole and in ranges', async () => {
  const { startMs, endMs, files } = await extent('live/cam');
  const path = `/rec/live/cam/clip.mp4?start=${startMs}&end=${endMs}`;
  const whole = await get(path);
  assert.equal(whole.status, 200, whole.text);
  assert.equal(Number(whole.headers['content-length']), whole.body.length);
  assert.match(String(whole.headers['content-disposition']), /^attachment; filename="cam_\d{4}-.*s\.mp4"/);
  const checker = new Mp4Checker();
  const firstMoof = whole.body.indexOf('moof') - 4;
  checker.init(whole.body.subarray(0, firstMoof));
  checker.segment(whole.body.subarray(firstMoof), { discontinuity: false });
  assert.deepEqual(checker.violations, []);
  const size = whole.body.length;
  for (const [from, to] of [
    [0, 9],
    [firstMoof - 5, firstMoof + 5],
    [Math.floor(size / 2), size - 1],
    [size - 1, size - 1],
  ] as const) {
    const part = await get(path, { range: `bytes=${from}-${to}`, 'if-range': String(whole.headers.etag) });
    assert.equal(part.status, 206);
    assert.equal(part.headers['content-range'], `bytes ${from}-${to}/${size}`);
    assert.ok(part.body.equals(whole.body.subarray(from, to + 1)), `${from}-${to}`);
  }
  assert.equal((await get(path, { range: `bytes=${size}-` })).status, 416);
  assert.equal((await get(path, {}, 'HEAD')).headers['content-length'], String(size));
  assert.equal((await get(path, { 'if-none-match': String(whole.headers.etag) })).status, 304);
  if (NODE_AV_MISSING !== false) return;
  const file = join(server.folder, 'clip.mp4');
  writeFileSync(file, whole.body);
  const seen = await playUrl(file, 60);
  const recorded = files.reduce((sum, one) => sum + Date.parse(one.end) - Date.parse(one.start), 0) / 1000;
  assert.deepEqual(
    seen.streams.map(({ kind }) => kind),
    ['video', 'audio'],
  );
  for (const { dts, kind } of seen.streams) {
    assert.ok(
      dts.every((time, at) => at === 0 || time > dts[at - 1]!),
      `${kind}: times grow`,
    );
    assert.ok(
      Math.abs(dts.at(-1)! - dts[0]! - recorded) < 0.5,
      `${kind}: ${dts.at(-1)! - dts[0]!} of ${recorded} s`,
    );
  }
});

test('recording playback: FFmpeg plays a window', { skip: NODE_AV_MISSING }, async () => {
  const { startMs } = await extent('live/cam');
  const seen = await playUrl(server.http(`/rec/live/cam/index.m3u8?start=${startMs}&duration=5`), 60);
  assert.equal(seen.streams.length, 2);
  for (const { dts, kind } of seen.streams) {
    const seconds = dts.at(-1)! - dts[0]!;
    assert.ok(seconds > 5 && seconds < 6.3, `${kind}: ${seconds} s`);
    assert.ok(
      dts.every((time, at) => at === 0 || time > dts[at - 1]!),
      `${kind}: times grow`,
    );
  }
});

test('recording playback: what is not there is told with what is', async () => {
  const { startMs, endMs } = await extent('live/cam');
  const before = await get(`/rec/live/cam/index.m3u8?start=${startMs - 20_000}&end=${startMs - 10_000}`);
  assert.equal(before.status, 404);
  assert.ok(before.text.includes(`The next one begins at ${new Date(startMs).toISOString()}`), before.text);
  const behind = await get(`/rec/live/cam/clip.mp4?start=${endMs + 10_000}&duration=5`);
  assert.equal(behind.status, 404);
  assert.ok(
    behind.text.includes(`The recording before it ends at ${new Date(endMs).toISOString()}`),
    behind.text,
  );
  assert.equal((await get(`/rec/live/none/index.m3u8?start=${startMs}`)).status, 404);
  assert.equal((await get('/rec/live/cam/index.m3u8?start=yesterday')).status, 400);
  assert.equal((await get(`/rec/live/cam/at-${startMs + 1}-0-end.ts?recording=fmp4`)).status, 404);
  const named = await get(`/rec/live/cam/index.m3u8?start=${startMs}&end=${endMs}&recording=nobody`);
  assert.match(named.text, /as "nobody"/);
});

test('recording playback: what is being recorded plays up to its last fragment', async () => {
  const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'now', leadMs: 0 });
  try {
    await until('two fragments', async () => {
      const [file] = await recordings('live/now');
      return file !== undefined && Date.parse(file.end) - Date.parse(file.start) > 2500;
    });
    const { startMs } = await extent('live/now');
    const { seconds, list, paths, answer } = await playlistOf(`/rec/live/now/index.m3u8?start=${startMs}`);
    assert.ok(seconds > 2, `${seconds} s`);
    assert.equal(answer.headers['cache-control'], 'no-cache');
    assert.match(list.segments.at(-1)!.uri, /^tail-/);
    const checker = new TsChecker();
    for (const path of paths) checker.segment((await get(path)).body, path);
    assert.deepEqual(checker.finish(), []);
    const clip = await get(`/rec/live/now/clip.mp4?start=${startMs}&duration=${GOP_MS / 1000}`);
    assert.equal(clip.body.length, Number(clip.headers['content-length']));
    assert.ok(clip.body.length > 10_000);
  } finally {
    publisher.stop();
  }
});

test('recording playback: codecs that MPEG-TS does not have are fragments with an initialization section', async () => {
  const tags = parseFlv(readFileSync('test/vectors/flv/ff8-av1-opus.flv'));
  const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'av1', leadMs: 0, tags });
  const ended = async (count: number) => {
    const files = await recordings('live/av1');
    return files.length >= count && files.every(({ open }) => !open);
  };
  await until('three seconds', async () => {
    const { startMs, endMs } = await extent('live/av1');
    return endMs - startMs > 3000;
  });
  publisher.stop();
  await until('the file', () => ended(1));
  const { startMs, endMs } = await extent('live/av1');
  const { list, paths, seconds, answer } = await playlistOf(
    `/rec/live/av1/index.m3u8?start=${startMs}&end=${endMs}`,
  );
  assert.ok(Math.abs(seconds - (endMs - startMs) / 1000) < 0.3, `${seconds} s`);
  const map = /#EXT-X-MAP:URI="([^"]+)"/.exec(answer.text)?.[1];
  const checker = new Mp4Checker();
  checker.init((await get(`/rec/live/av1/${map}`)).body);
  for (const [index, path] of paths.entries()) {
    const segment = await get(path);
    assert.equal(segment.headers['content-type'], 'video/mp4');
    checker.segment(segment.body, { name: path, discontinuity: list.segments[index]!.discontinuity });
  }
  assert.deepEqual(checker.violations, []);
});

test('recording playback: a file that was continued has the times of both sessions', async () => {
  for (const count of [1, 2]) {
    const before = (await recordings('live/again'))[0];
    const fromMs = before === undefined ? 0 : Date.parse(before.end);
    const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'again', leadMs: 0 });
    await until(`session ${count}`, async () => {
      const [file] = await recordings('live/again');
      return file?.open === true && Date.parse(file.end) - Math.max(fromMs, Date.parse(file.start)) > 2500;
    });
    publisher.stop();
    await until(`end of session ${count}`, async () =>
      (await recordings('live/again')).every(({ open }) => !open),
    );
  }
  const { startMs, endMs, files } = await extent('live/again');
  assert.equal(files.length, 1);
  const all = await playlistOf(`/rec/live/again/index.m3u8?start=${startMs}&end=${endMs}`);
  await checkTs(all);
  assert.equal(all.list.segments.filter(({ discontinuity }) => discontinuity).length, 1);
  assert.ok(all.seconds < (endMs - startMs) / 1000 - 0.05, 'the time between the sessions is not in it');
  assert.ok(Math.abs(Date.parse(String(all.answer.headers['x-sluice-end'])) - endMs) < 200);
  const last = await playlistOf(`/rec/live/again/index.m3u8?start=${endMs - 500}&end=${endMs}`);
  assert.equal(last.list.segments.length, 1);
  assert.deepEqual((await get(last.paths[0]!)).status, 200);
  const clip = await get(`/rec/live/again/clip.mp4?start=${startMs}&end=${endMs}`);
  const checker = new Mp4Checker();
  const firstMoof = clip.body.indexOf('moof') - 4;
  checker.init(clip.body.subarray(0, firstMoof));
  checker.segment(clip.body.subarray(firstMoof));
  assert.deepEqual(checker.violations, []);
});

test('recording playback: nothing stays counted as read, and what is removed is not played', async () => {
  const { startMs, endMs } = await extent('rec/own');
  const { paths } = await playlistOf(`/rec/own/index.m3u8?start=${startMs}&end=${endMs}`);
  const iso = (ms: number) => new Date(ms).toISOString();
  const removed = await ask({
    port: server.httpPort,
    method: 'DELETE',
    path: `/api/v1/recordings?stream=rec/own&start=${iso(startMs)}&end=${iso(endMs + 1)}`,
  });
  assert.equal(removed.status, 200, removed.text);
  assert.deepEqual(await recordings('rec/own'), [], 'nobody reads them');
  assert.equal((await get(paths[0]!)).status, 404);
  assert.deepEqual(server.faults, []);
});
