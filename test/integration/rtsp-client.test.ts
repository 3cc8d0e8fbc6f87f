/** Pulling by RTSP from a whole server and forwarding to one, over every transport; what is refused; loopback only. */
import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { RtspReader } from '../../src/wire/rtsp/rtsp-reader.ts';
import { ClipPublisher } from '../support/clip-publisher.ts';
import { openFlv } from '../support/flv-body.ts';
import { mediaBytes, TAG_AUDIO, TAG_VIDEO } from '../support/flv-tags.ts';
import { Pulled } from '../support/pulled.ts';
import { rtp } from '../support/rtsp-answers.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

let target: TestServer;
let source: TestServer;
let cam: ClipPublisher;
let locked: ClipPublisher;

before(async () => {
  target = await TestServer.start({
    policy:
      '<application name="copy"/><application name="locked"><login publish-user="me" publish-password="p:w@d"/></application>',
  });
  const { rtspPort, rtspsPort } = target;
  source = await TestServer.start({
    policy: `
      <application name="live"><publish><grace>0</grace></publish>
        <stream name="plain"><forward>rtsp://127.0.0.1:${rtspPort}/copy/plain</forward></stream>
        <stream name="secure"><forward>rtsps://me:p%3Aw%40d@127.0.0.1:${rtspsPort}/locked/secure</forward></stream>
        <stream name="stranger"><forward>rtsp://me:wrong@127.0.0.1:${rtspPort}/locked/stranger</forward></stream>
        <stream name="locked"><login play-user="user" play-password="s:e@cret"/></stream>
      </application>`,
  });
  cam = await ClipPublisher.start({ port: source.rtmpPort, name: 'cam' });
  locked = await ClipPublisher.start({ port: source.rtmpPort, name: 'locked' });
});

after(async () => {
  cam.stop();
  locked.stop();
  await source.close();
  await target.close();
});

async function withPull(
  url: string,
  transport: 'auto' | 'tcp' | 'udp',
  check: (pulled: Pulled) => Promise<void>,
) {
  const pulled = new Pulled(url, { transport });
  try {
    await check(pulled);
  } finally {
    pulled.pull.close();
  }
  assert.deepEqual(pulled.faults, []);
}

describe('pull by RTSP', () => {
  const rtsp = () => `rtsp://127.0.0.1:${source.rtspPort}`;
  const cases: readonly (readonly [name: string, url: () => string, transport: 'auto' | 'tcp' | 'udp'])[] = [
    ['over TCP', () => `${rtsp()}/live/cam`, 'tcp'],
    ['over UDP', () => `${rtsp()}/live/cam`, 'udp'],
    ['as it comes', () => `${rtsp()}/live/cam`, 'auto'],
    ['with the word in the address', () => `${rtsp()}/live/cam#tcp`, 'udp'],
    ['over TLS', () => `rtsps://127.0.0.1:${source.rtspsPort}/live/cam`, 'tcp'],
    ['with a login', () => `rtsp://user:s%3Ae%40cret@127.0.0.1:${source.rtspPort}/live/locked`, 'tcp'],
  ];
  for (const [name, url, transport] of cases) {
    test(name, async () => {
      await withPull(url(), transport, async (pulled) => {
        await pulled.media(['h264', 'aac'], 40);
        assert.equal(pulled.codecs, 'aac+h264');
        // Behind the two bytes of FLV's head.
        const sent = new Set(mediaBytes(cam.sent, TAG_AUDIO).map((tag) => tag.slice(2)));
        for (const payload of pulled.payloads('aac'))
          assert.ok(
            sent.has(Buffer.from(payload).toString('latin1')),
            'every sound is one that was published',
          );
        for (const track of pulled.tracks) {
          const times = pulled.frames.filter(({ trackId }) => trackId === track.id).map(({ dts }) => dts);
          assert.ok(
            times.every((dts, i) => i === 0 || dts > times[i - 1]!),
            'times rise',
          );
        }
        assert.ok(pulled.pull.bytesReceived > 1000);
      });
      await until('the end of the session at the server', () =>
        source.application.context.sessions.all().every(({ protocol }) => !protocol.startsWith('rtsp')),
      );
    });
  }

  test('a pull that pauses goes on', async () => {
    await withPull(`${rtsp()}/live/cam`, 'tcp', async (pulled) => {
      await pulled.media(['h264'], 10);
      pulled.pull.pause();
      const held = pulled.frames.length;
      const sent = cam.sent.length;
      await until('more at the source', () => cam.sent.length > sent + 20);
      assert.equal(pulled.frames.length, held);
      pulled.pull.resume();
      await pulled.media(['h264'], pulled.payloads('h264').length + 20);
    });
  });

  test('refusals are sentences without the password', async () => {
    const sentences: readonly (readonly [url: string, reason: RegExp])[] = [
      [`${rtsp()}/live/locked`, /^127\.0\.0\.1:\d+ asks for a name and a password$/],
      [
        `rtsp://user:hush@127.0.0.1:${source.rtspPort}/live/locked`,
        /^127\.0\.0\.1:\d+ does not take this name and password$/,
      ],
      [`rtsp://127.0.0.1:${source.rtmpPort}/live/cam`, /^127\.0\.0\.1:\d+ (closed|cut) the connection$/],
    ];
    for (const [url, reason] of sentences) {
      const pulled = new Pulled(url);
      const end = await pulled.ended();
      assert.equal(end.kind, 'failed');
      assert.match(end.reason, reason);
    }
    const untrusted = new Pulled(`rtsps://127.0.0.1:${source.rtspsPort}/live/cam`, { verifies: true });
    assert.match((await untrusted.ended()).reason, /certificate of 127\.0\.0\.1:\d+ is not trusted/);
  });
});

/** Something that listens and does what a test says. */
async function listen(
  onConnection: Parameters<typeof createServer>[1],
): Promise<{ server: Server; port: number }> {
  const server = createServer(onConnection).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  return { server, port: (server.address() as AddressInfo).port };
}

test('pull by RTSP: redirects are followed, a few', async () => {
  const asked: string[] = [];
  const { server, port } = await listen((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      asked.push(bytes.toString().split('\r\n')[0]!);
      const cseq = /CSeq: (\d+)/.exec(bytes.toString())?.[1];
      socket.write(
        `RTSP/1.0 302 Found\r\nCSeq: ${cseq}\r\nLocation: rtsp://127.0.0.1:${source.rtspPort}/live/cam\r\n\r\n`,
      );
    });
  });
  await withPull(`rtsp://127.0.0.1:${port}/elsewhere`, 'tcp', async (pulled) => {
    await pulled.media(['h264'], 5);
  });
  assert.deepEqual(asked, [`OPTIONS rtsp://127.0.0.1:${port}/elsewhere RTSP/1.0`]);
  server.close();

  const round = await listen((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => socket.write('RTSP/1.0 301 x\r\nLocation: /again\r\n\r\n'));
  });
  assert.match(
    (await new Pulled(`rtsp://127.0.0.1:${round.port}/a`).ended()).reason,
    /redirects more than 5 times/,
  );
  round.server.close();
});

test('pull by RTSP: name and password go to no other server', async () => {
  const authorized: boolean[] = [];
  const challenge = await listen((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      authorized.push(/^Authorization:/m.test(bytes.toString()));
      socket.write('RTSP/1.0 401 x\r\nWWW-Authenticate: Basic realm="x"\r\n\r\n');
    });
  });
  const redirect = await listen((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () =>
      socket.write(`RTSP/1.0 301 x\r\nLocation: rtsp://localhost:${challenge.port}/\r\n\r\n`),
    );
  });
  const pulled = new Pulled(`rtsp://user:hush@127.0.0.1:${redirect.port}/a`);
  assert.match((await pulled.ended()).reason, /^localhost:\d+ asks for a name and a password$/);
  assert.deepEqual(authorized, [false]);
  challenge.server.close();
  redirect.server.close();
});

test('pull by RTSP: when nothing comes over UDP, a second connection asks for TCP', async () => {
  const asked: string[] = [];
  const body = 'v=0\r\nm=audio 0 RTP/AVP 8\r\n';
  const { server, port } = await listen((socket) => {
    socket.on('error', () => undefined);
    const answer = (cseq: string, fields: string, text = '') =>
      socket.write(`RTSP/1.0 200 OK\r\nCSeq: ${cseq}\r\nSession: s\r\n${fields}\r\n${text}`);
    const reader = new RtspReader({
      request: ({ method, headers }) => {
        const cseq = headers.get('CSeq');
        const transport = headers.get('Transport');
        asked.push(transport === '' ? method : `${method} ${transport.replace(/\d+-\d+/, '')}`);
        if (method === 'DESCRIBE') answer(cseq, `Content-Length: ${body.length}\r\n`, body);
        else answer(cseq, transport === '' ? '' : `Transport: ${transport}\r\n`);
        if (method !== 'PLAY' || !asked.includes('SETUP RTP/AVP/TCP;unicast;interleaved=')) return;
        const packet = rtp(8, 1, 0, Buffer.alloc(160, 1));
        socket.write(Buffer.concat([Buffer.of(0x24, 0, 0, packet.length), packet]));
      },
      response: () => assert.fail('the client has nothing to answer'),
      interleaved: () => undefined,
    });
    socket.on('data', (bytes) => reader.receive(bytes));
  });
  // Time that runs faster: three seconds are a tenth of a second.
  const pulled = new Pulled(`rtsp://127.0.0.1:${port}/cam`, {
    nowUs: () => Math.round(performance.now() * 30_000),
    silenceMs: 60_000,
  });
  await pulled.media(['g711a'], 1);
  pulled.pull.close();
  await until('the goodbye', () => asked.filter((method) => method === 'TEARDOWN').length === 2);
  const once = (transport: string) => ['OPTIONS', 'DESCRIBE', `SETUP ${transport}`, 'PLAY'];
  assert.deepEqual(
    asked.filter((method) => method !== 'TEARDOWN'),
    [...once('RTP/AVP;unicast;client_port='), ...once('RTP/AVP/TCP;unicast;interleaved=')],
  );
  server.close();
});

test('pull by RTSP: silent servers are given up, and what they did not answer is named', async () => {
  const { server, port } = await listen((socket) => socket.on('error', () => undefined).resume());
  const pulled = new Pulled(`rtsp://127.0.0.1:${port}/cam`, { connectMs: 150 });
  assert.deepEqual(await pulled.ended(), {
    kind: 'failed',
    reason: `127.0.0.1:${port} did not answer OPTIONS within 0.15 s`,
  });
  server.close();
  assert.match(
    (await new Pulled(`rtsp://127.0.0.1:${port}/cam`).ended()).reason,
    /^nothing listens at 127\.0\.0\.1/,
  );
});

describe('forward by RTSP', () => {
  for (const [name, app, scheme] of [
    ['plain', 'copy', 'rtsp'],
    ['secure', 'locked', 'rtsps, with a login'],
  ] as const) {
    test(`by ${scheme}`, async () => {
      const publisher = await ClipPublisher.start({ port: source.rtmpPort, name });
      const hub = target.application.context.hub;
      await until(
        `${app}/${name} at the target`,
        () => (hub.find(`${app}/${name}`)?.tracks.length ?? 0) === 2,
      );
      const copy = await openFlv(target.http(`/${app}/${name}.flv`));
      await until('media of the copy', () =>
        [TAG_AUDIO, TAG_VIDEO].every((type) => mediaBytes(copy.tags, type).length > 40),
      );
      const sent = new Set(mediaBytes(publisher.sent, TAG_AUDIO));
      assert.ok(mediaBytes(copy.tags, TAG_AUDIO).every((tag) => sent.has(tag)));
      copy.close();
      publisher.stop();
      await until('the end of the copy', () => hub.find(`${app}/${name}`)?.state !== 'live', 15_000);
    });
  }

  test('a refused login is told, without the password', async () => {
    const publisher = await ClipPublisher.start({ port: source.rtmpPort, name: 'stranger' });
    await until('the refusal', () =>
      source.lines.some((line) => /does not take this name and password/.test(JSON.stringify(line))),
    );
    assert.doesNotMatch(JSON.stringify(source.lines), /me:wrong|p%3Aw/);
    publisher.stop();
  });
});
