/** One call with a thread and a server of the test: every way in which it may end, and what is left then: nothing. */
import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { parseCallAddress } from '../../../../src/client/webrtc/call-address.ts';
import { WebrtcCall, type WebrtcCallOptions } from '../../../../src/client/webrtc/webrtc-call.ts';
import { makeIceCredentials } from '../../../../src/ice/credentials.ts';
import { answerPublish } from '../../../../src/rtc/negotiation/answer.ts';
import { parseOffer } from '../../../../src/rtc/negotiation/offer.ts';
import type { RtcDescription } from '../../../../src/rtc/rtc-description.ts';
import type { RtcConnectionEvents, RtcThread } from '../../../../src/rtc/rtc-thread.ts';
import { until } from '../../../support/until.ts';

const FINGERPRINT = {
  algorithm: 'sha-256',
  value: Array.from({ length: 32 }, (_, i) => i.toString(16).padStart(2, '0').toUpperCase()).join(':'),
} as const;

let server: Server;
let port = 0;
let asked: string[] = [];
let offer = '';
/** What the server answers; null = nothing, ever. */
let answer: ((offer: string) => string) | null = null;

/** Ours, as a server that plays to whoever calls: the other direction of what a publisher is answered. */
function played(sdp: string): string {
  const asPublisher = sdp.replaceAll('a=recvonly', 'a=sendonly');
  const local = {
    ice: makeIceCredentials(),
    fingerprint: FINGERPRINT,
    candidates: ['candidate:1 1 udp 2130706431 127.0.0.1 9 typ host'],
    isLite: true,
    sessionId: '1',
    cname: 'other',
  };
  const { sdp: text } = answerPublish(parseOffer(asPublisher), local, { stream: 'live/cam', preferred: [] });
  return text.replaceAll('a=recvonly', 'a=sendonly');
}

before(async () => {
  server = createServer((message, response) => {
    let body = '';
    message.on('data', (part: Buffer) => {
      body += part.toString();
    });
    message.on('end', () => {
      asked.push(`${message.method} ${message.url}`);
      if (message.method === 'DELETE') response.end();
      else {
        offer = body;
        if (answer !== null) response.writeHead(201, { Location: '/session' }).end(answer(body));
      }
    });
  }).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  ({ port } = server.address() as AddressInfo);
});

beforeEach(() => {
  asked = [];
  answer = played;
});

after(() => {
  server.closeAllConnections();
  server.close();
});

class Thread {
  readonly said: string[] = [];
  description: RtcDescription | null = null;
  events: RtcConnectionEvents | null = null;
  onPort: (port: number) => void = () => undefined;

  reserve(onPort: (port: number) => void): number {
    this.onPort = onPort;
    return 7;
  }

  release(id: number): void {
    this.said.push(`release ${id}`);
  }

  open(
    description: RtcDescription,
    feed: number,
    events: RtcConnectionEvents,
    { id, localAddresses }: { id: number; localAddresses: readonly string[] },
  ): object {
    this.description = description;
    this.events = events;
    this.said.push(`open ${id} feed ${feed} ${localAddresses.join(' ')}`);
    return {
      close: () => this.said.push('close'),
      requestKey: (media: number, layer: number) => this.said.push(`key ${media} ${layer}`),
    };
  }
}

class World {
  readonly thread = new Thread();
  readonly events: string[] = [];
  readonly faults: unknown[] = [];
  objection = '';
  readonly call: WebrtcCall;

  constructor(connectMs = 5000, more: Partial<WebrtcCallOptions> = {}) {
    const address = parseCallAddress(`whep://127.0.0.1:${port}/live/cam/whep`, 'play')!;
    this.call = new WebrtcCall(
      {
        calls: { pool: null as never, fingerprint: FINGERPRINT, hosts: ['127.0.0.1'] },
        thread: this.thread as unknown as RtcThread,
        address,
        request: { direction: 'play' },
        feed: -1,
        via: [],
        verifies: true,
        connectMs,
        userAgent: 'Sluice/test',
        after: (delayMs, run) => {
          const timer = setTimeout(run, delayMs);
          return { cancel: () => clearTimeout(timer) };
        },
        onFault: (error) => this.faults.push(error),
        ...more,
      },
      {
        onAgreed: ({ medias }) => {
          this.events.push(
            `agreed ${medias.map(({ codec, direction }) => `${codec} ${direction}`).join(' ')}`,
          );
          return this.objection;
        },
        onConnected: () => this.events.push('connected'),
        onPackets: (bytes, packets) => this.events.push(`packets ${bytes.length} ${packets.length}`),
        onEnd: (reason, isOver) => this.events.push(`end ${isOver} ${reason}`),
      },
    );
  }

  async opened(): Promise<RtcConnectionEvents> {
    this.thread.onPort(41_000);
    await until('the connection', () => this.thread.events !== null || this.ended !== '');
    assert.equal(this.ended, '');
    return this.thread.events!;
  }

  get ended(): string {
    return this.events.find((event) => event.startsWith('end ')) ?? '';
  }

  async end(): Promise<string> {
    await until('the end', () => this.ended !== '');
    return this.ended;
  }
}

test('call: offer, connection, packets, a key frame, the end of the other side', async () => {
  const world = new World();
  const { thread, events, call } = world;
  const connection = await world.opened();
  assert.match(offer, /a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 41000 typ host/);
  assert.ok(offer.includes(`a=fingerprint:sha-256 ${FINGERPRINT.value}`));
  assert.ok(!offer.includes('ice-lite'));
  assert.equal(thread.description?.isCaller, true);
  assert.deepEqual(thread.said, ['open 7 feed -1 127.0.0.1']);
  assert.deepEqual(events, ['agreed h264 receive opus receive']);
  connection.onConnected('udp 127.0.0.1:9');
  connection.onPackets(new Uint8Array(10), new Float64Array(6));
  call.requestKey(0);
  connection.onClosed('the peer left');
  assert.deepEqual(events.slice(1), [
    'connected',
    'packets 10 6',
    `end true 127.0.0.1:${port} ended the stream`,
  ]);
  await until('DELETE', () => asked.length === 2);
  assert.deepEqual(asked, ['POST /live/cam/whep', 'DELETE /session']);
  // The connection is over already; its port went with it.
  assert.deepEqual(thread.said, ['open 7 feed -1 127.0.0.1', 'key 0 0', 'release 7']);
  call.close();
  assert.equal(events.length, 4);
});

test('call: it breaks off', async () => {
  const world = new World();
  const connection = await world.opened();
  connection.onConnected('');
  connection.onClosed('the peer is gone');
  assert.equal(await world.end(), `end false the connection to 127.0.0.1:${port} ended: the peer is gone`);
  await until('DELETE', () => asked.includes('DELETE /session'));
});

test('call: closed by us at every moment', async () => {
  const early = new World();
  early.call.close();
  early.thread.onPort(41_000);
  assert.deepEqual(early.thread.said, ['release 7']);
  const open = new World();
  const connection = await open.opened();
  open.call.close();
  open.call.close();
  connection.onConnected('');
  connection.onPackets(new Uint8Array(1), new Float64Array(6));
  connection.onClosed('the peer left');
  assert.deepEqual(open.thread.said, ['open 7 feed -1 127.0.0.1', 'close']);
  assert.deepEqual(open.events, ['agreed h264 receive opus receive']);
  await until('DELETE', () => asked.includes('DELETE /session'));
  assert.deepEqual(asked, ['POST /live/cam/whep', 'DELETE /session']);
});

test('call: no port', async () => {
  const world = new World();
  world.thread.onPort(0);
  assert.equal(await world.end(), 'end false no UDP port could be opened');
  assert.deepEqual(asked, []);
});

test('call: no answer, and an answer without a way for media', async () => {
  answer = null;
  const silent = new World(200);
  silent.thread.onPort(41_000);
  assert.equal(await silent.end(), `end false 127.0.0.1:${port} did not answer within 0.2 s`);
  assert.deepEqual(silent.thread.said, ['release 7']);
  asked = [];
  answer = played;
  const blocked = new World(1000);
  await blocked.opened();
  assert.match(
    await blocked.end(),
    /^end false 127\.0\.0\.1:\d+ answered, but no media connection .* within 1 s/,
  );
  assert.deepEqual(blocked.thread.said, ['open 7 feed -1 127.0.0.1', 'close']);
  await until('DELETE', () => asked.includes('DELETE /session'));
});

const ANSWERS: readonly (readonly [what: string, answer: (offer: string) => string, reason: RegExp])[] = [
  [
    'no sense',
    () => 'v=0\r\nnonsense\r\n',
    /^end false the answer of 127\.0\.0\.1:\d+ cannot be used: webrtc\.sdp/,
  ],
  [
    'nothing is taken',
    (sdp) => played(sdp).replaceAll('a=sendonly', 'a=inactive'),
    /^end false The other side sends nothing that can be played\. \(127\.0\.0\.1:\d+\)$/,
  ],
];

for (const [what, text, reason] of ANSWERS) {
  test(`call: an answer that cannot be used: ${what}`, async () => {
    answer = text;
    const world = new World();
    world.thread.onPort(41_000);
    assert.match(await world.end(), reason);
    assert.deepEqual(world.thread.said, ['release 7']);
    assert.deepEqual(world.faults, []);
    await until('DELETE', () => asked.includes('DELETE /session'));
  });
}

test('call: what was agreed is not wanted', async () => {
  const world = new World();
  world.objection = 'not like this';
  world.thread.onPort(41_000);
  assert.equal(await world.end(), 'end false not like this');
  assert.deepEqual(world.thread.said, ['release 7']);
  await until('DELETE', () => asked.includes('DELETE /session'));
});
