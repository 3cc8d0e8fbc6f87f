/** HTTP/2 on the port of HTTPS: everything over one session, what a peer may not do, how sessions end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type ClientHttp2Session, constants, type IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { makeSelfSignedCertificate } from '../../src/crypto/self-signed-certificate.ts';
import { CertificateStore } from '../../src/runtime/certificate-store.ts';
import { ConnectionLimits } from '../../src/runtime/connection-limits.ts';
import { HttpListener, type HttpRequest, sendText } from '../../src/runtime/http-listener.ts';
import { LogHub, type LogLine } from '../../src/util/log.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { openFlv } from '../support/flv-body.ts';
import { ask } from '../support/http-client.ts';
import { ask2, FRAME, openHttp2, RawHttp2 } from '../support/http2-client.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR } = constants;

/** The protocol that the server chose; '' = none. */
async function negotiated(port: number, offered: readonly string[]): Promise<string> {
  const socket = connectTls({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ALPNProtocols: [...offered],
  });
  await once(socket, 'secureConnect');
  socket.destroy();
  return socket.alpnProtocol || '';
}

describe('the whole server', () => {
  let server: TestServer;
  let publisher: ClipPublisher;
  let session: ClientHttp2Session;

  before(async () => {
    server = await TestServer.start({
      config: '<vod upload="on"/>',
      policy: '<application name="live"><hls duration="1s"/></application>',
    });
    publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam', leadMs: 4000 });
    session = await openHttp2(server.httpsPort);
  });

  after(async () => {
    session.close();
    publisher.stop();
    await server.close();
  });

  test('the peer chooses: h2, HTTP/1.1, or nothing and so HTTP/1.1', async () => {
    const port = server.httpsPort;
    assert.equal(await negotiated(port, ['h2', 'http/1.1']), 'h2');
    assert.equal(await negotiated(port, ['http/1.1']), 'http/1.1');
    assert.equal(await negotiated(port, []), '');
    const old = await ask({ port, path: '/api/v1/versions', tls: true });
    assert.equal(old.status, 200);
    assert.equal(old.headers['keep-alive'], undefined, 'agent: false asks for an end');
    const kept = await ask({
      port,
      path: '/api/v1/versions',
      tls: true,
      headers: { Connection: 'keep-alive' },
    });
    assert.equal(kept.headers['keep-alive'], 'timeout=65');
  });

  test('what the peer is allowed is told at once', () => {
    const { maxConcurrentStreams, maxHeaderListSize, enableConnectProtocol } = session.remoteSettings;
    assert.equal(maxConcurrentStreams, 128);
    assert.equal(maxHeaderListSize, 16 * 1024);
    assert.equal(enableConnectProtocol, false);
  });

  test('pages, API, playlists, segments and a live stream in one session at the same moment', async () => {
    const live = session.request({ ':path': '/live/cam.flv' });
    let liveBytes = 0;
    let liveHead: IncomingHttpHeaders = {};
    live.on('response', (headers) => (liveHead = headers));
    live.on('data', (part: Buffer) => (liveBytes += part.length));
    const [page, api, missing, missingApi, master] = await Promise.all([
      ask2(session, '/'),
      ask2(session, '/api/v1/versions'),
      ask2(session, '/live/nobody.flv'),
      ask2(session, '/api/v1/nothing'),
      ask2(session, '/live/cam.m3u8'),
    ]);
    assert.equal(page.status, 200);
    assert.match(page.text, /<html/i);
    assert.equal(JSON.parse(api.text).code, 0);
    assert.equal(missing.status, 404);
    assert.equal(missingApi.status, 404);
    assert.match(String(missingApi.headers['content-type']), /^application\/json/);
    assert.equal(master.status, 200, master.text);
    const uri = /^[^#\n].*$/m.exec(master.text)?.[0];
    assert.ok(uri, master.text);
    const base = new URL(uri, `https://127.0.0.1:${server.httpsPort}/live/cam.m3u8`);
    let media = await ask2(session, base.pathname + base.search);
    const deadline = Date.now() + 15_000;
    while ((media.text.match(/^#EXTINF/gm) ?? []).length < 2) {
      assert.ok(Date.now() < deadline, media.text);
      await new Promise((done) => setTimeout(done, 100));
      media = await ask2(session, base.pathname + base.search);
    }
    const names = media.text.match(/^[^#\n].*$/gm)!.slice(0, 2);
    const segments = await Promise.all(
      names.map((name) => {
        const { pathname, search } = new URL(name, base);
        return ask2(session, pathname + search);
      }),
    );
    for (const segment of segments) {
      assert.equal(segment.status, 200);
      assert.equal(segment.resetCode, 0);
      assert.equal(segment.body[0], 0x47);
      assert.equal(segment.body.length % 188, 0);
    }
    await until('live bytes', () => liveBytes > 50_000);
    for (const { headers } of [page, api, master, media, ...segments, { headers: liveHead }])
      for (const name of ['connection', 'keep-alive', 'transfer-encoding', 'upgrade'])
        assert.equal(headers[name], undefined, name);
    const { limits, sessions } = server.application.context;
    assert.ok(limits.open >= 2, 'the publisher and this session');
    assert.ok(sessions.size >= 2);
    live.close(NGHTTP2_CANCEL);
  });

  test('HEAD, conditional requests and preflights', async () => {
    const page = await ask2(session, '/');
    const head = await ask2(session, '/', { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(head.body.length, 0);
    assert.equal(Number(head.headers['content-length']), page.body.length);
    const again = await ask2(session, '/', { headers: { 'if-none-match': page.headers.etag! } });
    assert.equal(again.status, 304);
    assert.equal(again.body.length, 0);
    const preflight = await ask2(session, '/api/v1/versions', { method: 'OPTIONS' });
    assert.equal(preflight.status, 204);
    assert.match(String(preflight.headers['access-control-allow-methods']), /POST/);
    assert.equal(preflight.headers['access-control-allow-origin'], '*');
    for (const path of ['/%zz', '/a/%2e%2e/b']) assert.equal((await ask2(session, path)).status, 400, path);
  });

  test('an upload', async () => {
    const head = 'Content-Disposition: form-data; name="file"; filename="whole.ts"';
    const headers = { 'content-type': 'multipart/form-data; boundary=b' };
    const done = await ask2(session, '/vod', {
      method: 'POST',
      headers,
      body: `--b\r\n${head}\r\n\r\n0123456789\r\n--b--\r\n`,
    });
    assert.equal(done.status, 201, done.text);
    assert.equal((await ask2(session, '/vod/whole.ts')).text, '0123456789');
  });

  test('WebSocket stays with HTTP/1.1 on the same port', async () => {
    const player = await openFlv(`wss://127.0.0.1:${server.httpsPort}/live/cam.flv`);
    await server.until('media', () => player.tags.length > 10);
    player.close();
    // RFC 8441 is not offered, so this is a request like any other, and no method of ours.
    const socket = await ask2(session, '/live/cam.flv', { method: 'CONNECT' }).catch(() => null);
    assert.notEqual(socket?.status, 200);
  });
});

test('shutdown: requests that run may end, the session is told, a peer that stays is cut', async () => {
  const server = await TestServer.start();
  const publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'cam' });
  const session = await openHttp2(server.httpsPort);
  const idle = await openHttp2(server.httpsPort);
  let goaways = 0;
  for (const one of [session, idle]) one.on('goaway', (code) => (goaways += code === 0 ? 1 : 100));
  const live = session.request({ ':path': '/live/cam.flv' });
  live.on('error', () => undefined);
  live.resume();
  await once(live, 'response');
  const closed = Promise.all([once(session, 'close'), once(idle, 'close'), once(live, 'close')]);
  publisher.stop();
  await server.close();
  await closed;
  assert.equal(goaways, 2);
});

describe('the listener', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-http2-'));
  const lines: LogLine[] = [];
  const faults: unknown[] = [];
  const limits = new ConnectionLimits(20, 0);
  const log = new LogHub('debug', (line) => lines.push(line)).logger();
  const certificates = new CertificateStore({ folder, key: '', cert: '', ca: '' }, log);
  let seen: HttpRequest[] = [];
  let outcome = '';
  const listener = new HttpListener({
    addresses: ['127.0.0.1'],
    port: -1,
    tlsPort: 0,
    certificates,
    limits,
    handshakeMs: 400,
    corsOrigin: '',
    log,
    onFault: (error) => faults.push(error),
  });

  async function handle(request: HttpRequest): Promise<void> {
    seen.push(request);
    const { response, message, path } = request;
    if (path === '/held') return;
    if (path === '/broken') {
      response.writeHead(200, { 'Content-Type': 'video/mp2t' });
      response.write('the first half');
      setImmediate(() => response.destroy());
      return;
    }
    if (path === '/late-fault') {
      response.writeHead(200);
      response.write('the first half');
      throw new Error('a fault of ours, after the head');
    }
    if (path === '/body') {
      let length = 0;
      try {
        for await (const part of message) length += (part as Buffer).length;
      } catch (error) {
        outcome = error instanceof Error ? error.message : String(error);
        throw error;
      }
      outcome = `${length}`;
      sendText(response, 200, outcome);
      return;
    }
    sendText(response, 200, request.host);
  }

  before(async () => {
    listener.route({ name: 'test', accepts: () => true, handle });
    await listener.open();
  });

  after(async () => {
    await listener.close();
    listener.destroyConnections();
    certificates.close();
    await until('the end of all connections', () => limits.open === 0);
    rmSync(folder, { recursive: true, force: true });
  });

  test('host, addresses and method are those of the session', async () => {
    const session = await openHttp2(listener.tlsPort);
    seen = [];
    const named = await ask2(session, '/a%20b?x=1', { headers: { ':authority': 'tv.example:8443' } });
    assert.equal(named.text, 'tv.example\n');
    assert.equal((await ask2(session, '/')).text, '127.0.0.1\n');
    const byHost = { host: 'old.example' };
    assert.equal((await ask2(session, '/', { headers: byHost })).text, 'old.example\n');
    const { path, rawQuery, secure, remote, message } = seen[0]!;
    assert.deepEqual([path, rawQuery, secure], ['/a b', 'x=1', true]);
    assert.match(remote, /^127\.0\.0\.1:\d+$/);
    assert.equal(message.httpVersionMajor, 2);
    session.close();
  });

  test('an answer that is destroyed looks broken, and only it', async () => {
    const session = await openHttp2(listener.tlsPort);
    faults.length = 0;
    for (const path of ['/broken', '/late-fault']) {
      const answer = await ask2(session, path);
      assert.equal(answer.status, 200, path);
      assert.equal(answer.resetCode, NGHTTP2_INTERNAL_ERROR, path);
    }
    assert.equal(faults.length, 1, 'the late fault');
    assert.equal((await ask2(session, '/')).status, 200);
    session.close();
  });

  test('bodies: whole, larger than the window, after 100-continue, broken off', async () => {
    const session = await openHttp2(listener.tlsPort);
    const big = Buffer.alloc(3_000_000, 7);
    assert.equal((await ask2(session, '/body', { method: 'POST', body: big })).text, '3000000\n');
    const polite = session.request({ ':method': 'POST', ':path': '/body', expect: '100-continue' });
    let status = 0;
    polite.on('response', (headers) => (status = headers[':status'] ?? 0));
    polite.resume();
    await once(polite, 'continue');
    polite.end('hello');
    await once(polite, 'close');
    assert.equal(status, 200);
    assert.equal(outcome, '5');
    session.close();
    await until('the end', () => limits.open === 0);
  });

  for (const how of ['reset', 'destroy'] as const) {
    test(`a body that breaks off (${how}) is no whole body`, async () => {
      const raw = await RawHttp2.open(listener.tlsPort);
      raw.begin();
      outcome = '';
      seen = [];
      raw.post(1, '/body');
      raw.send(FRAME.data, 1, Buffer.from('hel'));
      await until('the request', () => seen.length === 1);
      if (how === 'reset') raw.reset(1, NGHTTP2_CANCEL);
      else raw.destroy();
      await until('the news', () => outcome !== '');
      assert.match(outcome, /premature close|broke the body off/i);
      assert.equal(seen[0]?.message.destroyed, true);
      raw.destroy();
      await until('the end', () => limits.open === 0);
    });
  }

  test('more requests at a time than allowed are refused, the others are not touched', async () => {
    const session = await openHttp2(listener.tlsPort);
    seen = [];
    const held = Array.from({ length: 128 }, () => session.request({ ':path': '/held' }));
    for (const one of held) one.on('error', () => undefined);
    await until('all of them', () => seen.length === 128);
    let isAnswered = false;
    const waiting = ask2(session, '/').then((answer) => {
      isAnswered = true;
      return answer;
    });
    await new Promise((done) => session.ping(done));
    assert.equal(isAnswered, false, 'the client knows the limit and waits');
    held[0]!.close(NGHTTP2_CANCEL);
    assert.equal((await waiting).status, 200);
    assert.equal(limits.open, 1, 'all of it is one connection');
    session.destroy();
    await until('the end', () => limits.open === 0);
  });

  test('a head that is too long', async () => {
    const session = await openHttp2(listener.tlsPort);
    const answer = await ask2(session, '/', { headers: { 'x-long': 'x'.repeat(20_000) } });
    assert.notEqual(answer.status, 200);
    session.destroy();
    const other = await openHttp2(listener.tlsPort);
    const many = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`x-${i}`, 'x']));
    assert.notEqual((await ask2(other, '/', { headers: many })).status, 200);
    other.destroy();
  });

  const floods: readonly [string, (raw: RawHttp2, turn: number) => void][] = [
    ['SETTINGS', (raw) => raw.send(FRAME.settings, 0, Buffer.from([0, 4, 0, 1, 0, 0]))],
    ['PING', (raw) => raw.send(FRAME.ping, 0, Buffer.alloc(8))],
    [
      'cancelled',
      (raw, turn) => {
        raw.post(turn * 2 + 1, '/held');
        raw.reset(turn * 2 + 1, NGHTTP2_CANCEL);
      },
    ],
  ];
  for (const [name, flood] of floods) {
    test(`a flood (${name}) ends the session, not the server`, async () => {
      const raw = await RawHttp2.open(listener.tlsPort);
      raw.begin();
      for (let turn = 0; turn < 500; turn++) flood(raw, turn);
      await raw.closed;
      assert.equal(raw.goaway, constants.NGHTTP2_ENHANCE_YOUR_CALM);
      await until('the end', () => limits.open === 0);
      assert.equal((await ask({ port: listener.tlsPort, path: '/', tls: true })).status, 200);
    });
  }

  test('a peer that says nothing, in TLS or in HTTP/2, is closed', async () => {
    const silent = await RawHttp2.open(listener.tlsPort);
    const plain = connect({ port: listener.tlsPort, host: '127.0.0.1' });
    plain.on('error', () => undefined);
    plain.resume();
    await Promise.all([silent.closed, once(plain, 'close')]);
    await until('the end', () => limits.open === 0);
  });

  test('bytes that are no HTTP/2', async () => {
    lines.length = 0;
    const raw = await RawHttp2.open(listener.tlsPort);
    raw.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await raw.closed;
    assert.equal(lines.filter((line) => line.event === 'http2.bad-session').length, 1);
    await until('the end', () => limits.open === 0);
  });

  test('a renewed certificate is shown to HTTP/2 peers too', async () => {
    const running = await openHttp2(listener.tlsPort);
    const renewed = makeSelfSignedCertificate('renewed.example', ['renewed.example'], Date.now());
    writeFileSync(join(folder, 'server.key'), renewed.key);
    writeFileSync(join(folder, 'server.crt'), renewed.cert);
    await until('the new pair', () => lines.some((line) => line.event === 'tls.reloaded'));
    const socket = connectTls({
      port: listener.tlsPort,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ALPNProtocols: ['h2'],
    });
    await once(socket, 'secureConnect');
    assert.match(socket.getPeerCertificate().subjectaltname ?? '', /renewed\.example/);
    assert.equal(socket.alpnProtocol, 'h2');
    socket.destroy();
    assert.equal((await ask2(running, '/')).status, 200);
    running.close();
  });
});
