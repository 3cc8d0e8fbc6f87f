/** The life of what a browser publishes: connecting, losing the connection, coming back, and where trying is no use. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface Details {
  readonly status?: number;
  readonly text?: string;
  readonly reason?: string;
  readonly seconds?: number;
}
interface Events {
  connected(): void;
  lost(): void;
  failed(details: Details): void;
}
interface Session {
  readonly state: string;
  readonly isOn: boolean;
  readonly link: object | null;
  start(): void;
  stop(): void;
  restart(): void;
}
interface PublishSessionModule {
  PublishSession: new (parts: {
    open(events: Events): { close(): void };
    onState(name: string, details: Details): void;
    timers: { set(run: () => void, ms: number): number; clear(handle: number | null): void };
    random?: () => number;
  }) => Session;
}

const { PublishSession } = await loadPageModule<PublishSessionModule>('js/publish-session.js');

class Bench {
  readonly states: string[] = [];
  details: Details = {};
  readonly links: Events[] = [];
  closed = 0;
  private readonly timers = new Map<number, { run: () => void; ms: number }>();
  private nextHandle = 1;
  readonly session: Session = new PublishSession({
    open: (events) => {
      this.links.push(events);
      return { close: () => void this.closed++ };
    },
    onState: (name, details) => {
      this.states.push(name);
      this.details = details;
    },
    timers: {
      set: (run, ms) => {
        this.timers.set(this.nextHandle, { run, ms });
        return this.nextHandle++;
      },
      clear: (handle) => void this.timers.delete(handle ?? 0),
    },
    random: () => 0,
  });

  get link(): Events {
    return this.links.at(-1)!;
  }

  get waits(): number[] {
    return [...this.timers.values()].map(({ ms }) => ms);
  }

  /** Runs every timer that waits. */
  pass(): void {
    for (const [handle, { run }] of [...this.timers]) if (this.timers.delete(handle)) run();
  }
}

function liveBench(): Bench {
  const bench = new Bench();
  bench.session.start();
  bench.link.connected();
  assert.deepEqual(bench.states, ['connecting', 'live']);
  return bench;
}

test('publish session: starts, is live, stops, and leaves nothing', () => {
  const bench = liveBench();
  assert.equal(bench.session.isOn, true);
  bench.session.stop();
  assert.deepEqual([bench.session.state, bench.session.isOn, bench.session.link], ['ready', false, null]);
  assert.deepEqual([bench.closed, bench.waits.length], [1, 0]);
});

test('publish session: the first try tells its fault at once', () => {
  const cases: [failure: Details, told: Details][] = [
    [
      { status: 409, text: 'taken' },
      { status: 409, text: 'taken' },
    ],
    [
      { status: 503, text: 'full' },
      { status: 503, text: 'full' },
    ],
    [{ reason: 'webrtc.network' }, { reason: 'webrtc.network' }],
    [{}, { reason: 'unreachable' }],
  ];
  for (const [failure, told] of cases) {
    const bench = new Bench();
    bench.session.start();
    bench.link.failed(failure);
    assert.deepEqual([bench.session.state, bench.details, bench.waits.length], ['refused', told, 0]);
  }
});

test('publish session: who was live is brought back, with longer and longer waits', () => {
  const bench = liveBench();
  bench.link.lost();
  assert.deepEqual([bench.session.state, bench.details.seconds, bench.closed], ['reconnecting', 1, 1]);
  // The server is away, then still holds the lost connection, then the network lets nothing through.
  const failures: Details[] = [{}, { status: 409, text: 'taken' }, { reason: 'webrtc.network' }];
  for (const [turn, failure] of failures.entries()) {
    assert.deepEqual(bench.waits, [1000 * 2 ** turn]);
    bench.pass();
    bench.link.failed(failure);
    assert.equal(bench.session.state, 'reconnecting');
  }
  assert.equal(bench.session.isOn, true);
  bench.pass();
  bench.link.connected();
  assert.equal(bench.session.state, 'live');
  // Lost again soon: the wait stays long; after a good while it begins anew.
  bench.link.lost();
  assert.deepEqual(bench.waits, [10_000]);
  bench.pass();
  bench.link.connected();
  bench.pass();
  bench.link.lost();
  assert.deepEqual(bench.waits, [1000]);
});

test('publish session: what the server will not have ends it', () => {
  for (const status of [400, 401, 403, 404, 406]) {
    const bench = liveBench();
    bench.link.lost();
    bench.pass();
    bench.link.failed({ status, text: 'no' });
    assert.deepEqual([bench.session.state, bench.details.text, bench.waits.length], ['refused', 'no', 0]);
  }
});

test('publish session: other tracks need another connection only while it is on; old links are not heard', () => {
  const bench = liveBench();
  const [first] = bench.links;
  bench.session.restart();
  assert.deepEqual([bench.links.length, bench.closed, bench.session.state], [2, 1, 'connecting']);
  first!.lost();
  assert.equal(bench.session.state, 'connecting');
  bench.session.stop();
  bench.session.restart();
  assert.equal(bench.links.length, 2);
});
