import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { makeStartWorker, WORKER_SOURCES, type WorkerThread } from '../../../src/runtime/worker-thread.ts';

/** Starts a worker of this text, as the packaged program does. */
function start(text: string, data: unknown = null) {
  const startWorker = makeStartWorker((path) => (path === 'workers/transcode.js' ? Buffer.from(text) : null));
  const messages: unknown[] = [];
  let thread: WorkerThread | null = null;
  const ended = new Promise<string>((resolve) => {
    thread = startWorker('transcode', {
      data,
      heapMb: 16,
      onMessage: (message) => {
        messages.push(message);
        waiting?.();
      },
      onEnd: resolve,
    });
  });
  let waiting: (() => void) | null = null;
  const next = async (): Promise<unknown> => {
    if (messages.length === 0) await new Promise<void>((resolve) => (waiting = resolve));
    return messages.shift();
  };
  return { thread: thread! as WorkerThread, ended, next };
}

const ECHO =
  "const { parentPort, workerData } = require('node:worker_threads'); parentPort.postMessage(workerData);";

test('a worker gets its data and messages, and answers', async () => {
  const { thread, next } = start(
    `${ECHO} parentPort.on('message', (m) => parentPort.postMessage(m.bytes.length));`,
    'hello',
  );
  assert.equal(await next(), 'hello');
  const bytes = new Uint8Array(1000);
  thread.post({ bytes }, [bytes.buffer]);
  assert.equal(await next(), 1000);
  assert.equal(bytes.length, 0);
  thread.stop();
  thread.stop();
  thread.post('nobody hears this');
});

test('its owner hears how a worker ended, and nobody else', async () => {
  const cases: [string, RegExp][] = [
    ["throw new Error('broken')", /broken/],
    ["setImmediate(() => { throw new Error('later') })", /later/],
    ["Promise.reject(new Error('unhandled'))", /unhandled/],
    ['process.exit(3)', /exit 3/],
    ['', /exit 0/],
    ['const kept = []; for (;;) kept.push(new Array(100_000).fill({}))', /memory/],
  ];
  for (const [text, expected] of cases) assert.match(await start(text).ended, expected);
});

test('a stopped worker is not heard of any more', async () => {
  const { thread, ended } = start('setInterval(() => {}, 1000)');
  thread.stop();
  // Another one has come and gone meanwhile.
  const other = start('process.exit(7)').ended;
  assert.match(await Promise.race([ended, other]), /exit 7/);
});

test('the program and its build know the same workers', async () => {
  const script = new URL('../../../build/worker-bundles.mjs', import.meta.url).href;
  const { WORKERS } = (await import(script)) as { WORKERS: Record<string, string> };
  const sources = Object.fromEntries(
    Object.entries(WORKER_SOURCES).map(([name, path]) => [name, `src/${path}`]),
  );
  assert.deepEqual(sources, WORKERS);
  for (const path of Object.values(sources)) {
    assert.ok(existsSync(fileURLToPath(new URL(`../../../${path}`, import.meta.url))), path);
  }
});
