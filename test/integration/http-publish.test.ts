/** Publishing by POST, PUT and WebSocket: every frame arrives, refusals come before the body, ends are clean. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { ask } from '../support/http-client.ts';
import { ask2, openHttp2 } from '../support/http2-client.ts';
import { firstBytes, openLive } from '../support/live-body.ts';
import { BODY_FORMATS, bodyOf, Post, StreamWitness } from '../support/publish-body.ts';
import { TestServer } from '../support/test-server.ts';
import { until } from '../support/until.ts';

let server: TestServer;
let ownPort: number;
const witnesses: StreamWitness[] = [];

before(async () => {
  server = await TestServer.start({
    config: '<post><ip>127.0.0.1</ip><port>0</port></post>',
    policy: `<application name="live"><publish grace="0"/></application>
      <application name="over"><publish busy="takeover" grace="0"/></application>
      <application name="quick"><publish first-packet="1s" idle="1s" grace="0"/></application>`,
  });
  const { endpoints } = server.application.context;
  ownPort = endpoints.all().find(({ type }) => type === 'http-post')!.port;
});

after(async () => {
  for (const witness of witnesses) witness.detach();
  await server.close();
});

function watch(name: string, app = 'live'): StreamWitness {
  const witness = new StreamWitness(server.application.context.hub, app, name);
  witnesses.push(witness);
  return witness;
}

function post(path: string, options: Partial<ConstructorParameters<typeof Post>[0]> = {}): Post {
  return new Post({ port: server.httpPort, path, ...options });
}

const sessions = () => server.application.context.sessions.all().filter(({ role }) => role === 'publisher');
const published = (text: string) =>
  until(`publisher of ${text}`, () => sessions().some(({ streamText }) => streamText === text));
const free = (text: string) =>
  until(`end of ${text}`, () => !sessions().some(({ streamText }) => streamText === text));

describe('every format', () => {
  for (const format of BODY_FORMATS) {
    const parts = bodyOf(format);
    const body = Buffer.concat(parts);
    const check = (witness: StreamWitness, text: string, protocol: string) => {
      const { code, protocol: told, bytes, frames } = JSON.parse(text) as Record<string, unknown>;
      assert.deepEqual({ code, told, bytes }, { code: 0, told: protocol, bytes: body.length });
      assert.equal(frames, witness.frames.length);
      witness.assertWhole();
    };
    const label = format === 'mp4' ? 'fmp4' : format;

    test(`${format}: POST in chunks`, async () => {
      const witness = watch(`chunks-${format}`);
      const { status, text } = await post(`/live/chunks-${format}.${format}`)
        .write(...parts)
        .end();
      assert.equal(status, 200, text);
      check(witness, text, `http-${label}`);
    });

    test(`${format}: PUT with a length, after leave was given, over TLS`, async () => {
      const witness = watch(`length-${format}`);
      const one = post(`/live/length-${format}.${format}`, {
        method: 'PUT',
        tls: true,
        port: server.httpsPort,
        headers: { 'Content-Length': body.length, Expect: '100-continue' },
      });
      one.request.flushHeaders();
      await until('leave', () => one.isContinued);
      const { status, text } = await one.write(body).end();
      assert.equal(status, 200, text);
      check(witness, text, `https-${label}`);
    });

    test(`${format}: HTTP/2`, async () => {
      const witness = watch(`h2-${format}`);
      const session = await openHttp2(server.httpsPort);
      const { status, text } = await ask2(session, `/live/h2-${format}.${format}`, { method: 'POST', body });
      session.close();
      assert.equal(status, 200, text);
      check(witness, text, `https-${label}`);
    });

    test(`${format}: on the port of its own`, async () => {
      const witness = watch(`own-${format}`);
      const { status, text } = await post(`/live/own-${format}.${format}`, { port: ownPort })
        .write(body)
        .end();
      assert.equal(status, 200, text);
      check(witness, text, `http-${label}`);
    });

    for (const [scheme, subProtocol, port] of [
      ['ws', 'post', () => server.httpPort],
      ['wss', 'publisher', () => server.httpsPort],
    ] as const) {
      test(`${format}: ${scheme} with the sub-protocol ${subProtocol}`, async () => {
        const name = `${scheme}-${format}`;
        const witness = watch(name);
        const socket = new WebSocket(`${scheme}://127.0.0.1:${port()}/live/${name}.${format}`, subProtocol, {
          rejectUnauthorized: false,
        });
        await once(socket, 'open');
        assert.equal(socket.protocol, subProtocol);
        await published(`live/${name}`);
        assert.equal(
          sessions().find(({ streamText }) => streamText === `live/${name}`)!.protocol,
          `${scheme}-${label}`,
        );
        for (const part of parts) socket.send(part);
        socket.close();
        await free(`live/${name}`);
        witness.assertWhole();
      });
    }
  }
});

describe('refusals', () => {
  const flv = bodyOf('flv');
  const whole = Buffer.concat(flv);

  for (const [what, path, status, sentence] of [
    ['an application that is not allowed', '/secret/a.flv', 403, /"secret" is not allowed/],
    ['an address without an application', '/a.flv', 400, /is \/application\/stream\.flv/],
    ['a name that is none', '/live/a%3Cb.flv', 400, /character that is not allowed/],
  ] as const) {
    test(`${what}, before the body`, async () => {
      const one = post(path, { headers: { Expect: '100-continue', 'Transfer-Encoding': 'chunked' } });
      one.request.flushHeaders();
      const answer = await one.answer;
      assert.equal(answer.status, status);
      assert.match(answer.text, sentence);
      assert.equal(answer.headers.connection, 'close');
      assert.equal(one.isContinued, false);
      one.request.destroy();
    });
  }

  test('a name that is taken, whether or not leave is asked', async () => {
    const first = post('/live/taken.flv').write(...flv.slice(0, 20));
    await published('live/taken');
    for (const headers of [{ Expect: '100-continue', 'Transfer-Encoding': 'chunked' }, {}]) {
      const second = post('/live/taken.ts', { headers });
      if ('Expect' in headers) second.request.flushHeaders();
      else second.write(Buffer.alloc(300_000, 1));
      const { status, text } = await second.answer;
      assert.equal(status, 409);
      assert.match(
        text,
        /live\/taken is already being published by 127\.0\.0\.1:\d+ \(http-flv, session \w+\)/,
      );
      // The server does not wait for the rest of the body.
      await until('the end of the connection', () => second.isClosed || second.request.destroyed);
    }
    const { status } = await first.write(...flv.slice(20)).end();
    assert.equal(status, 200);
  });

  for (const [what, path, body, status, sentence] of [
    ['FLV at .ts', 'm1.ts', whole, 415, /is FLV, but the address says MPEG-TS \(\.ts\); send it to \.flv/],
    ['MPEG-TS at .flv', 'm2.flv', Buffer.concat(bodyOf('ts')), 415, /is MPEG-TS, .* send it to \.ts/],
    ['MP4 at .ts', 'm3.ts', Buffer.concat(bodyOf('mp4')), 415, /is MP4, .* send it to \.mp4/],
    [
      'what is no stream',
      'm4.flv',
      Buffer.alloc(5000, 'x'),
      415,
      /neither FLV nor MPEG-TS nor fragmented MP4/,
    ],
    ['nothing at all', 'm5.flv', Buffer.alloc(0), 400, /cannot be read: body\.empty/],
    ['a few bytes', 'm6.flv', Buffer.from('FLV'), 415, /too short for a stream/],
    [
      'FLV with a broken tag',
      'm7.flv',
      Buffer.concat([whole.subarray(0, 13), Buffer.alloc(400, 0xff)]),
      400,
      /cannot be read: flv\./,
    ],
  ] as const) {
    test(what, async () => {
      const one = post(`/live/${path}`);
      if (body.length > 0) one.write(body);
      if (status !== 415 || body.length < 100) one.request.end();
      const answer = await one.answer;
      assert.equal(answer.status, status, answer.text);
      assert.match(answer.text, sentence);
      one.request.destroy();
      await free(`live/${path.split('.')[0]}`);
    });
  }

  test('over HTTP/2', async () => {
    const session = await openHttp2(server.httpsPort);
    const denied = await ask2(session, '/secret/a.flv', { method: 'POST', body: whole });
    assert.equal(denied.status, 403);
    const mismatch = await ask2(session, '/live/h2-mismatch.ts', { method: 'POST', body: whole });
    assert.equal(mismatch.status, 415);
    assert.match(mismatch.text, /send it to \.flv/);
    // The session goes on.
    const fine = await ask2(session, '/live/h2-fine.flv', { method: 'POST', body: whole });
    assert.equal(fine.status, 200);
    session.close();
  });

  test('a WebSocket is refused before it is one', async () => {
    const holder = post('/live/ws-taken.flv').write(...flv.slice(0, 20));
    await published('live/ws-taken');
    for (const [path, status] of [
      ['/live/ws-taken.flv', 409],
      ['/secret/a.flv', 403],
    ] as const) {
      const socket = new WebSocket(`ws://127.0.0.1:${server.httpPort}${path}`, 'post');
      socket.on('error', () => undefined);
      const [, response] = (await once(socket, 'unexpected-response')) as [unknown, { statusCode: number }];
      assert.equal(response.statusCode, status);
      socket.terminate();
    }
    await holder.end();
  });

  test('a WebSocket with another format, and with text', async () => {
    for (const [send, code] of [
      [(socket: WebSocket) => socket.send(whole), 4415],
      [(socket: WebSocket) => socket.send('FLV'), 1007],
    ] as const) {
      const socket = new WebSocket(`ws://127.0.0.1:${server.httpPort}/live/ws-wrong.ts`, 'publisher');
      await once(socket, 'open');
      send(socket);
      const [closed] = (await once(socket, 'close')) as [number];
      assert.equal(closed, code);
      await free('live/ws-wrong');
    }
  });
});

describe('ends', () => {
  const parts = bodyOf('ts');

  test('a publisher that breaks off leaves the name free', async () => {
    const witness = watch('broken');
    const one = post('/live/broken.ts').write(...parts.slice(0, 30));
    await until('frames', () => witness.frames.length > 10);
    one.request.destroy();
    await free('live/broken');
    assert.match(server.logged('http-ts.publish-stop').at(-1)!.fields['reason'] as string, /left|broke/);
    const { status } = await post('/live/broken.ts')
      .write(...parts)
      .end();
    assert.equal(status, 200);
  });

  test('a second publisher takes over where the policy says so', async () => {
    const witness = watch('cam', 'over');
    const first = post('/over/cam.ts').write(...parts.slice(0, 30));
    await until('frames', () => witness.frames.length > 10);
    const second = await post('/over/cam.flv')
      .write(...bodyOf('flv'))
      .end();
    assert.equal(second.status, 200);
    const { status, text } = await first.answer;
    assert.equal(status, 409);
    assert.match(text, /took over over\/cam/);
  });

  test('a publisher that is kicked', async () => {
    const one = post('/live/kicked.ts').write(...parts.slice(0, 30));
    await published('live/kicked');
    sessions()
      .find(({ streamText }) => streamText === 'live/kicked')!
      .kick('You are not wanted.');
    const { status, text } = await one.answer;
    assert.deepEqual([status, text], [403, 'You are not wanted.\n']);
  });

  for (const [what, count, sentence] of [
    ['never begins', 0, /sent no media within 1 s/],
    ['falls silent', 40, /sent no media for 1 s/],
  ] as const) {
    test(`a publisher that ${what}`, async () => {
      const one = post(`/quick/silent-${count}.ts`).write(...parts.slice(0, count));
      one.request.flushHeaders();
      const { status, text } = await one.answer;
      assert.equal(status, 408);
      assert.match(text, sentence);
    });
  }
});

describe('beside others', () => {
  test('an upload of VOD still gets its leave', async () => {
    const one = post('/vod/x', {
      headers: { Expect: '100-continue', 'Content-Type': 'text/plain', 'Content-Length': 3 },
    });
    one.request.flushHeaders();
    await until('leave or answer', () => one.isContinued);
    await one.write(Buffer.from('abc')).end();
  });

  test('a WebSocket without the sub-protocol plays', async () => {
    const publisher = post('/live/played.flv').write(...bodyOf('flv').slice(0, 40));
    await published('live/played');
    const body = openLive(`ws://127.0.0.1:${server.httpPort}/live/played.flv`);
    await firstBytes(body, 1000);
    assert.equal(body.bytes.toString('latin1', 0, 3), 'FLV');
    body.close();
    await publisher.end();
  });

  test('the API tells what a publisher sends', async () => {
    const one = post('/live/told.ts').write(...parts2());
    await published('live/told');
    await until(
      'frames',
      () =>
        Number(
          sessions()
            .find(({ streamText }) => streamText === 'live/told')!
            .details?.()['frames'],
        ) > 0,
    );
    const { text } = await ask({ port: server.httpPort, path: '/api/v1/clients?count=100' });
    const { clients } = JSON.parse(text) as { clients: Record<string, unknown>[] };
    const client = clients.find(({ url }) => url === '/live/told')!;
    assert.deepEqual([client['protocol'], client['role'], client['publish']], ['http-ts', 'publisher', true]);
    const { frames, ...details } = client['details'] as Record<string, unknown>;
    assert.ok(Number(frames) > 0);
    assert.deepEqual(details, {
      format: 'ts',
      damaged: 0,
      left_out: [],
      continuity_errors: 1,
      skipped_bytes: 0,
    });
    await one.end();
  });

  test('nothing is taken where it is switched off', async () => {
    const other = await TestServer.start({ config: '<post><enable>off</enable></post>' });
    const { status } = await new Post({ port: other.httpPort, path: '/live/a.flv' })
      .write(Buffer.from('FLV'))
      .end();
    assert.equal(status, 404);
    await other.close();
  });
});

/** With one packet of a picture missing. */
function parts2(): Buffer[] {
  const parts = bodyOf('ts').slice(0, 60);
  const long = parts.findIndex((part, index) => index > 10 && part.length >= 5 * 188);
  const part = parts[long]!;
  // The last packet but one of the frame.
  parts[long] = Buffer.concat([part.subarray(0, part.length - 376), part.subarray(part.length - 188)]);
  return parts;
}
