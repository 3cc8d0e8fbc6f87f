/** Files over HTTP and RTMP out of the whole server, with the test clip. */
import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { request as requestHttp } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { checkPlaylist } from '../conformance/m3u8-checker.ts';
import { TsChecker } from '../conformance/ts-checker.ts';
import { parseFlv } from '../support/flv-tags.ts';
import { ask, type HttpAnswer } from '../support/http-client.ts';
import { RtmpPeer } from '../support/rtmp-peer.ts';
import { TestServer } from '../support/test-server.ts';

const CLIP = 'build/demo-clip.flv';
const BIG = 2_000_000;
let server: TestServer;
let vod = '';

before(async () => {
  server = await TestServer.start({ config: '<vod upload="on" max-upload="1M"/>' });
  vod = join(server.folder, 'vod');
  assert.ok(existsSync(vod), 'the folder is made at the first start');
  mkdirSync(join(vod, '\u5f71\u7247 & "more"'));
  copyFileSync(CLIP, join(vod, 'clip.flv'));
  copyFileSync(CLIP, join(vod, '\u5f71\u7247 & "more"', 'a #1?.flv'));
  writeFileSync(join(vod, '<img src=x onerror=alert(1)>.txt'), 'x');
  writeFileSync(join(vod, 'broken.mp4'), Buffer.alloc(5000, 7));
  writeFileSync(join(vod, '.hidden.mp4'), 'x');
  writeFileSync(join(server.folder, 'secret.txt'), 'secret');
  if (process.platform !== 'win32') symlinkSync(join(server.folder, 'secret.txt'), join(vod, 'link.txt'));
});

after(() => server.close());

function fetchVod(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<HttpAnswer> {
  return ask({ port: server.httpPort, path, headers, method });
}

test('vod: a file, in whole and in part', async () => {
  const whole = await fetchVod('/vod/clip.flv');
  assert.equal(whole.status, 200);
  assert.equal(whole.headers['content-type'], 'video/x-flv');
  assert.deepEqual(whole.body, readFileSync(CLIP));
  const part = await fetchVod('/vod/clip.flv', { range: 'bytes=-10' });
  assert.equal(part.status, 206);
  assert.deepEqual(part.body, readFileSync(CLIP).subarray(-10));
  const saved = await fetchVod('/vod/clip.flv?download=1', {}, 'HEAD');
  assert.match(saved.headers['content-disposition'] ?? '', /^attachment; filename="clip\.flv"/);
  assert.equal((await fetchVod('/vod/none.mp4')).status, 404);
  assert.equal((await fetchVod('/vod/clip.flv/')).status, 404);
});

test('vod: tricks with the address', async () => {
  const tricks = [
    '/vod/../secret.txt',
    '/vod/%2e%2e/secret.txt',
    '/vod/..%2fsecret.txt',
    '/vod/%2e%2e%2fsecret.txt',
    '/vod/..%5csecret.txt',
    '/vod/%252e%252e/secret.txt',
    '/vod/%252e%252e%252fsecret.txt',
    '/vod/%c0%ae%c0%ae/secret.txt',
    '/vod/%c0%ae%c0%ae%c0%afsecret.txt',
    '/vod/%uff0e%uff0e/secret.txt',
    '/vod/%ef%bc%8e%ef%bc%8e/secret.txt',
    '/vod//../secret.txt',
    '/vod/.%00./secret.txt',
    '/vod/clip.flv%00.txt',
    '/vod/link.txt',
    '/vod/.hidden.mp4',
    '/vod/CON',
    '/vod/clip.flv::$DATA',
    '/vod/clip.flv.',
    '/api/vod/../',
    '/api/vod/%2e%2e',
    '/vod/../secret.txt.m3u8',
    '/vod/link.txt.m3u8',
    '/vod/link.txt.m3u8/seg-0.ts',
  ];
  for (const path of tricks) {
    const answer = await fetchVod(path);
    assert.ok(answer.status >= 400 && answer.status < 500, `${path}: ${answer.status}`);
    assert.ok(!answer.text.includes('secret\n') && answer.text !== 'secret', path);
  }
});

test('vod: the folder as JSON', async () => {
  const plain = JSON.parse((await fetchVod('/api/vod')).text);
  assert.deepEqual(plain.dirs, ['\u5f71\u7247 & "more"']);
  assert.deepEqual(plain.files.includes('clip.flv'), true);
  assert.ok(!plain.files.includes('.hidden.mp4'));
  const below = JSON.parse(
    (await fetchVod(`/api/vod/${encodeURIComponent('\u5f71\u7247 & "more"')}?detail=1`)).text,
  );
  const { size, mtimeMs } = statSync(join(vod, '\u5f71\u7247 & "more"', 'a #1?.flv'));
  const mtime = new Date(Math.floor(mtimeMs)).toISOString();
  assert.deepEqual(below, { dirs: [], files: [{ name: 'a #1?.flv', mtime, size }] });
  assert.equal((await fetchVod('/api/vod/none')).status, 404);
  assert.equal((await fetchVod('/api/vod/clip.flv')).status, 404);
});

test('vod: the folder as a page', async () => {
  const moved = await fetchVod('/vod?lang=zh');
  assert.equal(moved.status, 308);
  assert.equal(moved.headers.location, '/vod/?lang=zh');
  const english = await fetchVod('/vod/');
  assert.match(String(english.headers['content-security-policy']), /default-src 'none'/);
  assert.match(english.text, /<html lang="en">/);
  assert.ok(english.text.includes('&lt;img src=x onerror=alert(1)&gt;.txt'));
  assert.ok(!english.text.includes('<img src=x'));
  assert.ok(english.text.includes('href="./clip.flv.m3u8"'));
  const chinese = await fetchVod('/vod/', { 'accept-language': 'fr, zh-CN;q=0.8, en;q=0.5' });
  assert.match(chinese.text, /<html lang="zh-Hans">/);
  const href = /href="(\.\/%E5%BD%B1[^"]*)"/.exec(english.text)?.[1];
  const below = await fetchVod(new URL(href!, 'http://x/vod/').pathname);
  assert.ok(below.text.includes('href="./a%20%231%3F.flv"'));
});

async function playlistOf(path: string) {
  const answer = await fetchVod(path);
  assert.equal(answer.status, 200, answer.text);
  const list = checkPlaylist(answer.text);
  assert.deepEqual(list.violations, []);
  assert.equal(list.ended, true);
  const resolve = (uri: string) => {
    const url = new URL(uri, `http://x${path}`);
    return url.pathname + url.search;
  };
  return { answer, list, paths: list.segments.map(({ uri }) => resolve(uri)) };
}

test('vod: FLV as HLS, under both spellings and under difficult names', async () => {
  const folder = encodeURIComponent('\u5f71\u7247 & "more"');
  const spellings = ['/vod/clip.flv.m3u8', '/vod/clip.flv/index.m3u8', `/vod/${folder}/a%20%231%3F.flv.m3u8`];
  const made: Buffer[][] = [];
  for (const spelling of spellings) {
    const { answer, list, paths } = await playlistOf(spelling);
    assert.equal(answer.headers['content-type'], 'application/vnd.apple.mpegurl');
    const checker = new TsChecker();
    const segments = await Promise.all(paths.map((path) => fetchVod(path)));
    for (const [index, segment] of segments.entries()) {
      assert.equal(segment.status, 200, paths[index]);
      assert.equal(segment.headers['content-type'], 'video/mp2t');
      assert.match(segment.headers['cache-control'] ?? '', /immutable/);
      checker.segment(segment.body, paths[index]);
    }
    assert.deepEqual(checker.finish(), []);
    made.push(segments.map(({ body }) => body));
    const frames = parseFlv(readFileSync(CLIP)).filter(({ type, payload }) => type === 9 && payload[1] === 1);
    const video = [...checker.streams.values()].find(({ streamType }) => streamType === 0x1b);
    assert.equal(video?.accessUnits, frames.length, 'every picture, once');
    const seconds = list.segments.reduce((sum, { seconds }) => sum + seconds, 0);
    assert.ok(Math.abs(seconds - (frames.at(-1)!.timestamp + 40) / 1000) < 0.2, `${seconds} s`);
  }
  assert.deepEqual(made[0], made[1]);
});

test('vod: segments answer conditions and ranges, and change their address with the file', async () => {
  const path = '/vod/changing.flv.m3u8';
  copyFileSync(CLIP, join(vod, 'changing.flv'));
  const { paths, answer } = await playlistOf(path);
  const whole = await fetchVod(paths[0]!);
  const part = await fetchVod(paths[0]!, { range: 'bytes=188-375' });
  assert.equal(part.status, 206);
  assert.deepEqual(part.body, whole.body.subarray(188, 376));
  assert.equal((await fetchVod(paths[0]!, { 'if-none-match': whole.headers.etag! })).status, 304);
  assert.equal((await fetchVod(path, { 'if-none-match': answer.headers.etag! })).status, 304);
  utimesSync(join(vod, 'changing.flv'), new Date(), new Date(Date.now() + 5000));
  assert.equal((await fetchVod(paths[0]!)).status, 404);
  const again = await playlistOf(path);
  assert.notEqual(again.paths[0], paths[0]);
  assert.deepEqual((await fetchVod(again.paths[0]!)).body, whole.body);
  for (const wrong of ['seg-9999.ts', 'seg-0.m4s', 'init-0.mp4'])
    assert.equal((await fetchVod(`/vod/changing.flv.m3u8/${wrong}`)).status, 404, wrong);
});

test('vod: what is no media file is refused in words, and a real playlist is served as it is', async () => {
  const broken = await fetchVod('/vod/broken.mp4.m3u8');
  assert.equal(broken.status, 415);
  writeFileSync(join(vod, 'own.m3u8'), '#EXTM3U\n');
  assert.equal((await fetchVod('/vod/own.m3u8')).text, '#EXTM3U\n');
  assert.equal((await fetchVod('/vod/none.mp4.m3u8')).status, 404);
});

test('vod: FLV from a byte and from a time', async () => {
  const tags = parseFlv(readFileSync(CLIP));
  const keys = tags.filter(({ type, payload }) => type === 9 && payload[0] === 0x17 && payload[1] === 1);
  const third = keys[2]!;
  for (const query of [
    `starttime=${third.timestamp / 1000 + 0.3}`,
    `start=${positionOf(third.timestamp) + 5}`,
  ]) {
    const answer = await fetchVod(`/vod/clip.flv?${query}`);
    assert.equal(answer.status, 200);
    assert.equal(Number(answer.headers['content-length']), answer.body.length);
    const sent = parseFlv(answer.body);
    assert.deepEqual(
      sent.slice(0, 3).map(({ type }) => type),
      [18, 9, 8],
      'metadata and configurations first',
    );
    assert.equal(sent[3]!.timestamp, third.timestamp, query);
    assert.equal(sent[3]!.payload[0], 0x17);
    assert.equal(sent.at(-1)!.timestamp, tags.at(-1)!.timestamp);
  }
  assert.equal((await fetchVod('/vod/clip.flv?start=x')).status, 400);
});

/** Where the video tag of that time begins in the clip. */
function positionOf(timestamp: number): number {
  const bytes = readFileSync(CLIP);
  for (let at = 13; at < bytes.length; at += 15 + bytes.readUIntBE(at + 1, 3)) {
    if (bytes[at] === 9 && bytes.readUIntBE(at + 4, 3) === timestamp && bytes[at + 12] === 1) return at;
  }
  throw new Error('no such tag');
}

function upload(
  path: string,
  files: readonly (readonly [string, Buffer])[],
  cut = false,
): Promise<HttpAnswer> {
  const parts: Buffer[] = [];
  for (const [name, bytes] of files) {
    parts.push(
      Buffer.from(`--XyZ\r\nContent-Disposition: form-data; name="file"; filename="${name}"\r\n\r\n`),
    );
    parts.push(bytes, Buffer.from('\r\n'));
  }
  if (!cut) parts.push(Buffer.from('--XyZ--\r\n'));
  return new Promise((resolve, reject) => {
    const request = requestHttp(
      {
        host: '127.0.0.1',
        port: server.httpPort,
        path,
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'multipart/form-data; boundary=XyZ' },
      },
      (response) => {
        const got: Buffer[] = [];
        response.on('data', (bytes: Buffer) => got.push(bytes));
        response.on('end', () => {
          const body = Buffer.concat(got);
          resolve({ status: response.statusCode!, headers: response.headers, body, text: body.toString() });
        });
      },
    );
    request.on('error', reject);
    request.end(Buffer.concat(parts));
  });
}

test('vod: upload of several files', async () => {
  const done = await upload('/vod/new/deep', [
    ['one.ts', Buffer.alloc(300_000, 1)],
    ['\u4e8c.mp4', Buffer.from('two')],
  ]);
  assert.equal(done.status, 201, done.text);
  assert.deepEqual(JSON.parse(done.text), {
    files: [
      { name: 'one.ts', size: 300_000, url: '/vod/new/deep/one.ts' },
      { name: '\u4e8c.mp4', size: 3, url: '/vod/new/deep/%E4%BA%8C.mp4' },
    ],
    errors: [],
  });
  assert.equal(readFileSync(join(vod, 'new/deep/\u4e8c.mp4'), 'utf8'), 'two');
  assert.equal((await fetchVod('/vod/new/deep/one.ts')).body.length, 300_000);
  const twice = await upload('/vod/new/deep', [['one.ts', Buffer.from('x')]]);
  assert.equal(twice.status, 409);
  const twin = await upload('/vod/new/deep', [['ONE.TS', Buffer.from('x')]]);
  assert.equal(twin.status, 409);
  assert.equal((await upload('/vod/NEW', [['a.mp4', Buffer.from('x')]])).status, 409);
  const replaced = await upload('/vod/new/deep?overwrite=1', [['one.ts', Buffer.from('x')]]);
  assert.equal(replaced.status, 201);
  assert.equal(readFileSync(join(vod, 'new/deep/one.ts'), 'utf8'), 'x');
});

test('vod: uploads that are refused leave nothing behind', async () => {
  const names = ['../out.mp4', 'a/b.mp4', '.htaccess', 'CON', 'a:b', 'x.', 'a%2e%2e%2fb', 'what?.mp4'];
  for (const name of names) {
    const answer = await upload('/vod/tricks', [
      [name, Buffer.from('bad')],
      ['good.mp4', Buffer.from('good')],
    ]);
    assert.equal(answer.status, 400, name);
    const { files, errors } = JSON.parse(answer.text);
    assert.deepEqual([files.length + errors.length, errors[0].name], [2, name]);
    assert.deepEqual(readdirSync(join(vod, 'tricks')), ['good.mp4'], name);
    await upload('/vod/tricks?overwrite=1', [['good.mp4', Buffer.from('good')]]);
    const { rmSync } = await import('node:fs');
    rmSync(join(vod, 'tricks', 'good.mp4'));
  }
  const big = await upload('/vod/tricks', [['big.mp4', Buffer.alloc(BIG)]]);
  assert.equal(big.status, 413);
  const exact = await upload('/vod/tricks', [['exact.mp4', Buffer.alloc(1024 * 1024)]]);
  assert.equal(exact.status, 201);
  const cut = await upload('/vod/tricks', [['cut.mp4', Buffer.alloc(1000)]], true);
  assert.equal(cut.status, 400);
  assert.deepEqual(readdirSync(join(vod, 'tricks')), ['exact.mp4']);
  assert.equal((await fetchVod('/vod/x', {}, 'POST')).status, 415);
  assert.equal((await upload('/vod/../x', [['a', Buffer.from('x')]])).status, 400);
  assert.equal((await upload('/vod/clip.flv', [['a', Buffer.from('x')]])).status, 409);
});

test('vod: an upload that breaks off leaves nothing behind', async () => {
  const request = requestHttp({
    host: '127.0.0.1',
    port: server.httpPort,
    path: '/vod/broken-off',
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'multipart/form-data; boundary=XyZ', 'content-length': '1000000' },
  });
  request.on('error', () => undefined);
  request.write('--XyZ\r\nContent-Disposition: form-data; name="f"; filename="a.mp4"\r\n\r\n');
  request.write(Buffer.alloc(100_000));
  const folder = join(vod, 'broken-off');
  await server.until('the upload', () => existsSync(folder) && readdirSync(folder).length === 1);
  assert.match(readdirSync(folder)[0]!, /^\.upload-/);
  request.destroy();
  await server.until('the end of the upload', () => readdirSync(folder).length === 0);
});

test('vod: RTMP plays a file, under all spellings', async () => {
  for (const name of ['clip.flv', 'flv:clip.flv', 'flv:clip', 'clip', 'mp4:clip.flv']) {
    const peer = await RtmpPeer.open({ port: server.rtmpPort, app: 'vod' });
    await peer.play(name);
    await server.until(`media of ${name}`, () => peer.tags.filter(({ type }) => type === 9).length > 20);
    const sessions = server.application.context.sessions.all();
    assert.ok(sessions.some(({ streamText, role }) => streamText === `vod/${name}` && role === 'player'));
    peer.close();
  }
  const missing = await RtmpPeer.open({ port: server.rtmpPort, app: 'vod' });
  await assert.rejects(missing.play('none.mp4'), /StreamNotFound/);
  const tricks = await RtmpPeer.open({ port: server.rtmpPort, app: 'vod' });
  await assert.rejects(tricks.play('../secret.txt'), /NetStream/);
  const publisher = await RtmpPeer.open({ port: server.rtmpPort, app: 'vod' });
  await assert.rejects(publisher.publish('cam'), /NetStream/);
  for (const peer of [missing, tricks, publisher]) peer.close();
});

test('vod: switched off', async () => {
  const off = await TestServer.start({ config: '<vod enable="off"/>' });
  assert.equal((await ask({ port: off.httpPort, path: '/vod/' })).status, 403);
  await assert.rejects(RtmpPeer.open({ port: off.rtmpPort, app: 'vod' }));
  await off.close();
  const closed = await TestServer.start();
  const answer = await ask({ port: closed.httpPort, path: '/vod/', method: 'POST' });
  assert.equal(answer.status, 403);
  await closed.close();
});
