/** Recording through the whole server: by application, policy and API; lists, playing, removing. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request as requestHttp } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { rebuildIndex } from '../../src/recordings/index-rebuild.ts';
import { RecordingIndex } from '../../src/recordings/recording-index.ts';
import { FileReaders } from '../../src/runtime/file-response.ts';
import { nameReader } from '../../src/service/record/index.ts';
import { checkPlaylist } from '../conformance/m3u8-checker.ts';
import { TsChecker } from '../conformance/ts-checker.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { ask, type HttpAnswer } from '../support/http-client.ts';
import { playUrl } from '../support/node-av.ts';
import { NODE_AV_MISSING } from '../support/programs.ts';
import { S3_KEY, S3_SECRET, S3Server } from '../support/s3-server.ts';
import { TestServer } from '../support/test-server.ts';

const SPEED = 4;
const byName = (a: string, b: string) => (a < b ? -1 : 1);

let server: TestServer;
let storage: S3Server;
let cam: ClipPublisher;
let own: ClipPublisher;

type Json = Readonly<Record<string, never>> & { readonly [name: string]: unknown };

const get = (path: string, headers: Record<string, string> = {}) =>
  ask({ port: server.httpPort, path, headers });
const getJson = async (path: string) => JSON.parse((await get(path)).text) as Json;

function send(
  method: string,
  path: string,
  body = '',
  headers: Record<string, string> = {},
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const target = { host: '127.0.0.1', port: server.httpPort, path, method, headers, agent: false };
    const request = requestHttp(target, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        const all = Buffer.concat(parts);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: all,
          text: all.toString('utf8'),
        });
      });
    });
    request.on('error', reject);
    request.end(body);
  });
}

interface FileView {
  readonly file: string;
  readonly url: string;
  readonly recording: string;
  readonly format: string;
  readonly start: string;
  readonly end: string;
  readonly duration: number;
  readonly bytes: number;
  readonly open: boolean;
}

async function recordings(stream: string, query = ''): Promise<FileView[]> {
  const answer = await getJson(`/api/v1/recordings?stream=${stream}${query}`);
  return answer['recordings'] as unknown as FileView[];
}

async function until(what: string, test: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await test())) {
    if (Date.now() > deadline) assert.fail(`${what} did not happen`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

before(async () => {
  storage = await S3Server.start();
  server = await TestServer.start({
    config: `<rec><period>4s</period></rec>
      <s3><endpoint>${storage.endpoint}</endpoint><bucket>archive</bucket><region>eu-test-1</region>
        <key>${S3_KEY}</key><secret>${S3_SECRET}</secret></s3>`,
    policy: `<application name="live"><publish grace="0"/><record format="fmp4" duration="4s" upload="off"/>
        <record format="flv" plan="session" path="[app]/[stream]-[seq]-[duration]"/>
        <record name="asked" format="ts" enable="manual"/>
        <stream name="again"><record enable="off"/><record name="one" format="fmp4" plan="append"/></stream></application>
      <application name="rec"><publish grace="0"/></application>`,
  });
  const port = server.rtmpPort;
  cam = await ClipPublisher.start({ port, name: 'cam', speed: SPEED, leadMs: 0 });
  own = await ClipPublisher.start({ port, app: 'rec', name: 'own', speed: SPEED, leadMs: 0 });
});

after(async () => {
  cam.stop();
  own.stop();
  await server.close();
  await storage.close();
});

test('record: streams of the application rec are HLS below host, stream, day', async () => {
  await until('two lists', async () => (await recordings('rec/own')).filter((one) => !one.open).length >= 2);
  const [first] = await recordings('rec/own');
  assert.match(first!.file, /^127\.0\.0\.1\/own\/\d{4}-\d\d-\d\d\/\d\d-\d\d-\d\d\.m3u8$/);
  assert.match(first!.url, /^\/rec\/own\/\d{4}-\d\d-\d\d\/\d\d-\d\d-\d\d\.m3u8$/);
  const list = await get(first!.url);
  assert.equal(list.headers['content-type'], 'application/vnd.apple.mpegurl');
  const checked = checkPlaylist(list.text);
  assert.equal(checked.segments.length > 0 && /#EXT-X-ENDLIST/.test(list.text), true);
  const checker = new TsChecker();
  for (const { uri } of checked.segments) {
    const segment = await get(new URL(uri, `http://h${first!.url}`).pathname);
    assert.equal(segment.headers['content-type'], 'video/mp2t');
    checker.segment(segment.body, uri);
  }
  assert.deepEqual(checker.violations, []);
});

test('record: the lists of smart_rtmpd, in all their forms', async () => {
  const [first] = await recordings('rec/own');
  const [day, file] = first!.url.split('/').slice(-2) as [string, string];
  const time = file.slice(0, -'.m3u8'.length);
  const dirs = (await getJson('/api/rec'))['dirs'] as unknown as string[];
  assert.deepEqual(dirs, ['live/cam', 'own']);
  assert.deepEqual((await getJson('/api/rec?vhost=127.0.0.1'))['dirs'], ['live/cam', 'own']);
  assert.deepEqual((await getJson('/api/rec?vhost=other.example'))['dirs'], []);
  for (const path of ['/rec/own', '/api/rec/own', '/rec/own?cmd=query'])
    assert.deepEqual(await getJson(path), { dirs: [day] }, path);
  for (const path of [
    `/rec/own/${day}`,
    `/rec/own?day=${day}`,
    `/rec/own?cmd=query&day=${day}`,
    `/api/rec/own/${day}`,
  ]) {
    const { files } = (await getJson(path)) as unknown as { files: string[] };
    assert.equal(files[0], file, path);
  }
  const old = await get(`/rec/own?day=${day}&time=${file}`);
  assert.deepEqual([old.status, old.headers.location], [302, `/rec/own/${day}/${time}.m3u8`]);
  const oldest = await get(`/rec/own.m3u8?day=${day}&time=${time}`);
  assert.deepEqual([oldest.status, oldest.headers.location], [302, `/rec/own/${day}/${time}.m3u8`]);
  assert.equal((await get(`/rec/own?day=${day}&time=x`)).status, 400);
  assert.deepEqual(await getJson('/rec/nobody'), { dirs: [] });
  assert.equal((await get(`/rec/own/${day}/00-00-00.m3u8`)).status, 404);
  assert.equal((await get(`/rec/own/${day}/..%2f..%2f..%2fsecret`)).status, 400);
  assert.equal((await get('/rec/-/.index/x')).status, 400);
});

test('record: by policy, as fMP4 in pieces, with ranges', async () => {
  await until('two files', async () => {
    const files = await recordings('live/cam');
    return files.filter((one) => one.recording === 'fmp4' && !one.open).length >= 2;
  });
  const all = (await recordings('live/cam')).filter((one) => one.recording === 'fmp4');
  const [first, second] = all;
  assert.ok(first!.duration >= 3.9 && first!.duration < 7, `${first!.duration} s`);
  assert.ok(Date.parse(second!.start) > Date.parse(first!.start));
  const whole = await get(first!.url);
  assert.deepEqual(
    [whole.status, whole.headers['content-type'], whole.body.length],
    [200, 'video/mp4', first!.bytes],
  );
  const part = await get(first!.url, { Range: 'bytes=4-7' });
  assert.deepEqual(
    [part.status, part.text, part.headers['content-range']],
    [206, 'ftyp', `bytes 4-7/${first!.bytes}`],
  );
  const open = all.find((one) => one.open);
  assert.ok(open === undefined || (await get(open.url)).status === 200);
});

test('record: files are what FFmpeg 8 reads', { skip: NODE_AV_MISSING }, async () => {
  const file = (await recordings('live/cam')).find((one) => one.recording === 'fmp4' && !one.open)!;
  const seen = await playUrl(server.http(file.url), 30);
  assert.deepEqual(seen.streams.map((stream) => stream.kind).sort(), ['audio', 'video']);
  const { dts, keys } = seen.streams.find((stream) => stream.kind === 'video')!;
  assert.ok(keys[0], 'it begins with a key frame');
  assert.ok(Math.abs(dts.at(-1)! - dts[0]! - file.duration) < 0.2);
});

test('record: lists by stream, time and page', async () => {
  const all = (await recordings('live/cam')).filter((one) => !one.open);
  const [first] = all;
  const page = await getJson('/api/v1/recordings?stream=live/cam&count=1&page=1');
  assert.equal((page['recordings'] as unknown as FileView[]).length, 1);
  assert.equal(page['page'], 1);
  assert.deepEqual(await recordings('cam', '&app=live&end=2001-01-01T00:00:00Z'), []);
  const starts = (await recordings('live/cam')).map((one) => Date.parse(one.start));
  const earliest = new Date(Math.min(...starts)).toISOString();
  const until = encodeURIComponent(earliest.replace('Z', '+00:00'));
  assert.deepEqual(await recordings('live/cam', `&end=${until}`), []);
  const early = await recordings(
    'live/cam',
    `&start=${Date.parse(first!.start)}&end=${Date.parse(first!.start) + 1}`,
  );
  assert.ok(early.some((one) => one.file === first!.file));
  const { streams } = (await getJson('/api/v1/recordings')) as unknown as { streams: { stream: string }[] };
  assert.deepEqual(
    streams.map((one) => one.stream),
    ['live/cam', 'rec/own'],
  );
  for (const query of ['stream=cam', 'stream=live/cam&start=yesterday', 'stream=live/cam&count=x']) {
    const answer = await get(`/api/v1/recordings?${query}`);
    assert.equal(answer.status, 400, query);
    assert.match(answer.text, /"message":"[A-Z]?.{10,}"/);
  }
});

test('record: started and stopped by the API, in the three ways', async () => {
  const active = async (recording: string) => {
    const { recordings: list } = (await getJson('/api/v1/recordings/active')) as unknown as {
      recordings: { recording: string; state: string; file: string; bytes: number }[];
    };
    return list.find((one) => one.recording === recording);
  };
  const body = JSON.stringify({ app: 'live', stream: 'cam', format: 'ts', plan: 'session', name: 'mine' });
  const started = await send('POST', '/api/v1/recordings/start', body, {
    'Content-Type': 'application/json',
  });
  assert.equal(started.status, 200, started.text);
  await until('bytes', async () => ((await active('mine'))?.bytes ?? 0) > 0);
  const twice = await send('POST', '/api/v1/recordings/start', body);
  assert.equal(twice.status, 409);
  assert.match(twice.text, /another name/);
  const stopped = await send('POST', '/api/v1/recordings/stop?stream=live/cam&name=mine');
  assert.equal(stopped.status, 200);
  await until('the file', async () =>
    (await recordings('live/cam')).some((one) => one.recording === 'mine' && !one.open),
  );
  assert.equal(await active('mine'), undefined);
  assert.equal((await send('POST', '/api/v1/recordings/stop?stream=live/cam&name=mine')).status, 404);

  const manual = await send('POST', '/api/v1/recordings/start?app=live&stream=cam&name=asked');
  assert.equal((JSON.parse(manual.text) as { recording: { format: string } }).recording.format, 'ts');
  await send('POST', '/api/v1/recordings/stop?app=live&stream=cam&name=asked');

  const path = (await get('/control/record/start?app=live&name=cam&rec=nginx')).text.trim();
  assert.match(path, /rec.*\.flv$/);
  await until('bytes', async () => ((await active('nginx'))?.bytes ?? 0) > 0);
  assert.equal((await get('/control/record/stop?app=live&name=cam&rec=nginx')).text.trim(), path);
  assert.equal((await get('/control/record/stop?app=live&name=cam&rec=nginx')).status, 404);

  const later = await send('POST', '/api/v1/recordings/start?stream=live/later&format=flv');
  assert.equal((JSON.parse(later.text) as { recording: { state: string } }).recording.state, 'waiting');
  const publisher = await ClipPublisher.start({
    port: server.rtmpPort,
    name: 'later',
    speed: SPEED,
    leadMs: 0,
  });
  await until('the recording', async () => (await recordings('live/later')).length > 0);
  publisher.stop();
  await send('POST', '/api/v1/recordings/stop?stream=live/later&name=flv');
});

test('record: wrong requests are told what is wrong', async () => {
  const cases: [string, string, RegExp][] = [
    ['/api/v1/recordings/start', '{"app":"live"}', /Which stream/],
    ['/api/v1/recordings/start?stream=cam', '', /Which application/],
    ['/api/v1/recordings/start?stream=live/cam&format=mkv', '', /none of hls, fmp4, ts, flv/],
    ['/api/v1/recordings/start?stream=live/cam&path=../x', '', /relative path/],
    ['/api/v1/recordings/start?stream=live/../cam', '', /levels/],
    ['/api/v1/recordings/start', '{', /not JSON/],
    ['/api/v1/recordings/start', '[]', /JSON object/],
    ['/api/v1/recordings/nothing', '', /There is no POST/],
  ];
  for (const [path, body, expected] of cases) {
    const answer = await send('POST', path, body);
    assert.ok(answer.status === 400 || answer.status === 404, `${path}: ${answer.status}`);
    assert.match(answer.text, expected, path);
  }
  const foreign = await send('POST', '/api/v1/recordings/stop?stream=live/cam', '', {
    Origin: 'https://evil.example',
  });
  assert.equal(foreign.status, 403);
  const proxied = await send('DELETE', '/api/v1/recordings?stream=live/cam&file=x', '', {
    'X-Forwarded-For': '192.0.2.1',
  });
  assert.equal(proxied.status, 403);
});

test('record: files are sent to the storage, those that the policy keeps here are not', async () => {
  await until('uploads', async () => [...storage.objects.keys()].some((path) => path.endsWith('.m3u8')));
  const paths = [...storage.objects.keys()];
  assert.ok(paths.some((path) => /^\/archive\/127\.0\.0\.1\/own\/.*\.ts$/.test(path)));
  assert.deepEqual(
    paths.filter((path) => path.endsWith('.mp4')),
    [],
  );
  assert.deepEqual(storage.refused, []);
});

test('record: removing one file, and a range; what is being recorded stays', async () => {
  const files = (await recordings('rec/own')).filter((one) => !one.open);
  const [first] = files;
  const one = await send(
    'DELETE',
    `/api/v1/recordings?stream=rec/own&file=${encodeURIComponent(first!.file)}`,
  );
  assert.equal((JSON.parse(one.text) as { deleted: number }).deleted, 1, one.text);
  assert.equal((await get(first!.url)).status, 404);
  assert.equal((await send('DELETE', `/api/v1/recordings?stream=rec/own&file=${first!.file}`)).status, 404);
  assert.equal((await send('DELETE', '/api/v1/recordings?stream=rec/own')).status, 400);
  // A stream of its own: it is still being published, however slow the machine is.
  const still = await ClipPublisher.start({
    port: server.rtmpPort,
    app: 'rec',
    name: 'still',
    speed: 1,
    leadMs: 3000,
  });
  await until('an open file', async () => (await recordings('rec/still')).some((entry) => entry.open));
  const range = 'start=2001-01-01T00:00:00Z&end=2101-01-01T00:00:00Z';
  const all = await send('DELETE', `/api/v1/recordings?stream=rec/still&${range}`);
  const { kept } = JSON.parse(all.text) as { kept: { reason: string }[] };
  assert.deepEqual(
    kept.map((entry) => entry.reason),
    ['It is being recorded.'],
  );
  assert.ok((await recordings('rec/still')).some((entry) => entry.open));
  still.stop();
});

test('record: a session ends with the publisher, and its name tells how long it was', async () => {
  cam.stop();
  await until('the end', async () =>
    (await recordings('live/cam')).some((one) => one.recording === 'flv' && !one.open),
  );
  const file = (await recordings('live/cam')).find((one) => one.recording === 'flv')!;
  assert.match(file.file, /^live\/cam-0-\d{4,}\.flv$/);
  assert.equal(Number(/-(\d+)\.flv$/.exec(file.file)![1]), Math.round(file.duration * 1000));
  assert.equal((await get(file.url)).body.subarray(0, 3).toString(), 'FLV');
  const kept = readdirSync(join(server.folder, 'rec', '.index')).filter((name) => name.startsWith('live'));
  assert.deepEqual(kept.sort(), ['live~2fcam', 'live~2flater']);
});

test('record: an index that was damaged is made again at the next start', async () => {
  const folder = join(server.folder, 'rec', '.index', 'live~2fcam');
  const [day] = readdirSync(folder);
  const lines = readFileSync(join(folder, day!), 'utf8')
    .trim()
    .split('\n')
    .filter((line) => line !== '');
  writeFileSync(join(folder, day!), `${lines[0]!.slice(0, 40)}\n`);
  const before = await recordings('live/cam');
  const index = new RecordingIndex(join(server.folder, 'rec'), new FileReaders());
  await index.load();
  const { resolver } = server.application.context.configuration();
  await rebuildIndex(index, nameReader(resolver), Date.now() + 1000);
  const { files } = await index.files('live/cam', 0, Number.MAX_SAFE_INTEGER);
  assert.deepEqual(files.map((one) => one.file).sort(byName), before.map((one) => one.file).sort(byName));
});

test('record: a file of the plan append goes on at the next publish', { skip: NODE_AV_MISSING }, async () => {
  const port = server.rtmpPort;
  const finished = async () =>
    (await recordings('live/again')).filter((one) => one.recording === 'one' && !one.open);
  const publish = async (files: number, longerThan: number) => {
    const publisher = await ClipPublisher.start({ port, name: 'again', speed: SPEED, leadMs: 3000 });
    await until('a recording', async () => {
      const { recordings: list } = (await getJson('/api/v1/recordings/active')) as unknown as {
        recordings: { recording: string; bytes: number }[];
      };
      return list.some((one) => one.recording === 'one' && one.bytes > longerThan);
    });
    publisher.stop();
    await until('the end', async () => {
      const list = await finished();
      return list.length === files && list[0]!.bytes > longerThan;
    });
    return (await finished())[0]!;
  };
  const first = await publish(1, 0);
  assert.equal(first.file, '127.0.0.1/live/again/all.mp4');
  const packets = (await playUrl(server.http(first.url), 60)).streams.map((stream) => stream.packets.length);
  const second = await publish(1, first.bytes);
  assert.equal(second.file, first.file);
  assert.equal(second.start, first.start);
  const seen = await playUrl(server.http(second.url), 60);
  for (const [i, stream] of seen.streams.entries()) {
    assert.ok(stream.packets.length > packets[i]!, `${stream.packets.length} packets, ${packets[i]} before`);
    assert.ok(
      stream.dts.every((dts, at) => at === 0 || dts > stream.dts[at - 1]!),
      'times grow',
    );
  }
});

test('record: the policy is obeyed when it changes, and the switches of recording and API', async () => {
  const policy = (inner: string) => `<application name="live">${inner}</application>`;
  const one = await TestServer.start({
    policy: policy('<record format="ts"/>'),
    config: '<api enable="off"/>',
  });
  try {
    const publisher = await ClipPublisher.start({ port: one.rtmpPort, name: 'cam', speed: SPEED });
    const names = () => {
      const folder = join(one.folder, 'rec', '127.0.0.1', 'live', 'cam');
      try {
        return readdirSync(folder).flatMap((day) => readdirSync(join(folder, day)));
      } catch {
        return [];
      }
    };
    await one.until('the first recording', () => names().some((name) => name.endsWith('.ts')));
    const paths = [
      '/api/rec',
      '/api/rec/cam',
      '/api/v1/recordings',
      '/api/v1/recordings/active',
      '/control/record/start',
    ];
    for (const path of paths) assert.equal((await ask({ port: one.httpPort, path })).status, 403, path);
    assert.equal((await ask({ port: one.httpPort, path: '/rec/live/cam' })).status, 200);
    const reload = (options: Parameters<typeof TestServer.configuration>[0]) =>
      one.application.reload(TestServer.configuration(options));
    reload({ policy: policy('<record format="flv"/>') });
    await one.until('the other recording', () => names().some((name) => name.endsWith('.flv')));
    await one.until('the end of the first', () => one.logged('record.file').length === 1);
    reload({ policy: policy('<record format="flv"/>'), config: '<rec enable="off"/>' });
    await one.until('the end of the other', () => one.logged('record.file').length === 2);
    const refused = await ask({ port: one.httpPort, path: '/control/record/start?app=live&name=cam&rec=x' });
    assert.match(refused.text, /Recording is switched off/);
    publisher.stop();
  } finally {
    await one.close();
  }
});
