/** Pages, API, headers and addresses of the HTTP server, and what it refuses. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { type FlvBody, openFlv } from '../support/flv-body.ts';
import { ask, type HttpAnswer } from '../support/http-client.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const SECRET = 'what lies outside the folder of the pages';

let server: TestServer;
let publisher: ClipPublisher;
let folder = '';

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-pages-'));
  const root = join(folder, 'html');
  mkdirSync(join(root, 'sub'), { recursive: true });
  writeFileSync(join(folder, 'secret.txt'), SECRET);
  writeFileSync(join(root, 'index.html'), `<p>${'own page '.repeat(200)}</p>`);
  writeFileSync(join(root, 'sub', 'a b.txt'), 'a file with a space in its name');
  symlinkSync(join(folder, 'secret.txt'), join(root, 'link.txt'));
  symlinkSync(folder, join(root, 'out'));
  symlinkSync(join(root, 'sub'), join(root, 'inside'));
  server = await TestServer.start({
    http: `<root>${root}</root>`,
  });
  publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam' });
});

after(async () => {
  publisher.stop();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function get(
  path: string,
  method = 'GET',
  headers: Readonly<Record<string, string>> = {},
): Promise<HttpAnswer> {
  return ask({ port: server.httpPort, path, method, headers });
}

async function json(path: string, status = 200): Promise<Record<string, unknown>> {
  const answer = await get(path);
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers['content-type'] ?? '', /^application\/json/, path);
  return JSON.parse(answer.text) as Record<string, unknown>;
}

test('pages: conditional requests, compression, HEAD', async () => {
  const plain = await get('/');
  assert.equal(plain.status, 200);
  assert.match(plain.text, /own page/);
  assert.match(String(plain.headers['content-security-policy']), /default-src 'self'/);
  assert.equal(plain.headers['x-content-type-options'], 'nosniff');
  const { etag } = plain.headers;
  assert.ok(etag);
  const again = await get('/', 'GET', { 'If-None-Match': etag });
  assert.equal(again.status, 304);
  assert.equal(again.body.length, 0);
  assert.equal((await get('/', 'GET', { 'If-None-Match': '"other"' })).status, 200);
  const head = await get('/index.html', 'HEAD');
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
  assert.equal(Number(head.headers['content-length']), plain.body.length);
});

test('pages: text of the executable is compressed for who takes it', async () => {
  const embedded = await TestServer.start({
    http: '<root>no-such-folder</root>',
  });
  const { httpPort: port } = embedded;
  const plain = await ask({ port, path: '/' });
  assert.equal(plain.status, 200, plain.text);
  const zipped = await ask({ port, path: '/', headers: { 'Accept-Encoding': 'gzip, br' } });
  assert.equal(zipped.headers['content-encoding'], 'gzip');
  assert.match(String(zipped.headers.vary), /Accept-Encoding/i);
  assert.ok(zipped.body.length < plain.body.length);
  assert.deepEqual(gunzipSync(zipped.body), plain.body);
  const without = await ask({ port, path: '/', headers: { 'Accept-Encoding': 'identity' } });
  assert.equal(without.headers['content-encoding'], undefined);
  await embedded.close();
});

test('a path never leads out of the folder', async () => {
  assert.equal((await get('/sub/a%20b.txt')).text, 'a file with a space in its name');
  assert.equal((await get('/inside/a%20b.txt')).status, 200, 'a link that stays inside');
  const tricks = [
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/.%2e/secret.txt',
    '/sub/../../secret.txt',
    '/sub/%2e%2e/%2e%2e/secret.txt',
    '/..%2fsecret.txt',
    '/%2e%2e%2fsecret.txt',
    '/..%5csecret.txt',
    '/%5c..%5csecret.txt',
    '/sub/..%5c..%5csecret.txt',
    '/%252e%252e/secret.txt',
    '/link.txt',
    '/out/secret.txt',
    '/index.html%00.txt',
    '/%00',
    '/%c0%ae%c0%ae/secret.txt',
    '//secret.txt',
    `/${encodeURIComponent(join(folder, 'secret.txt'))}`,
    `/${join(folder, 'secret.txt')}`,
    '/docs/..%2f..%2fsecret.txt',
    '/live/..%2f..%2fsecret.flv',
    '/%zz',
  ];
  for (const path of tricks) {
    const { status, text } = await get(path);
    assert.ok(status === 404 || status === 400 || status === 403, `${path}: ${status}`);
    assert.ok(!text.includes(SECRET), path);
  }
});

test('other origins may load streams, pages ask first', async () => {
  const preflight = await get('/live/cam.m3u8', 'OPTIONS', { Origin: 'https://elsewhere.example' });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers['access-control-allow-origin'], '*');
  assert.match(String(preflight.headers['access-control-allow-methods']), /GET/);
  assert.ok(preflight.headers['access-control-allow-headers']);
  for (const path of ['/api/v1/streams', '/live/nobody.flv', '/']) {
    assert.equal((await get(path)).headers['access-control-allow-origin'], '*', path);
  }
  const closed = await TestServer.start({
    http: '<cors></cors>',
  });
  const answer = await ask({ port: closed.httpPort, path: '/api/v1/versions' });
  assert.equal(answer.headers['access-control-allow-origin'], undefined);
  await closed.close();
});

test('HEAD of a stream tells the type and ends', async () => {
  const { status, headers, body } = await get('/live/cam.flv', 'HEAD');
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'video/x-flv');
  assert.equal(body.length, 0);
});

test('API v1: streams, clients, vhosts', async () => {
  const player: FlvBody = await openFlv(server.http('/live/cam.flv'));
  await until('media', () => player.tags.length > 50);
  const all = await json('/api/v1/streams');
  assert.equal(all['code'], 0);
  const streams = all['streams'] as Record<string, unknown>[];
  const cam = streams.find((stream) => stream['name'] === 'cam')!;
  assert.equal(cam['url'], '/live/cam');
  assert.equal(cam['app'], 'live');
  assert.equal(cam['clients'], 1);
  assert.deepEqual(cam['video'], { codec: 'H264', profile: 'High', level: '3.1', width: 1280, height: 720 });
  assert.equal((cam['audio'] as Record<string, unknown>)['codec'], 'AAC');
  assert.ok((cam['recv_bytes'] as number) > 10_000);
  assert.ok((cam['frames'] as number) > 50);
  const tracks = cam['tracks'] as Record<string, unknown>[];
  assert.deepEqual(
    tracks.map((track) => track['codec']),
    ['h264', 'aac'],
  );
  assert.ok(streams.some((stream) => stream['name'] === 'demo' && stream['on_demand'] === true));
  const one = await json(`/api/v1/streams/${cam['id']}`);
  assert.equal((one['stream'] as Record<string, unknown>)['name'], 'cam');

  const clients = (await json('/api/v1/clients'))['clients'] as Record<string, unknown>[];
  const viewer = clients.find((client) => client['protocol'] === 'http-flv')!;
  assert.equal(viewer['type'], 'flv-play');
  assert.equal(viewer['url'], '/live/cam');
  assert.equal(viewer['ip'], '127.0.0.1');
  const encoder = clients.find((client) => client['publish'] === true)!;
  assert.equal(encoder['type'], 'fmle-publish');
  assert.equal((cam['publish'] as Record<string, unknown>)['cid'], encoder['id']);
  assert.equal(
    ((await json(`/api/v1/clients/${viewer['id']}`))['client'] as Record<string, unknown>)['id'],
    viewer['id'],
  );
  const vhosts = (await json('/api/v1/vhosts'))['vhosts'] as Record<string, unknown>[];
  assert.equal(vhosts[0]!['enabled'], true);
  assert.ok((vhosts[0]!['recv_bytes'] as number) > 0);
  player.close();
  await until(
    'the end of the viewer',
    () => server.application.context.sessions.get(String(viewer['id'])) === undefined,
  );
});

test('API v1: pages of long lists', async () => {
  const both = await json('/api/v1/streams?count=1');
  assert.equal((both['streams'] as unknown[]).length, 1);
  assert.equal(both['total'], 2);
  const none = await json('/api/v1/streams?start=5&count=10');
  assert.deepEqual(none['streams'], []);
});

test('API v1: server, versions, summaries', async () => {
  const data = (await json('/api/v1/server'))['data'] as Record<string, unknown>;
  assert.equal(data['name'], 'Sluice');
  const publish = data['publish'] as { type: string; port: number; url: string }[];
  assert.deepEqual(
    publish.map((one) => [one.type, one.port]),
    [
      ['rtmp', server.rtmpPort],
      ['rtmps', server.rtmpsPort],
      ['rtsp', server.rtspPort],
      ['rtsps', server.rtspsPort],
      ['srt', server.srtPort],
    ],
  );
  const versions = (await json('/api/v1/versions'))['data'] as Record<string, unknown>;
  assert.equal(versions['version'], server.application.context.version);
  const summary = (await json('/api/v1/summaries'))['data'] as Record<string, Record<string, unknown>>;
  assert.equal(summary['ok'], true);
  assert.equal(summary['self']!['pid'], process.pid);
  assert.ok((summary['system']!['srs_recv_bytes'] as number) > 0);
  const index = await json('/api/v1');
  assert.ok(Object.keys(index['urls'] as object).includes('streams'));
});

test("smart_rtmpd's addresses", async () => {
  const live = await json('/api/live');
  assert.deepEqual(live['stream'], [`rtmp://127.0.0.1:${server.rtmpPort}/live/cam`]);
  assert.deepEqual(await json('/api/stream'), live);
  const detail = await json('/api/live?name=cam&app=live');
  const media = detail['media'] as Record<string, Record<string, unknown>>;
  assert.equal(media['video']!['codec'], 'h264');
  assert.equal(media['video']!['width'], 1280);
  assert.equal(media['audio']!['codec'], 'aac');
  assert.match(String((detail['app'] as Record<string, unknown>)['duration']), /^PT\d+S$/);
  const player = await openFlv(`ws://127.0.0.1:${server.httpPort}/live/cam.flv`);
  const count = await get('/api/live?name=cam&cmd=count');
  assert.match(count.headers['content-type'] ?? '', /^text\/plain/);
  assert.match(count.text, /^rtmp:0\nflv:1\nrtsp:0\nhls:\d\n$/);
  player.close();
  const status = (await json('/api/status')) as Record<string, Record<string, unknown>>;
  assert.deepEqual(status['http'], { port: server.httpPort, run: true });
  assert.deepEqual(status['https'], { port: server.httpsPort, run: true });
  assert.deepEqual(status['rtmp'], { port: server.rtmpPort, run: true, ssl: false });
  assert.match(String(status['start_time']), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
});

test('the API refuses with a sentence in JSON', async () => {
  const cases: readonly [path: string, status: number, text: RegExp][] = [
    ['/api/v1/nothing', 404, /has no \/api\/v1\/nothing/],
    ['/api/nothing', 404, /has no \/api\/nothing/],
    ['/api/v1/__proto__', 404, /has no/],
    ['/api/v1/constructor', 404, /has no/],
    ['/api/v1/streams/nobody', 404, /nobody/],
    ['/api/v1/clients/nobody', 404, /no session nobody/],
    ['/api/live?name=nobody', 404, /Nobody publishes live\/nobody/],
    ['/api/v1/streams?start=-1', 400, /start=-1 is not a whole number/],
    ['/api/v1/streams?count=many', 400, /count=many/],
    ['/api/v1/clients?count=1e3', 400, /count=1e3/],
    ['/api/v1/clients?start=99999999999999999999', 400, /start=/],
  ];
  for (const [path, status, text] of cases) {
    const answer = await json(path, status);
    assert.equal(answer['code'], status, path);
    assert.match(String(answer['message']), text);
  }
});

test('the API refuses other methods in JSON too', async () => {
  const answer = await get('/api/v1/streams', 'DELETE');
  assert.ok(answer.status === 404 || answer.status === 405);
  assert.match(answer.headers['content-type'] ?? '', /^application\/json/);
  assert.match(String((JSON.parse(answer.text) as Record<string, unknown>)['message']), /\S/);
});

test('a WebSocket at any other address is refused with 404', async () => {
  const socket = connect({ port: server.httpPort, host: '127.0.0.1' });
  let text = '';
  socket.on('data', (bytes: Buffer) => {
    text += bytes.toString('latin1');
  });
  socket.write(
    'GET /elsewhere HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  );
  await new Promise<void>((resolve) => socket.on('close', () => resolve()));
  assert.match(text, /^HTTP\/1\.1 404 /);
  assert.match(text, /There is no WebSocket at this address/);
});

test('nothing of all that was a fault of ours', () => {
  assert.deepEqual(server.faults, []);
});
