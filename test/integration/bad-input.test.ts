/**
 * Any bytes on any port: the connection ends, one counted line says why, everything is given back, and a stream that
 * runs beside never notices.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { serializeCommand, serializeControl, serializeMessage } from '../load/rtmp-wire.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { type FlvBody, openFlv } from '../support/flv-body.ts';
import { indexOfRun, mediaBytes, orderFault, TAG_AUDIO, TAG_VIDEO } from '../support/flv-tags.ts';
import { ask } from '../support/http-client.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

let server: TestServer;
let publisher: ClipPublisher;
let player: FlvBody;

before(async () => {
  server = await TestServer.start({
    config:
      '<limits><handshake>1s</handshake><message>64K</message><chunk-streams>8</chunk-streams></limits>',
  });
  publisher = await ClipPublisher.start({ port: server.rtmpPort, name: 'beside' });
  player = await openFlv(server.http('/live/beside.flv'));
});

after(async () => {
  player.close();
  publisher.stop();
  await server.close();
});

const SEEDED = Buffer.from(Array.from({ length: 5000 }, (_, i) => (i * 2_654_435_761) >>> 24));
const C0C1 = Buffer.concat([Buffer.of(3), Buffer.alloc(8), randomBytes(1528)]);
const HANDSHAKE = Buffer.concat([C0C1, Buffer.alloc(1536, 5)]);
const CONNECT = serializeCommand(3, 0, 128, 'connect', 1, { app: 'live', tcUrl: 'rtmp://127.0.0.1/live' });
const CREATE = serializeCommand(3, 0, 128, 'createStream', 2, null);
const PUBLISH = serializeCommand(3, 1, 128, 'publish', 3, null, 'victim', 'live');
const publishing = (...more: readonly Buffer[]) =>
  Buffer.concat([HANDSHAKE, CONNECT, CREATE, PUBLISH, ...more]);

/** A chunk that announces a message of 16 MB and brings some of it. */
const HUGE_MESSAGE = Buffer.concat([Buffer.from('06000000ffffff0901000000', 'hex'), Buffer.alloc(128)]);
const MANY_CHUNK_STREAMS = Buffer.concat(
  Array.from({ length: 200 }, (_, i) =>
    Buffer.concat([Buffer.of(0, i), Buffer.from('0000000000000900000000', 'hex')]),
  ),
);
const DEEP_AMF = Buffer.concat([
  ...Array.from({ length: 400 }, () => Buffer.from('030001610a00000001', 'hex')),
]);

type Port = 'rtmp' | 'rtmps' | 'http' | 'https';

interface Case {
  readonly name: string;
  readonly bytes: Buffer;
  readonly ports: readonly Port[];
  /** Sent in pieces of this size. */
  readonly step?: number;
  /** The peer ends its side after the bytes. */
  readonly ends?: boolean;
  /** One counted line of this event must appear. */
  readonly event?: RegExp;
  /** Sent inside TLS on ports that have it. */
  readonly inside?: boolean;
}

const ALL: readonly Port[] = ['rtmp', 'rtmps', 'http', 'https'];
const RTMP: readonly Port[] = ['rtmp', 'rtmps'];
const HTTP: readonly Port[] = ['http', 'https'];

const CASES: readonly Case[] = [
  { name: 'nothing at all', bytes: Buffer.alloc(0), ports: ['rtmp', 'rtmps', 'https'] },
  {
    name: 'nothing, inside TLS',
    bytes: Buffer.alloc(0),
    ports: ['rtmps'],
    inside: true,
    event: /rtmp\.handshake-timeout/,
  },
  { name: 'nothing and goodbye', bytes: Buffer.alloc(0), ports: ALL, ends: true },
  { name: 'noise', bytes: SEEDED, ports: ALL },
  { name: 'noise inside TLS', bytes: SEEDED, ports: ['rtmps', 'https'], inside: true },
  { name: 'zeros', bytes: Buffer.alloc(100_000), ports: ALL },
  { name: 'ones', bytes: Buffer.alloc(100_000, 0xff), ports: ALL },
  {
    name: 'half a handshake',
    bytes: C0C1.subarray(0, 700),
    ports: RTMP,
    inside: true,
    event: /rtmp\.handshake-timeout/,
  },
  {
    name: 'a handshake and nothing more',
    bytes: HANDSHAKE,
    ports: RTMP,
    inside: true,
    event: /rtmp\.handshake-timeout/,
  },
  {
    name: 'a handshake byte by byte, then noise',
    bytes: Buffer.concat([HANDSHAKE.subarray(0, 900)]),
    step: 1,
    ports: RTMP,
    inside: true,
  },
  {
    name: 'noise after the handshake',
    bytes: Buffer.concat([HANDSHAKE, SEEDED]),
    ports: RTMP,
    inside: true,
    event: /^rtmp\./,
  },
  {
    name: 'publish before connect',
    bytes: Buffer.concat([HANDSHAKE, PUBLISH]),
    ports: RTMP,
    inside: true,
    event: /rtmp\.not-connected/,
  },
  {
    name: 'connect twice',
    bytes: Buffer.concat([HANDSHAKE, CONNECT, CONNECT]),
    ports: RTMP,
    inside: true,
    event: /rtmp\.second-connect/,
  },
  { name: 'a message of 16 MB', bytes: publishing(HUGE_MESSAGE), ports: RTMP, inside: true, event: /rtmp\./ },
  {
    name: 'hundreds of chunk streams',
    bytes: publishing(MANY_CHUNK_STREAMS),
    ports: RTMP,
    inside: true,
    event: /rtmp\./,
  },
  {
    name: 'a chunk size of 0',
    bytes: publishing(serializeControl(1, 0), HUGE_MESSAGE),
    ports: RTMP,
    inside: true,
    event: /rtmp\./,
  },
  {
    name: 'AMF without end',
    bytes: publishing(serializeMessage(3, 20, 0, 0, DEEP_AMF, 128)),
    ports: RTMP,
    inside: true,
    event: /amf|rtmp/,
  },
  {
    name: 'AMF noise as a command',
    bytes: Buffer.concat([HANDSHAKE, serializeMessage(3, 20, 0, 0, SEEDED.subarray(0, 100), 128)]),
    ports: RTMP,
    inside: true,
    event: /amf|rtmp/,
  },
  {
    name: 'H.264 that is none',
    bytes: publishing(serializeMessage(6, 9, 1, 0, Buffer.from('170000000001ffff', 'hex'), 128)),
    ports: RTMP,
    inside: true,
    ends: true,
  },
  {
    name: 'media noise',
    bytes: publishing(
      ...[8, 9, 18, 15, 22].map((type) => serializeMessage(6, type, 1, 0, SEEDED.subarray(0, 300), 128)),
    ),
    ports: RTMP,
    inside: true,
    ends: true,
  },
  {
    name: 'a publisher cut in mid-chunk',
    bytes: publishing(serializeMessage(6, 9, 1, 0, SEEDED, 128).subarray(0, 200)),
    ports: RTMP,
    inside: true,
    ends: true,
  },
  { name: 'RTMP to HTTP', bytes: HANDSHAKE, ports: HTTP, inside: true, event: /http\.bad-request/ },
  {
    name: 'HTTP to RTMP',
    bytes: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    ports: RTMP,
    inside: true,
    event: /rtmp\./,
  },
  {
    name: 'plain HTTP to TLS',
    bytes: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
    ports: ['rtmps', 'https'],
    event: /tls-handshake/,
  },
  {
    name: 'half a request',
    bytes: Buffer.from('GET /live/x.flv HTTP/1.1\r\nHost'),
    ports: HTTP,
    inside: true,
  },
  {
    name: 'a request byte by byte that never ends',
    bytes: Buffer.from('GET / HTTP/1.1\r\nA: b\r\nC:'),
    step: 1,
    ports: HTTP,
    inside: true,
  },
  {
    name: 'a head of 100 kB',
    bytes: Buffer.from(`GET / HTTP/1.1\r\nA: ${'a'.repeat(100_000)}\r\n\r\n`),
    ports: HTTP,
    inside: true,
    event: /http\.bad-request/,
  },
  {
    name: 'a method that is none',
    bytes: Buffer.from('\x01\x02 / HTTP/1.1\r\n\r\n'),
    ports: HTTP,
    inside: true,
    event: /http\.bad-request/,
  },
  {
    name: 'two lengths',
    bytes: Buffer.from(
      'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    ),
    ports: HTTP,
    inside: true,
    event: /http\.bad-request/,
  },
  {
    name: 'a WebSocket with a frame of 10 MB',
    bytes: Buffer.concat([
      Buffer.from(
        'GET /live/beside.flv HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      ),
      Buffer.from('82ff000000000098968000000000', 'hex'),
      Buffer.alloc(5000),
    ]),
    ports: HTTP,
    inside: true,
    event: /ws-flv\.bad-frame/,
  },
  {
    name: 'a WebSocket with frames that are not masked',
    bytes: Buffer.concat([
      Buffer.from(
        'GET /live/beside.flv HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      ),
      Buffer.from('8205aaaaaaaaaa', 'hex'),
    ]),
    ports: HTTP,
    inside: true,
    event: /ws-flv\.bad-frame/,
  },
  {
    name: 'a WebSocket key that is none',
    bytes: Buffer.from(
      'GET /live/beside.flv HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 99\r\n\r\n',
    ),
    ports: HTTP,
    inside: true,
  },
];

function portOf(port: Port): number {
  return { rtmp: server.rtmpPort, rtmps: server.rtmpsPort, http: server.httpPort, https: server.httpsPort }[
    port
  ];
}

/** Sends the bytes and waits until the server has closed the connection. */
async function attack(one: Case, port: Port): Promise<void> {
  const target = { port: portOf(port), host: '127.0.0.1', allowHalfOpen: true };
  const tls = one.inside === true && port.endsWith('s');
  const socket: Socket = tls ? connectTls({ ...target, rejectUnauthorized: false }) : connect(target);
  let closed = false;
  socket.on('error', () => undefined);
  socket.on('close', () => {
    closed = true;
  });
  socket.on('end', () => socket.end());
  socket.resume();
  await new Promise<void>((resolve) => {
    socket.once(tls ? 'secureConnect' : 'connect', resolve);
    socket.once('close', () => resolve());
  });
  const step = one.step ?? one.bytes.length;
  for (let at = 0; at < one.bytes.length && !closed; at += step) {
    socket.write(one.bytes.subarray(at, at + step));
    if (one.step !== undefined) await new Promise((done) => setImmediate(done));
  }
  if (one.ends === true) socket.end();
  // Node looks for HTTP requests that take too long every two seconds, and TLS for ten times that is generous.
  await until(`the end of "${one.name}" on ${port}`, () => closed, 15_000);
}

describe('bad input', { concurrency: 80 }, () => {
  for (const one of CASES) {
    for (const port of one.ports) {
      test(`${one.name} on ${port}`, async () => {
        const before = new Map(server.application.context.log.hub.eventTotals);
        await attack(one, port);
        if (one.event === undefined) return;
        const counted = [...server.application.context.log.hub.eventTotals]
          .filter(([event, total]) => total > (before.get(event) ?? 0))
          .map(([event]) => event);
        assert.ok(
          counted.some((event) => one.event!.test(event)),
          `counted: ${counted.join(', ') || 'nothing'}`,
        );
      });
    }
  }
});

test('bad input: all is given back and the stream beside was never disturbed', async () => {
  const { limits, sessions, hub } = server.application.context;
  await until('the end of all the others', () => limits.open === 2);
  assert.equal(sessions.size, 2);
  await until('free names', () =>
    hub.streams().every((stream) => stream.key.name === 'beside' || stream.state === 'lingering'),
  );
  assert.deepEqual(server.faults, []);
  assert.equal(player.parser.fault, '');
  assert.equal(orderFault(player.tags), '');
  for (const type of [TAG_AUDIO, TAG_VIDEO]) {
    assert.ok(
      indexOfRun(mediaBytes(publisher.sent, type), mediaBytes(player.tags, type)) >= 0,
      `type ${type} lost something`,
    );
  }
  const got = player.tags.length;
  await until('media', () => player.tags.length > got + 10);
  assert.equal((await ask({ port: server.httpPort, path: '/api/status' })).status, 200);
  // The name of publishers that went wrong is free again.
  (await ClipPublisher.start({ port: server.rtmpPort, name: 'victim' })).stop();
});

test('bad input: a flood of one kind costs one line a second, and is counted whole', async () => {
  const { hub } = server.application.context.log;
  const event = 'rtmp.not-connected';
  const total = () => hub.eventTotals.get(event) ?? 0;
  const lines = () => server.logged(event).length;
  const before = [total(), lines()] as const;
  const flood: Case = { name: 'flood', bytes: Buffer.concat([HANDSHAKE, PUBLISH]), ports: RTMP };
  const started = Date.now();
  await Promise.all(Array.from({ length: 200 }, () => attack(flood, 'rtmp')));
  assert.equal(total() - before[0], 200);
  assert.ok(lines() - before[1] <= 2 + (Date.now() - started) / 1000, `${lines() - before[1]} lines`);
});
