/** HLS beyond the plain list: low latency, time shift, keys, segments on disk, ladders, addresses of other servers. */
import assert from 'node:assert/strict';
import { createDecipheriv } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { checkPlaylist } from '../conformance/m3u8-checker.ts';
import { Mp4Checker } from '../conformance/mp4-checker.ts';
import { TsChecker } from '../conformance/ts-checker.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { ask } from '../support/http-client.ts';
import { TestServer } from '../support/test-server.ts';

let server: TestServer;
const publishers: ClipPublisher[] = [];
const folder = mkdtempSync(join(tmpdir(), 'sluice-hls-'));

before(async () => {
  server = await TestServer.start({
    policy: `<application name="live"><hls duration="1s"/>
      <stream name="past"><hls dvr="60s"/></stream>
      <stream name="locked"><hls key="aes-128" key-segments="2"/></stream>
      <stream name="disk"><hls path="${folder}" format="fmp4"/></stream>
      <stream name="high"><ladder streams="low nobody"/></stream></application>`,
  });
  const port = server.rtmpPort;
  const names = ['low', 'high', 'past', 'locked', 'disk'];
  for (const name of names)
    publishers.push(await ClipPublisher.start({ port, name, speed: 1, leadMs: 4000 }));
});

after(async () => {
  for (const publisher of publishers) publisher.stop();
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const get = (path: string, headers: Record<string, string> = {}) =>
  ask({ port: server.httpPort, path, headers });

async function list(path: string): Promise<string> {
  const { status, text } = await get(path);
  assert.equal(status, 200, `${path}: ${text}`);
  assert.deepEqual(
    checkPlaylist(text).violations.filter((one) => !/off the durations$/.test(one)),
    [],
    text,
  );
  return text;
}

/** Waits until a list names enough segments. */
async function grown(path: string, count: number): Promise<string> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const text = await list(path);
    if (checkPlaylist(text).segments.length >= count) return text;
    assert.ok(Date.now() < deadline, text);
    await new Promise((done) => setTimeout(done, 200));
  }
}

const uris = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));

describe('HLS ways', { concurrency: 5 }, () => {
  test('low latency: a blocked reload is answered with the part that it asks for, all at once with one text', async () => {
    await list('/live/low.ll.m3u8');
    const text = await grown('/live/low.cmaf/v0.m3u8', 2);
    assert.match(text, /CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0\.\d+,CAN-SKIP-UNTIL=/);
    const hint = /PRELOAD-HINT:TYPE=PART,URI="v0\/(\d+)\.(\d+)\.m4s"/.exec(text)!;
    const [, sequence, part] = hint;
    const path = `/live/low.cmaf/v0.m3u8?_HLS_msn=${sequence}&_HLS_part=${part}`;
    const many = await Promise.all(Array.from({ length: 20 }, () => get(path)));
    const [first] = many;
    const listed = new RegExp(
      `EXT-X-PART:[^\\n]*"v0/${sequence}\\.${part}\\.m4s"|^v0/${sequence}\\.m4s`,
      'm',
    );
    assert.match(first!.text, listed);
    // A request that comes a little late may see one part more.
    const different = new Set(many.map(({ text: sent }) => sent)).size;
    assert.ok(different <= 3, `${different} lists for one part`);
    // The part that is only hinted is held back until it is there.
    const next = /PRELOAD-HINT:TYPE=PART,URI="(v0\/[\d.]+m4s)"/.exec(first!.text)![1]!;
    const fetched = await get(`/live/low.cmaf/${next}`);
    assert.ok(fetched.status === 200 || fetched.status === 404, String(fetched.status));
    assert.equal((await get(`/live/low.cmaf/v0.m3u8?_HLS_msn=${Number(sequence) + 99}`)).status, 400);
    assert.equal((await get('/live/low.cmaf/v0.m3u8?_HLS_msn=x')).status, 400);
  });

  test('low latency: parts of a segment are the segment, and sound and pictures go on', async () => {
    for (const track of ['v0', 'a1']) {
      await list('/live/low.ll.m3u8');
      const text = await grown(`/live/low.cmaf/${track}.m3u8`, 3);
      const checker = new Mp4Checker();
      const init = /MAP:URI="([^"]+)"/.exec(text)![1]!;
      checker.init((await get(`/live/low.cmaf/${init}`)).body);
      for (const uri of uris(text)) {
        const whole = (await get(`/live/low.cmaf/${uri}`)).body;
        const stem = uri.replace('.m4s', '');
        const parts = [...text.matchAll(/EXT-X-PART:[^\n]*URI="([^"]+)"/g)].map(([, name]) => name!);
        const own = parts.filter((name) => name.startsWith(`${stem}.`));
        if (own.length > 0) {
          const joined = await Promise.all(
            own.map(async (name) => (await get(`/live/low.cmaf/${name}`)).body),
          );
          assert.ok(Buffer.concat(joined).equals(whole), stem);
        }
        checker.segment(whole, { name: uri });
      }
      assert.deepEqual(checker.violations, []);
    }
  });

  test('a list is compressed, has a tag, and is not sent twice', async () => {
    await grown('/live/low.cmaf/v0.m3u8', 2);
    const plain = await get('/live/past.ts.m3u8');
    assert.equal(plain.headers['content-encoding'], undefined);
    const zipped = await get('/live/low.cmaf/v0.m3u8', { 'accept-encoding': 'gzip' });
    assert.equal(zipped.headers['content-encoding'], 'gzip');
    assert.match(gunzipSync(zipped.body).toString(), /^#EXTM3U/);
    const again = await get('/live/past.ts.m3u8', { 'if-none-match': plain.headers['etag'] ?? '' });
    assert.ok(again.status === 304 || again.headers['etag'] !== plain.headers['etag']);
    const segment = uris(plain.text).at(-1)!;
    const sent = await get(`/live/${segment}`, { range: 'bytes=0-187' });
    assert.deepEqual([sent.status, sent.body.length, sent.body[0]], [206, 188, 0x47]);
    assert.match(String(sent.headers['cache-control']), /immutable/);
  });

  test('time shift: a delayed viewer is shown what was there then, and told how much is kept', async () => {
    const now = await grown('/live/past.ts.m3u8', 5);
    const past = await list('/live/past.ts.m3u8?delay=2');
    const first = (text: string) => Number(/-(\d+)\.ts/.exec(uris(text).at(-1)!)![1]);
    assert.ok(first(past) < first(now), `${first(past)} and ${first(now)}`);
    const master = await get('/live/past.m3u8?delay=2');
    assert.match(master.text, /past\.ts\.m3u8\?delay=2&hls_ctx=/);
    const much = await get('/live/past.ts.m3u8?delay=4000');
    assert.equal(much.status, 404);
    assert.match(much.text, /So much of the past is not kept: 60 s/);
  });

  test('keys: segments are encrypted, keys change, and who has them can read', async () => {
    for (const [path, base] of [
      ['/live/locked.ts.m3u8', '/live/'],
      ['/live/locked.cmaf/v0.m3u8', '/live/locked.cmaf/'],
    ] as const) {
      if (base !== '/live/') await list('/live/locked.fmp4.m3u8');
      const text = await grown(path, 4);
      assert.ok(!text.includes('EXT-X-PART'), 'parts would be in the clear');
      const ts = new TsChecker();
      const mp4 = new Mp4Checker();
      let key: Buffer = Buffer.alloc(0);
      const seen = new Set<string>();
      for (const line of text.split('\n')) {
        const map = /^#EXT-X-MAP:URI="([^"]+)"/.exec(line);
        if (map !== null) mp4.init((await get(`${base}${map[1]}`)).body);
        const found = /^#EXT-X-KEY:METHOD=AES-128,URI="(\.\.\/)?([^"]+)"$/.exec(line);
        if (found !== null) {
          key = (await get(`/live/${found[2]}`)).body;
          assert.equal(key.length, 16);
          seen.add(key.toString('hex'));
        }
        if (line === '' || line.startsWith('#')) continue;
        const sequence = Number(/(\d+)\.(ts|m4s)$/.exec(line)![1]);
        const iv = Buffer.alloc(16);
        iv.writeBigUInt64BE(BigInt(sequence), 8);
        const cipher = createDecipheriv('aes-128-cbc', key, iv);
        const clear = Buffer.concat([cipher.update((await get(`${base}${line}`)).body), cipher.final()]);
        if (base === '/live/') ts.segment(clear, line, true);
        else mp4.segment(clear, { name: line });
      }
      assert.ok(seen.size >= 2, 'one key only');
      assert.deepEqual([...ts.finish(), ...mp4.violations], []);
    }
  });

  test('disk: finished segments leave the memory, are served from files, and go with the stream', async () => {
    await list('/live/disk.m3u8');
    const text = await grown('/live/disk.cmaf/v0.m3u8', 4);
    const files = join(folder, 'live', 'disk', 'v0');
    assert.ok(readdirSync(files).length >= 3);
    const { sizeBytes } = server.application.context.segments.findCmaf('live/disk')!.packager;
    const checker = new Mp4Checker();
    checker.init((await get(`/live/disk.cmaf/${/MAP:URI="([^"]+)"/.exec(text)![1]}`)).body);
    for (const uri of uris(text)) {
      const { status, body } = await get(`/live/disk.cmaf/${uri}`);
      assert.equal(status, 200, `${uri} of ${text}`);
      checker.segment(body, { name: uri });
    }
    assert.deepEqual(checker.violations, []);
    assert.ok(sizeBytes < 500_000, `${sizeBytes} bytes in memory`);
    server.application.context.segments.findCmaf('live/disk')!.close();
    const deadline = Date.now() + 5000;
    while (existsSync(files) && Date.now() < deadline) await new Promise((done) => setTimeout(done, 50));
    assert.ok(!existsSync(files));
  });

  test('ladder: the master list joins the streams that are live', async () => {
    const text = await list('/live/high.fmp4.m3u8');
    assert.match(text, /^high\.cmaf\/v0\.m3u8/m);
    assert.match(text, /^low\.cmaf\/v0\.m3u8/m);
    assert.ok(!text.includes('nobody'));
    assert.equal(text.match(/TYPE=AUDIO/g)?.length, 2);
  });

  test('addresses of other servers', async () => {
    for (const path of ['/live/low/index.m3u8', '/live/low/hls.m3u8', '/live/low/index.ll.m3u8']) {
      const text = await list(path);
      const media = uris(text)[0]!;
      assert.equal(
        (await get(new URL(media, `http://x${path}`).pathname)).status,
        200,
        `${path} -> ${media}`,
      );
    }
    assert.equal((await get('/live/low.cmaf/v9.m3u8')).status, 404);
    assert.equal((await get('/live/low.cmaf/v0/1.m4s')).status, 404);
  });

  test('viewers are counted once, with the bytes of their segments', async () => {
    const { text } = await get('/live/past.m3u8');
    const id = /hls_ctx=(\w+)/.exec(text)![1]!;
    const session = server.application.context.sessions.get(id);
    assert.equal(session?.protocol, 'hls');
    const before = server.application.context.sessions.size;
    for (let i = 0; i < 3; i++) await get('/live/past.ts.m3u8');
    assert.ok(server.application.context.sessions.size <= before + 1);
    assert.deepEqual(server.faults, []);
  });
});
