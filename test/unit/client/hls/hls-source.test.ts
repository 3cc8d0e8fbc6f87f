/** Bodies over real HTTP on loopback: ranges, bounds, redirects, refusals, connections that stay. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { HlsFetchError, HttpHlsSource } from '../../../../src/client/hls/hls-source.ts';
import { systemClock } from '../../../../src/util/clock.ts';

const BODY = Buffer.from(Array.from({ length: 1000 }, (_, i) => i & 255));
let connections = 0;
let asked: IncomingMessage[] = [];

const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  asked.push(request);
  const path = new URL(request.url ?? '/', 'http://a').pathname;
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  switch (path) {
    case '/moved':
      response.writeHead(302, { Location: '/deep/file' }).end();
      break;
    case '/loop':
      response.writeHead(302, { Location: '/loop' }).end();
      break;
    case '/gone':
      response.writeHead(410, { 'Content-Type': 'text/plain' }).end('No longer here.\n');
      break;
    case '/short':
      response.writeHead(200, { 'Content-Length': '2000' });
      response.write(BODY, () => response.destroy());
      break;
    case '/ranges':
      response.statusCode = range === null ? 200 : 206;
      response.end(range === null ? BODY : BODY.subarray(Number(range[1]), Number(range[2]) + 1));
      break;
    case '/silent':
      response.writeHead(200).write(BODY);
      break;
    default:
      response.end(BODY);
  }
});
server.on('connection', () => connections++);
let base = '';

before(async () => {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});

after(() => {
  server.close();
  server.closeAllConnections();
});

function open(silenceMs = 5000): HttpHlsSource {
  return new HttpHlsSource({
    verifies: true,
    connectMs: 5000,
    silenceMs,
    userAgent: 'Sluice/test',
    nowUs: systemClock.nowUs,
    after: (delayMs, run) => {
      const timer = setTimeout(run, delayMs);
      return { cancel: () => clearTimeout(timer) };
    },
    onFault: (error) => assert.fail(error as Error),
  });
}

describe('HLS over HTTP', () => {
  test('whole bodies on one connection, with the address behind redirects', async () => {
    const source = open();
    connections = 0;
    asked = [];
    for (let i = 0; i < 5; i++) {
      const { bytes, url } = await source.fetch(new URL(`${base}/a?i=${i}`), null, 1000);
      assert.ok(bytes.equals(BODY));
      assert.equal(url.search, `?i=${i}`);
    }
    assert.equal(connections, 1);
    assert.equal(asked[0]?.headers['user-agent'], 'Sluice/test');
    const { url } = await source.fetch(new URL(`${base}/moved`), null, 1000);
    assert.equal(url.pathname, '/deep/file');
    assert.equal(source.bytesReceived, 6000);
    source.close();
  });

  test('ranges, from servers that know them and from those that do not', async () => {
    const source = open();
    for (const path of ['/ranges', '/plain']) {
      const { bytes } = await source.fetch(new URL(base + path), { offset: 300, length: 200 }, 500);
      assert.ok(bytes.equals(BODY.subarray(300, 500)), path);
      const whole = await source.fetch(new URL(base + path), { offset: 0, length: 1000 }, 1000);
      assert.ok(whole.bytes.equals(BODY), path);
      await assert.rejects(
        source.fetch(new URL(base + path), { offset: 900, length: 200 }, 500),
        /100 of 200 bytes/,
      );
    }
    source.close();
  });

  const failures: readonly (readonly [string, number, RegExp, number])[] = [
    ['/a', 999, /a piece of more than 999 bytes/, 0],
    ['/short', 5000, /cut the connection|middle of a piece|aborted/, 0],
    ['/gone', 1000, /answers 410 Gone: No longer here\./, 410],
    ['/loop', 1000, /redirects more than 5 times/, 0],
  ];
  for (const [path, maxBytes, reason, status] of failures)
    test(`refused: ${path}`, async () => {
      const source = open();
      await assert.rejects(source.fetch(new URL(base + path), null, maxBytes), (error) => {
        assert.ok(error instanceof HlsFetchError);
        assert.match(error.message, reason);
        assert.equal(error.status, status);
        return true;
      });
      source.close();
    });

  test('silence, other schemes, ranges beyond bounds', async () => {
    const source = open(50);
    await assert.rejects(source.fetch(new URL(`${base}/silent`), null, 5000), /sent nothing for 0\.05 s/);
    await assert.rejects(source.fetch(new URL('file:///etc/passwd'), null, 5000), /file: addresses/);
    await assert.rejects(source.fetch(new URL(`${base}/a`), { offset: 0, length: 5001 }, 5000), /5001 bytes/);
    source.close();
    source.close();
  });
});
