/** Headers that every answer carries, however its head is written. */
import assert from 'node:assert/strict';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { commonHeaders, corsOriginOf, responseWith } from '../../../src/runtime/common-headers.ts';
import { ask } from '../../support/http-client.ts';

async function answerOf(write: (response: ServerResponse) => void) {
  const options = { ServerResponse: responseWith(commonHeaders('https://site')) };
  const server = createServer(options, (_, response) => write(response));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  try {
    return await ask({ port: (server.address() as AddressInfo).port, path: '/' });
  } finally {
    server.close();
  }
}

const WAYS: Readonly<Record<string, (response: ServerResponse) => void>> = {
  'a head with an object': (response) => response.writeHead(200, { 'X-Own': '1' }).end('x'),
  'a head with a reason': (response) => response.writeHead(200, 'Fine', { 'X-Own': '1' }).end('x'),
  'a head with an array': (response) => response.writeHead(200, ['X-Own', '1']).end('x'),
  'headers before the head': (response) => {
    response.setHeader('X-Own', '1');
    response.writeHead(200, { 'X-Other': '2' });
    response.end('x');
  },
  'no head of its own': (response) => {
    response.setHeader('X-Own', '1');
    response.end('x');
  },
};

for (const [name, write] of Object.entries(WAYS))
  test(`common headers: ${name}`, async () => {
    const { status, headers } = await answerOf(write);
    assert.equal(status, 200);
    assert.equal(headers['x-own'], '1');
    assert.equal(headers['server'], 'Sluice');
    assert.equal(headers['access-control-allow-origin'], 'https://site');
    assert.match(String(headers['access-control-expose-headers']), /ETag/);
  });

test('common headers: own ones win, and the origin is told to who writes the head by hand', async () => {
  let origin = '';
  const { headers } = await answerOf((response) => {
    origin = corsOriginOf(response);
    response.writeHead(200, { Server: 'other' }).end();
  });
  assert.deepEqual([headers['server'], origin], ['other', 'https://site']);
  assert.deepEqual(commonHeaders(''), { Server: 'Sluice' });
});
