import assert from 'node:assert/strict';
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer, get, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { connect, createServer as createHttp2Server } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  attachment,
  FileReaders,
  fileEtag,
  sendBytes,
  sendFile,
} from '../../../src/runtime/file-response.ts';
import type { HttpRequest } from '../../../src/runtime/http-listener.ts';
import { RejectedError } from '../../../src/util/errors.ts';
import { ask } from '../../support/http-client.ts';
import { until } from '../../support/until.ts';

const CONTENT = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7) & 0xff));
let folder = '';
let file = '';
let server: Server;
let port = 0;
const readers = new FileReaders();
let sent: number[] = [];

const listener: RequestListener = (message, response) => {
  const url = new URL(message.url ?? '/', 'http://x');
  const request = {
    message,
    response,
    method: message.method ?? '',
    path: url.pathname,
    query: url.searchParams,
    rawQuery: '',
    host: '',
    secure: false,
    remote: '',
  } satisfies HttpRequest;
  if (url.pathname === '/bytes') {
    sendBytes(
      request,
      [CONTENT.subarray(0, 10), CONTENT.subarray(10, 25)],
      { etag: '"b"', modifiedMs: Number.NaN },
      {
        type: 'text/plain',
      },
    );
    return;
  }
  const name = url.searchParams.get('as');
  sendFile(request, join(folder, url.pathname), readers, {
    onSent: (bytes) => sent.push(bytes),
    ...(name === null ? {} : { downloadName: name }),
  }).catch((error: unknown) => {
    response.writeHead(error instanceof RejectedError ? 404 : 500).end();
  });
};

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-file-'));
  file = join(folder, 'a.mp4');
  writeFileSync(file, CONTENT);
  server = createServer(listener);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  ({ port } = server.address() as AddressInfo);
});

after(() => {
  server.close();
  rmSync(folder, { recursive: true, force: true });
});

test('file response: the whole file and its head', async () => {
  const whole = await ask({ port, path: '/a.mp4' });
  assert.equal(whole.status, 200);
  assert.deepEqual(whole.body, CONTENT);
  assert.equal(whole.headers['content-type'], 'video/mp4');
  assert.equal(whole.headers['content-length'], '300000');
  assert.equal(whole.headers['accept-ranges'], 'bytes');
  assert.equal(whole.headers['x-content-type-options'], 'nosniff');
  assert.match(whole.headers['etag'] ?? '', /^"[\w-]+"$/);
  const head = await ask({ port, path: '/a.mp4', method: 'HEAD' });
  assert.equal(head.headers['content-length'], '300000');
  assert.equal(head.body.length, 0);
  const again = await ask({ port, path: '/a.mp4', headers: { 'if-none-match': whole.headers['etag']! } });
  assert.equal(again.status, 304);
  assert.equal(again.body.length, 0);
});

test('file response: ranges', async () => {
  const part = await ask({ port, path: '/a.mp4', headers: { range: 'bytes=131000-200000' } });
  assert.equal(part.status, 206);
  assert.equal(part.headers['content-range'], 'bytes 131000-200000/300000');
  assert.deepEqual(part.body, CONTENT.subarray(131_000, 200_001));
  const beyond = await ask({ port, path: '/a.mp4', headers: { range: 'bytes=300000-' } });
  assert.equal(beyond.status, 416);
  assert.equal(beyond.headers['content-range'], 'bytes */300000');
  const bytes = await ask({ port, path: '/bytes', headers: { range: 'bytes=8-11' } });
  assert.equal(bytes.status, 206);
  assert.deepEqual(bytes.body, CONTENT.subarray(8, 12));
  const all = await ask({ port, path: '/bytes' });
  assert.deepEqual(all.body, CONTENT.subarray(0, 25));
});

test('file response: download names', async () => {
  const answer = await ask({ port, path: `/a.mp4?as=${encodeURIComponent('\u5f55"1\'.mp4')}` });
  assert.equal(
    answer.headers['content-disposition'],
    `attachment; filename="__1'.mp4"; filename*=UTF-8''%E5%BD%95%221%27.mp4`,
  );
  assert.equal(attachment('a b.mp4'), `attachment; filename="a b.mp4"; filename*=UTF-8''a%20b.mp4`);
});

test('file response: what would act as a page is only bytes', async () => {
  for (const name of ['x.html', 'x.svg', 'x.js', 'x.xml', 'x']) {
    writeFileSync(join(folder, name), '<script>alert(1)</script>');
    assert.equal(
      (await ask({ port, path: `/${name}` })).headers['content-type'],
      'application/octet-stream',
      name,
    );
  }
});

test('file response: a file that is gone, and a folder', async () => {
  assert.equal((await ask({ port, path: '/none.mp4' })).status, 404);
  assert.equal((await ask({ port, path: '/' })).status, 404);
});

test('file response: a player that leaves ends the reading', async () => {
  const big = join(folder, 'big.mp4');
  writeFileSync(big, '');
  truncateSync(big, 512 * 1024 * 1024);
  sent = [];
  const message = await new Promise<IncomingMessage>((done) =>
    get({ port, path: '/big.mp4', agent: false }, done),
  );
  await new Promise<void>((done) => message.once('data', () => done()));
  assert.equal(readers.count(big), 1);
  message.destroy();
  await until('the end of the reading', () => readers.count(big) === 0);
  assert.ok(sent[0]! > 0 && sent[0]! < 64 * 1024 * 1024, `${sent[0]} bytes were read for nobody`);
});

test('file response: a file that shrinks breaks the answer off instead of lying', async () => {
  const shrinking = join(folder, 'shrinking.ts');
  writeFileSync(shrinking, '');
  truncateSync(shrinking, 64 * 1024 * 1024);
  const message = await new Promise<IncomingMessage>((done) =>
    get({ port, path: '/shrinking.ts', agent: false }, done),
  );
  message.pause();
  truncateSync(shrinking, 1000);
  const broken = new Promise((done) => {
    message.on('error', done);
    message.on('end', () => done(null));
  });
  message.resume();
  assert.notEqual(await broken, null);
  await until('the end of the reading', () => readers.size === 0);
});

test('file response: HTTP/2', async () => {
  const two = createHttp2Server(listener as never);
  await new Promise<void>((done) => two.listen(0, '127.0.0.1', done));
  const client = connect(`http://127.0.0.1:${(two.address() as AddressInfo).port}`);
  const stream = client.request({ ':path': '/a.mp4', range: 'bytes=10-' });
  const parts: Buffer[] = [];
  let status = 0;
  stream.on('response', (headers) => (status = Number(headers[':status'])));
  stream.on('data', (part: Buffer) => parts.push(part));
  await new Promise((done) => stream.on('end', done));
  assert.equal(status, 206);
  assert.deepEqual(Buffer.concat(parts), CONTENT.subarray(10));
  // And a player that leaves.
  const left = client.request({ ':path': '/big.mp4' });
  left.on('error', () => undefined);
  await new Promise<void>((done) => left.once('data', () => done()));
  left.close(8);
  await until('the end of the reading', () => readers.size === 0);
  client.close();
  two.close();
});

test('file response: the validator changes with the file', () => {
  const tags = new Set([fileEtag(1, 1000), fileEtag(2, 1000), fileEtag(1, 1000.5), fileEtag(1, 1001)]);
  assert.equal(tags.size, 4);
  appendFileSync(file, '');
});
