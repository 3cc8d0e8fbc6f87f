import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bestFirst, parseRids } from '../../../../src/rtc/negotiation/simulcast.ts';

function ridsOf(...lines: string[]) {
  return parseRids(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return { name: line.slice(0, colon), value: line.slice(colon + 1) };
    }),
  );
}

test('simulcast: forms of the standard and of its drafts', () => {
  const ids = (...lines: string[]) => ridsOf(...lines).map(({ id }) => id);
  const three = ['rid:a send', 'rid:b send', 'rid:c send'];
  assert.deepEqual(ids(...three, 'simulcast:send a;b;c'), ['a', 'b', 'c']);
  assert.deepEqual(ids(...three, 'simulcast:send c;~b,a recv d'), ['c', 'b']);
  assert.deepEqual(ids(...three, 'simulcast:recv d send a;b'), ['a', 'b']);
  assert.deepEqual(ids(...three, 'simulcast: send rid=a;b;c'), ['a', 'b', 'c']);
  assert.deepEqual(ids('simulcast:send a;b'), ['a', 'b']);
  assert.deepEqual(ids(...three), ['a', 'b', 'c']);
  assert.deepEqual(ids('rid:a recv', 'rid:b recv'), []);
  assert.deepEqual(ids('rid:a send', 'simulcast:send a'), []);
  assert.deepEqual(ids('rid:a send', 'rid:b/ send', 'rid: send', 'rid:a send'), []);
  assert.deepEqual(ids(...three, 'simulcast:send a;a;\u00e4;;b'), ['a', 'b']);
});

test('simulcast: restrictions', () => {
  assert.deepEqual(
    ridsOf('rid:a send pt=96,97,x;max-width=640;max-height=360', 'rid:b send max-br=500000', 'rid:c send x'),
    [
      { id: 'a', payloadTypes: [96, 97], limit: 640 * 360 },
      { id: 'b', payloadTypes: [], limit: 500_000 },
      { id: 'c', payloadTypes: [], limit: 0 },
    ],
  );
});

test('simulcast: the best layer first', () => {
  const order = (...ids: string[]) => bestFirst(ids.map((id) => ({ id, payloadTypes: [], limit: 0 })));
  assert.deepEqual(order('q', 'h', 'f'), ['f', 'h', 'q']);
  assert.deepEqual(order('l', 'm', 'h'), ['h', 'm', 'l']);
  assert.deepEqual(order('low', 'high'), ['high', 'low']);
  assert.deepEqual(order('0', '1', '2'), ['0', '1', '2']);
  assert.deepEqual(order('x', 'f'), ['x', 'f']);
  const limited = [1, 3, 2].map((limit) => ({ id: `f${limit}`, payloadTypes: [], limit }));
  assert.deepEqual(bestFirst(limited), ['f3', 'f2', 'f1']);
});
