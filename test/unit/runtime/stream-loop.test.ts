import assert from 'node:assert/strict';
import { test } from 'node:test';
import { makeStreamKey } from '../../../src/media/stream-key.ts';
import { answerAsker, askersOf, parseVia, refuseLoop } from '../../../src/runtime/stream-loop.ts';
import { TestHub } from '../../support/test-hub.ts';

const KEY = makeStreamKey('live', 'cam');
const CIRCLE = { reason: 'loop', message: /circle/ };

/** Servers that know each other by name. */
function servers(...ids: readonly string[]) {
  return ids.map((serverId) => {
    const world = new TestHub();
    return { world, serverId, hub: world.hub };
  });
}

test('a list of servers: blanks and empty names are nothing, and it is bounded', () => {
  assert.deepEqual(parseVia(' a , b,,c-1f'), ['a', 'b', 'c-1f']);
  assert.deepEqual(parseVia(''), []);
  assert.ok(parseVia('abcdefg,'.repeat(1000)).length <= 64);
});

test('publishing what came through this server is refused, by its name or by that of a stream here', () => {
  for (const via of [['me'], ['x', 'me-1f']])
    assert.throws(() => refuseLoop(via, 'me'), { reason: 'loop', message: /forward/ });
  refuseLoop(['mean', 'x-me', 'you'], 'me');
});

test('who is no Sluice server is told nothing', () => {
  const [a] = servers('a');
  assert.deepEqual(answerAsker(a!, KEY, []), []);
  assert.equal(askersOf(a!, KEY).length, 1, 'and is no asker');
});

test('the way of a stream grows with each server, and back to one of them it is a circle', () => {
  const [a, b, c] = servers('a', 'b', 'c');
  a!.hub.publish(KEY, a!.world.owner('camera'));
  const fromA = answerAsker(a!, KEY, askersOf(b!, KEY));
  assert.match(fromA.join(), /^a-[0-9a-f]+$/);
  b!.hub.publish(KEY, { ...b!.world.owner('pull'), via: fromA });
  const fromB = answerAsker(b!, KEY, askersOf(c!, KEY));
  assert.match(fromB.join(), /^a-[0-9a-f]+,b-[0-9a-f]+$/);
  c!.hub.publish(KEY, { ...c!.world.owner('pull'), via: fromB });
  assert.throws(() => answerAsker(b!, KEY, askersOf(a!, KEY)), CIRCLE);
  assert.throws(() => answerAsker(c!, KEY, askersOf(a!, KEY)), CIRCLE);
  const other = makeStreamKey('live', 'other');
  assert.equal(answerAsker(c!, KEY, askersOf(a!, other)).length, 3, 'another stream of the first server');
});

test('servers that wait for each other: who asked is passed on, for as long as anybody may wait', () => {
  const [a, b, c] = servers('a', 'b', 'c');
  assert.equal(answerAsker(b!, KEY, askersOf(a!, KEY)).length, 1);
  assert.equal(answerAsker(c!, KEY, askersOf(b!, KEY)).length, 1);
  assert.throws(() => answerAsker(a!, KEY, askersOf(c!, KEY)), CIRCLE);
  a!.hub.publish(KEY, a!.world.owner('camera'));
  assert.equal(answerAsker(a!, KEY, askersOf(c!, KEY)).length, 1, 'the first one has it now');
  c!.world.advanceMs(31_000);
  assert.equal(askersOf(c!, KEY).length, 1);
});

test('who asked is bounded', () => {
  const [a] = servers('a');
  for (let i = 0; i < 2000; i++) answerAsker(a!, makeStreamKey('live', `s${i}`), [`x-${i}`]);
  for (let i = 0; i < 100; i++) answerAsker(a!, makeStreamKey('live', 's0'), [`y-${i}`]);
  assert.equal(askersOf(a!, makeStreamKey('live', 's0')).length, 17);
  assert.equal(askersOf(a!, makeStreamKey('live', 's1999')).length, 1);
});
