import assert from 'node:assert/strict';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { test } from 'node:test';
import { PacedReader, ReadPacer } from '../../src/runtime/paced-reader.ts';

interface Pair {
  readonly client: Socket;
  readonly reader: PacedReader;
  readonly pieces: Buffer[];
  readonly ended: Promise<void>;
  readonly server: Server;
}

/** A connected pair whose server side is read by a PacedReader, as one of `others + 1` publishers. */
async function connected(others: number): Promise<Pair> {
  const pacer = new ReadPacer();
  for (let i = 0; i < others; i++) pacer.add();
  const pieces: Buffer[] = [];
  const server = createServer({ pauseOnConnect: true });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  const accepted = new Promise<Socket>((done) => server.once('connection', done));
  const client = connect(address.port, '127.0.0.1');
  client.setNoDelay(true);
  client.on('error', () => undefined);
  const reader = new PacedReader(await accepted, pacer, (bytes) => pieces.push(Buffer.from(bytes)));
  const ended = new Promise<void>((done) => reader.socket.once('close', () => done()));
  reader.socket.on('error', () => undefined);
  reader.pace(true);
  return { client, reader, pieces, ended, server };
}

const wait = (ms: number) => new Promise((done) => setTimeout(done, ms));

async function send(client: Socket, count: number, everyMs: number): Promise<Buffer> {
  const sent: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const piece = Buffer.from(`message ${i};`);
    sent.push(piece);
    client.write(piece);
    await wait(everyMs);
  }
  return Buffer.concat(sent);
}

test('paced reader: few publishers are read at once', async () => {
  const { client, pieces, server } = await connected(0);
  const sent = await send(client, 20, 10);
  await wait(50);
  assert.deepEqual(Buffer.concat(pieces), sent);
  assert.ok(pieces.length > 15, `${pieces.length} reads`);
  client.destroy();
  server.close();
});

test('paced reader: among many, several messages arrive in one read and none is lost', async () => {
  const { client, pieces, server } = await connected(1000);
  const sent = await send(client, 100, 4);
  await wait(150);
  assert.deepEqual(Buffer.concat(pieces), sent);
  assert.ok(pieces.length < 30, `${pieces.length} reads`);
  client.destroy();
  server.close();
});

test('paced reader: a silent publisher is heard again, and its end is seen', async () => {
  const { client, pieces, ended, server } = await connected(1000);
  await send(client, 3, 5);
  await wait(400);
  const late = await send(client, 1, 5);
  await wait(150);
  assert.ok(Buffer.concat(pieces).toString().endsWith(late.toString()));
  client.end();
  await ended;
  server.close();
});

test('paced reader: a publisher that sends more than one buffer is read whole', async () => {
  const { client, pieces, ended, server } = await connected(1000);
  const big = Buffer.alloc(3_000_000, 7);
  client.write('start');
  await wait(20);
  client.write(big);
  client.end();
  await ended;
  assert.equal(Buffer.concat(pieces).length, big.length + 5);
  server.close();
});

test('paced reader: destroying the connection between two reads does no harm', async () => {
  const { client, reader, pieces, ended, server } = await connected(1000);
  await send(client, 3, 2);
  const before = pieces.length;
  reader.socket.destroy();
  await ended;
  await wait(120);
  assert.equal(pieces.length, before, 'nothing is read after the end');
  client.destroy();
  server.close();
});
