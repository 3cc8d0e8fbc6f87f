import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatLogLine, formatLogLineAsJson, LogHub, type LogLine } from '../../../src/util/log.ts';

function collected(level: 'info' | 'debug' = 'info') {
  const lines: LogLine[] = [];
  return { hub: new LogHub(level, (line) => lines.push(line)), lines };
}

test('log: levels below the wanted one are counted but not written', () => {
  const { hub, lines } = collected();
  const log = hub.logger();
  log.debug('a');
  log.info('b');
  log.error('c');
  assert.deepEqual(
    lines.map((line) => line.event),
    ['b', 'c'],
  );
  assert.equal(hub.totals.debug, 1);
});

test('log: a session id and fields go with every line', () => {
  const { hub, lines } = collected();
  hub
    .logger('', { server: 'x' })
    .child('k3j9x2aa', { stream: 'live/a' })
    .info('rtmp.play-start', { remote: '::1' });
  assert.equal(lines[0]!.session, 'k3j9x2aa');
  assert.deepEqual(lines[0]!.fields, { server: 'x', stream: 'live/a', remote: '::1' });
});

test('log: a flood of one kind is one line per second, the rest is counted', () => {
  const { hub, lines } = collected();
  const log = hub.logger();
  for (let i = 0; i < 10_000; i++) log.counted('rtmp.bad-chunk', { cause: 'x' });
  assert.equal(lines.length, 1);
  assert.equal(hub.eventTotals.get('rtmp.bad-chunk'), 10_000);
});

test('log: kinds that a peer could make up are bounded', () => {
  const { hub } = collected();
  for (let i = 0; i < 10_000; i++) hub.count('warn', '', `event-${i}`, {});
  assert.ok(hub.eventTotals.size <= 256);
});

test('log: what a peer sends cannot forge a line or colour a terminal', () => {
  const line: LogLine = {
    wallMs: 0,
    level: 'info',
    session: 's',
    event: 'e',
    fields: { a: 'x\n2026 ERROR forged\u001b[31m', b: 'plain/value-1' },
  };
  const text = formatLogLine(line);
  assert.equal(text.split('\n').length, 1);
  assert.ok(!text.includes('\u001b'));
  assert.match(text, /b=plain\/value-1/);
});

test('log: JSON lines hold the same', () => {
  const text = formatLogLineAsJson({
    wallMs: 1000,
    level: 'warn',
    session: 's1',
    event: 'e',
    fields: { n: 1 },
  });
  assert.deepEqual(JSON.parse(text), {
    time: '1970-01-01T00:00:01.000Z',
    level: 'warn',
    session: 's1',
    event: 'e',
    n: 1,
  });
});
