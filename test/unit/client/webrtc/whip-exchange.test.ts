/** The signalling of a call against a server of the test: what is sent, redirects, refusals, the end. Loopback only. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, beforeEach, test } from 'node:test';
import { parseCallAddress } from '../../../../src/client/webrtc/call-address.ts';
import { WhipExchange } from '../../../../src/client/webrtc/whip-exchange.ts';
import { until } from '../../../support/until.ts';

const ANSWER = 'v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n';

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

let server: Server;
let port = 0;
let asked: Asked[] = [];
let respond: (request: Asked, response: ServerResponse) => void = () => undefined;

before(async () => {
  server = createServer((message, response) => {
    let body = '';
    message.on('data', (part: Buffer) => {
      body += part.toString();
    });
    message.on('end', () => {
      const { method = '', url: path = '', headers } = message;
      const request = { method, path, headers, body };
      asked.push(request);
      if (method === 'DELETE') response.end();
      else respond(request, response);
    });
  }).listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  ({ port } = server.address() as AddressInfo);
});

beforeEach(() => {
  asked = [];
});

after(() => {
  server.closeAllConnections();
  server.close();
});

interface Outcome {
  readonly exchange: WhipExchange;
  sdp: string;
  resource: URL | null;
  failure: string;
}

async function post(path: string, user = ''): Promise<Outcome> {
  const address = parseCallAddress(`whep://${user}127.0.0.1:${port}${path}`, 'play');
  assert.ok(address !== null);
  let isOver = false;
  const outcome = { sdp: '', resource: null as URL | null, failure: '' };
  const exchange = new WhipExchange(
    address,
    'the offer',
    {
      onAnswer: (sdp, resource) => {
        Object.assign(outcome, { sdp, resource });
        isOver = true;
      },
      onFailure: (failure) => {
        outcome.failure = failure;
        isOver = true;
      },
    },
    { role: 'play', userAgent: 'Sluice/test', verifies: true, fields: { 'X-Test': 'yes' } },
  );
  await until('the outcome', () => isOver);
  return Object.assign(outcome, { exchange });
}

test('whip: offer, answer, DELETE at the end', async () => {
  respond = (_, response) => {
    response.writeHead(201, { 'Content-Type': 'application/sdp', Location: '../session/1' }).end(ANSWER);
  };
  const { exchange, sdp, resource, failure } = await post('/live/cam/whep', 'tok@');
  assert.equal(failure, '');
  assert.equal(sdp, ANSWER);
  assert.equal(resource?.href, `http://127.0.0.1:${port}/live/session/1`);
  const [first] = asked;
  assert.equal(`${first?.method} ${first?.path} ${first?.body}`, 'POST /live/cam/whep the offer');
  assert.equal(first?.headers['content-type'], 'application/sdp');
  assert.equal(first?.headers.authorization, 'Bearer tok');
  assert.equal(first?.headers['user-agent'], 'Sluice/test');
  assert.equal(first?.headers['x-test'], 'yes');
  exchange.close();
  exchange.delete(resource!);
  await until('DELETE', () => asked.length === 2);
  assert.equal(`${asked[1]!.method} ${asked[1]!.path}`, 'DELETE /live/session/1');
  assert.equal(asked[1]!.headers.authorization, 'Bearer tok');
});

test('whip: a session elsewhere is left alone, and one without an address too', async () => {
  for (const location of ['http://192.0.2.1/session', 'ftp://x/', undefined]) {
    respond = (_, response) => {
      response.writeHead(201, location === undefined ? {} : { Location: location }).end(ANSWER);
    };
    const { sdp, resource } = await post('/x');
    assert.equal(sdp, ANSWER);
    assert.equal(resource, null);
  }
});

test('whip: redirects take the offer along; the token stays with its server', async () => {
  for (const status of [301, 302, 307, 308]) {
    asked = [];
    respond = ({ path }, response) => {
      if (path === '/there') response.writeHead(201).end(ANSWER);
      else response.writeHead(status, { Location: '/there' }).end();
    };
    assert.equal((await post('/here', 'tok@')).sdp, ANSWER);
    assert.equal(asked[1]!.body, 'the offer');
    assert.equal(asked[1]!.headers.authorization, 'Bearer tok');
  }
  asked = [];
  respond = ({ path }, response) => {
    if (path === '/there') response.writeHead(201).end(ANSWER);
    else response.writeHead(307, { Location: `http://localhost:${port}/there` }).end();
  };
  assert.equal((await post('/here', 'tok@')).sdp, ANSWER);
  assert.equal(asked[1]!.headers.authorization, undefined);
});

const REFUSALS: readonly (readonly [
  status: number,
  headers: Readonly<Record<string, string>>,
  body: string,
  user: string,
  reason: RegExp,
])[] = [
  [401, {}, '', '', /^127\.0\.0\.1:\d+ asks for a token or a password \(401\)$/],
  [401, {}, '', 'tok@', /^127\.0\.0\.1:\d+ does not take this token \(401\)$/],
  [401, {}, '', 'me:pw@', /^127\.0\.0\.1:\d+ does not take this name and password \(401\)$/],
  [403, { 'Content-Type': 'text/plain' }, 'Not you.', '', /does not allow it \(403\): Not you\.$/],
  [404, {}, '<html>', '', /^nobody publishes there, says 127\.0\.0\.1:\d+ \(404\)$/],
  [
    406,
    { 'Content-Type': 'application/problem+json' },
    '{"detail":"Only H.265 here."}',
    '',
    /takes nothing of what is offered \(406\): Only H\.265 here\.$/,
  ],
  [503, {}, '', '', /^127\.0\.0\.1:\d+ answers 503 Service Unavailable$/],
  [201, { 'Content-Type': 'application/json' }, '{"code":400,"msg":"no"}', '', /no session description: no$/],
  [201, {}, '', '', /answers with no session description$/],
  [201, {}, ANSWER + 'x'.repeat(200_000), '', /broke off .* or it is longer than 131072 bytes$/],
  [307, { Location: 'rtmp://elsewhere/' }, '', '', /redirects to what is no address of HTTP$/],
  [307, { Location: '/again' }, '', '', /redirects more than 5 times$/],
  [307, {}, '', '', /answers 307 Temporary Redirect$/],
];

for (const [status, headers, body, user, reason] of REFUSALS) {
  test(`whip: refusal ${status} ${body.slice(0, 20)}${headers['Location'] ?? ''}${user}`, async () => {
    respond = (_, response) => {
      response.writeHead(status, headers).end(body);
    };
    const { failure, sdp } = await post('/live/cam/whep', user);
    assert.equal(sdp, '');
    assert.match(failure, reason);
  });
}

test('whip: an answer that breaks off', async () => {
  respond = (_, response) => {
    response.writeHead(201, { 'Content-Length': '1000' });
    response.write(ANSWER, () => response.destroy());
  };
  assert.match((await post('/x')).failure, /broke off in the middle of its answer/);
});

test('whip: nothing is told after close', async () => {
  let told = 0;
  const tell = () => told++;
  const address = parseCallAddress(`whep://127.0.0.1:${port}/x`, 'play');
  respond = (_, response) => response.writeHead(404).end();
  const exchange = new WhipExchange(
    address!,
    'the offer',
    { onAnswer: tell, onFailure: tell },
    { role: 'play', userAgent: '', verifies: true, fields: {} },
  );
  exchange.close();
  assert.equal((await post('/y')).failure === '', false);
  assert.equal(told, 0);
});
