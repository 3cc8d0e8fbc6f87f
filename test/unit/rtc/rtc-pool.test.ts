/** Which thread a connection is made on, and when there is another one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FromRtcThread, RtcThreadData } from '../../../src/rtc/rtc-messages.ts';
import { RtcPool } from '../../../src/rtc/rtc-pool.ts';
import type { StartWorker } from '../../../src/runtime/worker-thread.ts';
import { TestHub } from '../../support/test-hub.ts';

const FULL = 50;

class World {
  readonly workers: Parameters<StartWorker>[1][] = [];
  readonly stopped = new Set<number>();
  readonly grown: number[] = [];
  readonly troubles: string[] = [];
  /** Ports that another program has. */
  readonly takenPorts = new Set<number>();
  readonly pool: RtcPool;

  constructor(threads: number) {
    this.pool = new RtcPool({
      startWorker: (_name, options) => {
        const index = this.workers.push(options) - 1;
        return { post: () => undefined, stop: () => void this.stopped.add(index) };
      },
      hub: new TestHub().hub,
      threads,
      hosts: [],
      port: 8000,
      tcp: false,
      certificate: { key: '', cert: '' },
      maxConnections: 1000,
      onTrouble: (event, cause) => void this.troubles.push(`${event} ${cause}`),
      onGrown: (port) => void this.grown.push(port),
      onEnd: () => undefined,
    });
  }

  /** The latest worker opens its port, or cannot. */
  async listen(): Promise<void> {
    const { data, onMessage } = this.workers.at(-1)!;
    const { port } = data as RtcThreadData;
    const message: FromRtcThread = this.takenPorts.has(port)
      ? { type: 'failed', code: 'EADDRINUSE', message: `${port} is taken`, host: '', transport: 'udp' }
      : { type: 'listening', port, hasTcp: false };
    onMessage(message);
    for (let i = 0; i < 5; i++) await Promise.resolve();
  }

  async start(): Promise<void> {
    const started = this.pool.start();
    await this.listen();
    await started;
  }

  connect(count: number): void {
    for (let i = 0; i < count; i++) this.pool.pick().reserve(() => undefined);
  }
}

test('one thread runs from the start; another one when each has 50 connections, which then get even', async () => {
  const world = new World(3);
  await world.start();
  assert.deepEqual([world.workers.length, world.pool.ports], [1, [8000]]);
  world.connect(FULL);
  assert.equal(world.workers.length, 1);
  world.connect(1);
  world.connect(1);
  assert.equal(world.workers.length, 2, 'one is on its way, not two');
  await world.listen();
  assert.deepEqual([world.pool.ports, world.grown], [[8000, 8001], [8001]]);
  world.connect(FULL);
  assert.deepEqual([world.workers.length, world.pool.connectionCount], [2, 2 * FULL + 2]);
  world.connect(3);
  await world.listen();
  world.connect(400);
  assert.deepEqual([world.workers.length, world.pool.ports], [3, [8000, 8001, 8002]], 'no more than allowed');
});

test('a thread that cannot have its port is told of, and the next number is tried', async () => {
  const world = new World(3);
  world.takenPorts.add(8001);
  await world.start();
  world.connect(FULL + 1);
  await world.listen();
  assert.deepEqual([world.pool.ports, world.troubles], [[8000], ['webrtc.thread 8001 is taken']]);
  world.connect(1);
  await world.listen();
  assert.deepEqual(world.pool.ports, [8000, 8002]);
  world.connect(200);
  assert.equal(world.workers.length, 3);
});

test('a thread that comes when all is over is ended', async () => {
  const world = new World(2);
  await world.start();
  world.connect(FULL + 1);
  world.pool.destroy();
  await world.listen();
  assert.deepEqual([[...world.stopped], world.pool.ports], [[0, 1], [8000]]);
});
