/** push, record, probe and flv-index as people start them: child processes against a server in this process. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { probeCommand } from '../../src/app/command/probe.ts';
import type { ProbeReport } from '../../src/app/command/stream-probe.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { openFlv } from '../support/flv-body.ts';
import { mediaBytes, orderFault, parseFlv, TAG_VIDEO } from '../support/flv-tags.ts';
import { makeClip, playUrl, type Seen } from '../support/node-av.ts';
import { NODE_AV_MISSING, type Ran, run, start } from '../support/programs.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const CLIP = fileURLToPath(new URL('../../build/demo-clip.flv', import.meta.url));
const WINDOWS = process.platform === 'win32' ? 'no such signals on Windows' : false;

/** Each listens to signals of the process. */
const AT_ONCE = 8;

let server: TestServer;
let folder = '';

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-commands-'));
  server = await TestServer.start({ policy: '<application name="live"><publish grace="0"/></application>' });
});

after(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const sluice = (...args: readonly string[]) => run(process.execPath, [MAIN, ...args]);
const launch = (...args: readonly string[]) => start(process.execPath, [MAIN, ...args]);
const out = (name: string) => join(folder, name);

/** No log lines, no colours, no stack: only sentences. */
function checkManners({ out, err }: Ran): void {
  assert.ok(!(out + err).includes('\u001b'), 'colours');
  assert.doesNotMatch(out + err, /\n\s+at |\d\d:\d\d:\d\d\.\d{3} (INFO|WARN|ERROR)/);
}

async function probe(...args: readonly string[]): Promise<ProbeReport> {
  const ran = await sluice('probe', '--json', ...args);
  assert.equal(ran.code, 0, ran.err);
  checkManners(ran);
  return JSON.parse(ran.out) as ProbeReport;
}

/** What FFmpeg 8 finds in a file. */
async function judge(path: string): Promise<Seen> {
  const seen = await playUrl(path, 600);
  assert.equal(seen.error, undefined, `${path}: ${seen.error}`);
  for (const { dts } of seen.streams)
    for (let i = 1; i < dts.length; i++) assert.ok(dts[i]! >= dts[i - 1]!, `${path}: times go back at ${i}`);
  return seen;
}

describe('sub-commands', { concurrency: 3 }, () => {
  test('help of each, unknown names, wrong usage', async () => {
    for (const name of ['push', 'record', 'probe', 'flv-index']) {
      const [asked, topic] = await Promise.all([sluice(name, '--help'), sluice('help', name)]);
      assert.equal(asked.code, 0);
      assert.match(asked.out, new RegExp(`^Usage: sluice ${name} `));
      assert.match(asked.out, /Exit codes\n {2}0 /);
      assert.equal(topic.out, asked.out);
    }
    for (const [args, text] of [
      [['pusj'], /unknown command "pusj"; did you mean "push"\?/],
      [['help', 'pull'], /there is no command "pull"/],
      [['push', CLIP], /something is missing.*sluice push --help/],
    ] as const) {
      const ran = await sluice(...args);
      assert.equal(ran.code, 2, `${args.join(' ')}: ${ran.err}`);
      assert.match(ran.err, text);
      checkManners(ran);
    }
  });

  test('sources that cannot be opened: code 4 and a sentence', async () => {
    const junk = out('junk.mp4');
    writeFileSync(junk, 'this is no film');
    const closed = createServer().listen(0, '127.0.0.1');
    await new Promise((done) => closed.once('listening', done));
    const { port } = closed.address() as AddressInfo;
    await new Promise((done) => closed.close(done));
    const moved = createHttpServer((request, response) => {
      if (request.url === '/list.m3u8') response.end('#EXTM3U\n#EXT-X-ENDLIST\n');
      else if (request.url === '/round') response.writeHead(302, { Location: '/round' });
      else if (request.url === '/away') response.writeHead(302, { Location: 'ftp://a.example/' });
      else response.writeHead(200, { 'Content-Type': 'text/html' });
      if (!response.writableEnded) response.end('<html>no stream</html>');
    }).listen(0, '127.0.0.1');
    await new Promise((done) => moved.once('listening', done));
    const web = `http://127.0.0.1:${(moved.address() as AddressInfo).port}`;
    const refused = [
      [out('none.flv'), /none\.flv: there is no such file/],
      [junk, /junk\.mp4: .*no media file/],
      [folder, /This is no file/],
      [`http://127.0.0.1:${port}/live/a.flv`, /nothing listens at 127\.0\.0\.1:\d+ \(connection refused\)/],
      [`rtmp://127.0.0.1:${port}/live/a`, /nothing listens at 127\.0\.0\.1:\d+ \(connection refused\)/],
      [server.http('/live/nobody.flv'), /answers 404 Not Found: Nobody publishes live\/nobody now\.\n/],
      [server.rtmp('/live/nobody'), /NetStream\.Play\.StreamNotFound Nobody publishes live\/nobody now\.\n/],
      [server.rtmp('/nowhere/a'), /refuses: NetConnection\.Connect\.Rejected .*"nowhere" is not allowed/],
      [
        `https://127.0.0.1:${server.httpsPort}/live/demo.flv`,
        /certificate .* is not trusted.*--insecure takes it/,
      ],
      [
        `rtmps://127.0.0.1:${server.rtmpsPort}/live/demo`,
        /certificate .* is not trusted.*--insecure takes it/,
      ],
      [`https://127.0.0.1:${server.httpPort}/live/demo.flv`, /does not speak TLS|cut the connection/],
      [`${web}/round`, /redirects more than 5 times/],
      [`${web}/away`, /redirects to ftp:/],
      [`${web}/list.m3u8`, /the list of 127\.0\.0\.1 is empty and ended/],
      [`${web}/page`, /none of FLV, MPEG-TS, fragmented MP4 and HLS/],
      ['rist://127.0.0.1:1/x', /can play rist:\/\/ URLs/],
    ] as const;
    // A server holds a player of an idle stream for a while, so some are asked at the same time.
    const child = sluice('probe', server.rtmp('/live/nobody'));
    for (let at = 0; at < refused.length; at += AT_ONCE) {
      const some = refused.slice(at, at + AT_ONCE).map(([source, text]) =>
        assert.rejects(probeCommand.run([source]), (error: Error & { code?: number }) => {
          assert.match(`${error.message}\n`, text);
          return error.code === 4;
        }),
      );
      await Promise.all(some);
    }
    const ran = await child;
    moved.close();
    assert.equal(ran.code, 4);
    assert.match(ran.err, /^sluice: rtmp:.*Nobody publishes live\/nobody now\.\n$/);
    checkManners(ran);
  });

  test('push: a file at the pace of real time, as it is, to every kind of player', async () => {
    const began = Date.now();
    const pushing = launch('push', '--speed', '8', CLIP, server.rtmp('/live/pushed'));
    await server.until(
      'the stream',
      () => server.application.context.hub.find('live/pushed')?.state === 'live',
    );
    const player = await openFlv(server.http('/live/pushed.flv'));
    const ran = await pushing.done;
    const tookMs = Date.now() - began;
    assert.equal(ran.code, 0, ran.err);
    checkManners(ran);
    assert.match(ran.err, /^pushing .*\npushed (19\.9|20\.0) s, 1437 frames, .* in 2\.\d s\n$/);
    assert.equal(ran.out, '');
    assert.ok(tookMs > 2300, `${tookMs} ms`);
    await until('the end for the player', () => player.closed);
    assert.equal(orderFault(player.tags), '');
    const sent = mediaBytes(parseFlv(readFileSync(CLIP)), TAG_VIDEO);
    const got = mediaBytes(player.tags, TAG_VIDEO);
    assert.ok(got.length > 300, `${got.length} pictures`);
    assert.deepEqual(got, sent.slice(sent.length - got.length));
  });

  test('push: round and round until Ctrl+C, times go on', { skip: WINDOWS }, async () => {
    const short = out('short.flv');
    const ran = await sluice('record', CLIP, short, '--duration', '2');
    assert.equal(ran.code, 0, ran.err);
    const pushing = launch('push', '--loop', '--speed', '4', short, server.rtmp('/live/looped'));
    await server.until(
      'the stream',
      () => server.application.context.hub.find('live/looped')?.state === 'live',
    );
    const player = await openFlv(server.http('/live/looped.flv'));
    await until('three rounds', () => (player.tags.at(-1)?.timestamp ?? 0) > 6500);
    pushing.child.kill('SIGINT');
    const done = await pushing.done;
    assert.equal(done.code, 0, done.err);
    await until('the end for the player', () => player.closed);
    assert.equal(orderFault(player.tags), '');
    const steps = player.tags
      .filter(({ type }) => type === TAG_VIDEO)
      .map(({ timestamp }) => timestamp)
      .map((time, i, all) => (i === 0 ? 0 : time - all[i - 1]!));
    assert.ok(Math.max(...steps) <= 60, `a step of ${Math.max(...steps)} ms`);
  });

  test('push: a live URL is passed on; targets that refuse are code 5, that break off code 6', async () => {
    const passing = launch('push', server.http('/live/demo.flv'), server.rtmp('/live/passed'));
    await server.until(
      'the copy',
      () => server.application.context.hub.find('live/passed')?.state === 'live',
    );
    const player = await openFlv(server.http('/live/passed.flv'));
    await until('media', () => mediaBytes(player.tags, TAG_VIDEO).length > 30);

    const busy = await sluice('push', CLIP, server.rtmp('/live/passed'));
    assert.equal(busy.code, 5, busy.err);
    assert.match(busy.err, /live\/passed is already being published by 127\.0\.0\.1/);
    const nobody = await sluice('push', CLIP, 'rtmp://127.0.0.1:9/live/a');
    assert.equal(nobody.code, 5, nobody.err);
    const untrusted = await sluice('push', CLIP, `rtmps://127.0.0.1:${server.rtmpsPort}/live/tls`);
    assert.equal(untrusted.code, 5, untrusted.err);
    assert.match(untrusted.err, /--insecure/);
    const trusted = await sluice(
      'push',
      '--insecure',
      '--speed',
      '100',
      CLIP,
      `rtmps://127.0.0.1:${server.rtmpsPort}/live/tls`,
    );
    assert.equal(trusted.code, 0, trusted.err);
    checkManners(busy);

    const session = server.application.context.sessions
      .all()
      .find((one) => one.streamText === 'live/passed' && one.role === 'publisher');
    session!.kick('away with you');
    const kicked = await passing.done;
    assert.equal(kicked.code, 6, kicked.err);
    player.close();
  });

  test('record: from RTMP, HTTP-FLV and a file, to FLV, MP4 and TS, judged by FFmpeg 8', {
    skip: NODE_AV_MISSING,
  }, async () => {
    const sources = { rtmp: server.rtmp('/live/demo'), http: server.http('/live/demo.flv'), file: CLIP };
    const made = Object.entries(sources).flatMap(([from, url]) =>
      ['flv', 'mp4', 'ts'].map(async (extension) => {
        const path = out(`from-${from}.${extension}`);
        const ran = await sluice('record', '--duration', '2', url, path);
        assert.equal(ran.code, 0, ran.err);
        assert.match(ran.err, /^recorded (1\.9|2\.0) s, /);
        checkManners(ran);
        const { streams } = await judge(path);
        assert.deepEqual(streams.map(({ kind }) => kind).sort(), ['audio', 'video'], path);
        const video = streams.find(({ kind }) => kind === 'video')!;
        const audio = streams.find(({ kind }) => kind === 'audio')!;
        assert.equal(video.keys[0], true, path);
        assert.ok(Math.abs(video.packets.length - 50) <= 1, `${path}: ${video.packets.length} pictures`);
        assert.ok(Math.abs(audio.packets.length - 94) <= 4, `${path}: ${audio.packets.length} audio frames`);
        const spans = [video, audio].map(({ pts }) => Math.max(...pts) - Math.min(...pts));
        for (const seconds of spans) assert.ok(Math.abs(seconds - 1.96) < 0.08, `${path}: ${seconds} s`);
      }),
    );
    await Promise.all(made);
  });

  test('record: HEVC, AV1, Opus in MP4; what a container cannot hold is said', {
    skip: NODE_AV_MISSING,
  }, async () => {
    for (const [video, audio] of [
      ['libx265', 'aac'],
      ['libsvtav1', 'libopus'],
    ] as const) {
      const clip = await makeClip({ video, audio, format: 'mp4' }, 2);
      const path = out(`${video}.mp4`);
      const ran = await sluice('record', clip, path);
      assert.equal(ran.code, 0, ran.err);
      const [made, original] = await Promise.all([judge(path), judge(clip)]);
      for (const stream of original.streams) {
        const copy = made.streams.find(({ kind }) => kind === stream.kind);
        assert.equal(copy?.codecId, stream.codecId);
        assert.deepEqual(copy.packets, stream.packets, `${video}: ${stream.kind}`);
      }
    }
    const clip = await makeClip({ video: 'libsvtav1', audio: 'libopus', format: 'mp4' }, 2);
    const ran = await sluice('record', clip, out('av1.ts'));
    assert.match(ran.err, /left out: av1/);
  });

  test('record: an existing file stays unless --force is given; folders that are not there', async () => {
    const path = out('there.flv');
    writeFileSync(path, 'mine');
    const kept = await sluice('record', CLIP, path, '--duration', '1');
    assert.equal(kept.code, 5, kept.err);
    assert.match(kept.err, /is there already; --force replaces it/);
    assert.equal(readFileSync(path, 'utf8'), 'mine');
    const forced = await sluice('record', CLIP, path, '--duration', '1', '--force');
    assert.equal(forced.code, 0, forced.err);
    assert.ok(statSync(path).size > 1000);
    const lost = await sluice('record', CLIP, out('no/folder.flv'));
    assert.equal(lost.code, 5, lost.err);
  });

  test('record: Ctrl+C completes the file; a source that ends is code 0, one that breaks off 6', {
    skip: WINDOWS,
  }, async () => {
    const stopped = out('stopped.mp4');
    const recording = launch('record', server.rtmp('/live/demo'), stopped);
    await until('the file', () => existsSync(stopped) && statSync(stopped).size > 20_000);
    recording.child.kill('SIGINT');
    const ran = await recording.done;
    assert.equal(ran.code, 0, ran.err);
    const report = await probe(stopped);
    assert.ok(report.duration > 0.5);
    assert.deepEqual(report.notes, []);

    const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'ending' });
    const ended = launch('record', server.rtmp('/live/ending'), out('ended.flv'));
    await until('the file', () => existsSync(out('ended.flv')) && statSync(out('ended.flv')).size > 20_000);
    publisher.stop();
    const over = await ended.done;
    assert.equal(over.code, 0, over.err);
    assert.equal(orderFault(parseFlv(readFileSync(out('ended.flv')))), '');

    // A web server that dies in the middle of a frame.
    const bytes = readFileSync(CLIP);
    const sockets: Socket[] = [];
    const dying = createHttpServer((_request, response) => {
      response.writeHead(200, { 'Content-Length': String(bytes.length) });
      response.write(bytes.subarray(0, 200_000));
      setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, 200);
    }).listen(0, '127.0.0.1');
    dying.on('connection', (socket) => sockets.push(socket));
    await new Promise((done) => dying.once('listening', done));
    const url = `http://127.0.0.1:${(dying.address() as AddressInfo).port}/clip.flv`;
    const broken = await sluice('record', url, out('broken.ts'));
    dying.close();
    assert.equal(broken.code, 6, broken.err);
    assert.match(broken.err, /recorded \d+\.\d s, .*\nsluice: http:.*cut the connection/);
    const part = await probe(out('broken.ts'));
    assert.ok(part.duration > 3, 'what came is kept');
  });

  test('probe: the clip, a live stream, a table; damage is said', async () => {
    const file = await probe(CLIP);
    assert.equal(file.format, 'flv');
    const [video, audio] = file.tracks;
    assert.deepEqual(
      [video!.codec, video!.width, video!.height, video!.frameRate, video!.frames, video!.keyFrames],
      ['H.264', 1280, 720, 25, 500, 10],
    );
    assert.deepEqual([audio!.codec, audio!.sampleRate, audio!.channels], ['AAC', 48_000, 2]);
    assert.equal(file.duration, 20);
    assert.deepEqual(file.notes, []);

    for (const url of [server.rtmp('/live/demo'), server.http('/live/demo.flv')]) {
      const live = await probe('--time', '4', url);
      assert.ok(live.duration >= 4 && live.duration < 4.3, `${url}: ${live.duration} s`);
      assert.equal(live.tracks[0]!.frameRate, 25);
      assert.ok(live.jitterMs !== null && live.jitterMs < 1000);
    }
    const table = await sluice('probe', CLIP);
    assert.match(table.out, /H\.264 +High 3\.1 +1280x720 +25 fps .* 10, every 2 s \(50 frames\)/);
    assert.match(table.out, /no faults found/);

    const cut = out('cut.flv');
    writeFileSync(cut, readFileSync(CLIP).subarray(0, 100_001));
    const damaged = await probe(cut);
    assert.ok(damaged.notes.length > 0, JSON.stringify(damaged.notes));
  });

  test('MPEG-TS over HTTP, behind a redirect', async () => {
    const path = out('served.ts');
    assert.equal((await sluice('record', CLIP, path, '--duration', '3')).code, 0);
    const web = createHttpServer((request, response) => {
      if (request.url === '/cam.ts') response.writeHead(200).end(readFileSync(path));
      else response.writeHead(307, { Location: '/cam.ts' }).end();
    }).listen(0, '127.0.0.1');
    await new Promise((done) => web.once('listening', done));
    const url = `http://127.0.0.1:${(web.address() as AddressInfo).port}/cam`;
    const [live, file] = await Promise.all([probe(url), probe(path)]);
    const copied = await sluice('record', url, out('copied.mp4'));
    web.close();
    assert.equal(copied.code, 0, copied.err);
    for (const report of [live, file, await probe(out('copied.mp4'))]) {
      assert.deepEqual(
        report.tracks.map(({ codec, frames }) => `${codec} ${frames}`),
        ['H.264 75', 'AAC 141'],
      );
      assert.deepEqual(report.notes, []);
    }
  });

  test('probe: a source that falls silent', async () => {
    const mute = createHttpServer((_request, response) => {
      response.writeHead(200, { 'Content-Type': 'video/x-flv' });
      response.flushHeaders();
    }).listen(0, '127.0.0.1');
    await new Promise((done) => mute.once('listening', done));
    const url = `http://127.0.0.1:${(mute.address() as AddressInfo).port}/a.flv`;
    const ran = await sluice('probe', '--timeout', '0.3', url);
    mute.closeAllConnections();
    mute.close();
    assert.equal(ran.code, 4, ran.err);
    assert.match(ran.err, /has sent nothing for 0\.3 s/);
  });

  test('flv-index: FFmpeg reads the same frames', { skip: NODE_AV_MISSING }, async () => {
    const path = out('index.flv');
    assert.equal((await sluice('record', CLIP, path)).code, 0);
    const before = await judge(path);
    const ran = await sluice('flv-index', path);
    assert.equal(ran.code, 0, ran.err);
    assert.match(ran.err, /10 key frames in 20\.0 s/);
    assert.deepEqual(
      (await judge(path)).streams.map(({ packets }) => packets),
      before.streams.map(({ packets }) => packets),
    );
    assert.equal((await sluice('flv-index', out('none.flv'))).code, 4);
  });
});
