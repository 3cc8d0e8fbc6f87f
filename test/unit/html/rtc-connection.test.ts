/** Signalling of the pages and the life of one connection, with a browser of our own. */
import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import { loadPageModule } from './page-module.ts';

interface Details {
  readonly status?: number;
  readonly text?: string;
  readonly reason?: string;
  readonly values?: Readonly<Record<string, unknown>>;
}
interface Timers {
  set(run: () => void, ms: number): number;
  clear(handle: number | null): void;
}
interface Connection {
  connectPeer(
    peer: Peer,
    url: string,
    events: {
      answered(notes: string): void;
      connected(): void;
      failed(details: Details): void;
      lost(): void;
    },
    timers: Timers,
  ): { close(): void };
}
interface Signal {
  withStereo(sdp: string): string;
  sentenceOf(text: string): string;
}
interface IceServer {
  readonly urls: string;
  readonly username?: string;
  readonly credential?: string;
}
interface Engine {
  refusalOf(details: Details): Details & { refused?: boolean };
}

const { connectPeer } = await loadPageModule<Connection>('js/rtc-connection.js');
const { withStereo, sentenceOf } = await loadPageModule<Signal>('js/rtc-signal.js');
const { iceServersOf } = await loadPageModule<{ iceServersOf(links: string | null): IceServer[] }>(
  'js/rtc-ice-servers.js',
);
const { refusalOf } = await loadPageModule<Engine>('js/engine-webrtc.js');

const OFFER = 'v=0\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n';
const URL_OF_STREAM = 'http://h:8080/live/cam/whip';

class Peer extends EventTarget {
  connectionState = 'new';
  /** What happened, in order. */
  readonly steps: string[] = [];
  refusesServers = false;
  remoteDescription: { readonly sdp: string } | null = null;
  isClosed = false;
  readonly transport = Object.assign(new EventTarget(), { state: 'connected' });

  async createOffer(): Promise<{ sdp: string }> {
    return { sdp: OFFER };
  }

  getConfiguration(): object {
    return { bundlePolicy: 'max-bundle' };
  }

  setConfiguration(configuration: object): void {
    if (this.refusesServers) throw new Error('no such server');
    this.steps.push(JSON.stringify(configuration));
  }

  async setLocalDescription({ sdp }: { sdp: string }): Promise<void> {
    assert.match(sdp, /stereo=1/);
    this.steps.push('local');
  }

  async setRemoteDescription({ sdp }: { sdp: string }): Promise<void> {
    if (sdp.startsWith('nonsense')) throw new Error('no SDP');
    this.steps.push('remote');
    this.remoteDescription = { sdp };
  }

  getTransceivers(): { sender: { transport: EventTarget } }[] {
    return [{ sender: { transport: this.transport } }];
  }

  close(): void {
    this.isClosed = true;
  }

  enter(state: string): void {
    this.connectionState = state;
    this.dispatchEvent(new Event('connectionstatechange'));
  }

  endTransport(): void {
    this.transport.state = 'closed';
    this.transport.dispatchEvent(new Event('statechange'));
  }
}

class Bench {
  readonly peer: Peer = new Peer();
  readonly told: string[] = [];
  readonly requests: string[] = [];
  readonly bodies: string[] = [];
  private readonly waiting = new Map<number, () => void>();
  readonly close: () => void;
  private nextHandle = 1;

  constructor(context: TestContext, answer: () => Response | Promise<Response>) {
    context.mock.method(globalThis, 'fetch', async (url: string, options: RequestInit) => {
      this.requests.push(`${options.method} ${url}`);
      if (options.method === 'DELETE') return new Response('');
      this.peer.steps.push('offered');
      this.bodies.push(String(options.body));
      return await answer();
    });
    const connection = connectPeer(
      this.peer,
      URL_OF_STREAM,
      {
        answered: (notes) => notes !== '' && this.told.push(`answered ${notes}`),
        connected: () => this.told.push('connected'),
        failed: (details) => this.told.push(`failed ${JSON.stringify(details)}`),
        lost: () => this.told.push('lost'),
      },
      {
        set: (run) => {
          this.waiting.set(this.nextHandle, run);
          return this.nextHandle++;
        },
        clear: (handle) => void this.waiting.delete(handle ?? 0),
      },
    );
    this.close = () => connection.close();
  }

  get pendingTimers(): number {
    return this.waiting.size;
  }

  async settle(): Promise<this> {
    for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    return this;
  }

  pass(): void {
    for (const [handle, run] of [...this.waiting]) if (this.waiting.delete(handle)) run();
  }
}

const ANSWER =
  'v=0\r\na=candidate:1 1 tcp 9 10.0.0.7 8124 typ host\r\na=candidate:2 1 udp 8 10.0.0.7 8123 typ host\r\n';
const created = (headers: Record<string, string> = { Location: '/live/cam/whip/abc' }) =>
  new Response(ANSWER, { status: 201, headers });
const SESSION_ENDED = `DELETE http://h:8080/live/cam/whip/abc`;

test('connection: an offer with stereo goes out, the answer comes, the end is told to the server', async (context) => {
  const bench = await new Bench(context, () =>
    created({ Location: '/live/cam/whip/abc', 'X-Sluice-Notes': 'B-frames are left out.' }),
  ).settle();
  assert.match(bench.bodies[0]!, /a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1\r\n/);
  bench.peer.enter('connected');
  bench.peer.enter('connected');
  assert.deepEqual(bench.told, ['answered B-frames are left out.', 'connected']);
  bench.close();
  bench.close();
  bench.peer.enter('failed');
  assert.deepEqual(bench.requests, [`POST ${URL_OF_STREAM}`, SESSION_ENDED]);
  assert.deepEqual([bench.told.length, bench.peer.isClosed, bench.pendingTimers], [2, true, 0]);
});

test('connection: ICE servers of the answer are there before candidates are gathered', async (context) => {
  const Link = '<stun:a.example>; rel="ice-server"';
  const answer = () => created({ Location: '/live/cam/whip/abc', Link });
  const bench = await new Bench(context, answer).settle();
  assert.deepEqual(bench.peer.steps, [
    'offered',
    '{"bundlePolicy":"max-bundle","iceServers":[{"urls":"stun:a.example"}]}',
    'local',
    'remote',
  ]);
  context.mock.restoreAll();
  const without = await new Bench(context, created).settle();
  assert.deepEqual(without.peer.steps, ['offered', 'local', 'remote']);
  context.mock.restoreAll();
  // Servers that the browser does not take are no reason to have no connection.
  const warn = context.mock.method(console, 'warn', () => undefined);
  const refusing = new Bench(context, answer);
  refusing.peer.refusesServers = true;
  await refusing.settle();
  assert.deepEqual([refusing.peer.steps, refusing.told], [['offered', 'local', 'remote'], []]);
  assert.equal(warn.mock.callCount(), 1);
});

test('signal: STUN and TURN servers out of Link headers', () => {
  const turn = '<turn:b.example?transport=tcp>; rel="ice-server"; username="me"; credential="p,w;\\"x"';
  const login = { username: 'me', credential: 'p,w;"x' };
  const cases: [links: string | null, servers: IceServer[]][] = [
    [null, []],
    ['', []],
    [
      `<stun:a.example:3478>; rel="ice-server", ${turn}; credential-type="password", <turns:c>; rel="ice-server"; username="u"; credential="p"`,
      [
        { urls: 'stun:a.example:3478' },
        { urls: 'turn:b.example?transport=tcp', ...login },
        { urls: 'turns:c', username: 'u', credential: 'p' },
      ],
    ],
    ['<stun:a>;REL=ice-server', [{ urls: 'stun:a' }]],
    ['<stun:a>; title="x"; rel="other ice-server"', [{ urls: 'stun:a' }]],
    // Links of other kinds, a TURN server that a browser would refuse, a login that it does not know, another scheme.
    ['</live/cam>; rel="up", <stun:a>; rel="next", <stun:b>', []],
    ['<turn:b>; rel="ice-server"', []],
    [`${turn}; credential-type="oauth"`, []],
    ['<https://a.example>; rel="ice-server"', []],
    ['<stun:a; rel="ice-server"', []],
  ];
  for (const [links, servers] of cases) assert.deepEqual(iceServersOf(links), servers, `${links}`);
  const many = Array.from({ length: 50 }, (_, at) => `<stun:s${at}>; rel="ice-server"`).join(', ');
  assert.equal(iceServersOf(many).length, 8);
});

test("connection: the server's sentence reaches the person, and a server that is away is told apart", async (context) => {
  const cases: [answer: () => Response | Promise<Response>, told: string][] = [
    [() => new Response('It is taken.\n', { status: 409 }), 'failed {"status":409,"text":"It is taken."}'],
    [() => new Response('<html>no</html>', { status: 502 }), 'failed {"status":502,"text":""}'],
    [() => Promise.reject(new TypeError('no route')), 'failed {}'],
    [() => new Response('nonsense', { status: 201, headers: { Location: 'abc' } }), 'failed {}'],
  ];
  for (const [answer, told] of cases) {
    const bench = await new Bench(context, answer).settle();
    assert.deepEqual(bench.told, [told]);
    assert.equal(bench.peer.isClosed, true);
    context.mock.restoreAll();
  }
});

test('connection: an answer that the browser cannot take ends the session of the server', async (context) => {
  const bench = await new Bench(
    context,
    () => new Response('nonsense', { status: 201, headers: { Location: '/live/cam/whip/abc' } }),
  ).settle();
  assert.deepEqual(bench.requests, [`POST ${URL_OF_STREAM}`, SESSION_ENDED]);
});

test('connection: a firewall that drops everything is named', async (context) => {
  const bench = await new Bench(context, created).settle();
  bench.peer.enter('connecting');
  bench.pass();
  assert.deepEqual(bench.told, ['failed {"reason":"webrtc.network","values":{"port":"8123"}}']);
  assert.equal(bench.requests.at(-1), SESSION_ENDED);
});

test('connection: lost by silence, by failure, by the goodbye of the server, once each', async (context) => {
  const ways: ((bench: Bench) => void)[] = [
    (bench) => {
      bench.peer.enter('disconnected');
      assert.equal(bench.told.at(-1), 'connected');
      bench.pass();
    },
    (bench) => bench.peer.enter('failed'),
    (bench) => bench.peer.endTransport(),
  ];
  for (const lose of ways) {
    const bench = await new Bench(context, created).settle();
    bench.peer.enter('connected');
    lose(bench);
    bench.peer.enter('failed');
    bench.peer.endTransport();
    assert.deepEqual(bench.told, ['connected', 'lost']);
    context.mock.restoreAll();
  }
});

test('connection: a short silence is no loss', async (context) => {
  const bench = await new Bench(context, created).settle();
  bench.peer.enter('connected');
  bench.peer.enter('disconnected');
  assert.equal(bench.pendingTimers, 1);
  bench.peer.enter('connected');
  assert.deepEqual([bench.pendingTimers, bench.told], [0, ['connected']]);
});

test('connection: closed before the answer, the session that comes late is ended too', async (context) => {
  let give: (response: Response) => void = () => undefined;
  const late = new Promise<Response>((resolve) => {
    give = resolve;
  });
  const bench = await new Bench(context, () => late).settle();
  bench.close();
  give(created());
  await bench.settle();
  assert.deepEqual(bench.told, []);
  assert.equal(bench.requests.at(-1), SESSION_ENDED);
});

test('signal: Opus in stereo, once, and nothing else touched', () => {
  const stereo = 'a=fmtp:111 minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1\r\n';
  assert.ok(withStereo(OFFER).endsWith(stereo));
  assert.equal(withStereo(withStereo(OFFER)), withStereo(OFFER));
  const mono = 'a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;stereo=0\r\n';
  assert.equal(withStereo(mono), mono);
  const none = 'v=0\r\na=rtpmap:8 PCMA/8000\r\na=fmtp:8 x=1\r\n';
  assert.equal(withStereo(none), none);
});

test('signal: what a person can read of a refusal', () => {
  const cases: [body: string, sentence: string][] = [
    ['Nobody publishes live/x now.\n', 'Nobody publishes live/x now.'],
    ['{"code":404,"message":"Nobody is there."}', 'Nobody is there.'],
    ['{"error":"no"}', 'no'],
    ['{"broken', ''],
    ['<!doctype html><p>502', ''],
    ['', ''],
    ['x'.repeat(2000), 'x'.repeat(400)],
  ];
  for (const [body, sentence] of cases) assert.equal(sentenceOf(body), sentence, body.slice(0, 40));
});

test('engine: which refusals lead to another way to play', () => {
  const network = { reason: 'webrtc.network', values: { port: '8000' } };
  assert.deepEqual(refusalOf(network), { refused: true, ...network });
  for (const status of [400, 401, 403, 406, 503])
    assert.deepEqual(refusalOf({ status, text: 'no' }), {
      refused: true,
      reason: 'webrtc.refused',
      values: { status },
      text: 'no',
    });
  for (const details of [{}, { status: 404, text: 'gone' }, { status: 502, text: '' }])
    assert.equal(refusalOf(details).refused, undefined);
});
