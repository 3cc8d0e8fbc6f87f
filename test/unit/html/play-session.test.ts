/** The life of a played stream: waiting, stalls, reconnects, ends. With a clock and engines of our own. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { loadPageModule } from './page-module.ts';

interface Events {
  playing(): void;
  waiting(): void;
  ended(): void;
  failed(details: { impossible?: boolean; refused?: boolean; reason?: string }): void;
}
interface Found {
  readonly kind: string;
  readonly stream?: { readonly state: string; readonly live_ms: number };
}
interface Session {
  start(): Promise<void>;
  close(): void;
  restart(): void;
  setPaused(paused: boolean): void;
}
interface Parts {
  find(): Promise<Found>;
  choose(stream: unknown): { works: boolean; reason?: string } | null;
  startEngine(
    choice: unknown,
    events: Events,
  ): { position(): number; timeline(): object | null; close(): void };
  onState(name: string, details: { seconds?: number; reason?: string }): void;
  onStream(stream: unknown): void;
  onRefused?(details: { reason?: string }): boolean;
  timers: { set(run: () => void, ms: number): number; clear(handle: number | null): void };
  random?: () => number;
}
interface PlaySessionModule {
  PlaySession: new (parts: Parts) => Session;
  retryDelayMs(attempt: number, random: number): number;
}

const { PlaySession, retryDelayMs } = await loadPageModule<PlaySessionModule>('js/play-session.js');

const live = (liveMs = 1000): Found => ({ kind: 'found', stream: { state: 'live', live_ms: liveMs } });
const lingering: Found = { kind: 'found', stream: { state: 'lingering', live_ms: 1000 } };
const missing: Found = { kind: 'missing' };

/** Timers that run when told, in order of time; look-ups answer in between. */
class Bench {
  found: Found = missing;
  works: boolean = true;
  /** Ways that are left when one is refused. */
  otherWays = 0;
  position = 0;
  timeline: object | null = null;
  engines = 0;
  closedEngines = 0;
  events: Events | null = null;
  readonly states: string[] = [];
  readonly session: Session;
  private now = 0;
  private nextHandle = 1;
  private readonly timers = new Map<number, { at: number; run: () => void }>();

  constructor() {
    this.session = new PlaySession({
      find: async () => this.found,
      choose: () => (this.works ? { works: true } : { works: false, reason: 'why.browser' }),
      startEngine: (_choice, events) => {
        this.engines++;
        this.events = events;
        return {
          position: () => this.position,
          timeline: () => this.timeline,
          close: () => void this.closedEngines++,
        };
      },
      onState: (name, { seconds }) => this.states.push(seconds === undefined ? name : `${name} ${seconds}`),
      onStream: () => undefined,
      onRefused: () => this.otherWays-- > 0,
      timers: {
        set: (run, ms) => {
          const handle = this.nextHandle++;
          this.timers.set(handle, { at: this.now + ms, run });
          return handle;
        },
        clear: (handle) => void this.timers.delete(handle ?? 0),
      },
      random: () => 0,
    });
  }

  get state(): string | undefined {
    return this.states.at(-1);
  }

  get pendingTimers(): number {
    return this.timers.size;
  }

  /** Runs `seconds`; the picture moves on before each second when `moving`. */
  async run(seconds: number, moving = false): Promise<void> {
    for (let step = 0; step < seconds * 4; step++) {
      this.now += 250;
      if (moving) this.position += 0.25;
      for (const [handle, timer] of [...this.timers]) {
        if (timer.at > this.now || !this.timers.delete(handle)) continue;
        timer.run();
      }
      await settle();
    }
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
}

async function playing(): Promise<Bench> {
  const bench = new Bench();
  bench.found = live();
  await bench.session.start();
  bench.events?.playing();
  await bench.run(3, true);
  assert.equal(bench.state, 'playing');
  return bench;
}

test('play session: waits for a stream that is not there and starts by itself', async () => {
  const bench = new Bench();
  await bench.session.start();
  await bench.run(5);
  assert.deepEqual(bench.states, ['loading', 'waiting']);
  assert.equal(bench.engines, 0);
  bench.found = live();
  await bench.run(2);
  assert.equal(bench.engines, 1);
  assert.equal(bench.state, 'loading');
  bench.events?.playing();
  assert.equal(bench.state, 'playing');
});

test('play session: an idle on-demand stream is started by watching it', async () => {
  const bench = new Bench();
  bench.found = { kind: 'found', stream: { state: 'idle', live_ms: 0 } };
  await bench.session.start();
  assert.equal(bench.engines, 1);
});

test('play session: without an open API it plays all the same', async () => {
  const bench = new Bench();
  bench.found = { kind: 'unknown' };
  await bench.session.start();
  assert.equal(bench.engines, 1);
});

test('play session: a picture that stands still is stalled, and later connected anew', async () => {
  const bench = await playing();
  await bench.run(3);
  assert.equal(bench.state, 'stalled');
  await bench.run(2, true);
  assert.equal(bench.state, 'playing');
  assert.equal(bench.engines, 1);
  await bench.run(12);
  assert.equal(bench.closedEngines, 1);
  assert.ok(bench.states.includes('retrying 1'));
  assert.equal(bench.engines, 2);
});

test('play session: a lost publisher is not a fault of the connection', async () => {
  const bench = await playing();
  bench.found = lingering;
  await bench.run(30);
  assert.equal(bench.state, 'lost');
  assert.equal(bench.engines, 1);
  assert.equal(bench.closedEngines, 0);
  bench.found = live();
  await bench.run(3, true);
  assert.equal(bench.state, 'playing');
  assert.equal(bench.engines, 1);
});

test('play session: a closed connection of a stream that is gone is its end, and it comes back', async () => {
  const bench = await playing();
  bench.found = missing;
  bench.events?.ended();
  await settle();
  assert.equal(bench.state, 'ended');
  await bench.run(20);
  assert.equal(bench.engines, 1);
  bench.found = live(2000);
  await bench.run(2);
  assert.equal(bench.engines, 2);
});

test('play session: retries wait longer each time, and short again after it played', async () => {
  const bench = await playing();
  for (const seconds of [1, 2, 4, 8, 10, 10]) {
    bench.events?.failed({});
    assert.equal(bench.state, `retrying ${seconds}`);
    await bench.run(seconds + 1);
  }
  bench.events?.playing();
  await bench.run(12, true);
  bench.events?.failed({});
  assert.equal(bench.state, 'retrying 1');
});

test('play session: what cannot be decoded is not tried again until the stream starts anew', async () => {
  const bench = new Bench();
  bench.found = live();
  await bench.session.start();
  bench.events?.failed({ impossible: true, reason: 'why.unplayable' });
  assert.equal(bench.state, 'impossible');
  await bench.run(20);
  assert.equal(bench.engines, 1);
  bench.found = live(2000);
  await bench.run(2);
  assert.equal(bench.engines, 2);
});

test('play session: no way works: said at once, no engine', async () => {
  const bench = new Bench();
  bench.works = false;
  bench.found = live();
  await bench.session.start();
  assert.equal(bench.state, 'impossible');
  assert.equal(bench.engines, 0);
  bench.works = true;
  bench.session.restart();
  assert.equal(bench.engines, 1);
});

test('play session: an unreachable server is named, and does not disturb what plays', async () => {
  const cold = new Bench();
  cold.found = { kind: 'unreachable' };
  await cold.session.start();
  assert.equal(cold.state, 'unreachable');
  const warm = await playing();
  warm.found = { kind: 'unreachable' };
  await warm.run(6, true);
  assert.equal(warm.state, 'playing');
});

test('play session: a pause is no stall; a long one closes the connection until play', async () => {
  const bench = await playing();
  bench.session.setPaused(true);
  await bench.run(15);
  assert.equal(bench.state, 'playing');
  assert.equal(bench.closedEngines, 0);
  await bench.run(10);
  assert.equal(bench.state, 'paused');
  assert.equal(bench.closedEngines, 1);
  await bench.run(10);
  assert.equal(bench.engines, 1);
  bench.session.setPaused(false);
  assert.equal(bench.engines, 2);
});

test('play session: a pause in a window that can be sought through keeps its place', async () => {
  const bench = await playing();
  bench.timeline = { start: 0, end: 600, position: 300, live: true };
  bench.session.setPaused(true);
  await bench.run(60);
  assert.equal(bench.state, 'playing');
  assert.equal(bench.closedEngines, 0);
});

test('play session: another way begins anew at once, and the old engine is not heard any more', async () => {
  const bench = await playing();
  const old = bench.events;
  bench.session.restart();
  assert.equal(bench.engines, 2);
  assert.equal(bench.closedEngines, 1);
  old?.failed({});
  assert.equal(bench.state, 'loading');
});

test('play session: a way that is refused gives way to another one at once, until none is left', async () => {
  const bench = new Bench();
  bench.found = live();
  bench.otherWays = 1;
  await bench.session.start();
  bench.events?.failed({ refused: true, reason: 'webrtc.network' });
  assert.deepEqual([bench.engines, bench.closedEngines, bench.state], [2, 1, 'loading']);
  bench.events?.failed({ refused: true, reason: 'webrtc.network' });
  assert.deepEqual([bench.engines, bench.closedEngines, bench.state], [2, 2, 'impossible']);
  await bench.run(10);
  assert.equal(bench.engines, 2);
  // Another broadcast may be different.
  bench.found = live(2000);
  await bench.run(3);
  assert.equal(bench.engines, 3);
});

test('play session: close leaves no timer and no engine', async () => {
  const bench = await playing();
  bench.session.close();
  assert.equal(bench.pendingTimers, 0);
  assert.equal(bench.closedEngines, 1);
  await bench.run(5);
  assert.equal(bench.pendingTimers, 0);
});

test('play session: the wait between tries is bounded and spread', () => {
  assert.deepEqual(
    [0, 1, 2, 3, 4, 50].map((attempt) => retryDelayMs(attempt, 0)),
    [1000, 2000, 4000, 8000, 10_000, 10_000],
  );
  assert.equal(retryDelayMs(0, 1), 1250);
});
