/** Every way in which an RTSP session can end, hostile input, tunnels: the name is free afterwards, nothing is left over. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RtspConversation, RtspTestServices, URL } from '../support/rtsp-conversation.ts';
import { publishTestStream } from '../support/rtsp-streams.ts';

const SDP = 'v=0\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 8\r\na=control:0\r\n';
const TCP = ['Transport: RTP/AVP/TCP;unicast;interleaved=0-1'];
const UDP = ['Transport: RTP/AVP;unicast;client_port=5000-5001'];

type State = 'new' | 'asked' | 'deciding' | 'described' | 'set up' | 'playing' | 'announced' | 'recording';
const STATES: readonly State[] = [
  'new',
  'asked',
  'deciding',
  'described',
  'set up',
  'playing',
  'announced',
  'recording',
];

async function sessionIn(state: State, fields: readonly string[]): Promise<RtspConversation> {
  const services = new RtspTestServices();
  const talk = new RtspConversation(services);
  if (state === 'new') return talk;
  await talk.ask('OPTIONS', '*');
  if (state === 'asked') return talk;
  if (state === 'announced' || state === 'recording') {
    await talk.ask('ANNOUNCE', URL, [], SDP);
    if (state === 'announced') return talk;
    assert.equal((await talk.ask('SETUP', `${URL}/0`, fields)).status, 200);
    assert.equal((await talk.ask('RECORD')).status, 200);
    return talk;
  }
  if (state === 'deciding') {
    services.admitAs = () => new Promise(() => undefined);
    talk.raw(talk.text('DESCRIBE', URL));
    talk.raw(talk.text('SETUP', `${URL}/trackID=0`, fields));
    talk.frame(0, Buffer.alloc(100));
    await talk.settle();
    assert.equal(talk.session.heldMessages, 2);
    return talk;
  }
  const publisher = publishTestStream(services.world);
  publisher.video(0, true);
  publisher.audio(0);
  await talk.ask('DESCRIBE');
  if (state === 'described') return talk;
  assert.equal((await talk.ask('SETUP', `${URL}/trackID=0`, fields)).status, 200);
  if (state === 'set up') return talk;
  assert.equal((await talk.ask('PLAY')).status, 200);
  return talk;
}

const ENDINGS: readonly [
  name: string,
  end: (talk: RtspConversation) => Promise<void> | void,
  code: string,
][] = [
  ['the peer goes', (talk) => talk.session.finish('the peer ended the connection'), ''],
  ['a kick', (talk) => talk.session.kick('out'), ''],
  ['the server stops', (talk) => talk.session.close('The server is shutting down.'), ''],
  ['a header without end', (talk) => void talk.raw(`OPTIONS ${'x'.repeat(20_000)}`), 'rtsp.header-too-big'],
  [
    'a body that is too big',
    (talk) => void talk.raw('ANNOUNCE * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 9999999\r\n\r\n'),
    'rtsp.body-too-big',
  ],
  ['garbage', (talk) => void talk.raw(Buffer.alloc(6000, 0x07)), 'rtsp.no-message'],
  ['words that are no request', (talk) => void talk.raw('HELO there\r\n\r\n'), 'rtsp.bad-start-line'],
  ['HTTP that is no tunnel', (talk) => void talk.raw('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), 'rtsp.not-http'],
];

describe('endings', () => {
  for (const state of STATES) {
    for (const [name, end, code] of ENDINGS) {
      // What is held back is looked at later.
      if (state === 'deciding' && code === 'rtsp.not-http') continue;
      for (const [way, fields] of [
        ['tcp', TCP],
        ['udp', UDP],
      ] as const) {
        if (way === 'udp' && !['set up', 'playing', 'recording'].includes(state)) continue;
        test(`${state} (${way}): ${name}`, async () => {
          const talk = await sessionIn(state, fields);
          const { services } = talk;
          await end(talk);
          await talk.settle();
          talk.assertClosed();
          if (code !== '') assert.equal(services.logged(code).length, 1, 'one line');
          const stream = services.hub.find('live/cam');
          assert.equal(stream?.playerCount ?? 0, 0);
          assert.equal(stream?.consumerCount ?? 0, 0);
          if (state === 'announced' || state === 'recording') services.assertFree('live', 'cam');
        });
      }
    }
  }

  test('a connection that says nothing is closed', async () => {
    const talk = new RtspConversation();
    await talk.pass(11);
    talk.assertClosed();
  });

  test('one that asks and does nothing is closed after a minute', async () => {
    const talk = await sessionIn('described', TCP);
    await talk.pass(55);
    assert.equal(talk.session.closed, false);
    await talk.pass(10);
    talk.assertClosed();
  });

  test('too much before the answer ends it', async () => {
    const talk = await sessionIn('deciding', TCP);
    for (let i = 0; i < 80 && !talk.session.closed; i++) talk.frame(0, Buffer.alloc(60_000));
    talk.assertClosed();
    assert.equal(talk.services.logged('rtsp.impatient').length, 1);
  });

  test('requests without number that are all refused end it', async () => {
    const talk = new RtspConversation();
    for (let i = 0; i < 100 && !talk.session.closed; i++) {
      talk.raw(talk.text('PLAY', URL));
      await talk.settle();
    }
    talk.assertClosed();
    assert.ok(talk.responses.length < 80);
  });

  test('a fault of ours ends the session alone, and is told', async () => {
    const services = new RtspTestServices();
    services.policy = () => {
      throw new TypeError('a fault');
    };
    const talk = new RtspConversation(services);
    assert.equal((await talk.ask('DESCRIBE')).status, 500);
    assert.equal(talk.session.closed, true);
    assert.equal(services.faults.length, 1);
  });

  test('what a peer says ends up in one line of the log', async () => {
    const services = new RtspTestServices();
    const talk = new RtspConversation(services);
    talk.raw('DESCRIBE rtsp://host/live/a%0d%0ab RTSP/1.0\r\nCSeq: 1\r\n\r\n');
    await talk.settle();
    assert.equal(talk.responses[0]?.status, 400);
  });
});

describe('requests that wait for a decision', () => {
  test('are answered in order', async () => {
    const services = new RtspTestServices();
    const publisher = publishTestStream(services.world);
    publisher.video(0, true);
    publisher.audio(0);
    const talk = new RtspConversation(services);
    talk.raw(
      talk.text('DESCRIBE', URL) +
        talk.text('SETUP', `${URL}/trackID=0`, TCP) +
        talk.text('PLAY', URL) +
        talk.text('OPTIONS', '*'),
    );
    await talk.settle();
    assert.deepEqual(
      talk.responses.map(({ status, headers }) => `${headers.get('CSeq')} ${status}`),
      ['1 200', '2 200', '3 200', '4 200'],
    );
  });
});

describe('tunnels', () => {
  const get = (cookie = 'abc') =>
    `GET /live/cam HTTP/1.0\r\nx-sessioncookie: ${cookie}\r\nAccept: application/x-rtsp-tunnelled\r\n\r\n`;
  const post = (cookie = 'abc') =>
    `POST /live/cam HTTP/1.0\r\nx-sessioncookie: ${cookie}\r\nContent-Type: application/x-rtsp-tunnelled\r\nContent-Length: 32767\r\n\r\n`;
  const base64 = (text: string) => Buffer.from(text).toString('base64');

  async function tunnel() {
    const services = new RtspTestServices();
    const publisher = publishTestStream(services.world);
    publisher.video(0, true);
    publisher.audio(0);
    const down = new RtspConversation(services).raw(get());
    const up = new RtspConversation(services).raw(post());
    return { services, down, up };
  }

  test('a GET says what its POST is answered, to the byte or in pieces', async () => {
    for (const size of [1, 5, 1000]) {
      const { down, up } = await tunnel();
      assert.match(down.http, /^HTTP\/1\.0 200 OK\r\n[\s\S]*application\/x-rtsp-tunnelled\r\n\r\n$/);
      const text =
        base64(down.text('DESCRIBE', URL)) +
        base64(down.text('SETUP', `${URL}/trackID=0`, TCP)) +
        base64(down.text('PLAY', URL));
      for (let at = 0; at < text.length; at += size) {
        up.raw(text.slice(at, at + size));
        await up.settle();
      }
      assert.deepEqual(
        down.responses.map(({ status }) => status),
        [200, 200, 200],
      );
      assert.ok(down.on(0).length > 0);
      assert.equal(up.responses.length, 0);
      assert.equal(down.session.details()['tunnel'], 'http');
      up.session.finish('the peer ended the connection');
      assert.equal(down.session.closed, false, 'a client may open another POST');
      const next = new RtspConversation(down.services).raw(post() + base64(down.text('TEARDOWN', URL)));
      await next.settle();
      assert.equal(down.responses.at(-1)?.status, 200);
      down.assertClosed();
      next.session.tick(next.services.nowUs());
      assert.equal(next.session.closed, true);
    }
  });

  test('what comes behind the head of the POST in one piece counts', async () => {
    const services = new RtspTestServices();
    const down = new RtspConversation(services).raw(get());
    new RtspConversation(services).raw(post() + base64(down.text('OPTIONS', '*')));
    await down.settle();
    assert.equal(down.responses[0]?.status, 200);
  });

  const faults: readonly [name: string, act: (services: RtspTestServices) => RtspConversation][] = [
    ['a POST without its GET', (services) => new RtspConversation(services).raw(post('other'))],
    [
      'a POST from elsewhere',
      (services) => new RtspConversation(services, { remoteAddress: '192.0.2.99' }).raw(post()),
    ],
    ['a second GET', (services) => new RtspConversation(services).raw(get())],
    ['a body that is not base64', (services) => new RtspConversation(services).raw(`${post()}\u0000\u0001`)],
    ['a cookie that is too long', (services) => new RtspConversation(services).raw(get('x'.repeat(200)))],
  ];
  for (const [name, act] of faults) {
    test(`${name} ends that connection alone`, async () => {
      const { services, down } = await tunnel();
      const wrong = act(services);
      await wrong.settle();
      assert.equal(wrong.session.closed, true);
      assert.equal(down.session.closed, false);
      services.world.pump.stop();
      down.session.finish('gone');
      assert.equal(services.tunnels.find('abc'), undefined);
      down.assertNoFaults();
    });
  }
});
