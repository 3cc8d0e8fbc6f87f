/** Who may change something by the API, and what bodies say. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { checkApiControl, readApiValues } from '../../../src/runtime/api-control.ts';
import type { HttpRequest } from '../../../src/runtime/http-listener.ts';
import { RejectedError } from '../../../src/util/errors.ts';

interface Asked {
  readonly remote?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly body?: string;
}

function asked({ remote = '127.0.0.1:4711', headers = {}, query = '', body = '' }: Asked): HttpRequest {
  const message = Object.assign(Readable.from([Buffer.from(body)]), { headers });
  return { message, remote, query: new URLSearchParams(query) } as unknown as HttpRequest;
}

const OWN = { host: 'server.test:1980', origin: 'http://SERVER.test:1980' };

const CHECKS: readonly (readonly [
  name: string,
  control: 'local' | 'all' | 'off',
  Asked,
  refusal: RegExp | null,
])[] = [
  ['this machine', 'local', {}, null],
  ['this machine by IPv6', 'local', { remote: '[::1]:4711' }, null],
  ['another machine', 'local', { remote: '192.0.2.1:4711' }, /machine of the server only; rec control/],
  ['another machine, all may', 'all', { remote: '192.0.2.1:4711' }, null],
  ['behind a proxy', 'local', { headers: { 'x-forwarded-for': '192.0.2.1' } }, /machine of the server/],
  ['behind a proxy of RFC 7239', 'local', { headers: { forwarded: 'for=192.0.2.1' } }, /machine of the/],
  ['nobody', 'off', {}, /rec control in config\.xml/],
  ['a page of ours', 'all', { headers: OWN }, null],
  [
    'a page of ours by HTTP/2',
    'all',
    { headers: { ':authority': 'server.test', origin: 'https://server.test' } },
    null,
  ],
  ['a page of another site', 'all', { headers: { ...OWN, origin: 'http://evil.test' } }, /other sites/],
  ['a page without origin', 'all', { headers: { ...OWN, origin: 'null' } }, /other sites/],
  ['a link on another site', 'all', { headers: { 'sec-fetch-site': 'cross-site' } }, /other sites/],
];

for (const [name, control, request, refusal] of CHECKS) {
  test(`API control: ${name}`, () => {
    const check = () => checkApiControl(asked(request), control, 'rec');
    if (refusal === null) check();
    else assert.throws(check, (error) => error instanceof RejectedError && refusal.test(error.message));
  });
}

test('API values: the body counts more than the query; a blank body is none', async () => {
  const read = async (request: Asked) => Object.fromEntries(await readApiValues(asked(request)));
  assert.deepEqual(await read({ query: 'a=1&b=2', body: '{"b":3,"c":[true]}' }), { a: '1', b: 3, c: [true] });
  assert.deepEqual(await read({ query: 'a=1', body: ' \n' }), { a: '1' });
  for (const [body, sentence] of [
    ['{', /not JSON/],
    ['[1]', /not a JSON object/],
    ['null', /not a JSON object/],
    [`{"a":"${'x'.repeat(65_536)}"}`, /too long/],
  ] as const)
    await assert.rejects(read({ body }), sentence);
});
